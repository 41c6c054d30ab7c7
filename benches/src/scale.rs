//! What the namespace costs a master: memory per file and per chunk, and the time to start.
//!
//! A checkpoint of a made-up namespace is written through the product's own log, a master is
//! started on it, and its memory is read from /proc. Three sizes tell what a file costs and what
//! a chunk costs on top. Where each replica is, a master learns from reports; nobody reports here.

use crate::process::Process;
use crate::product::{Places, Product};
use crate::report::write_rows;
use anyhow::{Context, Result, ensure};
use leasehold_node::os_disk::OsDisk;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, ClusterConstants, Command as LogCommand, Constants, Epoch, FileId,
    Incarnation, IoId, LogEntry, MasterState, Member, NodeId, OpId, Rack, Session,
};
use leasehold_store::{MasterLog, MasterLogOptions};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const FILES_PER_DIRECTORY: u64 = 1_000;
/// Entries that share a write.
const GROUP: usize = 10_000;
const SERVERS: u64 = 100;

/// Arguments of `scale`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    places: Places,
    /// Files of the largest size
    #[arg(long, default_value_t = 5_000_000)]
    files: u64,
    /// Chunks of the largest size, three replicas each
    #[arg(long, default_value_t = 8_000_000)]
    chunks: u64,
}

/// Arguments of `scale-make`.
#[derive(Debug, clap::Args)]
pub struct MakeOptions {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    files: u64,
    #[arg(long)]
    chunks: u64,
}

/// A row of the CSV file.
#[derive(Debug, Serialize)]
struct Row {
    files: u64,
    chunks: u64,
    checkpoint_bytes: u64,
    /// From the start of the process to its first answer.
    start_s: f64,
    rss_bytes: u64,
    peak_rss_bytes: u64,
}

/// Measures the three sizes and prints what a file and a chunk cost.
pub fn run(options: &Options) -> Result<()> {
    let binary = options.places.binary(&std::env::current_exe()?)?;
    ensure!(options.files > 0 && options.chunks > 0, "--files and --chunks must be above zero");
    let dir = options.places.made()?.join("scale");
    let mut rows: Vec<Row> = Vec::new();
    println!("    files    chunks  checkpoint  start s   RSS MiB  peak MiB");
    for (files, chunks) in [(0, 0), (options.files, 0), (options.files, options.chunks)] {
        let row = measure(&binary, &dir, files, chunks)?;
        println!(
            "{files:>9} {chunks:>9} {:>7} MiB {:>8.1} {:>9} {:>9}",
            row.checkpoint_bytes >> 20,
            row.start_s,
            row.rss_bytes >> 20,
            row.peak_rss_bytes >> 20,
        );
        rows.push(row);
    }
    let [empty, named, full] = &rows[..] else { unreachable!("three sizes") };
    let cost = |more: &Row, less: &Row, count| {
        (more.rss_bytes.saturating_sub(less.rss_bytes)) as f64 / count as f64
    };
    println!(
        "\n{:.0} bytes a file, {:.0} bytes a chunk of three replicas (their reports aside)",
        cost(named, empty, options.files),
        cost(full, named, options.chunks),
    );
    write_rows(&options.places.out.join("scale.csv"), &rows)
}

fn measure(binary: &Path, dir: &Path, files: u64, chunks: u64) -> Result<Row> {
    let data = dir.join("master");
    fs::create_dir_all(&data)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("scale-make").arg("--dir").arg(&data);
    command.args(["--files", &files.to_string(), "--chunks", &chunks.to_string()]);
    Process::spawn("maker", &mut command)?.finish()?;
    let mut checkpoint_bytes = 0;
    for entry in fs::read_dir(data.join("checkpoint"))? {
        checkpoint_bytes = checkpoint_bytes.max(entry?.metadata()?.len());
    }
    let started = Instant::now();
    let mut product = Product::start(binary, dir, 1, 0)?;
    let start_s = started.elapsed().as_secs_f64();
    let master = product.servers.first().context("a cluster has a master")?;
    let (rss_bytes, peak_rss_bytes) = (master.rss_bytes()?, master.usage()?.peak_rss_bytes);
    product.stop()?;
    fs::remove_dir_all(dir)?;
    Ok(Row { files, chunks, checkpoint_bytes, start_s, rss_bytes, peak_rss_bytes })
}

/// Writes the master's folder, as a process of its own: its memory goes with it.
pub fn make(options: &MakeOptions) -> Result<()> {
    let disk = OsDisk::open(&options.dir)?;
    let (log, state, entries) = MasterLog::open(disk, MasterLogOptions::default())?;
    ensure!(entries.is_empty(), "{} holds a log already", options.dir.display());
    let mut maker = Maker { log, state, group: Vec::new(), number: 0 };
    maker.fill(options.files, options.chunks)?;
    maker.write()?;
    maker.log.checkpoint(&maker.state)?;
    // With a second checkpoint the log before the first one goes.
    maker.entry(new_leader())?;
    maker.write()?;
    maker.log.checkpoint(&maker.state)?;
    Ok(())
}

struct Maker {
    log: MasterLog<OsDisk>,
    state: MasterState,
    group: Vec<LogEntry>,
    number: u64,
}

fn new_leader() -> LogCommand {
    let constants = Box::new(ClusterConstants::of(&Constants::default()));
    LogCommand::NewLeader { node: NodeId(1), constants }
}

impl Maker {
    fn fill(&mut self, files: u64, chunks: u64) -> Result<()> {
        self.entry(new_leader())?;
        for node in 1..=SERVERS {
            let (incarnation, session) = (Incarnation(1), Session(node));
            self.entry(LogCommand::Join {
                node: NodeId(node),
                incarnation,
                session,
                rack: Rack(0),
            })?;
        }
        let mut made = 0;
        for file in 0..files {
            let directory = file / FILES_PER_DIRECTORY;
            if file % FILES_PER_DIRECTORY == 0 {
                let path = format!("/directory-{directory}");
                self.change(MetadataChange::Mkdir { path: path.into(), mode: 0o755 })?;
            }
            let path = format!("/directory-{directory}/file-{file}");
            let id = self.state.ids().next_file();
            let spec = FileSpec::default();
            self.change(MetadataChange::Create { path: path.into(), spec, mode: 0o644 })?;
            let due = chunks * (file + 1) / files;
            self.chunks(id, due - made)?;
            made = due;
        }
        Ok(())
    }

    fn chunks(&mut self, file: FileId, count: u64) -> Result<()> {
        for index in 0..count {
            let chunk: ChunkHandle = self.state.ids().next_chunk();
            self.change(MetadataChange::AddChunk { file, index, slots: index, epoch: 0 })?;
            let member = |at: u64| Member {
                node: NodeId(1 + (chunk.0 * 7 + at * 31) % SERVERS),
                incarnation: Incarnation(1),
            };
            let members = (0..3).map(member).collect();
            let (base, version) = (ChunkVersion(0), ChunkVersion(1));
            self.entry(LogCommand::Configure { chunk, base, version, members })?;
        }
        Ok(())
    }

    fn change(&mut self, change: MetadataChange) -> Result<()> {
        self.number += 1;
        let op = OpId { client: NodeId(1 << 32), number: self.number };
        self.entry(LogCommand::Change {
            caller: Box::default(),
            op,
            acked_below: self.number,
            change,
        })
    }

    fn entry(&mut self, command: LogCommand) -> Result<()> {
        let leads = matches!(command, LogCommand::NewLeader { .. });
        let epoch = if leads { Epoch(0) } else { self.state.epoch() };
        let entry = LogEntry { epoch, proposal: IoId(0), command };
        let _ = self.state.apply(self.state.applied().next(), &entry);
        self.group.push(entry);
        if self.group.len() == GROUP { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<()> {
        self.log.append(&std::mem::take(&mut self.group))?;
        Ok(())
    }
}
