//! The same ground for every step that writes.
//!
//! A virtual machine may give freed memory back to its host within seconds, and pays for it at
//! the next touch, several times what the copy itself costs. A step that fills pages then pays or
//! not by how lately somebody else freed some, and the slower of two pays more the longer it
//! takes. So pages are held in a scratch file and freed a little ahead of the step's own writing:
//! whatever its speed, what it fills was in use a moment ago.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Pages freed ahead of the writing: what three writers fill while the loop sleeps, many times.
const AHEAD_BYTES: u64 = 128 << 20;

/// How often the loop looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs `step`, which is about to write `bytes` under `written` (files or folders), on pages that
/// were in use a moment ago, and with nothing dirty at its start.
pub fn level<T>(
    dir: &Path,
    bytes: u64,
    written: &[PathBuf],
    step: impl FnOnce() -> Result<T>,
) -> Result<T> {
    rustix::fs::sync();
    let path = dir.join("scratch.dat");
    let scratch = filled(&path, bytes).with_context(|| path.display().to_string())?;
    let before = bytes_under(written);
    let over = AtomicBool::new(false);
    let outcome = thread::scope(|scope| {
        let pacer = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let grown = bytes_under(written).saturating_sub(before);
                scratch.set_len(bytes.saturating_sub(grown + AHEAD_BYTES))?;
                thread::sleep(PAUSE);
            }
            Ok(())
        });
        let outcome = step();
        over.store(true, Ordering::Relaxed);
        let paced: std::io::Result<()> = pacer.join().expect("the pacer does not panic");
        outcome.and_then(|value| Ok(paced.map(|()| value)?))
    });
    fs::remove_file(path)?;
    outcome
}

/// Never synced: its pages are freed before they are due on the disk, or written back between
/// steps.
fn filled(path: &Path, bytes: u64) -> std::io::Result<File> {
    let mut file = File::create(path)?;
    let buffer = vec![0; 1 << 20];
    for _ in 0..bytes.div_ceil(1 << 20) {
        file.write_all(&buffer)?;
    }
    Ok(file)
}

/// Lengths of all files below; what vanishes meanwhile counts nothing.
fn bytes_under(paths: &[PathBuf]) -> u64 {
    paths.iter().map(|path| bytes_of(path).unwrap_or(0)).sum()
}

fn bytes_of(path: &Path) -> std::io::Result<u64> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let below: Vec<PathBuf> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    Ok(bytes_under(&below))
}
