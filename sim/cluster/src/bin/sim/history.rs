//! `sim run --history DIR`: the requests of clients and their answers, for other checkers.

use leasehold_checker::{History, edn};
use std::fs::{self, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes both files, over what a run before this one left.
pub fn write(folder: &Path, history: &History) -> io::Result<()> {
    fs::create_dir_all(folder)?;
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
