//! What a client does about its session in a step: locks and unlocks under it, renews it, and ends what
//! began under a lock of one that is over. What is held is in `rights`.

use super::Step;
use super::lookup::Lookup;
use super::next::Next;
use super::task::{Origin, TaskId, TaskKind};
use crate::ids::{ClientSession, FileId, LockOwner};
use crate::locks::LockKind;
use crate::machine::{OpError, Operation, Outcome};
use crate::metadata::{MetadataAnswer, MetadataQuery};
use crate::payload::Extent;
use crate::refusal::Refusal;
use crate::tables::Holder;
use alloc::boxed::Box;

impl Step<'_> {
    /// The session under whose lock a file is about to be changed. Refused if locks of it were lost, and
    /// their owner does not know yet.
    pub(super) fn session_for(
        &self,
        file: Option<FileId>,
    ) -> Result<Option<ClientSession>, Refusal> {
        let Some(file) = file else { return Ok(None) };
        if self.rights.has_lost(file) {
            return Err(Refusal::SessionEnded);
        }
        Ok(self.rights.locked_under(self.cx.now, file))
    }

    /// A lock is requested in one session, and in the next one if that ends before it is answered. What
    /// is to be unlocked went with its session.
    pub(super) fn lock(
        &mut self,
        id: TaskId,
        file: FileId,
        owner: LockOwner,
        (range, kind): (Extent, Option<LockKind>),
    ) -> Next {
        // In the order of the log an owner has what it locked or unlocked last: one at a time.
        if self.tasks.locks_under_way(id, file, owner) {
            return Next::BackOff { refusal: None, why: "the owner locks or unlocks already" };
        }
        let session = self.rights.session(self.cx.now);
        let pinned = self.tasks.get(id).session;
        if pinned.is_some() && pinned != session {
            self.tasks.get_mut(id).session = None;
            return Next::ContinueRenumbered;
        }
        let Some(session) = session else {
            if kind.is_some() {
                return Next::Need(Lookup::Session);
            }
            self.rights.forget_lost(file, owner);
            return Next::Ended(Ok(Outcome::Metadata(MetadataAnswer::Done)));
        };
        // What is given up is not believed in from before it is sent on.
        let (cx, holder, first) = (&mut self.cx, Holder { session, owner }, pinned.is_none());
        match kind {
            None if first => self.rights.give_up(cx, file, holder, range),
            Some(LockKind::Shared) if first => self.rights.suspend(cx, file, holder, range),
            None | Some(_) => {}
        }
        self.tasks.get_mut(id).session = Some(session);
        self.caller(id).call()
    }

    /// Mutations that began under a lock end with its session.
    pub(super) fn end_lost(&mut self) {
        while self.rights.take_ended() {
            let session = self.rights.session(self.cx.now);
            for id in self.tasks.mutations_under_others_than(session) {
                self.refuse(id, Refusal::SessionEnded);
            }
            // Nor is it renewed any more.
            for id in self.tasks.renewals_of_others_than(session) {
                let ended = OpError::TimedOut { maybe: false, last: Some(Refusal::SessionEnded) };
                match self.tasks.get(id).kind.is_request() {
                    true => self.respond(id, Err(ended)),
                    false => self.conclude(id, Next::Found),
                }
            }
            self.run_ready();
        }
    }

    /// Sends a sign of life when one is due.
    pub(super) fn renew_session(&mut self) {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let Some(session) = self.rights.renewal_due(now, constants) else { return };
        let op = Operation::Query(MetadataQuery::RenewSession { session });
        // A later one counts from a later time.
        let ends_at = now + constants.lease_renew_interval;
        let (origin, caller) = (Origin::Session, Box::default());
        self.tasks.start(TaskKind::Request { origin, caller, op }, ends_at);
        self.run_ready();
    }

    pub(super) fn renew_for(&mut self, id: TaskId) -> Next {
        let pinned = self.tasks.get(id).session;
        let session = self.rights.session(self.cx.now);
        if session.is_none() || pinned.is_some_and(|pinned| Some(pinned) != session) {
            return Next::Found;
        }
        self.tasks.get_mut(id).session = session;
        self.caller(id).call()
    }
}

/// The file whose bytes an operation changes.
pub(super) fn changed_file(op: &Operation) -> Option<FileId> {
    match op {
        Operation::Write { file, .. }
        | Operation::Append { file, .. }
        | Operation::Cut { file, .. }
        | Operation::Retire { file, .. } => Some(*file),
        Operation::Change(_)
        | Operation::Query(_)
        | Operation::Lock { .. }
        | Operation::Conflict { .. }
        | Operation::Read { .. } => None,
    }
}
