//! One run, from its seed to its summary: faults on, then heal and converge, then look inside.

use crate::bound::{Bound, Load};
use crate::cluster::{Cluster, Found, Loss, Session, Watch};
use crate::coverage::Matrix;
use crate::drawn::Drawn;
use crate::final_state;
use crate::ledger::Wrong;
use crate::log::{Line, LogOptions};
use crate::measure::{Counted, Window};
use crate::needs::{self, Moved};
use crate::nemesis::Nemesis;
use crate::net::Delivery;
use crate::replay::Recording;
use crate::scenario::{FaultKind, Scenario, Stop};
use crate::schedule::Happened;
use crate::seed::Seed;
use crate::summary::Summary;
use crate::tally::Tally;
use crate::timeline::Timer;
use crate::workload::{self, Shared, Worker};
use leasehold_checker::invariants::i10_convergence;
use leasehold_checker::{Finals, History};
use leasehold_client::{ChunkStatus, ClientError, ClusterStatus, ReplicaStatus};
use leasehold_proto::{Member, NodeId};
use leasehold_trace::{Recorder, Trace};
use madsim::task::JoinHandle;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const MS: u64 = 1_000_000;
/// How often the run looks at what is due outside of the protocol.
const TICK_NS: u64 = 5 * MS;
/// How often convergence is checked.
const ASK_NS: u64 = 500 * MS;
/// What a run returns beside its summary.
#[derive(Default)]
pub struct Asked {
    /// Of the log.
    pub log: LogOptions,
    /// Told the virtual time, in milliseconds, now and then.
    pub progress: Option<Box<dyn FnMut(u64) + Send>>,
    /// The requests of clients and their answers.
    pub history: bool,
    /// Ends unjudged after about this many events, if nothing is wrong by then.
    pub events_max: Option<u64>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// What happened, in numbers.
    pub summary: Summary,
    /// What was wrong first, if anything was.
    pub found: Option<Found>,
    /// 32 bits of the fingerprint after each event, if requested.
    pub digests: Vec<u32>,
    /// The text of the events that were requested.
    pub lines: Vec<Line>,
    /// The trace, if requested.
    pub trace: Option<Trace>,
    /// The requests of clients and their answers, if requested.
    pub history: Option<History>,
    /// The inputs and effects of every node, if requested in memory.
    pub recording: Option<Recording>,
    /// How the file ended that they were written to.
    pub recorded: Option<std::io::Result<()>>,
    /// What went wrong, as it happened.
    pub schedule: Vec<Happened>,
}

/// Runs a seed of a scenario. Each run has a thread of its own: std's hash maps, wherever a
/// library uses one, are seeded per thread.
///
/// # Panics
/// If the runner itself does; a panic of a node is an outcome.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "madsim runs inside of this thread")]
pub fn run(scenario: &Scenario, seed: Seed, asked: Asked) -> Outcome {
    let scenario = scenario.of(seed).into_owned();
    let thread = std::thread::spawn(move || on_this_thread(&scenario, seed, asked));
    thread.join().expect("panics of nodes are caught within")
}

fn on_this_thread(scenario: &Scenario, seed: Seed, asked: Asked) -> Outcome {
    let drawn = Drawn::draw(scenario, seed);
    let runtime = madsim::runtime::Runtime::with_seed_and_config(seed.0, madsim::Config::default());
    let with_history = asked.history;
    let seen: Arc<Mutex<Option<Watch>>> = Arc::default();
    let shown = Arc::clone(&seen);
    let (scenario_, drawn_) = (scenario.clone(), drawn.clone());
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async move {
            let mut run = Run::begin(scenario_, drawn_, asked, &shown);
            run.play().await;
            run.end().await
        })
    }));
    let watch = seen.lock().ok().and_then(|mut seen| seen.take());
    let watch = watch.expect("a run shows its watch before anything else");
    let now_ns = watch.now();
    let mut state = watch.state();
    let mut summary = ran.unwrap_or_else(|panic| {
        let detail = panic_text(panic.as_ref());
        state.found(Wrong { invariant: "panic", sentence: "no node panics", detail }, now_ns);
        Summary::default()
    });
    summary.seed = seed.0;
    summary.fingerprint = state.log.fingerprint().to_string();
    summary.events = state.log.events();
    let (digests, lines) = state.log.take();
    let trace = state.recorder.take().map(Recorder::finish);
    let history = with_history.then(|| state.checkers.history().clone());
    let (recording, recorded) = state.recording.finish();
    let found = state.violation.take();
    let schedule = std::mem::take(&mut state.schedule);
    Outcome { summary, found, digests, lines, trace, history, recording, recorded, schedule }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

struct Run {
    scenario: Scenario,
    drawn: Drawn,
    cluster: Cluster,
    ticks: Timer<Delivery>,
    shared: Shared,
    auditor: Option<Session>,
    nemesis: Nemesis,
    progress: Option<Box<dyn FnMut(u64) + Send>>,
    events_max: u64,
    converged_ms: Option<u64>,
    unrest: Option<Wrong>,
    cannot_run: Option<String>,
    /// What had been counted when the window of measurement began.
    counted: Option<Counted>,
    window: Option<Window>,
}

impl Run {
    fn begin(scenario: Scenario, drawn: Drawn, asked: Asked, shown: &Mutex<Option<Watch>>) -> Self {
        let cluster = Cluster::new(&scenario, &drawn, asked.log);
        *shown.lock().expect("nobody panicked yet") = Some(cluster.around.watch.clone());
        let shared = Shared {
            watch: cluster.around.watch.clone(),
            timeline: Arc::clone(&cluster.around.timeline),
            tally: Arc::new(Mutex::new(Tally::default())),
            stop: Arc::new(AtomicBool::new(false)),
            workload: scenario.workload.clone(),
            files: drawn.files,
        };
        let nemesis = Nemesis::new(&scenario, &drawn);
        let ticks = shared.timeline.timer();
        Run {
            scenario,
            drawn,
            cluster,
            ticks,
            shared,
            auditor: None,
            nemesis,
            progress: asked.progress,
            events_max: asked.events_max.unwrap_or(u64::MAX),
            converged_ms: None,
            unrest: None,
            cannot_run: None,
            counted: None,
            window: None,
        }
    }

    async fn play(&mut self) {
        self.cluster.start_all();
        let auditor = self.cluster.session().await;
        self.auditor = Some(auditor.clone());
        let set_up = workload::set_up(&auditor.client, &self.scenario.workload, &self.drawn).await;
        if let Err(error) = set_up {
            return self.did_not_converge(&format!("the set-up failed: {error}"));
        }
        if self.scenario.workload.prefill {
            let bytes_max = u64::from(self.drawn.constants.mutation_bytes_max);
            let filled = workload::prefill(&auditor.client, &self.shared, bytes_max).await;
            if let Err(error) = filled {
                return self.did_not_converge(&format!("the prefill failed: {error}"));
            }
        }
        for part in 0..self.scenario.restart.parts {
            if part > 0 {
                self.restart(part).await;
            }
            let workers = match self.begin_workers(part).await {
                Ok(workers) => workers,
                Err(error) => return self.did_not_converge(&format!("no worker began: {error}")),
            };
            self.act_one(part).await;
            if self.is_over() {
                return;
            }
            if part + 1 == self.scenario.restart.parts {
                self.shared.stop.store(true, Ordering::Relaxed);
                self.converge(workers).await;
            }
        }
    }

    /// Faults are on, then everything heals.
    async fn act_one(&mut self, part: u64) {
        let lasts_ms = self.scenario.acts.faults_ms;
        self.cluster
            .around
            .network
            .conditions(|conditions| *conditions = self.drawn.conditions.clone());
        self.nemesis.begin_part(self.now(), part * lasts_ms);
        let begins = self.now();
        let ends = begins + lasts_ms * MS;
        while self.now() < ends && !self.is_over() {
            self.tick().await;
            self.nemesis.tick(&mut self.cluster);
            self.measure(self.now() - begins);
        }
        self.nemesis.end_all(&mut self.cluster);
    }

    /// Counts from the first tick within the window to the first one behind it. A part that follows
    /// is not measured.
    fn measure(&mut self, into_act_ns: u64) {
        let Some(measure) = &self.scenario.measure else { return };
        if self.window.is_some() || into_act_ns < measure.begins_ms * MS {
            return;
        }
        match &self.counted {
            None => self.counted = Some(self.count()),
            Some(before) if into_act_ns >= measure.ends_ms * MS => {
                self.window = Some(self.count().since(before));
            }
            Some(_) => {}
        }
    }

    fn count(&self) -> Counted {
        Counted {
            at_ns: self.now(),
            tally: self.shared.tally.lock().expect("counting does not panic").clone(),
            facts: self.shared.watch.state().facts.clone(),
            network: self.cluster.around.network.counts(),
        }
    }

    /// Stops everything at once, clients included, and begins again on the disks.
    async fn restart(&mut self, part: u64) {
        let restart = self.scenario.restart.clone();
        self.cluster.stop_all(match restart.stop {
            Stop::Power => Loss::Power,
            Stop::Process => Loss::Process,
        });
        let down_ms = restart.down_ms.draw(&mut self.drawn.seed.fork("down", part));
        self.ticks.after(down_ms * MS).await;
        self.drawn.constants = restart.constants(&self.scenario.constants());
        self.cluster.around.constants = self.drawn.constants.clone();
        self.cluster.start_all();
        self.auditor = Some(self.cluster.session().await);
    }

    /// Clients of a later part are others than those before.
    async fn begin_workers(&mut self, part: u64) -> Result<Vec<JoinHandle<()>>, ClientError> {
        let mut workers = Vec::new();
        for index in 0..self.drawn.clients {
            let session = self.cluster.session().await;
            let number = part * workload::CLIENTS_OF_A_PART + index;
            let worker = Worker::begin(self.shared.clone(), &session, number, &self.drawn).await?;
            workers.push(session.machine.spawn(worker.work()));
        }
        Ok(workers)
    }

    /// Act two: everything heals, every operation ends, every chunk reaches its target, and every
    /// byte is read back. What only that reading finds, rot that nobody had read, heals too.
    async fn converge(&mut self, workers: Vec<JoinHandle<()>>) {
        let began = self.now();
        let bound = self.bound();
        let until = began + u64::try_from(bound.total().as_nanos()).unwrap_or(u64::MAX);
        if !self.come_to_rest(&workers, until).await {
            return;
        }
        self.converged_ms = Some((self.now() - began) / MS);
        let auditor = self.auditor.clone().expect("the auditor came first");
        if let Err(error) = workload::read_back(&auditor.client, &self.shared).await {
            let what = format!("what was written is not read back: {error}");
            return self.did_not_converge(&what);
        }
        self.come_to_rest(&workers, until).await;
    }

    /// Waits until nothing is left to do; false if that is not so in time, or something is wrong.
    async fn come_to_rest(&mut self, workers: &[JoinHandle<()>], until: u64) -> bool {
        let mut next_question = self.now();
        let mut last = "nothing was asked".to_owned();
        loop {
            self.tick().await;
            self.nemesis.tick(&mut self.cluster);
            if self.is_over() {
                return false;
            }
            if self.now() >= until {
                let lacking = self.lacking().await;
                self.did_not_converge(&format!("{last}{lacking}"));
                return false;
            }
            if self.now() < next_question {
                continue;
            }
            next_question = self.now() + ASK_NS;
            let busy = workers.iter().filter(|worker| !worker.is_finished()).count();
            last = match self.unfinished().await {
                None if busy == 0 => return true,
                None => format!("{busy} clients wait for an operation"),
                Some(unfinished) => unfinished,
            };
        }
    }

    /// How long coming to rest may take.
    fn bound(&self) -> Bound {
        let load = Load {
            chunks: self.shared.watch.state().configurations.len() as u64,
            chunk_bytes: self.scenario.workload.chunk_bytes,
            replicas: u64::from(self.drawn.replicas),
        };
        let by_constants = || Bound::of(&self.drawn.constants, load);
        self.scenario.acts.converge_ms.map_or_else(by_constants, Bound::chosen)
    }

    /// A member that has not adopted its chunk's configuration yet. Clients are told of no chunk in
    /// the trash, and those are to converge too.
    fn unadopted(&self) -> Option<String> {
        let state = self.shared.watch.state();
        state.configurations.iter().find_map(|(chunk, (version, members))| {
            let behind = |member: &&Member| state.copies.is_behind(*chunk, member.node, *version);
            let member = members.iter().find(behind)?;
            Some(format!("{} has not adopted {version} of {chunk}", member.node))
        })
    }

    /// The chunk that is furthest from its target, for the report.
    async fn lacking(&self) -> String {
        let client = &self.auditor.as_ref().expect("the auditor came first").client;
        let Ok(chunks) = client.chunks().await else { return String::new() };
        let good = |chunk: &ChunkStatus| self.good(chunk);
        let least = chunks.iter().filter(|chunk| good(chunk) < usize::from(chunk.target));
        least.min_by_key(|chunk| good(chunk)).map_or(String::new(), |chunk| {
            format!("; {} has {} good replicas of {}", chunk.chunk, good(chunk), chunk.target)
        })
    }

    /// Replicas of a chunk that are as they should be.
    fn good(&self, chunk: &ChunkStatus) -> usize {
        let is_good = |replica: &&ReplicaStatus| {
            replica.member
                && replica.alive
                && self.is_there(replica.node)
                && !replica.corrupt
                && replica.applied_version == chunk.version
        };
        chunk.replicas.iter().filter(is_good).count()
    }

    /// A replica that is not needed: its chunk is freed, or its configuration excludes it. Clients
    /// cannot see the former.
    fn stray(&self) -> Option<String> {
        let state = self.shared.watch.state();
        let mut held = state.copies.held().filter(|(_, node)| self.is_there(*node));
        held.find_map(|(chunk, node)| match state.configurations.get(&chunk) {
            None => Some(format!("{node} still holds {chunk}, which is no more")),
            Some((_, members)) if members.iter().any(|member| member.node == node) => None,
            Some((version, _)) => {
                Some(format!("{node} still holds {chunk}, and no part of {version}"))
            }
        })
    }

    /// What has not converged, as the cluster itself reports it to a client.
    async fn unfinished(&self) -> Option<String> {
        let client = &self.auditor.as_ref().expect("the auditor came first").client;
        let status = match client.status().await {
            Ok(status) => status,
            Err(error) => return Some(error.to_string()),
        };
        if is_busy(&status) {
            return Some(format!(
                "{} chunks under target, {} unavailable, {} changes, {} repairs, safe mode {}",
                status.chunks_under_target,
                status.chunks_unavailable,
                status.changes,
                status.repairs,
                status.safe_mode
            ));
        }
        let away = self.cluster.masters_away();
        if !away.is_empty() {
            return Some(format!("masters that lost their disks are not back: {away:?}"));
        }
        let chunks = match client.chunks().await {
            Ok(chunks) => chunks,
            Err(error) => return Some(error.to_string()),
        };
        let short = chunks
            .iter()
            .find(|chunk| chunk.version.0 > 0 && self.good(chunk) < usize::from(chunk.target));
        short
            .map(|chunk| {
                format!("{} has {} good replicas: {chunk:?}", chunk.chunk, self.good(chunk))
            })
            .or_else(|| self.unadopted())
            .or_else(|| self.stray())
    }

    /// Whether a node runs. A master that has not missed a node yet whose disk is gone still counts
    /// it as good.
    fn is_there(&self, node: NodeId) -> bool {
        self.cluster.host_of(node).is_some_and(|host| self.cluster.is_up(host))
    }

    async fn tick(&mut self) {
        self.ticks.after(TICK_NS).await;
        if let Some((node, why)) = self.cluster.settle_ends() {
            self.shared.watch.judge(Err(unopened(&format!("{node}: {why}"))));
        }
        let now_ms = self.now() / MS;
        if let Some(progress) = &mut self.progress {
            progress(now_ms);
        }
    }

    /// A violation was found already, or the bound on events is reached.
    fn is_over(&self) -> bool {
        let state = self.shared.watch.state();
        state.violation.is_some() || state.log.events() >= self.events_max
    }

    /// Kept until the disks were looked at: what is lost is worse than what is late.
    fn did_not_converge(&mut self, why: &str) {
        let detail = format!("{why}; the bound is {}", self.bound());
        let i10 = i10_convergence::INVARIANT;
        self.unrest = Some(Wrong { invariant: i10.id, sentence: i10.sentence, detail });
    }

    fn now(&self) -> u64 {
        self.shared.timeline.now()
    }

    /// Ends every process, looks at the disks, and sums up.
    async fn end(mut self) -> Summary {
        let virtual_ns = self.now();
        self.shared.watch.over();
        self.cluster.end();
        // Tasks of killed nodes are dropped when they are next polled; those that are not polled
        // before the run is over are never freed.
        madsim::time::sleep(std::time::Duration::from_millis(1)).await;
        self.look_inside();
        let watch = self.shared.watch.state();
        let tally = self.shared.tally.lock().expect("counting does not panic");
        let disks = (0..self.cluster.hosts()).map(|host| self.cluster.disk(host).counts());
        Summary {
            virtual_ns,
            acknowledged: tally.acknowledged(),
            operations: tally.summary(),
            latency_us: tally.latencies(),
            faults: named(&self.nemesis.counts),
            faults_withheld: named(&self.nemesis.withheld),
            faults_missed: self.nemesis.missed.clone(),
            coverage: watch.coverage.summary(),
            pairs: watch.coverage.pairs().cells().clone(),
            shares: tally.shares().counts().clone(),
            matrix: self.matrix().summary(),
            facts: watch.facts.clone(),
            network: self.cluster.around.network.counts(),
            power_failures: disks.map(|counts| counts.crashes).sum(),
            reads_judged: watch.ledger.reads_judged(),
            judged: watch.checkers.counts().clone(),
            undecided: watch.checkers.undecided(),
            converged_ms: self.converged_ms,
            cannot_run: self.cannot_run.take(),
            window: self.window.take(),
            ..Summary::default()
        }
    }

    /// Which fault met which operation, on all disks and links.
    fn matrix(&self) -> Matrix {
        let mut sum = self.cluster.around.network.matrix();
        (0..self.cluster.hosts()).for_each(|host| sum.add(&self.cluster.disk(host).matrix()));
        sum
    }

    /// Why no protocol could bring what is on the disks to rest in this environment, if that is so.
    fn beyond_means(&self, finals: &Finals) -> Option<String> {
        let bytes = |handle| {
            let of = finals.servers.values().filter_map(|server| server.replicas.get(&handle));
            of.map(|replica| replica.bytes.len() as u64).max().unwrap_or(0)
        };
        let chunks: Vec<u64> = finals.living().map(|(handle, _)| bytes(handle)).collect();
        let least = Moved::least(&self.scenario);
        let moved = Moved {
            piece_bytes: chunks.iter().copied().max().unwrap_or(0).max(least.piece_bytes),
            read_bytes: chunks.iter().sum(),
            ..least
        };
        let short = needs::shortfalls(&self.scenario, &self.drawn.constants, moved);
        short.into_iter().next().map(|short| short.what)
    }

    /// Judges what is on the disks; then, if everything else is in order, whether the cluster
    /// came to rest.
    fn look_inside(&mut self) {
        if self.is_over() {
            return;
        }
        let finals = match final_state::finals(&self.cluster, &self.drawn.constants) {
            Ok(finals) => finals,
            Err(error) => return self.shared.watch.judge(Err(unopened(&error.to_string()))),
        };
        let now_ns = self.now();
        let mut state = self.shared.watch.state();
        let finished = state.checkers.finish(&finals);
        state.judge(finished, now_ns);
        let converged = match self.unrest.take() {
            None => state.checkers.converged(&finals).map_err(Wrong::from),
            Some(wrong) => {
                self.cannot_run = self.beyond_means(&finals);
                if self.cannot_run.is_some() { Ok(()) } else { Err(wrong) }
            }
        };
        if let Err(wrong) = converged {
            state.found(wrong, now_ns);
        }
    }
}

fn named(counts: &BTreeMap<FaultKind, u64>) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(kind, count)| (kind.name(), *count)).collect()
}

fn unopened(why: &str) -> Wrong {
    let sentence = "a store opens after every power failure";
    Wrong { invariant: "I4", sentence, detail: why.to_owned() }
}

fn is_busy(status: &ClusterStatus) -> bool {
    status.safe_mode
        || status.changes > 0
        || status.repairs > 0
        || status.chunks_under_target > 0
        || status.chunks_unavailable > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use madsim::runtime::Runtime;

    /// A sweep's worker makes thousands of runs in one process.
    #[test]
    fn nothing_of_a_run_is_left() {
        let seed = Seed(7);
        let scenario = Scenario::swarm().of(seed).into_owned();
        let drawn = Drawn::draw(&scenario, seed);
        assert!(drawn.masters > 1, "their log's tasks are the most entangled");
        let runtime = Runtime::with_seed_and_config(seed.0, madsim::Config::default());
        let network = runtime.block_on(async move {
            let mut run = Run::begin(scenario, drawn, Asked::default(), &Mutex::default());
            let network = Arc::downgrade(&run.cluster.around.network);
            run.play().await;
            run.end().await;
            network
        });
        drop(runtime);
        assert_eq!(network.strong_count(), 0, "every task holds the network, or who holds it");
    }
}
