//! A replica's durable record, and the single definition of what each change does to it.
//!
//! The store replays its journal through [`Replicas::apply`], World keeps its disks with it, and
//! the chunkserver updates its mirror with it when an `IoDone` arrives: the three cannot differ.

mod end;
mod op_table;
mod written;

pub use end::ChunkEnd;
pub use op_table::{Done, Lookup, OpTable};
pub use written::Written;

use crate::config::Rules;
use crate::file::CHUNK_BYTES_MAX;
use crate::ids::{ChunkHandle, ChunkVersion, OpId, Sequence};
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

impl ChunkSpec {
    /// Can a chunk be like this? What a peer sends is checked by it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        (1..=CHUNK_BYTES_MAX).contains(&self.chunk_bytes)
    }
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
    /// Makes the chunk exactly as long as its extent's offset says, at most to its full size: bytes
    /// behind vanish, and whatever was not there reads as zeros. Appends fit after it, unless it is
    /// full.
    Cut {
        /// The file's truncation epoch under which this was decided. One that is older than that of
        /// another cut of the chunk is refused, as is one of the same epoch unless it only fills the
        /// chunk: see [`ChunkEnd`].
        epoch: u64,
    },
    /// Empties the chunk for good: whatever is requested of it later is refused with `Retired`.
    Retire,
}

impl MutationKind {
    /// The bytes of a chunk that this may change, given the place where it writes. Those that a seal
    /// adds read as zeros before and after it.
    #[must_use]
    pub fn touches(self, extent: Extent) -> Extent {
        match self {
            MutationKind::Write | MutationKind::Append | MutationKind::Seal => extent,
            MutationKind::Cut { .. } => Extent::new(extent.offset, u64::MAX - extent.offset),
            MutationKind::Retire => Extent::new(0, u64::MAX),
        }
    }
}

/// One mutation as its primary ordered it. The bytes travel beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mutation {
    /// Whose operation this is.
    pub op: OpId,
    /// The client has a definitive answer to each of its operations below this number.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub acked_below: u64,
    /// What it does.
    pub kind: MutationKind,
    /// Which bytes it writes; empty for a seal, a cut (at the new end) and a retirement.
    pub extent: Extent,
    /// CRC-32C of those bytes.
    pub crc: u32,
}

impl Mutation {
    /// Does it stay inside its chunk, and is it about so many bytes? What a primary sends is checked
    /// by it.
    #[must_use]
    pub fn is_sound(&self, spec: &ChunkSpec, bytes: u64) -> bool {
        let inside = self.extent.is_within(spec.chunk_bytes);
        let writes = match self.kind {
            MutationKind::Write | MutationKind::Append => true,
            MutationKind::Seal | MutationKind::Cut { .. } | MutationKind::Retire => false,
        };
        let of_its_kind = writes == (self.extent.length > 0);
        inside && of_its_kind && self.extent.length == bytes
    }
}

/// A mutation that is applied here but not known to be on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Recent {
    /// Whose operation it was.
    pub op: OpId,
    /// The version under which it was ordered.
    pub version: ChunkVersion,
    /// The bytes it touched: those that it wrote, or that it took away.
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
    /// Bytes up to the highest one written since the last cut, or up to where that was.
    pub length: u64,
    /// Which of them are no holes.
    pub written: Written,
    /// What may yet be added.
    pub end: ChunkEnd,
    /// Which operations are in it.
    pub ops: OpTable,
    /// What was touched after `committed`.
    pub recent: BTreeMap<Sequence, Recent>,
}

impl ReplicaImage {
    /// Can a replica of a chunk with this spec be like this? What a peer sends is checked by it.
    #[must_use]
    pub fn is_sound(&self, spec: &ChunkSpec) -> bool {
        let recent = self.recent.keys().next_back().is_none_or(|last| *last <= self.sequence);
        let lengths = self.length <= spec.chunk_bytes && self.written.is_sound(self.length);
        recent && lengths && self.committed <= self.sequence
    }

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
        self.ops.record(mutation, sequence, clients_max);
        let Mutation { op, extent, crc, kind, .. } = *mutation;
        let extent = match kind {
            MutationKind::Write | MutationKind::Append | MutationKind::Seal => extent,
            // What a member has of these bytes is overwritten when it is reconciled, even if the
            // chunk has grown again since.
            MutationKind::Cut { .. } | MutationKind::Retire => {
                let gone = self.length.saturating_sub(extent.offset);
                Extent::new(extent.offset, gone)
            }
        };
        self.recent.insert(sequence, Recent { op, version, extent, crc });
        self.end_at(spec, mutation);
    }

    /// Where the chunk ends after this mutation, and what fits there.
    fn end_at(&mut self, spec: &ChunkSpec, mutation: &Mutation) {
        let full = spec.chunk_bytes;
        let Mutation { extent, kind, .. } = mutation;
        match kind {
            MutationKind::Write | MutationKind::Append | MutationKind::Seal => {
                self.written.insert(*extent);
            }
            MutationKind::Cut { .. } => self.written.cut(extent.offset),
            MutationKind::Retire => self.written.cut(0),
        }
        self.length = match kind {
            MutationKind::Write | MutationKind::Append => self.length.max(extent.end()),
            MutationKind::Seal => full,
            MutationKind::Cut { .. } => extent.offset,
            MutationKind::Retire => 0,
        };
        self.end = match *kind {
            MutationKind::Cut { epoch } => ChunkEnd::Cut { epoch, sealed: false },
            MutationKind::Retire => ChunkEnd::Retired,
            MutationKind::Write | MutationKind::Append | MutationKind::Seal => self.end,
        };
        if self.length == full {
            self.end = self.end.seal();
        }
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

/// Does a replica count as a whole copy of its chunk? A learner's does not until its copy is complete.
pub(crate) fn counts_as_whole(rules: &Rules, learner: bool) -> bool {
    !learner || !rules.learner_is_complete
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
