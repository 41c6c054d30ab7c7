//! Where nodes listen.

use leasehold_proto::NodeId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

/// Addresses learned at most: when full, the next one starts the table anew, and whoever is
/// needed is requested again.
const LEARNED_MAX: usize = 65_536;

/// The masters, as configured, and everybody, as learned. What was learned comes first: a master's
/// machine may be another one by now. Where nobody is found is forgotten, and a master is looked for
/// as configured again.
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
        let learned = self.learned().get(&node).copied();
        learned.or_else(|| self.masters.get(&node).copied())
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

    /// Drops an address at which the node was not found; a configured one stays.
    pub fn forget(&self, node: NodeId) {
        self.learned().remove(&node);
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, SocketAddr>> {
        self.learned.lock().expect("nothing panics while it holds the table")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The machine of master 3 was replaced, and it kept its number.
    #[test]
    fn a_master_is_where_it_was_last_heard_of_and_else_where_it_was_configured() {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let directory = Directory::new(&[(NodeId(3), at(1))]);
        assert_eq!(directory.address(NodeId(3)), Some(at(1)));
        directory.learn(NodeId(3), at(2), None);
        assert_eq!(directory.address(NodeId(3)), Some(at(2)));
        directory.forget(NodeId(3));
        assert_eq!(directory.address(NodeId(3)), Some(at(1)));
    }
}
