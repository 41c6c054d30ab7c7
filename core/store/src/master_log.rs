//! The master's disk: its operation log and the checkpoints that let it be cut.
//!
//! Two checkpoints are kept. The log reaches back to the older one, so that a newest checkpoint
//! that rotted costs time at the next start and nothing else.

use crate::disk::Disk;
use crate::error::{Service, StoreError, Trouble};
use crate::frame::Record;
use crate::journal::{self, Journal, Replay, Shape};
use crate::options::MasterLogOptions;
use crate::sealed;
use crate::series::{self, Covers, Found, Series};
use leasehold_proto::{IoFault, LogEntry, LogIndex, MasterState};
use serde::{Deserialize, Serialize};

pub(crate) const LOG_FOLDER: &str = "log";
pub(crate) const CHECKPOINTS: series::Shape =
    series::Shape { folder: "checkpoint", suffix: ".ckpt", kind: sealed::CHECKPOINT };

/// The newest valid checkpoint's state, and the entries after it.
pub type Replayed = (MasterState, Vec<(LogIndex, LogEntry)>);

/// What an opened log gives: itself, the newest valid checkpoint's state, the entries after it.
pub type Opened<D> = (MasterLog<D>, MasterState, Vec<(LogIndex, LogEntry)>);

/// How much was written since a log was opened: what a group commit saves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Entries appended.
    pub entries: u64,
    /// Syncs that made them, and all else, durable.
    pub syncs: u64,
}

/// A master's operation log with its checkpoints. An entry's index is its record's number.
pub struct MasterLog<D: Disk> {
    disk: D,
    journal: Journal<D>,
    checkpoints: Series,
    written: Written,
    service: Service,
}

impl<D: Disk> MasterLog<D> {
    /// Opens the log. Every entry that it gives is durable.
    pub fn open(disk: D, options: MasterLogOptions) -> Result<Opened<D>, StoreError> {
        refuse_replicated(&disk)?;
        let checkpoints = Series::open(&disk, &CHECKPOINTS)?;
        let mut after = After::begin(&disk, &checkpoints)?;
        let journal = Journal::open(&disk, shape(&options), &mut after)?;
        let (state, entries) = after.end(journal.next_lsn(), &options)?;
        let (written, service) = (Written::default(), Service::default());
        Ok((MasterLog { disk, journal, checkpoints, written, service }, state, entries))
    }

    /// What [`MasterLog::open`] would give, or why it would refuse; the disk stays as it is.
    ///
    /// # Errors
    /// As those of `open`.
    pub fn read(disk: &D, options: &MasterLogOptions) -> Result<Replayed, StoreError> {
        refuse_replicated(disk)?;
        let mut after = After::begin(disk, &Series::find(disk, &CHECKPOINTS)?)?;
        let next_lsn = journal::read(disk, &shape(options), &mut after)?;
        after.end(next_lsn, options)
    }

    /// How much was written so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written
    }

    /// Appends entries, durable together when this returns; gives the index of the first.
    ///
    /// After `NoSpace` nothing was changed; after `DiskFailed` the log is out of service, and
    /// whether the entries are durable shows when it is opened anew.
    pub fn append(&mut self, entries: &[LogEntry]) -> Result<LogIndex, IoFault> {
        self.service.check()?;
        let done = self.try_append(entries);
        self.service.after(done)
    }

    /// The index that the next entry gets.
    #[must_use]
    pub fn next_index(&self) -> LogIndex {
        LogIndex(self.journal.next_lsn())
    }

    /// Indices of the checkpoints on the disk, oldest first, and the log's generations: for
    /// whoever decides when to write another one.
    #[must_use]
    pub fn kept(&self) -> (&[u64], usize) {
        (self.checkpoints.indices(), self.journal.generations())
    }

    /// Makes a checkpoint of `state` durable, then drops the log that neither kept checkpoint
    /// needs. After `NoSpace` everything is as it was.
    pub fn checkpoint(&mut self, state: &MasterState) -> Result<(), IoFault> {
        assert!(state.applied() < self.next_index(), "a checkpoint is of what the log holds");
        self.service.check()?;
        let done = self.try_checkpoint(state);
        self.service.after(done)
    }

    fn try_append(&mut self, entries: &[LogEntry]) -> Result<LogIndex, Trouble> {
        let first = self.next_index();
        let bodies: Vec<Vec<u8>> = entries.iter().map(encode).collect();
        // Room for all of them first, so that none is written if the disk is full.
        let bytes = bodies.iter().map(|body| crate::frame::record_bytes(body.len(), 0)).sum();
        self.journal.make_room(&self.disk, bytes, || 0)?;
        for body in &bodies {
            self.journal.stage(body, &[]);
        }
        self.journal.write(&self.disk)?;
        self.journal.sync(&self.disk)?;
        self.written.entries += entries.len() as u64;
        self.written.syncs += 1;
        Ok(first)
    }

    fn try_checkpoint(&mut self, state: &MasterState) -> Result<(), Trouble> {
        if self.checkpoints.indices().last() == Some(&state.applied().0) {
            return Ok(());
        }
        self.checkpoints.save(&self.disk, state)?;
        // The log continues in a new file, so that the old ones can go. Without room it stays.
        match self.journal.rotate(&self.disk, 0, 0) {
            Err(Trouble::Full) | Ok(()) => {}
            Err(Trouble::Failed) => return Err(Trouble::Failed),
        }
        self.drop_old()
    }

    fn drop_old(&mut self) -> Result<(), Trouble> {
        self.checkpoints.drop_old(&self.disk)?;
        let Some(covered) = self.checkpoints.covered() else { return Ok(()) };
        while self.journal.oldest_is_covered(covered + 1) {
            self.journal.drop_oldest(&self.disk)?;
        }
        Ok(())
    }
}

impl Covers for MasterState {
    fn last_entry(&self) -> u64 {
        self.applied().0
    }
}

/// A checkpoint, and the entries after it.
struct After {
    state: Option<MasterState>,
    base: LogIndex,
    /// The first entry that the log still holds.
    first: Option<u64>,
    entries: Vec<(LogIndex, LogEntry)>,
}

impl After {
    fn begin<D: Disk>(disk: &D, checkpoints: &Series) -> Result<Self, StoreError> {
        let state = newest_valid(disk, checkpoints)?;
        let base = state.as_ref().map_or(LogIndex(0), |state| state.applied());
        Ok(After { state, base, first: None, entries: Vec::new() })
    }

    fn end(self, next_lsn: u64, options: &MasterLogOptions) -> Result<Replayed, StoreError> {
        let first = self.first.unwrap_or(next_lsn);
        if first > self.base.0 + 1 || next_lsn <= self.base.0 {
            let why = "the entries between the checkpoint and the log are not there";
            return Err(StoreError::Missing { name: LOG_FOLDER.to_owned(), why });
        }
        let mut state = self.state.unwrap_or_else(|| MasterState::new(options.sessions_max));
        state.set_rules(&options.rules);
        Ok((state, self.entries))
    }
}

fn shape(options: &MasterLogOptions) -> Shape {
    Shape { folder: LOG_FOLDER, bytes: options.log_bytes, block_bytes: 0 }
}

fn refuse_replicated<D: Disk>(disk: &D) -> Result<(), StoreError> {
    let replicated = "the disk holds the log of a master with peers";
    journal::refuse_beside(disk, crate::raft_log::LOG_FOLDER, LOG_FOLDER, replicated)
}

impl Replay for After {
    fn survey(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        self.first.get_or_insert(record.lsn);
        Ok(())
    }

    fn replay(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        if record.lsn > self.base.0 {
            self.entries.push((LogIndex(record.lsn), decode(record)?));
        }
        Ok(())
    }
}

pub(crate) fn encode(entry: &LogEntry) -> Vec<u8> {
    postcard::to_allocvec(entry).expect("plain data encodes")
}

pub(crate) fn decode(record: &Record<'_>) -> Result<LogEntry, StoreError> {
    postcard::from_bytes(record.body)
        .map_err(|_| StoreError::corrupt(LOG_FOLDER, 0, "an entry that does not decode"))
}

/// The newest checkpoint that reads well; none if there is none at all.
fn newest_valid<D: Disk>(
    disk: &D,
    checkpoints: &Series,
) -> Result<Option<MasterState>, StoreError> {
    match checkpoints.newest(disk, |_| true)? {
        Found { newest: None, trouble: Some(corrupt) } if checkpoints.covered().is_some() => {
            Err(corrupt)
        }
        // With a single checkpoint the log still begins at its first entry.
        Found { newest, .. } => Ok(newest),
    }
}
