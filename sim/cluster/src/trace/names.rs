//! What nodes are called in a simulated run.

use leasehold_proto::NodeId;
use leasehold_trace::{Naming, Role};

/// The ids of clients' sessions begin above this.
const SESSIONS: NodeId = NodeId(10_000);
/// Masters are numbered from 1; nobody else is below this.
const SERVERS: NodeId = NodeId(100);

/// Ids are names.
#[derive(Clone, Copy, Debug)]
pub struct Names;

impl Naming for Names {
    fn name(&self, node: NodeId) -> String {
        node.to_string()
    }

    fn role(&self, node: NodeId) -> Role {
        match node {
            node if node < SERVERS => Role::Master,
            node if node > SESSIONS => Role::Client,
            _ => Role::Chunkserver,
        }
    }
}
