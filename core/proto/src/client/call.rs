//! Calls of masters: changes, queries, and the lookups that masters answer.

use super::lookup::Lookup;
use super::next::Next;
use super::rights::Rights;
use super::routes::{Masters, Routes, Tail};
use super::task::{Stage, Task, TaskKind};
use crate::attributes::Caller;
use crate::cx::Cx;
use crate::event::Event;
use crate::file::check_slot;
use crate::ids::{ClientSession, FileId, NodeId};
use crate::locks::Lock;
use crate::machine::{Operation, Outcome};
use crate::message::MasterRequest;
use crate::message::call;
use crate::metadata::{FileKind, FileSpec, MetadataAnswer, MetadataChange, MetadataQuery};
use crate::refusal::Refusal;
use crate::tables::Holder;
use alloc::boxed::Box;

/// A master is called this often before another one is.
const CALLED_MAX: u32 = 2;

/// A task that needs something from a master.
pub(super) struct MasterCall<'a> {
    pub cx: Cx<'a>,
    pub task: &'a mut Task,
    pub acked_below: u64,
    pub masters: &'a mut Masters,
    pub routes: &'a mut Routes,
    pub rights: &'a mut Rights,
}

impl MasterCall<'_> {
    /// Calls the master that leads, as far as known.
    pub fn call(&mut self) -> Next {
        self.send(1)
    }

    fn send(&mut self, sent: u32) -> Next {
        let to = self.masters.current();
        let request = self.request();
        if self.task.kind.is_about_locks() {
            self.rights.use_at(self.cx.now);
        }
        if grants_session(&request) {
            self.rights.requested(&self.cx, self.task.number);
        }
        self.task.copies += u32::from(matches!(request, MasterRequest::Change(_)));
        self.task.stage = Stage::Calling { to, sent };
        let (op, acked_below) = (self.task.op(self.cx.node), self.acked_below);
        let caller = self.task.kind.caller();
        self.cx.send(to, call::Request { op, acked_below, caller, request });
        let constants = self.cx.constants;
        let longest = constants.backoff_max.max(constants.retry_interval);
        let doubled = 1_u32.checked_shl(sent - 1).unwrap_or(u32::MAX);
        Next::ReplyWithin(constants.retry_interval.saturating_mul(doubled).min(longest))
    }

    fn request(&self) -> MasterRequest {
        match &self.task.kind {
            TaskKind::Request { op: Operation::Change(change), .. } => {
                MasterRequest::Change(change.clone())
            }
            TaskKind::Request { op: Operation::Query(query), .. } => {
                MasterRequest::Query(query.clone())
            }
            TaskKind::Lookup(Lookup::Locate { file, index, primary }) => {
                let stale = self.routes.stale(*file, *index);
                let (file, index, primary) = (*file, *index, *primary);
                MasterRequest::Query(MetadataQuery::Locate { file, index, primary, stale })
            }
            TaskKind::Lookup(Lookup::Tail { file }) => {
                MasterRequest::Query(MetadataQuery::StatFile { file: *file })
            }
            TaskKind::Lookup(Lookup::Extend { file, index }) => {
                let ((file, index), (slots, epoch)) = ((*file, *index), self.task.seen);
                let change = MetadataChange::AddChunk { file, index, slots, epoch };
                MasterRequest::Change(change)
            }
            TaskKind::Lookup(Lookup::Drop { file, chunk, .. }) => {
                let (file, length, retired) = (*file, u64::MAX, [*chunk].into());
                MasterRequest::Change(MetadataChange::Truncate { file, length, retired })
            }
            TaskKind::Lookup(Lookup::Session) => {
                MasterRequest::Change(MetadataChange::BeginSession)
            }
            TaskKind::Lookup(Lookup::Renew) => {
                let session = self.task.session.unwrap_or_default();
                MasterRequest::Query(MetadataQuery::RenewSession { session })
            }
            TaskKind::Request { op: Operation::Lock { file, owner, range, kind }, .. } => {
                let session = self.task.session.unwrap_or_default();
                let (file, range, holder) = (*file, *range, Holder { session, owner: *owner });
                MasterRequest::Change(match *kind {
                    Some(kind) => MetadataChange::Lock { file, holder, range, kind },
                    None => MetadataChange::Unlock { file, holder, range },
                })
            }
            TaskKind::Request {
                op: Operation::Conflict { file, owner, range, kind, wait },
                ..
            } => {
                // Without a session the owner has no locks, and conflicts with all of others.
                let session = self.rights.session(self.cx.now).unwrap_or_default();
                let (file, range, holder) = (*file, *range, Holder { session, owner: *owner });
                let (kind, wait) = (*kind, *wait);
                MasterRequest::Query(MetadataQuery::Conflict { file, holder, range, kind, wait })
            }
            TaskKind::Request { .. } | TaskKind::Lookup(Lookup::Seal { .. }) => {
                unreachable!("not for a master")
            }
        }
    }

    /// DESIGN "Length": a chunk is added behind the last one only once that is sealed, so that no
    /// append can land before it any more. A hole before the last one is filled at once.
    pub fn extend(&mut self, file: FileId, index: u64) -> Next {
        // Until it is answered, the open AddChunk stays what it is: the master answers by number.
        if self.task.reached() {
            return self.call();
        }
        let Some(Tail { slots, epoch, chunk_bytes }) = self.routes.tail(file) else {
            return Next::Need(Lookup::Tail { file });
        };
        if let Err(refusal) = check_slot(index, chunk_bytes) {
            return Next::Refused(refusal);
        }
        if let Some(last) = slots.checked_sub(1).filter(|last| *last < index) {
            if let Some(chunk) = self.routes.retired(file, last) {
                return Next::Need(Lookup::Drop { file, index: last, chunk });
            }
            if !self.routes.is_fenced(file, last) {
                return Next::Need(Lookup::Seal { file, index: last, epoch });
            }
        }
        self.task.seen = (slots, epoch);
        self.call()
    }

    /// The query may be parked there until a chunk has its primary; or the master is gone.
    pub fn on_silence(&mut self, to: NodeId, sent: u32) -> Next {
        if sent.is_multiple_of(CALLED_MAX) && !self.task.kind.waits_for_a_lock() {
            self.masters.not(to, None);
        }
        let op = self.task.op(self.cx.node);
        self.cx.observe(Event::Retried { op, why: "a master is silent" });
        self.send(sent.saturating_add(1))
    }

    pub fn on_reply(&mut self, from: NodeId, answer: Result<MetadataAnswer, Refusal>) -> Next {
        let fits = answer.as_ref().map_or(true, |answer| self.task.kind.fits_answer(answer));
        if !self.task.kind.is_for_master() || !fits {
            return Next::Unchanged;
        }
        match answer {
            // Good at any time: it answers this operation, whichever master sent it.
            Ok(answer) => self.on_answer(answer),
            Err(Refusal::PerhapsForgotten { below }) => Next::NumberTooLow { below },
            Err(refusal) if is_passing(&refusal) => self.on_try_again(from, refusal),
            Err(refusal) => self.on_refused(refusal),
        }
    }

    fn on_answer(&mut self, answer: MetadataAnswer) -> Next {
        match (&self.task.kind, answer) {
            (
                TaskKind::Request {
                    op: Operation::Query(MetadataQuery::RenewSession { session }),
                    ..
                },
                answer @ MetadataAnswer::Renewed(term),
            ) => {
                let session = *session;
                self.rights.renewed(&mut self.cx, self.task.number, session, term);
                Next::Ended(Ok(Outcome::Metadata(answer)))
            }
            (
                TaskKind::Request { op: Operation::Lock { file, owner, range, kind }, .. },
                answer,
            ) => {
                let (file, owner, range) = (*file, *owner, *range);
                let holder = Holder { session: self.task.session.unwrap_or_default(), owner };
                let kept = kind.is_none_or(|kind| {
                    self.rights.lock(&mut self.cx, file, Lock { holder, range, kind })
                });
                if kept {
                    Next::Ended(Ok(Outcome::Metadata(answer)))
                } else {
                    Next::ContinueRenumbered
                }
            }
            (TaskKind::Lookup(Lookup::Session), MetadataAnswer::Session { session, term }) => {
                self.rights.begun(&mut self.cx, self.task.number, session, term);
                Next::Found
            }
            (TaskKind::Lookup(Lookup::Renew), MetadataAnswer::Renewed(term)) => {
                let session = self.task.session.unwrap_or_default();
                self.rights.renewed(&mut self.cx, self.task.number, session, term);
                Next::Found
            }
            (TaskKind::Request { op, .. }, answer) => {
                if let (
                    Operation::Change(MetadataChange::Truncate { file, .. }),
                    MetadataAnswer::Truncated { chunks, epoch, .. },
                ) = (op, &answer)
                {
                    self.routes.learn_cut(*file, *chunks, *epoch);
                }
                Next::Ended(Ok(Outcome::Metadata(answer)))
            }
            (
                TaskKind::Lookup(Lookup::Locate { file, index, primary }),
                MetadataAnswer::Location(location),
            ) => {
                if *primary && location.primary.is_none() {
                    let (refusal, why) = (Some(Refusal::NotPrimary), "a chunk has no primary");
                    return Next::BackOff { refusal, why };
                }
                self.routes.learn(*file, *index, location, self.task.number);
                Next::Found
            }
            (TaskKind::Lookup(Lookup::Tail { file }), MetadataAnswer::File(info)) => {
                if let FileKind::File(FileSpec { chunk_bytes, .. }) = info.kind {
                    let (slots, epoch) = (info.chunks, info.epoch);
                    self.routes.learn_tail(*file, Tail { slots, epoch, chunk_bytes });
                }
                Next::Found
            }
            (TaskKind::Lookup(Lookup::Extend { file, index }), MetadataAnswer::Chunk(_)) => {
                let (slots, epoch) = self.task.seen;
                // A chunk behind a hole shows: the file is longer.
                self.task.extended += 1 + u64::from(*index > slots);
                self.routes.learn_cut(*file, slots.max(index + 1), epoch);
                Next::Found
            }
            (
                TaskKind::Lookup(Lookup::Drop { file, index, chunk }),
                MetadataAnswer::Truncated { .. },
            ) => {
                self.routes.dropped(*file, *index, *chunk);
                Next::Found
            }
            // An answer to another question.
            (
                TaskKind::Lookup(_),
                MetadataAnswer::Location(_)
                | MetadataAnswer::File(_)
                | MetadataAnswer::Chunk(_)
                | MetadataAnswer::Done
                | MetadataAnswer::List { .. }
                | MetadataAnswer::Trash { .. }
                | MetadataAnswer::Chunks { .. }
                | MetadataAnswer::Status(_)
                | MetadataAnswer::Constants(_)
                | MetadataAnswer::SafeMode(_)
                | MetadataAnswer::Bytes(_)
                | MetadataAnswer::Xattrs(_)
                | MetadataAnswer::Session { .. }
                | MetadataAnswer::Renewed(_)
                | MetadataAnswer::Conflict(_)
                | MetadataAnswer::Truncated { .. },
            ) => Next::Unchanged,
        }
    }

    /// Refused for now. Only the reply to the open call counts: a second copy of an older one must
    /// not select yet another master.
    fn on_try_again(&mut self, from: NodeId, refusal: Refusal) -> Next {
        let Stage::Calling { to, .. } = self.task.stage else { return Next::Unchanged };
        if to != from {
            return Next::Unchanged;
        }
        if let Refusal::NotLeader { leader } = refusal {
            self.masters.not(from, leader);
            return Next::BackOff { refusal: Some(refusal), why: "another master leads" };
        }
        Next::BackOff { refusal: Some(refusal), why: "a master refused for now" }
    }

    fn on_refused(&mut self, refusal: Refusal) -> Next {
        if refusal == Refusal::SessionEnded {
            return self.on_session_ended();
        }
        if let TaskKind::Request { op: Operation::Lock { file, owner, .. }, .. } = &self.task.kind {
            let (file, owner) = (*file, *owner);
            self.rights.resume(&mut self.cx, file, owner);
        }
        if let (TaskKind::Lookup(Lookup::Extend { file, .. }), Refusal::NotNextChunk { .. }) =
            (&self.task.kind, &refusal)
        {
            // Others have extended or truncated the file since: whoever needs the chunk looks again,
            // and may need another.
            self.routes.forget_tail(*file);
            return Next::Found;
        }
        // The chunk may have been added under the forgotten reply.
        self.task.extended += u64::from(refusal == Refusal::Forgotten && self.task.reached());
        if refusal == Refusal::Forgotten && self.task.kind.is_change() {
            // There was a reply, and it is forgotten: what it said cannot be learned any more.
            return Next::unknown(refusal);
        }
        // A master remembers its refusal of a change: no retry will succeed.
        self.task.copies = 0;
        Next::Refused(refusal)
    }
}

impl MasterCall<'_> {
    /// The session of this request is over, and with it whatever it was about.
    fn on_session_ended(&mut self) -> Next {
        if let Some(session) = self.task.kind.renews().or(self.task.session) {
            self.rights.end_this(&mut self.cx, session);
        }
        match &self.task.kind {
            TaskKind::Lookup(_) => Next::Found,
            TaskKind::Request { op: Operation::Lock { .. }, .. } => Next::ContinueRenumbered,
            TaskKind::Request { .. } => Next::Refused(Refusal::SessionEnded),
        }
    }
}

/// Is the answer to this a grant of a session?
fn grants_session(request: &MasterRequest) -> bool {
    matches!(
        request,
        MasterRequest::Change(MetadataChange::BeginSession)
            | MasterRequest::Query(MetadataQuery::RenewSession { .. })
    )
}

impl TaskKind {
    fn is_about_locks(&self) -> bool {
        let TaskKind::Request { op, .. } = self else { return false };
        matches!(op, Operation::Lock { .. } | Operation::Conflict { .. })
    }

    /// It is answered when a lock is free, which may take long.
    fn waits_for_a_lock(&self) -> bool {
        matches!(self, TaskKind::Request { op: Operation::Conflict { wait: true, .. }, .. })
    }

    /// The session that it renews, if it names one.
    fn renews(&self) -> Option<ClientSession> {
        match self {
            TaskKind::Request {
                op: Operation::Query(MetadataQuery::RenewSession { session }),
                ..
            } => Some(*session),
            TaskKind::Request { .. } | TaskKind::Lookup(_) => None,
        }
    }

    /// Who calls. A lookup is made for several tasks, by the client itself, which has no clock: it
    /// leaves times as they are.
    fn caller(&self) -> Box<Caller> {
        match self {
            TaskKind::Request { caller, .. } => caller.clone(),
            TaskKind::Lookup(_) => Box::default(),
        }
    }

    fn is_for_master(&self) -> bool {
        match self {
            TaskKind::Request { op, .. } => match op {
                Operation::Change(_)
                | Operation::Query(_)
                | Operation::Lock { .. }
                | Operation::Conflict { .. } => true,
                Operation::Write { .. }
                | Operation::Append { .. }
                | Operation::Cut { .. }
                | Operation::Retire { .. }
                | Operation::Read { .. } => false,
            },
            TaskKind::Lookup(Lookup::Seal { .. }) => false,
            TaskKind::Lookup(
                Lookup::Locate { .. }
                | Lookup::Tail { .. }
                | Lookup::Extend { .. }
                | Lookup::Drop { .. }
                | Lookup::Session
                | Lookup::Renew,
            ) => true,
        }
    }

    fn is_change(&self) -> bool {
        matches!(self, TaskKind::Request { op: Operation::Change(_), .. })
    }
}

/// True if a master may say otherwise later.
fn is_passing(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::NotLeader { .. }
        | Refusal::NoServers
        | Refusal::Stale { .. }
        | Refusal::NotPrimary
        | Refusal::NoSpace
        | Refusal::DiskFailed
        | Refusal::Corrupt
        | Refusal::Busy => true,
        Refusal::NotFound
        | Refusal::AlreadyExists
        | Refusal::NotADirectory
        | Refusal::IsADirectory
        | Refusal::DirectoryNotEmpty
        | Refusal::Invalid(_)
        | Refusal::NotNextChunk { .. }
        | Refusal::TooLarge { .. }
        | Refusal::Forgotten
        | Refusal::PerhapsForgotten { .. }
        | Refusal::IdentitiesExhausted
        | Refusal::PermissionDenied
        | Refusal::NotPermitted
        | Refusal::SymlinkLoop
        | Refusal::TooManyLinks
        | Refusal::NameTooLong
        | Refusal::NoAttribute
        | Refusal::AttributesTooLarge
        | Refusal::NotSupported
        | Refusal::Sealed
        | Refusal::Retired
        | Refusal::Overtaken
        | Refusal::Locked
        | Refusal::SessionEnded
        | Refusal::TooManyLocks
        | Refusal::Lost => false,
    }
}
