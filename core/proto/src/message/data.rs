//! Data: mutations and reads that clients send to chunkservers.

use crate::ids::{ChunkHandle, ChunkVersion, OpId};
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::MutationKind;
use serde::{Deserialize, Serialize};

/// How a strong read differs from a relaxed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ReadMode {
    /// At the primary under its lease: linearizable per chunk.
    Strong,
    /// At any member: may be stale, may show bytes not yet acknowledged.
    Relaxed,
}

/// Client → chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// See [`Mutate`].
    Mutate(Mutate),
    /// See [`Read`].
    Read(Read),
}

/// Chunkserver → client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// See [`Mutated`].
    Mutated(Mutated),
    /// See [`ReadReply`].
    Read(ReadReply),
}

/// Client → primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mutate {
    /// The operation; a retry carries the same.
    pub op: OpId,
    /// The client has a definitive answer to each of its operations below this number.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub acked_below: u64,
    /// To which chunk.
    pub chunk: ChunkHandle,
    /// As the client knows it.
    pub version: ChunkVersion,
    /// In that configuration only: a later one refuses it, since the session under whose lock it was sent
    /// may have ended.
    pub exactly: bool,
    /// What.
    pub kind: MutationKind,
    /// Where, for a write; the length, for a cut; for an append, the truncation epoch that the client
    /// knows the file to have.
    pub offset: u64,
    /// The bytes.
    #[serde(skip)]
    pub payload: Payload,
}

/// Client → member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Read {
    /// The operation.
    pub op: OpId,
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// As the client knows it.
    pub version: ChunkVersion,
    /// What; clipped to the chunk's length. Empty: only the length is wanted.
    pub extent: Extent,
    /// How.
    pub mode: ReadMode,
}

/// Primary → client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mutated {
    /// Which operation this answers.
    pub op: OpId,
    /// At which chunk.
    pub chunk: ChunkHandle,
    /// Where it wrote.
    pub result: Result<Extent, Refusal>,
}

/// Member → client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReadReply {
    /// Which operation this answers.
    pub op: OpId,
    /// Of which chunk.
    pub chunk: ChunkHandle,
    /// The chunk's length at that moment (committed length, for a strong read).
    pub result: Result<u64, Refusal>,
    /// The bytes; fewer than asked if the chunk ends before.
    #[serde(skip)]
    pub payload: Payload,
}
