//! A master on a real machine.

use crate::clock::BootClock;
use crate::driver::Clock;
use crate::executor::{MasterExecutor, MasterStart};
use crate::os_disk::OsDisk;
use crate::running::{INBOX_MAX, Parts, Running, ServeError, bind, start as start_loop};
use crate::storage::DiskThread;
use crate::transport::{Transport, TransportOptions};
use leasehold_proto::{Constants, Effects, Master, MasterConfig, NodeId, StateMachine};
use leasehold_store::MasterLogOptions;
use leasehold_wire::Role;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Log entries after which a checkpoint is due.
const CHECKPOINT_ENTRIES: u64 = 50_000;

/// What a master is told at start.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// Its directory, made if there is none.
    pub data_dir: PathBuf,
    /// Its number, as every node's configuration has it.
    pub node: NodeId,
    /// The cluster's constants.
    pub constants: Constants,
    /// Spreads placement: drawn at random.
    pub salt: u64,
}

/// Starts a master.
///
/// # Errors
/// If the constants contradict each other, the data directory is in use or damaged, or the
/// address is taken.
pub async fn start(options: MasterOptions) -> Result<Running, ServeError> {
    options.constants.check()?;
    let disk = OsDisk::open(&options.data_dir)?;
    let log = MasterLogOptions::of(&options.constants);
    let (executor, first) =
        MasterExecutor::open(disk, log, CHECKPOINT_ENTRIES).map_err(|error| ServeError::Store {
            path: options.data_dir.display().to_string(),
            error,
        })?;
    let (listener, address) = bind(options.listen).await?;
    let MasterStart { checkpoint, inputs } = first;
    let (sender, inbox) = mpsc::channel(INBOX_MAX);
    let (disk, disk_end) =
        DiskThread::start("log", executor, sender.clone()).map_err(ServeError::Thread)?;
    let transport = Transport::new(transport_options(&options, address), sender);
    let config =
        MasterConfig { node: options.node, salt: options.salt, constants: options.constants };
    let clock = BootClock::start();
    let mut recovered = Effects::new();
    let machine = Master::recover(&config, checkpoint, clock.now(), &mut recovered);
    tracing::info!(node = %config.node, %address, replayed = inputs.len() - 1, "master starts");
    Ok(start_loop(Parts {
        node: config.node,
        address,
        machine,
        clock,
        recovered,
        first: inputs,
        inbox,
        transport,
        listener,
        disk,
        disk_end,
    }))
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
