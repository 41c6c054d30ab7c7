//! The layout of a file: which chunks its bytes are in.

use crate::file::check_slot;
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

/// Chunks that a step of a truncation names at the most.
const BEHIND_MAX: usize = 256;

/// How a file is cut into slots, and what they refer to. A slot without a reference is a hole and
/// reads as zeros: nothing was written there, or its chunk was given up, or it lies behind the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    spec: FileSpec,
    /// By rising index.
    refs: Vec<ChunkRef>,
    /// See [`FileInfo::epoch`](crate::metadata::FileInfo::epoch).
    epoch: u64,
}

impl Layout {
    pub(super) fn new(spec: FileSpec) -> Self {
        Layout { spec, refs: Vec::new(), epoch: 0 }
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

    /// The truncation epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The chunk of a slot, or that one may be put there by a client that saw the last of `slots`
    /// slots sealed in `epoch`. Behind the end only if that is still the last one, and nothing was
    /// cut since. Errors: `NotNextChunk`; `Invalid` beyond what a file can hold.
    pub(super) fn slot(
        &self,
        index: u64,
        slots: u64,
        epoch: u64,
    ) -> Result<Option<ChunkHandle>, Refusal> {
        let chunks = self.slots();
        check_slot(index, self.spec.chunk_bytes)?;
        if index >= chunks && (slots, epoch) != (chunks, self.epoch) {
            return Err(Refusal::NotNextChunk { chunks });
        }
        Ok(self.chunk_at(index))
    }

    /// A hole refers to this chunk from here on.
    pub(super) fn put(&mut self, index: u64, chunk: ChunkHandle) {
        let place = self.refs.partition_point(|reference| reference.index < index);
        self.refs.insert(place, ChunkRef { index, chunk });
    }

    /// What an operation learned of the chunks' ends before counts no more.
    pub(super) fn raise_epoch(&mut self) {
        self.epoch += 1;
    }

    /// The chunks behind a cut at `length`, from the end, as many as are named at a time.
    pub(super) fn behind(&self, length: u64) -> Vec<ChunkRef> {
        let last = length.saturating_sub(1) / self.spec.chunk_bytes;
        let behind = self.refs.iter().rev().take_while(|reference| reference.index > last);
        behind.take(BEHIND_MAX).copied().collect()
    }

    /// No slot refers to this chunk any more. Did one?
    pub(super) fn remove(&mut self, chunk: ChunkHandle) -> bool {
        let refs = self.refs.len();
        self.refs.retain(|reference| reference.chunk != chunk);
        self.refs.len() < refs
    }
}
