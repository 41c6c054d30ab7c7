//! Reconciliation: a new primary makes every other member equal to itself.

use crate::ids::{ChunkHandle, ChunkVersion, Sequence};
use crate::payload::{Extent, Payload};
use crate::replica::ReplicaImage;
use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Primary → member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// See [`RangesRequest`].
    Ranges(RangesRequest),
    /// See [`Install`].
    Install(Install),
}

/// Member → primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// See [`RangesReply`].
    Ranges(RangesReply),
    /// See [`Installed`].
    Installed(Installed),
}

/// Primary → member: what must you have of mine?
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RangesRequest {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The new version.
    pub version: ChunkVersion,
}

/// Primary → member: take this, atomically.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Install {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The new version.
    pub version: ChunkVersion,
    /// The primary's image.
    pub image: Box<ReplicaImage>,
    /// Where the bytes go.
    pub pieces: Vec<Extent>,
    /// Their bytes, one piece after another.
    #[serde(skip)]
    pub payload: Payload,
}

/// Member → primary: what I touched after what I know committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RangesReply {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The new version.
    pub version: ChunkVersion,
    /// Known to be on every member.
    pub committed: Sequence,
    /// Ranges touched after that.
    pub touched: Vec<Extent>,
}

/// Member → primary: it is durable; this acknowledges every sequence that it took.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Installed {
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The new version.
    pub version: ChunkVersion,
    /// The last sequence that it took.
    pub sequence: Sequence,
}
