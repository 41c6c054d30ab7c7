//! How a master's log stands, for people.

use super::types::{Peer, Types};
use leasehold_proto::NodeId;
use openraft::{RaftMetrics, ServerState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use leasehold_store::Written;

/// How a master's part of the log stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Which master.
    pub node: NodeId,
    /// Which disk it is on.
    pub birth: u64,
    /// The term that it is in.
    pub term: u64,
    /// What it is there.
    pub role: Role,
    /// Who leads, as it knows.
    pub leader: Option<NodeId>,
    /// Its last entry's index.
    pub last: Option<u64>,
    /// The last entry that it applied.
    pub applied: Option<u64>,
    /// The last entry in its newest snapshot.
    pub snapshot: Option<u64>,
    /// What its disk was given in this life: entries a sync are what a group commit saves.
    pub written: Written,
    /// The masters, as it knows them.
    pub members: BTreeMap<NodeId, Member>,
}

/// What a master is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It orders.
    Leader,
    /// It asks to.
    Candidate,
    /// It votes and follows.
    Follower,
    /// It follows, and has no vote.
    Learner,
    /// It has no peers.
    Alone,
}

/// A member of the masters' cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// As the others know it.
    pub peer: Peer,
    /// Whether it votes.
    pub votes: bool,
}

impl Standing {
    pub(super) fn of(metrics: &RaftMetrics<Types>, birth: u64, written: Written) -> Self {
        let membership = metrics.membership_config.membership();
        let members = membership.nodes().map(|(node, peer)| {
            let votes = membership.voter_ids().any(|voter| voter == *node);
            (NodeId(*node), Member { peer: peer.clone(), votes })
        });
        Standing {
            node: NodeId(metrics.id),
            birth,
            term: metrics.current_term,
            role: match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Candidate => Role::Candidate,
                ServerState::Follower => Role::Follower,
                ServerState::Learner | ServerState::Shutdown => Role::Learner,
            },
            leader: metrics.current_leader.map(NodeId),
            last: metrics.last_log_index,
            applied: metrics.last_applied.map(|id| id.index),
            snapshot: metrics.snapshot.map(|id| id.index),
            written,
            members: members.collect(),
        }
    }
}
