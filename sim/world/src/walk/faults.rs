//! How likely each action is, and the faults whose place and size the dice choose.
//!
//! A fault budget keeps a walk fair: rot and destruction hit one chunkserver only, so that no
//! acknowledged byte loses its last copy.

use super::dice::Dice;
use super::drawn::Drawn;
use crate::action::{Action, Failure};
use crate::cluster::Cluster;
use crate::names;
use crate::net::MessageId;
use leasehold_proto::{IoOp, NodeId, ReplicaChange};
use std::collections::BTreeMap;

/// Weights are relative to this one, of a message in order.
const COMMON: u64 = 10_000;

/// Of ten thousand steps, how many fill a disk or empty it.
const FILLS: u64 = 30;

/// ... and how many freeze a chunkserver.
const FREEZES: u64 = 20;

#[derive(Clone, Debug)]
pub(super) struct Faults {
    drawn: Drawn,
    destroyed: bool,
    fills: Dice,
    freezes: Dice,
    /// Until when a node is frozen, by true time.
    frozen: BTreeMap<NodeId, u64>,
}

impl Faults {
    pub fn new(drawn: &Drawn) -> Self {
        let fills = Dice::new(drawn.seed, "what fills disks");
        let freezes = Dice::new(drawn.seed, "what freezes");
        let frozen = BTreeMap::new();
        Faults { drawn: drawn.clone(), destroyed: false, fills, freezes, frozen }
    }

    /// How likely an enabled action is. Of the messages of a link, `links` saw those before.
    pub fn weight(&self, cluster: &Cluster, links: &mut Links, action: &Action) -> u64 {
        let drawn = &self.drawn;
        let rare = |there: bool| if there { drawn.fault_rate } else { 0 };
        match action {
            Action::Deliver(_) if drawn.reorders => COMMON,
            Action::Deliver(id) => {
                let Some(envelope) = cluster.net().get(*id) else { return 0 };
                let first = links.is_first(envelope.from, envelope.to);
                if first { COMMON } else { COMMON / 100 }
            }
            // Nobody takes what the network brings to a machine that is stopped.
            Action::Drop(id) if self.is_for_frozen(cluster, *id) => COMMON,
            Action::Drop(_) => rare(drawn.drops),
            Action::Duplicate(_) => rare(drawn.duplicates) / 2,
            Action::Complete(..) | Action::Learn(_) | Action::Wake(_) => COMMON,
            Action::Persist(node, _) => rare(drawn.crashes && self.may_crash(*node)),
            Action::Fail(node, io, failure) => match failure {
                Failure::NoSpace => rare(drawn.full && is_apply(cluster, *node, *io)) / 2,
                Failure::DiskFailed => 0,
                Failure::Unknown => rare(drawn.masters),
            },
            Action::Surface(_) => COMMON / 50,
            Action::Lead(_) => rare(drawn.masters && drawn.shape.masters > 1) / 5,
            Action::Depose(_) => COMMON / 50,
            Action::AdvanceTo(_) => COMMON / 4,
            Action::Crash(node) => rare(drawn.crashes && self.may_crash(*node)) / 5,
            Action::Pause(node) => rare(drawn.pauses && names::is_node(*node)) / 5,
            Action::Resume(node) if self.is_frozen(cluster, *node) => 0,
            Action::Resume(_) => COMMON / 20,
            Action::Restart(node) => self.restart(*node),
            Action::PowerFail(_)
            | Action::Freeze(_)
            | Action::Destroy(_)
            | Action::Configure(..)
            | Action::Jump(..)
            | Action::Rate(..)
            | Action::Cut(..)
            | Action::Mend(..)
            | Action::Heal
            | Action::Flip(..)
            | Action::Fill(..)
            | Action::Request(..)
            | Action::Call(..) => 0,
        }
    }

    /// A spare is started when a disk was destroyed, and not before.
    fn restart(&self, node: NodeId) -> u64 {
        let spare = names::server(self.drawn.shape.chunkservers) < node && names::is_server(node);
        if spare && !self.destroyed { 0 } else { COMMON / 20 }
    }

    fn may_crash(&self, node: NodeId) -> bool {
        names::is_server(node) || (names::is_node(node) && self.drawn.masters)
    }

    /// Something else fills a disk, or gives its room back.
    pub fn fill(&mut self, cluster: &Cluster) -> Option<Action> {
        if !self.drawn.fills || !self.fills.chance(FILLS) {
            return None;
        }
        let servers: Vec<NodeId> = cluster.shape().server_ids().collect();
        let server = *self.fills.pick(&servers)?;
        let free = match self.fills.within(0..=3) {
            0 => None,
            1 => Some(0),
            _ => Some(self.fills.within(0..=8) * u64::from(cluster.shape().constants.block_bytes)),
        };
        Some(Action::Fill(server, free))
    }

    /// A virtual machine is stopped: for longer than a lease, as often as not.
    pub fn freeze(&mut self, cluster: &Cluster) -> Option<Action> {
        if !self.drawn.freezes || !self.freezes.chance(FREEZES) {
            return None;
        }
        let running = |id: &NodeId| cluster.node(*id).runs();
        let servers: Vec<NodeId> = cluster.shape().server_ids().filter(running).collect();
        let server = *self.freezes.pick(&servers)?;
        let lease = cluster.shape().constants.lease_duration.as_millis();
        let lasts_ms = self.freezes.within(0..=u64::try_from(lease * 2).unwrap_or(u64::MAX));
        self.frozen.insert(server, cluster.now() + lasts_ms * 1_000_000);
        Some(Action::Freeze(server))
    }

    fn is_for_frozen(&self, cluster: &Cluster, message: MessageId) -> bool {
        let to = cluster.net().get(message).map(|envelope| envelope.to);
        !self.frozen.is_empty() && to.is_some_and(|to| self.is_frozen(cluster, to))
    }

    fn is_frozen(&self, cluster: &Cluster, node: NodeId) -> bool {
        self.frozen.get(&node).is_some_and(|until| cluster.now() < *until)
    }

    /// A fault that the enabled actions do not name.
    pub fn of_its_own(&self, cluster: &Cluster, dice: &mut Dice) -> Option<Action> {
        if !dice.chance(self.drawn.fault_rate / 5 + 1) {
            return None;
        }
        let nodes: Vec<NodeId> = cluster.nodes().keys().copied().collect();
        let (one, two) = (*dice.pick(&nodes)?, *dice.pick(&nodes)?);
        match dice.within(0..=5) {
            0 if self.drawn.cuts => Some(Action::Cut(one, two)),
            1 if self.drawn.cuts => Some(Action::Heal),
            2 if self.drawn.rates => {
                let half = i64::from(self.drawn.rate_ppm_max);
                let rate = dice.within(0..=u64::try_from(2 * half).unwrap_or(0));
                Some(Action::Rate(one, i64::try_from(rate).unwrap_or(0) - half))
            }
            3 if self.drawn.rot => {
                let chunks: Vec<_> = cluster.namespace()?.chunks().handles().collect();
                Some(Action::Flip(self.victim(), *dice.pick(&chunks)?, dice.within(0..=2_047)))
            }
            4 if self.drawn.destroys && !self.destroyed => {
                let down = cluster.node(self.victim()).machine.is_none();
                Some(if down {
                    Action::Destroy(self.victim())
                } else {
                    Action::Crash(self.victim())
                })
            }
            _ => None,
        }
    }

    /// The one chunkserver whose disk may go bad.
    fn victim(&self) -> NodeId {
        names::server(self.drawn.seed % self.drawn.shape.chunkservers + 1)
    }

    pub fn note(&mut self, action: &Action) {
        self.destroyed |= matches!(action, Action::Destroy(_));
    }
}

/// The links of which a message was met: a bit for each receiver, by sender.
#[derive(Clone, Debug)]
pub(super) struct Links([u64; 64]);

impl Links {
    pub fn none() -> Self {
        Links([0; 64])
    }

    pub fn clear(&mut self) {
        self.0 = [0; 64];
    }

    fn is_first(&mut self, from: NodeId, to: NodeId) -> bool {
        let (row, bit) = (&mut self.0[place(from)], 1 << place(to));
        let first = *row & bit == 0;
        *row |= bit;
        first
    }
}

/// A node's place among at most eight masters, 24 chunkservers and 26 clients.
fn place(node: NodeId) -> usize {
    let first = names::server(1).0;
    let place = match node.0 {
        n if n < first => n,
        n if names::is_server(node) => 8 + n - first,
        n => 32 + n - names::client(1).0,
    };
    usize::try_from(place % 64).expect("below 64")
}

fn is_apply(cluster: &Cluster, node: NodeId, io: leasehold_proto::IoId) -> bool {
    let pending = cluster.nodes().get(&node).and_then(|node| node.io.get(&io));
    pending
        .is_some_and(|pending| matches!(pending.op, IoOp::Replica(ReplicaChange::Apply { .. }, _)))
}

/// What ends every fault.
pub(super) fn ended(cluster: &Cluster) -> Vec<Action> {
    let mut actions = vec![Action::Heal];
    for (id, node) in cluster.nodes() {
        if node.disk.is_limited() {
            actions.push(Action::Fill(*id, None));
        }
        if node.paused {
            actions.push(Action::Resume(*id));
        } else if node.machine.is_none() && !node.destroyed {
            actions.push(Action::Restart(*id));
        }
    }
    if cluster.shape().masters > 1 {
        actions.push(Action::Lead(names::master(1)));
        actions.extend((2..=cluster.shape().masters).map(|n| Action::Depose(names::master(n))));
    }
    actions
}
