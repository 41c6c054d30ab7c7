//! Targeted partitions: a primary and the master that granted its lease lose contact, at the moments
//! that matter to leases. Dice that choose among all actions hardly ever isolate one server for a
//! whole lease term while one of its requests is in flight *and* another master leads; here they do
//! so repeatedly. All of this is within the faults that the protocol tolerates.

use super::dice::Dice;
use super::drawn::Drawn;
use crate::action::{Action, Failure};
use crate::cluster::Cluster;
use crate::names;
use leasehold_proto::{Command, IoId, IoOp, LogOp, NodeId};
use std::collections::VecDeque;

/// Of ten thousand steps without an episode, how many begin one.
const BEGINS: u64 = 60;
/// How many steps an episode lasts.
const LASTS: std::ops::RangeInclusive<u64> = 150..=1_200;
/// A delayed action is this many times less likely.
const SLOWER: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EpisodeKind {
    /// No message of the primary arrives at a master; those to it are delayed or lost.
    Isolated,
    /// Another master leads, which the primary cannot reach; the old leader does not learn that it
    /// is deposed, and still receives the primary's messages.
    RivalLeader,
    /// As `Isolated`, until the configuration that excludes the primary is proposed: the proposal's
    /// outcome stays unknown, another master leads, and all links are restored.
    UndecidedProposal,
}

#[derive(Clone, Debug)]
struct Episode {
    kind: EpisodeKind,
    primary: NodeId,
    /// The leader when it began.
    leader: NodeId,
    /// Changes of configurations are slow to commit.
    slow_log: bool,
    /// Messages from masters to the primary are delayed.
    slow_messages: bool,
    /// It ends as soon as a configuration is proposed.
    ends_early: bool,
    steps_left: u64,
}

/// The episodes of a walk.
#[derive(Clone, Debug)]
pub(super) struct TargetedPartitions {
    dice: Dice,
    enabled: bool,
    masters: u64,
    episode: Option<Episode>,
    planned: VecDeque<Action>,
}

impl TargetedPartitions {
    pub fn new(drawn: &Drawn) -> Self {
        let dice = Dice::new(drawn.seed, "episodes");
        let masters = drawn.shape.masters;
        let planned = VecDeque::new();
        let mut all =
            TargetedPartitions { dice, enabled: drawn.targeted, masters, episode: None, planned };
        if drawn.targeted && drawn.rates {
            all.set_clocks(drawn);
        }
        all
    }

    /// Sets each clock to one extreme of its rate: these decide which of two clocks is ahead after a
    /// span.
    fn set_clocks(&mut self, drawn: &Drawn) {
        let most = i64::from(drawn.rate_ppm_max);
        for node in drawn.shape.master_ids().chain(drawn.shape.server_ids()) {
            let rate = if self.dice.chance(5_000) { most } else { -most };
            self.planned.push_back(Action::Rate(node, rate));
        }
    }

    /// The next action of an episode, if it has one of its own.
    pub fn next(&mut self, cluster: &Cluster) -> Option<Action> {
        if !self.enabled {
            return None;
        }
        if let Some(action) = self.planned.pop_front() {
            return Some(action);
        }
        match self.episode.take() {
            None if self.dice.chance(BEGINS) => self.begin(cluster),
            None => {}
            Some(episode) => self.make_progress(cluster, episode),
        }
        self.planned.pop_front()
    }

    /// How many times less likely an action is while the episode lasts; `None`: not at all.
    pub fn slower(&self, cluster: &Cluster, action: &Action) -> Option<u64> {
        let Some(episode) = &self.episode else { return Some(1) };
        let slow = match action {
            Action::Deliver(id) => cluster.net().get(*id).is_some_and(|envelope| {
                let to_primary = envelope.to == episode.primary && is_master(envelope.from);
                to_primary && episode.slow_messages
            }),
            Action::Complete(node, io) => match op(cluster, *node, *io) {
                Some(IoOp::Log(LogOp::Confirm)) => {
                    episode.kind == EpisodeKind::RivalLeader && *node == episode.leader
                }
                Some(op) => episode.slow_log && is_configure(op),
                None => false,
            },
            Action::Depose(node) | Action::Learn(node) if *node == episode.leader => {
                return (episode.kind != EpisodeKind::RivalLeader).then_some(1);
            }
            _ => false,
        };
        Some(if slow { SLOWER } else { 1 })
    }

    fn begin(&mut self, cluster: &Cluster) {
        let Some(leader) = cluster.log().leader() else { return };
        let chunks = cluster.namespace().into_iter().flat_map(|state| state.chunks().iter());
        let primaries = chunks.filter_map(|(_, record)| record.config.as_ref()?.members.first());
        let primaries: Vec<NodeId> = primaries.map(|member| member.node).collect();
        let Some(primary) = self.dice.pick(&primaries).copied() else { return };
        let several = [
            EpisodeKind::Isolated,
            EpisodeKind::RivalLeader,
            EpisodeKind::RivalLeader,
            EpisodeKind::UndecidedProposal,
        ];
        let kinds = if self.masters > 1 { &several[..] } else { &several[..1] };
        let kind = *self.dice.pick(kinds).expect("there is one");
        let mut coin = || self.dice.chance(5_000);
        let (slow_log, slow_messages, ends_early) = (coin(), coin(), coin());
        let steps_left = self.dice.within(LASTS);
        let episode =
            Episode { kind, primary, leader, slow_log, slow_messages, ends_early, steps_left };
        match kind {
            EpisodeKind::Isolated | EpisodeKind::UndecidedProposal => {
                for master in cluster.shape().master_ids() {
                    self.disconnect(primary, master, slow_messages);
                }
            }
            EpisodeKind::RivalLeader => {
                let others: Vec<NodeId> =
                    cluster.shape().master_ids().filter(|master| *master != leader).collect();
                let rival = *self.dice.pick(&others).expect("there are several");
                self.disconnect(primary, rival, false);
                self.planned.push_back(Action::Lead(rival));
            }
        }
        self.episode = Some(episode);
    }

    /// Delayed messages are not lost.
    fn disconnect(&mut self, primary: NodeId, master: NodeId, slow_messages: bool) {
        self.planned.push_back(Action::Cut(primary, master));
        if !slow_messages {
            self.planned.push_back(Action::Cut(master, primary));
        }
    }

    fn make_progress(&mut self, cluster: &Cluster, mut episode: Episode) {
        episode.steps_left -= 1;
        let proposed = proposed(cluster);
        let over = episode.steps_left == 0 || (episode.ends_early && proposed.is_some());
        match (episode.kind, proposed) {
            (EpisodeKind::UndecidedProposal, Some((node, io))) => {
                self.planned.push_back(Action::Fail(node, io, Failure::Unknown));
                let others: Vec<NodeId> =
                    cluster.shape().master_ids().filter(|master| *master != node).collect();
                let next = self.dice.pick(&others).copied();
                self.planned.extend(next.map(Action::Lead));
                self.planned.push_back(Action::Heal);
            }
            (
                EpisodeKind::Isolated | EpisodeKind::RivalLeader | EpisodeKind::UndecidedProposal,
                _,
            ) if over => {
                self.planned.push_back(Action::Heal);
            }
            _ => self.episode = Some(episode),
        }
    }
}

/// A proposed configuration that is not persisted yet.
fn proposed(cluster: &Cluster) -> Option<(NodeId, IoId)> {
    let masters = cluster.nodes().iter().filter(|(id, _)| is_master(**id));
    let mut all = masters.flat_map(|(id, node)| node.io.iter().map(|(io, p)| (*id, *io, p)));
    let (node, io, _) =
        all.find(|(_, _, pending)| !pending.persisted && is_configure(&pending.op))?;
    Some((node, io))
}

fn op(cluster: &Cluster, node: NodeId, io: IoId) -> Option<&IoOp> {
    cluster.nodes().get(&node)?.io.get(&io).map(|pending| &pending.op)
}

fn is_configure(op: &IoOp) -> bool {
    matches!(op, IoOp::Log(LogOp::Propose { entry }) if matches!(entry.command, Command::Configure { .. }))
}

fn is_master(node: NodeId) -> bool {
    names::is_node(node) && !names::is_server(node)
}
