//! Messages in flight, and the links that are cut.

use leasehold_proto::{Envelope, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Names one copy of a message in flight; in order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// The network. A message that was sent stays in flight until a chooser delivers or drops it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Net {
    flying: BTreeMap<MessageId, Arc<Envelope>>,
    last: u64,
    /// What is in flight stays there, and nothing is in flight twice.
    kept: bool,
    cut: BTreeSet<(NodeId, NodeId)>,
}

impl Net {
    /// Everything in flight, in order of sending.
    pub fn flying(&self) -> impl DoubleEndedIterator<Item = (MessageId, &Envelope)> {
        self.flying.iter().map(|(id, envelope)| (*id, &**envelope))
    }

    /// The name of the message sent last, delivered or not.
    #[must_use]
    pub fn newest(&self) -> MessageId {
        MessageId(self.last)
    }

    /// One message in flight.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Arc<Envelope>> {
        self.flying.get(&id)
    }

    /// Does what is in flight stay there?
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.kept
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
        self.send_again(Arc::new(envelope));
    }

    /// Sends what was sent before.
    pub(crate) fn send_again(&mut self, envelope: Arc<Envelope>) {
        let lost = self.cut.contains(&(envelope.from, envelope.to));
        let twin = self.kept && self.flying.values().any(|other| **other == *envelope);
        if lost || twin {
            return;
        }
        self.last += 1;
        self.flying.insert(MessageId(self.last), envelope);
    }

    /// Takes a message out, unless it stays.
    pub fn take(&mut self, id: MessageId) -> Option<Arc<Envelope>> {
        if self.kept { self.flying.get(&id).cloned() } else { self.flying.remove(&id) }
    }

    /// Loses a message.
    pub(crate) fn lose(&mut self, id: MessageId) -> Option<()> {
        self.flying.remove(&id).map(|_| ())
    }

    /// From here on what is in flight stays there.
    pub(crate) fn keep(&mut self) {
        let mut once: Vec<Arc<Envelope>> = Vec::new();
        self.flying.retain(|_, envelope| {
            let first = !once.contains(envelope);
            once.extend(first.then(|| Arc::clone(envelope)));
            first
        });
        self.kept = true;
    }

    pub(crate) fn deliver_once(&mut self) {
        self.kept = false;
    }

    pub(crate) fn forget(&mut self, mut useless: impl FnMut(MessageId) -> bool) {
        self.flying.retain(|id, _| !useless(*id));
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
