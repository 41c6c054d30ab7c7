//! `sim work`: a worker of a sweep, and the end of the pipe that its owner holds.

use crate::program;
use crate::report::{self, Verdict};
use crate::sweep::Interrupt;
use anyhow::{Context, Result};
use leasehold_sim::replay::{Recording, conform};
use leasehold_sim::run::{Asked, Outcome as RunOutcome};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;
use leasehold_sim::sweep::{Outcome, Report};
use leasehold_sim::tally::OpSummary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::Duration;

/// What a run violates whose machines do something else when they are given the same once more.
pub const REPLAY: &str = "replay";

/// The requests to a worker: a JSON line each.
#[derive(Serialize, Deserialize)]
pub struct Order {
    /// What errors call the scenario.
    pub name: String,
    /// The scenario as TOML.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Whether the run's inputs are given to machines once more, and their effects compared.
    #[serde(default)]
    pub replayed: bool,
}

/// Answers each order on standard input with a report on standard output, until there are no more. When
/// its owner is gone, however that ended, a run under way is not finished: no one reads its report.
pub fn work() -> Result<ExitCode> {
    for line in orders() {
        let order: Order = serde_json::from_str(&line).context("an order")?;
        let scenario = Scenario::parse(&order.name, &order.scenario)?;
        let mut asked = Asked::default();
        asked.log.recording = order.replayed;
        let mut outcome = report::measured(&scenario, Seed(order.seed), asked);
        let recording = outcome.recording.take();
        let mut report = report_of(&scenario, outcome);
        if let Some(Err(difference)) =
            recording.filter(|_| report.outcome == Outcome::Ok).map(differs)
        {
            report.outcome = Outcome::Violated;
            report.invariant = Some(REPLAY.to_owned());
            report.detail = difference;
        }
        let mut answer = serde_json::to_string(&report)?;
        answer.push('\n');
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(answer.as_bytes())?;
        stdout.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines of standard input. Its end while one of them is being carried out ends this process: only
/// an owner that is killed, or that gives the worker up, closes it then.
#[allow(clippy::disallowed_methods, reason = "a worker's input, outside of any run")]
fn orders() -> Receiver<String> {
    // Handed over one by one: an owner sends the next order when it has the last report.
    let (sender, orders) = sync_channel(0);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lines().map_while(Result::ok);
        for line in lines {
            if sender.send(line).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    orders
}

fn differs(recording: Recording) -> Result<(), String> {
    conform(&recording).map(|_| ()).map_err(|difference| difference.to_string())
}

fn report_of(scenario: &Scenario, run: RunOutcome) -> Report {
    let verdict = report::verdict(scenario, &run);
    let outcome = verdict.outcome(scenario);
    let seen = match verdict {
        Verdict::LowCoverage(why) | Verdict::CannotRun(why) => Some(why),
        Verdict::Good | Verdict::Violated | Verdict::NotShown => None,
    };
    let wrong = run.found.as_ref().map(|found| &found.wrong);
    let said = wrong.map(|wrong| format!("{}: {}", wrong.sentence, wrong.detail));
    let owned = |counts: &BTreeMap<&'static str, u64>| {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let summary = &run.summary;
    let by_kind = summary.latency_us.iter();
    Report {
        outcome,
        invariant: wrong.map(|wrong| wrong.invariant.to_owned()),
        detail: said.or(seen).unwrap_or_default(),
        fingerprint: summary.fingerprint.clone(),
        events: summary.events,
        virtual_ns: summary.virtual_ns,
        wall_ns: summary.wall_ns,
        operations: summary.acknowledged,
        endings: summary.operations.iter().flat_map(|(kind, row)| endings(kind, row)).collect(),
        latency_us: by_kind.map(|(kind, counts)| ((*kind).to_owned(), counts.clone())).collect(),
        recovery_ms: summary.converged_ms,
        faults: owned(&summary.faults),
        coverage: owned(&summary.coverage),
        pairs: summary.pairs.numbered(),
        shares: owned(&summary.shares),
        matrix: summary.matrix.clone(),
    }
}

/// How operations of a kind ended.
fn endings(kind: &str, row: &OpSummary) -> [(String, u64); 3] {
    let counts =
        [("acknowledged", row.acknowledged), ("refused", row.refused), ("unknown", row.unknown)];
    counts.map(|(ending, count)| (format!("{kind} {ending}"), count))
}

/// A worker's process, as its owner sees it. It ends when this is dropped.
struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

/// What became of an order.
pub enum Answer {
    /// It was carried out.
    Report(Box<Report>),
    /// The process came to an end over it.
    Died(String),
    /// There was no answer in time; the process was ended.
    Hung,
    /// A signal came first; the process was ended.
    Interrupted,
}

/// How often it is looked whether a signal came while a run is waited for.
const POLL: Duration = Duration::from_millis(50);

/// A place for one worker, which is started when it is needed.
pub struct Seat<'a> {
    worker: Option<Worker>,
    limit: Duration,
    interrupt: &'a Interrupt,
}

impl<'a> Seat<'a> {
    /// Without a worker. A run may take as long as `limit`, by the wall clock.
    pub fn new(limit: Duration, interrupt: &'a Interrupt) -> Self {
        Seat { worker: None, limit, interrupt }
    }

    /// Has something run. A worker's process that ends over it is replaced once: a run is a function of
    /// its seed, so one that ends its process does so again, and a process that somebody else ended
    /// says nothing about the run.
    pub fn ask(&mut self, order: &Order) -> Result<Answer> {
        match self.ask_once(order)? {
            Answer::Died(_) if !self.interrupt.is_set() => self.ask_once(order),
            answer => Ok(answer),
        }
    }

    fn ask_once(&mut self, order: &Order) -> Result<Answer> {
        let mut busy = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start()?,
        };
        let answer = busy.ask(order, self.limit, self.interrupt)?;
        if matches!(answer, Answer::Report(_)) {
            self.worker = Some(busy);
        }
        let ended = matches!(answer, Answer::Died(_)) && self.interrupt.is_set();
        Ok(if ended { Answer::Interrupted } else { answer })
    }
}

impl Worker {
    /// Starts one.
    fn start() -> Result<Self> {
        let mut child = program::command()?
            .arg("work")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("a worker")?;
        let orders = child.stdin.take().context("a worker's input")?;
        let stdout = child.stdout.take().context("a worker's output")?;
        let (sender, answers) = channel();
        hear(stdout, sender);
        Ok(Worker { child, orders, answers })
    }

    /// Has it run something, for as long as `limit` of wall time. After anything but a report the
    /// process is over, and so is this worker.
    fn ask(&mut self, order: &Order, limit: Duration, interrupt: &Interrupt) -> Result<Answer> {
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        let asked = self.orders.write_all(line.as_bytes()).and_then(|()| self.orders.flush());
        if asked.is_err() {
            return self.died();
        }
        let mut left = limit;
        loop {
            let slice = left.min(POLL);
            match self.answers.recv_timeout(slice) {
                Ok(answer) => return Ok(Answer::Report(Box::new(serde_json::from_str(&answer)?))),
                Err(RecvTimeoutError::Disconnected) => return self.died(),
                Err(RecvTimeoutError::Timeout) => left -= slice,
            }
            if interrupt.is_set() || left.is_zero() {
                self.child.kill().context("a worker that hangs")?;
                let is_hung = !interrupt.is_set();
                return Ok(if is_hung { Answer::Hung } else { Answer::Interrupted });
            }
        }
    }

    fn died(&mut self) -> Result<Answer> {
        Ok(Answer::Died(format!("the worker's process ended: {}", self.child.wait()?)))
    }
}

/// Hands on what a worker says, until it ends: a pipe cannot be read for a limited time.
#[allow(clippy::disallowed_methods, reason = "the owner of workers, outside of any run")]
fn hear(stdout: ChildStdout, answers: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if answers.send(line).is_err() {
                break; // The worker was dropped.
            }
        }
    });
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended by itself already; its result is not needed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
