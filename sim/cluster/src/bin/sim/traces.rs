//! A run once more, recorded, and the files that tell of it.

use anyhow::{Context, Result, ensure};
use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;
use leasehold_trace::Recording;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Runs a seed again and records it. A run is a function of its seed: recording only those that
/// somebody asks about keeps all others cheap.
pub fn record(scenario: &Scenario, seed: Seed, outcome: &Outcome) -> Result<Recording> {
    let mut asked = Asked::default();
    asked.log.record = true;
    let again = run(scenario, seed, asked);
    let (first, second) = (&outcome.summary.fingerprint, &again.summary.fingerprint);
    ensure!(first == second, "seed {}: {first} became {second} when it was recorded", seed.0);
    again.recording.context("a recording was asked for")
}

/// Writes everything that there is to read of a run into a folder.
pub fn write(folder: &Path, recording: &Recording) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    file(&folder.join("trace.jsonl"), |to| recording.write_jsonl(to))
}

/// Writes a file whole: a name stands only for what is complete.
fn file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let part = path.with_extension("part");
    let options = fs::OpenOptions::new().write(true).create(true).truncate(true).open(&part);
    let mut to = BufWriter::new(options.with_context(|| part.display().to_string())?);
    fill(&mut to).and_then(|()| to.flush()).with_context(|| part.display().to_string())?;
    fs::rename(&part, path).with_context(|| path.display().to_string())
}
