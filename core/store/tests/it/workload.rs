//! Random operations as a machine could request them, and what they mean to a naive model.

use bytes::Bytes;
use leasehold_proto::{
    ChunkEnd, ChunkHandle, ChunkSpec, ChunkVersion, Extent, IoId, IoOp, Mutation, MutationKind,
    NodeId, OpId, Payload, ReplicaChange, ReplicaData, ReplicaImage, Replicas, Rules, Sequence,
    SyncPolicy,
};
use leasehold_store::StoreOptions;
use std::collections::{BTreeMap, BTreeSet};

/// Not a multiple of the block, so that the last block is always partial.
pub const CHUNK_BYTES: u64 = 5_000;
pub const BLOCK_BYTES: u64 = 1_024;
const CHUNKS: u64 = 3;

/// Everything small, so that a short workload rotates, checkpoints and closes files.
pub fn options() -> StoreOptions {
    StoreOptions {
        block_bytes: BLOCK_BYTES as u32,
        remembered_clients_max: 3,
        rules: Rules::default(),
        journal_bytes: 4_096,
        open_files_max: 2,
        checkpoint_chunks_max: 1,
        idle_buffer_bytes_max: 64 << 10,
    }
}

/// The same numbers on every machine.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }
}

pub fn payload(bytes: Vec<u8>) -> Payload {
    let crc = crc_fast::crc32_iscsi(&bytes);
    Payload::new(Bytes::from(bytes), crc)
}

/// What a store should hold: the records by their single definition, the bytes as plain arrays.
#[derive(Clone)]
pub struct Model {
    pub replicas: Replicas,
    pub bytes: BTreeMap<ChunkHandle, Vec<u8>>,
}

impl Model {
    pub fn new() -> Self {
        let replicas = Replicas::new(options().remembered_clients_max);
        Model { replicas, bytes: BTreeMap::new() }
    }

    pub fn apply(&mut self, op: &IoOp) {
        let IoOp::Replica(change, data) = op else { panic!("{op:?} changes no replica") };
        let chunk = change.chunk();
        let born = matches!(change, ReplicaChange::StartLearner { .. })
            || (matches!(change, ReplicaChange::Promise { .. })
                && !self.replicas.live.contains_key(&chunk));
        if born {
            self.bytes.insert(chunk, vec![0; CHUNK_BYTES as usize]);
        }
        for (at, (extents, payload)) in data.writes(change).into_iter().enumerate() {
            self.write_pieces(chunk, extents, payload);
            let ReplicaChange::Apply { mutations, .. } = change else { continue };
            match mutations[at].kind {
                MutationKind::Cut { .. } => self.cut(chunk, mutations[at].extent.offset),
                MutationKind::Retire => self.cut(chunk, 0),
                MutationKind::Write | MutationKind::Append | MutationKind::Seal => {}
            }
        }
        match change {
            ReplicaChange::Reconcile { image, .. } | ReplicaChange::Install { image, .. } => {
                self.cut(chunk, image.length);
            }
            ReplicaChange::Delete { .. } => {
                self.bytes.remove(&chunk);
            }
            _ => {}
        }
        self.replicas.apply(change);
    }

    fn write_pieces(&mut self, chunk: ChunkHandle, pieces: &[Extent], payload: &Payload) {
        let mut at = 0;
        for piece in pieces {
            let end = at + piece.length as usize;
            self.write(chunk, *piece, &payload.data[at..end]);
            at = end;
        }
    }

    fn write(&mut self, chunk: ChunkHandle, extent: Extent, data: &[u8]) {
        let bytes = self.bytes.get_mut(&chunk).unwrap();
        bytes[extent.offset as usize..extent.end() as usize].copy_from_slice(data);
    }

    fn cut(&mut self, chunk: ChunkHandle, length: u64) {
        self.bytes.get_mut(&chunk).unwrap()[length as usize..].fill(0);
    }
}

/// Draws what a machine could request next.
pub struct Workload {
    pub dice: Dice,
    pub sync: SyncPolicy,
    /// Chunks whose bytes a failed copy left undefined: the next operation on one drops it.
    pub spoilt: BTreeSet<ChunkHandle>,
    io: u64,
    operation: u64,
}

impl Workload {
    pub fn new(seed: u64, sync: SyncPolicy) -> Self {
        Workload { dice: Dice(seed), sync, spoilt: BTreeSet::new(), io: 0, operation: 0 }
    }

    /// One to three operations; several of one chunk follow each other if `together`.
    pub fn batch(&mut self, model: &Model, together: bool) -> Vec<(IoId, IoOp)> {
        let mut model = model.clone();
        let mut batch = Vec::new();
        let mut used = BTreeSet::new();
        for _ in 0..=self.dice.below(3) {
            let chunk = ChunkHandle(1 + self.dice.below(CHUNKS));
            if !used.insert(chunk) && !together {
                continue;
            }
            let op = self.operation(&model, chunk);
            model.apply(&op);
            self.io += 1;
            batch.push((IoId(self.io), op));
        }
        batch
    }

    fn operation(&mut self, model: &Model, chunk: ChunkHandle) -> IoOp {
        if self.spoilt.remove(&chunk) {
            return ReplicaChange::Delete { chunk }.into();
        }
        let Some(record) = model.replicas.live.get(&chunk) else { return self.birth(chunk) };
        if record.learner {
            return match self.dice.below(6) {
                0..=3 => self.copy_in(chunk),
                4 => self.install(chunk),
                _ => ReplicaChange::Delete { chunk }.into(),
            };
        }
        let promised = record.promised;
        match self.dice.below(24) {
            0..=14 => self.mutations(chunk, promised, record.image.sequence, record.image.length),
            15..=17 => self.reconcile(chunk, promised, record.image.length),
            18 => ReplicaChange::Adopt { chunk, version: promised }.into(),
            19 | 20 => {
                ReplicaChange::Promise { chunk, version: promised.next(), create: None }.into()
            }
            21 => ReplicaChange::Quarantine { chunk }.into(),
            22 => self.start_learner(chunk),
            _ => ReplicaChange::Delete { chunk }.into(),
        }
    }

    fn spec(&self) -> ChunkSpec {
        ChunkSpec { chunk_bytes: CHUNK_BYTES, sync: self.sync }
    }

    fn birth(&mut self, chunk: ChunkHandle) -> IoOp {
        match self.dice.below(4) {
            0 => self.start_learner(chunk),
            _ => ReplicaChange::Promise {
                chunk,
                version: ChunkVersion(1),
                create: Some(self.spec()),
            }
            .into(),
        }
    }

    fn start_learner(&mut self, chunk: ChunkHandle) -> IoOp {
        let promised = ChunkVersion(2 + self.dice.below(5));
        ReplicaChange::StartLearner { chunk, promised, spec: self.spec() }.into()
    }

    fn mutations(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        last: Sequence,
        length: u64,
    ) -> IoOp {
        let mut length = length;
        let (mut mutations, mut payloads) = (Vec::new(), Vec::new());
        let fresh = self.dice.below(3) > 0;
        for _ in 0..=self.dice.below(3) {
            let offset = match (fresh, self.dice.below(4)) {
                (true, _) => length,
                (false, 0) => length + self.dice.below(1_500),
                (false, _) => self.dice.below(CHUNK_BYTES),
            };
            let offset = offset.min(CHUNK_BYTES);
            let (kind, extent) = match self.dice.below(20) {
                0 => (MutationKind::Seal, Extent::new(length, 0)),
                1 => (MutationKind::Retire, Extent::default()),
                2..=5 => {
                    let to = match self.dice.below(3) {
                        0 => self.dice.below(CHUNK_BYTES + 1),
                        1 => length.saturating_sub(self.dice.below(1_500)),
                        _ => offset / BLOCK_BYTES * BLOCK_BYTES,
                    };
                    (MutationKind::Cut { epoch: 1 }, Extent::new(to, 0))
                }
                _ => (MutationKind::Write, self.extent_at(offset)),
            };
            length = match kind {
                MutationKind::Retire => 0,
                MutationKind::Cut { .. } => extent.offset,
                MutationKind::Write | MutationKind::Append | MutationKind::Seal => {
                    length.max(extent.end())
                }
            };
            let (mutation, payload) = self.mutation(kind, extent);
            mutations.push(mutation);
            payloads.push(payload);
        }
        let committed = Sequence(self.dice.below(last.0 + 2));
        let first = last.next();
        let change = ReplicaChange::Apply { chunk, version, first, mutations, committed };
        IoOp::Replica(change, ReplicaData::Mutations(payloads))
    }

    fn mutation(&mut self, kind: MutationKind, extent: Extent) -> (Mutation, Payload) {
        let payload = self.bytes(extent.length);
        self.operation += 1;
        let op = OpId { client: NodeId(self.dice.below(4)), number: self.operation };
        let acked_below = self.operation.saturating_sub(3);
        (Mutation { op, acked_below, kind, extent, crc: payload.crc }, payload)
    }

    fn extent_at(&mut self, offset: u64) -> Extent {
        let wanted = match self.dice.below(3) {
            0 => 1 + self.dice.below(100),
            1 => BLOCK_BYTES,
            _ => 1 + self.dice.below(3 * BLOCK_BYTES),
        };
        Extent::new(offset, wanted.min(CHUNK_BYTES - offset))
    }

    fn bytes(&mut self, length: u64) -> Payload {
        let seed = 1 + self.dice.below(255);
        payload((0..length).map(|at| (seed + at * 7) as u8 | 1).collect())
    }

    fn pieces(&mut self, end: u64) -> (Vec<Extent>, Payload) {
        let mut pieces = Vec::new();
        for _ in 0..self.dice.below(3) {
            let offset = self.dice.below(end.max(1));
            pieces.push(self.extent_at(offset));
        }
        let length = pieces.iter().map(|piece| piece.length).sum();
        (pieces, self.bytes(length))
    }

    fn image(&mut self, length: u64) -> Box<ReplicaImage> {
        let sequence = Sequence(self.dice.below(50));
        let sealed = length == CHUNK_BYTES;
        let end = if sealed { ChunkEnd::Sealed } else { ChunkEnd::Open };
        let empty = ReplicaImage::default();
        Box::new(ReplicaImage { sequence, committed: sequence, length, end, ..empty })
    }

    fn reconcile(&mut self, chunk: ChunkHandle, version: ChunkVersion, length: u64) -> IoOp {
        let length = match self.dice.below(3) {
            0 => length,
            1 => length.saturating_sub(self.dice.below(1_500)),
            _ => (length + self.dice.below(800)).min(CHUNK_BYTES),
        };
        let (pieces, payload) = self.pieces(CHUNK_BYTES);
        let change = ReplicaChange::Reconcile { chunk, version, image: self.image(length) };
        IoOp::Replica(change, ReplicaData::pieces(pieces, payload))
    }

    fn copy_in(&mut self, chunk: ChunkHandle) -> IoOp {
        let (pieces, payload) = self.pieces(CHUNK_BYTES);
        IoOp::Replica(ReplicaChange::CopyIn { chunk }, ReplicaData::pieces(pieces, payload))
    }

    fn install(&mut self, chunk: ChunkHandle) -> IoOp {
        let length = self.dice.below(CHUNK_BYTES + 1);
        ReplicaChange::Install { chunk, version: ChunkVersion(2), image: self.image(length) }.into()
    }
}

/// The operation that reads a whole chunk.
pub fn read_all(chunk: ChunkHandle) -> IoOp {
    IoOp::Read { chunk, pieces: vec![Extent::new(0, CHUNK_BYTES)] }
}
