//! Writes, appends and seals: which chunk, which primary, and what its reply means.

use super::lookup::Lookup;
use super::next::Next;
use super::rights::{MaySend, Rights};
use super::routes::{Routes, Tail};
use super::task::{Stage, Task, TaskKind};
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::machine::{Operation, Outcome};
use crate::message::{Message, data};
use crate::metadata::Location;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::MutationKind;
use core::cmp::Ordering;

/// A mutation waits for disks on every member: it is given this many `retry_interval`s.
const PATIENCE: u32 = 12;
/// A silent primary gets the mutation this often before the master is asked for another.
const SENT_MAX: u32 = 2;
/// The master gets this many chances to find members with room.
const NO_SPACE_MAX: u32 = 8;

/// A task that changes a chunk.
pub(super) struct Mutator<'a> {
    pub cx: Cx<'a>,
    pub task: &'a mut Task,
    pub acked_below: u64,
    pub routes: &'a mut Routes,
    pub rights: &'a mut Rights,
}

impl Mutator<'_> {
    pub fn write(&mut self, file: FileId, index: u64) -> Next {
        match self.task.failed.take() {
            None => match self.routes.retired(file, index).filter(|_| !self.task.is_in_doubt()) {
                Some(chunk) => Next::Need(Lookup::Drop { file, index, chunk }),
                None => self.mutate(file, index),
            },
            // No such chunk, or no such file: extending the file finds out which.
            Some((Lookup::Locate { .. }, Refusal::NotFound)) if !self.task.is_in_doubt() => {
                self.task.forget_copies();
                self.routes.forget_tail(file);
                Next::Need(Lookup::Extend { file, index })
            }
            Some((_, refusal)) => Next::Refused(refusal),
        }
    }

    /// A record belongs into the last chunk. While the reply of one chunk is open the record
    /// stays with it: in two chunks it could be stored twice.
    pub fn append(&mut self, file: FileId) -> Next {
        match self.task.failed.take() {
            None => {}
            // The file was truncated, and gave the chunk up: the record belongs to where it ends now.
            Some((Lookup::Locate { .. }, Refusal::NotFound)) if !self.task.is_in_doubt() => {
                self.task.forget_copies();
                self.routes.forget_tail(file);
            }
            Some((_, refusal)) => return Next::Refused(refusal),
        }
        if !self.task.reached() {
            match self.last(file) {
                Ok(last) => self.task.at = last,
                Err(lookup) => return Next::Need(lookup),
            }
        }
        self.mutate(file, self.task.at)
    }

    /// The chunk that a record belongs into, or what has to be done before that is known. A chunk that
    /// was not the last one when it was found may never have been sealed, and takes no record.
    fn last(&mut self, file: FileId) -> Result<u64, Lookup> {
        let Some(Tail { slots, .. }) = self.routes.tail(file) else {
            return Err(Lookup::Tail { file });
        };
        let Some(last) = slots.checked_sub(1) else {
            return Err(Lookup::Extend { file, index: 0 });
        };
        if let Some(chunk) = self.routes.retired(file, last) {
            return Err(Lookup::Drop { file, index: last, chunk });
        }
        if self.routes.is_sealed(file, last) {
            return Err(Lookup::Extend { file, index: slots });
        }
        if self.routes.location(file, last).is_some_and(|location| !location.last) {
            self.routes.forget_end(file, last);
            return Err(Lookup::Tail { file });
        }
        Ok(last)
    }

    /// Retires a chunk, if it is still in its place.
    pub fn retire(&mut self, file: FileId, index: u64, chunk: ChunkHandle) -> Next {
        if let Some((_, refusal)) = self.task.failed.take() {
            return Next::Refused(refusal);
        }
        let found = self.routes.location(file, index).map(|location| location.chunk);
        match found.map(|found| found.cmp(&chunk)) {
            Some(Ordering::Greater) => return Next::Refused(Refusal::NotFound),
            // It was found before the chunk was made: a place gets new chunks with rising handles.
            Some(Ordering::Less) => self.routes.forget_end(file, index),
            Some(Ordering::Equal) | None => {}
        }
        self.mutate(file, index)
    }

    /// Sends the mutation to the chunk's primary, which may have to be found first.
    pub fn mutate(&mut self, file: FileId, index: u64) -> Next {
        let location = self.routes.location(file, index);
        match location.and_then(|location| Some((location.clone(), location.primary?))) {
            Some((location, primary)) => self.send(&location, primary, 1),
            None => Next::Need(Lookup::Locate { file, index, primary: true }),
        }
    }

    fn send(&mut self, location: &Location, to: NodeId, sent: u32) -> Next {
        let (chunk, version) = (location.chunk, location.version);
        // A cut has opened the chunk again. Late replies to copies of before are not about this record.
        if self.task.left.take_if(|left| *left == chunk).is_some() {
            return Next::ContinueRenumbered;
        }
        // The chunk that it was sent to is gone, and with it the answer whether it took effect there:
        // here it could take effect again.
        if self.task.chunk.is_some_and(|before| before != chunk) {
            if self.task.is_in_doubt() {
                return self.on_chunk_gone();
            }
            self.task.forget_copies();
        }
        if let Some(session) = self.task.session {
            match self.rights.may_send(self.cx.now, session, (chunk, version)) {
                MaySend::Yes => {}
                MaySend::AfterRenewal => return Next::Need(Lookup::Renew),
                MaySend::Never => return Next::Refused(Refusal::SessionEnded),
            }
            let op = self.task.op(self.cx.node);
            let file = self.task.kind.mutates(self.task.at).expect("it mutates").0;
            self.cx.observe(Event::SentUnderLock { op, session, file, chunk, version });
        }
        let (kind, offset, payload) = self.mutation();
        self.task.copies += 1;
        self.task.refused = false;
        self.task.chunk = Some(chunk);
        self.task.stage = Stage::Mutating { to, version, sent };
        let doublings = self.task.attempt.min(3);
        let (op, acked_below) = (self.task.op(self.cx.node), self.acked_below);
        let message = Message::Data(data::Request::Mutate(data::Mutate {
            op,
            acked_below,
            chunk,
            version,
            exactly: self.task.session.is_some(),
            kind,
            offset,
            payload,
        }));
        self.cx.send(to, message);
        Next::ReplyWithin(self.cx.constants.retry_interval * PATIENCE * (1 << doublings))
    }

    fn mutation(&mut self) -> (MutationKind, u64, Payload) {
        match &self.task.kind {
            TaskKind::Request { op: Operation::Write { offset, payload, .. }, .. } => {
                (MutationKind::Write, *offset, payload.clone())
            }
            TaskKind::Request { op: Operation::Append { file, payload, .. }, .. } => {
                // Every copy names the same epoch: what one is answered is true of all.
                if self.task.copies == 0 {
                    let tail = self.routes.tail(*file);
                    self.task.seen.1 = tail.map_or(0, |tail| tail.epoch);
                }
                (MutationKind::Append, self.task.seen.1, payload.clone())
            }
            TaskKind::Request { op: Operation::Cut { length, epoch, .. }, .. } => {
                (MutationKind::Cut { epoch: *epoch }, *length, Payload::default())
            }
            TaskKind::Request { op: Operation::Retire { .. }, .. } => {
                (MutationKind::Retire, 0, Payload::default())
            }
            TaskKind::Lookup(Lookup::Seal { epoch: 0, .. }) => {
                (MutationKind::Seal, 0, Payload::default())
            }
            TaskKind::Lookup(Lookup::Seal { epoch, .. }) => {
                (MutationKind::Cut { epoch: *epoch }, u64::MAX, Payload::default())
            }
            TaskKind::Request { .. } | TaskKind::Lookup(_) => unreachable!("not a mutation"),
        }
    }

    /// Messages get lost: the same primary gets it once more before the master is asked.
    pub fn on_silence(&mut self, to: NodeId, version: ChunkVersion, sent: u32) -> Next {
        let mutates = self.task.kind.mutates(self.task.at);
        let (file, index) = mutates.expect("a task in this stage mutates");
        let known = self.routes.location(file, index).cloned();
        match known.filter(|l| l.version == version && l.primary == Some(to)) {
            Some(location) if sent < SENT_MAX => {
                let op = self.task.op(self.cx.node);
                self.cx.observe(Event::Retried { op, why: "a primary is silent" });
                self.send(&location, to, sent + 1)
            }
            Some(_) | None => {
                self.routes.forget(file, index, version);
                Next::BackOff { refusal: None, why: "a primary stays silent" }
            }
        }
    }

    pub fn on_reply(&mut self, from: NodeId, reply: data::Mutated) -> Next {
        let Some((file, index)) = self.task.kind.mutates(self.task.at) else {
            return Next::Unchanged;
        };
        // A late second reply of a chunk that the record has left.
        if self.task.chunk != Some(reply.chunk) {
            return Next::Unchanged;
        }
        match reply.result {
            Ok(place) if !self.task.kind.fits_place(place) => Next::Unchanged,
            Ok(place) => self.on_done(file, index, place),
            Err(Refusal::Sealed) => self.on_sealed(file, index),
            Err(Refusal::Retired) => self.on_retired((file, index), reply.chunk),
            Err(refusal @ Refusal::Overtaken) => self.on_overtaken(file, refusal),
            Err(refusal @ Refusal::Forgotten) => match self.task.kind {
                TaskKind::Lookup(_) => Next::Refused(refusal),
                TaskKind::Request { .. } => Next::unknown(refusal),
            },
            Err(Refusal::PerhapsForgotten { below }) => Next::NumberTooLow { below },
            // These depend on the operation alone: every copy of it was or will be refused.
            Err(refusal @ (Refusal::TooLarge { .. } | Refusal::Invalid(_))) => {
                self.task.copies = 0;
                Next::Refused(refusal)
            }
            Err(refusal @ Refusal::Lost) => Next::Refused(refusal),
            Err(refusal) => self.on_not_there(from, (file, index), refusal),
        }
    }

    fn on_done(&mut self, file: FileId, index: u64, extent: Extent) -> Next {
        if let TaskKind::Lookup(Lookup::Seal { epoch, .. }) = self.task.kind {
            self.routes.fence(file, index, epoch);
            return Next::Found;
        }
        Next::Ended(Ok(Outcome::Written { index, extent }))
    }

    /// The definitive answer "not in this chunk, and never will be".
    fn on_sealed(&mut self, file: FileId, index: u64) -> Next {
        match &self.task.kind {
            TaskKind::Lookup(_) => {
                self.routes.seal(file, index);
                Next::Found
            }
            TaskKind::Request { op: Operation::Append { .. }, .. } => {
                self.routes.seal(file, index);
                // Others may have added chunks since: the master knows how many.
                self.routes.forget_tail(file);
                self.task.left = self.task.chunk;
                self.task.forget_copies();
                let op = self.task.op(self.cx.node);
                self.cx.observe(Event::Retried { op, why: "a chunk is sealed" });
                Next::Continue
            }
            TaskKind::Request { .. } => {
                let refusal = Some(Refusal::Sealed);
                Next::BackOff { refusal, why: "a sealed chunk takes writes" }
            }
        }
    }

    /// The definitive answer "not in this chunk, and nothing ever will be".
    fn on_retired(&mut self, (file, index): (FileId, u64), chunk: ChunkHandle) -> Next {
        self.routes.retire(file, index, chunk);
        self.task.forget_copies();
        match &self.task.kind {
            TaskKind::Request { op: Operation::Retire { .. }, .. } => {
                Next::Refused(Refusal::Retired)
            }
            TaskKind::Request { .. } => {
                let op = self.task.op(self.cx.node);
                self.cx.observe(Event::Retried { op, why: "a chunk is retired" });
                Next::Continue
            }
            // Whoever wanted it sealed finds it retired.
            TaskKind::Lookup(_) => Next::Found,
        }
    }

    /// The file was truncated, or extended, since the cut was decided.
    fn on_overtaken(&mut self, file: FileId, refusal: Refusal) -> Next {
        self.routes.forget_tail(file);
        match &self.task.kind {
            TaskKind::Request { .. } => {
                self.task.copies = 0;
                Next::Refused(refusal)
            }
            TaskKind::Lookup(_) => Next::Found,
        }
    }

    /// Another chunk is in the place of the one that it was sent to.
    fn on_chunk_gone(&mut self) -> Next {
        match &self.task.kind {
            TaskKind::Request { .. } => Next::unknown(Refusal::Retired),
            TaskKind::Lookup(Lookup::Seal { file, .. }) => {
                self.routes.forget_tail(*file);
                Next::Found
            }
            TaskKind::Lookup(_) => unreachable!("no other lookup goes to a chunk"),
        }
    }

    /// Refused for now; perhaps not elsewhere.
    fn on_not_there(
        &mut self,
        from: NodeId,
        (file, index): (FileId, u64),
        refusal: Refusal,
    ) -> Next {
        let Stage::Mutating { to, version, .. } = self.task.stage else { return Next::Unchanged };
        if to != from {
            return Next::Unchanged;
        }
        // Not one whose place in an order was given up: that one may be in the next.
        self.task.refused = matches!(refusal, Refusal::Stale { .. });
        if refusal == Refusal::NoSpace {
            self.task.no_space += 1;
            if self.task.no_space >= NO_SPACE_MAX {
                return Next::Refused(refusal);
            }
        }
        if refusal != Refusal::Busy {
            self.routes.forget(file, index, version);
        }
        Next::BackOff { refusal: Some(refusal), why: "a primary refused for now" }
    }
}

impl TaskKind {
    /// The chunk that it changes, none if it changes none; `at` is the place that it has chosen.
    fn mutates(&self, at: u64) -> Option<(FileId, u64)> {
        match self {
            TaskKind::Request { op: Operation::Write { file, index, .. }, .. } => {
                Some((*file, *index))
            }
            TaskKind::Request { op: Operation::Append { file, .. }, .. } => Some((*file, at)),
            TaskKind::Request {
                op: Operation::Cut { file, index, .. } | Operation::Retire { file, index, .. },
                ..
            } => Some((*file, *index)),
            TaskKind::Lookup(Lookup::Seal { file, index, .. }) => Some((*file, *index)),
            TaskKind::Request { .. } | TaskKind::Lookup(_) => None,
        }
    }
}
