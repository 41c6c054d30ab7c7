//! The master: the namespace, the chunk table, leases, configuration changes and repair.
//!
//! Two halves. [`MasterState`] is a function of the committed log ([`crate::tables`]): namespace, chunk
//! table, configurations, registered servers, remembered answers. The rest is soft and begins anew with
//! each leadership: who is heard, who reported what, which lease was granted until when, which
//! change or copy is under way.
//!
//! Suggested order: `leader` (the view under which a leader acts), `route` (what it does in a step, and
//! the only file that calls back and forth), `known` (questions about what it knows), `proposals` (the
//! log as a device), `clients`, `servers`, `rooms`, `holders`, `reports`, `safe_mode`, `leases`, `change` (a
//! configuration's way from Prepare to its activation), `attention` (what a chunk needs next),
//! `repair`, `setbacks`, `placement`, `trash`, `sessions`, `constants`, `status`.

mod leader;
mod route;
mod known;
mod proposals;
mod clients;
mod servers;
mod rooms;
mod holders;
mod reports;
mod safe_mode;
mod leases;
mod change;
mod attention;
mod repair;
mod setbacks;
pub mod placement;
mod trash;
mod sessions;
mod constants;
mod status;
#[cfg(test)]
mod tests;

use crate::agreed::ClusterConstants;
use crate::config::MasterConfig;
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{Attempt, Epoch, IoId, LogIndex, NodeId};
use crate::io::{IoFault, IoOutput, IoResult, ProposeOutcome};
use crate::log::{Command, LogEntry};
use crate::machine::{Effects, Input, Leadership, StateMachine};
use crate::message::{Envelope, Message, call};
use crate::metadata::{ClusterStatus, FileSpec};
use crate::refusal::Refusal;
use crate::tables::{Consequence, FileSlot, MasterState};
use crate::time::{Deadline, Time};
use alloc::boxed::Box;
use leader::{Lead, Leader};
use proposals::{Log, Proposal};

/// A master.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Master {
    config: MasterConfig,
    /// As this master has applied it.
    state: MasterState,
    leadership: Leadership,
    log: Log,
    /// The rest, while this master acts.
    lead: Option<Lead>,
}

impl Master {
    /// The replicated state as this master has applied it.
    #[must_use]
    pub fn state(&self) -> &MasterState {
        &self.state
    }

    /// The epoch under which this master acts, if it does.
    #[must_use]
    pub fn acting(&self) -> Option<Epoch> {
        self.lead.as_ref().map(|lead| lead.epoch)
    }

    /// The cluster at a glance, for a monitor of this process; none if this master does not act. It costs a
    /// look at every server and at every chunk that needs something.
    #[must_use]
    pub fn status(&self, now: Time) -> Option<ClusterStatus> {
        let Master { config, state, lead, .. } = self;
        let (lead, constants, salt) = (lead.as_ref()?, &config.constants, config.salt);
        Some(known::Known { state, lead, now, constants, salt }.cluster_status())
    }

    /// Does this question wait for the next confirmation already? A copy of it would be answered
    /// in the same step, with the same words.
    #[must_use]
    pub fn has_waiting(&self, server: NodeId, question: Attempt) -> bool {
        let lead = self.lead.as_ref();
        lead.is_some_and(|lead| lead.confirmations.has_waiting(server, question))
    }

    fn cx<'a>(&'a self, now: Time, out: &'a mut Effects) -> Cx<'a> {
        Cx { now, out, node: self.config.node, constants: &self.config.constants }
    }

    /// The master as a leader, if it acts as one.
    fn leader<'a>(&'a mut self, now: Time, out: &'a mut Effects) -> Option<Leader<'a>> {
        let Master { config, state, log, lead, .. } = self;
        let cx = Cx { now, out, node: config.node, constants: &config.constants };
        Some(Leader { state, salt: config.salt, log, lead: lead.as_mut()?, cx })
    }

    fn on_message(&mut self, now: Time, from: NodeId, message: Message, out: &mut Effects) {
        match self.leader(now, out) {
            Some(mut leader) => leader.on_message(from, message),
            None => self.refuse(now, from, &message, out),
        }
    }

    /// A master that does not act says so to clients, and is silent to everybody else.
    fn refuse(&self, now: Time, from: NodeId, message: &Message, out: &mut Effects) {
        if let Message::Call(call::Request { op, .. }) = *message {
            let leader = match self.leadership {
                Leadership::Leader => Some(self.config.node),
                Leadership::Follower { leader } => leader,
            };
            let answer = Err(Refusal::NotLeader { leader });
            self.cx(now, out).send(from, call::Reply { op, answer });
        }
    }

    fn on_io_done(&mut self, now: Time, io: IoId, result: IoResult, out: &mut Effects) {
        match result {
            Ok(IoOutput::Proposed(outcome)) => self.on_proposed(now, io, outcome, out),
            Ok(IoOutput::Confirmed) => {
                if let Some(mut leader) = self.leader(now, out) {
                    leader.on_confirmed(io);
                }
            }
            Ok(IoOutput::Done | IoOutput::Read(_)) => unreachable!("no such I/O of a master"),
            Err(IoFault::NotLeader | IoFault::DiskFailed | IoFault::NoSpace) => {
                if let Some(mut leader) = self.leader(now, out) {
                    leader.on_confirmation_failed(io);
                }
                self.on_proposed(now, io, ProposeOutcome::Unknown, out);
            }
            Err(IoFault::Corrupt { .. }) => unreachable!("no such I/O of a master"),
        }
    }

    fn on_proposed(&mut self, now: Time, io: IoId, outcome: ProposeOutcome, out: &mut Effects) {
        let Some(proposal) = self.log.end(io) else { return };
        match (proposal, outcome) {
            // A committed configuration has ended its change by now; one that was refused when
            // applied, or whose fate is unknown, begins again above every promise.
            (Proposal::Configure(chunk) | Proposal::Free(chunk), _) => {
                if let Some(mut leader) = self.leader(now, out) {
                    leader.on_change_unresolved(chunk, io);
                }
            }
            (Proposal::Change(op), ProposeOutcome::Rejected) => {
                let answer = Err(Refusal::NotLeader { leader: None });
                self.cx(now, out).send(op.client, call::Reply { op, answer });
            }
            // Of an unknown outcome nothing is said: the client asks again under the same id.
            (
                Proposal::Change(_)
                | Proposal::Leader
                | Proposal::Join(_)
                | Proposal::Release(..)
                | Proposal::Purge
                | Proposal::Fence(_)
                | Proposal::End(_)
                | Proposal::Constants,
                _,
            ) => {}
        }
    }

    fn on_leadership(&mut self, now: Time, leadership: Leadership, out: &mut Effects) {
        self.leadership = leadership;
        let node = self.config.node;
        match leadership {
            Leadership::Leader => {
                let epoch = self.acting().unwrap_or(Epoch(0));
                let mut cx = Cx { now, out, node, constants: &self.config.constants };
                let constants = Box::new(ClusterConstants::of(cx.constants));
                let command = Command::NewLeader { node, constants };
                self.log.propose(&mut cx, epoch, Proposal::Leader, command);
            }
            Leadership::Follower { .. } => self.lead = None,
        }
    }

    fn on_committed(&mut self, now: Time, index: LogIndex, entry: &LogEntry, out: &mut Effects) {
        let before = self.state.constants().version();
        let consequences = self.state.apply(index, entry);
        if self.state.constants().version() != before {
            self.adopt_constants();
        }
        let took_effect = consequences.iter().all(Consequence::took_effect);
        out.observe(Event::EntryApplied { index, took_effect });
        for consequence in &consequences {
            self.observe(consequence, out);
        }
        for consequence in consequences {
            if let Consequence::LeaderBegan { epoch, node, proposal } = consequence {
                let mine =
                    node == self.config.node && self.log.awaits_at(proposal, &Proposal::Leader);
                self.on_leader_began(now, epoch, mine, out);
            } else if let Some(mut leader) = self.leader(now, out) {
                leader.on_consequence(consequence);
            }
        }
    }

    /// Each master emits these when it applies an entry, leading or not.
    fn observe(&self, consequence: &Consequence, out: &mut Effects) {
        match *consequence {
            Consequence::ChunkMade(chunk) => {
                let record = &self.state.chunks()[chunk];
                let FileSlot { file, index } = record.made_for;
                let FileSpec { chunk_bytes, replicas, .. } = record.spec;
                out.observe(Event::ChunkMade { chunk, file, index, replicas, chunk_bytes });
            }
            Consequence::Trashed(file) => out.observe(Event::Trashed { file }),
            Consequence::GivenUp(chunk) => out.observe(Event::GivenUp { chunk }),
            Consequence::Restored(file) => out.observe(Event::Restored { file }),
            Consequence::TrashEmptied(file) => out.observe(Event::TrashEmptied { file }),
            Consequence::Configured { chunk, base, version, ref members } => {
                let members = members.clone();
                out.observe(Event::Configured { chunk, base, version, members });
            }
            Consequence::Freed { chunk, base, .. } => out.observe(Event::Freed { chunk, base }),
            Consequence::Purged(file) => out.observe(Event::Purged { file }),
            Consequence::ConstantsChanged(version) => {
                let sides = self.state.constants().sides().expect("they changed just now");
                out.observe(Event::ConstantsChanged { version, sides: Box::new(sides) });
            }
            Consequence::SessionEnded(session) => out.observe(Event::SessionEnded { session }),
            Consequence::Ignored
            | Consequence::Released { .. }
            | Consequence::SessionBegan(_)
            | Consequence::SessionFenced(_)
            | Consequence::LocksChanged(_)
            | Consequence::LeaderBegan { .. }
            | Consequence::Joined { .. }
            | Consequence::JoinRefused { .. }
            | Consequence::Answered { .. } => {}
        }
    }

    /// The log's constants take the place of those that the process was configured with.
    fn adopt_constants(&mut self) {
        if let Some(sides) = self.state.constants().sides() {
            sides.masters.install(&mut self.config.constants);
        }
    }

    /// Does this process insist on other constants than the cluster's? Looked at when it is about to
    /// lead, as it has then applied all that was committed before; what an operator changes later
    /// ends no process.
    fn insists_on_others(&self, out: &mut Effects) -> bool {
        let cluster = self.state.constants().target();
        let other = cluster.and_then(|cluster| cluster.contradiction(&self.config.insists));
        if let Some((own, cluster)) = other {
            out.observe(Event::ConstantsRefused { own, cluster });
        }
        other.is_some()
    }

    /// A leader acts, and its waiting times start, when its own entry is applied.
    fn on_leader_began(&mut self, now: Time, epoch: Epoch, mine: bool, out: &mut Effects) {
        self.lead = None;
        let leads = mine && self.leadership == Leadership::Leader;
        if leads && !self.insists_on_others(out) {
            self.lead = Some(Lead::new(&self.config.constants, epoch, now));
            out.observe(Event::LeaderBegan { epoch });
        }
        if let Some(mut leader) = self.leader(now, out) {
            leader.begin();
        }
    }

    /// The state jumps: a leader's never does, since what it leads is its own log.
    fn on_installed(&mut self, mut state: MasterState) {
        assert!(state.applied() >= self.state.applied(), "what is committed stays committed");
        state.set_rules_of(&self.state);
        self.state = state;
        self.adopt_constants();
        self.lead = None;
    }
}

impl StateMachine for Master {
    type Config = MasterConfig;
    /// The newest checkpoint; the log after it follows as `Committed` inputs.
    type Durable = MasterState;

    fn recover(config: &MasterConfig, mut durable: MasterState, _: Time, _: &mut Effects) -> Self {
        durable.set_rules(&config.constants.rules);
        let mut master = Master {
            config: config.clone(),
            state: durable,
            leadership: Leadership::Follower { leader: None },
            log: Log::new(),
            lead: None,
        };
        master.adopt_constants();
        master
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        if let Some(mut leader) = self.leader(now, out) {
            leader.tick();
        }
        match input {
            Input::Deliver(Envelope { from, to, message }) => {
                if to == self.config.node {
                    self.on_message(now, from, message, out);
                }
            }
            Input::Wake => {}
            Input::IoDone { io, result } => self.on_io_done(now, io, result, out),
            Input::Committed { index, entry } => self.on_committed(now, index, &entry, out),
            Input::Leadership(leadership) => self.on_leadership(now, leadership, out),
            Input::Installed { state } => self.on_installed(*state),
            Input::Request { .. } | Input::File { .. } | Input::Room(_) => {
                unreachable!("a master has no owner, and no disk for replicas")
            }
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.lead.as_ref().map(|lead| Deadline { at: lead.next_tick, why: "the master's round" })
    }

    fn assert_invariants(&self) {
        let Some(lead) = &self.lead else { return };
        assert_eq!(lead.epoch, self.state.epoch(), "a leader acts under its own epoch only");
        let at_rest = lead.safe_mode.is_none() || lead.repairs.under_way.is_empty();
        assert!(at_rest, "nothing is copied in safe mode");
        for (chunk, change) in &lead.changes {
            let version = self.state.chunks().get(*chunk).map(|record| record.version());
            assert!(version.is_none_or(|v| v < change.version), "a change goes forward");
        }
        // A server that runs checks itself at every step, and has millions of these.
        let looked_at = if cfg!(debug_assertions) { lead.holders.len() } else { 0 };
        for (chunk, holders) in lead.holders.iter().take(looked_at) {
            let indexed = |node| lead.servers.get(&node).is_some_and(|s| s.holds.contains(chunk));
            assert!(holders.nodes().all(indexed), "what a server holds is indexed by it, too");
        }
    }
}
