//! The identities that the log hands out. None is ever used again.

use crate::ids::{ChunkHandle, FileId};
use serde::{Deserialize, Serialize};

/// Counts identities. Invariant: every identity that was ever in use is below the next one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Allocator {
    next_file: FileId,
    next_chunk: ChunkHandle,
}

impl Allocator {
    pub(super) fn new(root: FileId) -> Self {
        Allocator { next_file: root.next(), next_chunk: ChunkHandle(1) }
    }

    /// The next file or directory gets this.
    #[must_use]
    pub fn next_file(&self) -> FileId {
        self.next_file
    }

    /// The next chunk gets this.
    #[must_use]
    pub fn next_chunk(&self) -> ChunkHandle {
        self.next_chunk
    }

    pub(super) fn file(&mut self) -> FileId {
        let file = self.next_file;
        self.next_file = file.next();
        file
    }

    pub(super) fn chunk(&mut self) -> ChunkHandle {
        let chunk = self.next_chunk;
        self.next_chunk = chunk.next();
        chunk
    }
}
