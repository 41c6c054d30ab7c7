//! Asking masters: changes, questions, locations.

use super::Client;
use super::errand::Errand;
use super::job::{Goal, JobId, Stage};
use crate::event::Event;
use crate::ids::NodeId;
use crate::machine::{Effects, OpError, Operation, Outcome};
use crate::message::MasterRequest;
use crate::message::call;
use crate::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use crate::refusal::Refusal;
use crate::time::Time;

/// A master is asked this often before another one is.
const ASKED_MAX: u32 = 2;

impl Client {
    /// Asks the master that leads, as far as known.
    pub(super) fn ask(&mut self, now: Time, id: JobId, out: &mut Effects) {
        self.ask_again(now, id, 1, out);
    }

    fn ask_again(&mut self, now: Time, id: JobId, sent: u32, out: &mut Effects) {
        let to = self.masters.current();
        let request = self.master_request(id);
        let job = self.job(id);
        job.copies += u32::from(matches!(request, MasterRequest::Change(_)));
        job.stage = Stage::Asking { to, sent };
        let op = self.jobs[&id].number;
        let (op, acked_below) = (self.op_id(op), self.session.acked_below());
        self.send(to, call::Request { op, acked_below, request }, out);
        let constants = &self.config.constants;
        let longest = constants.backoff_max.max(constants.retry_interval);
        let doubled = 1_u32.checked_shl(sent - 1).unwrap_or(u32::MAX);
        let patience = constants.retry_interval.saturating_mul(doubled).min(longest);
        self.arm(id, now + patience);
    }

    fn master_request(&self, id: JobId) -> MasterRequest {
        let job = &self.jobs[&id];
        match &job.goal {
            Goal::Request { op: Operation::Change(change), .. } => {
                MasterRequest::Change(change.clone())
            }
            Goal::Request { op: Operation::Query(query), .. } => {
                MasterRequest::Query(query.clone())
            }
            Goal::Errand(Errand::Locate { file, index, primary }) => {
                let stale = self.routes.stale(*file, *index);
                let (file, index, primary) = (*file, *index, *primary);
                MasterRequest::Query(MetadataQuery::Locate { file, index, primary, stale })
            }
            Goal::Errand(Errand::Tail { file }) => {
                MasterRequest::Query(MetadataQuery::StatFile { file: *file })
            }
            Goal::Errand(Errand::Extend { file, .. }) => {
                // The core has no wall clock; zero leaves the file's time as it is.
                let change = MetadataChange::AddChunk { file: *file, index: job.at, mtime_ms: 0 };
                MasterRequest::Change(change)
            }
            Goal::Request { .. } | Goal::Errand(Errand::Seal { .. }) => {
                unreachable!("not for a master")
            }
        }
    }

    /// The question may be parked there until a chunk has its primary; or the master is gone.
    pub(super) fn on_master_silence(&mut self, now: Time, id: JobId, out: &mut Effects) {
        let Stage::Asking { to, sent } = self.jobs[&id].stage else {
            unreachable!("only a question is not answered")
        };
        if sent.is_multiple_of(ASKED_MAX) {
            self.masters.not(to, None);
        }
        let op = self.op_id(self.jobs[&id].number);
        out.observe(Event::Retried { op, why: "a master is silent" });
        self.ask_again(now, id, sent.saturating_add(1), out);
    }

    pub(super) fn on_answer(
        &mut self,
        now: Time,
        id: JobId,
        from: NodeId,
        answer: Result<MetadataAnswer, Refusal>,
        out: &mut Effects,
    ) {
        if !self.jobs[&id].goal.is_for_master() {
            return;
        }
        match answer {
            // Good at any time: whoever answered, answered this operation.
            Ok(answer) => self.on_told(now, id, answer, out),
            Err(Refusal::PerhapsForgotten { below }) => self.on_perhaps_forgotten(id, below, out),
            Err(refusal) if is_passing(&refusal) => self.on_try_again(now, id, from, refusal, out),
            Err(refusal) => self.on_refused(id, refusal, out),
        }
    }

    fn on_told(&mut self, now: Time, id: JobId, answer: MetadataAnswer, out: &mut Effects) {
        match (&self.jobs[&id].goal, answer) {
            (Goal::Request { .. }, answer) => {
                self.respond(id, Ok(Outcome::Metadata(answer)), out);
            }
            (Goal::Errand(errand), MetadataAnswer::Location(location)) => {
                let Errand::Locate { file, index, primary } = *errand else { return };
                if primary && location.primary.is_none() {
                    let why = "a chunk has no primary";
                    return self.pause(now, id, Some(Refusal::NotPrimary), why, out);
                }
                self.routes.learn(file, index, location);
                self.end_errand(id, Ok(()));
            }
            (Goal::Errand(errand), MetadataAnswer::File(info)) => {
                let Errand::Tail { file } = *errand else { return };
                self.routes.learn_tail(file, info.chunks);
                self.end_errand(id, Ok(()));
            }
            (Goal::Errand(errand), MetadataAnswer::Chunk(_)) => {
                let Errand::Extend { file, .. } = *errand else { return };
                let chunks = self.jobs[&id].at + 1;
                self.routes.learn_tail(file, chunks);
                self.go_on_extending(id);
            }
            // An answer to something else than was asked.
            (
                Goal::Errand(_),
                MetadataAnswer::Done
                | MetadataAnswer::List { .. }
                | MetadataAnswer::Chunks { .. }
                | MetadataAnswer::Status(_)
                | MetadataAnswer::SafeMode(_),
            ) => {}
        }
    }

    /// Refused for now. Only the answer to the question that is open counts: a second copy of an
    /// older one must not turn the wheel again.
    fn on_try_again(
        &mut self,
        now: Time,
        id: JobId,
        from: NodeId,
        refusal: Refusal,
        out: &mut Effects,
    ) {
        let Stage::Asking { to, .. } = self.jobs[&id].stage else { return };
        if to != from {
            return;
        }
        if let Refusal::NotLeader { leader } = refusal {
            self.masters.not(from, leader);
            return self.pause(now, id, Some(refusal), "another master leads", out);
        }
        self.pause(now, id, Some(refusal), "a master refused for now", out);
    }

    fn on_refused(&mut self, id: JobId, refusal: Refusal, out: &mut Effects) {
        if let (Goal::Errand(Errand::Extend { file, .. }), Refusal::NotNextChunk { chunks }) =
            (&self.jobs[&id].goal, &refusal)
        {
            let file = *file;
            self.routes.forget_tail(file);
            self.routes.learn_tail(file, *chunks);
            return self.go_on_extending(id);
        }
        if refusal == Refusal::Forgotten && self.jobs[&id].goal.is_change() {
            // An answer was given and is gone: what it was nobody knows any more.
            let error = OpError::TimedOut { maybe: true, last: Some(refusal) };
            return self.respond(id, Err(error), out);
        }
        // A master remembers its refusal of a change: no retry will succeed.
        self.job(id).copies = 0;
        self.refuse(id, refusal, out);
    }
}

impl Goal {
    fn is_for_master(&self) -> bool {
        match self {
            Goal::Request { op, .. } => match op {
                Operation::Change(_) | Operation::Query(_) => true,
                Operation::Write { .. } | Operation::Append { .. } | Operation::Read { .. } => {
                    false
                }
            },
            Goal::Errand(Errand::Seal { .. }) => false,
            Goal::Errand(Errand::Locate { .. } | Errand::Tail { .. } | Errand::Extend { .. }) => {
                true
            }
        }
    }

    fn is_change(&self) -> bool {
        matches!(self, Goal::Request { op: Operation::Change(_), .. })
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
        | Refusal::Sealed
        | Refusal::Lost => false,
    }
}
