//! A chunkserver on a real machine.

use crate::data_dir::{self, Begin, ServerRole};
use crate::executor::{ChunkExecutor, Executor as _};
use crate::running::{Parts, Running, ServeError, advertised, bind, start as start_loop};
use crate::storage::DiskThread;
use leasehold_proto::{
    Chunkserver, ChunkserverConfig, Constants, Effects, NodeId, Rack, Session, Setting,
    StateMachine,
};
use leasehold_runtime::clock::BootClock;
use leasehold_runtime::driver::{Clock, INBOX_MAX};
use leasehold_runtime::transport::{Transport, TransportOptions};
use leasehold_store::{Identity, StoreError, StoreOptions};
use leasehold_wire::Role;
use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes of received payloads that a chunkserver holds at the most: mutations that wait for their
/// disk or their members.
const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// The configuration of a chunkserver at start.
#[derive(Clone, Debug)]
pub struct ChunkserverOptions {
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// Where others reach it; none: where it listens.
    pub advertise: Option<SocketAddr>,
    /// Its directory.
    pub data_dir: PathBuf,
    /// What is expected of that directory.
    pub begin: Begin,
    /// The masters and their addresses; one that has several stands there several times.
    pub masters: Vec<(NodeId, SocketAddr)>,
    /// Its failure domain.
    pub rack: Rack,
    /// Bytes that it offers at the most; none: all that its file system has free.
    pub capacity_bytes: Option<u64>,
    /// The cluster's constants.
    pub constants: Constants,
    /// Those of the cluster's that were set on purpose.
    pub insists: Vec<Setting>,
    /// Names the server if its disk is new: drawn at random.
    pub uuid: u64,
    /// Names this process: drawn at random.
    pub session: Session,
}

/// Starts a chunkserver.
///
/// # Errors
/// If the constants contradict each other, the data directory is in use or damaged, or the
/// address is taken.
pub async fn start(options: ChunkserverOptions) -> Result<Running, ServeError> {
    options.constants.check()?;
    let disk = Arc::new(data_dir::open(&options.data_dir, ServerRole::Chunkserver, options.begin)?);
    let store_error = |error: StoreError| ServeError::Store {
        path: options.data_dir.display().to_string(),
        error,
    };
    let identity = Identity::load_or_create(&*disk, || options.uuid).map_err(store_error)?;
    let store = StoreOptions::of(&options.constants);
    let (executor, replicas) = ChunkExecutor::open(disk.clone(), store).map_err(store_error)?;
    let mut executor = executor.offering(options.capacity_bytes);
    // Measured once the journal has its room: that is not there for chunks.
    let room = executor.room().unwrap_or_default();
    let (listener, address) = bind(options.listen).await?;
    let announced = advertised(options.advertise, address)?;
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let (disk, disk_end) =
        DiskThread::start("disk", executor, sender.clone()).map_err(ServeError::Thread)?;
    let into_inbox = sender.clone();
    let transport = Transport::new(transport_options(&options, identity.node, announced), sender);
    let config = ChunkserverConfig {
        node: identity.node,
        incarnation: identity.incarnation,
        session: options.session,
        rack: options.rack,
        room,
        masters: options
            .masters
            .iter()
            .map(|(node, _)| *node)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        constants: options.constants,
        insists: options.insists,
    };
    let clock = BootClock::start();
    let mut recovered = Effects::new();
    let found = replicas.live.len();
    let machine = Chunkserver::recover(&config, replicas, clock.now(), &mut recovered);
    let Identity { node, incarnation } = identity;
    tracing::info!(%node, %incarnation, %address, %announced, replicas = found, "chunkserver starts");
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
        disk,
        disk_end,
        beside: None,
    }))
}

/// Runs a chunkserver until `shutdown`.
///
/// # Errors
/// As [`start`], and if it ends by itself.
pub async fn serve(
    options: ChunkserverOptions,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    start(options).await?.until(shutdown).await
}

fn transport_options(
    options: &ChunkserverOptions,
    node: NodeId,
    address: SocketAddr,
) -> TransportOptions {
    TransportOptions {
        node,
        role: Role::Chunkserver,
        listen: Some(address),
        masters: options.masters.clone(),
        payload_bytes_max: Some(PAYLOAD_BYTES_MAX),
    }
}
