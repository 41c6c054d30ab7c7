//! Calls of masters: changes, queries, and the lookups that masters answer.

use super::lookup::Lookup;
use super::next::Next;
use super::routes::{Masters, Routes};
use super::task::{Stage, Task, TaskKind};
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{FileId, NodeId};
use crate::machine::{Operation, Outcome};
use crate::message::MasterRequest;
use crate::message::call;
use crate::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use crate::refusal::Refusal;
use alloc::format;

/// A master is called this often before another one is.
const CALLED_MAX: u32 = 2;

/// Chunks that one write adds before its own at the most: a larger gap would be filled chunk by
/// chunk for as long as the operation lasts.
const GAP_CHUNKS_MAX: u64 = 1_024;

/// A task that needs something from a master.
pub(super) struct Caller<'a> {
    pub cx: Cx<'a>,
    pub task: &'a mut Task,
    pub acked_below: u64,
    pub masters: &'a mut Masters,
    pub routes: &'a mut Routes,
}

impl Caller<'_> {
    /// Calls the master that leads, as far as known.
    pub fn call(&mut self) -> Next {
        self.send(1)
    }

    fn send(&mut self, sent: u32) -> Next {
        let to = self.masters.current();
        let request = self.request();
        self.task.copies += u32::from(matches!(request, MasterRequest::Change(_)));
        self.task.stage = Stage::Calling { to, sent };
        let (op, acked_below) = (self.task.op(self.cx.node), self.acked_below);
        self.cx.send(to, call::Request { op, acked_below, request });
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
            TaskKind::Lookup(Lookup::Extend { file, .. }) => {
                // The core has no wall clock; zero leaves the file's time as it is.
                let index = self.task.at;
                let change = MetadataChange::AddChunk { file: *file, index, mtime_ms: 0 };
                MasterRequest::Change(change)
            }
            TaskKind::Request { .. } | TaskKind::Lookup(Lookup::Seal { .. }) => {
                unreachable!("not for a master")
            }
        }
    }

    /// DESIGN "Length": a chunk is added after the last one, and only once that is sealed, so that
    /// no append can land before it any more.
    pub fn extend(&mut self, file: FileId, index: u64) -> Next {
        // Until it is answered, the open AddChunk stays what it is: its number stands for one
        // place, and the master answers by number.
        if self.task.reached() {
            return self.call();
        }
        let Some(count) = self.routes.tail(file) else {
            return Next::Need(Lookup::Tail { file });
        };
        if count > index {
            return Next::Found;
        }
        if index - count > GAP_CHUNKS_MAX && self.task.extended == 0 {
            let why = format!("a write leaves a gap of {GAP_CHUNKS_MAX} chunks at the most");
            return Next::Refused(Refusal::Invalid(why));
        }
        if let Some(last) = count.checked_sub(1)
            && !self.routes.is_sealed(file, last)
        {
            return Next::Need(Lookup::Seal { file, index: last });
        }
        self.task.at = count;
        self.call()
    }

    /// One of the chunks is there; the next is another operation.
    fn extended(&mut self) -> Next {
        self.task.attempt = 0;
        Next::ContinueRenumbered
    }

    /// The query may be parked there until a chunk has its primary; or the master is gone.
    pub fn on_silence(&mut self, to: NodeId, sent: u32) -> Next {
        if sent.is_multiple_of(CALLED_MAX) {
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
            (TaskKind::Request { .. }, answer) => Next::Ended(Ok(Outcome::Metadata(answer))),
            (
                TaskKind::Lookup(Lookup::Locate { file, index, primary }),
                MetadataAnswer::Location(location),
            ) => {
                if *primary && location.primary.is_none() {
                    let (refusal, why) = (Some(Refusal::NotPrimary), "a chunk has no primary");
                    return Next::BackOff { refusal, why };
                }
                self.routes.learn(*file, *index, location);
                Next::Found
            }
            (TaskKind::Lookup(Lookup::Tail { file }), MetadataAnswer::File(info)) => {
                self.routes.learn_tail(*file, info.chunks);
                Next::Found
            }
            (TaskKind::Lookup(Lookup::Extend { file, .. }), MetadataAnswer::Chunk(_)) => {
                self.task.extended += 1;
                self.routes.learn_tail(*file, self.task.at + 1);
                self.extended()
            }
            // An answer to another question.
            (
                TaskKind::Lookup(_),
                MetadataAnswer::Location(_)
                | MetadataAnswer::File(_)
                | MetadataAnswer::Chunk(_)
                | MetadataAnswer::Done
                | MetadataAnswer::List { .. }
                | MetadataAnswer::Chunks { .. }
                | MetadataAnswer::Status(_)
                | MetadataAnswer::Constants(_)
                | MetadataAnswer::SafeMode(_),
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
        if let (TaskKind::Lookup(Lookup::Extend { file, .. }), Refusal::NotNextChunk { chunks }) =
            (&self.task.kind, &refusal)
        {
            let file = *file;
            self.routes.forget_tail(file);
            self.routes.learn_tail(file, *chunks);
            return self.extended();
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

impl TaskKind {
    fn is_for_master(&self) -> bool {
        match self {
            TaskKind::Request { op, .. } => match op {
                Operation::Change(_) | Operation::Query(_) => true,
                Operation::Write { .. } | Operation::Append { .. } | Operation::Read { .. } => {
                    false
                }
            },
            TaskKind::Lookup(Lookup::Seal { .. }) => false,
            TaskKind::Lookup(
                Lookup::Locate { .. } | Lookup::Tail { .. } | Lookup::Extend { .. },
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
        | Refusal::Sealed
        | Refusal::Lost => false,
    }
}
