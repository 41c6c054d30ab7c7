//! What people call a node, and what it is.

use leasehold_proto::{NodeId, OpId};
use serde::Serialize;

/// What a node does in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps the namespace and the chunk table.
    Master,
    /// Holds replicas.
    Chunkserver,
    /// Asks.
    Client,
}

/// Names nodes.
pub trait Naming {
    /// A short name.
    fn name(&self, node: NodeId) -> String;
    /// What it is.
    fn role(&self, node: NodeId) -> Role;

    /// A client's operation: `n10001#7`.
    fn op(&self, op: OpId) -> String {
        format!("{}#{}", self.name(op.client), op.number)
    }

    /// Several nodes, in their order.
    fn names(&self, nodes: &[NodeId]) -> String {
        nodes.iter().map(|node| self.name(*node)).collect::<Vec<_>>().join(" ")
    }
}
