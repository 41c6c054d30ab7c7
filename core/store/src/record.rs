//! What is in a chunkserver's journal: the change of a replica's record, the checksums of the
//! blocks it wrote, and where bytes that must be written again at a replay belong.

use crate::error::StoreError;
use crate::sums::Run;
use leasehold_proto::{Extent, ReplicaChange};
use serde::{Deserialize, Serialize};

/// The body of one journal record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkRecord {
    pub change: ReplicaChange,
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
