//! Marks about replicas: copies, reconciliation, garbage and what the disk does.

use super::{Hits, Mark};
use leasehold_proto::message::DeleteReason;
use leasehold_proto::message::{configure, copy, reconcile, removal};
use leasehold_proto::{
    ChunkHandle, Effect, Event, Input, IoFault, IoOp, Message, NodeId, ReplicaChange, Sequence,
};
use std::collections::{BTreeMap, BTreeSet};

type Here = (NodeId, ChunkHandle);

/// What every node is doing with its replicas.
#[derive(Clone, Debug, Default)]
pub struct Replicas {
    /// Copies under way, with the steps that arrived.
    learners: BTreeMap<Here, u64>,
    /// Sources, with who copies.
    sources: BTreeMap<Here, BTreeSet<NodeId>>,
    /// Members that were asked to reconcile, with the last sequence that they had.
    reconciling: BTreeMap<Here, Sequence>,
    applied: BTreeMap<Here, Sequence>,
    quarantined: BTreeSet<Here>,
    /// Mutations on their way to the disk.
    applying: BTreeMap<Here, u64>,
    /// An order that the node is looking at.
    ordered: BTreeMap<NodeId, ChunkHandle>,
}

impl Replicas {
    pub fn input(&mut self, node: NodeId, input: &Input, hits: &mut Hits) {
        // Whether an order was carried out shows in the step that takes it.
        hits.hit_if(self.ordered.remove(&node).is_some(), Mark::DeleteRefused);
        match input {
            Input::Deliver(envelope) => self.delivered(node, &envelope.message, hits),
            Input::IoDone { result, .. } => {
                hits.hit_if(*result == Err(IoFault::NoSpace), Mark::DiskFull);
            }
            Input::Wake | Input::Room(_) | Input::Request { .. } | Input::File { .. } => {}
            Input::Committed { .. } => {}
            Input::Leadership(_) | Input::Installed { .. } => {}
        }
    }

    pub fn effect(&mut self, node: NodeId, effect: &Effect, hits: &mut Hits) {
        match effect {
            Effect::Io { op, .. } => self.asked(node, op, hits),
            Effect::Send(envelope) => self.sent(node, envelope.to, &envelope.message, hits),
            Effect::Observe(event) => self.event(node, event, hits),
            Effect::Respond { .. } => {}
        }
    }

    pub fn crashed(&mut self, node: NodeId, hits: &mut Hits) {
        let here = |(at, _): &Here| *at == node;
        hits.hit_if(self.learners.keys().any(here), Mark::LearnerRestarted);
        let copied = self.sources.iter().any(|(at, who)| here(at) && !who.is_empty());
        hits.hit_if(copied, Mark::SourceRestartedWhileCopying);
        let reconciles = self.reconciling.keys().any(here);
        hits.hit_if(reconciles, Mark::MemberCrashedDuringReconcile);
        self.learners.retain(|at, _| !here(at));
        self.sources.retain(|at, _| !here(at));
        self.reconciling.retain(|at, _| !here(at));
        self.applying.retain(|at, _| !here(at));
        self.ordered.remove(&node);
    }

    fn delivered(&mut self, node: NodeId, message: &Message, hits: &mut Hits) {
        match message {
            Message::Configure(configure::Order::Prepare(configure::Prepare { chunk, .. })) => {
                let busy = self.applying.get(&(node, *chunk)).is_some_and(|count| *count > 0);
                hits.hit_if(busy, Mark::PrepareWhileApplying);
            }
            Message::Reconcile(reconcile::Request::Ranges(reconcile::RangesRequest {
                chunk,
                ..
            })) => {
                let had = self.applied.get(&(node, *chunk)).copied().unwrap_or_default();
                self.reconciling.insert((node, *chunk), had);
            }
            Message::Removal(removal::Order::Delete(removal::DeleteReplica { chunk, .. })) => {
                self.ordered.insert(node, *chunk);
            }
            Message::CopyReply(copy::Reply::Step(copy::Step { chunk, .. })) => {
                if let Some(steps) = self.learners.get_mut(&(node, *chunk)) {
                    *steps += 1;
                }
            }
            _ => {}
        }
    }

    fn asked(&mut self, node: NodeId, op: &IoOp, hits: &mut Hits) {
        let Some(chunk) = op.chunk() else { return };
        let here = (node, chunk);
        match op {
            IoOp::Replica(ReplicaChange::Apply { mutations, .. }, _) => {
                *self.applying.entry(here).or_default() += mutations.len() as u64;
                let copied = self.sources.get(&here).is_some_and(|who| !who.is_empty());
                hits.hit_if(copied, Mark::WrittenDuringCopy);
            }
            IoOp::Replica(ReplicaChange::StartLearner { .. }, _) => {
                self.learners.insert(here, 0);
                self.leaves_quarantine(here, hits);
            }
            IoOp::Replica(ReplicaChange::Reconcile { image, .. }, data) => {
                let bytes = !data.is_empty();
                hits.hit_if(bytes, Mark::ReconciledWithBytes);
                hits.hit_if(!bytes, Mark::ReconciledWithoutBytes);
                let had = self.reconciling.get(&here).copied().unwrap_or_default();
                hits.hit_if(had > image.sequence, Mark::MemberLostUnacknowledgedBytes);
            }
            IoOp::Replica(ReplicaChange::Delete { .. }, _) => {
                self.ordered.remove(&node);
                self.leaves_quarantine(here, hits);
            }
            IoOp::Replica(ReplicaChange::Promise { create: Some(_), .. }, _) => {
                self.leaves_quarantine(here, hits);
            }
            _ => {}
        }
    }

    fn leaves_quarantine(&mut self, here: Here, hits: &mut Hits) {
        hits.hit_if(self.quarantined.remove(&here), Mark::QuarantineLeft);
    }

    fn sent(&mut self, node: NodeId, to: NodeId, message: &Message, hits: &mut Hits) {
        match message {
            Message::CopyReply(copy::Reply::Step(copy::Step { chunk, end, .. })) => {
                let who = self.sources.entry((node, *chunk)).or_default();
                if end.is_some() {
                    who.remove(&to);
                } else {
                    who.insert(to);
                }
            }
            Message::CopyReply(copy::Reply::Void(copy::Void { chunk, .. })) => {
                hits.hit(Mark::CopyVoid);
                self.sources.entry((node, *chunk)).or_default().remove(&to);
            }
            Message::CopyReport(copy::Report::Failed(copy::Failed { chunk, .. })) => {
                self.learners.remove(&(node, *chunk));
            }
            Message::ConfigureReply(configure::Reply::Refused(configure::PrepareRefused {
                promised,
                ..
            })) => hits.hit(match promised {
                Some(_) => Mark::PrepareRefused,
                None => Mark::PrepareWithoutReplica,
            }),
            Message::ConfigureReply(configure::Reply::MemberFailed(configure::MemberFailed {
                ..
            })) => hits.hit(Mark::MemberReportedFailed),
            _ => {}
        }
    }

    fn event(&mut self, node: NodeId, event: &Event, hits: &mut Hits) {
        match event {
            Event::Applied { chunk, sequence, .. } => {
                self.applied.insert((node, *chunk), *sequence);
                if let Some(left) = self.applying.get_mut(&(node, *chunk)) {
                    *left = left.saturating_sub(1);
                }
            }
            Event::Adopted { chunk, sequence, .. } => {
                self.applied.insert((node, *chunk), *sequence);
                self.reconciling.remove(&(node, *chunk));
            }
            Event::Recovered { chunk, sequence, .. } => {
                self.applied.insert((node, *chunk), *sequence);
            }
            Event::LearnerComplete { chunk, .. } => {
                hits.hit(Mark::LearnerComplete);
                let steps = self.learners.remove(&(node, *chunk)).unwrap_or_default();
                hits.hit_if(steps > 1, Mark::BulkCatchUp);
            }
            Event::ReplicaDeleted { reason, .. } => hits.hit(match reason {
                DeleteReason::Excluded(_) => Mark::StaleReplicaDeleted,
                DeleteReason::Freed(_) => Mark::FreedReplicaDeleted,
            }),
            Event::ReplicaQuarantined { chunk } => {
                hits.hit(Mark::QuarantineEntered);
                self.quarantined.insert((node, *chunk));
            }
            Event::CorruptRead { .. } => hits.hit(Mark::CorruptBlockFound),
            Event::DiskFailed => hits.hit(Mark::DiskFailedInService),
            _ => {}
        }
    }
}
