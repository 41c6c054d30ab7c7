//! This program, started again: workers, and the runs that are kept of failures.

use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Leads to the executable that runs, whatever has become of its file: a build may have replaced it.
const RUNNING: &str = "/proc/self/exe";

/// What starts this program again: the same executable as long as this process lives.
pub fn this() -> Result<PathBuf> {
    let running = Path::new(RUNNING);
    if running.exists() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().context("the path of this program")
}

/// This program with other arguments.
pub fn command() -> Result<Command> {
    let mut command = Command::new(this()?);
    command.arg0("sim");
    Ok(command)
}
