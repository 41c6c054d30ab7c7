//! A replica's durable record, and the single definition of what each I/O does to it.
//!
//! The store replays its journal through [`Replicas::apply`], World keeps its disks with it, and
//! the chunkserver updates its mirror with it when an `IoDone` arrives: the three cannot differ.

use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::io::IoOp;
use crate::payload::Extent;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// When a mutation counts as durable.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum SyncPolicy {
    /// After fsync on every member.
    #[default]
    Durable,
    /// When the operating system has it, as HDFS and MooseFS do: a member that restarts is no
    /// longer a source.
    PageCache,
}

/// What never changes about a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkSpec {
    /// Its size when full.
    pub chunk_bytes: u64,
    /// When its mutations count as durable.
    pub sync: SyncPolicy,
}

/// What a mutation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MutationKind {
    /// Bytes at an offset that the client chose.
    Write,
    /// A record at the offset that the primary chose (GFS §3.3).
    Append,
    /// Pads the chunk to its full size; no append fits after it.
    Seal,
}

/// One mutation as its primary ordered it. The bytes travel beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mutation {
    /// Whose operation this is.
    pub op: OpId,
    /// The client has a definitive answer to each of its operations below this number.
    pub acked_below: u64,
    /// What it does.
    pub kind: MutationKind,
    /// Which bytes it writes; empty for a seal.
    pub extent: Extent,
    /// CRC-32C of those bytes.
    pub crc: u32,
}

/// A finished mutation, as the operation table remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Done {
    /// Its place in the order of the chunk's mutations.
    pub sequence: Sequence,
    /// Where it wrote.
    pub extent: Extent,
    /// What it did.
    pub kind: MutationKind,
}

/// What a chunk knows of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ClientOps {
    acked_below: u64,
    last: Sequence,
    done: BTreeMap<u64, Done>,
}

/// What the operation table says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Never applied here.
    New,
    /// Applied; whether it is committed is for the primary to say.
    Done(Done),
    /// The client had said that it knows the answer, so the entry is gone.
    BelowWatermark,
}

/// The operations that a chunk remembers, so that a retry is recognised. Chunk state: written,
/// copied and reconciled together with the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpTable {
    clients: BTreeMap<NodeId, ClientOps>,
}

impl OpTable {
    /// What is known of `op`.
    #[must_use]
    pub fn lookup(&self, op: OpId) -> Lookup {
        match self.clients.get(&op.client) {
            None => Lookup::New,
            Some(client) if op.number < client.acked_below => Lookup::BelowWatermark,
            Some(client) => client.done.get(&op.number).map_or(Lookup::New, |d| Lookup::Done(*d)),
        }
    }

    /// Every remembered operation, in order of client and number.
    pub fn iter(&self) -> impl Iterator<Item = (OpId, &Done)> {
        self.clients.iter().flat_map(|(&client, ops)| {
            ops.done.iter().map(move |(&number, done)| (OpId { client, number }, done))
        })
    }

    fn record(&mut self, mutation: &Mutation, sequence: Sequence, clients_max: usize) {
        let done = Done { sequence, extent: mutation.extent, kind: mutation.kind };
        let client = self.clients.entry(mutation.op.client).or_default();
        client.acked_below = client.acked_below.max(mutation.acked_below);
        client.last = sequence;
        client.done.insert(mutation.op.number, done);
        client.done = client.done.split_off(&client.acked_below);
        if self.clients.len() > clients_max {
            // The client that was silent for longest. If so many others came since its last
            // operation that this one is not over yet, a retry of it is not recognised: the bound
            // is to be far above the clients that touch one chunk within an operation's timeout.
            let oldest =
                self.clients.iter().min_by_key(|(id, c)| (c.last, **id)).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.clients.remove(&oldest);
            }
        }
    }
}

/// A mutation that is applied here but not known to be on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recent {
    /// Whose operation it was.
    pub op: OpId,
    /// The version under which it was ordered.
    pub version: ChunkVersion,
    /// The bytes it touched.
    pub extent: Extent,
    /// CRC-32C of what it wrote.
    pub crc: u32,
}

/// What reconciliation and copying carry from one replica to another beside the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplicaImage {
    /// The last mutation applied; all before it are applied too.
    pub sequence: Sequence,
    /// The last mutation known to be on every member. Never above the truth.
    pub committed: Sequence,
    /// Bytes up to the highest one ever written.
    pub length: u64,
    /// No append fits any more.
    pub sealed: bool,
    /// Which operations are in it.
    pub ops: OpTable,
    /// What was touched after `committed`.
    pub recent: BTreeMap<Sequence, Recent>,
}

impl ReplicaImage {
    /// Ranges touched after the sequence `after`, clipped to nothing.
    #[must_use]
    pub fn touched_after(&self, after: Sequence) -> Vec<Extent> {
        let recent = self.recent.range(after.next()..);
        recent.map(|(_, r)| r.extent).filter(|e| e.length > 0).collect()
    }

    /// Learns that everything up to `committed` is on every member.
    pub fn learn_committed(&mut self, committed: Sequence) {
        self.committed = self.committed.max(committed.min(self.sequence));
        self.recent = self.recent.split_off(&self.committed.next());
    }

    /// Applies the mutation that follows `sequence`.
    ///
    /// # Panics
    /// If `sequence` is not the next one: members apply in order.
    pub fn apply(
        &mut self,
        spec: &ChunkSpec,
        version: ChunkVersion,
        sequence: Sequence,
        mutation: &Mutation,
        clients_max: usize,
    ) {
        assert_eq!(sequence, self.sequence.next(), "mutations are applied in sequence order");
        assert!(mutation.extent.end() <= spec.chunk_bytes, "a mutation stays inside its chunk");
        self.sequence = sequence;
        self.length = self.length.max(mutation.extent.end());
        if mutation.kind == MutationKind::Seal {
            self.length = spec.chunk_bytes;
        }
        self.sealed |= self.length == spec.chunk_bytes;
        self.ops.record(mutation, sequence, clients_max);
        let Mutation { op, extent, crc, .. } = *mutation;
        self.recent.insert(sequence, Recent { op, version, extent, crc });
    }
}

/// Everything that is durable about one replica apart from its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplicaRecord {
    /// What never changes.
    pub spec: ChunkSpec,
    /// The highest version promised; never withdrawn.
    pub promised: ChunkVersion,
    /// The version to which this replica is reconciled.
    pub applied_version: ChunkVersion,
    /// Its copy is under way: never a source, and void after a restart.
    pub learner: bool,
    /// The rest of its state.
    pub image: ReplicaImage,
}

/// Everything that is durable on a chunkserver apart from the chunks' bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Replicas {
    /// By chunk.
    pub live: BTreeMap<ChunkHandle, ReplicaRecord>,
    /// Set aside because the master did not know them.
    pub quarantined: BTreeSet<ChunkHandle>,
    /// Bound of every operation table.
    pub remembered_clients_max: u32,
}

impl Replicas {
    /// Nothing yet.
    #[must_use]
    pub fn new(remembered_clients_max: u32) -> Self {
        Replicas { remembered_clients_max, ..Replicas::default() }
    }

    /// What a finished I/O did to the records. Reads, and the master's I/O, do nothing.
    ///
    /// # Panics
    /// If the machine asked for something that its own record forbids.
    pub fn apply(&mut self, op: &IoOp) {
        match op {
            IoOp::Promise { chunk, version, create } => self.promise(*chunk, *version, *create),
            IoOp::Apply { chunk, version, first, mutations, committed } => {
                let clients_max = self.remembered_clients_max as usize;
                let record = self.record(*chunk);
                let mut sequence = *first;
                for (mutation, _) in mutations {
                    let spec = record.spec;
                    record.image.apply(&spec, *version, sequence, mutation, clients_max);
                    sequence = sequence.next();
                }
                record.image.learn_committed(*committed);
            }
            IoOp::Adopt { chunk, version } => self.record(*chunk).applied_version = *version,
            IoOp::Reconcile { chunk, version, image, .. } => {
                let record = self.record(*chunk);
                record.applied_version = *version;
                record.image = image.clone();
            }
            IoOp::StartLearner { chunk, promised, spec } => {
                let record = ReplicaRecord {
                    spec: *spec,
                    promised: *promised,
                    applied_version: ChunkVersion(0),
                    learner: true,
                    image: ReplicaImage::default(),
                };
                self.live.insert(*chunk, record);
            }
            IoOp::Install { chunk, version, image } => {
                let record = self.record(*chunk);
                record.applied_version = *version;
                record.learner = false;
                record.image = image.clone();
            }
            IoOp::Delete { chunk } => {
                self.live.remove(chunk);
                self.quarantined.remove(chunk);
            }
            IoOp::Quarantine { chunk } => {
                self.live.remove(chunk);
                self.quarantined.insert(*chunk);
            }
            IoOp::Propose { .. }
            | IoOp::ConfirmLeadership
            | IoOp::CopyIn { .. }
            | IoOp::Read { .. } => {}
        }
    }

    fn promise(&mut self, chunk: ChunkHandle, version: ChunkVersion, create: Option<ChunkSpec>) {
        if let Some(record) = self.live.get_mut(&chunk) {
            record.promised = record.promised.max(version);
            return;
        }
        // All first members start with the same content, none: each is reconciled to its first
        // promise from the start, so that no one of them is needed to begin.
        let spec = create.expect("a promise for a chunk that is not here comes with its spec");
        let record = ReplicaRecord {
            spec,
            promised: version,
            applied_version: version,
            learner: false,
            image: ReplicaImage::default(),
        };
        self.live.insert(chunk, record);
    }

    fn record(&mut self, chunk: ChunkHandle) -> &mut ReplicaRecord {
        self.live.get_mut(&chunk).expect("the machine asks for I/O on replicas that it has")
    }
}
