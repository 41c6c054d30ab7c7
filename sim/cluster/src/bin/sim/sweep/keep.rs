//! What is kept of failing runs, for whoever looks into them later.

use super::tally::{Failure, Tally};
use super::{Interrupt, Sweep};
use crate::program;
use anyhow::{Context, Result};
use leasehold_sim::provenance::Provenance;
use leasehold_sim::sweep::Outcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Failing runs whose artefacts are kept; more of them rarely tell more.
const KEPT_MAX: usize = 10;
/// A failing run is made once to see it, and once to record it.
const RUNS_OF_ONE: u32 = 2;
/// What a search for a smaller run may take, beside the runs that are under way at its end.
const SHRINK_S: u64 = 60;
/// How often it is looked whether a process has ended.
const POLL: Duration = Duration::from_millis(20);
/// The file that is written last.
const LAST: &str = "summary.json";
/// Where, beside the table.
const FOLDER: &str = "failed";

/// Keeps the scenario, what a run of it says, its trace, and how to see it again, of the first
/// failures. What an earlier sweep kept stays as it is; what a signal cut short is kept anew.
pub fn artefacts(sweep: &Sweep, tally: &Tally, interrupt: &Interrupt) -> Result<()> {
    for failure in tally.failures.iter().take(KEPT_MAX) {
        let folder = folder(sweep, failure);
        if failure.resumed && folder.join(LAST).exists() {
            continue;
        }
        if interrupt.is_set() {
            break;
        }
        keep(sweep, failure, &folder, interrupt).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

/// The folder of one failure.
pub fn folder(sweep: &Sweep, failure: &Failure) -> PathBuf {
    let variant = &sweep.variants[failure.job.variant];
    let stem = Path::new(&variant.name).file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.replace(' ', "");
    let (hash, seed) = (&sweep.hashes[failure.job.variant][..8], failure.job.seed);
    let beside = sweep.table.parent().unwrap_or(Path::new(""));
    beside.join(FOLDER).join(format!("{stem}-{hash}-{seed}"))
}

fn keep(sweep: &Sweep, failure: &Failure, folder: &Path, interrupt: &Interrupt) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join("scenario.toml");
    let variant = &sweep.variants[failure.job.variant];
    let from = Provenance::of(&variant.name, &variant.scenario, failure.job.seed);
    fs::write(&path, format!("# {}\n{}", from.line(), variant.scenario.to_toml()))?;
    let seed = failure.job.seed.to_string();
    let replay = format!("just sim --seed {seed} --scenario {}\n", path.display());
    fs::write(folder.join("replay.txt"), &replay)?;
    fs::write(folder.join("why.txt"), format!("{}: {}\n", failure.outcome, failure.why))?;
    let limit = sweep.limit * RUNS_OF_ONE;
    let run = |verb: &str, extra: &[&str], name: &str, limit: Duration| -> Result<()> {
        let mut options = fs::OpenOptions::new();
        let out = options.write(true).create(true).truncate(true).open(folder.join(name))?;
        if interrupt.is_set() {
            return Ok(());
        }
        let mut command = program::command()?;
        command.args([verb, "--seed", &seed, "--scenario"]).arg(&path).args(extra);
        command.stdout(out.try_clone()?).stderr(out).stdin(Stdio::null());
        for_as_long(&mut command, limit, interrupt)
    };
    // These fail, as the run did before: that is what they are run for. One that hung, or died, leaves
    // what it did until then.
    let ended = !matches!(failure.outcome, Outcome::Hung | Outcome::Died);
    let trace = folder.join(if ended { "trace" } else { "stream.jsonl" }).display().to_string();
    let how = if ended { "--trace" } else { "--stream" };
    run("run", &[how, &trace], "failure.txt", limit)?;
    if sweep.shrink && failure.outcome == Outcome::Violated {
        let small = folder.join("small.toml").display().to_string();
        let (seconds, limit) = (SHRINK_S.to_string(), limit + Duration::from_secs(SHRINK_S));
        run("shrink", &["--seconds", &seconds, "--out", &small], "shrink.txt", limit)?;
    }
    run("run", &["--json"], LAST, limit)
}

/// Runs a program to its end, or ends it after that long: what hung once may hang again.
fn for_as_long(command: &mut Command, limit: Duration, interrupt: &Interrupt) -> Result<()> {
    let mut child = command.spawn()?;
    let mut left = limit;
    while child.try_wait()?.is_none() {
        if left.is_zero() || interrupt.is_set() {
            child.kill()?;
            child.wait()?;
            break;
        }
        pause(POLL.min(left));
        left = left.saturating_sub(POLL);
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the owner of processes, outside of any run")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
