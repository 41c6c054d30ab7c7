//! Marks about mutations and reads: what clients ask of chunkservers and learn.

use super::leases::InFlight;
use super::{Hits, Mark};
use leasehold_proto::message::{data, pipeline};
use leasehold_proto::{
    ChunkHandle, Effect, Event, Extent, Input, IoOp, Message, MutationKind, NodeId, OpError, OpId,
    ReadMode, Refusal, ReplicaChange, Sequence, Time,
};
use std::collections::{BTreeMap, BTreeSet};

type Held = BTreeMap<(NodeId, ChunkHandle), Time>;

/// Requests to nodes without an answer yet.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    in_flight: InFlight,
    /// Where the writes among them go; an append's place is not known before it is ordered.
    extents: BTreeMap<(NodeId, ChunkHandle, OpId), Extent>,
    /// What a node's operation table may hold.
    applied: BTreeSet<(NodeId, ChunkHandle, OpId)>,
    /// The last place in the order that a member has.
    received: BTreeMap<(NodeId, ChunkHandle), Sequence>,
    /// Retries of what was applied before.
    retries: BTreeSet<(NodeId, OpId)>,
    /// Reads that are between their arrival and their answer; true once their I/O was requested.
    reads: BTreeMap<(NodeId, OpId), (ChunkHandle, bool)>,
}

impl Requests {
    /// Mutations that nodes owe an answer to.
    pub fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    pub fn input(&mut self, node: NodeId, input: &Input, held: &Held, hits: &mut Hits) {
        let Input::Deliver(envelope) = input else { return };
        match &envelope.message {
            Message::Data(data::Request::Mutate(data::Mutate {
                op,
                chunk,
                kind,
                offset,
                payload,
                ..
            })) => {
                let extent = Extent::new(*offset, payload.data.len() as u64);
                let extent = (*kind == MutationKind::Write).then_some(extent);
                self.asked(node, *op, *chunk, extent, hits);
            }
            Message::Pipeline(pipeline::Order::Push(pipeline::Push {
                chunk, sequence, ..
            })) => self.pushed(node, *chunk, *sequence, hits),
            Message::Data(data::Request::Read(data::Read { op, chunk, extent, mode, .. })) => {
                self.reads.insert((node, *op), (*chunk, false));
                let waits = *mode == ReadMode::Strong
                    && held.contains_key(&(node, *chunk))
                    && self.overlaps(node, *chunk, extent);
                hits.hit_if(waits, Mark::ReadWaitedForOverlap);
            }
            _ => {}
        }
    }

    pub fn effect(&mut self, node: NodeId, effect: &Effect, held: &Held, hits: &mut Hits) {
        match effect {
            Effect::Send(envelope) => self.sent(node, &envelope.message, hits),
            Effect::Io { op: IoOp::Replica(ReplicaChange::Apply { mutations, .. }, _), .. } => {
                hits.hit_if(mutations.len() > 1, Mark::GroupCommit);
            }
            Effect::Io { op: IoOp::Read { chunk, .. }, .. } => {
                let here = self.reads.range_mut((node, OpId { client: NodeId(0), number: 0 })..);
                let of_node = here.take_while(|((reader, _), _)| *reader == node);
                of_node.filter(|(_, read)| read.0 == *chunk).for_each(|(_, read)| read.1 = true);
            }
            Effect::Io { .. } => {}
            Effect::Observe(event) => self.event(node, event, held, hits),
            Effect::Respond { result, .. } => {
                let unknown = result.as_ref().is_err_and(OpError::may_have_effect);
                hits.hit_if(unknown, Mark::OutcomeUnknown);
                if let Err(OpError::Refused(refusal)) = result {
                    of_the_namespace(refusal).into_iter().for_each(|mark| hits.hit(mark));
                }
            }
        }
    }

    /// What was in its memory is gone; its operation tables are on its disk.
    pub fn crashed(&mut self, node: NodeId) {
        self.in_flight.retain(|(at, _), _| *at != node);
        self.extents.retain(|(at, _, _), _| *at != node);
        self.received.retain(|(at, _), _| *at != node);
        self.retries.retain(|(at, _)| *at != node);
        self.reads.retain(|(at, _), _| *at != node);
    }

    fn asked(
        &mut self,
        node: NodeId,
        op: OpId,
        chunk: ChunkHandle,
        extent: Option<Extent>,
        hits: &mut Hits,
    ) {
        if self.applied.contains(&(node, chunk, op)) {
            hits.hit(Mark::RetryMetTheTable);
            self.retries.insert((node, op));
        }
        let first = self.in_flight.entry((node, chunk)).or_default().insert(op);
        hits.hit_if(!first, Mark::RetryWhileInFlight);
        if let Some(extent) = extent {
            self.extents.insert((node, chunk, op), extent);
        }
    }

    fn pushed(&mut self, node: NodeId, chunk: ChunkHandle, sequence: Sequence, hits: &mut Hits) {
        let Some(last) = self.received.get_mut(&(node, chunk)) else {
            self.received.insert((node, chunk), sequence);
            return;
        };
        hits.hit_if(sequence.0 > last.0 + 1, Mark::PushOutOfOrder);
        hits.hit_if(sequence <= *last, Mark::PushTwice);
        if sequence.0 == last.0 + 1 {
            *last = sequence;
        }
    }

    fn overlaps(&self, node: NodeId, chunk: ChunkHandle, read: &Extent) -> bool {
        let first = OpId { client: NodeId(0), number: 0 };
        let here = self.extents.range((node, chunk, first)..);
        let mut here = here.take_while(|((at, of, _), _)| (*at, *of) == (node, chunk));
        here.any(|(_, written)| written.overlaps(read))
    }

    fn sent(&mut self, node: NodeId, message: &Message, hits: &mut Hits) {
        match message {
            Message::DataReply(data::Reply::Mutated(data::Mutated { op, chunk, result })) => {
                if let Some(ops) = self.in_flight.get_mut(&(node, *chunk)) {
                    ops.remove(op);
                }
                self.extents.remove(&(node, *chunk, *op));
                let retry = self.retries.remove(&(node, *op));
                hits.hit_if(retry && result.is_ok(), Mark::RetryAnsweredFromTheTable);
                match result {
                    Err(Refusal::Busy) => hits.hit(Mark::WriteRefusedBusy),
                    Err(Refusal::Stale { .. } | Refusal::NotPrimary) => {
                        hits.hit(Mark::WriteRefusedStale);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            Message::DataReply(data::Reply::Read(data::ReadReply { op, result, .. })) => {
                let read = self.reads.remove(&(node, *op));
                let over = matches!(result, Err(Refusal::NotPrimary | Refusal::Stale { .. }));
                let was_read = read.is_some_and(|(_, asked)| asked);
                hits.hit_if(over && was_read, Mark::ReadRefusedAfterItsIo);
            }
            Message::PipelineReply(pipeline::Reply::Refused(pipeline::PushRefused {
                refusal: Refusal::Stale { .. },
                ..
            })) => {
                hits.hit(Mark::PushFenced);
            }
            _ => {}
        }
    }

    fn event(&mut self, node: NodeId, event: &Event, held: &Held, hits: &mut Hits) {
        match event {
            Event::Applied { chunk, sequence, op, kind, .. } => {
                self.applied.insert((node, *chunk, *op));
                let last = self.received.entry((node, *chunk)).or_insert(*sequence);
                *last = (*last).max(*sequence);
                hits.hit_if(*kind == MutationKind::Seal, Mark::ChunkSealed);
            }
            Event::Adopted { chunk, sequence, ops, .. } => {
                self.received.insert((node, *chunk), *sequence);
                self.applied.extend(ops.iter().map(|(op, _)| (node, *chunk, *op)));
            }
            Event::ReadServed { chunk, mode: ReadMode::Relaxed, .. } => {
                let holds = held.contains_key(&(node, *chunk));
                hits.hit_if(!holds, Mark::RelaxedReadAtSecondary);
            }
            Event::Retried { .. } => hits.hit(Mark::ClientRetried),
            _ => {}
        }
    }
}

/// Refusals of the namespace that few requests meet. No file has 65,000 names in a run, so `TooManyLinks`
/// is left to a test of the model.
fn of_the_namespace(refusal: &Refusal) -> Option<Mark> {
    match refusal {
        Refusal::PermissionDenied => Some(Mark::PermissionDenied),
        Refusal::NotPermitted => Some(Mark::OwnerWanted),
        Refusal::SymlinkLoop => Some(Mark::SymlinkLoop),
        Refusal::DirectoryNotEmpty => Some(Mark::DirectoryNotEmpty),
        Refusal::NameTooLong => Some(Mark::NameTooLong),
        Refusal::NoAttribute => Some(Mark::NoSuchXattr),
        Refusal::NotSupported => Some(Mark::XattrNotSupported),
        _ => None,
    }
}
