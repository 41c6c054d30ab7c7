//! Sessions of clients: renewed while their clients are heard, and ended in two steps when they are not.
//! First the session is fenced: nothing is locked for it any more, and the chunks that it had locked
//! exclusively get no lease in the configurations in which it may have written. When other
//! configurations have followed (or, where clocks are trusted, the leases of these are over), the
//! session ends, and its locks are free. So what it sent late meets no primary that would take it,
//! whatever the client's clock did. A chunk of which no replica can be reached holds this up: what its
//! primary accepts is not known.

use super::leader::Leader;
use super::proposals::Proposal;
use crate::config::Constants;
use crate::ids::{ChunkHandle, ClientSession, FileId, OpId};
use crate::lease::SessionGrants;
use crate::locks::{Lock, LockSet};
use crate::log::Command;
use crate::message::call;
use crate::metadata::MetadataAnswer;
use crate::refusal::Refusal;
use crate::tables::Holder;
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A query that waits until a lock would be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Waiting {
    op: OpId,
    lock: Lock<Holder>,
}

/// What a leader knows of sessions beside the log. Volatile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sessions {
    grants: SessionGrants,
    /// Proposed to be fenced: never renewed again.
    ending: BTreeSet<ClientSession>,
    /// By file, in the order in which they came.
    waiting: BTreeMap<FileId, Vec<Waiting>>,
}

impl Sessions {
    pub fn new(constants: &Constants, now: Time) -> Self {
        let grants = SessionGrants::begin(constants, now);
        Sessions { grants, ending: BTreeSet::new(), waiting: BTreeMap::new() }
    }
}

impl Leader<'_> {
    /// Ends what was not renewed in time.
    pub(super) fn tick_sessions(&mut self) {
        let (now, state) = (self.cx.now, self.state);
        for (session, record) in state.share().sessions() {
            if record.fenced {
                self.end_session_if_settled(session);
            } else if self.is_over(session, now) {
                self.lead.sessions.ending.insert(session);
                if self.cx.rules().fence_ended_sessions {
                    self.propose_once(Proposal::Fence(session), Command::FenceSession { session });
                } else {
                    self.propose_once(Proposal::End(session), Command::EndSession { session });
                }
            }
        }
        // What waits for a lock that was freed unheard, or whose first in line went away.
        for file in self.lead.sessions.waiting.keys().copied().collect::<Vec<_>>() {
            self.on_locks_changed(file);
        }
    }

    fn propose_once(&mut self, what: Proposal, command: Command) {
        if !self.log.awaits(&what) {
            self.propose(what, command);
        }
    }

    fn is_over(&self, session: ClientSession, now: Time) -> bool {
        let sessions = &self.lead.sessions;
        let by = if self.cx.rules().sessions_last {
            sessions.grants.ended_by(session)
        } else {
            sessions.grants.ended_by(session) - self.cx.constants.lease_duration / 2
        };
        sessions.ending.contains(&session) || by <= now
    }

    pub(super) fn on_session_began(&mut self, session: ClientSession) {
        let Leader { lead, cx, .. } = self;
        lead.sessions.grants.grant(cx.constants, cx.now, session);
    }

    /// A sign of life, served under a leadership that was confirmed after it came.
    pub(super) fn renew_session(
        &mut self,
        session: ClientSession,
    ) -> Result<MetadataAnswer, Refusal> {
        let record = self.state.share().get(session);
        let ending = self.lead.sessions.ending.contains(&session);
        if ending || record.is_none_or(|record| record.fenced) {
            return Err(Refusal::SessionEnded);
        }
        self.on_session_began(session);
        Ok(MetadataAnswer::Renewed(self.agreed().values.lease_term()))
    }

    /// Its chunks get other configurations: a primary of the ones in which the session may have written is
    /// refused by members from then on. Where clocks are trusted, the end of its lease is enough.
    pub(super) fn end_session_if_settled(&mut self, session: ClientSession) {
        let (now, state) = (self.cx.now, self.state);
        let trusted = !self.cx.constants.confirm_reads;
        let fenced = |chunk: &ChunkHandle| state.chunks().is_fenced(*chunk);
        let mut settled = true;
        for chunk in state.chunks_locked_by(session).into_iter().filter(fenced) {
            if !trusted || !self.lead.grants.has_ended(chunk, now) {
                settled = false;
                self.start_change(chunk, "a client's session is ending");
            }
        }
        if settled {
            self.propose_once(Proposal::End(session), Command::EndSession { session });
        }
    }

    pub(super) fn on_session_ended(&mut self, session: ClientSession) {
        let sessions = &mut self.lead.sessions;
        sessions.grants.forget(session);
        sessions.ending.remove(&session);
    }

    /// Which lock does not allow this one? With `wait` none answers, later.
    pub(super) fn answer_conflict(
        &mut self,
        op: OpId,
        file: FileId,
        lock: Lock<Holder>,
        wait: bool,
    ) -> Option<Result<MetadataAnswer, Refusal>> {
        let conflict = self.state.share().conflict(file, &lock).copied();
        if conflict.is_none() || !wait {
            return Some(Ok(MetadataAnswer::Conflict(conflict)));
        }
        let waiting_max = self.cx.constants.waiting_requests_max as usize;
        let waiting = self.lead.sessions.waiting.entry(file).or_default();
        // A repetition, or a later wait of one that was given up.
        if let Some(same) = waiting.iter_mut().find(|other| other.lock == lock) {
            same.op = op;
            return None;
        }
        if waiting.len() >= waiting_max {
            return Some(Err(Refusal::Busy));
        }
        waiting.push(Waiting { op, lock });
        None
    }

    /// Those are answered that would be allowed, and that would also be if all who came before them had what
    /// they want.
    pub(super) fn on_locks_changed(&mut self, file: FileId) {
        let state = self.state;
        let Some(waiting) = self.lead.sessions.waiting.remove(&file) else { return };
        let allowed = |next: &Waiting| {
            let gone = state.share().get(next.lock.holder.session).is_none();
            gone || state.share().conflict(file, &next.lock).is_none()
        };
        let mut before: LockSet<Place> = LockSet::default();
        let mut kept = Vec::new();
        for (at, next) in waiting.into_iter().enumerate() {
            let holder = Place(next.lock.holder, at);
            let Lock { range, kind, .. } = next.lock;
            let wanted = Lock { holder, range, kind };
            let its_turn = before.conflict(&wanted).is_none();
            before.set(wanted);
            if its_turn && allowed(&next) {
                let answer = Ok(MetadataAnswer::Conflict(None));
                self.cx.send(next.op.client, call::Reply { op: next.op, answer });
            } else {
                kept.push(next);
            }
        }
        if !kept.is_empty() {
            self.lead.sessions.waiting.insert(file, kept);
        }
    }
}

/// A place in the line for a file: one holder may have several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(Holder, usize);
