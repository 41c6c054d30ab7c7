//! A configuration's way from Prepare to its activation (DESIGN §3; PacificA, Lin et al. 2008).
//!
//! ```text
//! start ──► Prepare(v') to every reachable member ──► answers ──► who may be primary? who member?
//!               ▲ repeated, raised above refusals                      │ old lease over?
//!               └──────────── refused, unknown ◄── Configure proposed ◄┘
//!                                                      │ committed
//!                                                      ▼
//!                                     Activate to the primary ──► it requests its lease
//! ```
//!
//! A change that has begun never ends at the old version: members that promised v' refuse the old
//! primary. It goes on, above every promise that it meets, until a configuration is committed.

mod choice;
mod rounds;

use super::holders::Holders;
use super::leader::Leader;
use super::placement::Candidate;
use super::proposals::Proposal;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, Incarnation, IoId, NodeId};
use crate::log::{Command, Member};
use crate::message::{Message, ReplicaState};
use crate::message::{configure, copy};
use crate::replica::{ChunkSpec, counts_as_whole};
use crate::tables::Release;
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use choice::Choice;

/// A change under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub version: ChunkVersion,
    began_at: Time,
    /// Since when a new chunk's present targets are asked.
    asked_at: Time,
    /// Who is asked to promise, in which life.
    pub targets: BTreeMap<NodeId, Incarnation>,
    answers: BTreeMap<NodeId, ReplicaState>,
    /// Members that hold the chunk up: left out, if any other is left.
    excluded: BTreeSet<NodeId>,
    /// A copy that has caught up, and whether it is whole.
    pub learner: Option<(NodeId, bool)>,
    /// Since when a configuration could be proposed, if it had to be.
    viable_since: Option<Time>,
    stage: Stage,
    goal: Goal,
}

/// How far a change is at its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// Promises are requested and awaited.
    Asking,
    /// This proposal is with the log.
    Proposed(IoId),
    /// What was proposed did not take effect, as far as is known: it begins again above.
    Unresolved,
}

/// What a change ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Goal {
    /// The next configuration.
    Configure,
    /// This file in the trash, its last owner, gives the chunk up.
    Free(FileId),
}

impl Change {
    fn new(version: ChunkVersion, now: Time) -> Self {
        Change {
            version,
            began_at: now,
            asked_at: now,
            targets: BTreeMap::new(),
            answers: BTreeMap::new(),
            excluded: BTreeSet::new(),
            learner: None,
            viable_since: None,
            stage: Stage::Asking,
            goal: Goal::Configure,
        }
    }

    /// Leaves members out of the next configuration, if it can do without them.
    pub fn exclude(&mut self, members: &[NodeId]) {
        self.excluded.extend(members);
    }

    /// The chunk's last owner is to go: the change ends in a `Free`.
    pub fn turn_into_free(&mut self, file: FileId) {
        self.goal = Goal::Free(file);
    }

    /// The chunk's file was taken out of the trash.
    pub(super) fn is_kept(&mut self) {
        self.goal = Goal::Configure;
    }

    /// The learner whose copy the change waited for in vain.
    fn waited_in_vain(&self) -> Option<NodeId> {
        self.learner.filter(|(_, whole)| !whole).map(|(node, _)| node)
    }

    /// Who did not answer, or holds the chunk up, and is not in the configuration that came of it.
    fn left_out(&self, members: &[Member]) -> impl Iterator<Item = NodeId> {
        let silent = self.targets.keys().filter(|node| !self.answers.contains_key(node));
        let mut left_out: BTreeSet<NodeId> = silent.chain(&self.excluded).copied().collect();
        left_out.retain(|node| !members.iter().any(|member| member.node == *node));
        left_out.into_iter()
    }
}

/// What a change that ended says of servers.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The learner whose copy the change waited for in vain.
    pub in_vain: Option<NodeId>,
    /// Servers that did not answer, or blocked progress, and are not in the configuration.
    pub left_out: Vec<NodeId>,
}

/// A committed configuration whose primary has not asked for its lease yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Activation {
    told_at: Time,
}

impl Leader<'_> {
    pub(super) fn on_new_chunk(&mut self, chunk: ChunkHandle) {
        let lead = &mut *self.lead;
        // Made under this leader: no earlier one granted anything for it.
        lead.grants.release(chunk);
        self.start_change(chunk, "a new chunk");
    }

    /// Begins a change, unless one is under way. Gives the one that is under way then: none if the chunk is
    /// gone, or there is no place for another; attention tries again.
    pub(super) fn start_change(
        &mut self,
        chunk: ChunkHandle,
        why: &'static str,
    ) -> Option<&mut Change> {
        let now = self.cx.now;
        let changes_max = self.cx.constants.changes_max as usize;
        let record = self.state.chunks().get(chunk)?;
        let version = self.known().highest_promise(chunk).max(record.version()).next();
        let lead = &mut *self.lead;
        if lead.changes.contains_key(&chunk) || lead.changes.len() >= changes_max {
            lead.attention.add(chunk, now);
            return self.change(chunk);
        }
        lead.changes.insert(chunk, Change::new(version, now));
        lead.activations.remove(&chunk);
        self.cx.observe(Event::ChangeBegan { chunk, version, why });
        self.prepare(chunk);
        self.change(chunk)
    }

    fn change(&mut self, chunk: ChunkHandle) -> Option<&mut Change> {
        self.lead.changes.get_mut(&chunk)
    }

    /// Brings a copy that has caught up into a change.
    pub(super) fn join_change(&mut self, chunk: ChunkHandle, learner: NodeId) {
        let Some(change) = self.start_change(chunk, "a copy has caught up") else { return };
        if change.stage == Stage::Asking && change.learner.is_none() {
            change.learner = Some((learner, false));
            self.prepare(chunk);
        }
    }

    /// Asks every reachable member, and the learner, that has not answered.
    fn prepare(&mut self, chunk: ChunkHandle) {
        let Some(record) = self.state.chunks().get(chunk) else { return };
        let spec = ChunkSpec { chunk_bytes: record.spec.chunk_bytes, sync: record.spec.sync };
        let create = record.config.is_none().then_some(spec);
        let members: Vec<NodeId> = match self.known().source_config(chunk) {
            Some(config) => config.members.iter().map(|m| m.node).collect(),
            None if record.config.is_some() => self.anybody(chunk),
            None => self.place_new(chunk),
        };
        if create.is_some() && members.len() < usize::from(record.spec.replicas) {
            self.note_shortage(chunk);
        }
        let lead = &mut *self.lead;
        let Some(change) = lead.changes.get_mut(&chunk) else { return };
        let learner = change.learner.map(|(node, _)| node);
        if create.is_some() && members.iter().any(|node| !change.targets.contains_key(node)) {
            self.cx.observe(Event::Placed { chunk, servers: members.clone() });
        }
        for node in members.into_iter().chain(learner) {
            let server = lead.servers.get(&node).filter(|server| server.usable());
            match server.map(|server| server.incarnation) {
                Some(incarnation) if change.targets.get(&node) != Some(&incarnation) => {
                    // An answer of an earlier life counts no longer.
                    change.answers.remove(&node);
                    change.targets.insert(node, incarnation);
                    // It is given its own time to answer.
                    change.viable_since = None;
                }
                Some(_) => {}
                None => {
                    change.targets.remove(&node);
                }
            }
        }
        let (version, epoch) = (change.version, lead.epoch);
        let unanswered: Vec<(NodeId, Incarnation)> = change
            .targets
            .iter()
            .filter(|(node, _)| !change.answers.contains_key(node))
            .map(|(node, incarnation)| (*node, *incarnation))
            .collect();
        for (node, incarnation) in unanswered {
            let ask = Message::Configure(configure::Order::Prepare(configure::Prepare {
                chunk,
                epoch,
                version,
                incarnation,
                create,
            }));
            self.cx.send(node, ask);
        }
    }

    /// Every member and every holder: whom an ablation of the rule for sources asks.
    fn anybody(&self, chunk: ChunkHandle) -> Vec<NodeId> {
        let lead = &*self.lead;
        let holders = lead.holders.get(&chunk).into_iter().flat_map(Holders::nodes);
        self.state.chunks().members(chunk).iter().map(|member| member.node).chain(holders).collect()
    }

    /// Where a new chunk's replicas go; the same as before while those servers are there. Where it
    /// was tried in vain comes last.
    fn place_new(&self, chunk: ChunkHandle) -> Vec<NodeId> {
        let lead = &*self.lead;
        let spec = self.state.chunks()[chunk].spec;
        let asked = lead.changes.get(&chunk).map(|c| c.targets.keys().copied());
        let kept: Vec<NodeId> =
            asked.into_iter().flatten().filter(|node| self.known().is_usable(*node)).collect();
        let choose = |kept: &[NodeId], candidates: &[Candidate]| {
            self.known().place(chunk, usize::from(spec.replicas), kept, candidates)
        };
        let candidates = self.known().candidates(self.known().need(chunk), &kept);
        let fresh =
            |c: &&Candidate| kept.contains(&c.node) || !lead.repairs.setbacks.any(chunk, c.node);
        let fresh: Vec<Candidate> = candidates.iter().filter(fresh).copied().collect();
        choose(&choose(&kept, &fresh), &candidates)
    }

    pub(super) fn on_configure_reply(&mut self, from: NodeId, reply: configure::Reply) {
        match reply {
            configure::Reply::Prepared(m) => self.on_prepared(from, m),
            configure::Reply::Refused(m) => self.on_prepare_refused(from, m),
            configure::Reply::MemberFailed(m) => self.on_member_failed(from, m),
        }
    }

    fn on_prepared(&mut self, from: NodeId, message: configure::Prepared) {
        let configure::Prepared { chunk, epoch, version, incarnation, state } = message;
        let rules = self.cx.rules();
        let config = self.state.chunks().config(chunk);
        let old_primary = config.and_then(|config| config.members.first()).map(|m| m.node);
        let lead = &mut *self.lead;
        let Some(change) = lead.changes.get_mut(&chunk) else { return };
        let counts = epoch == lead.epoch
            && change.version == version
            && change.targets.get(&from) == Some(&incarnation);
        // The promise of a learner that is whole by now was made before: a delayed Prepared must
        // not replace the state of its LearnerReady.
        let overtaken = change.learner == Some((from, true)) && change.answers.contains_key(&from);
        if !counts || overtaken {
            return;
        }
        if old_primary == Some(from) {
            // The only early end of a lease: its holder says that it is over, after a promise
            // that lets it take no later grant of the old version.
            lead.grants.release(chunk);
        }
        if let Some((learner, whole)) = &mut change.learner
            && *learner == from
            && counts_as_whole(rules, true)
        {
            *whole = true;
        }
        change.answers.insert(from, state);
        self.evaluate(chunk);
    }

    fn on_prepare_refused(&mut self, from: NodeId, message: configure::PrepareRefused) {
        let configure::PrepareRefused { chunk, epoch, version, promised, no_space, .. } = message;
        let lead = &mut *self.lead;
        let Some(change) = lead.changes.get_mut(&chunk) else { return };
        if epoch != lead.epoch || change.version != version || change.stage != Stage::Asking {
            return;
        }
        match promised {
            Some(promised) => self.raise(chunk, promised.next()),
            None if no_space => self.place_without(chunk, from),
            // Nothing is there any more; it cannot be a member.
            None => {
                change.excluded.insert(from);
                change.targets.remove(&from);
                self.evaluate(chunk);
            }
        }
    }

    /// This server found no room for a new chunk's replica: another is asked, if there is one.
    fn place_without(&mut self, chunk: ChunkHandle, node: NodeId) {
        let (now, constants) = (self.cx.now, self.cx.constants);
        self.on_no_space(node);
        self.lead.repairs.setbacks.note(constants, now, chunk, node);
        if let Some(change) = self.change(chunk) {
            change.targets.remove(&node);
        }
        self.prepare(chunk);
        self.evaluate(chunk);
    }

    /// Begins again above a promise.
    fn raise(&mut self, chunk: ChunkHandle, version: ChunkVersion) {
        let state = self.state;
        let Some(change) = self.change(chunk) else { return };
        // It may have got another owner meanwhile: then it is configured and not freed.
        if let Goal::Free(file) = change.goal
            && state.release(file, chunk) != Some(Release::LastOwner)
        {
            change.goal = Goal::Configure;
        }
        change.version = version.max(change.version.next());
        change.answers.clear();
        change.viable_since = None;
        change.stage = Stage::Asking;
        if let Some((_, whole)) = &mut change.learner {
            *whole = false;
        }
        self.prepare(chunk);
    }

    pub(super) fn on_learner_ready(&mut self, from: NodeId, message: copy::Ready) {
        let copy::Ready { chunk, epoch, version, incarnation, state } = message;
        let lead = &mut *self.lead;
        let Some(change) = lead.changes.get_mut(&chunk) else { return };
        let asked = change.targets.get(&from) == Some(&incarnation);
        if epoch != lead.epoch || change.version != version || !asked {
            return;
        }
        if let Some((learner, whole)) = &mut change.learner
            && *learner == from
        {
            *whole = true;
            change.answers.insert(from, state);
            self.evaluate(chunk);
        }
    }

    fn on_member_failed(&mut self, from: NodeId, message: configure::MemberFailed) {
        let configure::MemberFailed { chunk, version, members } = message;
        let config = self.state.chunks().config(chunk);
        let Some(config) = config.filter(|config| config.version == version) else { return };
        let primary = config.members.first().is_some_and(|member| member.node == from);
        let member = config.members.iter().any(|member| member.node == from);
        if (primary || (member && members == [from]))
            && let Some(change) = self.start_change(chunk, "a member failed")
        {
            change.exclude(&members);
        }
    }

    /// Proposes a configuration if the answers allow one and the old lease is over.
    fn evaluate(&mut self, chunk: ChunkHandle) {
        let now = self.cx.now;
        let grace = self.cx.constants.prepare_grace;
        let patience = self.cx.constants.repair_stalled_after;
        let Some(Choice { members, clean }) = self.known().choose(chunk) else { return };
        let wait_out = self.cx.rules().wait_out_old_lease;
        let old: Vec<NodeId> =
            self.state.chunks().members(chunk).iter().map(|member| member.node).collect();
        let expects_more = old.iter().any(|node| self.known().is_expected(*node));
        let lead = &mut *self.lead;
        let Some(change) = lead.changes.get_mut(&chunk) else { return };
        if change.stage != Stage::Asking {
            return;
        }
        let viable_since = *change.viable_since.get_or_insert(now);
        let all = change.targets.keys().all(|node| change.answers.contains_key(node));
        let learning = change
            .learner
            .is_some_and(|(node, whole)| !whole && change.targets.contains_key(&node));
        let waited = now.since(viable_since);
        // Members that hold the chunk up, alone, would be all that is left of it: any other is worth
        // waiting for, be it slow or down.
        let silent = |node| !change.answers.contains_key(node) && !change.excluded.contains(node);
        let hoping = !clean && old.iter().any(silent);
        let rushed = !all && waited < grace;
        if expects_more || rushed || (hoping || learning) && waited < patience {
            return;
        }
        // In the very step that proposes: from here on nothing is granted for this chunk.
        if wait_out && !lead.grants.has_ended(chunk, now) {
            return;
        }
        let version = change.version;
        let goal = change.goal;
        let base = self.state.chunks()[chunk].version();
        let (what, command) = match goal {
            Goal::Free(file) => (Proposal::Free(chunk), Command::Free { file, chunk, base }),
            Goal::Configure => {
                let command = Command::Configure { chunk, base, version, members };
                (Proposal::Configure(chunk), command)
            }
        };
        let proposed = self.propose(what, command);
        self.change(chunk).expect("looked at above").stage = Stage::Proposed(proposed);
    }

    /// A configuration took effect: its change is over, and the chunk's primary is to be activated.
    pub(super) fn end_change(&mut self, chunk: ChunkHandle) -> Ended {
        let now = self.cx.now;
        let change = self.lead.changes.remove(&chunk);
        let mut ended = Ended::default();
        if let Some(change) = &change {
            ended.in_vain = change.waited_in_vain();
            ended.left_out = self.left_out(chunk, change);
            self.keep_answers(chunk, change);
        }
        let lead = &mut *self.lead;
        lead.activations.insert(chunk, Activation { told_at: now });
        lead.attention.add(chunk, now);
        ended
    }

    /// The members that were requested to promise in the life in which they are, and are left out
    /// nevertheless; another life of one was not, and may well answer.
    fn left_out(&self, chunk: ChunkHandle, change: &Change) -> Vec<NodeId> {
        let same_life = |node: &NodeId| {
            let server = self.lead.servers.get(node);
            server.map(|server| server.incarnation) == change.targets.get(node).copied()
        };
        change.left_out(self.state.chunks().members(chunk)).filter(same_life).collect()
    }

    /// What the members answered is what they hold. One may have reported since, and that is what counts:
    /// a promise to another leader above this version, or rot. A copy is another replica than the one of
    /// which was reported before.
    fn keep_answers(&mut self, chunk: ChunkHandle, change: &Change) {
        let members = self.state.chunks().members(chunk);
        let lead = &mut *self.lead;
        let holders = lead.holders.entry(chunk).or_default();
        for member in members {
            let Some(state) = change.answers.get(&member.node) else { continue };
            let held = holders.get(member.node).unwrap_or(state);
            if held.promised <= state.promised {
                let copied = change.learner.is_some_and(|(node, _)| node == member.node);
                let corrupt = state.corrupt || (held.corrupt && !copied);
                holders.insert(member.node, ReplicaState { corrupt, ..state.clone() });
                if let Some(server) = lead.servers.get_mut(&member.node) {
                    server.holds.insert(chunk);
                }
            }
        }
    }

    pub(super) fn tell_primary(&mut self, chunk: ChunkHandle) {
        let Some(primary) = self.known().usable_primary(chunk) else { return };
        let config = self.state.chunks()[chunk].config.as_ref().expect("has a primary");
        let version = config.version;
        let members = config.members.iter().map(|member| member.node).collect();
        let incarnation = self.known().server(primary).expect("a usable primary").incarnation;
        self.cx.send(primary, configure::Activate { chunk, version, incarnation, members });
    }

    /// The primary seems not to know that it is one: it is told again at the next round.
    pub(super) fn notify_primary(&mut self, chunk: ChunkHandle) {
        let told_at = self.cx.now;
        self.lead.activations.entry(chunk).or_insert(Activation { told_at });
    }

    /// The proposal's fate is known, and it did not take effect, or unknown: the change begins again
    /// above at the next round. Not at once, since a log that refuses may go on doing so: every
    /// member would promise one version after the other as fast as its disk can.
    pub(super) fn on_change_unresolved(&mut self, chunk: ChunkHandle, io: IoId) {
        let exists = self.state.chunks().contains(chunk);
        let Some(change) = self.lead.changes.get_mut(&chunk) else { return };
        if change.stage != Stage::Proposed(io) {
            return;
        }
        change.stage = Stage::Unresolved;
        if !exists {
            self.lead.changes.remove(&chunk);
        }
    }
}
