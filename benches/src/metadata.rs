//! Metadata operations a second: creates and stats of one session against one master, durable,
//! with a fixed number of calls in flight.
//!
//! `run` starts the master and, as a process of its own, each load; so that each has its own CPU
//! account, and what it prints is what a machine of this size can do with client and master on it.

use crate::process::{Process, Usage};
use crate::product::{Places, Product};
use crate::report::{median, write_rows};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use hdrhistogram::Histogram;
use leasehold_node::client::{Client, ClientError, ClientOptions, FileSpec};
use leasehold_proto::NodeId;
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Files in one directory, as a program that knows its tools would keep them.
const FILES_PER_DIRECTORY: u64 = 1_000;

/// Arguments of `metadata`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    places: Places,
    /// Files that are created, then asked for
    #[arg(long, default_value_t = 200_000)]
    files: u64,
    /// Calls that wait for their answer at a time
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// How often it is measured, each time on a fresh master
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
}

/// What is asked of the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Empty files, each acknowledged after its log entry is durable
    Create,
    /// Of files that nobody writes
    Stat,
}

/// Arguments of `metadata-load`.
#[derive(Debug, clap::Args)]
pub struct LoadOptions {
    #[arg(long)]
    master: SocketAddr,
    #[arg(long)]
    verb: Verb,
    #[arg(long)]
    files: u64,
    #[arg(long)]
    in_flight: u64,
}

/// What one load saw.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seen {
    /// From the first call to the last answer.
    seconds: f64,
    p50_us: u64,
    p99_us: u64,
}

/// A row of the CSV file.
#[derive(Debug, Serialize)]
struct Row {
    repetition: u32,
    verb: Verb,
    calls: u64,
    in_flight: u64,
    seconds: f64,
    calls_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    client_cpu_s: f64,
    master_cpu_s: f64,
    master_peak_rss_bytes: u64,
}

/// Runs the loads and prints what they saw.
pub fn run(options: &Options) -> Result<()> {
    let this = std::env::current_exe()?;
    let binary = options.places.binary(&this)?;
    let dir = options.places.made()?.join("metadata");
    let mut rows = Vec::new();
    for repetition in 1..=options.repetitions {
        let mut product = Product::start(&binary, &dir, 1)?;
        for verb in [Verb::Create, Verb::Stat] {
            let row = load(options, repetition, verb, &product)?;
            println!("{repetition:>3}  {:<7} {:>9.0}/s", name(verb), row.calls_per_s);
            rows.push(row);
        }
        product.stop()?;
        fs::remove_dir_all(&dir)?;
    }
    write_rows(&options.places.out.join("metadata.csv"), &rows)?;
    summary(options, &rows);
    Ok(())
}

fn load(options: &Options, repetition: u32, verb: Verb, product: &Product) -> Result<Row> {
    let before = master_usage(product)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("metadata-load").args(["--master", &product.master().to_string()]);
    command.args(["--verb", name(verb), "--files", &options.files.to_string()]);
    command.args(["--in-flight", &options.in_flight.to_string()]).stdout(Stdio::piped());
    let mut client = Process::spawn("client", &mut command)?;
    let seen: Seen = serde_json::from_str(&client.line()?)?;
    let (_, client) = client.finish()?;
    let master = master_usage(product)?.since(before);
    Ok(Row {
        repetition,
        verb,
        calls: options.files,
        in_flight: options.in_flight,
        seconds: seen.seconds,
        calls_per_s: options.files as f64 / seen.seconds,
        p50_us: seen.p50_us,
        p99_us: seen.p99_us,
        client_cpu_s: client.user_s + client.system_s,
        master_cpu_s: master.user_s + master.system_s,
        master_peak_rss_bytes: master.peak_rss_bytes,
    })
}

fn master_usage(product: &Product) -> Result<Usage> {
    product.servers.first().context("a cluster has a master")?.usage()
}

fn name(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Stat => "stat",
    }
}

fn summary(options: &Options, rows: &[Row]) {
    println!(
        "\n{} files, {} calls in flight from one session, one master, every create durable \
         before its answer.\n",
        options.files, options.in_flight
    );
    println!("verb     median/s     p50 us   p99 us   client CPU us/call   master CPU us/call");
    for verb in [Verb::Create, Verb::Stat] {
        let of = |value: fn(&Row) -> f64| {
            let of_all: Vec<f64> = rows.iter().filter(|r| r.verb == verb).map(value).collect();
            median(&of_all).unwrap_or(0.0)
        };
        println!(
            "{:<8} {:>8.0} {:>10.0} {:>8.0} {:>20.1} {:>20.1}",
            name(verb),
            of(|row| row.calls_per_s),
            of(|row| row.p50_us as f64),
            of(|row| row.p99_us as f64),
            of(|row| row.client_cpu_s * 1e6 / row.calls as f64),
            of(|row| row.master_cpu_s * 1e6 / row.calls as f64),
        );
    }
}

/// One load, as a process of its own: prints what it saw as a line of JSON.
pub fn client(options: &LoadOptions) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seen = runtime.block_on(drive(options))?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}

async fn drive(options: &LoadOptions) -> Result<Seen> {
    ensure!(options.files > 0 && options.in_flight > 0, "nothing to do");
    let started_ms = leasehold_node::clock::wall_clock_ms();
    let session = NodeId(started_ms << 16 | u64::from(std::process::id() & 0xffff));
    let masters = vec![(NodeId(1), options.master)];
    let client = Client::connect(ClientOptions::new(session, masters)).await?;
    if options.verb == Verb::Create {
        for directory in 0..options.files.div_ceil(FILES_PER_DIRECTORY) {
            client.mkdir(&format!("/d{directory}")).await?;
        }
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
    Ok(Seen {
        seconds: started.elapsed().as_secs_f64(),
        p50_us: latencies.value_at_quantile(0.5),
        p99_us: latencies.value_at_quantile(0.99),
    })
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
        let path = format!("/d{}/f{file}", file / FILES_PER_DIRECTORY);
        let asked = Instant::now();
        match verb {
            Verb::Create => drop(client.create(&path, FileSpec::default()).await?),
            Verb::Stat => {
                client.stat(&path).await?;
            }
        }
        latencies.saturating_record(micros(asked.elapsed()));
    }
}

/// Microseconds, up to a minute, to three digits.
fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order")
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).expect("half a million years").max(1)
}
