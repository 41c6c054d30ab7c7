//! The layout of a file: the chunks that its bytes are in.

use crate::ids::ChunkHandle;
use crate::metadata::FileSpec;
use crate::refusal::Refusal;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How a file is cut, and into what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    spec: FileSpec,
    chunks: Vec<ChunkHandle>,
}

impl Layout {
    pub(super) fn new(spec: FileSpec) -> Self {
        Layout { spec, chunks: Vec::new() }
    }

    /// Fixed when the file was made.
    #[must_use]
    pub fn spec(&self) -> &FileSpec {
        &self.spec
    }

    /// Its chunks, in order of index while none was freed.
    #[must_use]
    pub fn chunks(&self) -> &[ChunkHandle] {
        &self.chunks
    }

    /// The chunk at a place; none at the end, where the next one goes. Error: `NotNextChunk` beyond.
    pub(super) fn slot(&self, index: u64) -> Result<Option<ChunkHandle>, Refusal> {
        let chunks = self.chunks.len() as u64;
        if index > chunks {
            return Err(Refusal::NotNextChunk { chunks });
        }
        let place = usize::try_from(index).expect("at most the length of a list in memory");
        Ok(self.chunks.get(place).copied())
    }

    pub(super) fn push(&mut self, chunk: ChunkHandle) {
        self.chunks.push(chunk);
    }

    pub(super) fn remove(&mut self, chunk: ChunkHandle) {
        self.chunks.retain(|other| *other != chunk);
    }
}
