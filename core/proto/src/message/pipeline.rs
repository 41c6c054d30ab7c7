//! The pipeline: a primary pushes mutations down the chain, members report progress (GFS §3.2).

use crate::ids::{ChunkHandle, ChunkVersion, NodeId, Sequence};
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::replica::Mutation;
use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Primary → member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// See [`Push`].
    Push(Push),
    /// See [`ProgressRequest`].
    Progress(ProgressRequest),
}

/// Member → primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// See [`Progress`].
    Progress(Progress),
    /// See [`PushRefused`].
    Refused(PushRefused),
}

/// Primary → first secondary → next: a mutation, passed down the chain while it is being
/// written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Push {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The version that orders it.
    pub version: ChunkVersion,
    /// Its place.
    pub sequence: Sequence,
    /// Known to be on every member.
    pub committed: Sequence,
    /// The primary, to whom every member answers.
    pub primary: NodeId,
    /// Who is to get it after the recipient.
    pub chain: Vec<NodeId>,
    /// What.
    pub mutation: Box<Mutation>,
    /// The bytes.
    #[serde(skip)]
    pub payload: Payload,
}

/// Primary → member: how far are you? Also carries what is committed when nothing else does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProgressRequest {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// In which version.
    pub version: ChunkVersion,
    /// Known to be on every member.
    pub committed: Sequence,
}

/// Member → primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Progress {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// In which version.
    pub version: ChunkVersion,
    /// Durable here, up to and including.
    pub applied: Sequence,
    /// In memory here without a gap, up to and including.
    pub received: Sequence,
}

/// Member → primary: not in this version, or not on this disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PushRefused {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The version refused.
    pub version: ChunkVersion,
    /// Why.
    pub refusal: Refusal,
}
