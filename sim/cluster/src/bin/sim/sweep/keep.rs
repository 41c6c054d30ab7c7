//! What is kept of failing runs, for whoever looks into them later.

use super::Sweep;
use super::tally::{Failure, Tally};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Failing runs whose artefacts are kept; more of them rarely tell more.
const KEPT_MAX: usize = 10;
/// Where, beside the table.
const FOLDER: &str = "failed";

/// Keeps the scenario, what a run of it says, and how to see it again, of the first failures.
pub fn artefacts(sweep: &Sweep, tally: &Tally) -> Result<()> {
    for failure in tally.failures.iter().take(KEPT_MAX) {
        let folder = folder(sweep, failure);
        keep(sweep, failure, &folder).with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

/// The folder of one failure.
pub fn folder(sweep: &Sweep, failure: &Failure) -> PathBuf {
    let variant = &sweep.variants[failure.job.variant];
    let stem = Path::new(&variant.name).file_stem().unwrap_or_default().to_string_lossy();
    let (hash, seed) = (&sweep.hashes[failure.job.variant][..8], failure.job.seed);
    let beside = sweep.table.parent().unwrap_or(Path::new(""));
    beside.join(FOLDER).join(format!("{stem}-{hash}-{seed}"))
}

fn keep(sweep: &Sweep, failure: &Failure, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join("scenario.toml");
    fs::write(&path, sweep.variants[failure.job.variant].scenario.to_toml())?;
    let seed = failure.job.seed.to_string();
    let replay = format!("just sim --seed {seed} --scenario {}\n", path.display());
    fs::write(folder.join("replay.txt"), &replay)?;
    fs::write(folder.join("why.txt"), format!("{}: {}\n", failure.outcome, failure.why))?;
    let run = |extra: &[&str], name: &str| -> Result<()> {
        let mut options = fs::OpenOptions::new();
        let out = options.write(true).create(true).truncate(true).open(folder.join(name))?;
        // It fails, as it did before: that is what it is run for.
        Command::new(std::env::current_exe()?)
            .args(["run", "--seed", &seed, "--scenario"])
            .arg(&path)
            .args(extra)
            .stdout(out.try_clone()?)
            .stderr(out)
            .stdin(Stdio::null())
            .status()?;
        Ok(())
    };
    run(&[], "failure.txt")?;
    run(&["--json"], "summary.json")
}
