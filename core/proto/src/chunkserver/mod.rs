//! The chunkserver: replicas, promises, the pipeline, copies.
//!
//! This file routes: it opens the `Replica` that an input concerns, calls the handler of the
//! concern, and decides what follows from its outcome. No concern calls it, nor another that calls
//! back. Suggested order: `step` (the server's state), `tick` (what begins and
//! ends every step), `route` (what crosses the concerns of one replica), `replica` (the view
//! that handlers work on), `live` (what is volatile about a replica), `fence` (promises), `admission` (a client's mutation at the door), `order` and
//! `peers` (what a primary keeps), `primary` (ordering and acknowledging), `queue` and `member`
//! (taking what the primary ordered), `reconcile` (the start of a configuration), `read`, `source`
//! and `learner` (copies), `leases` (asking for them), `disk` (which I/O may run together), `service` (whether
//! this process serves at all), `health` (what is wrong with a replica), `link`
//! (registration, heartbeats, reports), `removal` (deletion and quarantine).

mod step;
mod tick;
mod route;
mod replica;
mod live;
mod fence;
mod admission;
mod order;
mod peers;
mod primary;
mod queue;
mod member;
mod reconcile;
mod read;
mod source;
mod learner;
mod leases;
mod disk;
mod service;
mod health;
mod link;
mod removal;
#[cfg(test)]
mod tests;

use crate::config::ChunkserverConfig;
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, IoId, NodeId};
use crate::io::{IoFault, IoOutput, IoResult, ReplicaData};
use crate::lease::{Granted, Leases};
use crate::machine::{Effects, Input, StateMachine};
use crate::message::{self, configure, copy, data, lease, membership, pipeline};
use crate::message::{Envelope, Message};
use crate::refusal::Refusal;
use crate::replica::{ReplicaChange, Replicas};
use crate::room::Room;
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use disk::{Disk, Pending};
use health::Health;
use learner::CopySteps;
use link::{Answer, Inventory, Link};
use live::Live;
use read::{ReadEnd, ReadJob};
use removal::Quarantine;
use service::{Service, StopReason};
use source::CopyIds;
use step::{State, Step};

/// A chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunkserver {
    config: ChunkserverConfig,
    state: State,
}

impl Chunkserver {
    /// The records as the machine knows them to be durable.
    #[must_use]
    pub fn replicas(&self) -> &Replicas {
        &self.state.replicas
    }

    /// The chunks of which this node believes at `now` that it is primary, with the version.
    #[must_use]
    pub fn believes_primary(&self, now: Time) -> Vec<(ChunkHandle, ChunkVersion)> {
        self.state.leases.all(now).collect()
    }

    /// Does it serve, or has it stopped for good (see `service.rs`)?
    #[must_use]
    pub fn serves(&self) -> bool {
        !self.state.service.is_stopped()
    }

    /// The master that it is registered with.
    #[must_use]
    pub fn master(&self) -> Option<NodeId> {
        self.state.link.leader()
    }

    /// What its disk has, as it was measured last.
    #[must_use]
    pub fn room(&self) -> Room {
        self.state.disk.room()
    }

    /// The questions for leases that an answer could still matter to, the oldest first.
    pub fn questions(&self) -> impl Iterator<Item = Attempt> + '_ {
        self.state.leases.requests()
    }

    /// Takes the cluster's constants, before anything else in the step that brings them. A process that
    /// was configured with others on purpose serves no more, and says so.
    fn adopt_constants(&mut self, input: &Input, out: &mut Effects) -> bool {
        let Input::Deliver(Envelope { message: Message::MembershipReply(reply), .. }) = input
        else {
            return true;
        };
        let Chunkserver { config, state } = self;
        let agreed = state.link.newer_constants(config, reply);
        // Constants that contradict each other are no cluster's.
        let sound = agreed.filter(|agreed| agreed.values.check().is_ok());
        let Some(agreed) = sound else { return true };
        let first = state.link.leader().is_none();
        let insisted = config.insisted();
        if let Some((own, cluster)) = agreed.values.contradiction(&insisted).filter(|_| first) {
            out.observe(Event::ConstantsRefused { own, cluster });
            state.link.supersede();
            return false;
        }
        let retention = config.constants.quarantine_retention;
        state.quarantine.on_retention_changed(retention, agreed.values.quarantine_retention);
        agreed.values.install(&mut config.constants);
        state.link.note_constants(agreed.version);
        true
    }

    fn begin_step<'a>(&'a mut self, now: Time, out: &'a mut Effects) -> Step<'a> {
        let Chunkserver { config, state } = self;
        let cx = Cx { now, out, node: config.node, constants: &config.constants };
        Step { config, state, cx }
    }
}

impl StateMachine for Chunkserver {
    type Config = ChunkserverConfig;
    type Durable = Replicas;

    fn recover(config: &Self::Config, durable: Replicas, now: Time, out: &mut Effects) -> Self {
        let mut live = BTreeMap::new();
        for (&chunk, record) in &durable.live {
            let health = Health::recovered(record.spec.sync);
            live.insert(chunk, Live { health, ..Live::default() });
            out.observe(Event::Recovered {
                chunk,
                promised: record.promised,
                applied_version: record.applied_version,
                sequence: record.image.sequence,
            });
        }
        let retention = config.constants.quarantine_retention;
        let quarantined = durable.quarantined.iter().copied();
        let state = State {
            quarantine: Quarantine::new(quarantined, retention, now),
            replicas: durable,
            live,
            leases: Leases::new(),
            link: Link::new(now),
            disk: Disk::new(config.room),
            service: Service::default(),
            copy_steps: CopySteps::default(),
            copy_ids: CopyIds::default(),
            alarms: BTreeMap::new(),
            touched: BTreeSet::new(),
        };
        let mut server = Chunkserver { config: config.clone(), state };
        server.begin_step(now, out).tick();
        server
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        let serves = self.adopt_constants(&input, out);
        let mut step = self.begin_step(now, out);
        step.tick();
        if !serves {
            step.stop_serving(StopReason::ConstantsRefused);
        }
        match input {
            Input::Deliver(Envelope { from, to, message }) => {
                if to == step.cx.node {
                    step.on_message(from, message);
                }
            }
            Input::Wake => {}
            Input::IoDone { io, result } => step.on_io_done(io, result),
            Input::Room(room) => step.state.disk.on_room(room, step.cx.constants),
            Input::Request { .. }
            | Input::File { .. }
            | Input::Committed { .. }
            | Input::Leadership(_)
            | Input::Installed { .. } => {
                unreachable!("a chunkserver has no owner and no log")
            }
        }
        step.ask_leases();
        step.end();
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let State { alarms, leases, quarantine, link, .. } = &self.state;
        let alarm = alarms.values().min().copied();
        let lease = leases.next_end().map(|at| Deadline { at, why: "a lease runs out" });
        let first = Deadline::earlier(alarm, Deadline::earlier(lease, quarantine.deadline()));
        Deadline::earlier(first, link.deadline())
    }

    fn assert_invariants(&self) {
        assert!(self.state.touched.is_empty(), "every step sets the alarms of what it touched");
        if cfg!(debug_assertions) {
            self.state.assert_all();
        }
    }
}

impl Step<'_> {
    fn on_message(&mut self, from: NodeId, message: Message) {
        if self.is_of_a_freed_chunk(&message) {
            return;
        }
        match message {
            Message::MembershipReply(reply) => self.on_membership(from, &reply),
            Message::Removal(message::removal::Order::Delete(m)) => {
                self.replica(m.chunk).on_delete(m.reason);
            }
            Message::Removal(message::removal::Order::Quarantine(m)) => {
                self.replica(m.chunk).on_quarantine();
            }
            Message::LeaseGrant(grant) => self.on_grant(grant),
            Message::Configure(configure::Order::Prepare(m)) => {
                self.replica(m.chunk).on_prepare_order(from, m);
            }
            Message::Configure(configure::Order::Activate(m)) => {
                self.at(m.chunk, |replica| replica.on_configured(m));
            }
            Message::Reconcile(message::reconcile::Request::Ranges(m)) => {
                self.replica(m.chunk).on_ranges_request(from, m);
            }
            Message::Reconcile(message::reconcile::Request::Install(m)) => {
                self.replica(m.chunk).on_install(from, m);
            }
            Message::ReconcileReply(message::reconcile::Reply::Ranges(m)) => {
                self.at(m.chunk, |replica| replica.on_ranges(from, m));
            }
            Message::ReconcileReply(message::reconcile::Reply::Installed(m)) => {
                self.at(m.chunk, |replica| replica.on_reconciled(from, m));
            }
            Message::CopyOrder(m) => self.replica(m.chunk).on_become_learner(from, m),
            Message::Copy(m) => self.at(m.chunk, |replica| replica.on_copy_request(from, m)),
            Message::CopyReply(copy::Reply::Step(m)) => {
                self.replica(m.chunk).on_copy_step(from, m);
            }
            Message::CopyReply(copy::Reply::Void(m)) => {
                self.replica(m.chunk).on_copy_void(from, m);
            }
            Message::Data(data::Request::Mutate(m)) => {
                self.at(m.chunk, |replica| replica.on_mutate(from, m));
            }
            Message::Data(data::Request::Read(m)) => {
                self.at(m.chunk, |replica| replica.on_read(from, m));
            }
            Message::Pipeline(pipeline::Order::Push(m)) => {
                self.at(m.chunk, |replica| replica.on_push(m));
            }
            Message::Pipeline(pipeline::Order::Progress(m)) => {
                self.replica(m.chunk).on_progress_request(from, m);
            }
            Message::PipelineReply(pipeline::Reply::Progress(m)) => {
                self.at(m.chunk, |replica| replica.on_progress(from, m));
            }
            Message::PipelineReply(pipeline::Reply::Refused(m)) => {
                self.replica(m.chunk).on_push_refused(from, m);
            }
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

    /// A late order that would make a replica of a freed chunk in the place of one in quarantine. Only
    /// freed chunks are set aside, and no handle is used again.
    fn is_of_a_freed_chunk(&self, message: &Message) -> bool {
        let (Message::Configure(configure::Order::Prepare(configure::Prepare { chunk, .. }))
        | Message::CopyOrder(copy::Order { chunk, .. })) = message
        else {
            return false;
        };
        self.state.replicas.quarantined.contains(chunk)
    }

    fn on_membership(&mut self, from: NodeId, reply: &membership::Reply) {
        let Step { config, state, cx } = self;
        match state.link.on_reply(config, from, reply, cx.now) {
            Answer::Nothing => {}
            Answer::Registered => self.tick_link(),
            Answer::RegisterAgain => link::register(config, state.disk.room(), cx),
            Answer::ReportAll => {
                let State { link, replicas, live, disk, service, .. } = &mut **state;
                let inventory = Inventory::new(replicas, live, disk, service);
                link.report(config, from, &inventory, cx);
            }
            Answer::Superseded => self.stop_serving(StopReason::Superseded),
        }
    }

    fn on_grant(&mut self, grant: lease::Grant) {
        let lease::Grant { incarnation, attempt, term, chunks } = grant;
        if incarnation != self.config.incarnation || self.state.service.is_stopped() {
            return;
        }
        for (chunk, version) in chunks {
            let granted = Granted { attempt, chunk, version, term };
            self.at(chunk, |replica| replica.on_grant(&granted));
        }
    }

    fn on_io_done(&mut self, io: IoId, result: IoResult) {
        match self.state.disk.end(io) {
            Pending::Read(chunk, job) => {
                self.state.touched.insert(chunk);
                self.replica(chunk).live.reads.end(io);
                let end = self.end_read(chunk, job, result);
                let mut replica = self.replica(chunk);
                replica.deliver(end);
                replica.make_progress();
            }
            Pending::Change(change, data) => {
                let chunk = change.chunk();
                self.state.touched.insert(chunk);
                self.replica(chunk).live.slot.free();
                match result {
                    Ok(IoOutput::Done) => self.on_written(change),
                    Ok(other) => unreachable!("{other:?} is no answer to a write"),
                    Err(fault) => self.on_write_failed(change, data, &fault),
                }
                self.replica(chunk).make_progress();
            }
        }
    }

    fn end_read(&mut self, chunk: ChunkHandle, job: ReadJob, result: IoResult) -> ReadEnd {
        let mut replica = self.replica(chunk);
        if replica.lost_its_lease(&job) {
            return job.failed(Refusal::NotPrimary);
        }
        match result {
            Ok(IoOutput::Read(payload)) => job.succeeded(payload),
            Ok(other) => unreachable!("{other:?} is no answer to a read"),
            Err(IoFault::Corrupt { .. }) => {
                replica.on_corrupt();
                job.failed(Refusal::Corrupt)
            }
            Err(IoFault::DiskFailed) => {
                self.stop_serving(StopReason::DiskFailed);
                job.failed(Refusal::DiskFailed)
            }
            // A disk that needs room to read still holds what it holds.
            Err(IoFault::NoSpace) => job.failed(Refusal::NoSpace),
            Err(IoFault::NotLeader) => unreachable!("a chunkserver does not propose"),
        }
    }

    /// A change is durable.
    fn on_written(&mut self, change: ReplicaChange) {
        let chunk = change.chunk();
        self.state.replicas.apply(&change);
        self.state.link.note_change(chunk);
        let mut replica = self.replica(chunk);
        match change {
            ReplicaChange::Promise { version, .. } => {
                replica.live.fence.raise(version);
                replica.promise();
            }
            ReplicaChange::Apply { version, first, mutations, .. } => {
                replica.on_group_applied(version, first, &mutations);
            }
            ReplicaChange::Adopt { version, .. } => replica.on_adopted(version),
            ReplicaChange::Reconcile { version, .. } => replica.on_installed(version),
            ReplicaChange::StartLearner { .. } => replica.on_copy_started(),
            ReplicaChange::CopyIn { .. } => replica.on_step_written(),
            ReplicaChange::Install { version, image, .. } => {
                replica.on_copy_installed(version, image.sequence);
            }
            ReplicaChange::Delete { .. } => self.on_deleted(chunk),
            ReplicaChange::Quarantine { .. } => self.on_quarantined(chunk),
        }
    }

    /// A replica made here later starts without this one's memory.
    fn on_deleted(&mut self, chunk: ChunkHandle) {
        self.replica(chunk).observe_deleted();
        self.state.quarantine.remove(chunk);
        self.state.live.remove(&chunk);
    }

    fn on_quarantined(&mut self, chunk: ChunkHandle) {
        let end = self.cx.now + self.cx.constants.quarantine_retention;
        self.state.live.remove(&chunk);
        self.state.quarantine.insert(chunk, end);
        self.cx.observe(Event::ReplicaQuarantined { chunk });
    }

    fn on_write_failed(&mut self, change: ReplicaChange, data: ReplicaData, fault: &IoFault) {
        let mut replica = self.replica(change.chunk());
        match fault {
            IoFault::NoSpace => {
                replica.observe_full();
                replica.on_disk_full(change, data);
            }
            IoFault::DiskFailed => self.stop_serving(StopReason::DiskFailed),
            IoFault::Corrupt { .. } => {
                replica.on_corrupt();
                // A step of a copy that met it is not asked for again.
                replica.give_up_copy(false);
            }
            IoFault::NotLeader => unreachable!("a chunkserver does not propose"),
        }
    }

    /// This process serves no more, for good: it has no lease from here on, and makes no promise.
    fn stop_serving(&mut self, reason: StopReason) {
        if !self.state.service.stop(reason) {
            return;
        }
        if let Some(event) = reason.event() {
            self.cx.observe(event);
        }
        for (chunk, version) in self.state.leases.end_all() {
            self.cx.observe(Event::LeaseEnded { chunk, version });
        }
        for live in self.state.live.values_mut() {
            live.fence.drop_promise();
        }
        self.state.link.heartbeat_due();
    }
}
