//! The log as a device: what is proposed comes back as committed, and only then takes effect.

use super::state::{Applied, MasterState};
use super::{Lead, Master};
use crate::event::Event;
use crate::ids::{ChunkHandle, Epoch, IoId, LogIndex, NodeId, OpId};
use crate::io::{IoFault, IoOp, IoOutput, IoResult, LogOp, ProposeOutcome};
use crate::log::{Command, LogEntry};
use crate::machine::{Effect, Effects, Leadership};
use crate::message::{call, membership};
use crate::refusal::Refusal;
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
        let applied = self.state.apply(index, entry);
        let took_effect = !matches!(applied, Applied::Ignored | Applied::JoinRefused { .. });
        out.observe(Event::EntryApplied { index, took_effect });
        self.observe_applied(entry, &applied, out);
        if let Applied::NewLeader(epoch) = applied {
            self.on_new_leader(now, epoch, entry, out);
        }
        if self.lead.is_some() {
            self.on_applied(now, entry, applied, out);
        }
    }

    /// Every master says what an entry did, whoever leads.
    fn observe_applied(&self, entry: &LogEntry, applied: &Applied, out: &mut Effects) {
        match *applied {
            Applied::Changed { new_chunk, trashed, .. } => {
                if let Some((chunk, (record, spec))) =
                    new_chunk.and_then(|chunk| Some((chunk, self.state.chunk(chunk)?)))
                {
                    let (file, index, replicas) = (record.file, record.index, spec.replicas);
                    out.observe(Event::ChunkMade { chunk, file, index, replicas });
                }
                if let Some(file) = trashed {
                    out.observe(Event::Trashed { file });
                }
            }
            Applied::Configured(chunk) => {
                let Command::Configure { base, version, members, .. } = &entry.command else {
                    unreachable!("configured by a Configure")
                };
                let (base, version, members) = (*base, *version, members.clone());
                out.observe(Event::Configured { chunk, base, version, members });
            }
            Applied::Freed { chunk, purged, .. } => {
                let Command::Free { base, .. } = &entry.command else {
                    unreachable!("freed by a Free")
                };
                out.observe(Event::Freed { chunk, base: *base });
                if let Some(file) = purged {
                    out.observe(Event::Purged { file });
                }
            }
            Applied::Purged(file) => out.observe(Event::Purged { file }),
            Applied::NewLeader(_)
            | Applied::Joined { .. }
            | Applied::JoinRefused { .. }
            | Applied::Ignored => {}
        }
    }

    /// The state jumps: a leader's never does, since what it leads is its own log.
    pub(super) fn on_installed(&mut self, state: MasterState) {
        assert!(state.applied >= self.state.applied, "what is committed stays committed");
        let change_table = self.state.change_table;
        self.state = MasterState { change_table, ..state };
        self.lead = None;
    }

    /// A leader acts, and its waiting times start, when its own entry is applied.
    fn on_new_leader(&mut self, now: Time, epoch: Epoch, entry: &LogEntry, out: &mut Effects) {
        let Command::NewLeader { node } = entry.command else {
            unreachable!("a new leader by a NewLeader")
        };
        let mine = node == self.config.node
            && self.proposals.get(&entry.proposal) == Some(&Proposal::Leader)
            && self.leadership == Leadership::Leader;
        self.lead = None;
        if mine {
            self.lead = Some(Lead::new(self.constants(), epoch, now));
            out.observe(Event::LeaderBegan { epoch });
            self.begin_trash(now);
            self.end_safe_mode_if_enough(now, out);
        }
    }

    fn on_applied(&mut self, now: Time, entry: &LogEntry, applied: Applied, out: &mut Effects) {
        match applied {
            Applied::Joined { node, rejoined } => self.on_joined(now, node, rejoined, out),
            Applied::JoinRefused { node } => {
                if let Command::Join { incarnation, .. } = entry.command {
                    self.send(node, membership::RegisterRefused { incarnation }, out);
                }
            }
            Applied::Changed { op, answer, new_chunk, trashed } => {
                if let Some(chunk) = new_chunk {
                    self.on_new_chunk(now, chunk, out);
                }
                if let Some(file) = trashed {
                    self.on_trashed(now, file);
                }
                self.send(op.client, call::Reply { op, answer }, out);
            }
            Applied::Configured(chunk) => self.on_configured(now, chunk, out),
            Applied::Freed { chunk, members, .. } => {
                self.on_freed(now, chunk, &members, entry, out)
            }
            Applied::NewLeader(_) | Applied::Purged(_) | Applied::Ignored => {}
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
