//! What several jobs need and one does for all: where a chunk is, how many chunks a file has, one
//! more chunk, the end of a chunk.

use super::Client;
use super::job::{Goal, JobId, Stage};
use crate::ids::FileId;
use crate::machine::Effects;
use crate::refusal::Refusal;
use crate::time::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Errand {
    /// Find out where a chunk is.
    Locate { file: FileId, index: u64, primary: bool },
    /// Find out how many chunks a file has.
    Tail { file: FileId },
    /// See to it that the file has the chunk `index`.
    Extend { file: FileId, index: u64 },
    /// See to it that no append fits into the chunk.
    Seal { file: FileId, index: u64 },
}

impl Client {
    /// Lets `id` wait until `errand` is done, and sets it going if nobody has.
    pub(super) fn wait_for(&mut self, id: JobId, errand: Errand) {
        let runs = self.errands.get(&errand).copied();
        let runner = runs.unwrap_or_else(|| {
            let runner = self.start(Goal::Errand(errand), Time::NEVER);
            self.errands.insert(errand, runner);
            self.make_ready(runner);
            runner
        });
        self.job(runner).waiters.insert(id);
        self.job(id).stage = Stage::Waiting(errand);
        self.arm(id, Time::NEVER);
    }

    pub(super) fn advance_errand(
        &mut self,
        now: Time,
        id: JobId,
        errand: Errand,
        out: &mut Effects,
    ) {
        if let Some((_, refusal)) = self.job(id).failed.take() {
            return self.refuse(id, refusal, out);
        }
        match errand {
            Errand::Locate { .. } | Errand::Tail { .. } => self.ask(now, id, out),
            Errand::Extend { file, index } => self.advance_extend(now, id, file, index, out),
            Errand::Seal { file, index } => self.mutate_at(now, id, file, index, out),
        }
    }

    /// DESIGN "Length": a chunk is added after the last one, and only once that is sealed, so that
    /// no append can land before it any more.
    fn advance_extend(
        &mut self,
        now: Time,
        id: JobId,
        file: FileId,
        index: u64,
        out: &mut Effects,
    ) {
        // Until it is answered, the open AddChunk stays what it is: its number stands for one
        // place, and the master answers by number.
        if self.jobs[&id].reached() {
            return self.ask(now, id, out);
        }
        let Some(count) = self.routes.tail(file) else {
            return self.wait_for(id, Errand::Tail { file });
        };
        if count > index {
            return self.end_errand(id, Ok(()));
        }
        if let Some(last) = count.checked_sub(1)
            && !self.routes.is_sealed(file, last)
        {
            return self.wait_for(id, Errand::Seal { file, index: last });
        }
        self.job(id).at = count;
        self.ask(now, id, out);
    }

    /// One of the chunks is there; the next is another operation.
    pub(super) fn go_on_extending(&mut self, id: JobId) {
        self.renumber(id);
        self.job(id).attempt = 0;
        self.make_ready(id);
    }

    /// Tells everybody who waited.
    pub(super) fn end_errand(&mut self, id: JobId, result: Result<(), Refusal>) {
        let job = self.remove(id);
        let Goal::Errand(errand) = job.goal else { unreachable!("only errands end so") };
        self.errands.remove(&errand);
        if let Stage::Waiting(other) = job.stage {
            self.leave_errand(id, other);
        }
        for waiter in job.waiters {
            assert_eq!(self.jobs[&waiter].stage, Stage::Waiting(errand), "it waits for this");
            self.job(waiter).failed = result.clone().err().map(|refusal| (errand, refusal));
            self.make_ready(waiter);
        }
    }

    /// An answer came for `id` itself before the errand that it waits for was done.
    pub(super) fn stop_waiting(&mut self, id: JobId) {
        if let Stage::Waiting(errand) = self.jobs[&id].stage {
            self.job(id).stage = Stage::Ready;
            self.leave_errand(id, errand);
        }
    }

    /// `id` is not there to wait any more. An errand for nobody is given up.
    pub(super) fn leave_errand(&mut self, id: JobId, errand: Errand) {
        let Some(runner) = self.errands.get(&errand).copied() else { return };
        self.job(runner).waiters.remove(&id);
        if !self.jobs[&runner].waiters.is_empty() {
            return;
        }
        let job = self.remove(runner);
        self.errands.remove(&errand);
        if let Stage::Waiting(other) = job.stage {
            self.leave_errand(runner, other);
        }
    }
}
