//! What stands in a chunkserver's journal: the change of a replica's record, the checksums of the
//! blocks it wrote, and where bytes that must be written again at a replay belong.

use crate::error::StoreError;
use crate::sums::Run;
use leasehold_proto::{
    ChunkHandle, ChunkSpec, ChunkVersion, Extent, IoOp, Mutation, Payload, ReplicaImage, Sequence,
};
use serde::{Deserialize, Serialize};

/// An [`IoOp`] that changes a replica, without its bytes. The order of the variants is the
/// format: new ones go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    Promise {
        chunk: ChunkHandle,
        version: ChunkVersion,
        create: Option<ChunkSpec>,
    },
    Apply {
        chunk: ChunkHandle,
        version: ChunkVersion,
        first: Sequence,
        mutations: Vec<Mutation>,
        committed: Sequence,
    },
    Adopt {
        chunk: ChunkHandle,
        version: ChunkVersion,
    },
    Reconcile {
        chunk: ChunkHandle,
        version: ChunkVersion,
        image: Box<ReplicaImage>,
    },
    StartLearner {
        chunk: ChunkHandle,
        promised: ChunkVersion,
        spec: ChunkSpec,
    },
    Install {
        chunk: ChunkHandle,
        version: ChunkVersion,
        image: Box<ReplicaImage>,
    },
    Delete {
        chunk: ChunkHandle,
    },
    Quarantine {
        chunk: ChunkHandle,
    },
}

impl Change {
    /// The change that an I/O makes to a replica's record, if it makes one.
    pub fn of(op: &IoOp) -> Option<Change> {
        Some(match op {
            IoOp::Promise { chunk, version, create } => {
                Change::Promise { chunk: *chunk, version: *version, create: *create }
            }
            IoOp::Apply { chunk, version, first, mutations, committed } => Change::Apply {
                chunk: *chunk,
                version: *version,
                first: *first,
                mutations: mutations.iter().map(|(mutation, _)| mutation.clone()).collect(),
                committed: *committed,
            },
            IoOp::Adopt { chunk, version } => Change::Adopt { chunk: *chunk, version: *version },
            IoOp::Reconcile { chunk, version, image, .. } => {
                Change::Reconcile { chunk: *chunk, version: *version, image: image.clone() }
            }
            IoOp::StartLearner { chunk, promised, spec } => {
                Change::StartLearner { chunk: *chunk, promised: *promised, spec: *spec }
            }
            IoOp::Install { chunk, version, image } => {
                Change::Install { chunk: *chunk, version: *version, image: image.clone() }
            }
            IoOp::Delete { chunk } => Change::Delete { chunk: *chunk },
            IoOp::Quarantine { chunk } => Change::Quarantine { chunk: *chunk },
            IoOp::Propose { .. }
            | IoOp::ConfirmLeadership
            | IoOp::CopyIn { .. }
            | IoOp::Read { .. } => return None,
        })
    }

    /// The I/O that made this change, without its bytes: what `Replicas::apply` takes.
    pub fn into_op(self) -> IoOp {
        match self {
            Change::Promise { chunk, version, create } => IoOp::Promise { chunk, version, create },
            Change::Apply { chunk, version, first, mutations, committed } => {
                let mutations =
                    mutations.into_iter().map(|mutation| (mutation, Payload::default())).collect();
                IoOp::Apply { chunk, version, first, mutations, committed }
            }
            Change::Adopt { chunk, version } => IoOp::Adopt { chunk, version },
            Change::Reconcile { chunk, version, image } => {
                let (pieces, payload) = (Vec::new(), Payload::default());
                IoOp::Reconcile { chunk, version, image, pieces, payload }
            }
            Change::StartLearner { chunk, promised, spec } => {
                IoOp::StartLearner { chunk, promised, spec }
            }
            Change::Install { chunk, version, image } => IoOp::Install { chunk, version, image },
            Change::Delete { chunk } => IoOp::Delete { chunk },
            Change::Quarantine { chunk } => IoOp::Quarantine { chunk },
        }
    }
}

/// The body of one journal record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkRecord {
    pub change: Change,
    /// Checksums of the blocks that it wrote; of every block, for an `Install`.
    pub sums: Vec<Run>,
    /// Where the payload's bytes belong, one extent after another. Empty if the bytes were
    /// durable in their place before this record.
    pub redo: Vec<Extent>,
}

impl ChunkRecord {
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain data encodes")
    }

    pub fn from_bytes(body: &[u8]) -> Result<Self, StoreError> {
        postcard::from_bytes(body)
            .map_err(|_| StoreError::corrupt("journal", 0, "a record that does not decode"))
    }
}
