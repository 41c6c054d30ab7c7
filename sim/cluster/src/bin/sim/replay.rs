//! `sim replay`: a recording, through machines of this build. `sim run --record` writes recordings.

use crate::args::ReplayArgs;
use anyhow::{Context, Result};
use leasehold_sim::nouns::count;
use leasehold_sim::provenance::{Build, Provenance};
use leasehold_sim::replay::{Recording, RecordingWriter, conform};
use leasehold_trace::say;
use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;

/// Begins a recording in a file, over what was there.
pub fn recorder(path: &Path, about: &Provenance) -> Result<RecordingWriter> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).open(path);
    let file = file.with_context(|| path.display().to_string())?;
    Ok(RecordingWriter::new(Box::new(BufWriter::new(file)), &about.json()))
}

/// Compares, and says how much was the same, or what is different first.
pub fn replay(args: &ReplayArgs) -> Result<ExitCode> {
    let name = || args.recording.display().to_string();
    let bytes = fs::read(&args.recording).with_context(name)?;
    let recording = Recording::read(&mut &bytes[..]).with_context(name)?;
    say_from(&bytes)?;
    Ok(match conform(&recording) {
        Ok(same) => {
            let [lives, inputs, effects] =
                [(same.lives, "process life"), (same.inputs, "input"), (same.effects, "effect")]
                    .map(|(number, noun)| count(number, noun));
            say!("the same: {lives}, {inputs}, {effects}");
            ExitCode::SUCCESS
        }
        Err(difference) => {
            say!("DIFFERENT: {difference}");
            ExitCode::FAILURE
        }
    })
}

/// Of what it is, and by which build.
fn say_from(recording: &[u8]) -> Result<()> {
    let about = Recording::about(&mut &recording[..])?;
    let Ok(from) = serde_json::from_str::<Provenance>(&about) else {
        say!("recorded by a build that did not say which it is");
        return Ok(());
    };
    let same = from.build.sources == Build::this().sources;
    say!("recorded by {}", from.line());
    say!(
        "this build: {}, {}",
        Build::this(),
        if same { "the same sources" } else { "other sources" }
    );
    Ok(())
}
