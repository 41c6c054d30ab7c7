//! One load against the product: a session with a fixed number of calls in flight.

use super::{Verb, parse};
use crate::process::{Process, Usage};
use crate::product::session;
use anyhow::{Result, bail, ensure};
use clap::ValueEnum;
use hdrhistogram::Histogram;
use leasehold_client::{Client, ClientError, ClientOptions, FileSpec};
use leasehold_proto::NodeId;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Files in one directory, as a program that knows its tools would keep them.
const FILES_PER_DIRECTORY: u64 = 1_000;

/// Arguments of `metadata-load`.
#[derive(Debug, clap::Args)]
pub struct LoadOptions {
    #[arg(long, value_delimiter = ',')]
    masters: Vec<SocketAddr>,
    #[arg(long)]
    verb: Verb,
    #[arg(long)]
    files: u64,
    #[arg(long)]
    in_flight: u64,
}

/// What one load saw.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// From the first call to the last answer.
    pub seconds: f64,
    /// Half of the answers took no longer.
    pub p50_us: u64,
    /// All but a hundredth took no longer.
    pub p99_us: u64,
    /// What the leader's disk was given meanwhile, if the load can see it.
    pub entries: u64,
    /// And in how many syncs.
    pub syncs: u64,
}

/// Runs a load as a process of its own.
pub fn run(
    masters: &[SocketAddr],
    verb: Verb,
    files: u64,
    in_flight: u64,
) -> Result<(Seen, Usage)> {
    let masters: Vec<String> = masters.iter().map(ToString::to_string).collect();
    let verb = verb.to_possible_value().expect("no verb is hidden");
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("metadata-load").args(["--masters", &masters.join(",")]);
    command.args(["--verb", verb.get_name(), "--files", &files.to_string()]);
    command.args(["--in-flight", &in_flight.to_string()]).stdout(Stdio::piped());
    let mut client = Process::spawn("client", &mut command)?;
    let seen = parse(&client.line()?)?;
    let (_, usage) = client.finish()?;
    Ok((seen, usage))
}

/// The process: prints what it saw as a line of JSON.
pub fn client(options: &LoadOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seen = runtime.block_on(drive(options))?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

async fn drive(options: &LoadOptions) -> Result<Seen> {
    ensure!(options.files > 0 && options.in_flight > 0, "nothing to do");
    let session = session();
    let masters = (1..).map(NodeId).zip(options.masters.iter().copied()).collect();
    let client = Client::connect(ClientOptions::new(session, masters)).await?;
    match options.verb {
        Verb::Create => {
            for directory in 0..options.files.div_ceil(FILES_PER_DIRECTORY) {
                client.mkdir(&format!("/d{directory}")).await?;
            }
        }
        // The session finds its master before the clock starts.
        Verb::Stat => {
            client.stat("/").await?;
        }
        Verb::Commit => bail!("a client commits nothing by itself"),
    }
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let lanes: Vec<_> = (0..options.in_flight)
        .map(|_| tokio::spawn(lane(client.clone(), options.verb, options.files, next.clone())))
        .collect();
    let mut latencies = histogram();
    for lane in lanes {
        latencies.add(lane.await??)?;
    }
    Ok(Seen::of(started.elapsed(), &latencies))
}

/// One call after the other, until all files had theirs.
async fn lane(
    client: Client,
    verb: Verb,
    files: u64,
    next: Arc<AtomicU64>,
) -> Result<Histogram<u32>, ClientError> {
    let mut latencies = histogram();
    loop {
        let file = next.fetch_add(1, Ordering::Relaxed);
        if file >= files {
            return Ok(latencies);
        }
        let asked = Instant::now();
        match verb {
            Verb::Create => drop(client.create(&path(file), FileSpec::default()).await?),
            Verb::Stat | Verb::Commit => {
                client.stat(&path(file)).await?;
            }
        }
        latencies.saturating_record(micros(asked.elapsed()));
    }
}

/// Where a file is.
pub fn path(file: u64) -> String {
    format!("/d{}/f{file}", file / FILES_PER_DIRECTORY)
}

impl Seen {
    /// What these latencies say; nothing is known of any disk.
    pub fn of(elapsed: Duration, latencies: &Histogram<u32>) -> Seen {
        Seen {
            seconds: elapsed.as_secs_f64(),
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
            ..Seen::default()
        }
    }
}

/// Microseconds, up to a minute, to three digits.
pub fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}

/// Of a latency.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).expect("half a million years").max(1)
}
