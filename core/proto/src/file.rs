//! Files as a client's owner sees them: what can be done with an open file, and the one place where
//! a range of a file is turned into ranges of chunks.

use crate::config::Constants;
use crate::ids::{FileHandle, LockOwner};
use crate::locks::{Lock, LockKind};
use crate::message::ReadMode;
use crate::metadata::{FileInfo, FileSpec};
use crate::path::Path;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::tables::Holder;
use alloc::format;
use alloc::vec::Vec;

/// Bytes in a chunk at the most.
pub const CHUNK_BYTES_MAX: u64 = 1 << 40;

/// A range inside one chunk, at most as long as one operation may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    /// Index of the chunk in its file.
    pub index: u64,
    /// Offset in the chunk, in bytes.
    pub offset: u64,
    /// Bytes; never zero, except of an empty range.
    pub length: u64,
}

/// How a file is cut. Pieces end at multiples of `piece_bytes` in their chunk, so that pieces of
/// a long transfer cover whole checksum blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// The file's chunk size in bytes.
    pub chunk_bytes: u64,
    /// A piece at the most, in bytes.
    pub piece_bytes: u64,
}

impl Cut {
    /// The cut of a file with this spec, in a cluster with these constants.
    #[must_use]
    pub fn new(spec: &FileSpec, constants: &Constants) -> Self {
        let piece_bytes = u64::from(constants.mutation_bytes_max);
        Cut { chunk_bytes: spec.chunk_bytes, piece_bytes }
    }

    /// The longest piece that begins at byte `at` of the file, `length` bytes at the most.
    #[must_use]
    pub fn piece(&self, at: u64, length: u64) -> Piece {
        let index = at / self.chunk_bytes;
        let offset = at % self.chunk_bytes;
        let to_boundary = self.piece_bytes - offset % self.piece_bytes;
        let to_chunk_end = self.chunk_bytes - offset;
        Piece { index, offset, length: length.min(to_boundary).min(to_chunk_end) }
    }

    /// All pieces of the range, in order.
    pub fn pieces(self, mut at: u64, mut length: u64) -> impl Iterator<Item = Piece> {
        core::iter::from_fn(move || {
            let piece = self.piece(at, length);
            (at, length) = (at.saturating_add(piece.length), length - piece.length);
            Some(piece).filter(|piece| piece.length > 0)
        })
    }

    /// A record that is appended has so many bytes at the most.
    #[must_use]
    pub fn record_bytes_max(&self) -> u64 {
        self.piece_bytes.min(record_bytes_max(self.chunk_bytes))
    }

    /// Where in the file a byte of a chunk is.
    #[must_use]
    pub fn position(&self, index: u64, offset: u64) -> u64 {
        position(self.chunk_bytes, index, offset)
    }
}

/// Where in a file with chunks of `chunk_bytes` a byte of one of its chunks is.
#[must_use]
pub fn position(chunk_bytes: u64, index: u64, offset: u64) -> u64 {
    // No file reaches beyond: a peer that says so is mistaken.
    index.saturating_mul(chunk_bytes).saturating_add(offset)
}

/// GFS §3.3: a record is at most a quarter of a chunk, so that padding stays bounded.
#[must_use]
pub fn record_bytes_max(chunk_bytes: u64) -> u64 {
    chunk_bytes / 4
}

/// Refuses a range that no file can hold.
///
/// # Errors
/// `Invalid` if it ends beyond byte 2^64 - 1.
pub fn check_range(offset: u64, length: u64) -> Result<(), Refusal> {
    if offset.checked_add(length).is_some() {
        return Ok(());
    }
    Err(beyond())
}

/// Refuses a slot of which a file with chunks of `chunk_bytes` cannot hold every byte. Holes before a
/// chunk cost nothing, so that nothing else bounds how far out one may be.
///
/// # Errors
/// `Invalid` if it would end beyond byte 2^64 - 1.
pub fn check_slot(index: u64, chunk_bytes: u64) -> Result<(), Refusal> {
    if index < u64::MAX / chunk_bytes { Ok(()) } else { Err(beyond()) }
}

fn beyond() -> Refusal {
    Refusal::Invalid(format!("a file does not reach beyond byte {}", u64::MAX))
}

/// What an owner can do with files. A call is carried out in pieces: operations on single chunks,
/// several of them under way at a time. Each chunk is linearizable by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FileCall {
    /// Opens the file that a path leads to. A rename does not affect the handle.
    Open {
        /// The path of a file; a symbolic link is followed.
        path: Path,
    },
    /// Makes an empty file and opens it.
    Create {
        /// A path at which nothing is.
        path: Path,
        /// What is fixed about it from now on.
        spec: FileSpec,
        /// Permission bits, the caller's umask applied.
        mode: u16,
    },
    /// Reads a range; less only if the file ends before. Holes read as zeros.
    Read {
        /// An open file.
        handle: FileHandle,
        /// First byte, in the file.
        offset: u64,
        /// Bytes at the most.
        length: u64,
        /// At which replicas.
        mode: ReadMode,
    },
    /// Writes a range; a gap left before it reads as zeros.
    Write {
        /// An open file.
        handle: FileHandle,
        /// First byte, in the file.
        offset: u64,
        /// The bytes, each payload as long as [`Cut::pieces`] says: the core computes no checksum.
        pieces: Vec<Payload>,
    },
    /// Appends one record, exactly once, at an offset that a primary chooses.
    Append {
        /// An open file.
        handle: FileHandle,
        /// At most [`Cut::record_bytes_max`].
        payload: Payload,
    },
    /// The length in bytes, from the primary of the last chunk: it counts what was acknowledged.
    Length {
        /// An open file.
        handle: FileHandle,
    },
    /// Makes the file exactly so long: what is behind vanishes, and what was not there reads as zeros.
    Truncate {
        /// An open file.
        handle: FileHandle,
        /// In bytes.
        length: u64,
    },
    /// Locks or unlocks a range (POSIX `fcntl`, `flock`). A lock lasts for as long as the masters hear this
    /// client; it is lost with the session otherwise, and mutations of the file are refused until its
    /// owner unlocks.
    Lock {
        /// An open file.
        handle: FileHandle,
        /// For whom, within this client.
        owner: LockOwner,
        /// Which bytes.
        range: Extent,
        /// How; none to unlock.
        kind: Option<LockKind>,
        /// Wait while another holds what does not allow it; `Locked` otherwise.
        wait: bool,
    },
    /// Finds the lock that does not allow one.
    Conflict {
        /// An open file.
        handle: FileHandle,
        /// For whom it would be.
        owner: LockOwner,
        /// Which bytes.
        range: Extent,
        /// How.
        kind: LockKind,
    },
    /// Forgets a handle. Calls under way are not affected.
    Close {
        /// An open file, or one that was closed.
        handle: FileHandle,
    },
}

/// How a file call ended well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FileOutcome {
    /// Open, Create.
    Opened {
        /// Names the file in later calls of this session.
        handle: FileHandle,
        /// What the master knows of it.
        info: FileInfo,
        /// How its bytes are to be cut.
        cut: Cut,
    },
    /// Read: the bytes, in order.
    Read(Vec<Part>),
    /// Write: all of it.
    Written {
        /// Bytes.
        length: u64,
    },
    /// Append: the record's first byte, in the file.
    Appended {
        /// Offset in the file, in bytes.
        at: u64,
    },
    /// Length.
    Length(u64),
    /// Truncate.
    Truncated,
    /// Lock.
    Locked,
    /// Conflict: one of those that do not allow it.
    Conflict(Option<Lock<Holder>>),
    /// Close.
    Closed,
}

/// A part of what was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Bytes of a chunk.
    Data(Payload),
    /// So many zeros: a chunk that is short although another follows it has a hole at its end.
    Zeros(u64),
}

impl Part {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Part::Data(payload) => payload.len(),
            Part::Zeros(length) => *length,
        }
    }

    /// True if it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(cut: Cut, at: u64, length: u64) -> Vec<(u64, u64, u64)> {
        let mut end = at;
        let mut pieces = Vec::new();
        for piece in cut.pieces(at, length) {
            assert_eq!(cut.position(piece.index, piece.offset), end);
            end += piece.length;
            pieces.push((piece.index, piece.offset, piece.length));
        }
        assert_eq!(end, at + length);
        pieces
    }

    #[test]
    fn pieces_end_at_their_multiples_and_at_chunk_ends() {
        let cut = Cut { chunk_bytes: 10, piece_bytes: 4 };
        assert_eq!(all(cut, 3, 14), [(0, 3, 1), (0, 4, 4), (0, 8, 2), (1, 0, 4), (1, 4, 3)]);
        assert_eq!(all(cut, 3, 0), []);
    }

    #[test]
    fn a_chunk_smaller_than_a_piece_is_one_piece() {
        let cut = Cut { chunk_bytes: 3, piece_bytes: 8 };
        assert_eq!(all(cut, 1, 6), [(0, 1, 2), (1, 0, 3), (2, 0, 1)]);
    }
}
