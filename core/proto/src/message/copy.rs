//! Copies: the master orders one, the learner pulls it from the source, step by step.

use super::ReplicaState;
use crate::ids::{ChunkHandle, ChunkVersion, CopyId, Epoch, Incarnation, NodeId};
use crate::payload::{Extent, Payload};
use crate::replica::{ChunkSpec, ReplicaImage};
use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The state that ends a copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CopyEnd {
    /// The source's applied version.
    pub version: ChunkVersion,
    /// The source's image.
    pub image: Box<ReplicaImage>,
}

/// Source → learner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// See [`Step`].
    Step(Step),
    /// See [`Void`].
    Void(Void),
}

/// Learner → master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Report {
    /// See [`CaughtUp`].
    CaughtUp(CaughtUp),
    /// See [`Ready`].
    Ready(Ready),
    /// See [`Failed`].
    Failed(Failed),
}

/// Master → chunkserver: copy this chunk from its primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Order {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The leader's epoch.
    pub epoch: Epoch,
    /// The committed version under which to copy.
    pub version: ChunkVersion,
    /// The learner's life.
    pub incarnation: Incarnation,
    /// The primary of that version.
    pub source: NodeId,
    /// The chunk's spec.
    pub spec: ChunkSpec,
}

/// Learner → source: the next step; a repeated one is answered again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The learner's life: a copy belongs to one.
    pub incarnation: Incarnation,
    /// The version under which it copies.
    pub version: ChunkVersion,
    /// The copy that it continues; none in the request that opens one.
    pub copy: Option<CopyId>,
    /// Counted up by one, and never used twice in one incarnation: (incarnation, step) orders
    /// a learner's opening requests.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub step: u64,
    /// The version that the learner has promised since, asking for the end of the copy.
    pub prepared: Option<ChunkVersion>,
}

/// Source → learner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Step {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The learner's life.
    pub incarnation: Incarnation,
    /// The copy that this belongs to. A learner takes steps of one copy only.
    pub copy: CopyId,
    /// The step answered.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub step: u64,
    /// Where the bytes go.
    pub pieces: Vec<Extent>,
    /// Bytes known to be left after these.
    pub left_bytes: u64,
    /// After these nothing is left and nothing can come: install this.
    pub end: Option<Box<CopyEnd>>,
    /// The bytes, one piece after another.
    #[serde(skip)]
    pub payload: Payload,
}

/// Source → learner: there is no such copy here (any more); it is void.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Void {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The learner's life.
    pub incarnation: Incarnation,
    /// The step that it asked for.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub step: u64,
}

/// Learner → master: little is left; configure me.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaughtUp {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The epoch that ordered the copy.
    pub epoch: Epoch,
    /// The version under which it was made.
    pub version: ChunkVersion,
    /// The learner's life.
    pub incarnation: Incarnation,
}

/// Learner → master: prepared, complete and durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ready {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The epoch that prepared it.
    pub epoch: Epoch,
    /// The version that it promised.
    pub version: ChunkVersion,
    /// The learner's life.
    pub incarnation: Incarnation,
    /// What it has.
    pub state: ReplicaState,
}

/// Learner → master: the copy was given up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Failed {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The version under which it was made.
    pub version: ChunkVersion,
    /// The learner's life.
    pub incarnation: Incarnation,
    /// Its disk has no room for the copy.
    pub no_space: bool,
}
