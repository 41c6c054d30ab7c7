//! `sim run`: one seed, or the seeds of a negative scenario until one shows what it is to show.

use crate::args::RunArgs;
use crate::exit;
use crate::history;
use crate::replay;
use crate::report::{self, RunReport, Verdict};
use crate::stream;
use crate::traces::Explained;
use anyhow::{Context, Result};
use leasehold_sim::drawn::Drawn;
use leasehold_sim::nouns::count;
use leasehold_sim::provenance::{Build, Provenance};
use leasehold_sim::run::{Asked, Outcome};
use leasehold_sim::scenario::{Expect, Scenario};
use leasehold_sim::schedule::Schedule;
use leasehold_sim::seed::Seed;
use leasehold_trace::say;
use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

/// Runs what the command line says.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let scenario = args.scenario.load()?;
    match &scenario.expect {
        Expect::Pass => one(args, &scenario),
        Expect::Violation(id) => until_violated(args, &scenario, id),
    }
}

fn one(args: &RunArgs, scenario: &Scenario) -> Result<ExitCode> {
    let seed = Seed(args.seed);
    let outcome = play(args, scenario, seed)?;
    let mut drawn = Drawn::draw(scenario, seed).to_string();
    if scenario.swarm {
        drawn = format!("{drawn}\n{}", scenario.of(seed).told());
    }
    let verdict = report::verdict(scenario, &outcome);
    let violated = matches!(verdict, Verdict::Violated);
    if args.json {
        RunReport::new(args, scenario, &verdict, &outcome).say()?;
    } else if !violated {
        say!("{drawn}\n{}\nbuild        {}", outcome.summary, Build::this());
        if let Verdict::LowCoverage(why) = &verdict {
            say!(
                "\nLOW COVERAGE: {why}\nreplay: just sim --seed {}{}",
                seed.0,
                args.scenario.again()
            );
        }
        if let Verdict::CannotRun(why) = &verdict {
            say!("\nCANNOT RUN: {why}\nNo invariant is judged by it; nothing is violated.");
        }
    }
    if args.trace.is_some() || violated {
        let explained = Explained::new(args, scenario, &outcome)?;
        explained.show((!args.json).then_some(&drawn))?;
    }
    Ok(match verdict {
        Verdict::Good => ExitCode::SUCCESS,
        // It could not be done, as with a wrong argument.
        Verdict::CannotRun(_) => ExitCode::from(2),
        Verdict::LowCoverage(_) => exit::low_coverage(),
        Verdict::Violated | Verdict::NotShown => ExitCode::FAILURE,
    })
}

/// Runs seeds from the given one on until the expected violation shows. A rule that is not in
/// force may break other sentences first: those seeds are counted, and passed over.
fn until_violated(args: &RunArgs, scenario: &Scenario, id: &str) -> Result<ExitCode> {
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    let mut last = None;
    for seed in args.seed..args.seed.saturating_add(scenario.seeds_max) {
        let outcome = last.insert(play(args, scenario, Seed(seed))?);
        let Some(found) = &outcome.found else { continue };
        if found.wrong.invariant != id {
            *others.entry(found.wrong.invariant).or_default() += 1;
            continue;
        }
        let explained = Explained::new(args, scenario, outcome)?;
        if args.json {
            RunReport::new(args, scenario, &Verdict::Good, outcome).say()?;
        }
        let tried = passed_over(seed - args.seed + 1, &others);
        let ran = format!("without a rule: {}\n{tried}", scenario.about);
        explained.show((!args.json).then_some(&ran))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(outcome) = last.filter(|_| args.json) {
        RunReport::new(args, scenario, &Verdict::NotShown, &outcome).say()?;
        return Ok(ExitCode::FAILURE);
    }
    let tried = passed_over(scenario.seeds_max, &others);
    say!("NOT violated, though expected: {id}\nwithout a rule: {}\n{tried}", scenario.about);
    Ok(ExitCode::FAILURE)
}

fn passed_over(tried: u64, others: &BTreeMap<&str, u64>) -> String {
    let words: Vec<String> =
        others.iter().map(|(id, n)| format!("{id} by {}", count(*n, "seed"))).collect();
    let others = if words.is_empty() { "nothing".to_owned() } else { words.join(", ") };
    format!("{} tried, others violated before: {others}", count(tried, "seed"))
}

/// The scenario's file, or what is there for it.
pub fn name(args: &RunArgs) -> String {
    let path = args.scenario.scenario.as_ref().map(|path| path.display().to_string());
    path.unwrap_or_else(|| if args.scenario.swarm { "swarm" } else { "standard" }.to_owned())
}

fn play(args: &RunArgs, scenario: &Scenario, seed: Seed) -> Result<Outcome> {
    let mut asked = Asked::default();
    asked.log.digests = args.digests.is_some();
    asked.log.watch = args.events.as_ref().map(|range| range.start..=range.end - 1);
    let from = Provenance::of(&name(args), scenario, seed.0);
    let recorder = |path| replay::recorder(path, &from);
    asked.log.recording_to = args.record.as_deref().map(recorder).transpose()?;
    asked.log.stream = args.stream.as_deref().map(stream::open).transpose()?;
    asked.history = args.history.is_some();
    asked.progress = if args.json { None } else { report::progress(scenario) };
    let mut outcome = report::measured(scenario, seed, asked);
    report::end_progress();
    outcome.lines.iter().for_each(|line| report::show(line, args.json));
    if let Some(path) = &args.digests {
        let bytes: Vec<u8> = outcome.digests.iter().flat_map(|d| d.to_le_bytes()).collect();
        fs::write(path, bytes).with_context(|| path.display().to_string())?;
    }
    if let Some(path) = &args.schedule {
        let drawn = Drawn::draw(scenario, seed);
        let schedule = Schedule::new(&drawn, &name(args), outcome.schedule.clone());
        let text = serde_json::to_string_pretty(&schedule)? + "\n";
        fs::write(path, text).with_context(|| path.display().to_string())?;
    }
    if let (Some(path), Some(recorded)) = (&args.record, outcome.recorded.take()) {
        recorded.with_context(|| path.display().to_string())?;
    }
    if let (Some(folder), Some(history)) = (&args.history, &outcome.history) {
        let written = history::write(folder, history, &from);
        written.with_context(|| folder.display().to_string())?;
    }
    Ok(outcome)
}
