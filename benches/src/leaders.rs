//! What users see while masters die: a large put and a steady stream of creates on three masters,
//! of which the leader is killed with -9 again and again, and once stopped for half a minute.
//!
//! Nothing here is measured against anything; it is the same load that people would run, and what
//! must hold is checked at its end: no error, nothing acknowledged that is not there, nothing there
//! that was not requested, the file's bytes.

use crate::compare::{same_bytes, write_random};
use crate::process::Process;
use crate::product::{Places, Product, session};
use crate::report::write_rows;
use anyhow::{Context, Result, bail, ensure};
use leasehold_client::{Client, ClientError, ClientOptions, FileSpec};
use leasehold_node::replicated::admin::Admin;
use leasehold_node::replicated::status::Role;
use leasehold_proto::NodeId;
use rustix::process::Signal;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const MASTERS: usize = 3;
const CHUNKSERVERS: usize = 4;
const FILES_PER_DIRECTORY: u64 = 1_000;
/// How often creates are begun: some at a time, as a timer's grain allows.
const BEAT: Duration = Duration::from_millis(10);
/// A killed master is started again after so long.
const DOWN: Duration = Duration::from_secs(3);
/// A group of masters agrees within this time, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `leaders`.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    places: Places,
    /// Size of the file that is put, in MiB
    #[arg(long, default_value_t = 2_048)]
    mebibytes: u64,
    /// Creates that are begun a second
    #[arg(long, default_value_t = 1_000)]
    creates: u64,
    /// How often the leader is killed with -9 while the put is on its way, and started again
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// Between two kills, in seconds
    #[arg(long, default_value_t = 8)]
    every: u64,
    /// The leader is stopped for so many seconds at the end, and continues then
    #[arg(long, default_value_t = 30)]
    stop: u64,
}

/// What happened to a leader, and how long no create was acknowledged around it.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    master: u64,
    after_s: f64,
    /// From what happened to the next acknowledged create that was begun later.
    failover_ms: u64,
}

/// Runs the load, harms the leaders, and checks what is left.
pub fn run(options: &Options) -> Result<()> {
    let binary = options.places.binary(&std::env::current_exe()?)?;
    let dir = options.places.made()?.join("leaders");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    ensure!(options.creates >= 1, "--creates must be above zero");
    let product = Product::start(&binary, &dir, MASTERS, CHUNKSERVERS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(play(options, product, &dir))?;
    write_rows(&options.places.out.join("leaders.csv"), &rows)?;
    fs::remove_dir_all(&dir)?;
    Ok(())
}

async fn play(options: &Options, product: Product, dir: &Path) -> Result<Vec<Row>> {
    let masters = product.masters().iter().zip(1..).map(|(at, n)| (NodeId(n), *at));
    let masters: Vec<_> = masters.collect();
    // Two sessions, which are to have two names.
    let NodeId(name) = session();
    let mut cluster =
        Cluster { product, admin: Admin::new(NodeId(name ^ 1 << 63), masters.clone()) };
    let client = Client::connect(ClientOptions::new(NodeId(name), masters)).await?;
    let file = dir.join("file");
    write_random(&file, options.mebibytes << 20)?;

    let creating = Creating::begin(client.clone(), options.creates).await?;
    let put = Process::spawn("put", cluster.product.command("put").arg(&file).arg("/file"))?;
    let begun = Instant::now();
    let mut rows = Vec::new();
    for _ in 0..options.kills {
        sleep(Duration::from_secs(options.every)).await;
        let put_goes_on = !put.has_ended()?;
        let leader = cluster.leader().await?;
        let at = Instant::now();
        cluster.process(leader)?.signal(Signal::KILL)?;
        let row = creating.row("kill -9", leader, begun, at).await?;
        println!(
            "kill -9 of master {leader}: the next create after {} ms; the put {}",
            row.failover_ms,
            if put_goes_on { "goes on" } else { "was over" }
        );
        rows.push(row);
        sleep(DOWN).await;
        cluster.product.restart_master(dir, index(leader) + 1)?;
    }
    let (elapsed, _) = tokio::task::spawn_blocking(move || put.finish()).await??;
    println!("put of {} MiB: no error, {:.1} s", options.mebibytes, elapsed.as_secs_f64());

    let leader = cluster.leader().await?;
    let at = Instant::now();
    cluster.process(leader)?.signal(Signal::STOP)?;
    let row = creating.row("stop", leader, begun, at).await?;
    println!("SIGSTOP of master {leader}: the next create after {} ms", row.failover_ms);
    rows.push(row);
    sleep(Duration::from_secs(options.stop).saturating_sub(at.elapsed())).await;
    cluster.process(leader)?.signal(Signal::CONT)?;
    cluster.wait_until_follows(leader).await?;
    println!("SIGCONT after {} s: it follows", options.stop);
    sleep(Duration::from_secs(3)).await;

    let made = creating.end().await?;
    made.check(&client).await?;
    cluster.check_file(&file, &dir.join("back"))?;
    cluster.check_health()?;
    Ok(rows)
}

/// A cluster, and who asks its masters how they stand.
struct Cluster {
    product: Product,
    admin: Admin,
}

impl Cluster {
    fn process(&self, master: u64) -> Result<&Process> {
        self.product.servers.get(index(master)).context("no such master")
    }

    /// Who leads, by the word of the highest term.
    async fn leader(&self) -> Result<u64> {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            let standings = self.admin.standings().await;
            let leading = standings.iter().flatten().filter(|s| s.role == Role::Leader);
            if let Some(leader) = leading.max_by_key(|standing| standing.term) {
                return Ok(leader.node.0);
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("no master leads within {PATIENCE:?}")
    }

    /// A leader that was stopped knows another one, and has what that one has.
    async fn wait_until_follows(&self, master: u64) -> Result<()> {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            let standings = self.admin.standings().await;
            let mut all = standings.iter().flatten();
            let leads = all.clone().find(|s| s.role == Role::Leader);
            let stopped = all.find(|standing| standing.node.0 == master);
            if let (Some(leads), Some(stopped)) = (leads, stopped)
                && stopped.role == Role::Follower
                && stopped.term == leads.term
            {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("master {master} did not follow within {PATIENCE:?} of SIGCONT")
    }

    fn check_file(&self, file: &Path, back: &Path) -> Result<()> {
        self.product.get_into("/file", back)?;
        ensure!(same_bytes(file, back)?, "/file is not what was put");
        println!("get: the same bytes");
        Ok(())
    }

    fn check_health(&self) -> Result<()> {
        let mut command = self.product.command("fsck");
        Process::spawn("fsck", command.args(["--wait", "120"]))?.finish().map(drop)
    }
}

/// Creates at a steady rate, each in a task of its own.
struct Creating {
    stop: Arc<AtomicBool>,
    done: tokio::sync::watch::Receiver<Option<Instant>>,
    task: tokio::task::JoinHandle<Made>,
}

impl Creating {
    async fn begin(client: Client, a_second: u64) -> Result<Self> {
        client.mkdir("/made").await?;
        let stop = Arc::new(AtomicBool::new(false));
        let (told, done) = tokio::sync::watch::channel(None);
        let task = tokio::spawn(create(client, a_second, stop.clone(), told));
        Ok(Creating { stop, done, task })
    }

    /// Waits for the next acknowledgement of a create that was begun after `at`.
    async fn row(
        &self,
        what: &'static str,
        master: u64,
        begun: Instant,
        at: Instant,
    ) -> Result<Row> {
        let mut done = self.done.clone();
        let later = done.wait_for(|begun| begun.is_some_and(|begun| begun > at));
        timeout(PATIENCE, later).await.context("no create was acknowledged any more")??;
        let failover_ms = u64::try_from(at.elapsed().as_millis())?;
        Ok(Row { what, master, after_s: at.duration_since(begun).as_secs_f64(), failover_ms })
    }

    async fn end(self) -> Result<Made> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

/// What became of every create.
#[derive(Default)]
struct Made {
    acknowledged: BTreeSet<u64>,
    errors: Vec<(u64, ClientError)>,
    begun: u64,
    slowest: Duration,
    took: Duration,
}

async fn create(
    client: Client,
    a_second: u64,
    stop: Arc<AtomicBool>,
    told: tokio::sync::watch::Sender<Option<Instant>>,
) -> Made {
    let started = Instant::now();
    let (mut made, mut running) = (Made::default(), JoinSet::new());
    let (making, directories) = tokio::sync::watch::channel(0);
    let directories_made = tokio::spawn(make_directories(client.clone(), a_second, making));
    while !stop.load(Ordering::Relaxed) {
        let due = (started.elapsed().as_secs_f64() * a_second as f64) as u64;
        while made.begun < due {
            running.spawn(create_one(client.clone(), made.begun, directories.clone()));
            made.begun += 1;
        }
        while let Some(ended) = running.try_join_next() {
            made.note(ended.expect("a create does not panic"), &told);
        }
        sleep(BEAT).await;
    }
    made.took = started.elapsed();
    while let Some(ended) = running.join_next().await {
        made.note(ended.expect("a create does not panic"), &told);
    }
    directories_made.abort();
    made
}

type Created = (u64, Instant, Result<(), ClientError>);

/// Makes directories, twice as fast as they fill, until nobody waits for one any more.
async fn make_directories(
    client: Client,
    a_second: u64,
    making: tokio::sync::watch::Sender<u64>,
) -> Result<(), ClientError> {
    let pause = Duration::from_secs_f64(FILES_PER_DIRECTORY as f64 / a_second as f64 / 2.0);
    let mut made = 0;
    while !making.is_closed() {
        client.mkdir(&directory_of(made)).await?;
        made += FILES_PER_DIRECTORY;
        making.send_replace(made);
        sleep(pause).await;
    }
    Ok(())
}

/// Makes a file, once its directory is there.
async fn create_one(
    client: Client,
    number: u64,
    mut directories: tokio::sync::watch::Receiver<u64>,
) -> Created {
    let _ = directories.wait_for(|made| *made > number).await;
    let begun = Instant::now();
    let made = client.create(&path_of(number), FileSpec::default()).await;
    (number, begun, made.map(drop))
}

impl Made {
    fn note(&mut self, created: Created, told: &tokio::sync::watch::Sender<Option<Instant>>) {
        let (number, begun, outcome) = created;
        self.slowest = self.slowest.max(begun.elapsed());
        match outcome {
            Ok(()) => {
                self.acknowledged.insert(number);
                told.send_replace(Some(begun));
            }
            Err(error) => self.errors.push((number, error)),
        }
    }

    /// A create that was run twice is refused the second time, and so is among the errors.
    async fn check(&self, client: &Client) -> Result<()> {
        println!(
            "{} creates begun, {:.0} a second; {} acknowledged, the slowest after {:.1} s; {} errors",
            self.begun,
            self.begun as f64 / self.took.as_secs_f64(),
            self.acknowledged.len(),
            self.slowest.as_secs_f64(),
            self.errors.len()
        );
        if let Some((number, error)) = self.errors.first() {
            bail!("{}: {error}", path_of(*number));
        }
        let mut there = BTreeSet::new();
        for directory in 0..self.begun.div_ceil(FILES_PER_DIRECTORY) {
            for (name, _) in client.list(&directory_of(directory * FILES_PER_DIRECTORY)).await? {
                let number =
                    name.to_string().strip_prefix('f').and_then(|number| number.parse().ok());
                there.insert(number.with_context(|| format!("{name} was never made"))?);
            }
        }
        let lost = self.acknowledged.difference(&there).count();
        let unasked = there.difference(&self.acknowledged).count();
        ensure!(lost == 0, "{lost} acknowledged files are not there");
        ensure!(unasked == 0, "{unasked} files are there that nobody was told of");
        println!("every acknowledged file is there, and no other");
        Ok(())
    }
}

fn directory_of(number: u64) -> String {
    format!("/made/d{}", number / FILES_PER_DIRECTORY)
}

fn path_of(number: u64) -> String {
    format!("{}/f{number}", directory_of(number))
}

fn index(master: u64) -> usize {
    usize::try_from(master - 1).expect("few masters")
}
