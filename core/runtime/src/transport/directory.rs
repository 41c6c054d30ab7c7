//! Where nodes listen, and why they could not be reached there.

use super::stream::ConnectionError;
use leasehold_proto::NodeId;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};

/// Addresses learned at most: when full, the next one starts the table anew, and whoever is
/// needed is requested again.
const LEARNED_MAX: usize = 65_536;

/// Nodes whose failures are remembered at the most.
const FAILURES_MAX: usize = 1_024;

/// The masters, each with every address that is known of it, and every other node, as learned. What
/// was learned comes first: a master's machine may be another one by now. An address at which the
/// node was not found is forgotten, and a master is looked for as configured again.
#[derive(Debug)]
pub(super) struct Directory {
    masters: Mutex<BTreeMap<NodeId, Vec<SocketAddr>>>,
    learned: Mutex<BTreeMap<NodeId, SocketAddr>>,
    failures: Mutex<BTreeMap<NodeId, Vec<Unreachable>>>,
}

/// A node that could not be reached at an address, or whose address is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// Which node.
    pub node: NodeId,
    /// Where it was tried; none if no master says where it listens.
    pub address: Option<SocketAddr>,
    /// What the operating system or the handshake said.
    pub why: String,
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} at {address}: {}", self.node, self.why),
            None => write!(f, "{}: {}", self.node, self.why),
        }
    }
}

impl Directory {
    /// A master with several addresses has several entries.
    pub fn new(masters: &[(NodeId, SocketAddr)]) -> Self {
        let directory = Directory {
            masters: Mutex::default(),
            learned: Mutex::default(),
            failures: Mutex::default(),
        };
        for (node, address) in masters {
            directory.learn_master(*node, *address);
        }
        directory
    }

    /// The masters' numbers.
    pub fn masters(&self) -> Vec<NodeId> {
        self.known_masters().keys().copied().collect()
    }

    /// The masters, each with the address at which others are to look for it first.
    pub fn master_addresses(&self) -> Vec<(NodeId, SocketAddr)> {
        let masters = self.masters();
        masters.into_iter().filter_map(|node| Some((node, self.address(node)?))).collect()
    }

    /// Where others are told that a node listens.
    pub fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.addresses(node).first().copied()
    }

    /// Every place where a node may listen, the likeliest first.
    pub fn addresses(&self, node: NodeId) -> Vec<SocketAddr> {
        let mut all: Vec<SocketAddr> = self.learned().get(&node).copied().into_iter().collect();
        let configured = self.known_masters().get(&node).cloned().unwrap_or_default();
        all.extend(
            configured.into_iter().filter(|address| !all.contains(address)).collect::<Vec<_>>(),
        );
        all
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

    /// Takes in an address of a master, beside those that are known.
    pub fn learn_master(&self, node: NodeId, address: SocketAddr) {
        let mut masters = self.known_masters();
        let known = masters.entry(node).or_default();
        if !known.contains(&address) {
            known.push(address);
        }
    }

    /// The node was found at this address: it is tried first from here on.
    pub fn reached(&self, node: NodeId, address: SocketAddr) {
        self.learn(node, address, None);
        self.failures().remove(&node);
    }

    /// The node was not found at an address, which is dropped unless it is configured; or no
    /// address is known.
    pub fn failed(&self, node: NodeId, address: Option<SocketAddr>, why: String) {
        if address.is_some() && self.learned().get(&node).copied() == address {
            self.learned().remove(&node);
        }
        let mut failures = self.failures();
        if failures.len() >= FAILURES_MAX && !failures.contains_key(&node) {
            failures.clear();
        }
        let of_node = failures.entry(node).or_default();
        of_node.retain(|failure| failure.address != address && failure.address.is_some());
        of_node.push(Unreachable { node, address, why });
    }

    /// What stands in the way to nodes that could not be reached when they were tried last.
    pub fn unreachable(&self) -> Vec<Unreachable> {
        self.failures().values().flatten().cloned().collect()
    }

    fn known_masters(&self) -> MutexGuard<'_, BTreeMap<NodeId, Vec<SocketAddr>>> {
        self.masters.lock().expect("nothing panics while it holds the table")
    }

    fn learned(&self) -> MutexGuard<'_, BTreeMap<NodeId, SocketAddr>> {
        self.learned.lock().expect("nothing panics while it holds the table")
    }

    fn failures(&self) -> MutexGuard<'_, BTreeMap<NodeId, Vec<Unreachable>>> {
        self.failures.lock().expect("nothing panics while it holds the table")
    }
}

/// Why there is no connection, as a person reads it: the operating system's sentence without its
/// number.
pub(super) fn reason(error: &ConnectionError) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The machine of master 3 was replaced, and it kept its number.
    #[test]
    fn a_master_is_where_it_was_last_heard_of_and_else_where_it_was_configured() {
        let directory = Directory::new(&[(NodeId(3), at(1))]);
        assert_eq!(directory.address(NodeId(3)), Some(at(1)));
        directory.learn(NodeId(3), at(2), None);
        assert_eq!(directory.address(NodeId(3)), Some(at(2)));
        directory.failed(NodeId(3), Some(at(2)), "Connection refused".to_owned());
        assert_eq!(directory.address(NodeId(3)), Some(at(1)));
    }

    #[test]
    fn every_address_of_a_master_is_tried_and_each_failure_is_kept_until_it_is_reached() {
        let directory = Directory::new(&[(NodeId(3), at(1)), (NodeId(3), at(2))]);
        assert_eq!(directory.addresses(NodeId(3)), [at(1), at(2)]);
        for port in [1, 2, 1] {
            directory.failed(NodeId(3), Some(at(port)), format!("no {port}"));
        }
        let said: Vec<_> = directory.unreachable().iter().map(ToString::to_string).collect();
        assert_eq!(said, ["n3 at 127.0.0.1:2: no 2", "n3 at 127.0.0.1:1: no 1"]);
        directory.reached(NodeId(3), at(2));
        assert!(directory.unreachable().is_empty());
        assert_eq!(directory.addresses(NodeId(3)), [at(2), at(1)], "what worked comes first");
    }
}
