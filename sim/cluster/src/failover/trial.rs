//! One seed's run: the cluster works, its leader loses power, and clients continue.

use super::{Measured, scenario};
use crate::cluster::{Cluster, Loss, Session};
use crate::drawn::Drawn;
use crate::log::LogOptions;
use crate::seed::Seed;
use crate::tally::Tally;
use crate::workload::{self, Shared, Worker};
use leasehold_client::{ClientError, File, FileSpec, SyncPolicy};
use leasehold_proto::NodeId;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const MS: u64 = 1_000_000;
/// The cluster has worked at least this long when its leader goes, and up to twice as long: some
/// leases are fresh then, and some about to be renewed.
const WARM_UP_MS: u64 = 4_000;
/// It is looked on for longer than a lease.
const LOOKED_ON_NS: u64 = 15_000 * MS;
/// Between two operations of a client that is measured.
const PAUSE_NS: u64 = 20 * MS;
const BYTES: usize = 1_024;

/// When operations of one client began and were acknowledged.
type Acknowledged = Arc<Mutex<Vec<(u64, u64)>>>;

/// Runs a seed.
///
/// # Errors
/// What did not come back, or which invariant was violated.
///
/// # Panics
/// If the runner itself does.
#[allow(clippy::disallowed_methods, reason = "madsim runs inside of this thread")]
pub fn trial(seed: Seed) -> Result<Measured, String> {
    // As for every run: hash maps of libraries are seeded per thread.
    let thread = std::thread::spawn(move || {
        let config = madsim::Config::default();
        let runtime = madsim::runtime::Runtime::with_seed_and_config(seed.0, config);
        runtime.block_on(async move {
            let mut trial = Trial::begin(seed);
            let measured = trial.run().await;
            trial.end().await;
            measured
        })
    });
    thread.join().map_err(|_| "a node panicked".to_owned())?
}

struct Trial {
    drawn: Drawn,
    cluster: Cluster,
    shared: Shared,
}

impl Trial {
    fn begin(seed: Seed) -> Self {
        let scenario = scenario();
        let drawn = Drawn::draw(&scenario, seed);
        let cluster = Cluster::new(&scenario, &drawn, LogOptions::default());
        let shared = Shared {
            watch: cluster.around.watch.clone(),
            timeline: Arc::clone(&cluster.around.timeline),
            tally: Arc::new(Mutex::new(Tally::default())),
            stop: Arc::new(AtomicBool::new(false)),
            workload: scenario.workload,
            files: drawn.files,
        };
        Trial { drawn, cluster, shared }
    }

    async fn run(&mut self) -> Result<Measured, String> {
        let said = |error: ClientError| error.to_string();
        self.cluster.start_all();
        let (changer, writer) = (self.cluster.session().await, self.cluster.session().await);
        let late = self.cluster.session().await;
        workload::set_up(&writer.client, &self.shared.workload, &self.drawn).await.map_err(said)?;
        let file = writer.client.create("/measured", self.spec()).await.map_err(said)?;
        file.write(0, vec![1; BYTES]).await.map_err(said)?;
        for index in 0..self.drawn.clients {
            let session = self.cluster.session().await;
            let worker = Worker::begin(self.shared.clone(), &session, index, &self.drawn).await;
            drop(session.machine.spawn(worker.map_err(said)?.work()));
        }
        let (changes, writes) = (Acknowledged::default(), Acknowledged::default());
        drop(changer.machine.spawn(self.change(&changer, &changes)));
        drop(writer.machine.spawn(self.write(file, &writes)));
        let warm_up_ms = self.drawn.seed.fork("loss of power", 0).within(0..=WARM_UP_MS);
        self.pass((WARM_UP_MS + warm_up_ms) * MS).await;
        let (killed, gone) = self.kill()?;
        let looked_up = late.machine.spawn(look_up(self.shared.clone(), late.client.clone()));
        let leader = self.successor(killed, gone + LOOKED_ON_NS).await?;
        self.pass((gone + LOOKED_ON_NS).saturating_sub(self.now())).await;
        self.is_sound()?;
        let looked_up = looked_up.await.map_err(|error| error.to_string())?.map_err(said)?;
        let (changes, writes) = (taken(&changes), taken(&writes));
        // What the old leader had answered may still have been on its way.
        let change = changes.iter().find(|(_, acknowledged)| *acknowledged >= leader);
        let write = writes.iter().find(|(began, _)| *began >= gone);
        Ok(Measured {
            seed: self.drawn.seed.0,
            leader_us: (leader - gone) / 1_000,
            change_us: (change.ok_or("no change was acknowledged")?.1 - gone) / 1_000,
            write_us: (write.ok_or("no write was acknowledged")?.1 - gone) / 1_000,
            looked_up_us: (looked_up - gone) / 1_000,
            pause_us: longest_pause(&writes, gone, gone + LOOKED_ON_NS) / 1_000,
        })
    }

    fn spec(&self) -> FileSpec {
        let chunk_bytes = self.shared.workload.chunk_bytes;
        FileSpec { chunk_bytes, replicas: self.drawn.replicas, sync: SyncPolicy::Durable }
    }

    /// Makes one file after another; a client that is refused or told nothing for a minute ends.
    fn change(
        &self,
        session: &Session,
        acknowledged: &Acknowledged,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (shared, spec) = (self.shared.clone(), self.spec());
        let (client, acknowledged) = (session.client.clone(), Arc::clone(acknowledged));
        async move {
            let timer = shared.timeline.timer();
            for number in 0.. {
                let began = shared.timeline.now();
                if client.create(&format!("/measured-{number}"), spec).await.is_err() {
                    return;
                }
                note(&acknowledged, began, &shared);
                timer.after(PAUSE_NS).await;
            }
        }
    }

    /// Writes to the same place over and over.
    fn write(
        &self,
        file: File,
        acknowledged: &Acknowledged,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (shared, acknowledged) = (self.shared.clone(), Arc::clone(acknowledged));
        async move {
            let timer = shared.timeline.timer();
            loop {
                let began = shared.timeline.now();
                if file.write(0, vec![2; BYTES]).await.is_err() {
                    return;
                }
                note(&acknowledged, began, &shared);
                timer.after(PAUSE_NS).await;
            }
        }
    }

    /// The leader loses power, and does not come back; which, and when.
    fn kill(&mut self) -> Result<(NodeId, u64), String> {
        let leader = self.shared.watch.state().leader.ok_or("no master leads")?;
        let host = self.cluster.host_of(leader).ok_or("the leader is on no host")?;
        self.cluster.stop(host, Loss::Power);
        Ok((leader, self.now()))
    }

    /// When another one leads.
    async fn successor(&mut self, killed: NodeId, until: u64) -> Result<u64, String> {
        while self.now() < until {
            self.pass(MS).await;
            if self.shared.watch.state().leader != Some(killed) {
                return Ok(self.now());
            }
        }
        Err("no other master leads".to_owned())
    }

    fn is_sound(&mut self) -> Result<(), String> {
        if let Some((node, why)) = self.cluster.settle_ends() {
            return Err(format!("{node}: {why}"));
        }
        match &self.shared.watch.state().violation {
            Some(found) => Err(format!("{}: {}", found.wrong.invariant, found.wrong.detail)),
            None => Ok(()),
        }
    }

    async fn pass(&self, span_ns: u64) {
        self.shared.timeline.timer().after(span_ns).await;
    }

    fn now(&self) -> u64 {
        self.shared.timeline.now()
    }

    /// As at the end of every run: no task outlives it.
    async fn end(mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.watch.over();
        self.cluster.end();
        madsim::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// Opens the file and writes to it; when that was acknowledged.
async fn look_up(shared: Shared, client: leasehold_client::Client) -> Result<u64, ClientError> {
    let file = client.open("/measured").await?;
    file.write(BYTES as u64, vec![3; BYTES]).await?;
    Ok(shared.timeline.now())
}

fn note(acknowledged: &Acknowledged, began: u64, shared: &Shared) {
    let now = shared.timeline.now();
    acknowledged.lock().expect("adding a time does not panic").push((began, now));
}

fn taken(acknowledged: &Acknowledged) -> Vec<(u64, u64)> {
    std::mem::take(&mut *acknowledged.lock().expect("adding a time does not panic"))
}

/// The longest time without an acknowledgement between two moments.
fn longest_pause(writes: &[(u64, u64)], from: u64, to: u64) -> u64 {
    let within = writes.iter().map(|(_, at)| *at).filter(|at| (from..to).contains(at));
    let (longest, last) =
        within.fold((0, from), |(longest, last), at| (u64::max(longest, at - last), at));
    longest.max(to - last)
}
