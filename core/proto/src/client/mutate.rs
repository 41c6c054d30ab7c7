//! Writes, appends and seals: which chunk, which primary, and what its reply means.

use super::lookup::Lookup;
use super::next::Next;
use super::routes::Routes;
use super::task::{Stage, Task, TaskKind};
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkVersion, FileId, NodeId};
use crate::machine::{Operation, Outcome};
use crate::message::{Message, data};
use crate::metadata::Location;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::MutationKind;

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
}

impl Mutator<'_> {
    pub fn write(&mut self, file: FileId, index: u64) -> Next {
        match self.task.failed.take() {
            None => self.mutate(file, index),
            // No such chunk, or no such file: extending the file finds out which.
            Some((Lookup::Locate { .. }, Refusal::NotFound)) if !self.task.reached() => {
                self.routes.forget_tail(file);
                Next::Need(Lookup::Extend { file, index })
            }
            Some((_, refusal)) => Next::Refused(refusal),
        }
    }

    /// A record belongs into the last chunk. While the reply of one chunk is open the record
    /// stays with it: in two chunks it could be stored twice.
    pub fn append(&mut self, file: FileId) -> Next {
        if let Some((_, refusal)) = self.task.failed.take() {
            return Next::Refused(refusal);
        }
        if !self.task.reached() {
            let Some(count) = self.routes.tail(file) else {
                return Next::Need(Lookup::Tail { file });
            };
            self.task.at = self.task.at.max(count.saturating_sub(1));
            let index = self.task.at;
            if index >= count {
                return Next::Need(Lookup::Extend { file, index });
            }
        }
        self.mutate(file, self.task.at)
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
        let (kind, offset, payload) = self.mutation();
        self.task.copies += 1;
        self.task.chunk = Some(chunk);
        self.task.stage = Stage::Mutating { to, version, sent };
        let doublings = self.task.attempt.min(3);
        let (op, acked_below) = (self.task.op(self.cx.node), self.acked_below);
        let message = Message::Data(data::Request::Mutate(data::Mutate {
            op,
            acked_below,
            chunk,
            version,
            kind,
            offset,
            payload,
        }));
        self.cx.send(to, message);
        Next::ReplyWithin(self.cx.constants.retry_interval * PATIENCE * (1 << doublings))
    }

    fn mutation(&self) -> (MutationKind, u64, Payload) {
        match &self.task.kind {
            TaskKind::Request { op: Operation::Write { offset, payload, .. }, .. } => {
                (MutationKind::Write, *offset, payload.clone())
            }
            TaskKind::Request { op: Operation::Append { payload, .. }, .. } => {
                (MutationKind::Append, 0, payload.clone())
            }
            TaskKind::Lookup(Lookup::Seal { .. }) => (MutationKind::Seal, 0, Payload::default()),
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
        if let TaskKind::Lookup(_) = self.task.kind {
            self.routes.seal(file, index);
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
                self.task.copies = 0;
                self.task.chunk = None;
                self.task.at = index + 1;
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
            TaskKind::Lookup(Lookup::Seal { file, index }) => Some((*file, *index)),
            TaskKind::Request { .. } | TaskKind::Lookup(_) => None,
        }
    }
}
