//! Bulk data: the machines decide and hand it on, they never copy it nor look inside.

use bytes::Bytes;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Bytes with the CRC-32C that somebody outside the core computed over them.
///
/// On the wire the bytes stand beside the encoded message, not inside it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload {
    /// The bytes.
    pub data: Bytes,
    /// CRC-32C (Castagnoli) of `data`; the machines only compare it.
    pub crc: u32,
}

impl Payload {
    /// Joins bytes with the checksum computed over them.
    #[must_use]
    pub fn new(data: Bytes, crc: u32) -> Self {
        Payload { data, crc }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.data.len() as u64
    }

    /// True if there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} B, crc {:08x}]", self.data.len(), self.crc)
    }
}

/// A range of bytes of one chunk.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Extent {
    /// First byte, from the start of the chunk.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Extent {
    /// The range `[offset, offset + length)`.
    #[must_use]
    pub fn new(offset: u64, length: u64) -> Self {
        Extent { offset, length }
    }

    /// One past the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Does it end at or before `end`?
    #[must_use]
    pub fn is_within(&self, end: u64) -> bool {
        self.offset.checked_add(self.length).is_some_and(|own| own <= end)
    }

    /// True if both share a byte.
    #[must_use]
    pub fn overlaps(&self, other: &Extent) -> bool {
        self.offset < other.end() && other.offset < self.end()
    }

    /// Widened to whole blocks of `block` bytes.
    #[must_use]
    pub fn to_blocks(&self, block: u64) -> Extent {
        if self.length == 0 {
            return *self;
        }
        let start = self.offset / block * block;
        let end = self.end().div_ceil(block).saturating_mul(block);
        Extent { offset: start, length: end - start }
    }

    /// What lies below `end`.
    #[must_use]
    pub fn below(&self, end: u64) -> Extent {
        Extent { offset: self.offset, length: self.end().min(end).saturating_sub(self.offset) }
    }
}

/// Are these places below `end` for exactly as many bytes as there are? What a peer sends is checked
/// by it.
#[must_use]
pub fn fit(places: &[Extent], end: u64, payload: &Payload) -> bool {
    let sum = places.iter().try_fold(0_u64, |sum, place| sum.checked_add(place.length));
    sum == Some(payload.len()) && places.iter().all(|place| place.is_within(end))
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.offset, self.length)
    }
}
