//! Marks about leases: who believes to be primary, and how that ends.

use super::{Hits, Mark};
use leasehold_proto::message::{data, lease};
use leasehold_proto::{
    ChunkHandle, Effect, Event, Input, Message, NodeId, OpId, ReadMode, Refusal, Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// A lease that is found over this long after its end was slept through.
const LATE_NS: u64 = 500_000_000;

/// Mutations that a node owes an answer to.
pub type InFlight = BTreeMap<(NodeId, ChunkHandle), BTreeSet<OpId>>;

/// Leases that nodes hold, by their own belief.
#[derive(Clone, Debug, Default)]
pub struct Leases {
    held: BTreeMap<(NodeId, ChunkHandle), Time>,
    /// Nodes whose lease on a chunk was the last thing known of it, and ended.
    ended: BTreeSet<(NodeId, ChunkHandle)>,
    /// Chunks of the grant that a node is looking at.
    granted: BTreeMap<NodeId, BTreeSet<ChunkHandle>>,
    /// Strong reads on their way, by operation.
    strong: BTreeSet<(NodeId, OpId)>,
}

impl Leases {
    /// Who holds what, and until when of its own clock.
    pub fn held(&self) -> &BTreeMap<(NodeId, ChunkHandle), Time> {
        &self.held
    }

    pub fn input(&mut self, node: NodeId, _: Time, input: &Input, hits: &mut Hits) {
        // What a grant was good for shows in the step that takes it.
        let unused = self.granted.remove(&node).is_some_and(|chunks| !chunks.is_empty());
        hits.hit_if(unused, Mark::GrantCameTooLate);
        let Input::Deliver(envelope) = input else { return };
        match &envelope.message {
            Message::LeaseGrant(lease::Grant { chunks, .. }) => {
                self.granted.insert(node, chunks.iter().map(|(chunk, _)| *chunk).collect());
            }
            Message::Data(data::Request::Read(data::Read {
                op, mode: ReadMode::Strong, ..
            })) => {
                self.strong.insert((node, *op));
            }
            _ => {}
        }
    }

    pub fn effect(
        &mut self,
        node: NodeId,
        now: Time,
        effect: &Effect,
        in_flight: &InFlight,
        hits: &mut Hits,
    ) {
        match effect {
            Effect::Observe(Event::LeaseTaken { chunk, until, .. }) => {
                self.granted.entry(node).or_default().remove(chunk);
                self.ended.remove(&(node, *chunk));
                let before = self.held.insert((node, *chunk), *until);
                hits.hit(before.map_or(Mark::LeaseTakenUp, |_| Mark::LeaseRenewed));
            }
            Effect::Observe(Event::LeaseEnded { chunk, .. }) => {
                let Some(until) = self.held.remove(&(node, *chunk)) else { return };
                self.ended.insert((node, *chunk));
                ended(now, until, owes(in_flight, node, *chunk), hits);
            }
            Effect::Send(envelope) => {
                if let Message::DataReply(data::Reply::Read(data::ReadReply {
                    op,
                    chunk,
                    result,
                    ..
                })) = &envelope.message
                {
                    let strong = self.strong.remove(&(node, *op));
                    let refused = matches!(result, Err(Refusal::NotPrimary));
                    let over = self.ended.contains(&(node, *chunk));
                    hits.hit_if(strong && refused && over, Mark::ReadRefusedForExpiredLease);
                }
            }
            Effect::Observe(_) | Effect::Io { .. } | Effect::Respond { .. } => {}
        }
    }

    pub fn crashed(&mut self, node: NodeId, in_flight: &InFlight, hits: &mut Hits) {
        for (_, chunk) in self.held.keys().filter(|(holder, _)| *holder == node) {
            hits.hit(Mark::PrimaryCrashedUnderLease);
            let owes = owes(in_flight, node, *chunk);
            hits.hit_if(owes, Mark::PrimaryCrashedWithWritesInFlight);
        }
        self.held.retain(|(holder, _), _| *holder != node);
        self.ended.retain(|(holder, _)| *holder != node);
        self.granted.remove(&node);
        self.strong.retain(|(reader, _)| *reader != node);
    }
}

fn owes(in_flight: &InFlight, node: NodeId, chunk: ChunkHandle) -> bool {
    in_flight.get(&(node, chunk)).is_some_and(|ops| !ops.is_empty())
}

fn ended(now: Time, until: Time, owes: bool, hits: &mut Hits) {
    if now < until {
        hits.hit(Mark::LeaseEndedByPrepare);
        hits.hit_if(owes, Mark::DeposedWithWritesInFlight);
    } else {
        hits.hit_if(owes, Mark::LeaseExpiredDuringWrite);
        hits.hit_if(now.0 - until.0 > LATE_NS, Mark::LeaseFoundExpiredLate);
    }
}
