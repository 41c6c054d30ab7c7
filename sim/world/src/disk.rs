//! A chunkserver's disk: replica records, bytes, and what a crash or decay does to them.
//!
//! What each I/O does to the records is defined once, in `Replicas::apply`; here stand the bytes.
//! Blocks carry checksums as in the store: rot is kept as the set of flipped bytes, so that a
//! verified read knows which blocks no longer fit.

use crate::payload::payload;
use leasehold_proto::{
    ChunkHandle, Constants, Extent, IoFault, IoOp, IoOutput, IoResult, Mutation, MutationKind,
    Payload, ReplicaChange, ReplicaRecord, Replicas, Room, SyncPolicy,
};
use std::collections::{BTreeMap, BTreeSet};

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    replicas: Replicas,
    bytes: BTreeMap<ChunkHandle, Vec<u8>>,
    /// By chunk and offset, how a byte differs from what was written.
    rot: BTreeMap<(ChunkHandle, u64), u8>,
    /// Replicas of which a byte decayed since they were made, written over or not.
    decayed: BTreeSet<ChunkHandle>,
    /// What a power failure leaves of chunks whose policy is `page-cache`: the state before their
    /// first mutation that was not synced.
    synced: BTreeMap<ChunkHandle, (ReplicaRecord, Vec<u8>)>,
    /// Bytes that replicas may occupy, while something else has the rest.
    limit: Option<u64>,
    was_limited: bool,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(constants: &Constants) -> Self {
        Disk {
            replicas: Replicas::new(constants.remembered_clients_max),
            bytes: BTreeMap::new(),
            rot: BTreeMap::new(),
            decayed: BTreeSet::new(),
            synced: BTreeMap::new(),
            limit: None,
            was_limited: false,
        }
    }

    /// The records as they are on the disk.
    #[must_use]
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The bytes of one chunk; beyond their end it reads as zero.
    #[must_use]
    pub fn bytes(&self, chunk: ChunkHandle) -> &[u8] {
        self.bytes.get(&chunk).map_or(&[], Vec::as_slice)
    }

    /// The bytes of one chunk as they were written, before any decay, up to its length.
    #[must_use]
    pub fn written(&self, chunk: ChunkHandle) -> Vec<u8> {
        let mut bytes = self.bytes(chunk).to_vec();
        let length = self.replicas.live.get(&chunk).map_or(0, |record| record.image.length);
        bytes.resize(index(length), 0);
        for ((_, offset), mask) in self.rot.range((chunk, 0)..=(chunk, u64::MAX)) {
            if let Some(byte) = bytes.get_mut(index(*offset)) {
                *byte ^= mask;
            }
        }
        bytes
    }

    /// Something else leaves so many bytes free, or everything.
    pub fn fill(&mut self, free: Option<u64>, constants: &Constants) {
        self.limit = free.map(|free| self.occupied(constants).saturating_add(free));
        self.was_limited = true;
    }

    /// Has something else ever taken a part of it?
    #[must_use]
    pub fn was_limited(&self) -> bool {
        self.was_limited
    }

    /// Does something else take a part of it?
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// What it has, measured.
    #[must_use]
    pub fn room(&self, constants: &Constants) -> Room {
        let Some(limit) = self.limit else { return Room::UNBOUNDED };
        let used_bytes = self.occupied(constants);
        let free_bytes = limit.saturating_sub(used_bytes);
        Room { used_bytes, free_bytes, ..Room::UNBOUNDED }
    }

    /// Bytes of blocks that hold anything.
    fn occupied(&self, constants: &Constants) -> u64 {
        let block = constants.block_bytes as usize;
        let blocks = self.bytes.values().flat_map(|bytes| bytes.chunks(block));
        let held = blocks.filter(|block| block.iter().any(|byte| *byte != 0)).count();
        held as u64 * u64::from(constants.block_bytes)
    }

    /// Is there no room for this I/O? A new replica needs a block, and bytes need those that they are in.
    #[must_use]
    pub fn lacks_room_for(&self, op: &IoOp, constants: &Constants) -> bool {
        let (Some(limit), IoOp::Replica(change, _)) = (self.limit, op) else { return false };
        let before = self.occupied(constants);
        let is_birth = match change {
            ReplicaChange::StartLearner { .. } => true,
            ReplicaChange::Promise { chunk, .. } => !self.replicas.live.contains_key(chunk),
            _ => false,
        };
        if is_birth {
            return before + u64::from(constants.block_bytes) > limit;
        }
        let mut after = self.clone();
        after.perform(op, constants).expect("only reads find rot");
        let after = after.occupied(constants);
        after > limit && after > before
    }

    /// Does an I/O whole: from here on it survives a crash, unless its chunk is `page-cache`.
    pub fn perform(&mut self, op: &IoOp, constants: &Constants) -> IoResult {
        if let IoOp::Read { chunk, pieces } = op {
            return self.read(*chunk, pieces, constants);
        }
        let IoOp::Replica(change, data) = op else { unreachable!("{op:?} is no chunkserver's") };
        let chunk = change.chunk();
        self.remember_synced(change);
        self.replicas.apply(change);
        for (at, (extents, payload)) in data.writes(change).into_iter().enumerate() {
            self.write(chunk, extents, payload);
            if let ReplicaChange::Apply { mutations, .. } = change {
                self.cut_by(chunk, &mutations[at]);
            }
        }
        match change {
            ReplicaChange::Reconcile { image, .. } | ReplicaChange::Install { image, .. } => {
                self.cut(chunk, image.length);
            }
            ReplicaChange::StartLearner { .. } | ReplicaChange::Delete { .. } => {
                self.bytes.remove(&chunk);
                self.decayed.remove(&chunk);
                self.cut(chunk, 0);
            }
            ReplicaChange::Promise { .. }
            | ReplicaChange::Apply { .. }
            | ReplicaChange::Adopt { .. }
            | ReplicaChange::CopyIn { .. }
            | ReplicaChange::Quarantine { .. } => {}
        }
        Ok(IoOutput::Done)
    }

    /// The power fails: what the operating system had not written yet is gone.
    pub fn lose_unsynced(&mut self) {
        for (chunk, (mut record, bytes)) in std::mem::take(&mut self.synced) {
            let Some(live) = self.replicas.live.get_mut(&chunk) else { continue };
            record.promised = live.promised;
            *live = record;
            self.bytes.insert(chunk, bytes);
        }
    }

    /// A byte decays. Returns false if nothing was ever written there.
    pub fn flip(&mut self, chunk: ChunkHandle, offset: u64) -> bool {
        let place = usize::try_from(offset).ok();
        let byte = self.bytes.get_mut(&chunk).zip(place).and_then(|(bytes, at)| bytes.get_mut(at));
        let Some(byte) = byte else { return false };
        *byte ^= 0x01;
        self.decayed.insert(chunk);
        *self.rot.entry((chunk, offset)).or_default() ^= 0x01;
        true
    }

    /// Did some byte of this replica decay since it was made?
    #[must_use]
    pub fn is_rotten(&self, chunk: ChunkHandle) -> bool {
        self.decayed.contains(&chunk)
    }

    fn read(&self, chunk: ChunkHandle, pieces: &[Extent], constants: &Constants) -> IoResult {
        let block = u64::from(constants.block_bytes);
        let blocks: Vec<Extent> = self
            .rot
            .iter()
            .filter(|((at, _), mask)| *at == chunk && **mask != 0)
            .map(|((_, offset), _)| Extent::new(*offset, 1).to_blocks(block))
            .filter(|rotten| pieces.iter().any(|p| p.to_blocks(block).overlaps(rotten)))
            .collect();
        if !blocks.is_empty() && constants.rules.verify_checksums {
            return Err(IoFault::Corrupt { blocks });
        }
        let mut data = Vec::new();
        for piece in pieces {
            let written = self.bytes(chunk);
            let start = index(piece.offset).min(written.len());
            let end = index(piece.end()).min(written.len());
            let from = data.len();
            data.extend_from_slice(&written[start..end]);
            data.resize(from + index(piece.length), 0);
        }
        Ok(IoOutput::Read(payload(data)))
    }

    fn write(&mut self, chunk: ChunkHandle, pieces: &[Extent], payload: &Payload) {
        let bytes = self.bytes.entry(chunk).or_default();
        let mut from = 0;
        for piece in pieces.iter().filter(|piece| piece.length > 0) {
            let (start, end) = (index(piece.offset), index(piece.end()));
            bytes.resize(bytes.len().max(end), 0);
            bytes[start..end].copy_from_slice(&payload.data[from..from + end - start]);
            from += end - start;
            self.rot.retain(|(at, offset), _| {
                *at != chunk || !piece.overlaps(&Extent::new(*offset, 1))
            });
        }
        assert_eq!(from, payload.data.len(), "pieces and bytes agree");
    }

    fn cut_by(&mut self, chunk: ChunkHandle, mutation: &Mutation) {
        match mutation.kind {
            MutationKind::Cut { .. } => self.cut(chunk, mutation.extent.offset),
            MutationKind::Retire => self.cut(chunk, 0),
            MutationKind::Write | MutationKind::Append | MutationKind::Seal => {}
        }
    }

    fn cut(&mut self, chunk: ChunkHandle, length: u64) {
        if let Some(bytes) = self.bytes.get_mut(&chunk) {
            bytes.truncate(index(length));
        }
        self.rot.retain(|(at, offset), _| *at != chunk || *offset < length);
    }

    /// Keeps what a power failure would leave, before the first change that it could undo.
    fn remember_synced(&mut self, change: &ReplicaChange) {
        use ReplicaChange as C;
        let chunk = change.chunk();
        if matches!(change, C::Delete { .. } | C::Quarantine { .. } | C::StartLearner { .. }) {
            self.synced.remove(&chunk);
            return;
        }
        let Some(record) = self.replicas.live.get(&chunk) else { return };
        let cached = record.spec.sync == SyncPolicy::PageCache;
        if cached && !matches!(change, C::Promise { .. }) && !self.synced.contains_key(&chunk) {
            let kept = (record.clone(), self.bytes(chunk).to_vec());
            self.synced.insert(chunk, kept);
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("chunks in World fit memory")
}
