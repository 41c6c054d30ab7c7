//! Removal of replicas that the master does not want on a chunkserver.

use crate::ids::{ChunkHandle, ChunkVersion};
use serde::{Deserialize, Serialize};

/// Why a replica is to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DeleteReason {
    /// The committed configuration of this version does not hold the recipient.
    Excluded(ChunkVersion),
    /// The chunk was freed at this version.
    Freed(ChunkVersion),
}

/// Master → chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// See [`DeleteReplica`].
    Delete(DeleteReplica),
    /// See [`QuarantineReplica`].
    Quarantine(QuarantineReplica),
}

/// Master → chunkserver: remove a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeleteReplica {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// Why; it is refused by a replica with a higher version or promise.
    pub reason: DeleteReason,
}

/// Master → chunkserver: set an unknown chunk aside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct QuarantineReplica {
    /// Which.
    pub chunk: ChunkHandle,
}
