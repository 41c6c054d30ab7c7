//! What is printed about a run.

use crate::args::RunArgs;
use crate::run::name;
use anyhow::{Context, Result};
use leasehold_sim::log::Line;
use leasehold_sim::provenance::{Build, Provenance};
use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::{Expect, Scenario};
use leasehold_sim::seed::Seed;
use leasehold_sim::summary::Summary;
use leasehold_sim::sweep::Outcome as Word;
use leasehold_trace::{note, say};
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Of an event that is printed.
const SHOWN_CHARS: usize = 220;

/// Runs a seed and measures it.
#[allow(clippy::disallowed_types, reason = "the binary measures wall time, outside of any run")]
pub fn measured(scenario: &Scenario, seed: Seed, asked: Asked) -> Outcome {
    let began = std::time::Instant::now();
    let mut outcome = run(scenario, seed, asked);
    outcome.summary.wall_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    outcome
}

/// How a run compares with what its scenario expects.
pub enum Verdict {
    /// As expected.
    Good,
    /// A violation that was not expected.
    Violated,
    /// Nothing wrong, and not enough seen for that to mean something.
    LowCoverage(String),
    /// It did not come to rest, and no protocol could in its environment.
    CannotRun(String),
    /// The violation that the scenario is there to show did not show.
    NotShown,
}

impl Verdict {
    /// The same as a sweep's table calls it.
    pub fn outcome(&self, scenario: &Scenario) -> Word {
        let negative = scenario.expect != Expect::Pass;
        match self {
            Verdict::Good if negative => Word::Shown,
            Verdict::Good => Word::Ok,
            Verdict::LowCoverage(_) => Word::LowCoverage,
            Verdict::CannotRun(_) => Word::CannotRun,
            Verdict::Violated if negative => Word::Other,
            Verdict::Violated => Word::Violated,
            Verdict::NotShown => Word::NotShown,
        }
    }
}

/// A run for scripts: how it ended, and its summary.
#[derive(Serialize)]
pub struct RunReport<'a> {
    outcome: Word,
    /// What was violated first, expected or not.
    invariant: Option<&'a str>,
    /// What does not hold, or was not seen.
    detail: Option<&'a str>,
    replay: String,
    build: Provenance,
    #[serde(flatten)]
    summary: &'a Summary,
}

impl<'a> RunReport<'a> {
    /// Of a run that was judged.
    pub fn new(
        args: &RunArgs,
        scenario: &Scenario,
        verdict: &'a Verdict,
        outcome: &'a Outcome,
    ) -> Self {
        let seen = match verdict {
            Verdict::LowCoverage(why) | Verdict::CannotRun(why) => Some(why.as_str()),
            Verdict::Good | Verdict::Violated | Verdict::NotShown => None,
        };
        let wrong = outcome.found.as_ref().map(|found| &found.wrong);
        RunReport {
            outcome: verdict.outcome(scenario),
            invariant: wrong.map(|wrong| wrong.invariant),
            detail: wrong.map(|wrong| wrong.detail.as_str()).or(seen),
            replay: format!("just sim --seed {}{}", outcome.summary.seed, args.scenario.again()),
            build: Provenance::of(&name(args), scenario, outcome.summary.seed),
            summary: &outcome.summary,
        }
    }

    /// On a line of its own.
    pub fn say(&self) -> Result<()> {
        say!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

/// Judges an outcome by its scenario.
pub fn verdict(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    if let (None, Some(why)) = (&outcome.found, &outcome.summary.cannot_run) {
        return Verdict::CannotRun(why.clone());
    }
    match (&scenario.expect, &outcome.found) {
        (Expect::Pass, None) => match outcome.summary.low_coverage(&scenario.demands) {
            None => Verdict::Good,
            Some(why) => Verdict::LowCoverage(why),
        },
        (Expect::Pass, Some(_)) => Verdict::Violated,
        (Expect::Violation(_), None) => Verdict::NotShown,
        (Expect::Violation(id), Some(found)) if found.wrong.invariant == id => Verdict::Good,
        (Expect::Violation(_), Some(_)) => Verdict::Violated,
    }
}

/// Writes rows as CSV, over what was there; each with the build that made it.
pub fn table<R: Serialize>(path: &Path, rows: &[R]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut plain = csv::Writer::from_writer(Vec::new());
    rows.iter().try_for_each(|row| plain.serialize(row))?;
    let text = plain.into_inner().context("memory takes it")?;
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(&text[..]);
    let mut writer = csv::Writer::from_path(path).with_context(|| path.display().to_string())?;
    let Build { commit, sources } = Build::this();
    for (at, row) in rows.records().enumerate() {
        let more = if at == 0 { ["commit", "sources"] } else { [commit.as_str(), &sources] };
        let mut row = row?;
        more.into_iter().for_each(|cell| row.push_field(cell));
        writer.write_record(&row)?;
    }
    Ok(writer.flush()?)
}

/// A bar for a run's progress, on a terminal.
pub fn progress(scenario: &Scenario) -> Option<Box<dyn FnMut(u64) + Send>> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let (total_ms, mut shown) = (scenario.acts.faults_ms, 0);
    Some(Box::new(move |now_ms| {
        if now_ms >= shown + 1_000 {
            shown = now_ms;
            let (now, total) = (now_ms / 1_000, total_ms / 1_000);
            aside(&format!("\r  {now:>4} of {total} s simulated"));
        }
    }))
}

/// Takes the progress line away.
pub fn end_progress() {
    if std::io::stderr().is_terminal() {
        aside("\r\x1b[K");
    }
}

/// On standard error, without a line feed; a terminal that is gone shows nothing.
fn aside(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// One event, cut to what fits a screen; aside if a script reads the other stream.
pub fn show(line: &Line, aside: bool) {
    let cut: String = line.what.chars().take(SHOWN_CHARS).collect();
    let more = if cut.len() < line.what.len() { " ..." } else { "" };
    let seconds = line.true_ns as f64 / 1e9;
    let words = format!("  {:>8} {seconds:>12.6} s  {}  {cut}{more}", line.number, line.node);
    match aside {
        true => note!("{words}"),
        false => say!("{words}"),
    }
}
