//! `master` and `chunkserver`: from arguments and configuration to a server that runs until it
//! is told to stop.

use crate::arguments::{ChunkserverArguments, MasterArguments};
use crate::entropy;
use crate::failure::{Failure, Outcome};
use crate::seeds::{Seed, all_numbered, find, look_up, numbered, seeds};
use crate::session::{DEFAULT_MASTER, masters};
use crate::settings::Settings;
use crate::signals::{Signals, stdin_closed};
use leasehold_node::chunkserver::{self, ChunkserverOptions};
use leasehold_node::master::{self, MasterOptions, PeersOptions};
use leasehold_node::{Running, ServeError};
use leasehold_proto::{NodeId, Rack, Session};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
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
    let usual = DEFAULT_MASTER.parse().expect("the usual address is one");
    let node = NodeId(arguments.node.or(settings.node).unwrap_or(1));
    let options = MasterOptions {
        listen: arguments.listen.or(settings.listen).unwrap_or(usual),
        advertise: advertise(arguments.server.advertise.as_ref(), &settings).await?,
        data_dir: data_dir(arguments.data_dir.as_ref(), &settings)?,
        begin: arguments.server.begin.expected(),
        node,
        constants: settings.constants()?,
        insists: settings.insists()?,
        salt: entropy::draw()?,
        peers: peers(arguments, node).await?,
    };
    let listed = options.peers.iter().flat_map(|peers| &peers.masters);
    let listed = listed.clone().find(|(master, _)| *master == node).map(|(_, address)| *address);
    refuse_wildcard(options.advertise.or(listed).unwrap_or(options.listen))?;
    let mut signals = Signals::listen()?;
    let running = master::start(options).await.map_err(failure)?;
    run(running, &mut signals, arguments.server.until_stdin_closes).await
}

async fn peers(arguments: &MasterArguments, node: NodeId) -> Result<Option<PeersOptions>, Failure> {
    if arguments.peers.is_empty() {
        return Ok(None);
    }
    let masters = numbered(&seeds(&arguments.peers).await?);
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
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let listen = arguments.listen.or(settings.listen).unwrap_or(any_port);
    let advertise = advertise(arguments.server.advertise.as_ref(), &settings).await?;
    refuse_wildcard(advertise.unwrap_or(listen))?;
    let data_dir = data_dir(arguments.data_dir.as_ref(), &settings)?;
    let constants = settings.constants()?;
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
    run(running, &mut signals, arguments.server.until_stdin_closes).await
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

fn data_dir(flag: Option<&PathBuf>, settings: &Settings) -> Result<PathBuf, Failure> {
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
    running.until(shutdown).await.map_err(failure)?;
    tracing::info!("stopped");
    Ok(())
}

/// Contradictory constants are a mistake of the caller; everything else is the world's.
fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Constants(_)
        | ServeError::ConstantsRefused { .. }
        | ServeError::Wildcard { .. } => Failure::Usage(error.to_string()),
        ServeError::DataDir(_)
        | ServeError::Store { .. }
        | ServeError::Listen { .. }
        | ServeError::Thread(_)
        | ServeError::LogEnded(_)
        | ServeError::Panicked => Failure::Failed(error.to_string()),
    }
}
