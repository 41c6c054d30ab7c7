//! A member: takes what the primary ordered, in sequence order, and says what it has.

use super::Chunkserver;
use super::live::{Live, Queued, Role};
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, Sequence};
use crate::io::IoOp;
use crate::machine::Effects;
use crate::message::Message;
use crate::message::pipeline;
use crate::payload::Payload;
use crate::refusal::Refusal;
use crate::replica::{Mutation, ReplicaChange};
use crate::time::Time;

impl Chunkserver {
    pub(super) fn on_push(&mut self, now: Time, message: pipeline::Push, out: &mut Effects) {
        let pipeline::Push {
            chunk,
            version,
            sequence,
            committed,
            primary,
            chain,
            mutation,
            payload,
        } = message;
        if let Err(refusal) = self.check_push(chunk, version) {
            let refused = Message::PipelineReply(pipeline::Reply::Refused(pipeline::PushRefused {
                chunk,
                version,
                refusal,
            }));
            return self.send(primary, refused, out);
        }
        if let Some((first, rest)) = chain.split_first() {
            let (m, p) = (mutation.clone(), payload.clone());
            let chain = rest.to_vec();
            let (to, mutation, payload) = (*first, m, p);
            let onward = Message::Pipeline(pipeline::Order::Push(pipeline::Push {
                chunk,
                version,
                sequence,
                committed,
                primary,
                chain,
                mutation,
                payload,
            }));
            self.send(to, onward, out);
        }
        if !self.take_push(chunk, version, sequence, *mutation, payload, out) {
            let refused = Message::PipelineReply(pipeline::Reply::Refused(pipeline::PushRefused {
                chunk,
                version,
                refusal: Refusal::Corrupt,
            }));
            return self.send(primary, refused, out);
        }
        let live = self.live(chunk);
        live.pushed_by = Some(primary);
        live.committed = live.committed.max(committed);
        let known = self.record(chunk).is_some_and(|r| sequence <= r.image.sequence);
        if known || !self.rules().durable_before_ack {
            self.tell_progress(primary, chunk, version, out);
        }
        self.go_on(chunk, now, out);
    }

    /// Is this replica a member that takes mutations of `version`?
    fn check_push(&self, chunk: ChunkHandle, version: ChunkVersion) -> Result<(), Refusal> {
        if self.disk_failed {
            return Err(Refusal::DiskFailed);
        }
        let fence = self.fence(chunk);
        let Some(record) = self.record(chunk) else {
            return Err(Refusal::Stale { promised: fence });
        };
        let fenced = if self.rules().fence_by_promise { fence } else { record.applied_version };
        if fenced != version || record.applied_version != version {
            return Err(Refusal::Stale { promised: fence });
        }
        let live = self.live.get(&chunk);
        if live.is_some_and(|live| live.incomplete || live.full) {
            return Err(Refusal::NoSpace);
        }
        match live.map(|live| &live.role) {
            Some(Role::Learner(_) | Role::Primary(_)) => Err(Refusal::Stale { promised: fence }),
            Some(Role::Member) | None => Ok(()),
        }
    }

    /// Keeps a mutation for its turn. False if another stands in its place.
    fn take_push(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        sequence: Sequence,
        mutation: Mutation,
        payload: Payload,
        out: &mut Effects,
    ) -> bool {
        let window = u64::from(self.constants().inflight_mutations_max);
        let image = &self.record(chunk).expect("checked at the door").image;
        let applied = image.sequence;
        let at_disk = self.live.get(&chunk).is_some_and(|live| live.writing)
            && self.in_flight_to_disk(chunk, sequence, &mutation);
        let same = match image.recent.get(&sequence) {
            Some(recent) => recent.op == mutation.op && recent.crc == mutation.crc,
            None => true,
        };
        if !same {
            out.observe(Event::ProtocolError { chunk, sequence });
            return false;
        }
        if sequence <= applied || at_disk || sequence.0 > applied.0 + 2 * window {
            return true;
        }
        let live = self.live(chunk);
        if let Some(queued) = live.queue.get(&sequence) {
            let same = queued.mutation == mutation;
            if !same {
                out.observe(Event::ProtocolError { chunk, sequence });
            }
            return same;
        }
        live.queue.insert(sequence, Queued { version, mutation, payload });
        true
    }

    /// Is this sequence on its way to the disk already?
    fn in_flight_to_disk(
        &self,
        chunk: ChunkHandle,
        sequence: Sequence,
        mutation: &Mutation,
    ) -> bool {
        self.pending.values().any(|pending| match &pending.op {
            IoOp::Replica(ReplicaChange::Apply { chunk: c, first, mutations, .. }, _)
                if *c == chunk =>
            {
                let index = sequence.0.checked_sub(first.0).map(|i| i as usize);
                let there = index.and_then(|index| mutations.get(index));
                there.is_some_and(|m| m.op == mutation.op)
            }
            _ => false,
        })
    }

    /// A batch is durable here.
    pub(super) fn on_applied(
        &mut self,
        now: Time,
        chunk: ChunkHandle,
        version: ChunkVersion,
        out: &mut Effects,
    ) {
        if self.live.get(&chunk).and_then(Live::primary).is_some() {
            return self.advance_committed(now, chunk, out);
        }
        // A promise made meanwhile fences this mutation off: it is here, and not acknowledged.
        let fenced = self.rules().fence_by_promise && self.fence(chunk) != version;
        if let (Some(primary), false) = (self.live(chunk).pushed_by, fenced) {
            self.tell_progress(primary, chunk, version, out);
        }
    }

    pub(super) fn on_ask_progress(
        &mut self,
        from: NodeId,
        request: pipeline::ProgressRequest,
        out: &mut Effects,
    ) {
        let pipeline::ProgressRequest { chunk, version, committed } = request;
        if let Err(refusal) = self.check_push(chunk, version) {
            return self.send(from, pipeline::PushRefused { chunk, version, refusal }, out);
        }
        let live = self.live(chunk);
        live.committed = live.committed.max(committed);
        self.tell_progress(from, chunk, version, out);
    }

    fn tell_progress(
        &mut self,
        primary: NodeId,
        chunk: ChunkHandle,
        version: ChunkVersion,
        out: &mut Effects,
    ) {
        let durable = self.record(chunk).expect("a member has its replica").image.sequence;
        let on_its_way = self.pending.values().find_map(|pending| match &pending.op {
            IoOp::Replica(ReplicaChange::Apply { chunk: c, first, mutations, .. }, _)
                if *c == chunk =>
            {
                Some(Sequence(first.0 + mutations.len() as u64 - 1))
            }
            _ => None,
        });
        let live = self.live(chunk);
        let received = live.received(on_its_way.unwrap_or(durable).max(durable));
        let applied = if self.rules().durable_before_ack { durable } else { received };
        self.send(primary, pipeline::Progress { chunk, version, applied, received }, out);
    }
}
