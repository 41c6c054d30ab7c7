//! The I/O that machines ask for, and how it ends.

use crate::ids::{ChunkHandle, ChunkVersion, LogIndex, Sequence};
use crate::log::LogEntry;
use crate::payload::{Extent, Payload};
use crate::replica::{ChunkSpec, Mutation, ReplicaImage};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// One I/O. Each is atomic at a crash: it happened whole or not at all. Two that are in flight
/// together may become durable in either order.
///
/// Unless the chunk's policy is `page-cache`, it is durable when its `IoDone` arrives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IoOp {
    /// Master: append to the operation log. Ends as a `Committed` input and then an `IoDone`.
    Propose {
        /// The entry.
        entry: LogEntry,
    },
    /// Master: a read-index round. Serves only what was received before it started.
    ConfirmLeadership,
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
        /// In order, with their bytes.
        mutations: Vec<(Mutation, Payload)>,
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
    /// A member takes the primary's state: overwrite `pieces`, cut or extend to the image's
    /// length, replace the record's image, move to `version`; all or nothing.
    Reconcile {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// The new version.
        version: ChunkVersion,
        /// The primary's.
        image: Box<ReplicaImage>,
        /// Where the bytes go.
        pieces: Vec<Extent>,
        /// Their bytes, one piece after another.
        payload: Payload,
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
    /// Bytes of an incomplete copy; durable with the `Install` that ends it.
    CopyIn {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// Where the bytes go.
        pieces: Vec<Extent>,
        /// Their bytes, one piece after another.
        payload: Payload,
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
    /// Read `pieces`, verified against their checksums. Bytes never written read as zero.
    Read {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// What to read, in this order.
        pieces: Vec<Extent>,
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
}

impl IoOp {
    /// The chunk that it concerns, if any.
    #[must_use]
    pub fn chunk(&self) -> Option<ChunkHandle> {
        match self {
            IoOp::Propose { .. } | IoOp::ConfirmLeadership => None,
            IoOp::Promise { chunk, .. }
            | IoOp::Apply { chunk, .. }
            | IoOp::Adopt { chunk, .. }
            | IoOp::Reconcile { chunk, .. }
            | IoOp::StartLearner { chunk, .. }
            | IoOp::CopyIn { chunk, .. }
            | IoOp::Install { chunk, .. }
            | IoOp::Read { chunk, .. }
            | IoOp::Delete { chunk }
            | IoOp::Quarantine { chunk } => Some(*chunk),
        }
    }
}

/// What an I/O gave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IoOutput {
    /// It is done, and durable as its kind says.
    Done,
    /// What was read, all pieces one after another, verified.
    Read(Payload),
    /// The fate of a proposal.
    Proposed(ProposeOutcome),
    /// This master led at some moment after the confirmation started.
    Confirmed,
}

/// How a proposal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProposeOutcome {
    /// It is in the log, and was delivered as `Committed`.
    Committed(LogIndex),
    /// It never will be.
    Rejected,
    /// It may still commit, even twice.
    Unknown,
}

/// How the world failed an I/O.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IoFault {
    /// Blocks whose bytes do not fit their checksum.
    Corrupt {
        /// Which blocks, as extents.
        blocks: Vec<Extent>,
    },
    /// The disk is full; nothing was changed.
    NoSpace,
    /// The disk is out of service, for good.
    DiskFailed,
    /// This master does not lead.
    NotLeader,
}

impl fmt::Display for IoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IoFault::Corrupt { blocks } => write!(f, "checksum mismatch in {blocks:?}"),
            IoFault::NoSpace => f.write_str("no space left on the disk"),
            IoFault::DiskFailed => f.write_str("the disk is out of service"),
            IoFault::NotLeader => f.write_str("not the leader"),
        }
    }
}

impl core::error::Error for IoFault {}

/// How an I/O ended.
pub type IoResult = Result<IoOutput, IoFault>;
