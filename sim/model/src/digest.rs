//! What of a cluster makes a state: a digest per part, so that a step pays for what it changed.

use crate::canon::{Canon, Lens};
use crate::state::ModelState;
use leasehold_proto::{Attempt, Command, IoId, LogIndex, NodeId};
use leasehold_world::Cluster;
use leasehold_world::net::MessageId;
use leasehold_world::node::Node;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// How states are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Through the lens of [`canon`](crate::canon), or every number as it is.
    pub reduced: bool,
    /// Times further back than this are all the same: above every duration that can run out.
    pub horizon_ns: u64,
}

/// A state's digest, and those of its parts: what a step does not touch is not hashed again.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub(crate) whole: u64,
    pub(crate) nodes: Vec<(NodeId, u64)>,
    /// All messages together.
    pub(crate) net: u64,
    pub(crate) log: u64,
    /// By message, ascending.
    messages: Arc<Vec<(MessageId, u64)>>,
    epochs: Arc<Vec<u64>>,
}

/// The indices of the log's `NewLeader` entries, ascending.
fn epochs(cluster: &Cluster) -> Vec<u64> {
    let entries = cluster.log().entries().iter().zip(1..);
    let begins = entries.filter(|(entry, _)| matches!(entry.command, Command::NewLeader { .. }));
    begins.map(|(_, index)| index).collect()
}

/// Does everybody who requests leases wait for the same answers as before?
fn same_questions(last: &Cluster, next: &Cluster) -> bool {
    last.nodes().values().zip(next.nodes().values()).all(|(last, next)| {
        let asked = |node: &Node| questions(Some(node));
        Arc::ptr_eq(last, next) || asked(last) == asked(next)
    })
}

fn questions(node: Option<&Node>) -> Vec<Attempt> {
    node.and_then(Node::chunkserver).into_iter().flat_map(|server| server.questions()).collect()
}

impl Sight {
    /// Gives a state its identity, and takes out messages that are the same as others in it. What
    /// did not change since the last state is taken over from there.
    pub(crate) fn identify(&self, mut state: ModelState, last: Option<&ModelState>) -> ModelState {
        let same_log = last.filter(|last| std::ptr::eq(last.cluster.log(), state.cluster.log()));
        let epochs = match same_log {
            Some(last) => Arc::clone(&last.identity.epochs),
            None => Arc::new(epochs(&state.cluster)),
        };
        let nodes = self.nodes(&state.cluster, last, &epochs);
        let messages = self.messages(&mut state.cluster, last, &epochs);
        let net = messages.iter().fold(0_u64, |sum, (_, digest)| sum.wrapping_add(*digest));
        let log = self.log(&state.cluster, &epochs);
        let mut canon = Canon::new(None);
        for (_, digest) in &nodes {
            canon.word(*digest);
        }
        canon.word(net);
        canon.word(log);
        state.judge.hash(&mut canon);
        (state.left, state.asked, state.violation.is_some()).hash(&mut canon);
        if !self.reduced {
            canon.word(state.cluster.now());
        }
        let whole = canon.finish();
        state.identity = Identity { whole, nodes, net, log, messages, epochs };
        state
    }

    fn nodes(
        &self,
        cluster: &Cluster,
        last: Option<&ModelState>,
        epochs: &[u64],
    ) -> Vec<(NodeId, u64)> {
        let last = last
            .filter(|last| last.cluster.now() == cluster.now() && *last.identity.epochs == epochs);
        let unchanged = |id: &NodeId, place: usize| {
            let last = last?;
            let same = Arc::ptr_eq(last.cluster.nodes().get(id)?, cluster.nodes().get(id)?);
            same.then(|| last.identity.nodes[place])
        };
        let ids = cluster.nodes().keys().enumerate();
        ids.map(|(place, id)| {
            unchanged(id, place).unwrap_or_else(|| (*id, self.node(cluster, *id, epochs)))
        })
        .collect()
    }

    /// All messages as a bag: neither their order nor their names are part of the state. Where a
    /// message stays in flight, one that is the same as another adds nothing and goes.
    fn messages(
        &self,
        cluster: &mut Cluster,
        last: Option<&ModelState>,
        epochs: &[u64],
    ) -> Arc<Vec<(MessageId, u64)>> {
        let last = last.filter(|last| {
            *last.identity.epochs == epochs && same_questions(&last.cluster, cluster)
        });
        let known = last.map_or(&[][..], |last| &last.identity.messages);
        let (mut all, mut twins) = (Vec::with_capacity(cluster.net().len()), Vec::new());
        let mut at = 0;
        for (id, _) in cluster.net().flying() {
            at += known[at..].iter().take_while(|(other, _)| *other < id).count();
            match known.get(at).filter(|(other, _)| *other == id) {
                Some(same) => all.push(*same),
                None => {
                    let digest = self.message(cluster, id, epochs);
                    let twin = |(_, other): &(MessageId, u64)| *other == digest;
                    let adds = !cluster.net().keeps() || !all.iter().any(twin);
                    if adds { all.push((id, digest)) } else { twins.push(id) }
                }
            }
        }
        if !twins.is_empty() {
            cluster.forget_messages(|id| twins.contains(&id));
        }
        Arc::new(all)
    }

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
            if let Command::NewLeader { node, .. } = entry.command {
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
