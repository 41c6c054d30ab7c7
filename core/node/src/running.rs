//! A server that runs, and how it stops.

use crate::data_dir::DataDirError;
use crate::probe::{Probe, Sampled, Watched};
use crate::replicated::LogEnded;
use crate::storage::{DiskThread, DiskThreadEnd};
use leasehold_proto::config::ConfigError;
use leasehold_proto::{
    Effect, Effects, Envelope, Event, Input, NodeId, OpError, Outcome, RequestId, Setting,
    StateMachine, Time,
};
use leasehold_runtime::clock::BootClock;
use leasehold_runtime::driver::{Driver, Observer, Outbox, Storage};
use leasehold_runtime::observe::Traced;
use leasehold_runtime::transport::{TcpSender, Transport};
use leasehold_store::StoreError;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// A server that does not start, or ends by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The cluster's constants contradict each other.
    #[error("configuration: {0}")]
    Constants(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// What is in the data directory cannot be used.
    #[error("{path}: {error}")]
    Store {
        /// The data directory.
        path: String,
        /// What is wrong.
        error: StoreError,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The operating system's word.
        error: io::Error,
    },
    /// It would announce an address that nobody can dial.
    #[error(
        "{address} is every address of this machine, and none that others can dial: say with \
         --advertise HOST:PORT where they reach it"
    )]
    Wildcard {
        /// Where it listens.
        address: SocketAddr,
    },
    /// The operating system gave no thread for the disk.
    #[error("cannot start the disk's thread: {0}")]
    Thread(io::Error),
    /// The process was configured with another value than the cluster's.
    #[error(
        "{constant} = {own} is configured here, and the cluster has {cluster}: leave it out of the \
         configuration and of --set, or change the cluster's with `leasehold constants set`",
        constant = own.constant
    )]
    ConstantsRefused {
        /// As configured.
        own: Setting,
        /// As logged by the masters.
        cluster: Setting,
    },
    /// The masters' log cannot continue.
    #[error(transparent)]
    LogEnded(#[from] LogEnded),
    /// Its disk failed, and it was given time to report that.
    #[error(
        "the disk is out of service; what it holds is copied from other servers. Look at the kernel's \
         log and at the disk, then start this server again, or begin a new one on another disk"
    )]
    DiskFailed,
    /// Another process took its place.
    #[error(
        "another process with this disk's identity is registered: this one serves no more. Of a \
         directory and its copy only one may be started"
    )]
    Superseded,
    /// A check inside the server found a mistake of this program; the log says which.
    #[error("the server stopped itself: a check of its own state failed")]
    Panicked,
}

/// A server that runs in tasks and a thread of its own.
#[derive(Debug)]
pub struct Running {
    node: NodeId,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), ServeError>>,
    probe: Probe,
}

impl Running {
    /// Who it is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a monitor may look at.
    #[must_use]
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }

    /// Takes no more input, finishes what the disk was told to do, closes every connection and
    /// the data directory.
    ///
    /// # Errors
    /// what it ended with, if it had ended by itself.
    pub async fn stop(self) -> Result<(), ServeError> {
        let _ = self.stop.send(());
        self.ended.await.map_err(|_| ServeError::Panicked)?
    }

    /// Runs until `shutdown`, then stops; or until the server ends by itself.
    ///
    /// # Errors
    /// what it ended with, if it ended by itself.
    pub async fn until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        tokio::select! {
            biased;
            ended = &mut self.ended => return ended.map_err(|_| ServeError::Panicked)?,
            () = shutdown => {}
        }
        self.stop().await
    }
}

/// A server's way out: it answers by message only.
#[derive(Debug)]
pub(crate) struct ServerOutbox(pub TcpSender);

impl Outbox for ServerOutbox {
    fn send(&mut self, envelope: Envelope) {
        self.0.send(envelope);
    }

    fn respond(&mut self, id: RequestId, _: Result<Outcome, OpError>) {
        unreachable!("nobody asked {id} of a server's machine");
    }
}

/// Everything of a server before its first step.
pub(crate) struct Parts<M, S = DiskThread> {
    pub node: NodeId,
    pub address: SocketAddr,
    pub machine: M,
    pub clock: BootClock,
    /// What `recover` requested.
    pub recovered: Effects,
    /// Inputs that come before any other.
    pub first: Vec<Input>,
    pub inbox: mpsc::Receiver<Input>,
    /// Another way into it, for a monitor.
    pub into_inbox: mpsc::Sender<Input>,
    pub transport: Transport,
    pub listener: TcpListener,
    pub disk: S,
    pub disk_end: DiskThreadEnd,
    /// What runs beside the loop and ends after it, or ends it.
    pub beside: Option<Beside>,
}

/// A part of a server that is not its loop.
pub(crate) struct Beside {
    /// Ends when it was told to stop, or by itself.
    pub ended: JoinHandle<Result<(), LogEnded>>,
    /// Tells it to stop.
    pub stop: oneshot::Sender<()>,
}

/// Starts the loop.
pub(crate) fn start<M, S>(parts: Parts<M, S>) -> Running
where
    M: StateMachine + Sampled + Send + Sync + 'static,
    S: Storage + Send + Sync + 'static,
{
    let (stop, stopped) = oneshot::channel();
    let (node, address) = (parts.node, parts.address);
    let (probe, watched) = Probe::new(parts.into_inbox.clone());
    let ended = tokio::spawn(run(parts, watched, stopped));
    Running { node, address, stop, ended, probe }
}

async fn run<M: StateMachine + Sampled, S: Storage>(
    mut parts: Parts<M, S>,
    watched: Watched,
    stopped: oneshot::Receiver<()>,
) -> Result<(), ServeError> {
    let (refusal, refused) = oneshot::channel();
    let mut driver = Driver {
        machine: parts.machine,
        clock: parts.clock,
        outbox: ServerOutbox(parts.transport.sender()),
        storage: parts.disk,
        observer: Watcher { refusal: Some(refusal), watched },
    };
    driver.begin(parts.recovered);
    for input in parts.first {
        driver.step(input);
    }
    parts.transport.listen(parts.listener);
    let mut beside = parts.beside;
    let failed = tokio::select! {
        biased;
        _ = stopped => None,
        refused = after_last_report(refused) => Some(refused),
        failed = ended(&mut beside) => Some(failed),
        () = driver.run(Effects::new(), &mut parts.inbox) => None,
    };
    let beside = beside.filter(|beside| !beside.ended.is_finished());
    if let Some(beside) = beside {
        // What it still has to say is heard, so that it does not wait for the loop.
        let _ = beside.stop.send(());
        let mut stopping = beside.ended;
        while let Some(input) = tokio::select! {
            biased;
            _ = &mut stopping => None,
            input = parts.inbox.recv() => input,
        } {
            driver.step(input);
        }
    }
    parts.transport.close().await;
    // The disk's queue closes with the driver; its thread no longer waits for the inbox.
    drop(driver);
    drop(parts.inbox);
    let disk_failed = parts.disk_end.failed();
    let joined = tokio::task::spawn_blocking(|| parts.disk_end.join()).await;
    joined.expect("the disk's thread panicked, see above");
    match failed {
        // The log's own words for it are above.
        Some(ServeError::LogEnded(_)) if disk_failed.read() => Err(ServeError::DiskFailed),
        Some(failed) => Err(failed),
        None => Ok(()),
    }
}

/// Why the machine serves no more. With a failed disk it goes on for a moment: the masters hear of it,
/// and clients are refused and not left waiting.
async fn after_last_report(refused: oneshot::Receiver<ServeError>) -> ServeError {
    let Ok(refused) = refused.await else { return std::future::pending().await };
    if matches!(refused, ServeError::DiskFailed) {
        tokio::time::sleep(LAST_REPORT).await;
    }
    refused
}

/// Longer than a heartbeat and its repetition.
const LAST_REPORT: Duration = Duration::from_secs(2);

/// Passes events to `tracing` and to the monitor, and ends the server when an event says so.
struct Watcher {
    /// Taken by the first reason to end.
    refusal: Option<oneshot::Sender<ServeError>>,
    watched: Watched,
}

impl<M: Sampled> Observer<M> for Watcher {
    fn input(&mut self, now: Time, input: &Input) {
        Observer::<M>::input(&mut Traced, now, input);
        self.watched.input(now, input);
    }

    fn effect(&mut self, now: Time, effect: &Effect) {
        Observer::<M>::effect(&mut Traced, now, effect);
        self.watched.effect(now, effect);
        let Effect::Observe(event) = effect else { return };
        if let Some(reason) = ends_with(event)
            && let Some(refusal) = self.refusal.take()
        {
            // A server that has ended meanwhile needs no reason any more.
            let _ = refusal.send(reason);
        }
    }

    fn stepped(&mut self, now: Time, machine: &M) {
        self.watched.stepped(now, machine);
    }
}

/// What a process ends with after an event. A chunkserver that serves no more holds its directory and its
/// address for nothing, and looks alive to a supervisor.
fn ends_with(event: &Event) -> Option<ServeError> {
    match event {
        Event::ConstantsRefused { own, cluster } => {
            let (own, cluster) = (*own, *cluster);
            Some(ServeError::ConstantsRefused { own, cluster })
        }
        Event::DiskFailed => Some(ServeError::DiskFailed),
        Event::Superseded => Some(ServeError::Superseded),
        _ => None,
    }
}

/// Why the part beside the loop ended by itself; never, if there is none.
async fn ended(beside: &mut Option<Beside>) -> ServeError {
    let Some(beside) = beside else { return std::future::pending().await };
    match (&mut beside.ended).await {
        Ok(Ok(())) => LogEnded("nobody told it to".to_owned()).into(),
        Ok(Err(ended)) => ended.into(),
        Err(_) => ServeError::Panicked,
    }
}

/// What others are told: the address named for it, or the one that it listens at. Port 0 is the port
/// that it listens at.
pub(crate) fn advertised(
    named: Option<SocketAddr>,
    bound: SocketAddr,
) -> Result<SocketAddr, ServeError> {
    let mut address = named.unwrap_or(bound);
    if address.ip().is_unspecified() {
        return Err(ServeError::Wildcard { address });
    }
    if address.port() == 0 {
        address.set_port(bound.port());
    }
    Ok(address)
}

/// Binds the address that a server is told to listen at.
pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let fail = |error| ServeError::Listen { address, error };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}
