//! Reads: strong ones at the primary, relaxed ones at the members in turn.

use super::backoff;
use super::fit::fits_read;
use super::lookup::Lookup;
use super::next::Next;
use super::routes::Routes;
use super::task::{Stage, Task};
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::machine::Outcome;
use crate::message::ReadMode;
use crate::message::data;
use crate::metadata::Location;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;

/// A read waits for disks: it is given this many `retry_interval`s.
const PATIENCE: u32 = 4;
/// A silent primary is asked this often before the master is.
const ASKED_MAX: u32 = 2;

/// A task that reads a range of a chunk.
pub(super) struct Reader<'a> {
    pub cx: Cx<'a>,
    pub task: &'a mut Task,
    pub routes: &'a mut Routes,
    pub range: Range,
}

/// What it reads, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub file: FileId,
    pub index: u64,
    pub extent: Extent,
    pub mode: ReadMode,
}

impl Reader<'_> {
    pub fn read(&mut self) -> Next {
        if let Some((_, refusal)) = self.task.failed.take() {
            return Next::Refused(refusal);
        }
        let Range { file, index, mode, .. } = self.range;
        let location = self.routes.location(file, index);
        match location.and_then(|l| Some((l.clone(), self.member(l)?))) {
            Some((location, to)) => self.send(&location, to, 1),
            None => {
                // A chunk that was never written has no members: it gets them with its primary.
                let empty = location.is_some_and(|l| l.members.is_empty());
                let primary = mode == ReadMode::Strong || empty;
                Next::Need(Lookup::Locate { file, index, primary })
            }
        }
    }

    /// The member to read at. Clients begin at different members, so that these share the work.
    fn member(&self, location: &Location) -> Option<NodeId> {
        match self.range.mode {
            ReadMode::Strong => location.primary,
            ReadMode::Relaxed => {
                let count = location.members.len() as u64;
                let first = backoff::mix(self.cx.node, self.task.number, 0).checked_rem(count)?;
                let place = (first + u64::from(self.task.attempt)) % count;
                let place = usize::try_from(place).expect("below the length of a list");
                Some(location.members[place])
            }
        }
    }

    fn send(&mut self, location: &Location, to: NodeId, sent: u32) -> Next {
        let (chunk, version) = (location.chunk, location.version);
        let Range { extent, mode, .. } = self.range;
        self.task.chunk = Some(chunk);
        self.task.stage = Stage::Reading { to, version, sent };
        let doublings = self.task.attempt.min(3);
        let op = self.task.op(self.cx.node);
        self.cx.send(to, data::Read { op, chunk, version, extent, mode });
        Next::ReplyWithin(self.cx.constants.retry_interval * (PATIENCE << doublings))
    }

    /// Messages get lost: the only member that will do is asked once more before the master is.
    /// Where another one will do, that one is asked.
    pub fn on_silence(&mut self, to: NodeId, version: ChunkVersion, sent: u32) -> Next {
        let Range { file, index, mode, .. } = self.range;
        let known = self.routes.location(file, index).cloned();
        let same = known.filter(|l| l.version == version && l.primary == Some(to));
        match same {
            Some(location) if mode == ReadMode::Strong && sent < ASKED_MAX => {
                let op = self.task.op(self.cx.node);
                self.cx.observe(Event::Retried { op, why: "a primary is silent" });
                self.send(&location, to, sent + 1)
            }
            Some(_) | None => self.elsewhere(version, None),
        }
    }

    pub fn on_reply(&mut self, from: NodeId, reply: data::ReadReply) -> Next {
        if self.task.chunk != Some(reply.chunk) {
            return Next::Unchanged;
        }
        match (reply.result, &self.task.stage) {
            // Good at any time: it was read after it was requested.
            (Ok(chunk_length), _) => {
                if !fits_read(self.range.extent, reply.payload.len(), chunk_length) {
                    return Next::Unchanged;
                }
                Next::Ended(Ok(Outcome::Read { payload: reply.payload, chunk_length }))
            }
            (Err(Refusal::Retired), _) => self.on_retired(reply.chunk),
            (Err(refusal), _) if is_final(&refusal) => Next::Refused(refusal),
            (Err(refusal), Stage::Reading { to, version, .. }) if *to == from => {
                self.elsewhere(*version, Some(refusal))
            }
            (Err(_), _) => Next::Unchanged,
        }
    }

    /// A truncation emptied the chunk. If the file referred to it after this read was requested, there
    /// was a moment since at which the chunk's place had no bytes; else another one may hold them.
    fn on_retired(&mut self, chunk: ChunkHandle) -> Next {
        let Range { file, index, .. } = self.range;
        if self.routes.was_found_after(self.task.number, (file, index), chunk) {
            let payload = Payload::default();
            return Next::Ended(Ok(Outcome::Read { payload, chunk_length: 0 }));
        }
        self.routes.dropped(file, index, chunk);
        let op = self.task.op(self.cx.node);
        self.cx.observe(Event::Retried { op, why: "a chunk is retired" });
        Next::Continue
    }

    /// The next member at once; after the last one, and for a strong read, the master is asked.
    fn elsewhere(&mut self, version: ChunkVersion, refusal: Option<Refusal>) -> Next {
        let Range { file, index, mode, .. } = self.range;
        let members = self.routes.location(file, index).map_or(0, |l| l.members.len());
        let tried = self.task.attempt as usize + 1;
        if mode == ReadMode::Relaxed && members > 0 && !tried.is_multiple_of(members) {
            self.task.attempt += 1;
            self.task.note(refusal);
            let op = self.task.op(self.cx.node);
            self.cx.observe(Event::Retried { op, why: "another member is read" });
            return Next::Continue;
        }
        if refusal != Some(Refusal::Busy) {
            self.routes.forget(file, index, version);
        }
        Next::BackOff { refusal, why: "a chunk is looked up again" }
    }
}

/// True if it depends on the request alone, or nothing is left to read.
fn is_final(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::TooLarge { .. } | Refusal::Invalid(_) | Refusal::Lost)
}
