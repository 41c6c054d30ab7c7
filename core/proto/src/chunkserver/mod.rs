//! The chunkserver: replicas, promises, the pipeline, copies.
//!
//! Suggested order: `live` (what is volatile about a replica), `promise` (fencing), `admission` (a client's mutation at the door),
//! `primary` (ordering and acknowledging), `member` (taking what the primary ordered), `reconcile` (the
//! start of a configuration), `read`, `source` and `learner` (copies), `disk` (which I/O may run
//! together), `link` (registration, heartbeats, reports, leases asked for), `orders` (deletion).

mod admission;
mod disk;
mod learner;
mod link;
mod live;
mod member;
mod orders;
mod primary;
mod promise;
mod read;
mod reconcile;
mod source;
#[cfg(test)]
mod tests;

use crate::config::{ChunkserverConfig, Constants, Rules};
use crate::event::Event;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, IoId, NodeId};
use crate::io::IoOp;
use crate::lease::Holder;
use crate::machine::{Effect, Effects, Input, StateMachine};
use crate::message::{Envelope, Message, ReplicaState};
use crate::message::{configure, copy, data, pipeline, removal};
use crate::replica::{ReplicaRecord, Replicas, SyncPolicy};
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use disk::Pending;
use link::Link;
use live::{Live, Role};

/// A chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunkserver {
    config: ChunkserverConfig,
    /// The records as they are known to be durable.
    replicas: Replicas,
    /// What is volatile, of each replica in `replicas` and of each being made.
    live: BTreeMap<ChunkHandle, Live>,
    /// When quarantined replicas are to go.
    quarantine_ends: BTreeMap<ChunkHandle, Time>,
    leases: Holder,
    link: Link,
    pending: BTreeMap<IoId, Pending>,
    last_io: IoId,
    /// The last step of a copy that this life asked for, of whatever chunk.
    last_step: u64,
    /// The number of the last copy that began here as its source, counted in this life.
    last_copy: u64,
    /// When each chunk next wants attention.
    alarms: BTreeMap<ChunkHandle, Deadline>,
    /// Chunks that this step looked at.
    touched: BTreeSet<ChunkHandle>,
    disk_failed: bool,
}

impl Chunkserver {
    /// The records as the machine knows them to be durable.
    #[must_use]
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The chunks of which this node believes at `now` that it is primary, with the version.
    #[must_use]
    pub fn believes_primary(&self, now: Time) -> Vec<(ChunkHandle, ChunkVersion)> {
        self.leases.all(now).map(|(chunk, held)| (chunk, held.version)).collect()
    }

    /// The questions for leases that an answer could still matter to, the oldest first.
    pub fn questions(&self) -> impl Iterator<Item = Attempt> + '_ {
        self.leases.questions()
    }

    fn constants(&self) -> &Constants {
        &self.config.constants
    }

    fn rules(&self) -> Rules {
        self.config.constants.rules
    }

    fn record(&self, chunk: ChunkHandle) -> Option<&ReplicaRecord> {
        self.replicas.live.get(&chunk)
    }

    /// The volatile side of a replica; marks the chunk as looked at.
    fn live(&mut self, chunk: ChunkHandle) -> &mut Live {
        self.touched.insert(chunk);
        self.live.entry(chunk).or_default()
    }

    fn send(&self, to: NodeId, message: impl Into<Message>, out: &mut Effects) {
        let message = message.into();
        out.push(Effect::Send(Envelope { from: self.config.node, to, message }));
    }

    /// What the master is told of a replica. Of promises the one that it acts by: below it everything
    /// is refused, also while it is not durable, or found no room.
    fn state_of(&self, chunk: ChunkHandle) -> Option<ReplicaState> {
        let record = self.record(chunk)?;
        let live = self.live.get(&chunk);
        Some(ReplicaState {
            promised: self.fence(chunk),
            applied_version: record.applied_version,
            sequence: record.image.sequence,
            committed: record.image.committed,
            length: record.image.length,
            learner: record.learner,
            corrupt: live.is_some_and(|live| live.corrupt),
        })
    }

    /// The highest version that this replica promised or is about to.
    fn fence(&self, chunk: ChunkHandle) -> ChunkVersion {
        let promised = self.record(chunk).map_or(ChunkVersion(0), |r| r.promised);
        self.live.get(&chunk).map_or(promised, |live| live.fence.max(promised))
    }

    fn end_lease(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        if let Some(held) = self.leases.end(chunk) {
            out.observe(Event::LeaseEnded { chunk, version: held.version });
        }
    }

    /// Does what `now` has made due. Nothing else in a step comes before it.
    fn settle(&mut self, now: Time, out: &mut Effects) {
        for (chunk, held) in self.leases.expire(now) {
            self.touched.insert(chunk);
            out.observe(Event::LeaseEnded { chunk, version: held.version });
        }
        let due: Vec<ChunkHandle> =
            self.alarms.iter().filter(|(_, d)| d.at <= now).map(|(chunk, _)| *chunk).collect();
        for chunk in due {
            self.touched.insert(chunk);
            self.tend(chunk, now, out);
        }
        self.settle_quarantine(now, out);
        self.settle_link(now, out);
    }

    /// Repeats, gives up or goes on with what one chunk waits for.
    fn tend(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        match self.live.get(&chunk).map(|live| &live.role) {
            Some(Role::Primary(_)) => self.tend_primary(chunk, now, out),
            Some(Role::Learner(_)) => self.tend_learner(chunk, now, out),
            Some(Role::Member) | None => {}
        }
        self.go_on(chunk, now, out);
    }

    /// Starts whatever I/O and answers the chunk's state allows; called after every change.
    fn go_on(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        self.advance_promise(chunk, out);
        self.admit_waiting(chunk, now, out);
        self.start_reads(chunk, now, out);
        self.start_apply(chunk, out);
    }

    fn on_message(&mut self, now: Time, from: NodeId, message: Message, out: &mut Effects) {
        match message {
            Message::MembershipReply(reply) => self.on_membership(now, from, reply, out),
            Message::Removal(removal::Order::Delete(m)) => self.on_delete(m.chunk, m.reason, out),
            Message::Removal(removal::Order::Quarantine(m)) => self.on_quarantine(m.chunk, out),
            Message::LeaseGrant(grant) => self.on_grant(now, grant, out),
            Message::Configure(configure::Order::Prepare(m)) => self.on_prepare(from, m, out),
            Message::Configure(configure::Order::Activate(m)) => self.on_configured(now, m, out),
            Message::Reconcile(request) => self.on_reconcile_request(from, request, out),
            Message::ReconcileReply(reply) => self.on_reconcile_reply(now, from, reply, out),
            Message::CopyOrder(order) => self.on_become_learner(now, from, order, out),
            Message::Copy(request) => self.on_ask_copy(now, from, request, out),
            Message::CopyReply(copy::Reply::Step(m)) => self.on_tell_copy(now, from, m, out),
            Message::CopyReply(copy::Reply::Void(m)) => self.on_copy_void(from, m, out),
            Message::Data(data::Request::Mutate(m)) => self.on_mutate(now, from, m, out),
            Message::Data(data::Request::Read(m)) => self.on_read(now, from, m, out),
            Message::Pipeline(pipeline::Order::Push(m)) => self.on_push(now, m, out),
            Message::Pipeline(pipeline::Order::Progress(m)) => self.on_ask_progress(from, m, out),
            Message::PipelineReply(reply) => self.on_pipeline_reply(now, from, reply, out),
            // For a master or a client: a confused sender's, dropped.
            Message::Call(_)
            | Message::CallReply(_)
            | Message::Membership(_)
            | Message::Lease(_)
            | Message::ConfigureReply(_)
            | Message::CopyReport(_)
            | Message::DataReply(_) => {}
        }
    }

    /// Sets the alarms of the chunks that the step looked at, and sees that all is well with them.
    fn set_alarms(&mut self, now: Time) {
        for chunk in core::mem::take(&mut self.touched) {
            self.assert_chunk(chunk);
            let alarm = self.live.get(&chunk).and_then(|live| match &live.role {
                Role::Primary(primary) => self.primary_deadline(chunk, primary, live, now),
                Role::Learner(learner) => learner.deadline(self.constants()),
                Role::Member => None,
            });
            match alarm {
                Some(alarm) => self.alarms.insert(chunk, alarm),
                None => self.alarms.remove(&chunk),
            };
            let gone = !self.replicas.live.contains_key(&chunk);
            if gone && self.live.get(&chunk).is_some_and(Live::is_idle) {
                self.live.remove(&chunk);
            }
        }
    }

    fn assert_chunk(&self, chunk: ChunkHandle) {
        let Some(live) = self.live.get(&chunk) else { return };
        let Some(record) = self.record(chunk) else {
            let primary = matches!(live.role, Role::Primary(_));
            assert!(!primary, "no primary without a replica");
            return;
        };
        assert!(record.applied_version <= record.promised, "applied only what was promised");
        assert!(
            record.image.committed <= record.image.sequence,
            "committed is never above applied"
        );
        live.assert_invariants(record);
    }

    /// Of all chunks: a server holds many, and a step concerns few.
    fn assert_all(&self) {
        self.live.keys().for_each(|chunk| self.assert_chunk(*chunk));
        for pending in self.pending.values() {
            if !matches!(pending.op, IoOp::Read { .. }) {
                let chunk = pending.op.chunk().expect("a chunkserver's I/O concerns a chunk");
                let at_quarantine = !self.live.contains_key(&chunk);
                assert!(at_quarantine || self.live[&chunk].writing, "a write holds its chunk");
            }
        }
    }
}

impl StateMachine for Chunkserver {
    type Config = ChunkserverConfig;
    type Durable = Replicas;

    fn recover(config: &Self::Config, durable: Replicas, now: Time, out: &mut Effects) -> Self {
        let mut live = BTreeMap::new();
        for (&chunk, record) in &durable.live {
            // What the operating system had not written yet is gone, and nobody knows what.
            let incomplete = record.spec.sync == SyncPolicy::PageCache;
            live.insert(chunk, Live { incomplete, ..Live::default() });
            out.observe(Event::Recovered {
                chunk,
                promised: record.promised,
                applied_version: record.applied_version,
                sequence: record.image.sequence,
            });
        }
        let retention = config.constants.quarantine_retention;
        let quarantine_ends = durable.quarantined.iter().map(|c| (*c, now + retention)).collect();
        let mut server = Chunkserver {
            config: config.clone(),
            replicas: durable,
            live,
            quarantine_ends,
            leases: Holder::default(),
            link: Link::new(now),
            pending: BTreeMap::new(),
            last_io: IoId(0),
            last_step: 0,
            last_copy: 0,
            alarms: BTreeMap::new(),
            touched: BTreeSet::new(),
            disk_failed: false,
        };
        server.settle(now, out);
        server
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        self.settle(now, out);
        match input {
            Input::Deliver(Envelope { from, to, message }) => {
                if to == self.config.node {
                    self.on_message(now, from, message, out);
                }
            }
            Input::Wake => {}
            Input::IoDone { io, result } => self.on_io_done(now, io, result, out),
            Input::Request { .. }
            | Input::Committed { .. }
            | Input::Leadership(_)
            | Input::Installed { .. } => {
                unreachable!("a chunkserver has no owner and no log")
            }
        }
        self.ask_leases(now, out);
        self.set_alarms(now);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let alarm = self.alarms.values().min().copied();
        let lease = self.leases.next_end().map(|at| Deadline { at, why: "a lease runs out" });
        let gone = self.quarantine_ends.values().min();
        let gone = gone.map(|at| Deadline { at: *at, why: "a quarantined replica goes" });
        let first = Deadline::earlier(alarm, Deadline::earlier(lease, gone));
        Deadline::earlier(first, self.link.deadline())
    }

    fn assert_invariants(&self) {
        assert!(self.touched.is_empty(), "every step sets the alarms of what it touched");
        if cfg!(debug_assertions) {
            self.assert_all();
        }
    }
}
