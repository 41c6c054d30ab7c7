//! Reads: strong ones at the primary, relaxed ones at the members in turn.

use super::Client;
use super::backoff;
use super::errand::Errand;
use super::job::{Goal, JobId, Stage};
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::machine::{Effects, Operation, Outcome};
use crate::message::ReadMode;
use crate::message::data;
use crate::metadata::Location;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::time::Time;

/// A read waits for disks: it is given this many `retry_interval`s.
const PATIENCE: u32 = 4;
/// A silent primary is asked this often before the master is.
const ASKED_MAX: u32 = 2;

impl Client {
    pub(super) fn advance_read(
        &mut self,
        now: Time,
        id: JobId,
        file: FileId,
        index: u64,
        mode: ReadMode,
        out: &mut Effects,
    ) {
        if let Some((_, refusal)) = self.job(id).failed.take() {
            return self.refuse(id, refusal, out);
        }
        let location = self.routes.location(file, index);
        match location.and_then(|l| Some((l.clone(), self.reader(id, mode, l)?))) {
            Some((location, to)) => self.read_at(now, id, &location, to, 1, out),
            None => {
                // A chunk that nobody wrote to has no members: it gets them with its primary.
                let empty = location.is_some_and(|l| l.members.is_empty());
                let primary = mode == ReadMode::Strong || empty;
                self.wait_for(id, Errand::Locate { file, index, primary });
            }
        }
    }

    /// Whom to ask. Clients begin at different members, so that these share the work.
    fn reader(&self, id: JobId, mode: ReadMode, location: &Location) -> Option<NodeId> {
        let job = &self.jobs[&id];
        match mode {
            ReadMode::Strong => location.primary,
            ReadMode::Relaxed => {
                let count = location.members.len() as u64;
                let first = backoff::mix(self.config.node, job.number, 0).checked_rem(count)?;
                let place = (first + u64::from(job.attempt)) % count;
                let place = usize::try_from(place).expect("below the length of a list");
                Some(location.members[place])
            }
        }
    }

    fn read_at(
        &mut self,
        now: Time,
        id: JobId,
        location: &Location,
        to: NodeId,
        sent: u32,
        out: &mut Effects,
    ) {
        let (chunk, version) = (location.chunk, location.version);
        let Goal::Request { op: Operation::Read { extent, mode, .. }, .. } = &self.jobs[&id].goal
        else {
            unreachable!("routed by goal")
        };
        let (extent, mode, op) = (*extent, *mode, self.op_id(self.jobs[&id].number));
        let job = self.job(id);
        job.chunk = Some(chunk);
        job.stage = Stage::Reading { to, version, sent };
        let doublings = job.attempt.min(3);
        self.send(to, data::Read { op, chunk, version, extent, mode }, out);
        self.arm(id, now + self.config.constants.retry_interval * (PATIENCE << doublings));
    }

    /// Messages get lost: the only reader that will do is asked once more before the master is
    /// bothered. Where another one will do, that one is asked.
    pub(super) fn on_reader_silence(&mut self, now: Time, id: JobId, out: &mut Effects) {
        let Stage::Reading { to, version, sent } = self.jobs[&id].stage else {
            unreachable!("only a read is not answered")
        };
        let (file, index, mode) = self.reads(id);
        let known = self.routes.location(file, index).cloned();
        let same = known.filter(|l| l.version == version && l.primary == Some(to));
        match same {
            Some(location) if mode == ReadMode::Strong && sent < ASKED_MAX => {
                let op = self.op_id(self.jobs[&id].number);
                out.observe(Event::Retried { op, why: "a primary is silent" });
                self.read_at(now, id, &location, to, sent + 1, out);
            }
            Some(_) | None => self.read_elsewhere(now, id, version, None, out),
        }
    }

    fn reads(&self, id: JobId) -> (FileId, u64, ReadMode) {
        match &self.jobs[&id].goal {
            Goal::Request { op: Operation::Read { file, index, mode, .. }, .. } => {
                (*file, *index, *mode)
            }
            Goal::Request { .. } | Goal::Errand(_) => unreachable!("not a read"),
        }
    }

    pub(super) fn on_read(
        &mut self,
        now: Time,
        id: JobId,
        from: NodeId,
        chunk: ChunkHandle,
        result: Result<(u64, Payload), Refusal>,
        out: &mut Effects,
    ) {
        let job = &self.jobs[&id];
        if job.chunk != Some(chunk) {
            return;
        }
        match (result, &job.stage) {
            // Good at any time: it was read after it was asked for.
            (Ok((chunk_length, payload)), _) => {
                self.respond(id, Ok(Outcome::Read { payload, chunk_length }), out);
            }
            (Err(refusal), _) if is_final(&refusal) => self.refuse(id, refusal, out),
            (Err(refusal), Stage::Reading { to, version, .. }) if *to == from => {
                let version = *version;
                self.read_elsewhere(now, id, version, Some(refusal), out);
            }
            (Err(_), _) => {}
        }
    }

    /// The next member at once; after the last one, and for a strong read, the master is asked.
    fn read_elsewhere(
        &mut self,
        now: Time,
        id: JobId,
        version: ChunkVersion,
        refusal: Option<Refusal>,
        out: &mut Effects,
    ) {
        let (file, index, mode) = self.reads(id);
        let members = self.routes.location(file, index).map_or(0, |l| l.members.len());
        let tried = self.jobs[&id].attempt as usize + 1;
        if mode == ReadMode::Relaxed && members > 0 && !tried.is_multiple_of(members) {
            let job = self.job(id);
            job.attempt += 1;
            job.note(refusal);
            let op = job.number;
            out.observe(Event::Retried { op: self.op_id(op), why: "another member is read" });
            return self.make_ready(id);
        }
        if refusal != Some(Refusal::Busy) {
            self.routes.forget(file, index, version);
        }
        self.pause(now, id, refusal, "a chunk is looked up again", out);
    }
}

/// True if it depends on the question alone, or nothing is left to read.
fn is_final(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::TooLarge { .. } | Refusal::Invalid(_) | Refusal::Lost)
}
