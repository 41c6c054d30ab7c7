//! Metadata operations a second, durable, with a fixed number of calls in flight from one session:
//! creates and stats against one master and against three, and beside the three what the bare
//! consensus library commits with the same log store.
//!
//! `run` starts the masters and, as a process of its own, each load; so that each has its own CPU
//! account, and what it prints is what a machine of this size can do with client and masters on it.

pub mod bare;
pub mod load;

use crate::process::Usage;
use crate::product::{Places, Product};
use crate::report::{median, write_rows};
use anyhow::{Context, Result};
use clap::ValueEnum;
use load::Seen;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// Arguments of `metadata`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    places: Places,
    /// Files that are created, then looked up
    #[arg(long, default_value_t = 200_000)]
    files: u64,
    /// Calls that wait for their answer at a time
    #[arg(long, default_value_t = 64)]
    in_flight: u64,
    /// How often it is measured, each time on fresh masters
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Empty files, each acknowledged after its log entry is durable
    Create,
    /// Of files that nobody writes
    Stat,
    /// Log entries of the size of a create, which change nothing
    Commit,
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Service {
    /// One master, whose log is its own.
    OneMaster,
    /// Three masters on this machine.
    ThreeMasters,
    /// The consensus library on three log stores and an empty state machine.
    BareLibrary,
}

/// Each load, in its order.
const LOADS: [(Service, Verb); 5] = [
    (Service::OneMaster, Verb::Create),
    (Service::OneMaster, Verb::Stat),
    (Service::ThreeMasters, Verb::Create),
    (Service::ThreeMasters, Verb::Stat),
    (Service::BareLibrary, Verb::Commit),
];

/// Tries to measure the bare library, at the most.
const BARE_TRIES: u32 = 5;

/// A row of the CSV file.
#[derive(Clone, Debug, Serialize)]
struct Row {
    repetition: u32,
    service: Service,
    verb: Verb,
    calls: u64,
    in_flight: u64,
    seconds: f64,
    calls_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    /// Entries that the leader's disk was given, and the syncs that made them durable.
    entries: u64,
    syncs: u64,
    entries_per_sync: Option<f64>,
    client_cpu_s: f64,
    /// Of all masters together.
    masters_cpu_s: f64,
    master_peak_rss_bytes: u64,
    /// Creates of three masters, as a part of what the bare library committed just after.
    of_bare: Option<f64>,
}

/// Runs the loads and prints what they saw.
pub fn run(options: &Options) -> Result<()> {
    let binary = options.places.binary(&std::env::current_exe()?)?;
    let dir = options.places.made()?.join("metadata");
    let mut rows = Vec::new();
    for repetition in 1..=options.repetitions {
        rows.extend(repeat(options, repetition, &binary, &dir)?);
    }
    write_rows(&options.places.out.join("metadata.csv"), &rows)?;
    summary(options, &rows);
    Ok(())
}

fn repeat(options: &Options, repetition: u32, binary: &Path, dir: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (service, masters) in [(Service::OneMaster, 1), (Service::ThreeMasters, 3)] {
        let mut product = Product::start(binary, dir, masters, 1)?;
        for verb in [Verb::Create, Verb::Stat] {
            rows.push(ask(options, repetition, (service, verb), &product)?);
        }
        product.stop()?;
        fs::remove_dir_all(dir)?;
    }
    let bare = bare_library(options, dir)?;
    let library = (Service::BareLibrary, Verb::Commit);
    rows.push(row(options, repetition, library, bare.seen, Usage::default(), bare.usage));
    let bare_per_s = rows.last().expect("pushed above").calls_per_s;
    let beside = |row: &&mut Row| (row.service, row.verb) == (Service::ThreeMasters, Verb::Create);
    for row in rows.iter_mut().filter(|row| beside(row)) {
        row.of_bare = Some(row.calls_per_s / bare_per_s);
    }
    for row in &rows {
        let (service, verb) = (name(row.service), name(row.verb));
        println!("{repetition:>3}  {service:<14} {verb:<7} {:>9.0}/s", row.calls_per_s);
    }
    Ok(rows)
}

/// What the library commits. Three processes share two cores with their disks' threads, and now and
/// then a leader loses its office for want of them: what it committed until then is no rate, so it
/// is measured again.
fn bare_library(options: &Options, dir: &Path) -> Result<bare::Bare> {
    for tries_left in (0..BARE_TRIES).rev() {
        let measured = bare::run(dir, options.files, options.in_flight);
        fs::remove_dir_all(dir)?;
        match measured {
            Err(error) if tries_left > 0 => println!("bare library: {error:#}; once more"),
            ended => return ended,
        }
    }
    unreachable!("the last try is returned");
}

/// One load against the product.
fn ask(
    options: &Options,
    repetition: u32,
    load: (Service, Verb),
    product: &Product,
) -> Result<Row> {
    let before = (masters_usage(product)?, product.written()?);
    let (seen, client) = load::run(product.masters(), load.1, options.files, options.in_flight)?;
    let (usage, written) = (masters_usage(product)?, product.written()?);
    let seen = Seen {
        entries: written.entries - before.1.entries,
        syncs: written.syncs - before.1.syncs,
        ..seen
    };
    Ok(row(options, repetition, load, seen, client, usage.since(before.0)))
}

fn row(
    options: &Options,
    repetition: u32,
    (service, verb): (Service, Verb),
    seen: Seen,
    client: Usage,
    masters: Usage,
) -> Row {
    Row {
        repetition,
        service,
        verb,
        calls: options.files,
        in_flight: options.in_flight,
        seconds: seen.seconds,
        calls_per_s: options.files as f64 / seen.seconds,
        p50_us: seen.p50_us,
        p99_us: seen.p99_us,
        entries: seen.entries,
        syncs: seen.syncs,
        entries_per_sync: (seen.syncs > 0).then(|| seen.entries as f64 / seen.syncs as f64),
        client_cpu_s: client.user_s + client.system_s,
        masters_cpu_s: masters.user_s + masters.system_s,
        master_peak_rss_bytes: masters.peak_rss_bytes,
        of_bare: None,
    }
}

/// What all masters used together, and the highest peak.
fn masters_usage(product: &Product) -> Result<Usage> {
    let masters = product.servers.iter().take(product.masters().len());
    let usages = masters.map(|server| server.usage()).collect::<Result<Vec<_>>>()?;
    Ok(usages.into_iter().fold(Usage::default(), Usage::and))
}

/// A word of an enumeration, as the CSV file has it.
fn name(value: impl Serialize) -> String {
    let json = serde_json::to_value(value).expect("a word");
    json.as_str().map(str::to_owned).expect("a word")
}

fn summary(options: &Options, rows: &[Row]) {
    println!(
        "\n{} files, {} calls in flight from one session, every create durable before its \
         answer; medians.\n",
        options.files, options.in_flight
    );
    println!(
        "{:<14} {:<7} {:>9} {:>8} {:>8} {:>13} {:>16} {:>17}",
        "service",
        "verb",
        "a second",
        "p50 us",
        "p99 us",
        "entries/sync",
        "client CPU us",
        "masters' CPU us"
    );
    for (service, verb) in LOADS {
        let of = |value: &dyn Fn(&Row) -> Option<f64>| {
            let wanted = rows.iter().filter(|row| (row.service, row.verb) == (service, verb));
            median(&wanted.filter_map(value).collect::<Vec<_>>())
        };
        let number = |value: &dyn Fn(&Row) -> f64| of(&|row| Some(value(row))).unwrap_or(0.0);
        let shared = of(&|row| row.entries_per_sync.filter(|_| verb != Verb::Stat));
        println!(
            "{:<14} {:<7} {:>9.0} {:>8.0} {:>8.0} {:>13} {:>16.1} {:>17.1}",
            name(service),
            name(verb),
            number(&|row| row.calls_per_s),
            number(&|row| row.p50_us as f64),
            number(&|row| row.p99_us as f64),
            shared.map_or("-".to_owned(), |shared| format!("{shared:.1}")),
            number(&|row| row.client_cpu_s * 1e6 / row.calls as f64),
            number(&|row| row.masters_cpu_s * 1e6 / row.calls as f64),
        );
    }
    let ratios: Vec<f64> = rows.iter().filter_map(|row| row.of_bare).collect();
    if let Some(ratio) = median(&ratios) {
        println!("\nthree masters create {ratio:.2} of what the bare library commits");
    }
}

/// Reads a line of JSON.
fn parse<T: for<'de> Deserialize<'de>>(line: &str) -> Result<T> {
    serde_json::from_str(line).with_context(|| line.to_owned())
}
