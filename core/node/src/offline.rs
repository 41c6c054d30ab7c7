//! What a master's data directory amounts to, judged without a server: each file by itself, whether
//! a master would start on all of them, and the state in which it would be.

use crate::data_dir::DataDirError;
use crate::read_disk::ReadDisk;
use crate::replicated::offline::replay;
use leasehold_proto::{Constants, MasterState};
use leasehold_store::inspect;
use leasehold_store::{
    Disk, DiskError, MasterLog, MasterLogOptions, RaftLog, RaftLogOptions, StoreError,
};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub use leasehold_store::inspect::{FileReport, Flaw, Holds, Layout, Span};

/// A data directory, judged.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Whose it is.
    pub layout: Layout,
    /// Its files.
    pub files: Vec<FileReport>,
    /// What a master would start with, or why it would not start.
    pub start: Result<Start, Refused>,
}

/// What a master would start with.
#[derive(Clone, Debug)]
pub struct Start {
    /// The entry after which the newest good checkpoint or snapshot was made; none if there is
    /// none, and all of the log is replayed.
    pub base: Option<u64>,
    /// Entries of the log after it.
    pub entries: u64,
    /// The state after the last of them.
    pub state: MasterState,
}

/// Why a master would not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The log does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The entries are as they were written, and do not fit what they are applied to.
    #[error("the state does not hold together: {0}")]
    State(String),
}

impl Checked {
    /// Whether every file is whole, or as a crash may leave it, and a master would start on them.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.start.is_ok() && self.flaws().next().is_none()
    }

    /// The files that are not as they were written, and not as a crash may leave them.
    pub fn flaws(&self) -> impl Iterator<Item = (&FileReport, &Flaw)> {
        let flawed = self.files.iter().filter_map(|file| Some((file, file.flaw.as_ref()?)));
        flawed.filter(|(_, flaw)| !flaw.is_normal())
    }
}

/// Judges a directory; changes nothing in it.
///
/// # Errors
/// If a server holds it, or it cannot be read.
pub fn check_dir(dir: &Path, constants: &Constants) -> Result<Checked, DataDirError> {
    let disk = ReadDisk::open(dir)?;
    let fail = |error: DiskError| DataDirError::Io {
        path: dir.to_owned(),
        error: std::io::Error::other(error.to_string()),
    };
    check(&disk, constants).map_err(fail)
}

/// Judges a disk; changes nothing on it.
///
/// # Errors
/// If it does not list its files.
pub fn check<D: Disk>(disk: &D, constants: &Constants) -> Result<Checked, DiskError> {
    let layout = inspect::layout(disk)?;
    let files = inspect::files(disk, layout)?;
    // A check inside the state that fails ends a server; here it is what was looked for.
    let started = catch_unwind(AssertUnwindSafe(|| {
        let start = start(disk, layout, constants)?;
        start.state.assert_invariants();
        Ok(start)
    }));
    let start = started.unwrap_or_else(|why| Err(Refused::State(words_of(&*why))));
    Ok(Checked { layout, files, start })
}

fn start<D: Disk>(disk: &D, layout: Layout, constants: &Constants) -> Result<Start, Refused> {
    match layout {
        Layout::Lone => start_alone(disk, constants),
        Layout::Replicated => {
            let recovered = RaftLog::read(disk, &RaftLogOptions::default())?;
            let base = recovered.snapshot.as_ref().map(|snapshot| snapshot.index);
            let after = |index: &&u64| base.is_none_or(|base| **index > base);
            let entries = recovered.entries.keys().filter(after).count() as u64;
            Ok(Start { base, entries, state: replay(&recovered, constants)?.state })
        }
        Layout::Nobody => {
            let (name, why) = ("log".to_owned(), "a master's directory has one, or raft");
            Err(StoreError::Missing { name, why }.into())
        }
    }
}

fn start_alone<D: Disk>(disk: &D, constants: &Constants) -> Result<Start, Refused> {
    let (mut state, entries) = MasterLog::read(disk, &MasterLogOptions::of(constants))?;
    let base = Some(state.applied().0).filter(|index| *index > 0);
    let count = entries.len() as u64;
    for (index, entry) in entries {
        let _ = state.apply(index, &entry);
    }
    Ok(Start { base, entries: count, state })
}

fn words_of(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| why.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
