//! `sim run --stream FILE`: records that are in a file as soon as they happen, in two files of bounded
//! size. A run that hangs, or is killed, leaves its last ones.

#![allow(clippy::disallowed_types, reason = "it owns an open file, outside of any run")]

use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of each of the two files.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Opens the file, over what was there.
pub fn open(path: &Path) -> Result<Box<dyn Write + Send>> {
    let file = create(path).with_context(|| path.display().to_string())?;
    Ok(Box::new(Halves { path: path.to_owned(), file, bytes: 0 }))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)
}

/// The newer half; the older one is beside it.
struct Halves {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Write for Halves {
    /// One record with its line feed each time: a half begins with a whole one.
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if self.bytes > FILE_BYTES_MAX {
            let mut old = self.path.clone().into_os_string();
            old.push(".old");
            fs::rename(&self.path, old)?;
            (self.file, self.bytes) = (create(&self.path)?, 0);
        }
        self.file.write_all(record)?;
        self.bytes += record.len() as u64;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
