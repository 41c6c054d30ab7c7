//! A primary and the master that granted its lease lose sight of each other, at the moments that
//! leases are about. Dice that choose among all actions hardly ever cut one server off for as long
//! as a lease lasts, while a question of its is on the way *and* another master leads; here they do
//! so again and again. Nothing in this goes beyond what the protocol promises to bear.

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
/// What is slow is so many times less likely than what is not.
const SLOWER: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing of what the primary says arrives, and what it is told comes late or not at all.
    Unheard,
    /// Another master leads, which the primary cannot reach; the old one is not told, and goes on
    /// hearing it.
    Rival,
    /// As `Unheard`, until the configuration that leaves the primary out is proposed: nobody is told
    /// what became of the proposal, another master leads, and everybody hears everybody again.
    Forsaken,
}

#[derive(Clone, Debug)]
struct Episode {
    kind: Kind,
    primary: NodeId,
    /// Who led when it began.
    leader: NodeId,
    /// The log takes its time for changes of configurations.
    slow_log: bool,
    /// What masters tell the primary is on its way for long.
    slow_words: bool,
    /// It ends as soon as a configuration is proposed.
    ends_early: bool,
    steps_left: u64,
}

/// The episodes of a walk.
#[derive(Clone, Debug)]
pub(super) struct Estranged {
    dice: Dice,
    here: bool,
    masters: u64,
    episode: Option<Episode>,
    planned: VecDeque<Action>,
}

impl Estranged {
    pub fn new(drawn: &Drawn) -> Self {
        let dice = Dice::new(drawn.seed, "episodes");
        let masters = drawn.shape.masters;
        let planned = VecDeque::new();
        let mut all = Estranged { dice, here: drawn.estranged, masters, episode: None, planned };
        if drawn.estranged && drawn.rates {
            all.set_clocks(drawn);
        }
        all
    }

    /// Which of two clocks is ahead after a span is decided by the extremes of their rates.
    fn set_clocks(&mut self, drawn: &Drawn) {
        let most = i64::from(drawn.rate_ppm_max);
        for node in drawn.shape.master_ids().chain(drawn.shape.server_ids()) {
            let rate = if self.dice.chance(5_000) { most } else { -most };
            self.planned.push_back(Action::Rate(node, rate));
        }
    }

    /// What an episode does next, if it does something of its own.
    pub fn next(&mut self, cluster: &Cluster) -> Option<Action> {
        if !self.here {
            return None;
        }
        if let Some(action) = self.planned.pop_front() {
            return Some(action);
        }
        match self.episode.take() {
            None if self.dice.chance(BEGINS) => self.begin(cluster),
            None => {}
            Some(episode) => self.go_on(cluster, episode),
        }
        self.planned.pop_front()
    }

    /// How many times less likely an action is for as long as the episode lasts; None: it waits.
    pub fn slower(&self, cluster: &Cluster, action: &Action) -> Option<u64> {
        let Some(episode) = &self.episode else { return Some(1) };
        let slow = match action {
            Action::Deliver(id) => cluster.net().get(*id).is_some_and(|envelope| {
                let told = envelope.to == episode.primary && is_master(envelope.from);
                told && episode.slow_words
            }),
            Action::Complete(node, io) => match op(cluster, *node, *io) {
                Some(IoOp::Log(LogOp::Confirm)) => {
                    episode.kind == Kind::Rival && *node == episode.leader
                }
                Some(op) => episode.slow_log && is_configure(op),
                None => false,
            },
            Action::Depose(node) | Action::Learn(node) if *node == episode.leader => {
                return (episode.kind != Kind::Rival).then_some(1);
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
        let several = [Kind::Unheard, Kind::Rival, Kind::Rival, Kind::Forsaken];
        let kinds = if self.masters > 1 { &several[..] } else { &several[..1] };
        let kind = *self.dice.pick(kinds).expect("there is one");
        let mut coin = || self.dice.chance(5_000);
        let (slow_log, slow_words, ends_early) = (coin(), coin(), coin());
        let steps_left = self.dice.within(LASTS);
        let episode =
            Episode { kind, primary, leader, slow_log, slow_words, ends_early, steps_left };
        match kind {
            Kind::Unheard | Kind::Forsaken => {
                for master in cluster.shape().master_ids() {
                    self.part(primary, master, slow_words);
                }
            }
            Kind::Rival => {
                let others: Vec<NodeId> =
                    cluster.shape().master_ids().filter(|master| *master != leader).collect();
                let rival = *self.dice.pick(&others).expect("there are several");
                self.part(primary, rival, false);
                self.planned.push_back(Action::Lead(rival));
            }
        }
        self.episode = Some(episode);
    }

    /// Words that are slow are not lost.
    fn part(&mut self, primary: NodeId, master: NodeId, slow_words: bool) {
        self.planned.push_back(Action::Cut(primary, master));
        if !slow_words {
            self.planned.push_back(Action::Cut(master, primary));
        }
    }

    fn go_on(&mut self, cluster: &Cluster, mut episode: Episode) {
        episode.steps_left -= 1;
        let proposed = proposed(cluster);
        let over = episode.steps_left == 0 || (episode.ends_early && proposed.is_some());
        match (episode.kind, proposed) {
            (Kind::Forsaken, Some((node, io))) => {
                self.planned.push_back(Action::Fail(node, io, Failure::Unknown));
                let others: Vec<NodeId> =
                    cluster.shape().master_ids().filter(|master| *master != node).collect();
                let next = self.dice.pick(&others).copied();
                self.planned.extend(next.map(Action::Lead));
                self.planned.push_back(Action::Heal);
            }
            (Kind::Unheard | Kind::Rival | Kind::Forsaken, _) if over => {
                self.planned.push_back(Action::Heal);
            }
            _ => self.episode = Some(episode),
        }
    }
}

/// A change of a configuration that is on its way to the log.
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
