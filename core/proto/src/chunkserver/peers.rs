//! How far the other members of a configuration are, as their primary sees it.

use super::order::Order;
use crate::config::Constants;
use crate::ids::{NodeId, Sequence};
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Whether a member is like the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Likeness {
    /// Not yet.
    Behind,
    /// What it needs for that is being read or is on its way.
    Sending,
    /// It is, and takes mutations.
    Reconciled,
}

/// How far another member of the configuration is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Peer {
    likeness: Likeness,
    applied: Sequence,
    received: Sequence,
    heard_at: Time,
    progressed_at: Time,
    asked_at: Time,
}

impl Peer {
    fn is_reconciled(&self) -> bool {
        self.likeness == Likeness::Reconciled
    }

    /// The primary waits for nothing from it.
    fn is_up_to_date(&self, order: &Order) -> bool {
        self.is_reconciled() && (order.is_settled() || self.applied >= order.last())
    }
}

/// The other members of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peers {
    /// In pipeline order.
    chain: Vec<NodeId>,
    by_node: BTreeMap<NodeId, Peer>,
}

/// What a member is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// How far it is with the mutations.
    Progress,
    /// What it has that may differ from the primary's.
    Ranges,
}

/// The members that a primary waits for.
#[derive(Default)]
pub(super) struct Late {
    /// To be asked again.
    pub ask: Vec<(NodeId, Question)>,
    /// Silent or without progress for too long.
    pub failed: Vec<NodeId>,
}

impl Peers {
    pub fn new(chain: Vec<NodeId>, now: Time) -> Self {
        let peer = Peer {
            likeness: Likeness::Behind,
            applied: Sequence(0),
            received: Sequence(0),
            heard_at: now,
            progressed_at: now,
            asked_at: Time(0),
        };
        Peers { by_node: chain.iter().map(|node| (*node, peer.clone())).collect(), chain }
    }

    /// In pipeline order.
    pub fn chain(&self) -> &[NodeId] {
        &self.chain
    }

    pub fn contains(&self, node: NodeId) -> bool {
        self.by_node.contains_key(&node)
    }

    /// Silence counts from here: they are sent something, and had nothing to say before.
    pub fn restart_clocks(&mut self, now: Time) {
        for peer in self.by_node.values_mut() {
            (peer.heard_at, peer.progressed_at, peer.asked_at) = (now, now, now);
        }
    }

    pub fn all_reconciled(&self) -> bool {
        self.by_node.values().all(Peer::is_reconciled)
    }

    /// The last mutation that all of them have; none if there are no others.
    pub fn applied(&self) -> Option<Sequence> {
        self.by_node.values().map(|peer| peer.applied).min()
    }

    /// A reconciled member says how far it is. Returns what it received.
    pub fn on_progress(
        &mut self,
        node: NodeId,
        applied: Sequence,
        received: Sequence,
        now: Time,
    ) -> Option<Sequence> {
        let peer = self.by_node.get_mut(&node).filter(|peer| peer.is_reconciled())?;
        peer.heard_at = now;
        if applied > peer.applied {
            peer.progressed_at = now;
        }
        peer.applied = peer.applied.max(applied);
        peer.received = received.max(peer.applied);
        Some(peer.received)
    }

    /// A member says what it has. Is it to be sent the rest? Not while that is on its way.
    pub fn begin_sending(&mut self, node: NodeId, fits: bool, now: Time) -> bool {
        let peer = self.by_node.get_mut(&node);
        let Some(peer) = peer.filter(|peer| peer.likeness == Likeness::Behind) else {
            return false;
        };
        peer.heard_at = now;
        if fits {
            peer.likeness = Likeness::Sending;
            peer.asked_at = now;
        }
        fits
    }

    /// What a member needs was sent, or could not be read. False if it is none of them.
    pub fn end_sending(&mut self, node: NodeId) -> bool {
        let Some(peer) = self.by_node.get_mut(&node) else { return false };
        if peer.likeness == Likeness::Sending {
            peer.likeness = Likeness::Behind;
        }
        true
    }

    /// A member is like the primary up to `sequence`. Is that new?
    pub fn on_reconciled(&mut self, node: NodeId, sequence: Sequence, now: Time) -> bool {
        let Some(peer) = self.by_node.get_mut(&node).filter(|peer| !peer.is_reconciled()) else {
            return false;
        };
        peer.likeness = Likeness::Reconciled;
        (peer.applied, peer.received) = (sequence, sequence);
        (peer.heard_at, peer.progressed_at) = (now, now);
        true
    }

    /// Finds those that the primary waits for, and takes note that they are asked again.
    pub fn late(&mut self, order: &Order, now: Time, constants: &Constants) -> Late {
        let mut late = Late::default();
        for (&node, peer) in &mut self.by_node {
            if peer.is_up_to_date(order) {
                continue;
            }
            if now.since(peer.heard_at) >= constants.member_silent_after
                || now.since(peer.progressed_at) >= constants.member_stalled_after
            {
                late.failed.push(node);
            }
            if now.since(peer.asked_at) >= constants.retry_interval {
                peer.asked_at = now;
                let reconciled = peer.is_reconciled();
                let question = if reconciled { Question::Progress } else { Question::Ranges };
                late.ask.push((node, question));
            }
        }
        late
    }

    /// When the one that waits longest was asked.
    pub fn asked_at(&self, order: &Order) -> Option<Time> {
        let waited_for = self.by_node.values().filter(|peer| !peer.is_up_to_date(order));
        waited_for.map(|peer| peer.asked_at).min()
    }
}
