//! What may yet be added at the end of a chunk.

use serde::{Deserialize, Serialize};

/// What may yet be added at the end of a chunk.
///
/// A file's chunks are sealed before another is added behind, so that no append lands before bytes
/// that were written later. A cut opens its chunk again: it must not do so to one behind which a chunk
/// was added meanwhile. So a chunk that was cut remembers the truncation epoch of the cut, and whoever
/// seals a chunk of a file that was ever truncated does it by a cut to the full size in the epoch that
/// the file has: every cut that was decided before is then refused.
///
/// The encoding of the first two is that of the flag that was here before chunks could be cut.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum ChunkEnd {
    /// Appends fit.
    #[default]
    Open,
    /// No append fits any more.
    Sealed,
    /// Nothing is taken any more.
    Retired,
    /// It was cut.
    Cut {
        /// The epoch of the last cut.
        epoch: u64,
        /// No append fits any more.
        sealed: bool,
    },
}

impl ChunkEnd {
    /// No append fits any more.
    #[must_use]
    pub fn is_sealed(self) -> bool {
        match self {
            ChunkEnd::Sealed | ChunkEnd::Retired | ChunkEnd::Cut { sealed: true, .. } => true,
            ChunkEnd::Open | ChunkEnd::Cut { sealed: false, .. } => false,
        }
    }

    /// The epoch of its last cut; zero if it was never cut.
    #[must_use]
    pub fn epoch(self) -> u64 {
        match self {
            ChunkEnd::Cut { epoch, .. } => epoch,
            ChunkEnd::Open | ChunkEnd::Sealed | ChunkEnd::Retired => 0,
        }
    }

    pub(super) fn seal(self) -> Self {
        match self {
            ChunkEnd::Open | ChunkEnd::Sealed => ChunkEnd::Sealed,
            ChunkEnd::Retired => ChunkEnd::Retired,
            ChunkEnd::Cut { epoch, .. } => ChunkEnd::Cut { epoch, sealed: true },
        }
    }
}
