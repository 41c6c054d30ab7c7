//! What of a cluster makes a state: a digest per part, so that a step pays for what it changed.

use crate::canon::{Canon, Lens};
use leasehold_proto::{Attempt, Command, IoId, LogIndex, NodeId};
use leasehold_world::Cluster;
use leasehold_world::net::MessageId;
use leasehold_world::node::Node;
use std::hash::{Hash, Hasher};

/// How states are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Through the lens of [`canon`](crate::canon), or every number as it is.
    pub reduced: bool,
    /// Times further back than this are all the same: above every duration that can run out.
    pub horizon_ns: u64,
}

/// The indices of the log's `NewLeader` entries, ascending.
#[must_use]
pub fn epochs(cluster: &Cluster) -> Vec<u64> {
    let entries = cluster.log().entries().iter().zip(1..);
    let begins = entries.filter(|(entry, _)| matches!(entry.command, Command::NewLeader { .. }));
    begins.map(|(_, index)| index).collect()
}

fn questions(node: Option<&Node>) -> Vec<Attempt> {
    node.and_then(Node::chunkserver).into_iter().flat_map(|server| server.questions()).collect()
}

impl Sight {
    /// One node, apart from how far it lags behind the log.
    #[must_use]
    pub fn node(&self, cluster: &Cluster, id: NodeId, epochs: &[u64]) -> u64 {
        let node = cluster.node(id);
        let io: Vec<IoId> = node.io.keys().copied().collect();
        let questions = questions(Some(node));
        let now = node.clock.at(cluster.now());
        let lens =
            Lens { now, horizon_ns: self.horizon_ns, epochs, io: &io, questions: &questions };
        let mut canon = Canon::new(self.reduced.then_some(lens));
        id.hash(&mut canon);
        node.machine.hash(&mut canon);
        (node.paused, node.clock.rate_ppm(), &node.disk).hash(&mut canon);
        (node.destroyed, node.lives).hash(&mut canon);
        for (io, pending) in &node.io {
            (io, &pending.op, pending.persisted, pending.led).hash(&mut canon);
        }
        if !self.reduced {
            node.clock.hash(&mut canon);
        }
        canon.finish()
    }

    /// One message.
    #[must_use]
    pub fn message(&self, cluster: &Cluster, id: MessageId, epochs: &[u64]) -> u64 {
        let envelope = cluster.net().get(id).expect("the caller lists what is in flight");
        let server = [envelope.from, envelope.to]
            .into_iter()
            .filter_map(|id| cluster.nodes().get(&id))
            .find(|node| node.chunkserver().is_some());
        let questions = questions(server.map(|node| &**node));
        let now = leasehold_proto::Time(0);
        let lens = Lens { now, horizon_ns: 0, epochs, io: &[], questions: &questions };
        let mut canon = Canon::new(self.reduced.then_some(lens));
        envelope.hash(&mut canon);
        canon.finish()
    }

    /// The log as far as it still matters: who leads, what masters that act have not been told
    /// yet, and what may commit yet. What everybody knows is in the masters' states.
    #[must_use]
    pub fn log(&self, cluster: &Cluster, epochs: &[u64]) -> u64 {
        let (log, told) = (cluster.log(), cluster.told());
        let now = leasehold_proto::Time(0);
        let lens = Lens { now, horizon_ns: 0, epochs, io: &[], questions: &[] };
        let mut canon = Canon::new(self.reduced.then_some(lens));
        (log.leader(), log.limbo()).hash(&mut canon);
        let masters = || cluster.nodes().values().filter(|node| node.master().is_some());
        let known = masters().map(|node| node.learned).min().unwrap_or(log.last()).min(told);
        let from = if self.reduced { known } else { LogIndex(0) };
        let suffix = usize::try_from(from.0).ok().and_then(|from| log.entries().get(from..));
        for entry in suffix.unwrap_or(&[]) {
            entry.hash(&mut canon);
            // A master takes a `NewLeader` for its own only while it waits for that very proposal.
            if let Command::NewLeader { node } = entry.command {
                canon.word(u64::from(cluster.node(node).io.contains_key(&entry.proposal)));
            }
        }
        canon.word(log.last().0 - told.0);
        for node in masters() {
            canon.word(log.last().0 - node.learned.0);
            let ahead = node.io.values().filter_map(|pending| pending.index);
            for index in ahead {
                canon.word(index.0.saturating_sub(node.learned.0));
            }
        }
        canon.finish()
    }
}
