//! The log as a device: what is proposed comes back as committed, and only then takes effect.

use super::servers::Life;
use super::{Lead, Master};
use crate::event::Event;
use crate::ids::{ChunkHandle, Epoch, IoId, LogIndex, NodeId, OpId};
use crate::io::{IoFault, IoOp, IoOutput, IoResult, LogOp, ProposeOutcome};
use crate::log::{Command, LogEntry};
use crate::machine::{Effect, Effects, Leadership};
use crate::message::{call, membership};
use crate::refusal::Refusal;
use crate::tables::{Consequence, MasterState};
use crate::time::Time;

/// What a proposal is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proposal {
    Leader,
    Join(NodeId),
    Change(OpId),
    Configure(ChunkHandle),
    Free(ChunkHandle),
    Purge,
}

impl Master {
    pub(super) fn start_io(&mut self, op: IoOp, out: &mut Effects) -> IoId {
        self.last_io = self.last_io.next();
        out.push(Effect::Io { io: self.last_io, op });
        self.last_io
    }

    pub(super) fn propose(&mut self, what: Proposal, command: Command, out: &mut Effects) {
        let epoch = self.acting().unwrap_or(Epoch(0));
        let proposal = self.last_io.next();
        let entry = LogEntry { epoch, proposal, command };
        let io = self.start_io(IoOp::Log(LogOp::Propose { entry }), out);
        self.proposals.insert(io, what);
    }

    pub(super) fn on_leadership(&mut self, leadership: Leadership, out: &mut Effects) {
        self.leadership = leadership;
        match leadership {
            Leadership::Leader => {
                let node = self.config.node;
                self.propose(Proposal::Leader, Command::NewLeader { node }, out);
            }
            Leadership::Follower { .. } => self.lead = None,
        }
    }

    pub(super) fn on_committed(
        &mut self,
        now: Time,
        index: LogIndex,
        entry: &LogEntry,
        out: &mut Effects,
    ) {
        let consequences = self.state.apply(index, entry);
        let took_effect = consequences.iter().all(Consequence::took_effect);
        out.observe(Event::EntryApplied { index, took_effect });
        for consequence in &consequences {
            self.observe(consequence, out);
        }
        for consequence in consequences {
            if let Consequence::LeaderBegan { epoch, node, proposal } = consequence {
                self.on_leader_began(now, epoch, node, proposal, out);
            } else if self.lead.is_some() {
                self.react(now, consequence, out);
            }
        }
    }

    /// Every master says what an entry did, whoever leads.
    fn observe(&self, consequence: &Consequence, out: &mut Effects) {
        match *consequence {
            Consequence::ChunkMade(chunk) => {
                let (record, spec) = self.state.chunk(chunk).expect("made just now");
                let (file, index, replicas) = (record.file, record.index, spec.replicas);
                out.observe(Event::ChunkMade { chunk, file, index, replicas });
            }
            Consequence::Trashed(file) => out.observe(Event::Trashed { file }),
            Consequence::Configured { chunk, base, version, ref members } => {
                let members = members.clone();
                out.observe(Event::Configured { chunk, base, version, members });
            }
            Consequence::Freed { chunk, base, .. } => out.observe(Event::Freed { chunk, base }),
            Consequence::Purged(file) => out.observe(Event::Purged { file }),
            Consequence::Ignored
            | Consequence::LeaderBegan { .. }
            | Consequence::Joined { .. }
            | Consequence::JoinRefused { .. }
            | Consequence::Answered { .. } => {}
        }
    }

    /// The state jumps: a leader's never does, since what it leads is its own log.
    pub(super) fn on_installed(&mut self, mut state: MasterState) {
        assert!(state.applied() >= self.state.applied(), "what is committed stays committed");
        state.set_answers_retries(self.state.answers_retries());
        self.state = state;
        self.lead = None;
    }

    /// A leader acts, and its waiting times start, when its own entry is applied.
    fn on_leader_began(
        &mut self,
        now: Time,
        epoch: Epoch,
        node: NodeId,
        proposal: IoId,
        out: &mut Effects,
    ) {
        let mine = node == self.config.node
            && self.proposals.get(&proposal) == Some(&Proposal::Leader)
            && self.leadership == Leadership::Leader;
        self.lead = None;
        if mine {
            self.lead = Some(Lead::new(self.constants(), epoch, now));
            out.observe(Event::LeaderBegan { epoch });
            self.begin_trash(now);
            self.end_safe_mode_if_enough(now, out);
        }
    }

    /// A leader's reaction to what its log did.
    fn react(&mut self, now: Time, consequence: Consequence, out: &mut Effects) {
        match consequence {
            Consequence::Joined { node, incarnation, rack, rejoined } => {
                self.on_joined(now, node, Life { incarnation, rack, rejoined }, out);
            }
            Consequence::JoinRefused { node, incarnation } => {
                self.send(node, membership::RegisterRefused { incarnation }, out);
            }
            Consequence::ChunkMade(chunk) => self.on_new_chunk(now, chunk, out),
            Consequence::Trashed(file) => self.on_trashed(now, file),
            Consequence::Answered { op, answer } => {
                self.send(op.client, call::Reply { op, answer }, out);
            }
            Consequence::Configured { chunk, .. } => self.on_configured(now, chunk, out),
            Consequence::Freed { chunk, base, members } => {
                self.on_freed(now, chunk, base, &members, out);
            }
            Consequence::LeaderBegan { .. } | Consequence::Purged(_) | Consequence::Ignored => {}
        }
    }

    pub(super) fn on_io_done(&mut self, now: Time, io: IoId, result: IoResult, out: &mut Effects) {
        match result {
            Ok(IoOutput::Proposed(outcome)) => self.on_proposed(io, outcome, out),
            Ok(IoOutput::Confirmed) => self.on_confirmed(now, io, out),
            Ok(IoOutput::Done | IoOutput::Read(_)) => unreachable!("no such I/O of a master"),
            Err(IoFault::NotLeader | IoFault::DiskFailed | IoFault::NoSpace) => {
                self.on_confirmation_failed(io);
                if self.proposals.contains_key(&io) {
                    self.on_proposed(io, ProposeOutcome::Unknown, out);
                }
            }
            Err(IoFault::Corrupt { .. }) => unreachable!("no such I/O of a master"),
        }
    }

    fn on_proposed(&mut self, io: IoId, outcome: ProposeOutcome, out: &mut Effects) {
        let Some(proposal) = self.proposals.remove(&io) else { return };
        match (proposal, outcome) {
            // A committed configuration has ended its change by now; one that was refused when
            // applied, or whose fate is unknown, begins again above every promise.
            (Proposal::Configure(chunk) | Proposal::Free(chunk), _) => {
                self.on_change_unresolved(chunk, io);
            }
            (Proposal::Change(op), ProposeOutcome::Rejected) => {
                let answer = Err(Refusal::NotLeader { leader: None });
                self.send(op.client, call::Reply { op, answer }, out);
            }
            // Of an unknown outcome nothing is said: the client asks again under the same id.
            (Proposal::Change(_) | Proposal::Leader | Proposal::Join(_) | Proposal::Purge, _) => {}
        }
    }
}
