//! `master` and `chunkserver`: from arguments and configuration to a server that runs until it
//! is told to stop.

use crate::arguments::{ChunkserverArguments, MasterArguments};
use crate::entropy;
use crate::failure::{Failure, Outcome};
use crate::session::{DEFAULT_MASTER, masters, resolve};
use crate::settings::Settings;
use crate::signals::{Signals, stdin_closed};
use leasehold_node::chunkserver::{self, ChunkserverOptions};
use leasehold_node::master::{self, MasterOptions, PeersOptions};
use leasehold_node::{Running, ServeError};
use leasehold_proto::{NodeId, Rack, Session};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// `leasehold master`.
pub async fn master(arguments: &MasterArguments) -> Outcome {
    if let Some(ask) = &arguments.ask {
        return crate::masters::ask(ask).await;
    }
    let settings = Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?;
    let usual = DEFAULT_MASTER.parse().expect("the usual address is one");
    let node = NodeId(arguments.node.or(settings.node).unwrap_or(1));
    let options = MasterOptions {
        listen: arguments.listen.or(settings.listen).unwrap_or(usual),
        data_dir: data_dir(arguments.data_dir.as_ref(), &settings)?,
        begin: arguments.begin.expected(),
        node,
        constants: settings.constants()?,
        insists: settings.insists()?,
        salt: entropy::draw()?,
        peers: peers(arguments, node).await?,
    };
    let mut signals = Signals::listen()?;
    let running = master::start(options).await.map_err(failure)?;
    run(running, &mut signals, arguments.until_stdin_closes).await
}

async fn peers(arguments: &MasterArguments, node: NodeId) -> Result<Option<PeersOptions>, Failure> {
    if arguments.peers.is_empty() {
        return Ok(None);
    }
    let masters = resolve(&arguments.peers).await?;
    if arguments.bootstrap && !masters.iter().any(|(master, _)| *master == node) {
        let why = format!("--bootstrap: this master ({node}) has to be among its --peer");
        return Err(Failure::Usage(why));
    }
    let (birth, seed) = (entropy::draw()?, entropy::draw()?);
    Ok(Some(PeersOptions { masters, bootstrap: arguments.bootstrap, birth, seed }))
}

/// `leasehold chunkserver`.
pub async fn chunkserver(arguments: &ChunkserverArguments) -> Outcome {
    let settings = Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?;
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = ChunkserverOptions {
        listen: arguments.listen.or(settings.listen).unwrap_or(any_port),
        data_dir: data_dir(arguments.data_dir.as_ref(), &settings)?,
        begin: arguments.begin.expected(),
        masters: resolve(&masters(&arguments.master, &settings)).await?,
        rack: Rack(arguments.rack.or(settings.rack).unwrap_or(0)),
        capacity_bytes: arguments.capacity.or(settings.capacity),
        constants: settings.constants()?,
        insists: settings.insists()?,
        uuid: entropy::draw()?,
        session: Session(entropy::draw()?),
    };
    let mut signals = Signals::listen()?;
    let running = chunkserver::start(options).await.map_err(failure)?;
    run(running, &mut signals, arguments.until_stdin_closes).await
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
        ServeError::Constants(_) | ServeError::ConstantsRefused { .. } => {
            Failure::Usage(error.to_string())
        }
        ServeError::DataDir(_)
        | ServeError::Store { .. }
        | ServeError::Listen { .. }
        | ServeError::Thread(_)
        | ServeError::LogEnded(_)
        | ServeError::Panicked => Failure::Failed(error.to_string()),
    }
}
