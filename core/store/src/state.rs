//! What the store knows of all chunks, and the single definition of what a journal record does to
//! it: an operation that was just carried out and one that is replayed cannot differ.

use crate::chunk::Chunk;
use crate::cut::lowest_cut;
use crate::data_files::DataFile;
use crate::sums::{Run, Sums};
use leasehold_proto::{ChunkHandle, ReplicaChange, Replicas};
use std::collections::BTreeMap;

pub(crate) struct State {
    pub replicas: Replicas,
    /// Live and quarantined ones: whatever has a data file.
    pub chunks: BTreeMap<ChunkHandle, Chunk>,
    /// Chunks with journal records that their meta file does not include, by the first of them.
    pub dirty: BTreeMap<u64, ChunkHandle>,
    pub block_bytes: u64,
}

impl State {
    pub fn new(block_bytes: u32, remembered_clients_max: u32) -> Self {
        State {
            replicas: Replicas::new(remembered_clients_max),
            chunks: BTreeMap::new(),
            dirty: BTreeMap::new(),
            block_bytes: u64::from(block_bytes),
        }
    }

    /// Takes in record `lsn`: what it did to the replicas, and the sums of the blocks it wrote.
    /// Gives the data file that nobody needs any more, if there is one.
    pub fn apply(&mut self, lsn: u64, change: &ReplicaChange, sums: &[Run]) -> Option<DataFile> {
        let handle = change.chunk();
        let dropped = self.apply_to_chunk(handle, lsn, change, sums);
        self.replicas.apply(change);
        match self.chunks.get_mut(&handle) {
            Some(chunk) if chunk.dirty_since.is_none() => {
                chunk.dirty_since = Some(lsn);
                self.dirty.insert(lsn, handle);
            }
            Some(_) | None => {}
        }
        dropped
    }

    fn apply_to_chunk(
        &mut self,
        handle: ChunkHandle,
        lsn: u64,
        change: &ReplicaChange,
        sums: &[Run],
    ) -> Option<DataFile> {
        if self.is_birth(change) {
            return self.replace(handle, Some(Chunk::new(DataFile { chunk: handle, born: lsn })));
        }
        match change {
            ReplicaChange::Delete { .. } => return self.replace(handle, None),
            ReplicaChange::Apply { mutations, .. } => {
                if let Some(length) = lowest_cut(mutations) {
                    self.cut(handle, length);
                }
                self.chunk(handle).sums.extend(sums);
            }
            ReplicaChange::Reconcile { image, .. } => {
                self.cut(handle, image.length);
                self.chunk(handle).sums.extend(sums);
            }
            ReplicaChange::Install { .. } => self.chunk(handle).sums = Sums::of(sums),
            ReplicaChange::Quarantine { .. } => {
                let record = self.replicas.live.get(&handle).cloned();
                if let Some(chunk) = self.chunks.get_mut(&handle) {
                    chunk.set_aside = record;
                }
            }
            ReplicaChange::Promise { .. } | ReplicaChange::Adopt { .. } => {}
            ReplicaChange::StartLearner { .. } => unreachable!("a learner begins with a birth"),
            ReplicaChange::CopyIn { .. } => unreachable!("{change:?} is not journaled"),
        }
        None
    }

    /// Whether the change begins a replica's life with an empty data file.
    pub fn is_birth(&self, change: &ReplicaChange) -> bool {
        match change {
            ReplicaChange::StartLearner { .. } => true,
            ReplicaChange::Promise { chunk, .. } => !self.replicas.live.contains_key(chunk),
            _ => false,
        }
    }

    /// Blocks beyond the new length are as if never written. The journal may still hold bytes of
    /// theirs, so none goes to its place unjournaled there until the chunk's meta file is written.
    fn cut(&mut self, handle: ChunkHandle, length: u64) {
        let size = self.block_bytes;
        let old = self.length(handle);
        let chunk = self.chunk(handle);
        if length < old {
            chunk.floor = chunk.floor.max(old.next_multiple_of(size));
            chunk.sums.truncate(blocks_below(length, size));
        }
    }

    /// The durable length of a live chunk; a learner has none.
    pub fn length(&self, handle: ChunkHandle) -> u64 {
        self.replicas.live.get(&handle).map_or(0, |record| record.image.length)
    }

    pub fn chunk(&mut self, handle: ChunkHandle) -> &mut Chunk {
        self.chunks.get_mut(&handle).expect("a live replica has its data file")
    }

    /// The meta file includes everything.
    pub fn set_clean(&mut self, handle: ChunkHandle) {
        let chunk = self.chunk(handle);
        chunk.floor = 0;
        if let Some(lsn) = chunk.dirty_since.take() {
            self.dirty.remove(&lsn);
        }
    }

    /// The chunk's life begins anew, or ends. A chunk that lives on stays dirty since when it was:
    /// its meta file, if there is one, is of the life before, and a replay starts from there.
    fn replace(&mut self, handle: ChunkHandle, chunk: Option<Chunk>) -> Option<DataFile> {
        let old = self.chunks.remove(&handle);
        let dirty_since = old.as_ref().and_then(|old| old.dirty_since);
        match chunk {
            Some(chunk) => {
                self.chunks.insert(handle, Chunk { dirty_since, ..chunk });
            }
            None => {
                dirty_since.map(|lsn| self.dirty.remove(&lsn));
            }
        }
        old.map(|old| old.data)
    }
}

/// How many blocks lie, at least in part, below a length.
pub(crate) fn blocks_below(length: u64, block_bytes: u64) -> u32 {
    u32::try_from(length.div_ceil(block_bytes)).expect("a chunk has fewer than 2^32 blocks")
}
