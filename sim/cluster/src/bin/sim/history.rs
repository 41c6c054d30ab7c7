//! `sim run --history DIR`: the requests of clients and their answers, for other checkers. What was run,
//! and by which build, is in a file of its own: other checkers read the others.

use leasehold_checker::{History, edn};
use leasehold_sim::provenance::Provenance;
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes the files, over what a run before this one left.
pub fn write(folder: &Path, history: &History, from: &Provenance) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("build.json"), from.json() + "\n")?;
    let open = |name: &str| {
        let mut file = OpenOptions::new();
        file.write(true).create(true).truncate(true);
        file.open(folder.join(name)).map(BufWriter::new)
    };
    let mut lines = open("history.jsonl")?;
    for operated in history.operations() {
        serde_json::to_writer(&mut lines, operated)?;
        lines.write_all(b"\n")?;
    }
    lines.flush()?;
    let mut out = open("history.edn")?;
    edn::write(history, &mut out)?;
    out.flush()
}
