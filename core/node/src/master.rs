//! A master on a real machine.

use crate::alone::{self, AloneStorage};
use crate::data_dir::{self, Begin, ServerRole};
use crate::executor::{MasterExecutor, MasterStart};
use crate::replicated::{
    Carrier, Link, LogDisk, LogStorage, LogWorker, Peer, ReplicatedLog, ReplicatedOptions, Timing,
};
use crate::running::{Beside, Parts, Running, ServeError, advertised, bind, start as start_loop};
use crate::storage::{DiskThread, start_log};
use leasehold_proto::{
    Constants, Effects, Master, MasterConfig, MasterState, NodeId, Setting, StateMachine,
};
use leasehold_runtime::clock::BootClock;
use leasehold_runtime::driver::{Clock, INBOX_MAX};
use leasehold_runtime::transport::{TcpSender, Transport, TransportOptions};
use leasehold_store::{MasterLogOptions, RaftLog, RaftLogOptions};
use leasehold_wire::{Packet, Role};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::sync::{mpsc, oneshot};

/// Log entries after which a checkpoint is due.
const CHECKPOINT_ENTRIES: u64 = 50_000;

/// Bytes of packets about the log that a master holds while it reads them, at the most.
const PACKETS_BYTES_MAX: usize = 64 << 20;

/// The configuration of a master at start.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// Where others reach it; none: as the masters' list has it, or where it listens.
    pub advertise: Option<SocketAddr>,
    /// Its directory.
    pub data_dir: PathBuf,
    /// What is expected of that directory.
    pub begin: Begin,
    /// Its number, as every node's configuration has it.
    pub node: NodeId,
    /// The cluster's constants.
    pub constants: Constants,
    /// Those of the cluster's that were set on purpose.
    pub insists: Vec<Setting>,
    /// Spreads placement: drawn at random.
    pub salt: u64,
    /// The other masters; none for a master without peers.
    pub peers: Option<PeersOptions>,
}

/// The configuration of a master with peers at start.
#[derive(Clone, Debug)]
pub struct PeersOptions {
    /// Where every master listens, this one included.
    pub masters: Vec<(NodeId, SocketAddr)>,
    /// These masters make a new cluster: said to each of them when its directory is begun, whose mark
    /// keeps it. Without it, a master on an empty disk waits until it is added.
    pub bootstrap: bool,
    /// Names this master's disk if it is empty and does not bootstrap: drawn at random.
    pub birth: u64,
    /// Seeds the draws of this life.
    pub seed: u64,
}

/// Starts a master.
///
/// # Errors
/// If the constants contradict each other, the data directory is in use or damaged, or the
/// address is taken.
pub async fn start(options: MasterOptions) -> Result<Running, ServeError> {
    options.constants.check()?;
    if let Some(peers) = options.peers.clone() {
        return start_with_peers(options, peers).await;
    }
    let disk = data_dir::open(&options.data_dir, ServerRole::Master, options.begin)?;
    let log = MasterLogOptions::of(&options.constants);
    let (mut executor, first) =
        MasterExecutor::open(disk, log, CHECKPOINT_ENTRIES).map_err(|error| ServeError::Store {
            path: options.data_dir.display().to_string(),
            error,
        })?;
    let (listener, address) = bind(options.listen).await?;
    let announced = advertised(options.advertise, address)?;
    let MasterStart { checkpoint, inputs } = first;
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let into_inbox = sender.clone();
    let (progress, failure) = (executor.progress(), executor.failure());
    let (disk, disk_end) =
        DiskThread::start("log", executor, sender.clone()).map_err(ServeError::Thread)?;
    let node = options.node;
    let (packets, questions) = mpsc::channel(alone::PACKETS_MAX);
    let mut transport = transport_options(&options, announced);
    transport.payload_bytes_max = Some(alone::PACKETS_BYTES_MAX);
    let disk = AloneStorage { disk, inbox: sender.clone() };
    let transport = Transport::with_packets(transport, sender, Some(packets));
    let link = Link::new(node, TcpCarrier(transport.sender()), 0);
    let (stop, stopped) = oneshot::channel();
    let answering = alone::serve(node, link, questions, progress, (stopped, failure));
    let ended = tokio::spawn(answering);
    let (machine, clock, recovered) = recover(options, checkpoint);
    tracing::info!(%node, %address, %announced, replayed = inputs.len() - 1, "master starts");
    Ok(start_loop(Parts {
        node,
        address,
        machine,
        clock,
        recovered,
        first: inputs,
        inbox,
        into_inbox,
        transport,
        listener,
        disk,
        disk_end,
        beside: Some(Beside { ended, stop }),
    }))
}

async fn start_with_peers(
    options: MasterOptions,
    mut peers: PeersOptions,
) -> Result<Running, ServeError> {
    let fail = |error| ServeError::Store { path: options.data_dir.display().to_string(), error };
    let MasterOptions { data_dir, begin, .. } = &options;
    let asked = peers.bootstrap;
    let (disk, founds) = data_dir::open_founder(data_dir, ServerRole::Master, *begin, asked)?;
    if asked && !founds {
        tracing::warn!("--bootstrap has no effect: this directory was begun without it");
    }
    peers.bootstrap = founds;
    let birth = if peers.bootstrap { 0 } else { peers.birth };
    let log_options = RaftLogOptions { birth, ..RaftLogOptions::default() };
    let (log, recovered) = RaftLog::open(disk, &log_options).map_err(fail)?;
    let (listener, address) = bind(options.listen).await?;
    let announced = advertised(peers.announced(&options), address)?;
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let into_inbox = sender.clone();
    let (disk, work) = LogDisk::new();
    let replicated = peers.replicated(&options);
    let purgeable = log.purgeable();
    let worker = LogWorker::new(log, &disk);
    let (replicated, checkpoint) =
        ReplicatedLog::new(replicated, &recovered, purgeable, disk, sender.clone())
            .map_err(fail)?;
    let disk_end = start_log(worker, work).map_err(ServeError::Thread)?;
    let (packets, questions) = mpsc::channel(INBOX_MAX);
    let mut transport = transport_options(&options, announced);
    transport.masters = peers.masters;
    transport.payload_bytes_max = Some(PACKETS_BYTES_MAX);
    let transport = Transport::with_packets(transport, sender, Some(packets));
    let carrier = TcpCarrier(transport.sender());
    let (storage, asked) = LogStorage::new();
    let (stop, stopped) = oneshot::channel();
    let told = async move { drop(stopped.await) };
    let ended = tokio::spawn(replicated.run(carrier, questions, asked, told));
    let node = options.node;
    let (machine, clock, recovered) = recover(options, checkpoint);
    tracing::info!(%node, %address, %announced, "master with peers starts");
    Ok(start_loop(Parts {
        node,
        address,
        machine,
        clock,
        recovered,
        first: Vec::new(),
        inbox,
        into_inbox,
        transport,
        listener,
        disk: storage,
        disk_end,
        beside: Some(Beside { ended, stop }),
    }))
}

/// The machine as its disk left it, and the clock that it goes by.
fn recover(options: MasterOptions, checkpoint: MasterState) -> (Master, BootClock, Effects) {
    let MasterOptions { node, salt, constants, insists, .. } = options;
    let config = MasterConfig { node, salt, constants, insists };
    let clock = BootClock::start();
    let mut recovered = Effects::new();
    let machine = Master::recover(&config, checkpoint, clock.now(), &mut recovered);
    (machine, clock, recovered)
}

impl PeersOptions {
    /// Where the other masters are told that this one listens.
    fn announced(&self, options: &MasterOptions) -> Option<SocketAddr> {
        let listed = self.masters.iter().find(|(node, _)| *node == options.node);
        options.advertise.or(listed.map(|(_, address)| *address))
    }

    fn replicated(&self, options: &MasterOptions) -> ReplicatedOptions {
        let peer = |address: &SocketAddr| Peer { address: address.to_string(), birth: 0 };
        // Of several addresses of a master the first is the one that the log keeps.
        let mut first = BTreeMap::new();
        for (node, address) in &self.masters {
            first.entry(*node).or_insert_with(|| peer(address));
        }
        ReplicatedOptions {
            node: options.node,
            bootstrap: self.bootstrap.then_some(first),
            timing: Timing::default(),
            snapshot_entries: CHECKPOINT_ENTRIES,
            constants: options.constants.clone(),
            seed: self.seed,
            drift_ppm: 0,
        }
    }
}

/// Packets about the log go where messages go.
#[derive(Debug)]
pub struct TcpCarrier(pub TcpSender);

impl Carrier for TcpCarrier {
    fn send(&self, _: NodeId, packet: Packet) {
        self.0.send_packet(packet);
    }

    fn learn(&self, node: NodeId, address: &str) {
        match address.parse() {
            Ok(address) => self.0.learn(node, address),
            Err(_) => tracing::warn!(%node, address, "not the address of a master"),
        }
    }
}

/// Runs a master until `shutdown`.
///
/// # Errors
/// As [`start`], and if it ends by itself.
pub async fn serve(
    options: MasterOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    start(options).await?.until(shutdown).await
}

fn transport_options(options: &MasterOptions, address: SocketAddr) -> TransportOptions {
    TransportOptions {
        node: options.node,
        role: Role::Master,
        listen: Some(address),
        masters: vec![(options.node, address)],
        payload_bytes_max: Some(0),
    }
}
