//! The fair schedule: everything arrives, every I/O ends, in order; then time passes.

use crate::action::Action;
use crate::cluster::Cluster;
use crate::names;
use leasehold_proto::{Envelope, NodeId};

/// What the schedule leaves alone.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    /// Messages from, to, and of one kind (any, if empty).
    pub messages: Vec<(NodeId, NodeId, String)>,
    /// Nodes whose I/O stays in flight, and the kind of I/O (any, if empty).
    pub io: Vec<(NodeId, String)>,
}

impl Holds {
    /// Nothing is held.
    #[must_use]
    pub fn none() -> Self {
        Holds::default()
    }

    /// Does it hold this message?
    #[must_use]
    pub fn message(&self, envelope: &Envelope) -> bool {
        self.messages.iter().any(|(from, to, kind)| {
            (*from, *to) == (envelope.from, envelope.to)
                && (kind.is_empty() || *kind == crate::show::message_name(&envelope.message))
        })
    }

    fn holds_io(&self, node: NodeId, op: &leasehold_proto::IoOp) -> bool {
        self.io.iter().any(|(at, kind)| *at == node && (kind.is_empty() || *kind == op.name()))
    }
}

/// What the fair schedule does next, if anything happens before `end` (true time).
#[must_use]
pub fn next(cluster: &Cluster, holds: &Holds, end: u64) -> Option<Action> {
    let paused = |node: NodeId| cluster.nodes().get(&node).is_some_and(|node| node.paused);
    let message = cluster.net().find(|envelope| !paused(envelope.to) && !holds.message(envelope));
    if let Some(id) = message {
        return Some(Action::Deliver(id));
    }
    for (id, node) in cluster.nodes().iter().filter(|(_, node)| node.runs()) {
        if let Some((io, _)) = node.io.iter().find(|(_, p)| !holds.holds_io(*id, &p.op)) {
            return Some(Action::Complete(*id, *io));
        }
        if node.master().is_some() && node.learned < cluster.log().last() {
            return Some(Action::Learn(*id));
        }
        if node.due_at().is_some_and(|at| at <= cluster.now()) {
            return Some(Action::Wake(*id));
        }
    }
    let at = cluster.next_deadline().unwrap_or(end).min(end);
    (at > cluster.now()).then_some(Action::AdvanceTo(at))
}

/// A run that does this much in one instant does not end: somebody asks and is answered for ever.
pub const STEPS_IN_AN_INSTANT_MAX: u32 = 100_000;

/// The name of a node in this cluster.
#[must_use]
pub fn name(cluster: &Cluster, node: NodeId) -> String {
    names::name(node, cluster.shape().masters)
}
