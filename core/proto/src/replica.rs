//! A replica's durable record, and the single definition of what each change does to it.
//!
//! The store replays its journal through [`Replicas::apply`], World keeps its disks with it, and
//! the chunkserver updates its mirror with it when an `IoDone` arrives: the three cannot differ.

use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::payload::Extent;
use alloc::boxed::Box;
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
    /// Never applied here, and never will be under this number unless it is applied now.
    New,
    /// Applied; whether it is committed is for the primary to say.
    Done(Done),
    /// The client had said that it knows the answer, so the entry is gone.
    BelowWatermark,
    /// Not remembered, and perhaps forgotten: whether it was applied nobody can say.
    PerhapsForgotten {
        /// Everything at or above this number is remembered.
        below: u64,
        /// The mutation that made room in the table last. Once it is committed, so is this answer.
        since: Sequence,
    },
}

/// The operations that a chunk remembers, so that a retry is recognised. Chunk state: written,
/// copied and reconciled together with the bytes.
///
/// The table is bounded. What it forgets it forgets below one number for all clients, and an
/// operation below that number which it does not hold is refused as perhaps forgotten. A client
/// whose operation is refused so before it was sent twice knows that it was never applied, and
/// gives it a number above (as Lamport's clocks do). One case is left: the network delivers that one
/// copy twice, and between the two the table turns over and the first answer is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpTable {
    clients: BTreeMap<NodeId, ClientOps>,
    /// Above the number of every operation that was ever forgotten without its client's leave.
    forgotten_below: u64,
    /// The mutation at which that happened last.
    forgotten_at: Sequence,
}

impl OpTable {
    /// What is known of `op`.
    #[must_use]
    pub fn lookup(&self, op: OpId) -> Lookup {
        if let Some(client) = self.clients.get(&op.client) {
            if op.number < client.acked_below {
                return Lookup::BelowWatermark;
            }
            if let Some(done) = client.done.get(&op.number) {
                return Lookup::Done(*done);
            }
        }
        // A client that is known may have been forgotten in between.
        if op.number < self.forgotten_below {
            let (below, since) = (self.forgotten_below, self.forgotten_at);
            return Lookup::PerhapsForgotten { below, since };
        }
        Lookup::New
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
            self.forget_one(sequence);
        }
    }

    /// Makes room: the client that was silent for longest goes.
    fn forget_one(&mut self, sequence: Sequence) {
        let oldest = self.clients.iter().min_by_key(|(id, c)| (c.last, **id)).map(|(id, _)| *id);
        let Some(gone) = oldest.and_then(|oldest| self.clients.remove(&oldest)) else { return };
        let highest = gone.done.keys().next_back().map_or(0, |number| number + 1);
        self.forgotten_below = self.forgotten_below.max(gone.acked_below).max(highest);
        self.forgotten_at = sequence;
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

/// A change of one replica, without the bytes that go with it: what a journal holds of it. The
/// order of the variants and of their fields is its encoding: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReplicaChange {
    /// Make a promise durable; `create` makes an empty replica where there is none. Always
    /// synced, whatever the chunk's policy.
    Promise {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// What is promised.
        version: ChunkVersion,
        /// What to create if it is not here.
        create: Option<ChunkSpec>,
    },
    /// Apply mutations with consecutive sequence numbers: bytes, operation table and record
    /// together. The group that the machine gathered while the last one was on its way.
    Apply {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The version that orders them.
        version: ChunkVersion,
        /// Sequence of the first one.
        first: Sequence,
        /// In order.
        mutations: Vec<Mutation>,
        /// Known to be on every member.
        committed: Sequence,
    },
    /// A new primary takes its own state as the state of `version`.
    Adopt {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
    },
    /// A member takes the primary's state: overwrite the pieces of its data, cut or extend to the
    /// image's length, replace the record's image, move to `version`; all or nothing.
    Reconcile {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
        /// The primary's.
        image: Box<ReplicaImage>,
    },
    /// Drop what is here of the chunk and begin an empty, incomplete copy.
    StartLearner {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The version that the learner promises.
        promised: ChunkVersion,
        /// The chunk's spec.
        spec: ChunkSpec,
    },
    /// The copy is complete: from here the replica is as good as its source.
    Install {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The source's applied version.
        version: ChunkVersion,
        /// The source's image.
        image: Box<ReplicaImage>,
    },
    /// Remove a replica, or a quarantined one.
    Delete {
        /// Of which chunk.
        chunk: ChunkHandle,
    },
    /// Set a replica aside: it is served no more, and its bytes stay.
    Quarantine {
        /// Of which chunk.
        chunk: ChunkHandle,
    },
    /// Bytes of an incomplete copy; durable with the `Install` that ends it, and in no journal.
    CopyIn {
        /// Of which chunk.
        chunk: ChunkHandle,
    },
}

impl ReplicaChange {
    /// The chunk that it concerns.
    #[must_use]
    pub fn chunk(&self) -> ChunkHandle {
        match self {
            ReplicaChange::Promise { chunk, .. }
            | ReplicaChange::Apply { chunk, .. }
            | ReplicaChange::Adopt { chunk, .. }
            | ReplicaChange::Reconcile { chunk, .. }
            | ReplicaChange::StartLearner { chunk, .. }
            | ReplicaChange::Install { chunk, .. }
            | ReplicaChange::Delete { chunk }
            | ReplicaChange::Quarantine { chunk }
            | ReplicaChange::CopyIn { chunk } => *chunk,
        }
    }

    /// The name of its kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ReplicaChange::Promise { .. } => "Promise",
            ReplicaChange::Apply { .. } => "Apply",
            ReplicaChange::Adopt { .. } => "Adopt",
            ReplicaChange::Reconcile { .. } => "Reconcile",
            ReplicaChange::StartLearner { .. } => "StartLearner",
            ReplicaChange::Install { .. } => "Install",
            ReplicaChange::Delete { .. } => "Delete",
            ReplicaChange::Quarantine { .. } => "Quarantine",
            ReplicaChange::CopyIn { .. } => "CopyIn",
        }
    }
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

    /// What a finished change did to the records.
    ///
    /// # Panics
    /// If the machine asked for something that its own record forbids.
    pub fn apply(&mut self, change: &ReplicaChange) {
        use ReplicaChange as C;
        match change {
            C::Promise { chunk, version, create } => self.promise(*chunk, *version, *create),
            C::Apply { chunk, version, first, mutations, committed } => {
                let clients_max = self.remembered_clients_max as usize;
                let record = self.record(*chunk);
                let mut sequence = *first;
                for mutation in mutations {
                    let spec = record.spec;
                    record.image.apply(&spec, *version, sequence, mutation, clients_max);
                    sequence = sequence.next();
                }
                record.image.learn_committed(*committed);
            }
            C::Adopt { chunk, version } => self.record(*chunk).applied_version = *version,
            C::Reconcile { chunk, version, image } => {
                let record = self.record(*chunk);
                record.applied_version = *version;
                record.image.clone_from(image);
            }
            C::StartLearner { chunk, promised, spec } => {
                let record = ReplicaRecord {
                    spec: *spec,
                    promised: *promised,
                    applied_version: ChunkVersion(0),
                    learner: true,
                    image: ReplicaImage::default(),
                };
                self.live.insert(*chunk, record);
            }
            C::Install { chunk, version, image } => {
                let record = self.record(*chunk);
                record.applied_version = *version;
                record.learner = false;
                record.image.clone_from(image);
            }
            C::Delete { chunk } => {
                self.live.remove(chunk);
                self.quarantined.remove(chunk);
            }
            C::Quarantine { chunk } => {
                self.live.remove(chunk);
                self.quarantined.insert(*chunk);
            }
            C::CopyIn { .. } => {}
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

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: usize = 2;

    fn record(table: &mut OpTable, client: u64, number: u64, acked_below: u64, sequence: u64) {
        let op = OpId { client: NodeId(client), number };
        let (kind, extent) = (MutationKind::Append, Extent::new(0, 1));
        let mutation = Mutation { op, acked_below, kind, extent, crc: 0 };
        table.record(&mutation, Sequence(sequence), TWO);
    }

    fn lookup(table: &OpTable, client: u64, number: u64) -> Lookup {
        table.lookup(OpId { client: NodeId(client), number })
    }

    #[test]
    fn until_it_forgets_somebody_every_stranger_is_new() {
        let mut table = OpTable::default();
        record(&mut table, 1, 5, 5, 1);
        record(&mut table, 2, 1, 1, 2);
        record(&mut table, 1, 6, 6, 3);
        assert_eq!(lookup(&table, 3, 1), Lookup::New);
        assert_eq!(lookup(&table, 1, 7), Lookup::New);
        assert_eq!(lookup(&table, 1, 5), Lookup::BelowWatermark);
        assert!(matches!(lookup(&table, 1, 6), Lookup::Done(done) if done.sequence == Sequence(3)));
    }

    #[test]
    fn a_client_that_comes_back_does_not_hide_what_was_forgotten_of_it() {
        let mut table = OpTable::default();
        record(&mut table, 1, 5, 5, 1);
        record(&mut table, 2, 1, 1, 2);
        record(&mut table, 3, 1, 1, 3);
        let forgotten = Lookup::PerhapsForgotten { below: 6, since: Sequence(3) };
        assert_eq!(lookup(&table, 1, 5), forgotten);
        assert_eq!(lookup(&table, 9, 1), forgotten, "it may be one that was forgotten");
        assert_eq!(lookup(&table, 1, 6), Lookup::New);
        // Known again by its 8, it still waits for the answer to its 5.
        record(&mut table, 1, 8, 5, 4);
        assert!(matches!(lookup(&table, 1, 5), Lookup::PerhapsForgotten { .. }));
        assert!(matches!(lookup(&table, 1, 8), Lookup::Done(_)));
    }
}
