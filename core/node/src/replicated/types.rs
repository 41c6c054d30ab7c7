//! What the consensus library has to know of our types.

use super::runtime::Runtime;
use leasehold_proto::{LogEntry, LogIndex};
use openraft::type_config::alias::{
    EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf,
};
use serde::{Deserialize, Serialize};
use std::fmt;

openraft::declare_raft_types!(
    /// The consensus library's types, as this crate has them.
    pub Types:
        D = Proposal,
        R = Option<LogIndex>,
        NodeId = u64,
        Node = Peer,
        AsyncRuntime = Runtime,
);

/// A place in the log, with its term.
pub type LogId = LogIdOf<Types>;
/// An entry of the replicated log.
pub type RaftLogEntry = EntryOf<Types>;
/// A vote, or a leadership.
pub type Vote = VoteOf<Types>;
/// Who the masters are, and since which entry.
pub type Membership = StoredMembershipOf<Types>;
/// What names a snapshot.
pub type SnapshotMeta = SnapshotMetaOf<Types>;
/// The state after an entry, as bytes.
pub type Snapshot = SnapshotOf<Types, bytes::Bytes>;

/// A master as the others know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Where it listens; empty where the network finds nodes by their id.
    pub address: String,
    /// Which disk it is on. What is meant for another disk is refused: a master whose disk was
    /// wiped forgot its votes, and must not be counted as the one that gave them.
    pub birth: u64,
}

/// What the master machine proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Proposal(pub LogEntry);

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} under {}", self.0.proposal, self.0.epoch)
    }
}

/// Plain data of ours and of the library's, as bytes.
pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain data encodes")
}
