//! Reads: strong ones at the primary under its lease, relaxed ones at any member, and those that
//! reconciliation and copies need.

use super::Chunkserver;
use super::live::Live;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, CopyId, NodeId, OpId, Sequence};
use crate::io::{IoFault, IoOp, IoOutput, IoResult};
use crate::machine::Effects;
use crate::message::ReadMode;
use crate::message::data;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::time::Time;
use alloc::vec::Vec;

/// Whom a read is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReadFor {
    Client { client: NodeId, op: OpId, mode: ReadMode, version: ChunkVersion },
    Reconcile { member: NodeId, version: ChunkVersion },
    Copy { learner: NodeId, copy: CopyId, step: u64 },
}

/// A read that waits for its turn, or is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReadJob {
    pub reader: ReadFor,
    pub extents: Vec<Extent>,
    /// The last overlapping mutation that was ordered and not committed when a strong read came:
    /// its bytes may be on this disk, and may yet be lost.
    after: Sequence,
    /// The last mutation ordered when a strong read came: later ones wait for it.
    arrived: Option<Sequence>,
}

impl ReadJob {
    pub fn inner(reader: ReadFor, extents: Vec<Extent>) -> Self {
        ReadJob { reader, extents, after: Sequence(0), arrived: None }
    }

    pub fn is_strong(&self) -> bool {
        matches!(self.reader, ReadFor::Client { mode: ReadMode::Strong, .. })
    }

    pub fn client(&self) -> Option<(NodeId, OpId)> {
        match self.reader {
            ReadFor::Client { client, op, .. } => Some((client, op)),
            ReadFor::Reconcile { .. } | ReadFor::Copy { .. } => None,
        }
    }

    /// Did it come before this mutation was ordered?
    pub fn is_before(&self, sequence: Sequence) -> bool {
        self.arrived.is_some_and(|arrived| arrived < sequence)
    }

    pub fn touches(&self, blocks: &Extent) -> bool {
        self.extents.iter().any(|extent| extent.overlaps(blocks))
    }
}

impl Chunkserver {
    pub(super) fn on_read(
        &mut self,
        now: Time,
        from: NodeId,
        message: data::Read,
        out: &mut Effects,
    ) {
        let data::Read { op, chunk, version, extent, mode } = message;
        if let Err(refusal) = self.check_read(chunk, version, &extent, mode) {
            return self.answer_read(from, op, chunk, Err(refusal), Payload::default(), out);
        }
        let waits = self.rules().read_waits_for_overlap;
        let applied_version = self.record(chunk).expect("checked above").applied_version;
        let live = self.live(chunk);
        let (mut after, mut arrived, mut version) = (Sequence(0), None, applied_version);
        if let (ReadMode::Strong, Some(primary)) = (mode, live.primary_mut()) {
            primary.used_at = now;
            version = primary.version;
            if waits {
                (after, arrived) = (primary.last_overlapping(&extent), Some(primary.last));
            }
        }
        let reader = ReadFor::Client { client: from, op, mode, version };
        live.reads.push(ReadJob { reader, extents: [extent].into(), after, arrived });
        self.go_on(chunk, now, out);
    }

    fn check_read(
        &self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        extent: &Extent,
        mode: ReadMode,
    ) -> Result<(), Refusal> {
        let bytes_max = u64::from(self.constants().mutation_bytes_max);
        if extent.length > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        let promised = self.fence(chunk);
        let stale = Err(Refusal::Stale { promised });
        let Some(record) = self.record(chunk) else { return stale };
        let Some(live) = self.live.get(&chunk) else { return stale };
        if live.reads.len() >= self.constants().waiting_requests_max as usize {
            return Err(Refusal::Busy);
        }
        match mode {
            ReadMode::Strong => self.check_primary(chunk, version).map(|_| ()),
            ReadMode::Relaxed if self.disk_failed => Err(Refusal::DiskFailed),
            ReadMode::Relaxed if record.learner || live.incomplete => stale,
            ReadMode::Relaxed => Ok(()),
        }
    }

    fn answer_read(
        &self,
        client: NodeId,
        op: OpId,
        chunk: ChunkHandle,
        result: Result<u64, Refusal>,
        payload: Payload,
        out: &mut Effects,
    ) {
        self.send(client, data::ReadReply { op, chunk, result, payload }, out);
    }

    /// Starts the reads whose turn it is.
    pub(super) fn start_reads(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        let Some(live) = self.live.get(&chunk).filter(|live| !live.reads.is_empty()) else {
            return;
        };
        let active = self.is_active(chunk, now);
        let ready: Vec<bool> =
            live.reads.iter().map(|job| self.may_start(live, job, active)).collect();
        let jobs = core::mem::take(&mut self.live(chunk).reads);
        for (job, ready) in jobs.into_iter().zip(ready) {
            if ready {
                self.start_read(chunk, job, out);
            } else {
                self.live(chunk).reads.push(job);
            }
        }
    }

    fn may_start(&self, live: &Live, job: &ReadJob, active: bool) -> bool {
        let block = u64::from(self.constants().block_bytes);
        let changing = live.writing
            && live.writing_extents.iter().any(|extent| job.touches(&extent.to_blocks(block)));
        if changing || !job.is_strong() {
            return !changing;
        }
        let committed = live.primary().map_or(Sequence(0), |primary| primary.committed);
        active && committed >= job.after
    }

    fn start_read(&mut self, chunk: ChunkHandle, job: ReadJob, out: &mut Effects) {
        let Some(length) = self.readable_length(chunk, &job) else {
            return self.end_read_without(chunk, job, Refusal::NotPrimary, out);
        };
        let pieces: Vec<Extent> =
            job.extents.iter().map(|e| e.below(length)).filter(|e| e.length > 0).collect();
        if pieces.is_empty() {
            return self.finish_read(chunk, job, Vec::new(), Payload::default(), out);
        }
        let block = u64::from(self.constants().block_bytes);
        let blocks = pieces.iter().map(|piece| piece.to_blocks(block)).collect();
        let io = self.start_io(IoOp::Read { chunk, pieces }, Some(job), out);
        self.live(chunk).reading.insert(io, blocks);
    }

    /// Up to where a reader may see: the committed length for a strong read.
    fn readable_length(&self, chunk: ChunkHandle, job: &ReadJob) -> Option<u64> {
        let record = self.record(chunk)?;
        let live = self.live.get(&chunk)?;
        match live.primary() {
            Some(primary) if job.is_strong() => Some(primary.committed_length),
            None if job.is_strong() => None,
            Some(_) | None => Some(record.image.length),
        }
    }

    pub(super) fn on_read_done(
        &mut self,
        now: Time,
        chunk: ChunkHandle,
        job: ReadJob,
        result: IoResult,
        out: &mut Effects,
    ) {
        if job.is_strong()
            && self.rules().read_rechecks_lease
            && !self.still_primary(chunk, &job, now)
        {
            return self.end_read_without(chunk, job, Refusal::NotPrimary, out);
        }
        match result {
            Ok(IoOutput::Read(payload)) => {
                let pieces = Self::pieces_read(&job, payload.len());
                self.finish_read(chunk, job, pieces, payload, out);
            }
            Ok(other) => unreachable!("{other:?} is no answer to a read"),
            Err(IoFault::Corrupt { .. }) => {
                self.on_corrupt(chunk, out);
                self.end_read_without(chunk, job, Refusal::Corrupt, out);
            }
            Err(IoFault::DiskFailed | IoFault::NoSpace) => {
                self.on_disk_failed(out);
                self.end_read_without(chunk, job, Refusal::DiskFailed, out);
            }
            Err(IoFault::NotLeader) => unreachable!("a chunkserver does not propose"),
        }
    }

    fn still_primary(&self, chunk: ChunkHandle, job: &ReadJob, now: Time) -> bool {
        let ReadFor::Client { version, .. } = job.reader else { return false };
        let primary = self.live.get(&chunk).and_then(Live::primary);
        self.is_active(chunk, now) && primary.is_some_and(|primary| primary.version == version)
    }

    /// The pieces that a finished read brought: those asked for, cut where the chunk ended when
    /// it began.
    fn pieces_read(job: &ReadJob, bytes: u64) -> Vec<Extent> {
        let mut left = bytes;
        let mut pieces = Vec::new();
        for extent in &job.extents {
            let length = extent.length.min(left);
            left -= length;
            if length > 0 {
                pieces.push(Extent::new(extent.offset, length));
            }
        }
        pieces
    }

    fn finish_read(
        &mut self,
        chunk: ChunkHandle,
        job: ReadJob,
        pieces: Vec<Extent>,
        payload: Payload,
        out: &mut Effects,
    ) {
        match job.reader {
            ReadFor::Client { client, op, mode, version } => {
                let Some(length) = self.readable_length(chunk, &job) else {
                    return self.end_read_without(chunk, job, Refusal::NotPrimary, out);
                };
                let offset = job.extents.first().map_or(0, |extent| extent.offset);
                let extent = Extent::new(offset, payload.len());
                out.observe(Event::ReadServed { chunk, version, op, extent, mode });
                self.answer_read(client, op, chunk, Ok(length), payload, out);
            }
            ReadFor::Reconcile { member, version } => {
                self.send_reconcile(chunk, member, version, pieces, payload, out);
            }
            ReadFor::Copy { learner, copy, step } => {
                self.send_copy(chunk, learner, copy, step, pieces, payload, out);
            }
        }
    }

    fn end_read_without(
        &mut self,
        chunk: ChunkHandle,
        job: ReadJob,
        refusal: Refusal,
        out: &mut Effects,
    ) {
        match job.reader {
            ReadFor::Client { client, op, .. } => {
                self.answer_read(client, op, chunk, Err(refusal), Payload::default(), out);
            }
            // The member is asked again, until the master has found another primary.
            ReadFor::Reconcile { member, .. } => {
                let primary = self.live(chunk).primary_mut();
                if let Some(peer) = primary.and_then(|primary| primary.peers.get_mut(&member)) {
                    peer.sending = false;
                }
            }
            ReadFor::Copy { learner, copy, step } => {
                self.end_copy(chunk, learner, copy, step, out);
            }
        }
    }
}
