//! `sim negatives`: does every negative scenario violate what it names?

use crate::args::NegativesArgs;
use crate::report::{measured, table};
use crate::shrink::NEGATIVE;
use crate::sweep::folder_of_scenarios;
use anyhow::{Result, ensure};
use leasehold_sim::nouns::count;
use leasehold_sim::run::Asked;
use leasehold_sim::scenario::{Expect, Scenario};
use leasehold_sim::seed::Seed;
use leasehold_trace::say;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

/// What became of one scenario, as a row of CSV.
#[derive(Clone, Serialize)]
struct Shown {
    scenario: String,
    names: String,
    /// The seed that showed it; empty if none did.
    seed: Option<u64>,
    seeds_tried: u64,
    seeds_max: u64,
    /// Seeds that violated something else first: `I3=2;I6=1`.
    others: String,
    wall_s: f64,
}

/// Runs every negative scenario until a seed shows what it names.
pub fn negatives(args: &NegativesArgs) -> Result<ExitCode> {
    let scenarios = folder_of_scenarios(Path::new(NEGATIVE))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(cores).max(1);
    let (next, shown) = (Mutex::new(scenarios.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        let one = || {
            loop {
                let taken = next.lock().expect("taking one does not panic").next();
                let Some((name, scenario)) = taken else { return };
                let row = until_shown(name, scenario);
                print(&row);
                shown.lock().expect("adding a row does not panic").push(row);
            }
        };
        (0..jobs).for_each(|_| drop(scope.spawn(one)));
    });
    let mut shown = shown.into_inner().expect("no thread panics");
    shown.sort_by(|one: &Shown, other| one.scenario.cmp(&other.scenario));
    if let Some(path) = &args.csv {
        table(path, &shown)?;
    }
    let silent = shown.iter().filter(|row| row.seed.is_none()).count();
    say!("\n{} of {} show what they name", shown.len() - silent, shown.len());
    let unnamed = unnamed(&shown);
    ensure!(unnamed.is_empty(), "no scenario names {}", unnamed.join(", "));
    Ok(if silent == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn until_shown(name: &str, scenario: &Scenario) -> Shown {
    let Expect::Violation(names) = &scenario.expect else {
        unreachable!("a test keeps the others out of the folder")
    };
    let (mut others, mut wall_ns): (BTreeMap<&str, u64>, u64) = (BTreeMap::new(), 0);
    let (mut found, mut tried) = (None, 0);
    for seed in 0..scenario.seeds_max {
        let outcome = measured(scenario, Seed(seed), Asked::default());
        wall_ns += outcome.summary.wall_ns;
        tried += 1;
        match outcome.found.map(|found| found.wrong.invariant) {
            Some(invariant) if invariant == names => {
                found = Some(seed);
                break;
            }
            Some(invariant) => *others.entry(invariant).or_default() += 1,
            None => {}
        }
    }
    let others: Vec<String> = others.iter().map(|(id, count)| format!("{id}={count}")).collect();
    Shown {
        scenario: name.to_owned(),
        names: names.clone(),
        seed: found,
        seeds_tried: tried,
        seeds_max: scenario.seeds_max,
        others: others.join(";"),
        wall_s: (wall_ns / 100_000_000) as f64 / 10.0,
    }
}

fn print(row: &Shown) {
    let how = match row.seed {
        Some(seed) => format!("seed {seed}"),
        None => format!("NOT SHOWN by {}", count(row.seeds_tried, "seed")),
    };
    say!("{:<54} {:<4} {how:<10} {:>7.1} s  {}", row.scenario, row.names, row.wall_s, row.others);
}

/// Invariants that no scenario names.
fn unnamed(shown: &[Shown]) -> Vec<&'static str> {
    let named: BTreeSet<&str> = shown.iter().map(|row| row.names.as_str()).collect();
    let all = leasehold_checker::invariants().map(|invariant| invariant.id);
    all.into_iter().filter(|id| !named.contains(id)).collect()
}
