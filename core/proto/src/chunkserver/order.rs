//! The order of one chunk's mutations at its primary: what has a sequence number and is not yet on
//! every member.

use super::admission::Wanted;
use crate::config::Constants;
use crate::ids::{NodeId, OpId, Sequence};
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::{ChunkEnd, Mutation, MutationKind, ReplicaImage};
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// A client that waits for a mutation, and what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiter {
    pub client: NodeId,
    pub op: OpId,
    pub asked: MutationKind,
    /// It is refused, as soon as the mutation that it waits for is committed.
    pub refusal: Option<Refusal>,
}

/// A mutation that is ordered and not committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InFlight {
    pub mutation: Mutation,
    pub payload: Payload,
    /// The chunk's length when it is applied.
    length: u64,
    sent_at: Time,
    pub waiters: Vec<Waiter>,
}

/// The mutations of one version from its last committed one on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Order {
    last: Sequence,
    committed: Sequence,
    committed_length: u64,
    /// The chunk's length when everything ordered is applied.
    tail: u64,
    /// The mutation that seals or fills the chunk, once there is one.
    sealed_by: Option<Sequence>,
    /// The last cut, and the truncation epoch in which it was decided.
    cut_by: Option<(Sequence, u64)>,
    /// The mutation that retires the chunk, once there is one.
    retired_by: Option<Sequence>,
    inflight: BTreeMap<Sequence, InFlight>,
    inflight_bytes: u64,
    ordered: BTreeMap<OpId, Sequence>,
}

/// Where a mutation goes.
pub(super) enum Place {
    At(MutationKind, Extent),
    /// Refused, once this is committed: uncommitted it could be lost, and with it the certainty that
    /// the refused operation never takes effect.
    RefusedBy(Sequence, Refusal),
    /// Done already by this one.
    SealedBy(Sequence),
}

impl Order {
    /// Every member has everything in this image.
    pub fn begin(&mut self, image: &ReplicaImage) {
        self.last = image.sequence;
        self.committed = image.sequence;
        self.committed_length = image.length;
        self.tail = image.length;
        let (end, sequence) = (image.end, image.sequence);
        self.sealed_by = end.is_sealed().then_some(sequence);
        self.cut_by = (end.epoch() > 0).then_some((sequence, end.epoch()));
        self.retired_by = (end == ChunkEnd::Retired).then_some(sequence);
    }

    pub fn last(&self) -> Sequence {
        self.last
    }

    pub fn committed(&self) -> Sequence {
        self.committed
    }

    pub fn committed_length(&self) -> u64 {
        self.committed_length
    }

    /// Everything ordered is committed.
    pub fn is_settled(&self) -> bool {
        self.inflight.is_empty()
    }

    pub fn has_room(&self, bytes: u64, constants: &Constants) -> bool {
        self.inflight.len() < constants.inflight_mutations_max as usize
            && (self.inflight.is_empty()
                || self.inflight_bytes + bytes <= u64::from(constants.inflight_bytes_max))
    }

    /// The place of an operation that is ordered and not committed.
    pub fn place_of(&self, op: OpId) -> Option<Sequence> {
        self.ordered.get(&op).copied()
    }

    pub fn get(&self, sequence: Sequence) -> Option<&InFlight> {
        self.inflight.get(&sequence)
    }

    pub fn get_mut(&mut self, sequence: Sequence) -> Option<&mut InFlight> {
        self.inflight.get_mut(&sequence)
    }

    /// The last mutation not committed that touches any of these bytes.
    pub fn last_overlapping(&self, extent: &Extent) -> Sequence {
        let touches = |f: &InFlight| f.mutation.kind.touches(f.mutation.extent).overlaps(extent);
        let touching = self.inflight.iter().filter(|(_, inflight)| touches(inflight));
        touching.map(|(sequence, _)| *sequence).next_back().unwrap_or_default()
    }

    /// GFS §3.3: a record that does not fit pads the chunk, and is to be tried on the next one.
    pub fn place(&self, wanted: &Wanted, chunk_bytes: u64) -> Place {
        if let Some(sequence) = self.retired_by {
            return Place::RefusedBy(sequence, Refusal::Retired);
        }
        let length = wanted.payload.len();
        if let (MutationKind::Append, Some(place)) = (wanted.kind, self.sealed(wanted, chunk_bytes))
        {
            return place;
        }
        match (wanted.kind, self.sealed_by) {
            (MutationKind::Write, _) => {
                Place::At(MutationKind::Write, Extent::new(wanted.offset, length))
            }
            (MutationKind::Append | MutationKind::Seal, Some(sequence)) => {
                Place::SealedBy(sequence)
            }
            (MutationKind::Append, None) if self.tail + length <= chunk_bytes => {
                Place::At(MutationKind::Append, Extent::new(self.tail, length))
            }
            (MutationKind::Append | MutationKind::Seal, None) => {
                Place::At(MutationKind::Seal, Extent::default())
            }
            (MutationKind::Cut { epoch }, _) => {
                let to = wanted.offset.min(chunk_bytes);
                match self.cut_by.filter(|(_, last)| (epoch, to) < (*last, chunk_bytes)) {
                    Some((sequence, _)) => Place::RefusedBy(sequence, Refusal::Overtaken),
                    None => Place::At(wanted.kind, Extent::new(to, 0)),
                }
            }
            (MutationKind::Retire, _) => Place::At(MutationKind::Retire, Extent::default()),
        }
    }

    /// What becomes of a record for which the chunk is sealed, in the epoch that its client knows.
    ///
    /// That it is not in this chunk must stay true of every copy of it, also if a cut opens the chunk. A
    /// cut of a later epoch keeps copies away that name an earlier one. Against one of this epoch, which
    /// may be on its way, the chunk is filled in this epoch, under the record's number.
    fn sealed(&self, wanted: &Wanted, chunk_bytes: u64) -> Option<Place> {
        let (by, last) = self.cut_by.unwrap_or_default();
        let epoch = wanted.offset;
        if epoch < last {
            return Some(Place::RefusedBy(by, Refusal::Sealed));
        }
        self.sealed_by.map(|sequence| match epoch > last {
            true => Place::At(MutationKind::Cut { epoch }, Extent::new(chunk_bytes, 0)),
            false => Place::RefusedBy(sequence, Refusal::Sealed),
        })
    }

    /// Is it committed that the chunk is retired?
    pub fn is_retired(&self) -> bool {
        self.retired_by.is_some_and(|sequence| sequence <= self.committed)
    }

    /// Gives a mutation the next sequence number.
    pub fn add(
        &mut self,
        mutation: Mutation,
        payload: Payload,
        waiter: Waiter,
        chunk_bytes: u64,
        now: Time,
    ) -> Sequence {
        let sequence = self.last.next();
        self.last = sequence;
        self.end_at(sequence, &mutation, chunk_bytes);
        self.ordered.insert(mutation.op, sequence);
        self.inflight_bytes += payload.len();
        let (length, waiters) = (self.tail, [waiter].into());
        let inflight = InFlight { mutation, payload, length, sent_at: now, waiters };
        self.inflight.insert(sequence, inflight);
        sequence
    }

    /// Where the chunk ends after this mutation, and what fits there.
    fn end_at(&mut self, sequence: Sequence, mutation: &Mutation, chunk_bytes: u64) {
        match mutation.kind {
            MutationKind::Write | MutationKind::Append => {
                self.tail = self.tail.max(mutation.extent.end());
            }
            MutationKind::Seal => self.tail = chunk_bytes,
            MutationKind::Cut { epoch } => {
                self.tail = mutation.extent.offset;
                self.cut_by = Some((sequence, epoch));
                self.sealed_by = self.sealed_by.filter(|_| self.tail == chunk_bytes);
            }
            MutationKind::Retire => {
                self.tail = 0;
                self.retired_by = Some(sequence);
            }
        }
        if self.tail == chunk_bytes {
            self.sealed_by.get_or_insert(sequence);
        }
    }

    /// Every member has everything up to here. Takes what this commits.
    pub fn commit(&mut self, upto: Sequence) -> Vec<(Sequence, InFlight)> {
        let mut done = Vec::new();
        while self.committed < upto {
            let sequence = self.committed.next();
            let inflight = self.inflight.remove(&sequence).expect("ordered and not committed");
            self.committed = sequence;
            self.inflight_bytes -= inflight.payload.len();
            self.ordered.remove(&inflight.mutation.op);
            self.committed_length = inflight.length;
            done.push((sequence, inflight));
        }
        done
    }

    /// Takes note that a member is sent again what it did not receive, and which those are.
    pub fn resend_after(
        &mut self,
        received: Sequence,
        now: Time,
        pause: Duration,
    ) -> Vec<Sequence> {
        let mut missing = Vec::new();
        for (sequence, inflight) in self.inflight.range_mut(received.next()..) {
            if now.since(inflight.sent_at) >= pause {
                inflight.sent_at = now;
                missing.push(*sequence);
            }
        }
        missing
    }

    /// Nothing is ordered or committed any more. Returns the clients that waited in vain.
    pub fn abandon(&mut self) -> Vec<(NodeId, OpId)> {
        self.inflight_bytes = 0;
        self.ordered.clear();
        let inflight = core::mem::take(&mut self.inflight);
        inflight.into_values().flat_map(|f| f.waiters).map(|w| (w.client, w.op)).collect()
    }

    pub fn assert_invariants(&self) {
        assert!(self.committed <= self.last, "committed is never above ordered");
        let first = self.inflight.keys().next().copied().unwrap_or(self.last.next());
        assert_eq!(first, self.committed.next(), "what is ordered and not committed is kept");
    }
}
