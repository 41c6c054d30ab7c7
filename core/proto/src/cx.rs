//! What every handler of a step needs: the time, a place for effects, and who acts.

use crate::config::{Constants, Rules};
use crate::event::Event;
use crate::ids::NodeId;
use crate::machine::{Effect, Effects};
use crate::message::{Envelope, Message};
use crate::time::Time;

/// The context of one step. A view that borrows part of a machine carries it, so that no handler
/// takes its parts one by one.
pub(crate) struct Cx<'a> {
    /// When the step happens.
    pub now: Time,
    /// Where its effects go.
    pub out: &'a mut Effects,
    /// The node that takes it.
    pub node: NodeId,
    /// The constants of the cluster.
    pub constants: &'a Constants,
}

impl<'a> Cx<'a> {
    /// The same step, for a view that lives shorter.
    pub fn reborrow(&mut self) -> Cx<'_> {
        Cx { now: self.now, out: self.out, node: self.node, constants: self.constants }
    }

    /// Sends a message from this node.
    pub fn send(&mut self, to: NodeId, message: impl Into<Message>) {
        let message = message.into();
        self.out.push(Effect::Send(Envelope { from: self.node, to, message }));
    }

    /// States a fact for observers.
    pub fn observe(&mut self, event: Event) {
        self.out.observe(event);
    }

    /// The rules of the protocol that are in force.
    pub fn rules(&self) -> &'a Rules {
        &self.constants.rules
    }
}
