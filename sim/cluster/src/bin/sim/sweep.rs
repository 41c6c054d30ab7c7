//! `sim sweep`: many seeds on all cores.

use crate::args::SweepArgs;
use crate::report::{self, Verdict};
use anyhow::Result;
use leasehold_sim::run::{Asked, Outcome};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a sweep showed so far.
#[derive(Default)]
struct Sum {
    runs: u64,
    acknowledged: u64,
    crashes: u64,
    partitions: u64,
    membership_changes: u64,
    virtual_ns: u128,
    wall_ns: u128,
    failed: Vec<u64>,
}

/// Runs the seeds of a range; exit 1 if one fails.
#[allow(clippy::disallowed_methods, reason = "each run has its own thread and its own runtime")]
pub fn sweep(args: &SweepArgs) -> Result<ExitCode> {
    let scenario = args.scenario.load()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, sum) = (AtomicU64::new(args.seeds.start), Mutex::new(Sum::default()));
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.unwrap_or(cores).max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= args.seeds.end {
                        break;
                    }
                    let outcome = report::measured(&scenario, Seed(seed), Asked::default());
                    sum.lock().expect("adding up does not panic").add(&scenario, &outcome);
                }
            });
        }
    });
    let mut sum = sum.into_inner().expect("adding up does not panic");
    sum.failed.sort_unstable();
    Ok(sum.print())
}

impl Sum {
    fn add(&mut self, scenario: &Scenario, outcome: &Outcome) {
        let summary = &outcome.summary;
        self.runs += 1;
        self.acknowledged += summary.acknowledged;
        self.crashes += summary.crashes();
        self.partitions += summary.partitions();
        self.membership_changes += summary.membership_changes();
        self.virtual_ns += u128::from(summary.virtual_ns);
        self.wall_ns += u128::from(summary.wall_ns);
        let why = match report::verdict(scenario, outcome) {
            Verdict::Good => return,
            Verdict::Thin(why) => format!("thin: {why}"),
            Verdict::NotShown => return,
            Verdict::Violated => outcome.found.as_ref().map_or(String::new(), |found| {
                let wrong = &found.wrong;
                format!("{} {}: {}", wrong.invariant, wrong.sentence, wrong.detail)
            }),
        };
        let cut: String = why.chars().take(300).collect();
        println!("seed {:>6}  {cut}", summary.seed);
        self.failed.push(summary.seed);
    }

    fn print(&self) -> ExitCode {
        println!(
            "{} runs, {} failed; {} operations acknowledged, {} crashes, {} partitions, {} \
             membership changes; {} s virtual, {} times real time on one core",
            self.runs,
            self.failed.len(),
            self.acknowledged,
            self.crashes,
            self.partitions,
            self.membership_changes,
            self.virtual_ns / 1_000_000_000,
            self.virtual_ns.checked_div(self.wall_ns).unwrap_or(0)
        );
        if self.failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("failing seeds: {:?}", self.failed);
        ExitCode::FAILURE
    }
}
