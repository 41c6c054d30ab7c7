//! One machine of the cluster: what stays when its process ends, and how a process begins.

use super::storage::{self, Ended};
use super::watch::Watch;
use crate::clock::{Rate, SimClock, Stood};
use crate::disk::SimDisk;
use crate::net::{Delivery, Network, PacketCarrier, SimOutbox};
use crate::replay::Beginning;
use crate::seed::Seed;
use crate::timeline::Timeline;
use leasehold_node::executor::{ChunkExecutor, Executor as _, MasterExecutor};
use leasehold_node::replicated::{
    LogDisk, LogStorage, LogWorker, Peer, ReplicatedLog, ReplicatedOptions, Timing,
};
use leasehold_proto::{
    Chunkserver, ChunkserverConfig, Constants, Effects, Input, Master, MasterConfig, NodeId,
    OpError, Outcome, Rack, RequestId, Session, StateMachine,
};
use leasehold_runtime::driver::{Clock, Driver, Storage};
use leasehold_store::{
    DiskError, Identity, MasterLogOptions, RaftLog, RaftLogOptions, StoreError, StoreOptions,
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Inputs that wait for a node at the most; more are lost, as on a full socket.
pub const INBOX_MAX: usize = 4_096;

/// What every process of a run needs.
#[derive(Clone)]
pub struct Surroundings {
    /// The run's seed.
    pub seed: Seed,
    /// True time.
    pub timeline: Arc<Timeline<Delivery>>,
    /// The network.
    pub network: Arc<Network>,
    /// Who sees everything.
    pub watch: Watch,
    /// The protocol's constants.
    pub constants: Constants,
    /// A rate of a clock differs from true time by at most this.
    pub drift_ppm: u32,
    /// The masters, in the order of their hosts.
    pub masters: Vec<NodeId>,
    /// Size of a journal generation.
    pub journal_bytes: u64,
    /// Log entries between two of the master's checkpoints.
    pub checkpoint_entries: u64,
    /// Where a process says why it ended by itself.
    pub ends: mpsc::UnboundedSender<(usize, End)>,
}

/// Why a process ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The disk's power failed within an operation.
    PowerFailed,
    /// A sync failed, and the process does not continue without it.
    DiskFailed,
    /// Somebody else has filled the disk, and the store has no room to continue in.
    NoRoom,
    /// The store refused what the disk holds.
    DoesNotOpen(String),
}

impl Surroundings {
    /// Begins a clock: its rate belongs to the machine, what it shows to the life.
    pub fn clock(&self, node: NodeId, host: usize, life: u64) -> SimClock {
        let rate = Rate {
            began_ns: self.timeline.now(),
            offset_ns: self.draw("clock", host, life) % 1_000_000_000_000,
            drift_ppm: self.drift_ppm(host),
        };
        let stood = Stood::default();
        self.watch.started(node, rate, stood.clone());
        SimClock::new(&self.timeline, rate, stood)
    }

    /// How much faster than true time a machine's clock runs, in millionths.
    fn drift_ppm(&self, host: usize) -> i64 {
        let bound = i64::from(self.drift_ppm);
        let drift = self.seed.fork("drift", host as u64).within(0..=2 * bound.unsigned_abs());
        drift as i64 - bound
    }

    /// Begins the task that drives a machine; its inbox.
    pub fn begin<M, S, R>(
        &self,
        node: NodeId,
        machine: M,
        recovered: Effects,
        clock: SimClock,
        storage: S,
        respond: R,
    ) -> mpsc::Sender<Input>
    where
        M: StateMachine + Send + Sync + 'static,
        S: Storage + Send + Sync + 'static,
        R: FnMut(RequestId, Result<Outcome, OpError>) + Send + Sync + 'static,
    {
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let inbox = Inbox { sender: sender.clone(), inbox };
        self.drive(node, machine, recovered, clock, storage, respond, inbox);
        sender
    }

    /// As [`Surroundings::begin`], for an inbox that is in use already.
    #[allow(clippy::too_many_arguments, reason = "a driver's parts, once each")]
    fn drive<M, S, R>(
        &self,
        node: NodeId,
        machine: M,
        recovered: Effects,
        clock: SimClock,
        storage: S,
        respond: R,
        inbox: Inbox,
    ) where
        M: StateMachine + Send + Sync + 'static,
        S: Storage + Send + Sync + 'static,
        R: FnMut(RequestId, Result<Outcome, OpError>) + Send + Sync + 'static,
    {
        let Inbox { sender, mut inbox } = inbox;
        self.network.attach(node, sender);
        let outbox = SimOutbox::new(Arc::clone(&self.network), respond);
        let observer = self.watch.observer(node);
        let mut driver = Driver { machine, clock, outbox, storage, observer };
        madsim::task::spawn(async move { driver.run(recovered, &mut inbox).await });
    }

    fn draw(&self, label: &str, host: usize, life: u64) -> u64 {
        self.seed.fork(label, (host as u64) << 32 | life).any()
    }
}

/// Both ends of a node's inbox.
struct Inbox {
    sender: mpsc::Sender<Input>,
    inbox: mpsc::Receiver<Input>,
}

/// One life of a process.
pub struct Life {
    /// Which host.
    pub host: usize,
    /// Which of its lives, from 1.
    pub number: u64,
    /// Its disk in this life.
    pub disk: SimDisk,
}

impl Life {
    /// Runs a chunkserver until it is killed or its power fails. `node` names a new server.
    pub async fn chunkserver(self, around: Surroundings, node: NodeId, rack: Rack) {
        let (ends, host) = (around.ends.clone(), self.host);
        // A supervisor that is gone has ended the run.
        let _ = match self.serve_chunks(around, node, rack).await {
            Ok(Ended::PowerFailed) => ends.send((host, End::PowerFailed)),
            Ok(Ended::NodeGone) => Ok(()),
            Err(end) => ends.send((host, end)),
        };
    }

    /// Runs a master until it is killed or its power fails. `wipes` counts the disks that its host
    /// had before.
    pub async fn master(self, around: Surroundings, node: NodeId, wipes: u64) {
        let (ends, host) = (around.ends.clone(), self.host);
        let served = match around.masters.len() {
            1 => self.serve_log(around).await,
            _ => self.serve_replicated(around, node, wipes).await,
        };
        let _ = match served {
            Ok(Ended::PowerFailed) => ends.send((host, End::PowerFailed)),
            Ok(Ended::NodeGone) => Ok(()),
            Err(end) => ends.send((host, end)),
        };
    }

    async fn serve_chunks(
        self,
        around: Surroundings,
        node: NodeId,
        rack: Rack,
    ) -> Result<Ended, End> {
        let constants = &around.constants;
        let identity = self.opened(Identity::load_or_create(&self.disk, || node.0))?;
        let options =
            StoreOptions { journal_bytes: around.journal_bytes, ..StoreOptions::of(constants) };
        let (mut executor, replicas) =
            self.opened(ChunkExecutor::open(self.disk.clone(), options))?;
        let room = executor.room().unwrap_or_default();
        let timer = around.timeline.timer();
        timer.after(self.disk.take_busy_ns()).await;
        let config = ChunkserverConfig {
            node: identity.node,
            incarnation: identity.incarnation,
            session: Session(around.draw("session", self.host, self.number)),
            rack,
            room,
            masters: around.masters.clone(),
            constants: constants.clone(),
            insists: Vec::new(),
        };
        let clock = around.clock(identity.node, self.host, self.number);
        let mut out = Effects::new();
        let now = clock.now();
        around.watch.begins(identity.node, now, || {
            Beginning::Chunkserver(config.clone(), replicas.clone())
        });
        let machine = Chunkserver::recover(&config, replicas, now, &mut out);
        let (storage, queue) = storage::queue();
        let inbox = around.begin(identity.node, machine, out, clock, storage, |_, _| {});
        Ok(storage::serve(self.disk, executor, queue, inbox, timer).await)
    }

    async fn serve_log(self, around: Surroundings) -> Result<Ended, End> {
        let options = MasterLogOptions {
            log_bytes: around.journal_bytes,
            ..MasterLogOptions::of(&around.constants)
        };
        let opened = MasterExecutor::open(self.disk.clone(), options, around.checkpoint_entries);
        let (executor, start) = self.opened(opened)?;
        let timer = around.timeline.timer();
        timer.after(self.disk.take_busy_ns()).await;
        let config = MasterConfig {
            node: super::MASTER,
            salt: around.draw("salt", self.host, 0),
            constants: around.constants.clone(),
            insists: Vec::new(),
        };
        let clock = around.clock(super::MASTER, self.host, self.number);
        around.watch.recovered(super::MASTER, &start.checkpoint);
        let mut out = Effects::new();
        let now = clock.now();
        around.watch.begins(super::MASTER, now, || {
            Beginning::Master(config.clone(), start.checkpoint.clone())
        });
        let machine = Master::recover(&config, start.checkpoint, now, &mut out);
        let (storage, queue) = storage::queue();
        let inbox = around.begin(super::MASTER, machine, out, clock, storage, |_, _| {});
        for input in start.inputs {
            if inbox.send(input).await.is_err() {
                return Ok(Ended::NodeGone);
            }
        }
        Ok(storage::serve(self.disk, executor, queue, inbox, timer).await)
    }

    /// A master among several: its part of the replicated log, and its machine.
    async fn serve_replicated(
        self,
        around: Surroundings,
        node: NodeId,
        wipes: u64,
    ) -> Result<Ended, End> {
        let first = around.masters.iter().map(|master| (*master, Peer::default())).collect();
        let log_options = RaftLogOptions { log_bytes: around.journal_bytes, birth: wipes };
        let (log, recovered) = self.opened(RaftLog::open(self.disk.clone(), &log_options))?;
        let timer = around.timeline.timer();
        timer.after(self.disk.take_busy_ns()).await;
        let options = ReplicatedOptions {
            node,
            bootstrap: (wipes == 0).then_some(first),
            timing: Timing::default(),
            snapshot_entries: around.checkpoint_entries,
            constants: around.constants.clone(),
            seed: around.draw("log", self.host, self.number),
            drift_ppm: around.drift_ppm(self.host),
        };
        let (sender, inbox) = mpsc::channel(INBOX_MAX);
        let (disk, work) = LogDisk::new();
        let purgeable = log.purgeable();
        let worker = LogWorker::new(log, &disk);
        let read = ReplicatedLog::new(options, &recovered, purgeable, disk, sender.clone());
        let (replicated, checkpoint) = self.opened(read)?;
        let salt = around.draw("salt", self.host, 0);
        let config =
            MasterConfig { node, salt, constants: around.constants.clone(), insists: Vec::new() };
        let clock = around.clock(node, self.host, self.number);
        around.watch.recovered(node, &checkpoint);
        let mut out = Effects::new();
        let now = clock.now();
        around.watch.begins(node, now, || Beginning::Master(config.clone(), checkpoint.clone()));
        let machine = Master::recover(&config, checkpoint, now, &mut out);
        let (storage, asked) = LogStorage::new();
        let inbox = Inbox { sender, inbox };
        around.drive(node, machine, out, clock, storage, |_, _| {}, inbox);
        let (packets, questions) = mpsc::channel(INBOX_MAX);
        around.network.attach_packets(node, packets);
        let carrier = PacketCarrier(Arc::clone(&around.network));
        let disk = self.disk.clone();
        let ended = tokio::select! {
            biased;
            ended = storage::serve_log(disk, worker, work, timer) => return Ok(ended),
            ended = replicated.run(carrier, questions, asked, std::future::pending()) => ended,
        };
        ended.map(|()| Ended::NodeGone).map_err(|why| match () {
            () if !self.disk.powered() => End::PowerFailed,
            () if self.disk.sync_failed() => End::DiskFailed,
            () if self.disk.is_filled() => End::NoRoom,
            () => End::DoesNotOpen(why.to_string()),
        })
    }

    /// What a store gave, or why this life ends before it began.
    fn opened<T>(&self, result: Result<T, StoreError>) -> Result<T, End> {
        result.map_err(|error| match error {
            _ if !self.disk.powered() => End::PowerFailed,
            _ if self.disk.sync_failed() => End::DiskFailed,
            StoreError::Disk(DiskError::NoSpace { .. }) if self.disk.is_filled() => End::NoRoom,
            error => End::DoesNotOpen(error.to_string()),
        })
    }
}
