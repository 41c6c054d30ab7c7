//! Changing a chunk's configuration: prepare, activate, and what members report.

use super::ReplicaState;
use crate::ids::{ChunkHandle, ChunkVersion, Epoch, Incarnation, NodeId};
use crate::replica::ChunkSpec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Master → chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// See [`Prepare`].
    Prepare(Prepare),
    /// See [`Activate`].
    Activate(Activate),
}

/// Chunkserver → master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// See [`Prepared`].
    Prepared(Prepared),
    /// See [`PrepareRefused`].
    Refused(PrepareRefused),
    /// See [`MemberFailed`].
    MemberFailed(MemberFailed),
}

/// Master → chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prepare {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The leader's epoch.
    pub epoch: Epoch,
    /// The version to promise.
    pub version: ChunkVersion,
    /// The life asked.
    pub incarnation: Incarnation,
    /// The chunk's spec, to create a replica of a chunk that has no configuration yet.
    pub create: Option<ChunkSpec>,
}

/// Master → the new primary: this configuration is committed; ask for your lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Activate {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// Its version.
    pub version: ChunkVersion,
    /// The primary's life.
    pub incarnation: Incarnation,
    /// In pipeline order, the primary first.
    pub members: Vec<NodeId>,
}

/// Chunkserver → master: promised durably, lease ended, mutations drained.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prepared {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The epoch that asked.
    pub epoch: Epoch,
    /// The version promised.
    pub version: ChunkVersion,
    /// The life that promises.
    pub incarnation: Incarnation,
    /// What it has.
    pub state: ReplicaState,
}

/// Chunkserver → master: something higher was promised, or there is nothing here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PrepareRefused {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The epoch that asked.
    pub epoch: Epoch,
    /// The version refused.
    pub version: ChunkVersion,
    /// The life that refuses.
    pub incarnation: Incarnation,
    /// What it promised; none if it has no replica.
    pub promised: Option<ChunkVersion>,
    /// Its disk has no room for a replica.
    pub no_space: bool,
}

/// Primary → master: these members hold the chunk up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MemberFailed {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// In which configuration.
    pub version: ChunkVersion,
    /// Who.
    pub members: Vec<NodeId>,
}
