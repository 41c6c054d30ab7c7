//! Where nodes listen.

use leasehold_proto::NodeId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Addresses learned at most: when full, the next one starts the table anew, and whoever is
/// needed is asked for again.
const LEARNED_MAX: usize = 65_536;

/// The masters, as configured, and everybody else, as learned.
#[derive(Debug)]
pub(super) struct Directory {
    masters: BTreeMap<NodeId, SocketAddr>,
    learned: Mutex<BTreeMap<NodeId, SocketAddr>>,
}

impl Directory {
    pub fn new(masters: &[(NodeId, SocketAddr)]) -> Self {
        Directory { masters: masters.iter().copied().collect(), learned: Mutex::default() }
    }

    pub fn masters(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.masters.keys().copied()
    }

    pub fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.masters.get(&node).copied().or_else(|| self.learned().get(&node).copied())
    }

    /// Takes in an address. An unspecified one (`0.0.0.0`) means "where I spoke from".
    pub fn learn(&self, node: NodeId, mut address: SocketAddr, seen_from: Option<SocketAddr>) {
        if let Some(seen_from) = seen_from.filter(|_| address.ip().is_unspecified()) {
            address.set_ip(seen_from.ip());
        }
        let mut learned = self.learned();
        if learned.len() >= LEARNED_MAX {
            learned.clear();
        }
        learned.insert(node, address);
    }

    /// Drops an address at which the node was not found; a master's stays.
    pub fn forget(&self, node: NodeId) {
        self.learned().remove(&node);
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, SocketAddr>> {
        self.learned.lock().expect("nothing panics while it holds the table")
    }
}
