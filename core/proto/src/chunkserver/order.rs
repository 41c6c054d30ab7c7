//! The order of one chunk's mutations at its primary: what has a sequence number and is not yet on
//! every member.

use super::admission::Wanted;
use crate::config::Constants;
use crate::ids::{NodeId, OpId, Sequence};
use crate::payload::{Extent, Payload};
use crate::replica::{Mutation, MutationKind, ReplicaImage};
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
}

/// A mutation that is ordered and not committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InFlight {
    pub mutation: Mutation,
    pub payload: Payload,
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
    inflight: BTreeMap<Sequence, InFlight>,
    inflight_bytes: u64,
    ordered: BTreeMap<OpId, Sequence>,
}

/// Where a mutation goes.
pub(super) enum Place {
    At(MutationKind, Extent),
    SealedBy(Sequence),
}

impl Order {
    /// Every member has everything in this image.
    pub fn begin(&mut self, image: &ReplicaImage) {
        self.last = image.sequence;
        self.committed = image.sequence;
        self.committed_length = image.length;
        self.tail = image.length;
        self.sealed_by = image.sealed.then_some(image.sequence);
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
        let touching = self.inflight.iter().filter(|(_, f)| f.mutation.extent.overlaps(extent));
        touching.map(|(sequence, _)| *sequence).next_back().unwrap_or_default()
    }

    /// GFS §3.3: a record that does not fit pads the chunk, and is to be tried on the next one.
    pub fn place(&self, wanted: &Wanted, chunk_bytes: u64) -> Place {
        let length = wanted.payload.len();
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
        }
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
        self.tail = self.tail.max(mutation.extent.end());
        if mutation.kind == MutationKind::Seal || self.tail == chunk_bytes {
            self.tail = chunk_bytes;
            self.sealed_by.get_or_insert(sequence);
        }
        self.ordered.insert(mutation.op, sequence);
        self.inflight_bytes += payload.len();
        let waiters = [waiter].into();
        self.inflight.insert(sequence, InFlight { mutation, payload, sent_at: now, waiters });
        sequence
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
            self.committed_length = self.committed_length.max(inflight.mutation.extent.end());
            if inflight.mutation.kind == MutationKind::Seal {
                self.committed_length = self.tail;
            }
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
