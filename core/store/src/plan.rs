//! What one change writes into a data file, computed before anything is touched: the bytes, the
//! new checksums, and whether the bytes may go to their place before the journal knows of them.
//!
//! They may, if losing power half-way harms nothing that was there: each byte is in a block that
//! was never written (its bytes are undefined until it has a checksum) or at or beyond the
//! durable length (recovery cuts the file there). A block's unwritten bytes are written as zeros
//! together with its first bytes, where an earlier, torn write may have left something.

use crate::sealed::crc;
use crate::state::blocks_below;
use crate::sums::Sums;
use bytes::Bytes;
use leasehold_proto::Extent;
use std::collections::BTreeMap;

/// Bytes and where they go in the chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub offset: u64,
    pub data: Bytes,
}

impl Piece {
    pub fn extent(&self) -> Extent {
        Extent::new(self.offset, self.data.len() as u64)
    }

    /// Leaves out what is at or beyond a length of the chunk.
    pub fn end_at(&mut self, length: u64) {
        self.data.truncate(self.extent().below(length).length as usize);
    }
}

/// What a chunk's file is before the change.
pub(crate) struct Before<'a> {
    pub block_bytes: u64,
    pub sums: &'a Sums,
    /// The chunk's durable length.
    pub length: u64,
    /// No byte below goes to its place before the journal has it: a replay could write older
    /// bytes there. A multiple of the block.
    pub floor: u64,
    /// Bytes of the file; beyond, it is zero.
    pub file_bytes: u64,
}

/// What the change writes.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In order; a later one overwrites an earlier one.
    pub writes: Vec<Piece>,
    /// New checksums, by block.
    pub sums: BTreeMap<u32, u32>,
    /// The bytes may be written before the journal record.
    pub in_place: bool,
}

impl Plan {
    /// Plans, with `cut`, that the chunk loses what is at or beyond that length, and then the writing
    /// of `pieces`, after which it is `length` bytes long. `read` gives the verified bytes of a written
    /// block.
    pub fn new<E>(
        before: &Before<'_>,
        cut: Option<u64>,
        pieces: Vec<Piece>,
        length: u64,
        mut read: impl FnMut(u32) -> Result<Vec<u8>, E>,
    ) -> Result<Plan, E> {
        let kept = cut.map_or(u32::MAX, |length| blocks_below(length, before.block_bytes));
        let (partial, full) = (BTreeMap::new(), BTreeMap::new());
        let mut planner = Planner { before, kept, partial, full };
        let tail = match cut {
            Some(length) => planner.cut(length, &mut read)?,
            None => None,
        };
        for piece in &pieces {
            planner.write(piece, &mut read)?;
        }
        let end = pieces.iter().map(|piece| piece.extent().end()).max().unwrap_or(0);
        // The file is not cut below what is written: on a full disk another would take the room.
        let tail = tail.filter(|tail| tail.offset < end).map(|mut tail| {
            tail.end_at(length);
            tail
        });
        let pieces: Vec<Piece> = tail.into_iter().chain(pieces).collect();
        let in_place = cut.is_none() && pieces.iter().all(|piece| may_be_in_place(before, piece));
        Ok(planner.finish(pieces, in_place, length))
    }
}

struct Planner<'a> {
    before: &'a Before<'a>,
    /// Blocks from here on are as if never written.
    kept: u32,
    /// Blocks whose last write covers only a part of them, as they will be.
    partial: BTreeMap<u32, Vec<u8>>,
    /// Blocks that some write covers.
    full: BTreeMap<u32, Bytes>,
}

impl Planner<'_> {
    fn write<E>(
        &mut self,
        piece: &Piece,
        read: &mut impl FnMut(u32) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        let size = self.before.block_bytes;
        let mut at = piece.offset;
        let mut left = piece.data.clone();
        while !left.is_empty() {
            let (block, inside) = (block_of(at, size), (at % size) as usize);
            let part = left.split_to(left.len().min(size as usize - inside));
            at += part.len() as u64;
            if part.len() as u64 == size {
                self.partial.remove(&block);
                self.full.insert(block, part);
            } else {
                self.part(block, read)?[inside..inside + part.len()].copy_from_slice(&part);
            }
        }
        Ok(())
    }

    /// The bytes of a block that is written in part.
    fn part<E>(
        &mut self,
        block: u32,
        read: &mut impl FnMut(u32) -> Result<Vec<u8>, E>,
    ) -> Result<&mut Vec<u8>, E> {
        if !self.partial.contains_key(&block) {
            let bytes = match (self.full.get(&block), self.sum_at(block)) {
                (Some(bytes), _) => bytes.to_vec(),
                (None, Some(_)) => read(block)?,
                (None, None) => vec![0; self.before.block_bytes as usize],
            };
            self.partial.insert(block, bytes);
        }
        Ok(self.partial.get_mut(&block).expect("it was put there"))
    }

    fn sum_at(&self, block: u32) -> Option<u32> {
        self.before.sums.at(block).filter(|_| block < self.kept)
    }

    /// What the last block holds beyond the new length becomes zero. Gives those zeros.
    fn cut<E>(
        &mut self,
        length: u64,
        read: &mut impl FnMut(u32) -> Result<Vec<u8>, E>,
    ) -> Result<Option<Piece>, E> {
        let size = self.before.block_bytes;
        let (last, inside) = (block_of(length, size), (length % size) as usize);
        if inside == 0 || self.sum_at(last).is_none() {
            return Ok(None);
        }
        let tail = &mut self.part(last, read)?[inside..];
        tail.fill(0);
        Ok(Some(Piece { offset: length, data: tail.to_vec().into() }))
    }

    /// A block's first bytes take its zeros along, where an earlier write may have left something.
    /// In the journal only below the new `length`: a replay must not write zeros over bytes that
    /// are appended later, and beyond the length the file is zero anyway.
    fn finish(mut self, pieces: Vec<Piece>, in_place: bool, length: u64) -> Plan {
        let size = self.before.block_bytes;
        let mut sums: BTreeMap<u32, u32> =
            self.full.iter().map(|(&block, bytes)| (block, crc(bytes))).collect();
        let mut writes = Vec::new();
        for (block, mut bytes) in std::mem::take(&mut self.partial) {
            let first = self.sum_at(block).is_none() && !self.full.contains_key(&block);
            let start = u64::from(block) * size;
            sums.insert(block, crc(&bytes));
            if first && (!in_place || self.before.file_bytes > start) {
                if !in_place {
                    bytes.truncate(length.saturating_sub(start).min(size) as usize);
                }
                writes.push(Piece { offset: start, data: bytes.into() });
            }
        }
        writes.extend(pieces.into_iter().filter(|piece| !piece.data.is_empty()));
        Plan { writes, sums, in_place }
    }
}

fn may_be_in_place(before: &Before<'_>, piece: &Piece) -> bool {
    let size = before.block_bytes;
    let extent = piece.extent();
    let new_block = |block: u32| before.sums.at(block).is_none();
    let beyond = |block: u32| extent.offset.max(u64::from(block) * size) >= before.length;
    extent.offset >= before.floor
        && blocks_of(extent, size).all(|block| new_block(block) || beyond(block))
}

/// The block that holds the byte at `offset`.
pub(crate) fn block_of(offset: u64, block_bytes: u64) -> u32 {
    u32::try_from(offset / block_bytes).expect("a chunk has fewer than 2^32 blocks")
}

/// The blocks that an extent touches.
pub(crate) fn blocks_of(extent: Extent, block_bytes: u64) -> std::ops::Range<u32> {
    let blocks = extent.to_blocks(block_bytes);
    if blocks.length == 0 {
        return 0..0;
    }
    block_of(blocks.offset, block_bytes)..block_of(blocks.end(), block_bytes)
}
