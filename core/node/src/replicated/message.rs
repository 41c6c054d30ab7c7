//! What masters say to each other about their log, and what people ask of it.

use super::status::Standing;
use super::types::{Peer, SnapshotMeta, Types, Vote};
use bytes::Bytes;
use leasehold_proto::NodeId;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

/// A question to a master's log.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Which disk it is meant for (see [`Peer::birth`]); none if for whichever is there.
    pub birth: Option<u64>,
    /// What.
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// Take these entries.
    Append(AppendEntriesRequest<Types>),
    /// Vote for me.
    Vote(VoteRequest<Types>),
    /// Would you vote for me?
    PreVote(VoteRequest<Types>),
    /// Take this piece of a snapshot.
    Piece(Piece),
    /// Take over from me.
    TakeOver(TransferLeaderRequest<Types>),
    /// How do you stand?
    Standing,
    /// Change who the masters are.
    Change(MembershipChange),
    /// Make a snapshot.
    Snapshot,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To `Append`.
    Appended(AppendEntriesResponse<Types>),
    /// To `Vote` and `PreVote`.
    Voted(VoteResponse<Types>),
    /// To a piece that others follow.
    Go,
    /// To the last piece.
    Installed(SnapshotResponse<Types>),
    /// To `TakeOver`.
    TakesOver(TransferLeaderResponse<Types>),
    /// To `Change` and `Snapshot`.
    Done,
    /// To `Standing`.
    Standing(Standing),
    /// Somebody else leads; perhaps this one.
    NotLeader(Option<NodeId>),
    /// It was meant for another disk.
    OtherDisk,
    /// It could not be done; for people.
    Failed(String),
}

/// A change of one master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MembershipChange {
    /// One more, once it has caught up.
    Add {
        /// Which.
        node: NodeId,
        /// As the others are to know it.
        peer: Peer,
    },
    /// One less.
    Remove {
        /// Which.
        node: NodeId,
    },
}

/// A part of a snapshot. Pieces come in order; one at a time is on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Piece {
    /// The sender's leadership.
    pub vote: Vote,
    /// Of which snapshot.
    pub meta: SnapshotMeta,
    /// Bytes of all pieces together.
    pub total: u64,
    /// Where this one is.
    pub offset: u64,
    /// The bytes.
    pub bytes: Blob,
}

/// Bytes that are encoded as such, and not one by one.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Blob;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes::Bytes::copy_from_slice(bytes)))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
