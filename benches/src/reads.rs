//! What a strong read costs, with the confirmation of leases and without it: random reads from one
//! file, by some readers at a time, on one cluster whose constant `confirm_reads` is changed between
//! rounds.

use crate::product::{Places, Product, session};
use crate::report::{median, write_rows};
use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;
use leasehold_client::{Client, ClientOptions, File, FileSpec};
use leasehold_proto::{ClusterConstant, NodeId, Setting};
use serde::Serialize;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

const CHUNKSERVERS: usize = 3;
/// The file is written in pieces of this size.
const PIECE_BYTES: usize = 1 << 20;
/// A change of constants waits for leases of the old term.
const PATIENCE: Duration = Duration::from_secs(120);
/// The odd constant of Knuth's multiplicative hash: offsets that are spread and the same in every run.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Arguments of `reads`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    places: Places,
    /// Masters: 1, 3 or 5
    #[arg(long, default_value_t = 1)]
    masters: usize,
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 64)]
    mebibytes: u64,
    /// Bytes of one read
    #[arg(long, default_value_t = 4_096)]
    bytes: u64,
    /// Readers at a time; several numbers are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    readers: Vec<usize>,
    /// Rounds of each kind, one of each by turns
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of one round
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// One round.
#[derive(Clone, Debug, Serialize)]
struct Row {
    masters: usize,
    readers: usize,
    confirm_reads: bool,
    round: u32,
    reads_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// Measures, prints medians, and writes every round into a table.
pub fn run(options: &Options) -> Result<()> {
    ensure!(options.bytes >= 1 && options.mebibytes >= 1, "--bytes and --mebibytes are above zero");
    let binary = options.places.binary(&std::env::current_exe()?)?;
    let dir = options.places.made()?.join("reads");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let mut product = Product::start(&binary, &dir, options.masters, CHUNKSERVERS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(play(options, &product))?;
    product.stop()?;
    fs::remove_dir_all(&dir)?;
    write_rows(&options.places.out.join("reads.csv"), &rows)?;
    print(&rows);
    Ok(())
}

async fn play(options: &Options, product: &Product) -> Result<Vec<Row>> {
    let masters = product.masters().iter().zip(1..).map(|(at, n)| (NodeId(n), *at)).collect();
    let client = Client::connect(ClientOptions::new(session(), masters)).await?;
    let file = client.create("/reads", FileSpec::default()).await?;
    let piece = vec![7_u8; PIECE_BYTES];
    for at in 0..options.mebibytes {
        file.write(at * PIECE_BYTES as u64, piece.clone()).await?;
    }
    let file = Arc::new(file);
    let mut rows = Vec::new();
    for round in 1..=options.rounds {
        for confirm_reads in [true, false] {
            set(&client, confirm_reads).await?;
            for readers in &options.readers {
                rows.push(measure(options, &file, (round, *readers, confirm_reads)).await?);
            }
        }
        eprintln!("round {round} of {} is over", options.rounds);
    }
    Ok(rows)
}

/// Changes the constant, and waits until everybody goes by it.
async fn set(client: &Client, confirm_reads: bool) -> Result<()> {
    let wanted =
        Setting { constant: ClusterConstant::ConfirmReads, number: u64::from(confirm_reads) };
    let status = client.constants_status().await?;
    if status.values.setting(wanted.constant) != wanted {
        client.set_constants(vec![wanted]).await?;
    }
    let asked = Instant::now();
    while asked.elapsed() < PATIENCE {
        let status = client.constants_status().await?;
        if status.changes_from.is_none() && status.behind.is_empty() {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("the constants did not change within {} s", PATIENCE.as_secs())
}

async fn measure(
    options: &Options,
    file: &Arc<File>,
    (round, readers, confirm_reads): (u32, usize, bool),
) -> Result<Row> {
    let lasts = Duration::from_secs(options.seconds);
    let places = (options.mebibytes << 20).saturating_sub(options.bytes) + 1;
    let began = Instant::now();
    let mut all = JoinSet::new();
    for reader in 0..readers as u64 {
        let (file, bytes) = (Arc::clone(file), options.bytes);
        all.spawn(async move {
            let mut took = Histogram::<u64>::new(3)?;
            let mut number = reader << 32;
            while began.elapsed() < lasts {
                number += 1;
                let offset = number.wrapping_mul(SPREAD) % places;
                let asked = Instant::now();
                let read = file.read(offset, bytes).await?;
                ensure!(read.len() as u64 == bytes, "a read of {bytes} B brought {}", read.len());
                took.record(asked.elapsed().as_micros() as u64)?;
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Histogram::<u64>::new(3)?;
    while let Some(one) = all.join_next().await {
        took.add(one??)?;
    }
    Ok(Row {
        masters: options.masters,
        readers,
        confirm_reads,
        round,
        reads_per_s: took.len() as f64 / began.elapsed().as_secs_f64(),
        p50_us: took.value_at_quantile(0.5),
        p99_us: took.value_at_quantile(0.99),
        max_us: took.max(),
    })
}

/// Medians over the rounds, side by side.
fn print(rows: &[Row]) {
    println!("readers   confirmed   reads/s   p50 us   p99 us   (medians over the rounds)");
    let mut kinds: Vec<(usize, bool)> =
        rows.iter().map(|row| (row.readers, !row.confirm_reads)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (readers, trusted) in kinds {
        let of = |value: fn(&Row) -> f64| {
            let rows = rows.iter().filter(|r| (r.readers, !r.confirm_reads) == (readers, trusted));
            median(&rows.map(value).collect::<Vec<_>>()).unwrap_or_default()
        };
        println!(
            "{readers:>7}   {:>9}   {:>7.0}   {:>6.0}   {:>6.0}",
            if trusted { "no" } else { "yes" },
            of(|row| row.reads_per_s),
            of(|row| row.p50_us as f64),
            of(|row| row.p99_us as f64),
        );
    }
}
