//! A run that was recorded, and how it ended.

use crate::naming::Role;
use crate::record::Record;
use leasehold_checker::Violation;
use leasehold_proto::NodeId;
use serde::Serialize;

/// A node that something happened at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its id, as in the records.
    pub id: NodeId,
    /// What people call it.
    pub name: String,
    /// What it does.
    pub role: Role,
}

/// Everything that was recorded of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The master first, then chunkservers, then clients.
    pub nodes: Vec<Node>,
    /// In the order in which things happened.
    pub records: Vec<Record>,
    /// When the runner began to take everything down, in nanoseconds of true time: what comes
    /// after is not part of the run.
    pub over_ns: Option<u64>,
}

/// What was wrong, and where a trace shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The invariant, what was seen, and when.
    #[serde(flatten)]
    pub violation: Violation,
    /// The number of the event that showed it.
    pub event: u64,
    /// It is what the scenario is there to show.
    pub expected: bool,
}

/// What a report begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Title {
    /// What ran: a scenario's or a script's path.
    pub scenario: String,
    /// What that is about, in its own words.
    pub about: String,
    /// How to have it again.
    pub replay: String,
    /// The build that ran it and what it ran, as an object; null if nothing is known.
    pub from: serde_json::Value,
    /// The same for people; empty if nothing is known.
    pub from_line: String,
}

impl Trace {
    /// What a node is called.
    #[must_use]
    pub fn name(&self, node: NodeId) -> String {
        let known = self.nodes.iter().find(|known| known.id == node);
        known.map_or_else(|| node.to_string(), |known| known.name.clone())
    }
}
