//! The comparison: relay, put, sender, get, relay, ... in one run on one disk, so that whatever
//! the machine does meanwhile falls on all of them alike.

use crate::ground;
use crate::policy::Policy;
use crate::process::{Process, Usage};
use crate::product::{Places, Product};
use crate::report::{Place, Report};
use anyhow::{Context, Result, ensure};
use leasehold_proto::Constants;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The relay's hops in the order of the bytes.
const HOPS: [&str; 3] = ["relay-a", "relay-b", "relay-c"];

/// How often a repetition reads.
const READS: u32 = 3;

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    places: Places,
    /// Size of the file, in MiB
    #[arg(long, default_value_t = 1024)]
    mib: u64,
    /// How often each step is measured
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
    /// Only this policy
    #[arg(long)]
    policy: Option<Policy>,
    /// Measure the relay and the sender only
    #[arg(long)]
    bare_only: bool,
}

/// Runs the comparison and prints what it found.
pub fn run(options: &Options) -> Result<()> {
    let bench = Bench::prepare(options)?;
    let mut report = Report::default();
    for repetition in 1..=options.repetitions {
        for policy in Policy::ALL {
            if options.policy.is_none_or(|wanted| wanted == policy) {
                bench.round(repetition, policy, &mut report)?;
            }
        }
    }
    report.write_csv(&options.places.out)?;
    bench.conditions();
    print!("{}", report.table());
    fs::remove_file(&bench.source)?;
    Ok(())
}

struct Bench {
    this: PathBuf,
    product: Option<PathBuf>,
    dir: PathBuf,
    source: PathBuf,
    bytes: u64,
    window_bytes: u64,
    sync_bytes: u64,
}

impl Bench {
    fn prepare(options: &Options) -> Result<Bench> {
        let this = std::env::current_exe()?;
        let product = if options.bare_only { None } else { Some(options.places.binary(&this)?) };
        let dir = options.places.made()?;
        let source = dir.join("source.dat");
        let bytes = options.mib << 20;
        write_random(&source, bytes)?;
        // The relay gets the product's own bounds: what a primary holds unacknowledged for a
        // chunk, and one mutation as the least that it syncs.
        let constants = Constants::default();
        Ok(Bench {
            this,
            product,
            dir,
            source,
            bytes,
            window_bytes: u64::from(constants.inflight_bytes_max),
            sync_bytes: u64::from(constants.mutation_bytes_max),
        })
    }

    fn conditions(&self) {
        println!(
            "{} MiB of random bytes, three copies, one machine, files in {}.\n\
             Window {} MiB. Sync unit: at least {} MiB per fdatasync, and all that waits by then.\n\
             What get and sender read is in the page cache. Relay and put start with nothing\n\
             dirty and fill pages that are freed just ahead of them (benches/src/ground.rs).\n",
            self.bytes >> 20,
            self.dir.display(),
            self.window_bytes >> 20,
            self.sync_bytes >> 20,
        );
    }

    /// Relay, put, and then sender and get in turn: these are short, and want more samples.
    fn round(&self, repetition: u32, policy: Policy, report: &mut Report) -> Result<()> {
        let place = |step| Place { repetition, policy: policy.name(), step };
        self.relay(place("relay"), policy, report)?;
        let Some(binary) = &self.product else { return self.sender(place("sender"), report) };
        let dir = self.dir.join("cluster");
        let mut product = Product::start(binary, &dir, 1, 3)?;
        self.product_step(place("put"), &product, report, |product| {
            self.on_level_ground(&["cluster"], || product.put(&self.source, "/file", policy))
        })?;
        for _ in 0..READS {
            self.sender(place("sender"), report)?;
            self.product_step(place("get"), &product, report, |product| product.get("/file"))?;
        }
        if repetition == 1 {
            self.verify(&product)?;
        }
        product.stop()?;
        fs::remove_dir_all(dir)?;
        Ok(())
    }

    /// Three copies' worth of level ground under the files or folders of these names.
    fn on_level_ground<T>(&self, names: &[&str], step: impl FnOnce() -> Result<T>) -> Result<T> {
        let written: Vec<PathBuf> = names.iter().map(|name| self.dir.join(name)).collect();
        ground::level(&self.dir, 3 * self.bytes, &written, step)
    }

    fn relay(&self, at: Place, policy: Policy, report: &mut Report) -> Result<()> {
        let mut hops: Vec<Process> = Vec::new();
        let mut next: Option<String> = None;
        for name in HOPS.into_iter().rev() {
            let mut command = self.own("relay-hop");
            command.arg("--file").arg(self.dir.join(name)).stdout(Stdio::piped());
            command.args(["--policy", policy.name(), "--sync-bytes", &self.sync_bytes.to_string()]);
            command.args(next.iter().flat_map(|next| ["--next", next]));
            let mut hop = Process::spawn(name, &mut command)?;
            next = Some(hop.line()?);
            hops.push(hop);
        }
        let mut command = self.own("relay-client");
        command.arg("--file").arg(&self.source);
        command.args(["--window-bytes", &self.window_bytes.to_string()]);
        command.args(["--to", &next.expect("there are three hops")]);
        let (took, usage) =
            self.on_level_ground(&HOPS, || Process::spawn("client", &mut command)?.finish())?;
        report.account(at, "client", usage);

        let mut syncs = 0;
        for mut hop in hops.into_iter().rev() {
            let (name, file) = (hop.name.clone(), self.dir.join(&hop.name));
            syncs = hop.line()?.parse()?;
            report.account(at, &name, hop.usage()?);
            hop.stop()?;
            ensure!(fs::metadata(&file)?.len() == self.bytes, "{name} has not got all bytes");
            fs::remove_file(file)?;
        }
        report.transfer(at, self.bytes, took, self.bytes.checked_div(syncs));
        Ok(())
    }

    fn sender(&self, at: Place, report: &mut Report) -> Result<()> {
        rustix::fs::sync();
        let mut command = self.own("send-server");
        command.arg("--file").arg(&self.source).stdout(Stdio::piped());
        let mut server = Process::spawn("sender", &mut command)?;
        let mut command = self.own("send-client");
        command.args(["--from", &server.line()?, "--bytes", &self.bytes.to_string()]);
        let (took, usage) = Process::spawn("client", &mut command)?.finish()?;
        report.account(at, "client", usage);
        report.account(at, "sender", server.usage()?);
        server.stop()?;
        report.transfer(at, self.bytes, took, None);
        Ok(())
    }

    fn product_step(
        &self,
        at: Place,
        product: &Product,
        report: &mut Report,
        step: impl FnOnce(&Product) -> Result<(Duration, Usage)>,
    ) -> Result<()> {
        let before = product.usage()?;
        let (took, usage) = step(product)?;
        report.account(at, "client", usage);
        for ((server, before), after) in product.servers.iter().zip(before).zip(product.usage()?) {
            report.account(at, &server.name, after.since(before));
        }
        report.transfer(at, self.bytes, took, None);
        Ok(())
    }

    /// Speed without the right bytes is worth nothing: reads the file back and compares it.
    fn verify(&self, product: &Product) -> Result<()> {
        let copy = self.dir.join("copy.dat");
        product.get_into("/file", &copy)?;
        ensure!(same_bytes(&self.source, &copy)?, "get gave other bytes than put was given");
        fs::remove_file(copy)?;
        Ok(())
    }

    fn own(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.this);
        command.arg(subcommand);
        command
    }
}

/// Random bytes, so that neither side can gain by compression or holes. The kernel's own
/// generator, a buffer at a time.
pub fn write_random(path: &Path, bytes: u64) -> Result<()> {
    let mut file = File::create(path).with_context(|| path.display().to_string())?;
    let copied = std::io::copy(&mut File::open("/dev/urandom")?.take(bytes), &mut file)?;
    ensure!(copied == bytes, "/dev/urandom ended early");
    file.flush()?;
    Ok(file.sync_all()?)
}

/// Do two files hold the same?
pub fn same_bytes(a: &Path, b: &Path) -> Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let mut buffers = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let n = a.read(&mut buffers.0)?;
        if n == 0 {
            return Ok(true);
        }
        b.read_exact(&mut buffers.1[..n])?;
        if buffers.0[..n] != buffers.1[..n] {
            return Ok(false);
        }
    }
}
