//! What can happen next in a cluster.

use crate::action::{Action, Failure};
use crate::cluster::Cluster;
use crate::node::{Node, PendingIo};
use leasehold_proto::{IoId, IoOp, LogOp, NodeId};

impl Cluster {
    /// Appends every action that is possible, apart from those that a chooser parametrises itself:
    /// requests, clocks, cuts and rot. The order is a function of the state.
    pub fn enabled(&self, actions: &mut Vec<Action>) {
        for (id, envelope) in self.net().flying() {
            if self.nodes().get(&envelope.to).is_none_or(|node| !node.paused) {
                actions.push(Action::Deliver(id));
            }
            actions.push(Action::Drop(id));
            actions.push(Action::Duplicate(id));
        }
        for (id, node) in self.nodes() {
            if node.runs() {
                self.of_a_running_node(*id, node, actions);
            } else if node.paused {
                actions.push(Action::Resume(*id));
            } else if !node.destroyed {
                actions.push(Action::Restart(*id));
            }
        }
        actions.extend((0..self.log().limbo().len()).map(Action::Surface));
        if let Some(at) = self.next_deadline().filter(|at| *at > self.now()) {
            actions.push(Action::AdvanceTo(at));
        }
    }

    /// The true time of the first deadline of any node that runs.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.nodes().values().filter_map(|node| node.due_at()).min()
    }

    fn of_a_running_node(&self, id: NodeId, node: &Node, actions: &mut Vec<Action>) {
        for (io, pending) in &node.io {
            self.of_an_io(id, *io, pending, actions);
        }
        if node.due_at().is_some_and(|at| at <= self.now()) {
            actions.push(Action::Wake(id));
        }
        if node.master().is_some() {
            if node.learned < self.log().last() {
                actions.push(Action::Learn(id));
            }
            if self.log().leader() != Some(id) {
                actions.push(Action::Lead(id));
                actions.push(Action::Depose(id));
            }
        }
        actions.push(Action::Pause(id));
        actions.push(Action::Crash(id));
        actions.push(Action::PowerFail(id));
    }

    fn of_an_io(&self, id: NodeId, io: IoId, pending: &PendingIo, actions: &mut Vec<Action>) {
        actions.push(Action::Complete(id, io));
        match pending.op {
            IoOp::Log(LogOp::Propose { .. }) => {
                if !pending.persisted && self.log().leader() == Some(id) {
                    actions.push(Action::Persist(id, io));
                }
                // A local log fails for good or not at all.
                if self.shape().masters > 1 {
                    actions.push(Action::Fail(id, io, Failure::Unknown));
                }
            }
            IoOp::Log(LogOp::Confirm) => {}
            IoOp::Read { .. } => actions.push(Action::Fail(id, io, Failure::DiskFailed)),
            _ if pending.persisted => {}
            _ => {
                actions.push(Action::Persist(id, io));
                actions.push(Action::Fail(id, io, Failure::NoSpace));
                actions.push(Action::Fail(id, io, Failure::DiskFailed));
            }
        }
    }
}
