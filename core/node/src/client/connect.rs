//! A session on real sockets.

use leasehold_proto::{Constants, NodeId};
use std::net::SocketAddr;

/// What a session is told at start.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Names the session: drawn at random, never used before.
    pub node: NodeId,
    /// The masters, any of which may lead, and where they listen.
    pub masters: Vec<(NodeId, SocketAddr)>,
    /// The cluster's constants.
    pub constants: Constants,
}

impl ClientOptions {
    /// With the default constants.
    #[must_use]
    pub fn new(node: NodeId, masters: Vec<(NodeId, SocketAddr)>) -> Self {
        ClientOptions { node, masters, constants: Constants::default() }
    }
}
