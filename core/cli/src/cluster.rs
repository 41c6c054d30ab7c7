//! `cluster`: masters and some chunkservers as processes of this machine, for development.

use crate::arguments::{ClientArguments, ClusterArguments, ConfigArguments};
use crate::failure::{Failure, Outcome};
use crate::output::print;
use crate::session::connect;
use crate::settings::Settings;
use crate::signals::Signals;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// The cluster is given this long to be complete.
const START: Duration = Duration::from_secs(60);

/// A server that ended by itself is started again after this long.
const AGAIN: Duration = Duration::from_secs(2);

/// A server is given this long to stop.
const STOP: Duration = Duration::from_secs(10);

/// `leasehold cluster`.
pub async fn cluster(arguments: &ClusterArguments) -> Outcome {
    let servers = arguments.chunkservers.checked_add(arguments.masters - 1);
    let last_port = servers.and_then(|servers| arguments.base_port.checked_add(servers));
    if last_port.is_none() || arguments.base_port == 0 {
        return Err(Failure::Usage("--base-port: no room for the servers' ports".to_owned()));
    }
    if arguments.advertise.is_none() && arguments.host.is_unspecified() {
        let why = "is every address of this machine, and none that others can dial: say with \
                   --advertise HOST by which name or address they reach it";
        return Err(Failure::Usage(format!("--host: {} {why}", arguments.host)));
    }
    // A wrong configuration is said here, once, and not by every server in its own log.
    Settings::read(arguments.config.config.as_deref(), &arguments.config.sets)?.constants()?;
    let mut signals = Signals::listen()?;
    let mut servers = Vec::new();
    let outcome = run(arguments, &mut servers, &mut signals).await;
    stop(servers).await;
    outcome
}

async fn run(
    arguments: &ClusterArguments,
    servers: &mut Vec<Server>,
    signals: &mut Signals,
) -> Outcome {
    let at = |n: u16| SocketAddr::new(arguments.host, arguments.base_port + n);
    let masters: Vec<SocketAddr> = (0..arguments.masters).map(at).collect();
    let announced: Vec<String> =
        masters.iter().map(|listen| announced(arguments, *listen)).collect();
    start_masters(arguments, &masters, &announced, servers)?;
    let masters = announced.join(",");
    for n in 1..=arguments.chunkservers {
        let listen = at(arguments.masters - 1 + n);
        let more = ["--master", &masters, "--rack", &n.to_string()].map(OsString::from);
        servers.push(Server::start(arguments, &format!("chunkserver-{n}"), listen, &more)?);
    }
    let signal = tokio::select! {
        biased;
        signal = signals.next() => Some(signal),
        failure = first_to_end(servers) => return Err(failure),
        announced = announce(arguments, &masters) => announced.map(|()| None)?,
    };
    let signal = match signal {
        Some(signal) => signal,
        None => tokio::select! {
            biased;
            signal = signals.next() => signal,
            failure = keep_up(servers) => return Err(failure),
        },
    };
    crate::log::say(format_args!("leasehold: cluster: {signal}, stopping"));
    Ok(())
}

/// A single master has no peers. Several make a new cluster if none of them was here before: a
/// master that lost its disk is not to vote as if it remembered.
fn start_masters(
    arguments: &ClusterArguments,
    masters: &[SocketAddr],
    announced: &[String],
    servers: &mut Vec<Server>,
) -> Result<(), Failure> {
    if let [master] = masters {
        servers.push(Server::start(arguments, "master", *master, &[])?);
        return Ok(());
    }
    let numbered = || masters.iter().zip(1..);
    let is_new = numbered().all(|(_, n)| !arguments.dir.join(format!("master-{n}")).exists());
    let peers = announced.iter().zip(1..).map(|(address, n)| format!("{n}@{address}"));
    let peers: Vec<String> = peers.collect();
    for (address, n) in numbered() {
        let mut more = vec!["--node".into(), n.to_string().into()];
        more.extend(["--peer".into(), OsString::from(peers.join(","))]);
        more.extend(is_new.then(|| "--bootstrap".into()));
        servers.push(Server::start(arguments, &format!("master-{n}"), *address, &more)?);
    }
    Ok(())
}

/// Where others reach the server that listens here.
fn announced(arguments: &ClusterArguments, listen: SocketAddr) -> String {
    match &arguments.advertise {
        Some(host) if host.contains(':') => format!("[{host}]:{}", listen.port()),
        Some(host) => format!("{host}:{}", listen.port()),
        None => listen.to_string(),
    }
}

/// Says how to use the cluster once it is complete.
async fn announce(arguments: &ClusterArguments, masters: &str) -> Outcome {
    let complete = async {
        let client = connect(&ClientArguments {
            master: masters.split(',').map(str::to_owned).collect(),
            timeout: Some(START),
            config: ConfigArguments { config: None, sets: Vec::new() },
        })
        .await?;
        loop {
            let status = client.status().await?;
            let alive = status.servers.iter().filter(|server| server.alive).count();
            let waits = client.safe_mode().await?;
            // What is lost for good is no reason to wait: it may never be reported.
            let reported = waits.is_none_or(|waits| waits.reporting_servers.is_empty());
            if alive >= usize::from(arguments.chunkservers) && reported {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    match timeout(START, complete).await {
        Err(_) => Err(Failure::Failed(format!("not complete after {} s", START.as_secs()))),
        Ok(Err(failure)) => Err(failure),
        Ok(Ok(())) => print(welcome(arguments, masters)),
    }
}

fn welcome(arguments: &ClusterArguments, masters: &str) -> String {
    let m = match arguments.masters {
        1 => "1 master".to_owned(),
        m => format!("{m} masters"),
    };
    let (n, dir) = (arguments.chunkservers, arguments.dir.display());
    format!(
        "{m} and {n} chunkservers serve {dir}; their logs are {dir}/*.log\n\n  \
         export LEASEHOLD_MASTER={masters}\n  leasehold put FILE /FILE\n  leasehold ls -l /\n\n\
         Ctrl-C stops them."
    )
}

/// A server as a process.
struct Server {
    name: String,
    command: Command,
    process: Child,
}

impl Server {
    fn start(
        arguments: &ClusterArguments,
        name: &str,
        listen: SocketAddr,
        more: &[OsString],
    ) -> Result<Server, Failure> {
        let fail = |error| Failure::about(name, error);
        let data = arguments.dir.join(name);
        std::fs::create_dir_all(&arguments.dir).map_err(fail)?;
        let role = name.split('-').next().unwrap_or(name);
        let mut command = Command::new(std::env::current_exe().map_err(fail)?);
        command.arg(role).args(["--until-stdin-closes", "--listen", &listen.to_string()]);
        command.args(["--advertise", &announced(arguments, listen)]);
        command
            .arg("--data-dir")
            .arg(&data)
            .arg("--init-if-missing")
            .args(more)
            .args(config(&arguments.config));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log(&arguments.dir.join(format!("{name}.log"))).map_err(fail)?)
            // Ctrl-C reaches a terminal's whole group; we stop the servers, in our order.
            .process_group(0);
        let process = command.spawn().map_err(fail)?;
        Ok(Server { name: name.to_owned(), command, process })
    }
}

fn config(arguments: &ConfigArguments) -> Vec<OsString> {
    let file = arguments.config.iter().flat_map(|file| ["--config".into(), file.into()]);
    let sets = arguments.sets.iter().flat_map(|set| ["--set".into(), set.into()]);
    file.chain(sets).collect()
}

fn log(path: &Path) -> std::io::Result<Stdio> {
    Ok(std::fs::OpenOptions::new().create(true).append(true).open(path)?.into())
}

/// Waits until a server ends by itself: while the cluster comes up, none should.
async fn first_to_end(servers: &mut [Server]) -> Failure {
    let (at, status) = next_end(servers).await;
    Failure::Failed(format!("{} ended by itself ({status}); its log says why", servers[at].name))
}

/// Restarts servers that end, so that a kill shows how the others continue and how it comes back.
/// Ends if one cannot be started.
async fn keep_up(servers: &mut [Server]) -> Failure {
    loop {
        let (at, status) = next_end(servers).await;
        let server = &mut servers[at];
        let (name, after) = (&server.name, AGAIN.as_secs());
        crate::log::say(format_args!(
            "leasehold: cluster: {name} ended ({status}); it is started again in {after} s"
        ));
        sleep(AGAIN).await;
        match server.command.spawn() {
            Ok(process) => server.process = process,
            Err(error) => return Failure::about(name, error),
        }
    }
}

/// Which server ends next, and how.
async fn next_end(servers: &mut [Server]) -> (usize, ExitStatus) {
    loop {
        let mut each = servers.iter_mut().enumerate();
        let ended = each.find_map(|(at, server)| Some((at, server.process.try_wait().ok()??)));
        if let Some(ended) = ended {
            return ended;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Closes every server's stdin, chunkservers first, and waits; kills what does not stop.
async fn stop(servers: Vec<Server>) {
    for mut server in servers.into_iter().rev() {
        drop(server.process.stdin.take());
        if timeout(STOP, server.process.wait()).await.is_err() {
            crate::log::say(format_args!(
                "leasehold: cluster: {} does not stop; killed",
                server.name
            ));
            // It may have ended at this very moment: then there is nothing to kill.
            let _ = server.process.kill().await;
        }
    }
}
