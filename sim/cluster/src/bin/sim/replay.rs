//! `sim replay`: a recording, through machines of this build. `sim run --record` writes recordings.

use crate::args::ReplayArgs;
use crate::say::say;
use anyhow::{Context, Result};
use leasehold_sim::replay::{Recording, conform};
use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

/// Writes a recording, over what was there.
pub fn record(path: &Path, recording: &Recording) -> Result<()> {
    let name = || path.display().to_string();
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(path).with_context(name)?;
    recording.write(&mut BufWriter::new(file)).with_context(name)
}

/// Compares, and says how much was the same, or what is different first.
pub fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let name = || args.recording.display().to_string();
    let bytes = fs::read(&args.recording).with_context(name)?;
    let recording = Recording::read(&mut &bytes[..]).with_context(name)?;
    Ok(match conform(&recording) {
        Ok(same) => {
            let (lives, inputs, effects) = (same.lives, same.inputs, same.effects);
            say!("the same: {lives} lives, {inputs} inputs, {effects} effects");
            ExitCode::SUCCESS
        }
        Err(difference) => {
            say!("DIFFERENT: {difference}");
            ExitCode::FAILURE
        }
    })
}
