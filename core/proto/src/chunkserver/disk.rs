//! Which I/O may run together.
//!
//! One change of a replica is in flight at a time; what arrives meanwhile gathers, and goes out
//! as one `Apply` (group commit). A read and a change that touch the same checksum block wait for
//! each other.

use super::Chunkserver;
use super::live::{Live, Queued, Role};
use super::read::ReadJob;
use crate::event::Event;
use crate::ids::{ChunkHandle, IoId, Sequence};
use crate::io::{IoFault, IoOp, IoOutput, IoResult, ReplicaData};
use crate::machine::{Effect, Effects};
use crate::payload::{Extent, Payload};
use crate::replica::{Mutation, ReplicaChange};
use crate::time::Time;
use alloc::vec::Vec;

/// An I/O in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pending {
    pub op: IoOp,
    /// Whom a read is for.
    pub read: Option<ReadJob>,
}

impl Chunkserver {
    /// Starts an I/O that changes a replica, and holds the chunk for it.
    pub(super) fn start_write(&mut self, op: impl Into<IoOp>, out: &mut Effects) {
        let op = op.into();
        let IoOp::Replica(change, data) = &op else { unreachable!("a write changes a replica") };
        let chunk = change.chunk();
        let extents = match change {
            ReplicaChange::StartLearner { .. }
            | ReplicaChange::Delete { .. }
            | ReplicaChange::Quarantine { .. } => [Extent::new(0, u64::MAX)].into(),
            _ => data.writes(change).into_iter().flat_map(|(to, _)| to).copied().collect(),
        };
        let live = self.live(chunk);
        assert!(!live.writing, "one change of a replica at a time");
        live.writing = true;
        live.writing_extents = extents;
        self.start_io(op, None, out);
    }

    pub(super) fn start_io(&mut self, op: IoOp, read: Option<ReadJob>, out: &mut Effects) -> IoId {
        self.last_io = self.last_io.next();
        self.pending.insert(self.last_io, Pending { op: op.clone(), read });
        out.push(Effect::Io { io: self.last_io, op });
        self.last_io
    }

    /// Sends the gathered mutations to the disk, if it is their turn.
    pub(super) fn start_apply(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let Some(applied) = self.record(chunk).map(|r| r.image.sequence) else { return };
        let Some(live) = self.live.get(&chunk) else { return };
        let stopped = live.writing || live.promising.is_some() || self.disk_failed || live.full;
        if stopped || matches!(live.role, Role::Learner(_)) {
            return;
        }
        let batch = next_batch(live, applied, self.constants());
        let Some(version) = batch.first().map(|queued| queued.version) else { return };
        let live = self.live(chunk);
        for (sequence, _) in (1..).map(|n| Sequence(applied.0 + n)).zip(&batch) {
            live.queue.remove(&sequence);
        }
        let committed = live.committed;
        let (mutations, payloads): (Vec<Mutation>, Vec<Payload>) =
            batch.into_iter().map(|queued| (queued.mutation, queued.payload)).unzip();
        self.touch_copies(chunk, mutations.iter());
        let first = applied.next();
        let change = ReplicaChange::Apply { chunk, version, first, mutations, committed };
        self.start_write(IoOp::Replica(change, ReplicaData::Mutations(payloads)), out);
    }

    /// Remembers what copies under way must copy again. From here on a read of these bytes waits
    /// for the change, so whoever takes them out of the set reads them changed.
    fn touch_copies<'a>(
        &mut self,
        chunk: ChunkHandle,
        mutations: impl Iterator<Item = &'a Mutation> + Clone,
    ) {
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        for copy in primary.copies.values_mut() {
            for mutation in mutations.clone() {
                copy.left.insert(mutation.extent);
            }
        }
    }

    pub(super) fn on_io_done(&mut self, now: Time, io: IoId, result: IoResult, out: &mut Effects) {
        let pending = self.pending.remove(&io).expect("an I/O ends once, and was begun");
        let chunk = pending.op.chunk().expect("a chunkserver's I/O concerns a chunk");
        self.touched.insert(chunk);
        match pending.op {
            IoOp::Read { .. } => {
                let job = pending.read.expect("a read is for somebody");
                self.live(chunk).reading.remove(&io);
                self.on_read_done(now, chunk, job, result, out);
            }
            IoOp::Replica(change, data) => {
                if let Some(live) = self.live.get_mut(&chunk) {
                    live.writing = false;
                    live.writing_extents.clear();
                }
                match result {
                    Ok(IoOutput::Done) => self.on_written(now, change, out),
                    Ok(other) => unreachable!("{other:?} is no answer to a write"),
                    Err(fault) => self.on_write_failed(now, change, data, &fault, out),
                }
            }
            IoOp::Log(_) => unreachable!("a chunkserver has no log"),
        }
        self.go_on(chunk, now, out);
    }

    fn on_written(&mut self, now: Time, change: ReplicaChange, out: &mut Effects) {
        let chunk = change.chunk();
        self.replicas.apply(&change);
        self.link.dirty.insert(chunk);
        match change {
            ReplicaChange::Promise { version, .. } => self.on_promised(chunk, version, out),
            ReplicaChange::Apply { version, first, mutations, .. } => {
                let mut sequence = first;
                for mutation in mutations {
                    let Mutation { op, kind, extent, crc, .. } = mutation;
                    out.observe(Event::Applied { chunk, version, sequence, op, kind, extent, crc });
                    sequence = sequence.next();
                }
                self.on_applied(now, chunk, version, out);
            }
            ReplicaChange::Adopt { version, .. } => self.on_adopted(now, chunk, version, out),
            ReplicaChange::Reconcile { version, .. } => {
                self.on_reconcile_durable(chunk, version, out);
            }
            ReplicaChange::StartLearner { .. }
            | ReplicaChange::CopyIn { .. }
            | ReplicaChange::Install { .. } => self.on_copy_written(now, chunk, &change, out),
            ReplicaChange::Delete { .. } => self.on_deleted(chunk, out),
            ReplicaChange::Quarantine { .. } => self.on_quarantined(now, chunk, out),
        }
    }

    fn on_write_failed(
        &mut self,
        now: Time,
        change: ReplicaChange,
        data: ReplicaData,
        fault: &IoFault,
        out: &mut Effects,
    ) {
        let chunk = change.chunk();
        match fault {
            IoFault::NoSpace => self.on_disk_full(now, change, data, out),
            IoFault::DiskFailed => self.on_disk_failed(out),
            IoFault::Corrupt { .. } => {
                self.on_corrupt(chunk, out);
                // A step of a copy that met it is not asked for again.
                self.give_up_copy(chunk, out);
            }
            IoFault::NotLeader => unreachable!("a chunkserver does not propose"),
        }
    }

    /// Nothing was changed: mutations go back into the queue, and the master is asked for another
    /// configuration. What a master or a learner waits for, they ask for again.
    fn on_disk_full(
        &mut self,
        now: Time,
        change: ReplicaChange,
        data: ReplicaData,
        out: &mut Effects,
    ) {
        let chunk = change.chunk();
        let (ReplicaChange::Apply { version, first, mutations, .. }, ReplicaData::Mutations(bytes)) =
            (&change, data)
        else {
            // It refuses what is below the promise that it could not write, and says so.
            self.link.dirty.insert(chunk);
            let live = self.live(chunk);
            live.promising = None;
            if matches!(change, ReplicaChange::Adopt { .. }) {
                live.role = Role::Member;
            }
            return self.give_up_copy(chunk, out);
        };
        let (version, first) = (*version, *first);
        // What a promise made meanwhile fences off does not come back.
        let fenced = self.fence(chunk) > version;
        let live = self.live(chunk);
        live.full = true;
        if fenced {
            return;
        }
        let mut sequence = first;
        for (mutation, payload) in mutations.iter().cloned().zip(bytes) {
            live.queue.insert(sequence, Queued { version, mutation, payload });
            sequence = sequence.next();
        }
        self.report_full(now, chunk, version, out);
    }

    /// The disk is out of service, for good: no lease outlives it, and no promise is made any more.
    pub(super) fn on_disk_failed(&mut self, out: &mut Effects) {
        if self.disk_failed {
            return;
        }
        self.disk_failed = true;
        out.observe(Event::DiskFailed);
        let leased: Vec<ChunkHandle> = self.leases.all(Time(0)).map(|(chunk, _)| chunk).collect();
        for chunk in leased {
            self.end_lease(chunk, out);
        }
        for live in self.live.values_mut() {
            live.promising = None;
        }
        self.link.heartbeat_due();
    }

    /// A block did not fit its checksum: the master takes the replica out, and it comes back as
    /// a learner.
    pub(super) fn on_corrupt(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let live = self.live(chunk);
        if !live.corrupt {
            live.corrupt = true;
            out.observe(Event::CorruptRead { chunk });
            self.link.dirty.insert(chunk);
            self.link.heartbeat_due();
        }
    }
}

/// The next mutations in order, as far as no read is in their way.
fn next_batch(live: &Live, applied: Sequence, constants: &crate::config::Constants) -> Vec<Queued> {
    let block = u64::from(constants.block_bytes);
    let mut batch: Vec<Queued> = Vec::new();
    let mut bytes = 0;
    let mut next = applied.next();
    while let Some(queued) = live.queue.get(&next) {
        let blocks = queued.mutation.extent.to_blocks(block);
        let same_version = batch.first().is_none_or(|first| first.version == queued.version);
        let fits = batch.is_empty()
            || bytes + queued.payload.len() <= u64::from(constants.inflight_bytes_max);
        if !same_version || !fits || read_in_the_way(live, next, &blocks) {
            break;
        }
        bytes += queued.payload.len();
        batch.push(queued.clone());
        next = next.next();
    }
    batch
}

/// A read that began, or one that came before this mutation was ordered, must not see its bytes.
fn read_in_the_way(live: &Live, sequence: Sequence, blocks: &Extent) -> bool {
    let reading = live.reading.values().flatten().any(|read| read.overlaps(blocks));
    reading || live.reads.iter().any(|job| job.is_before(sequence) && job.touches(blocks))
}
