//! The layout of a file: which chunks its bytes are in.

use crate::ids::ChunkHandle;
use crate::metadata::FileSpec;
use crate::refusal::Refusal;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A slot of a file, as long as the file's chunks are, and the chunk that its bytes are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRef {
    /// Which slot: it begins at `index * chunk_bytes`.
    pub index: u64,
    /// The chunk that it refers to.
    pub chunk: ChunkHandle,
}

/// How a file is cut into slots, and what they refer to. A slot without a reference has no bytes: its
/// chunk was freed, or it lies behind the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    spec: FileSpec,
    /// By rising index.
    refs: Vec<ChunkRef>,
}

impl Layout {
    pub(super) fn new(spec: FileSpec) -> Self {
        Layout { spec, refs: Vec::new() }
    }

    /// Fixed when the file was made; chunks that are made for it begin with it.
    #[must_use]
    pub fn spec(&self) -> &FileSpec {
        &self.spec
    }

    /// By rising index.
    #[must_use]
    pub fn refs(&self) -> &[ChunkRef] {
        &self.refs
    }

    /// How many slots there are up to the end.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.refs.last().map_or(0, |last| last.index + 1)
    }

    /// The chunk of a slot.
    #[must_use]
    pub fn chunk_at(&self, index: u64) -> Option<ChunkHandle> {
        let place = self.refs.binary_search_by_key(&index, |reference| reference.index).ok()?;
        Some(self.refs[place].chunk)
    }

    /// Does a slot refer to this chunk?
    #[must_use]
    pub fn refers_to(&self, chunk: ChunkHandle) -> bool {
        self.refs.iter().any(|reference| reference.chunk == chunk)
    }

    /// The chunk of a slot; none at the end, where the next one goes. Error: `NotNextChunk` beyond.
    pub(super) fn slot(&self, index: u64) -> Result<Option<ChunkHandle>, Refusal> {
        let chunks = self.slots();
        if index > chunks {
            return Err(Refusal::NotNextChunk { chunks });
        }
        Ok(self.chunk_at(index))
    }

    /// The next slot refers to this chunk.
    pub(super) fn push(&mut self, chunk: ChunkHandle) {
        self.refs.push(ChunkRef { index: self.slots(), chunk });
    }

    /// No slot refers to this chunk any more.
    pub(super) fn remove(&mut self, chunk: ChunkHandle) {
        self.refs.retain(|reference| reference.chunk != chunk);
    }
}
