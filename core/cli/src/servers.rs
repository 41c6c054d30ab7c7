//! `master` and `chunkserver`: from arguments and configuration to a server that runs until it
//! is told to stop.

use crate::arguments::{BeginArguments, ChunkserverArguments, MasterArguments, ServerArguments};
use crate::entropy;
use crate::failure::{Failure, Outcome};
use crate::monitor::Monitor;
use crate::seeds::{Seed, all_numbered, find, look_up, numbered, seeds};
use crate::session::{DEFAULT_MASTER, masters};
use crate::settings::Settings;
use crate::signals::{Signals, stdin_closed};
use leasehold_node::chunkserver::{self, ChunkserverOptions};
use leasehold_node::data_dir::{self, ServerRole};
use leasehold_node::master::{self, MasterOptions, PeersOptions};
use leasehold_node::{Running, ServeError};
use leasehold_proto::{NodeId, Rack, Session};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A chunkserver that was given the masters' numbers waits this long for one of them.
const MASTERS_PATIENCE: Duration = Duration::from_secs(3);

/// `leasehold master`.
pub async fn master(arguments: &MasterArguments) -> Outcome {
    if let Some(ask) = &arguments.ask {
        return crate::masters::ask(ask).await;
    }
    let settings =
        Settings::read(arguments.server.config.config.as_deref(), &arguments.server.config.sets)?;
    if begin_only(&arguments.server)? {
        let path = place(arguments.data_dir.as_ref(), &settings)?;
        return begin(&path, ServerRole::Master, &arguments.server.begin, arguments.bootstrap);
    }
    let usual = DEFAULT_MASTER.parse().expect("the usual address is one");
    let node = NodeId(arguments.node.or(settings.node).unwrap_or(1));
    let options = MasterOptions {
        listen: arguments.listen.or(settings.listen).unwrap_or(usual),
        advertise: advertise(arguments.server.advertise.as_ref(), &settings).await?,
        data_dir: place(arguments.data_dir.as_ref(), &settings)?,
        begin: arguments.server.begin.expected(),
        node,
        constants: settings.constants()?,
        insists: settings.insists()?,
        salt: entropy::draw()?,
        peers: peers(arguments, &settings, node).await?,
    };
    let listed = options.peers.iter().flat_map(|peers| &peers.masters);
    let listed = listed.clone().find(|(master, _)| *master == node).map(|(_, address)| *address);
    refuse_wildcard(options.advertise.or(listed).unwrap_or(options.listen))?;
    let monitor = monitor(&arguments.server, &settings).await?;
    let mut signals = Signals::listen()?;
    let running = master::start(options).await.map_err(failure)?;
    monitor.serve(running.probe());
    run(running, &mut signals, arguments.server.until_stdin_closes).await
}

async fn peers(
    arguments: &MasterArguments,
    settings: &Settings,
    node: NodeId,
) -> Result<Option<PeersOptions>, Failure> {
    let peers = if arguments.peers.is_empty() { &settings.peers } else { &arguments.peers };
    if peers.is_empty() {
        if arguments.bootstrap {
            let why = "--bootstrap: of which masters? --peer N@HOST:PORT, or peers in --config";
            return Err(Failure::Usage(why.to_owned()));
        }
        return Ok(None);
    }
    let masters = numbered(&seeds(peers).await?);
    if arguments.bootstrap && !masters.iter().any(|(master, _)| *master == node) {
        let why = format!("--bootstrap: this master ({node}) has to be among its --peer");
        return Err(Failure::Usage(why));
    }
    let (birth, seed) = (entropy::draw()?, entropy::draw()?);
    Ok(Some(PeersOptions { masters, bootstrap: arguments.bootstrap, birth, seed }))
}

/// `leasehold chunkserver`.
pub async fn chunkserver(arguments: &ChunkserverArguments) -> Outcome {
    let settings =
        Settings::read(arguments.server.config.config.as_deref(), &arguments.server.config.sets)?;
    if begin_only(&arguments.server)? {
        let path = place(arguments.data_dir.as_ref(), &settings)?;
        return begin(&path, ServerRole::Chunkserver, &arguments.server.begin, false);
    }
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = arguments.listen.or(settings.listen).unwrap_or(any_port);
    let advertise = advertise(arguments.server.advertise.as_ref(), &settings).await?;
    refuse_wildcard(advertise.unwrap_or(listen))?;
    let data_dir = place(arguments.data_dir.as_ref(), &settings)?;
    let constants = settings.constants()?;
    let monitor = monitor(&arguments.server, &settings).await?;
    let mut signals = Signals::listen()?;
    let seeds = seeds(&masters(&arguments.master, &settings)).await?;
    let masters = tokio::select! {
        biased;
        signal = signals.next() => {
            tracing::info!(why = signal, "stopped before a master answered");
            return Ok(());
        }
        () = stdin_closed(), if arguments.server.until_stdin_closes => return Ok(()),
        masters = find_for_good(&seeds) => masters,
    };
    warn_of_loopback(advertise.unwrap_or(listen), &masters);
    let options = ChunkserverOptions {
        listen,
        advertise,
        data_dir,
        begin: arguments.server.begin.expected(),
        masters,
        rack: Rack(arguments.rack.or(settings.rack).unwrap_or(0)),
        capacity_bytes: arguments.capacity.or(settings.capacity),
        constants,
        insists: settings.insists()?,
        uuid: entropy::draw()?,
        session: Session(entropy::draw()?),
    };
    let running = chunkserver::start(options).await.map_err(failure)?;
    monitor.serve(running.probe());
    run(running, &mut signals, arguments.server.until_stdin_closes).await
}

/// Is the directory to be begun or adopted, and nothing to be served?
fn begin_only(server: &ServerArguments) -> Result<bool, Failure> {
    let BeginArguments { init, adopt, no_serve, init_if_missing: _ } = server.begin;
    if no_serve && !init && !adopt {
        let why = "--no-serve: there is nothing to do without --init or --adopt";
        return Err(Failure::Usage(why.to_owned()));
    }
    Ok(no_serve)
}

fn begin(path: &Path, role: ServerRole, begin: &BeginArguments, founds: bool) -> Outcome {
    let begun = data_dir::open_founder(path, role, begin.expected(), founds);
    begun.map(drop).map_err(|error| failure(error.into()))
}

/// Where a monitor reads, bound before anything is waited for: a server that waits for its masters says so.
async fn monitor(server: &ServerArguments, settings: &Settings) -> Result<Monitor, Failure> {
    Monitor::start(server.metrics.or(settings.metrics)).await
}

/// Said before the directory is touched.
fn refuse_wildcard(address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_unspecified() {
        return Err(failure(ServeError::Wildcard { address }));
    }
    Ok(())
}

/// All masters. A chunkserver that does not know which master listens where waits until one of them
/// says it; one that does waits a moment only.
async fn find_for_good(seeds: &[Seed]) -> Vec<(NodeId, SocketAddr)> {
    loop {
        match find(seeds, MASTERS_PATIENCE).await {
            Ok(masters) => return masters,
            Err(failure) if all_numbered(seeds) => {
                tracing::warn!("{failure}; the masters are taken as they are named");
                return numbered(seeds);
            }
            Err(failure) => tracing::warn!("{failure}; still trying"),
        }
    }
}

/// An address of this machine alone, announced to a master on another one, looks healthy and serves
/// no one.
fn warn_of_loopback(announced: SocketAddr, masters: &[(NodeId, SocketAddr)]) {
    let elsewhere = masters.iter().find(|(_, master)| !master.ip().is_loopback());
    if let Some((node, master)) = elsewhere.filter(|_| announced.ip().is_loopback()) {
        tracing::warn!(
            "announces {announced}, which only processes of this machine can dial, while {node} is \
             at {master}: --listen or --advertise says where others reach this server"
        );
    }
}

/// Where others reach this server, if that is said.
async fn advertise(
    flag: Option<&String>,
    settings: &Settings,
) -> Result<Option<SocketAddr>, Failure> {
    let Some(name) = flag.or(settings.advertise.as_ref()) else { return Ok(None) };
    let addresses = look_up(name).await;
    let addresses =
        addresses.map_err(|why| Failure::Usage(format!("--advertise {name:?}: {why}")))?;
    Ok(addresses.first().copied())
}

fn place(flag: Option<&PathBuf>, settings: &Settings) -> Result<PathBuf, Failure> {
    flag.or(settings.data_dir.as_ref()).cloned().ok_or_else(|| {
        Failure::Usage(
            "where is the data to be kept? --data-dir DIR, or data_dir in --config".into(),
        )
    })
}

/// Runs a server until a signal, or until whoever started it has gone.
async fn run(running: Running, signals: &mut Signals, until_stdin_closes: bool) -> Outcome {
    let shutdown = async {
        let why = tokio::select! {
            biased;
            signal = signals.next() => signal,
            () = stdin_closed(), if until_stdin_closes => "stdin closed",
        };
        tracing::info!(why, "stopping");
    };
    // From here on it takes connections: readiness, for a service manager that waits for it.
    crate::supervisor::notify("READY=1");
    let ended = running.until(async {
        shutdown.await;
        crate::supervisor::notify("STOPPING=1");
    });
    ended.await.map_err(failure)?;
    tracing::info!("stopped");
    Ok(())
}

/// Contradictory constants are a mistake of the caller; everything else is the world's.
fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Constants(_)
        | ServeError::ConstantsRefused { .. }
        | ServeError::Wildcard { .. } => Failure::Usage(error.to_string()),
        ServeError::DiskFailed => Failure::DiskFailed(error.to_string()),
        ServeError::Superseded => Failure::Superseded(error.to_string()),
        ServeError::DataDir(_)
        | ServeError::Store { .. }
        | ServeError::Listen { .. }
        | ServeError::Thread(_)
        | ServeError::LogEnded(_)
        | ServeError::Panicked => Failure::Failed(error.to_string()),
    }
}
