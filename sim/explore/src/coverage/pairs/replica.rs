//! The first table's rows: what a node is doing with its replica of a chunk.

use super::super::{Hits, Mark};
use super::kinds::kinds;
use leasehold_proto::message::{copy, pipeline};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Event, IoOp, Message, NodeId, ReplicaChange, Sequence,
};
use std::collections::BTreeMap;

kinds! {
    /// What a node is doing with its replica of a chunk. Of several, the last that fits.
    ReplicaPhase:
    Absent "absent",
    Found "found at a restart",
    Follower "follows",
    Primary "primary without lease",
    Leased "primary with lease",
    Pipeline "primary with mutations in flight",
    Source "source of a copy",
    SourcePipeline "source of a copy with mutations in flight",
    Promised "promised",
    Learner "learner",
}

#[derive(Clone, Copy, Debug, Default)]
struct Replica {
    promised: ChunkVersion,
    applied: ChunkVersion,
    /// It has adopted a version in this life.
    adopted: bool,
    learner: bool,
    primary: bool,
    /// It was the primary of an earlier version too, in this life.
    continued: bool,
    leased: bool,
    copied_from: bool,
    /// The last mutation that it wants to apply.
    wanted: Sequence,
    /// Of a primary: known to be on every member.
    committed: Sequence,
}

impl Replica {
    fn in_flight(&self) -> u64 {
        self.wanted.0.saturating_sub(self.committed.0)
    }

    fn phase(&self) -> ReplicaPhase {
        use ReplicaPhase as P;
        let pipeline = self.primary && self.in_flight() > 0;
        match self {
            _ if self.learner => P::Learner,
            _ if self.promised > self.applied => P::Promised,
            _ if self.copied_from && pipeline => P::SourcePipeline,
            _ if self.copied_from => P::Source,
            _ if pipeline => P::Pipeline,
            _ if self.primary && self.leased => P::Leased,
            _ if self.primary => P::Primary,
            _ if self.adopted => P::Follower,
            _ => P::Found,
        }
    }
}

/// Every replica, as far as its node shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Replicas(BTreeMap<(NodeId, ChunkHandle), Replica>);

impl Replicas {
    pub fn phase(&self, node: NodeId, chunk: ChunkHandle) -> ReplicaPhase {
        self.0.get(&(node, chunk)).map_or(ReplicaPhase::Absent, Replica::phase)
    }

    pub fn is_busy_after(&self, node: NodeId, chunk: ChunkHandle, version: ChunkVersion) -> bool {
        self.0.get(&(node, chunk)).is_some_and(|replica| {
            let busy = replica.learner || replica.copied_from || replica.in_flight() > 1;
            busy && version < replica.applied.max(replica.promised)
        })
    }

    /// Of every replica of a node.
    pub fn phases(&self, node: NodeId) -> impl Iterator<Item = ReplicaPhase> + '_ {
        let of_node = (node, ChunkHandle(0))..=(node, ChunkHandle(u64::MAX));
        self.0.range(of_node).map(|(_, replica)| replica.phase())
    }

    fn at(&mut self, node: NodeId, chunk: ChunkHandle) -> &mut Replica {
        self.0.entry((node, chunk)).or_default()
    }

    /// Gives the phases in which the node's replicas were.
    pub fn crashed(&mut self, node: NodeId) -> Vec<ReplicaPhase> {
        let phases = self.phases(node).collect();
        self.0.retain(|(at, _), _| *at != node);
        phases
    }

    pub fn wants(&mut self, node: NodeId, op: &IoOp) {
        match op {
            IoOp::Replica(ReplicaChange::Apply { chunk, first, mutations, .. }, _) => {
                let last = Sequence(first.0 + mutations.len() as u64 - 1);
                let replica = self.at(node, *chunk);
                replica.wanted = replica.wanted.max(last);
            }
            IoOp::Replica(ReplicaChange::StartLearner { chunk, .. }, _) => {
                *self.at(node, *chunk) = Replica { learner: true, ..Replica::default() };
            }
            _ => {}
        }
    }

    pub fn sends(&mut self, node: NodeId, message: &Message) {
        match message {
            Message::CopyReply(copy::Reply::Step(step)) => {
                self.at(node, step.chunk).copied_from = step.end.is_none();
            }
            Message::CopyReply(copy::Reply::Void(void)) => {
                if let Some(replica) = self.0.get_mut(&(node, void.chunk)) {
                    replica.copied_from = false;
                }
            }
            Message::Pipeline(pipeline::Order::Push(push)) if push.primary == node => {
                let replica = self.at(node, push.chunk);
                replica.wanted = replica.wanted.max(push.sequence);
            }
            _ => {}
        }
    }

    pub fn event(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::Recovered { chunk, promised, applied_version, sequence } => {
                let replica = self.at(node, *chunk);
                (replica.promised, replica.applied) = (*promised, *applied_version);
                (replica.wanted, replica.committed) = (*sequence, *sequence);
            }
            Event::Promised { chunk, version } => self.at(node, *chunk).promised = *version,
            Event::Adopted { chunk, version, sequence, primary, .. } => {
                let replica = self.at(node, *chunk);
                replica.continued = replica.primary && *primary;
                (replica.primary, replica.adopted, replica.learner) = (*primary, true, false);
                replica.applied = *version;
                (replica.wanted, replica.committed) = (*sequence, *sequence);
            }
            Event::Committed { chunk, sequence, .. } => self.at(node, *chunk).committed = *sequence,
            Event::LeaseTaken { chunk, .. } => self.at(node, *chunk).leased = true,
            Event::LeaseEnded { chunk, .. } => self.at(node, *chunk).leased = false,
            Event::LearnerComplete { chunk, .. } => self.at(node, *chunk).learner = false,
            Event::ReplicaDeleted { chunk, .. } | Event::ReplicaQuarantined { chunk } => {
                self.0.remove(&(node, *chunk));
            }
            _ => {}
        }
    }

    /// An acknowledgement of a version before the one in which its receiver is primary.
    pub fn late_ack(&self, node: NodeId, message: &Message, hits: &mut Hits) {
        let Message::PipelineReply(pipeline::Reply::Progress(ack)) = message else { return };
        let Some(replica) = self.0.get(&(node, ack.chunk)) else { return };
        if !replica.primary || !replica.continued || ack.version >= replica.applied {
            return;
        }
        hits.hit(Mark::LateAck);
        hits.hit_if(replica.in_flight() > 1, Mark::LateAckInPipeline);
        let of_more = ack.applied > replica.committed && ack.applied <= replica.wanted;
        hits.hit_if(of_more, Mark::LateAckOfMore);
    }
}
