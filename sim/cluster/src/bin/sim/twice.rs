//! `sim twice`: the same seed in two processes must do the same.

use crate::args::TwiceArgs;
use crate::program;
use anyhow::{Context, Result, ensure};
use leasehold_trace::say;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Events shown before the first one that differs.
const SHOWN_BEFORE: u64 = 3;

/// Runs a seed in two processes, and shows where they part, if they do.
pub fn twice(args: &TwiceArgs) -> Result<ExitCode> {
    args.scenario.load()?;
    let this = program::this()?;
    let programs = [this.clone(), args.against.clone().unwrap_or(this)];
    let folder = std::env::temp_dir().join(format!("leasehold-twice-{}", std::process::id()));
    fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    let compared = compare(args, &programs, &folder);
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    compared
}

fn compare(args: &TwiceArgs, programs: &[PathBuf; 2], folder: &Path) -> Result<ExitCode> {
    let digests = [folder.join("one"), folder.join("other")];
    let mut fingerprints = Vec::new();
    for (program, digests) in programs.iter().zip(&digests) {
        let output = command(args, program).arg("--json").arg("--digests").arg(digests).output()?;
        let line = String::from_utf8_lossy(&output.stdout);
        let line = line.lines().next().unwrap_or_default();
        let summary: serde_json::Value = serde_json::from_str(line).with_context(|| {
            format!("{} said: {}", program.display(), String::from_utf8_lossy(&output.stderr))
        })?;
        let fingerprint = summary["fingerprint"].as_str().context("a summary's fingerprint")?;
        say!("{fingerprint} of {} events", summary["events"]);
        fingerprints.push(fingerprint.to_owned());
    }
    if fingerprints[0] == fingerprints[1] {
        say!("seed {}: the same in both processes", args.seed);
        return Ok(ExitCode::SUCCESS);
    }
    let (one, other) = (fs::read(&digests[0])?, fs::read(&digests[1])?);
    show_parting(args, programs, first_difference(&one, &other))?;
    Ok(ExitCode::FAILURE)
}

/// The number of the first event, from 1, after which the fingerprints differ.
fn first_difference(one: &[u8], other: &[u8]) -> u64 {
    let same = one.chunks(4).zip(other.chunks(4)).take_while(|(a, b)| a == b).count();
    same as u64 + 1
}

fn show_parting(args: &TwiceArgs, programs: &[PathBuf; 2], number: u64) -> Result<()> {
    say!("\nseed {}: the first event that differs is number {number}", args.seed);
    let events = format!("{}..{}", number.saturating_sub(SHOWN_BEFORE).max(1), number + 1);
    for program in programs {
        say!("\n{}", program.display());
        let status = command(args, program)
            .args(["--events", &events, "--json"])
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.code().is_some(), "{} was killed", program.display());
    }
    Ok(())
}

fn command(args: &TwiceArgs, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["run", "--seed", &args.seed.to_string()]);
    if let Some(path) = &args.scenario.scenario {
        command.arg("--scenario").arg(path);
    }
    if args.scenario.swarm {
        command.arg("--swarm");
        if let Some(masters) = args.scenario.masters {
            command.args(["--masters", &masters.to_string()]);
        }
    }
    command
}
