//! Mutations in memory, ordered and not yet on their way to the disk; they go out in groups
//! (group commit).

use super::live::Role;
use super::read::Reads;
use super::replica::Replica;
use crate::config::Constants;
use crate::event::Event;
use crate::ids::{ChunkVersion, NodeId, Sequence};
use crate::io::ReplicaData;
use crate::payload::{Extent, Payload};
use crate::replica::{Mutation, MutationKind, ReplicaChange, ReplicaRecord};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A mutation in memory that is not yet on its way to the disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Queued {
    pub version: ChunkVersion,
    pub mutation: Mutation,
    pub payload: Payload,
}

/// What one replica has in memory, at a member and at the primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    waiting: BTreeMap<Sequence, Queued>,
    /// Known to be on every member.
    committed: Sequence,
    /// The primary that ordered these mutations, to be informed when they are durable.
    pushed_by: Option<NodeId>,
}

impl Queue {
    pub fn first(&self) -> Option<Sequence> {
        self.waiting.keys().next().copied()
    }

    pub fn get(&self, sequence: Sequence) -> Option<&Queued> {
        self.waiting.get(&sequence)
    }

    pub fn insert(&mut self, sequence: Sequence, queued: Queued) {
        self.waiting.insert(sequence, queued);
    }

    /// A group did not get to the disk: its mutations wait for their turn again.
    pub fn put_back(
        &mut self,
        version: ChunkVersion,
        first: Sequence,
        mutations: impl Iterator<Item = (Mutation, Payload)>,
    ) {
        let mut sequence = first;
        for (mutation, payload) in mutations {
            self.insert(sequence, Queued { version, mutation, payload });
            sequence = sequence.next();
        }
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The version that ordered the mutations is over.
    pub fn forget_primary(&mut self) {
        (self.committed, self.pushed_by) = (Sequence(0), None);
    }

    pub fn pushed_by(&self) -> Option<NodeId> {
        self.pushed_by
    }

    pub fn set_pushed_by(&mut self, primary: NodeId) {
        self.pushed_by = Some(primary);
    }

    /// Takes over what the primary says is on every member.
    pub fn learn_committed(&mut self, committed: Sequence) {
        self.committed = self.committed.max(committed);
    }

    /// The primary itself found this to be on every member.
    pub fn set_committed(&mut self, committed: Sequence) {
        self.committed = committed;
    }

    /// The last sequence in memory without a gap after `applied`.
    pub fn received(&self, applied: Sequence) -> Sequence {
        let mut last = applied;
        for &sequence in self.waiting.keys() {
            if sequence == last.next() {
                last = sequence;
            }
        }
        last
    }

    /// Takes the next mutations in order: of one version, and as far as no read is in their way.
    fn take_batch(
        &mut self,
        applied: Sequence,
        reads: &Reads,
        constants: &Constants,
    ) -> Vec<Queued> {
        let block = u64::from(constants.block_bytes);
        let bytes_max = u64::from(constants.inflight_bytes_max);
        let mut batch: Vec<Queued> = Vec::new();
        let mut bytes = 0;
        let mut next = applied.next();
        while let Some(queued) = self.waiting.get(&next) {
            let Mutation { kind, extent, .. } = queued.mutation;
            let blocks = kind.touches(extent).to_blocks(block);
            let same_version = batch.first().is_none_or(|first| first.version == queued.version);
            let fits = batch.is_empty() || bytes + queued.payload.len() <= bytes_max;
            if !same_version || !fits || reads.are_before(next, &blocks) {
                break;
            }
            bytes += queued.payload.len();
            batch.extend(self.waiting.remove(&next));
            next = next.next();
        }
        batch
    }
}

/// The bytes that a learner must be sent again because of these mutations, which follow what is here.
///
/// A learner may still have what a cut took away: the copy takes the source's length at its end, and
/// until then a chunk that grows again shows those bytes. So whatever lies between the end of a chunk
/// that was ever cut and what is written behind it is sent as well.
fn written(record: &ReplicaRecord, mutations: &[Mutation]) -> Vec<Extent> {
    let full = record.spec.chunk_bytes;
    let mut length = record.image.length;
    let mut cut = record.image.end.epoch() > 0;
    let mut extents = Vec::new();
    for Mutation { kind, extent, .. } in mutations {
        cut |= matches!(kind, MutationKind::Cut { .. });
        let (from, to) = match kind {
            MutationKind::Write | MutationKind::Append => (extent.offset, extent.end()),
            MutationKind::Seal if !cut => (full, full),
            MutationKind::Seal => (length, full),
            MutationKind::Cut { .. } => (length.min(extent.offset), extent.offset),
            MutationKind::Retire => (0, 0),
        };
        let from = if cut { from.min(length) } else { from };
        extents.push(Extent::new(from, to - from));
        length = match kind {
            MutationKind::Cut { .. } | MutationKind::Retire => to,
            MutationKind::Write | MutationKind::Append | MutationKind::Seal => length.max(to),
        };
    }
    extents
}

impl Replica<'_> {
    /// Sends the gathered mutations to the disk, if it is their turn.
    pub fn start_apply(&mut self) {
        let Some(record) = self.record else { return };
        let live = &mut *self.live;
        let stopped = live.is_changing() || self.service.is_stopped() || live.health.is_full();
        if stopped || matches!(live.role, Role::Learner(_)) {
            return;
        }
        let applied = record.image.sequence;
        let batch = live.queue.take_batch(applied, &live.reads, self.cx.constants);
        let Some(version) = batch.first().map(|queued| queued.version) else { return };
        let (mutations, payloads): (Vec<Mutation>, Vec<Payload>) =
            batch.into_iter().map(|queued| (queued.mutation, queued.payload)).unzip();
        let committed = live.queue.committed;
        if let Some(primary) = live.primary_mut() {
            primary.copies.on_written(written(record, &mutations));
        }
        let (chunk, first) = (self.chunk, applied.next());
        let change = ReplicaChange::Apply { chunk, version, first, mutations, committed };
        self.write_bytes(change, ReplicaData::Mutations(payloads));
    }

    /// A group is durable here.
    pub fn observe_applied(
        &mut self,
        version: ChunkVersion,
        first: Sequence,
        mutations: &[Mutation],
    ) {
        let chunk = self.chunk;
        let mut sequence = first;
        for mutation in mutations {
            let Mutation { op, kind, extent, crc, .. } = *mutation;
            self.cx.observe(Event::Applied { chunk, version, sequence, op, kind, extent, crc });
            sequence = sequence.next();
        }
    }
}
