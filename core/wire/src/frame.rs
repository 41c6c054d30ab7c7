//! What a connection carries: protocol messages, and how nodes find each other.

use crate::header::FrameKind;
use bytes::Bytes;
use leasehold_proto::{Envelope, NodeId};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A cluster, drawn at random when its first master is formatted, so that nodes of two clusters
/// do not mix. Zero: not known yet.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ClusterId(pub u64);

impl ClusterId {
    /// Of a node that was not told its cluster yet.
    pub const UNKNOWN: ClusterId = ClusterId(0);

    /// May a node of this cluster talk to one of `peer`?
    #[must_use]
    pub fn admits(self, peer: ClusterId) -> bool {
        self == peer || self == Self::UNKNOWN || peer == Self::UNKNOWN
    }
}

/// What a node is to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Keeps the namespace and the configurations.
    Master,
    /// Keeps chunks.
    Chunkserver,
    /// Keeps nothing.
    Client,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of each side of a connection.
    Hello {
        /// Who speaks.
        node: NodeId,
        /// As what.
        role: Role,
        /// Where it listens; none for a client.
        listen: Option<SocketAddr>,
        /// Of which cluster.
        cluster: ClusterId,
    },
    /// Where does this node listen?
    WhoIs {
        /// Which.
        node: NodeId,
    },
    /// The answer to `WhoIs`.
    HereIs {
        /// Which.
        node: NodeId,
        /// Where; none if it is not known here.
        addr: Option<SocketAddr>,
    },
    /// The masters of this cluster and where they listen, as a master knows them: it sends this to
    /// every client and chunkserver that connects, so that the address of one master is enough.
    Masters {
        /// Each with its number.
        masters: Vec<(NodeId, SocketAddr)>,
    },
    /// A protocol message. Its payload is beside the body.
    Envelope(Envelope),
    /// Something about the masters' log. Its bytes are beside the body.
    Packet(Packet),
}

/// What masters say to each other about their log, and people to them: bytes whose meaning is
/// the log's. A question and its answer carry the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who speaks.
    pub from: NodeId,
    /// To whom.
    pub to: NodeId,
    /// Chosen by who asks.
    pub number: u64,
    /// False if it is a question.
    pub is_answer: bool,
    /// What is said, at most [`crate::PACKET_BYTES_MAX`].
    pub bytes: Bytes,
}

impl Frame {
    /// What this is.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        match self {
            Frame::Hello { .. } => FrameKind::Hello,
            Frame::WhoIs { .. } => FrameKind::WhoIs,
            Frame::HereIs { .. } => FrameKind::HereIs,
            Frame::Masters { .. } => FrameKind::Masters,
            Frame::Envelope(_) => FrameKind::Envelope,
            Frame::Packet(_) => FrameKind::Packet,
        }
    }
}
