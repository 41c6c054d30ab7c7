//! What may happen in a state, and what is not offered because it leads nowhere new.
//!
//! Every action of World that is missing here is one that others make up for:
//! - **Drop, Cut, Mend**: a message that nobody delivers is lost, and a partition is a time in which
//!   some messages are not delivered.
//! - **Duplicate**, unless repeats are counted: messages stay in flight (`Cluster::keep_messages`),
//!   and one that is delivered again was duplicated.
//! - **Pause, Resume**: a node that no step is taken for stands still. Time goes on whether or not
//!   a node has looked at its clock.
//! - **PowerFail, Flip, Destroy**: disks that lose or change what they promised to keep are not
//!   the models' subject; random walks and the full stack have them.
//! - **Jump, Rate**: clocks go at the rates with which a run begins; each set of rates is a
//!   beginning of its own.

use crate::space::{Space, Step};
use crate::state::ModelState;
use leasehold_proto::message::lease;
use leasehold_proto::{IoOp, LogOp, Message, NodeId, ReplicaChange};
use leasehold_world::net::MessageId;
use leasehold_world::node::{Node, PendingIo};
use leasehold_world::{Action, Cluster, Failure};

/// Appends everything that may happen. The order is a function of the state.
pub(crate) fn offers(space: &Space, state: &ModelState, steps: &mut Vec<Step>) {
    let cluster = &state.cluster;
    for (id, envelope) in cluster.net().flying() {
        let arrives = cluster.nodes().get(&envelope.to).is_some_and(|node| node.runs());
        if arrives && !(space.reductions.idle_talk && is_idle_talk(cluster, id)) {
            steps.push(Step::Do(Action::Deliver(id)));
            if state.left.repeats > 0 {
                steps.push(Step::Do(Action::Duplicate(id)));
            }
        }
    }
    for (id, node) in cluster.nodes() {
        if node.runs() {
            of_a_node(space, state, *id, node, steps);
        } else if !node.destroyed {
            steps.push(Step::Do(Action::Restart(*id)));
        }
    }
    if state.left.unknowns > 0 || !cluster.log().limbo().is_empty() {
        let places = 0..cluster.log().limbo().len();
        steps.extend(places.map(|place| Step::Do(Action::Surface(place))));
    }
    let unasked = (0..space.menu.len()).filter(|which| state.asked & (1 << which) == 0);
    steps.extend(unasked.map(Step::Ask));
    if state.left.ticks != Some(0) {
        let tick = u64::try_from(space.tick.as_nanos()).expect("a tick is short");
        steps.push(Step::Do(Action::AdvanceTo(cluster.now() + tick)));
    }
}

fn of_a_node(space: &Space, state: &ModelState, id: NodeId, node: &Node, steps: &mut Vec<Step>) {
    let cluster = &state.cluster;
    for (io, pending) in &node.io {
        steps.push(Step::Do(Action::Complete(id, *io)));
        if may_persist(space, state, id, pending) {
            steps.push(Step::Do(Action::Persist(id, *io)));
        }
        let failure = match pending.op {
            IoOp::Log(LogOp::Propose { .. }) if state.left.unknowns > 0 => Failure::Unknown,
            IoOp::Replica(ReplicaChange::Apply { .. }, _)
                if state.left.full_disks > 0 && !pending.persisted =>
            {
                Failure::NoSpace
            }
            _ => continue,
        };
        steps.push(Step::Do(Action::Fail(id, *io, failure)));
    }
    if node.due_at().is_some_and(|at| at <= cluster.now()) {
        steps.push(Step::Do(Action::Wake(id)));
    }
    if node.master().is_some() {
        if node.learned < cluster.log().last() {
            steps.push(Step::Do(Action::Learn(id)));
        }
        if cluster.log().leader() != Some(id) {
            if state.left.leads > 0 {
                steps.push(Step::Do(Action::Lead(id)));
            }
            if !space.reductions.depose_who_acts || is_leading(node) {
                steps.push(Step::Do(Action::Depose(id)));
            }
        }
    }
    if state.left.crashes > 0 && space.bounds.crashing.contains(&id) {
        steps.push(Step::Do(Action::Crash(id)));
    }
}

/// A chunkserver's I/O that is durable and unheard differs from one that is not durable only
/// after a crash of that chunkserver. A proposal that is committed and unheard is known to the
/// other masters.
fn may_persist(space: &Space, state: &ModelState, id: NodeId, pending: &PendingIo) -> bool {
    if pending.persisted {
        return false;
    }
    match pending.op {
        IoOp::Log(LogOp::Propose { .. }) => state.cluster.log().leader() == Some(id),
        IoOp::Log(LogOp::Confirm) | IoOp::Read { .. } => false,
        _ => {
            let crashes = state.left.crashes > 0 && space.bounds.crashing.contains(&id);
            crashes || !space.reductions.persist_before_crash
        }
    }
}

/// Does it act, or may it be about to?
fn is_leading(node: &Node) -> bool {
    let acts = node.master().is_some_and(|master| master.acting().is_some());
    acts || node.io.values().any(|pending| matches!(pending.op, IoOp::Log(LogOp::Propose { .. })))
}

/// A question that waits at the master already is not offered again before it was answered: its
/// copy would wait beside it and be answered in the same step, with the same words. Without this
/// the queue of questions would have no bound.
fn is_idle_talk(cluster: &Cluster, id: MessageId) -> bool {
    let envelope = cluster.net().get(id).expect("listed by the caller");
    let Message::Lease(lease::Request { attempt, .. }) = envelope.message else { return false };
    let master = cluster.node(envelope.to).master();
    master.is_some_and(|master| master.has_waiting(envelope.from, attempt))
}

/// A step that is taken as soon as it is possible, because nobody could tell from its being taken
/// later, or because the bounds say so.
///
/// - A node that is due looks at its clock. Every step of a machine settles first what is due, so
///   what waking late delays is only the messages that waking sends, and the network may delay
///   those. Time does not continue before, unless the node is among the `late`.
/// - A master that does not act tells nobody what it has learned, and learns everything before it
///   leads: it may as well learn at once. What it acts on, its own `NewLeader`, is left to a step.
/// - Whether a question is granted is decided when its confirmation comes. While nobody else can
///   come to lead, a confirmation that comes late is a question that arrived late.
/// - `prompt_disks` and `prompt_log` are bounds: what they leave out is another model's.
pub(crate) fn at_once(space: &Space, cluster: &Cluster, leads_left: u8) -> Option<Action> {
    let reduced = space.reductions.at_once;
    let settled = leads_left == 0;
    for (id, node) in cluster.nodes().iter().filter(|(_, node)| node.runs()) {
        let leads = cluster.log().leader() == Some(*id);
        let due = node.due_at().is_some_and(|at| at <= cluster.now());
        if reduced && due && !space.bounds.late.contains(id) {
            return Some(Action::Wake(*id));
        }
        let lags = node.master().is_some() && node.learned < cluster.log().last();
        if reduced && lags && !is_leading(node) {
            return Some(Action::Learn(*id));
        }
        let prompt = |op: &IoOp| match op {
            IoOp::Log(LogOp::Confirm) => reduced && leads && settled,
            IoOp::Log(LogOp::Propose { .. }) => leads && settled && space.bounds.prompt_log,
            IoOp::Read { .. } => false,
            _ => space.bounds.prompt_disks,
        };
        if let Some((io, _)) = node.io.iter().find(|(_, pending)| prompt(&pending.op)) {
            return Some(Action::Complete(*id, *io));
        }
    }
    None
}
