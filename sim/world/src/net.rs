//! Messages in flight, and the links that are cut.

use leasehold_proto::{Envelope, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Names one copy of a message in flight; in order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// The network. A message that was sent stays in flight until a chooser delivers or drops it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Net {
    flying: BTreeMap<MessageId, Envelope>,
    last: u64,
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Net {
    /// Everything in flight, in order of sending.
    pub fn flying(&self) -> impl Iterator<Item = (MessageId, &Envelope)> {
        self.flying.iter().map(|(id, envelope)| (*id, envelope))
    }

    /// One message in flight.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Envelope> {
        self.flying.get(&id)
    }

    /// Number of messages in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flying.len()
    }

    /// Nothing is in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flying.is_empty()
    }

    /// The links that are cut, each in one direction.
    pub fn cuts(&self) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.cut.iter().copied()
    }

    /// Sends; over a cut link the message is lost.
    pub fn send(&mut self, envelope: Envelope) {
        if !self.cut.contains(&(envelope.from, envelope.to)) {
            self.last += 1;
            self.flying.insert(MessageId(self.last), envelope);
        }
    }

    /// Takes a message out.
    pub fn take(&mut self, id: MessageId) -> Option<Envelope> {
        self.flying.remove(&id)
    }

    /// Takes the oldest message that matches.
    pub fn find(&self, matches: impl Fn(&Envelope) -> bool) -> Option<MessageId> {
        self.flying.iter().find(|(_, envelope)| matches(envelope)).map(|(id, _)| *id)
    }

    /// Cuts a link in one direction; what is on it is lost.
    pub fn cut(&mut self, from: NodeId, to: NodeId) {
        self.cut.insert((from, to));
        self.flying.retain(|_, envelope| (envelope.from, envelope.to) != (from, to));
    }

    /// Mends one direction of a link.
    pub fn mend(&mut self, from: NodeId, to: NodeId) {
        self.cut.remove(&(from, to));
    }

    /// Mends everything.
    pub fn heal(&mut self) {
        self.cut.clear();
    }
}
