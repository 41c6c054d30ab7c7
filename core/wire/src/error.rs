//! Why bytes are not a frame.

use crate::header::{FrameKind, MAGIC};
use std::fmt;

/// One of the three parts of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The fixed header.
    Header,
    /// The encoded fields.
    Body,
    /// The bulk data.
    Payload,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Header => "header",
            Part::Body => "body",
            Part::Payload => "payload",
        })
    }
}

/// What is wrong with a frame, and what would be right. The connection that carried it has lost
/// its place in the stream and is to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The peer does not speak this protocol, or the stream has lost its place.
    #[error("not a leasehold frame: begins with {found:02x?} where {MAGIC:02x?} is expected")]
    BadMagic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The peer speaks another format.
    #[error("frame of format version {found}; this program speaks version {expected}")]
    WrongVersion {
        /// The peer's.
        found: u16,
        /// Ours.
        expected: u16,
    },
    /// A checksum does not fit the bytes.
    #[error("{part} corrupt: its CRC-32C is {computed:08x}, the header says {stated:08x}")]
    Corrupt {
        /// Which part.
        part: Part,
        /// Of the bytes received.
        computed: u32,
        /// As the header has it.
        stated: u32,
    },
    /// The header is intact but uses a flag that this format does not have.
    #[error("unknown flags {found:#04x} in the header; this format has none")]
    UnknownFlags {
        /// The flags.
        found: u8,
    },
    /// The header is intact but names a kind that this format does not have.
    #[error("unknown frame kind {found}; this format has 1 to 4")]
    UnknownKind {
        /// The kind.
        found: u8,
    },
    /// A part is longer than its limit. Found before any of it is read or allocated.
    #[error("{part} of {found} bytes; at most {max} are allowed in a {kind} frame")]
    TooLarge {
        /// Which part.
        part: Part,
        /// Of what kind of frame.
        kind: FrameKind,
        /// Its length in bytes.
        found: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// A part ends too early.
    #[error("{part} truncated: {found} of {expected} bytes")]
    Truncated {
        /// Which part.
        part: Part,
        /// Bytes that are there.
        found: u64,
        /// Bytes that belong there.
        expected: u64,
    },
    /// A part continues after its end.
    #[error("{part} overlong: {found} bytes where {expected} belong")]
    Overlong {
        /// Which part.
        part: Part,
        /// Bytes that are there.
        found: u64,
        /// Bytes that belong there.
        expected: u64,
    },
    /// The body is intact, but does not hold the fields of its kind.
    #[error("body is not the fields of a {kind} frame")]
    Malformed {
        /// Of what kind.
        kind: FrameKind,
        /// What the decoder met.
        source: postcard::Error,
    },
    /// Bulk data beside a frame that has no place for it.
    #[error("a payload of {found} bytes beside a {what}, which carries none")]
    UnexpectedPayload {
        /// Beside what.
        what: &'static str,
        /// Bytes of it.
        found: u64,
    },
    /// A good frame at the wrong moment.
    #[error("a {found} frame where {expected} is expected")]
    UnexpectedKind {
        /// What came.
        found: FrameKind,
        /// What should have come.
        expected: FrameKind,
    },
}
