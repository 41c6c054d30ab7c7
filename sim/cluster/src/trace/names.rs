//! What nodes are called in a simulated run.

use leasehold_proto::NodeId;
use leasehold_trace::{Naming, Role};

/// The ids of clients' sessions begin above this.
const SESSIONS: NodeId = NodeId(10_000);
/// The only master.
const MASTER: NodeId = NodeId(1);

/// Ids are names.
#[derive(Clone, Copy, Debug)]
pub struct Names;

impl Naming for Names {
    fn name(&self, node: NodeId) -> String {
        node.to_string()
    }

    fn role(&self, node: NodeId) -> Role {
        match node {
            MASTER => Role::Master,
            node if node > SESSIONS => Role::Client,
            _ => Role::Chunkserver,
        }
    }
}
