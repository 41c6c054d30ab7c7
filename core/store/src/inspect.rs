//! What the files of a master's directory hold, one by one, without opening the log: for whoever
//! looks at a disk from outside. Nothing on it is changed, and a bad file hides no other.
//!
//! Whether a master would start on them all together is another question:
//! [`crate::MasterLog::read`] and [`crate::RaftLog::read`] answer it, by the code that opens them.

use crate::disk::{Disk, DiskError, Open};
use crate::error::StoreError;
use crate::frame::{self, GenerationHeader, Record};
use crate::journal;
use crate::master_log;
use crate::raft_log::{self, record::Body};
use crate::sealed::{self, join};
use crate::series::{self, Covers, Series};
use leasehold_proto::MasterState;

/// Whose disk it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A master's without peers.
    Lone,
    /// A master's with peers.
    Replicated,
    /// No master's.
    Nobody,
}

/// A file, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// `folder/file`.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// What it holds, as far as it reads well.
    pub holds: Holds,
    /// The first place where it does not.
    pub flaw: Option<Flaw>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A part of the log.
    Log(Span),
    /// The state after a log entry.
    State {
        /// Which entry, as the file's name says.
        index: u64,
    },
    /// Room for a next generation, or a file that was never finished: nothing that counts.
    Room,
    /// A file of nobody's here.
    Foreign,
}

/// A part of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Good records, from the first on.
    pub records: u64,
    /// Where they end: what follows is room, or the flaw.
    pub end: u64,
    /// Log entries among them.
    pub entries: u64,
    /// Indices of the first and the last of these.
    pub indices: Option<(u64, u64)>,
}

/// Why a file reads well only so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// A write was cut off here, and nobody was told that it was durable: normal after a crash.
    TornTail {
        /// Where the record begins that is not whole.
        at: u64,
    },
    /// What was durable once is not what was written.
    Corrupt {
        /// The first bad byte, or where the record begins in which it is.
        at: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// Another format version.
    Version {
        /// What it says.
        found: u32,
        /// What this program reads.
        expected: u32,
    },
    /// The disk does not give it.
    Unreadable {
        /// The disk's word.
        what: String,
    },
}

impl Flaw {
    /// Whether a crash alone explains it.
    #[must_use]
    pub fn is_normal(&self) -> bool {
        matches!(self, Flaw::TornTail { .. })
    }
}

impl From<StoreError> for Flaw {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt { offset: at, why, .. } => Flaw::Corrupt { at, why },
            StoreError::Version { found, expected, .. } => Flaw::Version { found, expected },
            StoreError::Disk(_) | StoreError::BlockBytes { .. } | StoreError::Missing { .. } => {
                Flaw::Unreadable { what: error.to_string() }
            }
        }
    }
}

/// Whose disk it is, by its folders. A lone master's log beside a replicated one is a lone
/// master's: neither would open.
///
/// # Errors
/// If the disk does not list them.
pub fn layout<D: Disk>(disk: &D) -> Result<Layout, DiskError> {
    let there = |folder| sealed::listed(disk, folder).map(|names| !names.is_empty());
    if there(master_log::LOG_FOLDER)? || there(master_log::CHECKPOINTS.folder)? {
        return Ok(Layout::Lone);
    }
    let replicated = there(raft_log::LOG_FOLDER)? || there(raft_log::snapshots::SNAPSHOTS.folder)?;
    Ok(if replicated { Layout::Replicated } else { Layout::Nobody })
}

/// Every file of a master's log and of its states.
///
/// # Errors
/// If the disk does not list them.
pub fn files<D: Disk>(disk: &D, layout: Layout) -> Result<Vec<FileReport>, DiskError> {
    let (folder, states) = match layout {
        Layout::Lone => {
            (master_log::LOG_FOLDER, states::<D, MasterState>(disk, &master_log::CHECKPOINTS)?)
        }
        Layout::Replicated => {
            let shape = &raft_log::snapshots::SNAPSHOTS;
            (raft_log::LOG_FOLDER, states::<D, raft_log::Snapshot>(disk, shape)?)
        }
        Layout::Nobody => return Ok(Vec::new()),
    };
    let mut reports = states;
    reports.extend(generations(disk, folder, layout)?);
    Ok(reports)
}

/// The files of a folder of states.
fn states<D: Disk, T: Covers>(
    disk: &D,
    shape: &'static series::Shape,
) -> Result<Vec<FileReport>, DiskError> {
    let report = |file_name: String| {
        let name = join(shape.folder, &file_name);
        let bytes = length(disk, &name);
        if file_name.ends_with(sealed::TEMPORARY) {
            return FileReport { name, bytes, holds: Holds::Room, flaw: None };
        }
        let (holds, flaw) = match Series::of(&[file_name], shape) {
            Ok(alone) => {
                let index = alone.indices()[0];
                let flaw = alone.load::<D, T>(disk, index).err().map(Flaw::from);
                (Holds::State { index }, flaw)
            }
            Err(error) => (Holds::Foreign, Some(error.into())),
        };
        FileReport { name, bytes, holds, flaw }
    };
    Ok(sealed::listed(disk, shape.folder)?.into_iter().map(report).collect())
}

/// The files of a log's folder.
fn generations<D: Disk>(
    disk: &D,
    folder: &str,
    layout: Layout,
) -> Result<Vec<FileReport>, DiskError> {
    let mut reports = Vec::new();
    let mut successor: Option<GenerationHeader> = None;
    // The newest first: each says where the one before it ends.
    for file_name in sealed::listed(disk, folder)?.into_iter().rev() {
        let name = join(folder, &file_name);
        let bytes = length(disk, &name);
        let (holds, flaw) = match journal::number_of(&name, &file_name) {
            None => (of_no_generation(&file_name), None),
            Some(Err(error)) => (Holds::Foreign, Some(error.into())),
            Some(Ok(number)) => {
                let header = journal::read_header(disk, &name, number);
                let next = successor.filter(|next| next.generation == number + 1);
                successor = header.as_ref().ok().copied();
                match header {
                    Ok(header) => generation(disk, &name, &header, next, layout),
                    Err(error) => (Holds::Log(Span::default()), Some(error.into())),
                }
            }
        };
        reports.push(FileReport { name, bytes, holds, flaw });
    }
    reports.reverse();
    Ok(reports)
}

fn of_no_generation(file_name: &str) -> Holds {
    if journal::is_room(file_name) { Holds::Room } else { Holds::Foreign }
}

fn generation<D: Disk>(
    disk: &D,
    name: &str,
    header: &GenerationHeader,
    next: Option<GenerationHeader>,
    layout: Layout,
) -> (Holds, Option<Flaw>) {
    let opened = disk.open(name, Open::Existing).map_err(StoreError::from);
    let bytes = match opened.and_then(|file| sealed::read_whole(disk, &file)) {
        Ok(bytes) => bytes,
        Err(error) => return (Holds::Log(Span::default()), Some(error.into())),
    };
    let scanned = frame::scan(name, &bytes, header, next.map(|next| next.previous_end));
    let mut span = Span { end: scanned.end, ..Span::default() };
    for record in &scanned.records {
        let Some(index) = entry_of(record, layout) else {
            let why = "a record that does not decode";
            return (Holds::Log(span), Some(Flaw::Corrupt { at: record.at, why }));
        };
        span.take_in(index);
    }
    let ends_early = || {
        let short = next.is_some_and(|next| header.first_lsn + span.records != next.first_lsn);
        let (at, why) = (scanned.end, "records are missing at the end");
        short.then_some(Flaw::Corrupt { at, why })
    };
    let torn = || {
        let torn = next.is_none() && frame::is_torn(&bytes, scanned.end, header.generation);
        torn.then_some(Flaw::TornTail { at: scanned.end })
    };
    let flaw = scanned.refused.map(Flaw::from).or_else(ends_early).or_else(torn);
    (Holds::Log(span), flaw)
}

impl Span {
    fn take_in(&mut self, entry: Option<u64>) {
        self.records += 1;
        let Some(index) = entry else { return };
        self.entries += 1;
        let (first, last) = self.indices.unwrap_or((index, index));
        self.indices = Some((first.min(index), last.max(index)));
    }
}

/// The index of the entry in a record, if it holds one; none if it does not decode.
fn entry_of(record: &Record<'_>, layout: Layout) -> Option<Option<u64>> {
    if layout == Layout::Lone {
        return master_log::decode(record).ok().map(|_| Some(record.lsn));
    }
    match raft_log::record::decode(record).ok()? {
        Body::Append { index } => Some(Some(index)),
        Body::Base { .. } | Body::CutFrom { .. } | Body::Purge(_) | Body::Vote(_) => Some(None),
    }
}

/// Zero for a file that does not open: its flaw says so.
fn length<D: Disk>(disk: &D, name: &str) -> u64 {
    disk.open(name, Open::Existing).and_then(|file| disk.len(&file)).unwrap_or(0)
}
