//! Which build this is.

use anyhow::{Context, Result};
use leasehold_sim::fingerprint::Fingerprint;
use std::process::Command;

/// Set where the sources are not at hand: a container, a node of a batch system.
const VARIABLE: &str = "LEASEHOLD_COMMIT";

/// The commit of the sources in the working directory, if there is one, and a hash of this
/// program: it need not be what would be built there.
pub fn commit() -> Result<String> {
    if let Ok(commit) = std::env::var(VARIABLE)
        && !commit.is_empty()
    {
        return Ok(commit);
    }
    let git = Command::new("git").args(["describe", "--always", "--abbrev=12", "--dirty"]).output();
    let described = git.ok().filter(|output| output.status.success());
    let described = described.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let commit = described.as_deref().map_or("unknown", str::trim);
    Ok(format!("{commit}-{}", program()?))
}

fn program() -> Result<String> {
    let path = std::env::current_exe().context("the path of this program")?;
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let mut fingerprint = Fingerprint::default();
    fingerprint.feed(&bytes);
    Ok(fingerprint.to_string()[..8].to_owned())
}
