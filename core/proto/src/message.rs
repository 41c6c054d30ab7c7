//! The verbs that nodes say to each other. Any of them may be lost, repeated, delayed or
//! overtaken.

use crate::ids::{
    Attempt, ChunkHandle, ChunkVersion, Epoch, Incarnation, NodeId, OpId, Rack, Sequence, Session,
};
use crate::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::{ChunkSpec, Mutation, MutationKind, ReplicaImage};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A message with its sender and its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Who says it.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// What.
    pub message: Message,
}

/// What a chunkserver tells of one replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplicaState {
    /// The highest version promised.
    pub promised: ChunkVersion,
    /// The version to which it is reconciled.
    pub applied_version: ChunkVersion,
    /// Last mutation applied.
    pub sequence: Sequence,
    /// Last mutation that it knows to be on every member.
    pub committed: Sequence,
    /// In bytes.
    pub length: u64,
    /// Its copy is under way or was cut short.
    pub learner: bool,
    /// It met a checksum error here in this life.
    pub corrupt: bool,
}

/// What a client asks of the master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MasterRequest {
    /// A logged change.
    Change(MetadataChange),
    /// A question.
    Query(MetadataQuery),
}

/// How a strong read differs from a relaxed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReadMode {
    /// At the primary under its lease: linearizable per chunk.
    Strong,
    /// At any member: may be stale, may show bytes not yet acknowledged.
    Relaxed,
}

/// Why a replica is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeleteReason {
    /// The committed configuration of this version does not hold the recipient.
    Excluded(ChunkVersion),
    /// The chunk was freed at this version.
    Freed(ChunkVersion),
}

/// The state that ends a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CopyEnd {
    /// The source's applied version.
    pub version: ChunkVersion,
    /// The source's image.
    pub image: Box<ReplicaImage>,
}

/// Everything that crosses the network. Moved often, mostly as one of its small kinds: what makes
/// others large is boxed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    // Client and master.
    /// Client → master.
    AskMaster {
        /// The operation; a retry carries the same.
        op: OpId,
        /// The client has a definitive answer to each of its operations below this number.
        acked_below: u64,
        /// What.
        request: MasterRequest,
    },
    /// Master → client.
    TellClient {
        /// Which operation this answers.
        op: OpId,
        /// The answer.
        answer: Result<MetadataAnswer, Refusal>,
    },

    // Chunkserver and master: membership.
    /// Chunkserver → master: here I am, in a new life or to a new leader.
    Register {
        /// This life.
        incarnation: Incarnation,
        /// This process.
        session: Session,
        /// Failure domain.
        rack: Rack,
        /// Bytes that it offers.
        capacity_bytes: u64,
    },
    /// Master → chunkserver: you are known; a full report, please.
    Registered {
        /// The leader's epoch.
        epoch: Epoch,
        /// Whom it answers.
        incarnation: Incarnation,
    },
    /// Master → chunkserver: this life is over (a higher one, or another process, registered).
    RegisterRefused {
        /// Whom it answers.
        incarnation: Incarnation,
    },
    /// Chunkserver → master, every heartbeat interval.
    Heartbeat {
        /// This life.
        incarnation: Incarnation,
        /// The epoch at which it registered.
        epoch: Epoch,
        /// Bytes in use.
        used_bytes: u64,
        /// Its disk is out of service.
        disk_failed: bool,
    },
    /// Master → chunkserver: I do not know you, register.
    RegisterAgain {
        /// The leader's epoch.
        epoch: Epoch,
    },
    /// Chunkserver → master. Repeated until acknowledged.
    Report {
        /// This life.
        incarnation: Incarnation,
        /// The epoch at which it registered.
        epoch: Epoch,
        /// Counted from 1 within (incarnation, epoch); number 1 is full.
        number: u64,
        /// Everything that is here, or only what changed since the report before.
        full: bool,
        /// What is here.
        replicas: Vec<(ChunkHandle, ReplicaState)>,
        /// What is not here any more (incremental reports only).
        gone: Vec<ChunkHandle>,
    },
    /// Master → chunkserver: reports up to this number are taken in.
    ReportTaken {
        /// Whom it answers.
        incarnation: Incarnation,
        /// The leader's epoch.
        epoch: Epoch,
        /// The last one.
        number: u64,
    },
    /// Master → chunkserver: remove a replica.
    DeleteReplica {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// Why; it is refused by a replica with a higher version or promise.
        reason: DeleteReason,
    },
    /// Master → chunkserver: set an unknown chunk aside.
    QuarantineReplica {
        /// Which.
        chunk: ChunkHandle,
    },

    // Leases.
    /// Chunkserver → master: may I be primary of these?
    AskLease {
        /// This life.
        incarnation: Incarnation,
        /// This question; only its asker knows when it was asked.
        attempt: Attempt,
        /// Which chunks, and the versions in which the asker is primary.
        chunks: Vec<(ChunkHandle, ChunkVersion)>,
    },
    /// Master → chunkserver. What is not in it was not granted.
    GrantLease {
        /// The life that asked.
        incarnation: Incarnation,
        /// The question that it answers.
        attempt: Attempt,
        /// Term T.
        duration: Duration,
        /// Which chunks, and the versions granted.
        chunks: Vec<(ChunkHandle, ChunkVersion)>,
    },

    // Changing a configuration.
    /// Master → chunkserver.
    Prepare {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The leader's epoch.
        epoch: Epoch,
        /// The version to promise.
        version: ChunkVersion,
        /// The life asked.
        incarnation: Incarnation,
        /// The chunk's spec, to create a replica of a chunk that has no configuration yet.
        create: Option<ChunkSpec>,
    },
    /// Chunkserver → master: promised durably, lease ended, mutations drained.
    Prepared {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The epoch that asked.
        epoch: Epoch,
        /// The version promised.
        version: ChunkVersion,
        /// The life that promises.
        incarnation: Incarnation,
        /// What it has.
        state: ReplicaState,
    },
    /// Chunkserver → master: something higher was promised, or there is nothing here.
    PrepareRefused {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The epoch that asked.
        epoch: Epoch,
        /// The version refused.
        version: ChunkVersion,
        /// The life that refuses.
        incarnation: Incarnation,
        /// What it promised; none if it has no replica.
        promised: Option<ChunkVersion>,
    },
    /// Master → the new primary: this configuration is committed; ask for your lease.
    Configured {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// Its version.
        version: ChunkVersion,
        /// The primary's life.
        incarnation: Incarnation,
        /// In pipeline order, the primary first.
        members: Vec<NodeId>,
    },
    /// Primary → master: these members hold the chunk up.
    MemberFailed {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// In which configuration.
        version: ChunkVersion,
        /// Who.
        members: Vec<NodeId>,
    },

    // Reconciliation: the new primary and each other member.
    /// Primary → member: what must you have of mine?
    AskReconcile {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
    },
    /// Member → primary: what I touched after what I know committed.
    NeedReconcile {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
        /// Known to be on every member.
        committed: Sequence,
        /// Ranges touched after that.
        touched: Vec<Extent>,
    },
    /// Primary → member: take this, atomically.
    Reconcile {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
        /// The primary's image.
        image: Box<ReplicaImage>,
        /// Where the bytes go.
        pieces: Vec<Extent>,
        /// Their bytes, one piece after another.
        #[serde(skip)]
        payload: Payload,
    },
    /// Member → primary: it is durable; this acknowledges every sequence that it took.
    Reconciled {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
        /// The last sequence that it took.
        sequence: Sequence,
    },

    // Learners.
    /// Master → chunkserver: copy this chunk from its primary.
    BecomeLearner {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The leader's epoch.
        epoch: Epoch,
        /// The committed version under which to copy.
        version: ChunkVersion,
        /// The learner's life.
        incarnation: Incarnation,
        /// The primary of that version.
        source: NodeId,
        /// The chunk's spec.
        spec: ChunkSpec,
    },
    /// Learner → source: the next step; a repeated one is answered again.
    AskCopy {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The learner's life: a copy belongs to one.
        incarnation: Incarnation,
        /// The version under which it copies.
        version: ChunkVersion,
        /// The step that began this copy. Steps are never used twice in a learner's life, so that
        /// a late question of an earlier copy cannot begin it anew.
        first: u64,
        /// Counted up by one.
        step: u64,
        /// The version that the learner has promised since, asking for the end of the copy.
        prepared: Option<ChunkVersion>,
    },
    /// Source → learner.
    TellCopy {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The learner's life.
        incarnation: Incarnation,
        /// The step answered.
        step: u64,
        /// Where the bytes go.
        pieces: Vec<Extent>,
        /// Bytes known to be left after these.
        left_bytes: u64,
        /// After these nothing is left and nothing can come: install this.
        end: Option<CopyEnd>,
        /// The bytes, one piece after another.
        #[serde(skip)]
        payload: Payload,
    },
    /// Source → learner: there is no such copy here (any more); it is void.
    CopyVoid {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The learner's life.
        incarnation: Incarnation,
        /// The step that it asked for.
        step: u64,
    },
    /// Learner → master: little is left; configure me.
    LearnerCaughtUp {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The epoch that ordered the copy.
        epoch: Epoch,
        /// The version under which it was made.
        version: ChunkVersion,
        /// The learner's life.
        incarnation: Incarnation,
    },
    /// Learner → master: prepared, complete and durable.
    LearnerReady {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The epoch that prepared it.
        epoch: Epoch,
        /// The version that it promised.
        version: ChunkVersion,
        /// The learner's life.
        incarnation: Incarnation,
        /// What it has.
        state: ReplicaState,
    },
    /// Learner → master: the copy was given up.
    LearnerFailed {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The version under which it was made.
        version: ChunkVersion,
        /// The learner's life.
        incarnation: Incarnation,
    },

    // Mutations and reads.
    /// Client → primary.
    Mutate {
        /// The operation; a retry carries the same.
        op: OpId,
        /// The client has a definitive answer to each of its operations below this number.
        acked_below: u64,
        /// To which chunk.
        chunk: ChunkHandle,
        /// As the client knows it.
        version: ChunkVersion,
        /// What.
        kind: MutationKind,
        /// Where, for a write.
        offset: u64,
        /// The bytes.
        #[serde(skip)]
        payload: Payload,
    },
    /// Primary → client.
    Mutated {
        /// Which operation this answers.
        op: OpId,
        /// At which chunk.
        chunk: ChunkHandle,
        /// Where it wrote.
        result: Result<Extent, Refusal>,
    },
    /// Primary → first secondary → next: a mutation, passed down the chain while it is being
    /// written.
    Push {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The version that orders it.
        version: ChunkVersion,
        /// Its place.
        sequence: Sequence,
        /// Known to be on every member.
        committed: Sequence,
        /// The primary, to whom every member answers.
        primary: NodeId,
        /// Who is to get it after the recipient.
        chain: Vec<NodeId>,
        /// What.
        mutation: Box<Mutation>,
        /// The bytes.
        #[serde(skip)]
        payload: Payload,
    },
    /// Primary → member: how far are you? Also carries what is committed when nothing else does.
    AskProgress {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// In which version.
        version: ChunkVersion,
        /// Known to be on every member.
        committed: Sequence,
    },
    /// Member → primary.
    Progress {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// In which version.
        version: ChunkVersion,
        /// Durable here, up to and including.
        applied: Sequence,
        /// In memory here without a gap, up to and including.
        received: Sequence,
    },
    /// Member → primary: not in this version, or not on this disk.
    PushRefused {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The version refused.
        version: ChunkVersion,
        /// Why.
        refusal: Refusal,
    },
    /// Client → member.
    Read {
        /// The operation.
        op: OpId,
        /// Of which chunk.
        chunk: ChunkHandle,
        /// As the client knows it.
        version: ChunkVersion,
        /// What; clipped to the chunk's length. Empty: only the length is wanted.
        extent: Extent,
        /// How.
        mode: ReadMode,
    },
    /// Member → client.
    TellRead {
        /// Which operation this answers.
        op: OpId,
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The chunk's length at that moment (committed length, for a strong read).
        result: Result<u64, Refusal>,
        /// The bytes; fewer than asked if the chunk ends before.
        #[serde(skip)]
        payload: Payload,
    },
}

impl Message {
    /// The bulk data that travels beside it.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Message::Reconcile { payload, .. }
            | Message::TellCopy { payload, .. }
            | Message::Mutate { payload, .. }
            | Message::Push { payload, .. }
            | Message::TellRead { payload, .. } => Some(payload),
            _ => None,
        }
    }

    /// The place for the bulk data that travelled beside it.
    #[must_use]
    pub fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Message::Reconcile { payload, .. }
            | Message::TellCopy { payload, .. }
            | Message::Mutate { payload, .. }
            | Message::Push { payload, .. }
            | Message::TellRead { payload, .. } => Some(payload),
            _ => None,
        }
    }
}
