//! The I/O that machines ask for, and how it ends.

use crate::ids::{ChunkHandle, LogIndex};
use crate::log::LogEntry;
use crate::payload::{Extent, Payload};
use crate::replica::ReplicaChange;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::slice::from_ref;

/// One I/O. Each is atomic at a crash: it happened whole or not at all. Two that are in flight
/// together may become durable in either order.
///
/// Unless the chunk's policy is `page-cache`, it is durable when its `IoDone` arrives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IoOp {
    /// Chunkserver: change a replica's record, and the bytes that go with the change.
    Replica(ReplicaChange, ReplicaData),
    /// Chunkserver: read `pieces`, verified against their checksums. Bytes never written read as
    /// zero.
    Read {
        /// Of which chunk.
        chunk: ChunkHandle,
        /// What to read, in this order.
        pieces: Vec<Extent>,
    },
    /// Master: the operation log.
    Log(LogOp),
}

/// What a master asks of its operation log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogOp {
    /// Append. Ends as a `Committed` input and then an `IoDone`.
    Propose {
        /// The entry.
        entry: LogEntry,
    },
    /// A read-index round: this master still led when it was served. Serves only what was received
    /// before it started.
    Confirm,
}

/// The bytes of a [`ReplicaChange`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReplicaData {
    /// The change has none.
    #[default]
    None,
    /// Of an `Apply`: those of each mutation, in the same order.
    Mutations(Vec<Payload>),
    /// Of a `Reconcile` or a `CopyIn`.
    Pieces(Box<Pieces>),
}

/// Bytes for several places of one chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pieces {
    /// Where the bytes go.
    pub extents: Vec<Extent>,
    /// Their bytes, one extent after another.
    pub payload: Payload,
}

impl ReplicaData {
    /// Bytes for several places.
    #[must_use]
    pub fn pieces(extents: Vec<Extent>, payload: Payload) -> Self {
        ReplicaData::Pieces(Box::new(Pieces { extents, payload }))
    }

    /// Where bytes go, and which, in order: several places of one payload, or each mutation's.
    #[must_use]
    pub fn writes<'a>(&'a self, change: &'a ReplicaChange) -> Vec<(&'a [Extent], &'a Payload)> {
        match (self, change) {
            (ReplicaData::Mutations(payloads), ReplicaChange::Apply { mutations, .. }) => {
                let extents = mutations.iter().map(|mutation| from_ref(&mutation.extent));
                extents.zip(payloads).collect()
            }
            (ReplicaData::Pieces(pieces), _) => [(&*pieces.extents, &pieces.payload)].into(),
            (ReplicaData::None | ReplicaData::Mutations(_), _) => Vec::new(),
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            ReplicaData::None => 0,
            ReplicaData::Mutations(payloads) => payloads.iter().map(Payload::len).sum(),
            ReplicaData::Pieces(pieces) => pieces.payload.len(),
        }
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<ReplicaChange> for IoOp {
    /// A change that has no bytes.
    fn from(change: ReplicaChange) -> IoOp {
        IoOp::Replica(change, ReplicaData::None)
    }
}

impl IoOp {
    /// The chunk that it concerns, if any.
    #[must_use]
    pub fn chunk(&self) -> Option<ChunkHandle> {
        match self {
            IoOp::Replica(change, _) => Some(change.chunk()),
            IoOp::Read { chunk, .. } => Some(*chunk),
            IoOp::Log(_) => None,
        }
    }

    /// The name of its kind.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            IoOp::Replica(change, _) => change.name(),
            IoOp::Read { .. } => "Read",
            IoOp::Log(LogOp::Propose { .. }) => "Propose",
            IoOp::Log(LogOp::Confirm) => "ConfirmLeadership",
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
