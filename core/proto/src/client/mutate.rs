//! Writes, appends and seals: which chunk, which primary, and what its answer means.

use super::Client;
use super::errand::Errand;
use super::job::{Goal, JobId, Stage};
use crate::event::Event;
use crate::ids::{ChunkHandle, FileId, NodeId};
use crate::machine::{Effects, OpError, Operation, Outcome};
use crate::message::Message;
use crate::message::data;
use crate::metadata::Location;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::MutationKind;
use crate::time::Time;
use alloc::borrow::ToOwned;
use core::time::Duration;

/// A mutation waits for disks on every member: it is given this many `retry_interval`s.
const PATIENCE: u32 = 12;
/// A silent primary is told this often before the master is asked for another.
const TOLD_MAX: u32 = 2;
/// The master gets this many chances to find members with room.
const NO_SPACE_MAX: u32 = 8;

impl Client {
    /// Refuses at the door what nobody could do.
    pub(super) fn check(&self, op: &Operation) -> Result<(), Refusal> {
        let mutation_max = u64::from(self.config.constants.mutation_bytes_max);
        let (length, bytes_max) = match op {
            Operation::Change(_) | Operation::Query(_) | Operation::Read { .. } => return Ok(()),
            Operation::Write { payload, .. } => (payload.len(), mutation_max),
            // GFS §3.3: a record is at most a quarter of a chunk, so that padding stays bounded.
            Operation::Append { payload, chunk_bytes, .. } => {
                (payload.len(), mutation_max.min(chunk_bytes / 4))
            }
        };
        if length == 0 {
            return Err(Refusal::Invalid("there is nothing to write".to_owned()));
        }
        if length > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        Ok(())
    }

    pub(super) fn advance_write(
        &mut self,
        now: Time,
        id: JobId,
        file: FileId,
        index: u64,
        out: &mut Effects,
    ) {
        match self.job(id).failed.take() {
            None => self.mutate_at(now, id, file, index, out),
            // No such chunk, or no such file: whoever extends the file finds out.
            Some((Errand::Locate { .. }, Refusal::NotFound)) if !self.jobs[&id].reached() => {
                self.routes.forget_tail(file);
                self.wait_for(id, Errand::Extend { file, index });
            }
            Some((_, refusal)) => self.refuse(id, refusal, out),
        }
    }

    /// A record belongs into the last chunk. While the answer of one chunk is open the record
    /// stays with it: in two chunks it could stand twice.
    pub(super) fn advance_append(&mut self, now: Time, id: JobId, file: FileId, out: &mut Effects) {
        if let Some((_, refusal)) = self.job(id).failed.take() {
            return self.refuse(id, refusal, out);
        }
        if !self.jobs[&id].reached() {
            let Some(count) = self.routes.tail(file) else {
                return self.wait_for(id, Errand::Tail { file });
            };
            let job = self.job(id);
            job.at = job.at.max(count.saturating_sub(1));
            let index = job.at;
            if index >= count {
                return self.wait_for(id, Errand::Extend { file, index });
            }
        }
        let index = self.jobs[&id].at;
        self.mutate_at(now, id, file, index, out);
    }

    /// Sends the mutation to the chunk's primary, which has to be found first perhaps.
    pub(super) fn mutate_at(
        &mut self,
        now: Time,
        id: JobId,
        file: FileId,
        index: u64,
        out: &mut Effects,
    ) {
        let location = self.routes.location(file, index);
        match location.and_then(|location| Some((location.clone(), location.primary?))) {
            Some((location, primary)) => self.tell(now, id, &location, primary, 1, out),
            None => self.wait_for(id, Errand::Locate { file, index, primary: true }),
        }
    }

    fn tell(
        &mut self,
        now: Time,
        id: JobId,
        location: &Location,
        to: NodeId,
        sent: u32,
        out: &mut Effects,
    ) {
        let (chunk, version) = (location.chunk, location.version);
        let (kind, offset, payload) = self.mutation(id);
        let job = self.job(id);
        job.copies += 1;
        job.chunk = Some(chunk);
        job.stage = Stage::Mutating { to, version, sent };
        let number = job.number;
        let doublings = job.attempt.min(3);
        let (op, acked_below) = (self.op_id(number), self.session.acked_below());
        let message = Message::Data(data::Request::Mutate(data::Mutate {
            op,
            acked_below,
            chunk,
            version,
            kind,
            offset,
            payload,
        }));
        self.send(to, message, out);
        self.arm(id, now + self.patience() * (1 << doublings));
    }

    fn patience(&self) -> Duration {
        self.config.constants.retry_interval * PATIENCE
    }

    fn mutation(&self, id: JobId) -> (MutationKind, u64, Payload) {
        match &self.jobs[&id].goal {
            Goal::Request { op: Operation::Write { offset, payload, .. }, .. } => {
                (MutationKind::Write, *offset, payload.clone())
            }
            Goal::Request { op: Operation::Append { payload, .. }, .. } => {
                (MutationKind::Append, 0, payload.clone())
            }
            Goal::Errand(Errand::Seal { .. }) => (MutationKind::Seal, 0, Payload::default()),
            Goal::Request { .. } | Goal::Errand(_) => unreachable!("not a mutation"),
        }
    }

    /// Where the mutation goes; nothing if this job is none.
    fn mutates(&self, id: JobId) -> Option<(FileId, u64)> {
        let job = &self.jobs[&id];
        match &job.goal {
            Goal::Request { op: Operation::Write { file, index, .. }, .. } => Some((*file, *index)),
            Goal::Request { op: Operation::Append { file, .. }, .. } => Some((*file, job.at)),
            Goal::Errand(Errand::Seal { file, index }) => Some((*file, *index)),
            Goal::Request { .. } | Goal::Errand(_) => None,
        }
    }

    /// Messages get lost: the same primary is told once more before the master is bothered.
    pub(super) fn on_primary_silence(&mut self, now: Time, id: JobId, out: &mut Effects) {
        let Stage::Mutating { to, version, sent } = self.jobs[&id].stage else {
            unreachable!("only a mutation is not answered")
        };
        let (file, index) = self.mutates(id).expect("a job in this stage mutates");
        let known = self.routes.location(file, index).cloned();
        match known.filter(|l| l.version == version && l.primary == Some(to)) {
            Some(location) if sent < TOLD_MAX => {
                let op = self.op_id(self.jobs[&id].number);
                out.observe(Event::Retried { op, why: "a primary is silent" });
                self.tell(now, id, &location, to, sent + 1, out);
            }
            Some(_) | None => {
                self.routes.forget(file, index, version);
                self.pause(now, id, None, "a primary stays silent", out);
            }
        }
    }

    pub(super) fn on_mutated(
        &mut self,
        now: Time,
        id: JobId,
        from: NodeId,
        chunk: ChunkHandle,
        result: Result<Extent, Refusal>,
        out: &mut Effects,
    ) {
        let Some((file, index)) = self.mutates(id) else { return };
        // A late second answer of a chunk that the record has left.
        if self.jobs[&id].chunk != Some(chunk) {
            return;
        }
        match result {
            Ok(extent) => self.on_done(id, file, index, extent, out),
            Err(Refusal::Sealed) => self.on_sealed(now, id, file, index, out),
            Err(Refusal::Forgotten) => self.on_forgotten(id, out),
            Err(Refusal::PerhapsForgotten { below }) => self.on_perhaps_forgotten(id, below, out),
            // These depend on the operation alone: every copy of it was or will be refused.
            Err(refusal @ (Refusal::TooLarge { .. } | Refusal::Invalid(_))) => {
                self.job(id).copies = 0;
                self.refuse(id, refusal, out);
            }
            Err(refusal @ Refusal::Lost) => self.refuse(id, refusal, out),
            Err(refusal) => self.on_not_there(now, id, from, (file, index), refusal, out),
        }
    }

    fn on_done(&mut self, id: JobId, file: FileId, index: u64, extent: Extent, out: &mut Effects) {
        if let Goal::Errand(_) = self.jobs[&id].goal {
            self.routes.seal(file, index);
            return self.end_errand(id, Ok(()));
        }
        self.respond(id, Ok(Outcome::Written { index, extent }), out);
    }

    /// The definitive answer "not in this chunk, and never will be".
    fn on_sealed(&mut self, now: Time, id: JobId, file: FileId, index: u64, out: &mut Effects) {
        match &self.jobs[&id].goal {
            Goal::Errand(_) => {
                self.routes.seal(file, index);
                self.end_errand(id, Ok(()));
            }
            Goal::Request { op: Operation::Append { .. }, .. } => {
                self.stop_waiting(id);
                self.routes.seal(file, index);
                // Others may have added chunks since: the master knows how many.
                self.routes.forget_tail(file);
                let job = self.job(id);
                job.copies = 0;
                job.chunk = None;
                job.at = index + 1;
                let op = job.number;
                out.observe(Event::Retried { op: self.op_id(op), why: "a chunk is sealed" });
                self.make_ready(id);
            }
            Goal::Request { .. } => {
                self.stop_waiting(id);
                self.pause(now, id, Some(Refusal::Sealed), "a sealed chunk takes writes", out);
            }
        }
    }

    fn on_forgotten(&mut self, id: JobId, out: &mut Effects) {
        let refusal = Refusal::Forgotten;
        match self.jobs[&id].goal {
            Goal::Errand(_) => self.end_errand(id, Err(refusal)),
            Goal::Request { .. } => {
                let error = OpError::TimedOut { maybe: true, last: Some(refusal) };
                self.respond(id, Err(error), out);
            }
        }
    }

    /// Refused for now; perhaps somewhere else.
    fn on_not_there(
        &mut self,
        now: Time,
        id: JobId,
        from: NodeId,
        (file, index): (FileId, u64),
        refusal: Refusal,
        out: &mut Effects,
    ) {
        let Stage::Mutating { to, version, .. } = self.jobs[&id].stage else { return };
        if to != from {
            return;
        }
        if refusal == Refusal::NoSpace {
            let job = self.job(id);
            job.no_space += 1;
            if job.no_space >= NO_SPACE_MAX {
                return self.refuse(id, refusal, out);
            }
        }
        if refusal != Refusal::Busy {
            self.routes.forget(file, index, version);
        }
        self.pause(now, id, Some(refusal), "a primary refused for now", out);
    }
}
