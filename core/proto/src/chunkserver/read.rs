//! Reads: strong ones at the primary under its lease, relaxed ones at any member, and those that
//! reconciliation and copies need.

use super::replica::{Replica, Then};
use crate::event::Event;
use crate::ids::{Attempt, ChunkVersion, CopyId, IoId, NodeId, OpId, Sequence};
use crate::message::ReadMode;
use crate::message::data;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::ChunkEnd;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The purpose of a read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ReadFor {
    Client(ClientRead),
    Reconcile { member: NodeId, version: ChunkVersion },
    Copy { learner: NodeId, copy: CopyId, step: u64 },
}

/// A client's read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClientRead {
    client: NodeId,
    op: OpId,
    mode: ReadMode,
    version: ChunkVersion,
}

/// A read that waits for its turn, or is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ReadJob {
    reader: ReadFor,
    extents: Vec<Extent>,
    /// The last overlapping mutation that was ordered and not committed when a strong read came:
    /// its bytes may be on this disk, and may yet be lost.
    after: Sequence,
    /// The last mutation ordered when a strong read came: later ones wait for it.
    arrived: Option<Sequence>,
    /// It waits for the grant of a later request than this one, the last when it came.
    proof_after: Option<Attempt>,
}

impl ReadJob {
    pub fn inner(reader: ReadFor, extents: Vec<Extent>) -> Self {
        ReadJob { reader, extents, after: Sequence(0), arrived: None, proof_after: None }
    }

    fn strong(&self) -> Option<&ClientRead> {
        match &self.reader {
            ReadFor::Client(read) if read.mode == ReadMode::Strong => Some(read),
            ReadFor::Client(_) | ReadFor::Reconcile { .. } | ReadFor::Copy { .. } => None,
        }
    }

    fn is_strong(&self) -> bool {
        self.strong().is_some()
    }

    /// Did it come before this mutation was ordered?
    fn is_before(&self, sequence: Sequence) -> bool {
        self.arrived.is_some_and(|arrived| arrived < sequence)
    }

    fn touches(&self, blocks: &Extent) -> bool {
        self.extents.iter().any(|extent| extent.overlaps(blocks))
    }

    /// The pieces that a finished read brought: those asked for, cut where the chunk ended when
    /// it began.
    fn pieces_read(&self, bytes: u64) -> Vec<Extent> {
        let mut left = bytes;
        let mut pieces = Vec::new();
        for extent in &self.extents {
            let length = extent.length.min(left);
            left -= length;
            if length > 0 {
                pieces.push(Extent::new(extent.offset, length));
            }
        }
        pieces
    }

    fn offset(&self) -> u64 {
        self.extents.first().map_or(0, |extent| extent.offset)
    }

    /// It brought these bytes.
    pub fn succeeded(self, payload: Payload) -> ReadEnd {
        let pieces = self.pieces_read(payload.len());
        let offset = self.offset();
        ReadEnd { reader: self.reader, result: Ok(ReadBytes { offset, pieces, payload }) }
    }

    /// It brought nothing.
    pub fn failed(self, refusal: Refusal) -> ReadEnd {
        ReadEnd { reader: self.reader, result: Err(refusal) }
    }
}

/// How a read ended, for its reader.
pub(super) struct ReadEnd {
    pub reader: ReadFor,
    pub result: Result<ReadBytes, Refusal>,
}

/// What a read brought.
pub(super) struct ReadBytes {
    offset: u64,
    pub pieces: Vec<Extent>,
    pub payload: Payload,
}

/// The reads of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Reads {
    /// In flight, with the blocks that they touch.
    in_flight: BTreeMap<IoId, Vec<Extent>>,
    /// Those that wait for their turn.
    waiting: Vec<ReadJob>,
}

impl Reads {
    pub fn push(&mut self, job: ReadJob) {
        self.waiting.push(job);
    }

    pub fn any_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn any_in_flight(&self) -> bool {
        !self.in_flight.is_empty()
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }

    /// An I/O of these reads ended.
    pub fn end(&mut self, io: IoId) {
        self.in_flight.remove(&io);
    }

    /// A read that began, or one that came before this mutation was ordered, must not see its
    /// bytes.
    pub fn are_before(&self, sequence: Sequence, blocks: &Extent) -> bool {
        self.in_flight.values().flatten().any(|read| read.overlaps(blocks))
            || self.waiting.iter().any(|job| job.is_before(sequence) && job.touches(blocks))
    }
}

impl Replica<'_> {
    pub fn on_read(&mut self, from: NodeId, message: data::Read) -> Then {
        let data::Read { op, chunk: _, version, extent, mode } = message;
        let applied_version = match self.check_read(version, &extent, mode) {
            Ok(applied_version) => applied_version,
            Err(refusal) => {
                self.answer_read(from, op, Err(refusal), Payload::default());
                return Then::Nothing;
            }
        };
        self.touch();
        let waits = self.cx.rules().read_waits_for_overlap;
        let (mut after, mut arrived, mut version) = (Sequence(0), None, applied_version);
        let mut proof_after = None;
        if let (ReadMode::Strong, Some(primary)) = (mode, self.live.primary_mut()) {
            primary.use_at(self.cx.now);
            version = primary.version();
            if self.cx.constants.confirm_reads {
                let last = self.leases.last_request();
                primary.usage.wait_for_proof(last);
                proof_after = Some(last);
            }
            if waits {
                let order = &primary.order;
                (after, arrived) = (order.last_overlapping(&extent), Some(order.last()));
            }
        }
        let reader = ReadFor::Client(ClientRead { client: from, op, mode, version });
        self.live.reads.push(ReadJob {
            reader,
            extents: [extent].into(),
            after,
            arrived,
            proof_after,
        });
        Then::Progress
    }

    /// Gives the version whose state is here.
    fn check_read(
        &self,
        version: ChunkVersion,
        extent: &Extent,
        mode: ReadMode,
    ) -> Result<ChunkVersion, Refusal> {
        let bytes_max = u64::from(self.cx.constants.mutation_bytes_max);
        if extent.length > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        let stale = Refusal::Stale { promised: self.fence() };
        let Some(record) = self.record else { return Err(stale) };
        if self.live.reads.waiting.len() >= self.cx.constants.waiting_requests_max as usize {
            return Err(Refusal::Busy);
        }
        if self.is_gone(mode == ReadMode::Strong) {
            return Err(Refusal::Retired);
        }
        match mode {
            ReadMode::Strong => self.check_primary(version).map(|_| record.applied_version),
            ReadMode::Relaxed if self.service.is_stopped() => Err(Refusal::DiskFailed),
            ReadMode::Relaxed if record.learner || self.live.health.is_incomplete() => Err(stale),
            ReadMode::Relaxed => Ok(record.applied_version),
        }
    }

    fn answer_read(
        &mut self,
        client: NodeId,
        op: OpId,
        result: Result<u64, Refusal>,
        payload: Payload,
    ) {
        self.cx.send(client, data::ReadReply { op, chunk: self.chunk, result, payload });
    }

    /// Takes the reads whose turn it is.
    pub fn take_ready_reads(&mut self) -> Vec<ReadJob> {
        if !self.live.reads.any_waiting() {
            return Vec::new();
        }
        self.touch();
        let active = self.is_active();
        let waiting = core::mem::take(&mut self.live.reads.waiting);
        let (ready, rest) = waiting.into_iter().partition(|job| self.may_start(job, active));
        self.live.reads.waiting = rest;
        ready
    }

    fn may_start(&self, job: &ReadJob, active: bool) -> bool {
        let block = u64::from(self.cx.constants.block_bytes);
        let mut changing = self.live.slot.extents().iter();
        if changing.any(|extent| job.touches(&extent.to_blocks(block))) {
            return false;
        }
        let Some(primary) = self.live.primary() else { return !job.is_strong() };
        let proved = job.proof_after.is_none_or(|after| primary.usage.proves(after));
        !job.is_strong() || (active && proved && primary.order.committed() >= job.after)
    }

    /// Starts a read; one of nothing ends at once.
    pub fn start_read(&mut self, job: ReadJob) -> Option<ReadEnd> {
        let Some(length) = self.readable_length(job.is_strong()) else {
            return Some(job.failed(Refusal::NotPrimary));
        };
        if matches!(job.reader, ReadFor::Client(_)) && self.is_gone(job.is_strong()) {
            return Some(job.failed(Refusal::Retired));
        }
        let pieces: Vec<Extent> =
            job.extents.iter().map(|e| e.below(length)).filter(|e| e.length > 0).collect();
        if pieces.is_empty() {
            return Some(job.succeeded(Payload::default()));
        }
        let block = u64::from(self.cx.constants.block_bytes);
        let blocks = pieces.iter().map(|piece| piece.to_blocks(block)).collect();
        let io = self.disk.read(self.chunk, pieces, job, &mut self.cx);
        self.live.reads.in_flight.insert(io, blocks);
        None
    }

    /// Up to where a reader may see: the committed length for a strong read.
    fn readable_length(&self, strong: bool) -> Option<u64> {
        let record = self.record?;
        match self.live.primary() {
            Some(primary) if strong => Some(primary.order.committed_length()),
            None if strong => None,
            Some(_) | None => Some(record.image.length),
        }
    }

    /// Was the chunk retired, as far as a reader may see? Such a chunk has no bytes; another may hold
    /// those of its place in the file.
    fn is_gone(&self, strong: bool) -> bool {
        match self.live.primary() {
            Some(primary) if strong => primary.order.is_retired(),
            None if strong => false,
            Some(_) | None => {
                self.record.is_some_and(|record| record.image.end == ChunkEnd::Retired)
            }
        }
    }

    /// Is this a strong read whose lease or configuration ended while it was on its way?
    pub fn lost_its_lease(&self, job: &ReadJob) -> bool {
        job.strong().is_some_and(|read| self.has_lost_lease(read.version))
    }

    /// A client's read ended.
    pub fn answer_client(&mut self, read: ClientRead, result: Result<ReadBytes, Refusal>) {
        let ClientRead { client, op, mode, version } = read;
        let length = self.readable_length(mode == ReadMode::Strong);
        let result = result.and_then(|bytes| Ok((length.ok_or(Refusal::NotPrimary)?, bytes)));
        match result {
            Ok((length, ReadBytes { offset, payload, .. })) => {
                let (chunk, extent) = (self.chunk, Extent::new(offset, payload.len()));
                self.cx.observe(Event::ReadServed { chunk, version, op, extent, mode });
                self.answer_read(client, op, Ok(length), payload);
            }
            Err(refusal) => self.answer_read(client, op, Err(refusal), Payload::default()),
        }
    }

    /// Refuses the strong reads that wait here: this node is primary no longer.
    pub fn refuse_strong_reads(&mut self) {
        let waiting = core::mem::take(&mut self.live.reads.waiting);
        let (strong, rest) = waiting.into_iter().partition(ReadJob::is_strong);
        self.live.reads.waiting = rest;
        let strong: Vec<ReadJob> = strong;
        for read in strong.iter().filter_map(ReadJob::strong) {
            self.answer_read(read.client, read.op, Err(Refusal::NotPrimary), Payload::default());
        }
    }
}
