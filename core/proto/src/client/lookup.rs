//! What several tasks need and one does for all (single-flight): where a chunk is, how many chunks a
//! file has, one more chunk, the end of a chunk.

use crate::ids::{ChunkHandle, FileId};

/// A shared lookup. Two tasks that need the same one wait for the same task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lookup {
    /// Find out where a chunk is.
    Locate { file: FileId, index: u64, primary: bool },
    /// Find out how many chunks a file has.
    Tail { file: FileId },
    /// Make sure that the file has the chunk `index`.
    Extend { file: FileId, index: u64 },
    /// Make sure that no append fits into the chunk, and that no cut decided before this truncation
    /// epoch makes one fit.
    Seal { file: FileId, index: u64, epoch: u64 },
    /// Begin a session, unless there is one.
    Session,
    /// Have the session renewed.
    Renew,
    /// Have the file give up a retired chunk.
    Drop { file: FileId, index: u64, chunk: ChunkHandle },
}

impl Lookup {
    /// True if the state of the cluster may change by it.
    pub fn changes_something(self) -> bool {
        match self {
            Lookup::Extend { .. } | Lookup::Seal { .. } | Lookup::Drop { .. } | Lookup::Session => {
                true
            }
            Lookup::Locate { .. } | Lookup::Tail { .. } | Lookup::Renew => false,
        }
    }
}
