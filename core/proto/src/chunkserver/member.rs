//! A member: takes what the primary ordered, in sequence order, and says what it has.

use super::live::Role;
use super::queue::Queued;
use super::replica::{Replica, Then};
use crate::event::Event;
use crate::ids::{ChunkVersion, NodeId, Sequence};
use crate::message::pipeline;
use crate::refusal::Refusal;
use crate::replica::{Mutation, ReplicaChange, ReplicaRecord};

impl<'a> Replica<'a> {
    /// A mutation from the primary, to be passed on to the rest of the chain.
    pub fn on_push(&mut self, push: pipeline::Push) -> Then {
        let (version, sequence, primary) = (push.version, push.sequence, push.primary);
        let committed = push.committed;
        let record = match self.check_push(version) {
            Ok(record) => record,
            Err(refusal) => return self.refuse_push(primary, version, refusal),
        };
        if !push.mutation.is_sound(&record.spec, push.payload.len()) {
            return self.refuse_push(primary, version, Refusal::Corrupt);
        }
        if let Some((first, rest)) = push.chain.split_first() {
            let chain = rest.to_vec();
            let (mutation, payload) = (push.mutation.clone(), push.payload.clone());
            self.cx.send(*first, pipeline::Push { chain, mutation, payload, ..push });
        }
        let queued = Queued { version, mutation: *push.mutation, payload: push.payload };
        if !self.take_push(record, sequence, queued) {
            return self.refuse_push(primary, version, Refusal::Corrupt);
        }
        self.touch();
        self.live.queue.set_pushed_by(primary);
        self.live.queue.learn_committed(committed);
        if self.may_acknowledge(sequence <= record.image.sequence) {
            self.send_progress(record, primary, version);
        }
        Then::Progress
    }

    fn refuse_push(&mut self, to: NodeId, version: ChunkVersion, refusal: Refusal) -> Then {
        self.cx.send(to, pipeline::PushRefused { chunk: self.chunk, version, refusal });
        Then::Nothing
    }

    /// Is this replica a member that takes mutations of `version`? Gives its record.
    fn check_push(&self, version: ChunkVersion) -> Result<&'a ReplicaRecord, Refusal> {
        if self.service.is_stopped() {
            return Err(Refusal::DiskFailed);
        }
        let stale = Refusal::Stale { promised: self.fence() };
        let Some(record) = self.record else { return Err(stale) };
        if self.is_fenced(version) || record.applied_version != version {
            return Err(stale);
        }
        if self.live.health.is_incomplete() {
            // What a restart may have cost it, no mutation brings back.
            return Err(Refusal::Corrupt);
        }
        if self.live.health.is_full() {
            return Err(Refusal::NoSpace);
        }
        match self.live.role {
            Role::Learner(_) | Role::Primary(_) => Err(stale),
            Role::Member => Ok(record),
        }
    }

    /// Keeps a mutation for its turn. False if another has its sequence number.
    fn take_push(&mut self, record: &ReplicaRecord, sequence: Sequence, queued: Queued) -> bool {
        let chunk = self.chunk;
        let window = u64::from(self.cx.constants.inflight_mutations_max);
        let applied = record.image.sequence;
        let same = match record.image.recent.get(&sequence) {
            Some(recent) => recent.op == queued.mutation.op && recent.crc == queued.mutation.crc,
            None => true,
        };
        if !same {
            self.cx.observe(Event::ProtocolError { chunk, sequence });
            return false;
        }
        let at_disk = self.at_disk(sequence).map(|there| there.op == queued.mutation.op);
        if at_disk == Some(false) {
            self.cx.observe(Event::ProtocolError { chunk, sequence });
            return false;
        }
        if sequence <= applied || at_disk.is_some() || sequence.0 > applied.0 + 2 * window {
            return true;
        }
        self.touch();
        if let Some(known) = self.live.queue.get(sequence) {
            let same = known.mutation == queued.mutation;
            if !same {
                self.cx.observe(Event::ProtocolError { chunk, sequence });
            }
            return same;
        }
        self.live.queue.insert(sequence, queued);
        true
    }

    /// The mutations on their way to the disk, and the sequence number of the first.
    fn being_applied(&self) -> Option<(Sequence, &[Mutation])> {
        match self.disk.change_in(&self.live.slot)? {
            ReplicaChange::Apply { first, mutations, .. } => Some((*first, mutations)),
            _ => None,
        }
    }

    /// The mutation with this sequence number, if it is on its way to the disk already.
    fn at_disk(&self, sequence: Sequence) -> Option<&Mutation> {
        let (first, mutations) = self.being_applied()?;
        mutations.get(usize::try_from(sequence.0.checked_sub(first.0)?).ok()?)
    }

    /// A group is durable here.
    pub fn on_applied(&mut self, version: ChunkVersion) {
        // A promise made meanwhile fences this mutation off: it is here, and not acknowledged.
        let Some(record) = self.record.filter(|_| !self.is_fenced(version)) else { return };
        if let Some(primary) = self.live.queue.pushed_by() {
            self.send_progress(record, primary, version);
        }
    }

    /// The primary asks how far this member is.
    pub fn on_progress_request(&mut self, from: NodeId, request: pipeline::ProgressRequest) {
        let pipeline::ProgressRequest { chunk, version, committed } = request;
        match self.check_push(version) {
            Ok(record) => {
                self.touch();
                self.live.queue.learn_committed(committed);
                self.send_progress(record, from, version);
            }
            Err(refusal) => {
                self.cx.send(from, pipeline::PushRefused { chunk, version, refusal });
            }
        }
    }

    /// May this member say that it has a mutation? Once it is durable here.
    fn may_acknowledge(&self, durable: bool) -> bool {
        durable || !self.cx.rules().durable_before_ack
    }

    fn send_progress(&mut self, record: &ReplicaRecord, primary: NodeId, version: ChunkVersion) {
        let durable = record.image.sequence;
        let at_disk = self
            .being_applied()
            .map(|(first, mutations)| Sequence(first.0 + mutations.len() as u64 - 1));
        let received = self.live.queue.received(at_disk.unwrap_or(durable).max(durable));
        let applied = if self.may_acknowledge(false) { received } else { durable };
        self.cx.send(primary, pipeline::Progress { chunk: self.chunk, version, applied, received });
    }
}
