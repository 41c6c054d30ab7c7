//! The master's disk: its operation log and the checkpoints that let it be cut.
//!
//! Two checkpoints are kept. The log reaches back to the older one, so that a newest checkpoint
//! that rotted costs time at the next start and nothing else.

use crate::disk::Disk;
use crate::error::{Service, StoreError, Trouble};
use crate::frame::Record;
use crate::journal::{self, Journal, Replay, Shape};
use crate::options::MasterLogOptions;
use crate::sealed::{self, join};
use leasehold_proto::{IoFault, LogEntry, LogIndex, MasterState};

pub(crate) const LOG_FOLDER: &str = "log";
const CHECKPOINT_FOLDER: &str = "checkpoint";
const SUFFIX: &str = ".ckpt";
const CHECKPOINTS_KEPT: usize = 2;

/// What an opened log gives: itself, the newest valid checkpoint's state, the entries after it.
pub type Opened<D> = (MasterLog<D>, MasterState, Vec<(LogIndex, LogEntry)>);

/// A master's operation log with its checkpoints. An entry's index is its record's number.
pub struct MasterLog<D: Disk> {
    disk: D,
    journal: Journal<D>,
    /// Indices of the checkpoints on the disk, oldest first.
    checkpoints: Vec<LogIndex>,
    service: Service,
}

impl<D: Disk> MasterLog<D> {
    /// Opens the log. Every entry that it gives is durable.
    pub fn open(disk: D, options: MasterLogOptions) -> Result<Opened<D>, StoreError> {
        let replicated = "the disk holds the log of a master with peers";
        journal::refuse_beside(&disk, crate::raft_log::LOG_FOLDER, LOG_FOLDER, replicated)?;
        disk.create_dir(CHECKPOINT_FOLDER)?;
        disk.sync_dir(CHECKPOINT_FOLDER)?;
        let checkpoints = list_checkpoints(&disk)?;
        let state = newest_valid(&disk, &checkpoints)?;
        let base = state.as_ref().map_or(LogIndex(0), |state| state.applied);
        let mut after = After { base, first: None, entries: Vec::new() };
        let shape = Shape { folder: LOG_FOLDER, bytes: options.log_bytes, block_bytes: 0 };
        let journal = Journal::open(&disk, shape, &mut after)?;
        let After { first, entries, .. } = after;
        let first = first.unwrap_or(journal.next_lsn());
        if first > base.0 + 1 || journal.next_lsn() <= base.0 {
            let why = "the entries between the checkpoint and the log are not there";
            return Err(StoreError::Missing { name: LOG_FOLDER.to_owned(), why });
        }
        let mut state = state.unwrap_or_else(|| MasterState::new(options.sessions_max));
        state.change_table = options.change_table;
        Ok((MasterLog { disk, journal, checkpoints, service: Service::default() }, state, entries))
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
    pub fn kept(&self) -> (&[LogIndex], usize) {
        (&self.checkpoints, self.journal.generations())
    }

    /// Makes a checkpoint of `state` durable, then drops the log that neither kept checkpoint
    /// needs. After `NoSpace` everything is as it was.
    pub fn checkpoint(&mut self, state: &MasterState) -> Result<(), IoFault> {
        assert!(state.applied < self.next_index(), "a checkpoint is of what the log holds");
        self.service.check()?;
        let done = self.try_checkpoint(state);
        self.service.after(done)
    }

    fn try_append(&mut self, entries: &[LogEntry]) -> Result<LogIndex, Trouble> {
        let first = self.next_index();
        let bodies: Vec<Vec<u8>> = entries.iter().map(encode).collect();
        // Room for all of them first, so that none is written if the disk is full.
        let bytes = bodies.iter().map(|body| crate::frame::record_bytes(body.len(), 0)).sum();
        self.journal.make_room(&self.disk, bytes, 0)?;
        for body in &bodies {
            self.journal.stage(body, &[]);
        }
        self.journal.write(&self.disk)?;
        self.journal.sync(&self.disk)?;
        Ok(first)
    }

    fn try_checkpoint(&mut self, state: &MasterState) -> Result<(), Trouble> {
        if self.checkpoints.last() == Some(&state.applied) {
            return Ok(());
        }
        let body = postcard::to_allocvec(state).expect("plain data encodes");
        sealed::replace(&self.disk, &name_of(state.applied), sealed::CHECKPOINT, &body)
            .map_err(|error| Trouble::of_write(&error))?;
        self.sync_checkpoints()?;
        self.checkpoints.push(state.applied);
        self.checkpoints.sort_unstable();
        // The log goes on in a new file, so that the old ones can go. Without room it stays.
        match self.journal.rotate(&self.disk, 0, 0) {
            Err(Trouble::Full) | Ok(()) => {}
            Err(Trouble::Failed) => return Err(Trouble::Failed),
        }
        self.drop_old()
    }

    fn drop_old(&mut self) -> Result<(), Trouble> {
        if self.checkpoints.len() < CHECKPOINTS_KEPT {
            return Ok(());
        }
        let dropped = self.checkpoints.len() - CHECKPOINTS_KEPT;
        for index in self.checkpoints.drain(..dropped) {
            self.disk.remove(&name_of(index)).map_err(|error| Trouble::of_write(&error))?;
        }
        self.sync_checkpoints()?;
        let needed = self.checkpoints[0].0 + 1;
        while self.journal.oldest_is_covered(needed) {
            self.journal.drop_oldest(&self.disk)?;
        }
        Ok(())
    }

    fn sync_checkpoints(&self) -> Result<(), Trouble> {
        self.disk.sync_dir(CHECKPOINT_FOLDER).map_err(|error| Trouble::of_sync(&error))
    }
}

/// The entries after a checkpoint.
struct After {
    base: LogIndex,
    /// The first entry that the log still holds.
    first: Option<u64>,
    entries: Vec<(LogIndex, LogEntry)>,
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

fn decode(record: &Record<'_>) -> Result<LogEntry, StoreError> {
    postcard::from_bytes(record.body)
        .map_err(|_| StoreError::corrupt(LOG_FOLDER, 0, "an entry that does not decode"))
}

fn name_of(index: LogIndex) -> String {
    join(CHECKPOINT_FOLDER, &format!("{:016x}{SUFFIX}", index.0))
}

fn list_checkpoints<D: Disk>(disk: &D) -> Result<Vec<LogIndex>, StoreError> {
    let names = sealed::clean_folder(disk, CHECKPOINT_FOLDER)?;
    let indices = names.iter().map(|name| {
        let number = name.strip_suffix(SUFFIX).and_then(|n| u64::from_str_radix(n, 16).ok());
        number.map(LogIndex).ok_or_else(|| {
            let name = join(CHECKPOINT_FOLDER, name);
            StoreError::corrupt(&name, 0, "not the name of a checkpoint")
        })
    });
    indices.collect()
}

/// The newest checkpoint that reads well; none if there is none at all. One of another format
/// version is not passed over: an older program must not go on from an older state.
fn newest_valid<D: Disk>(
    disk: &D,
    checkpoints: &[LogIndex],
) -> Result<Option<MasterState>, StoreError> {
    let mut trouble = None;
    for &index in checkpoints.iter().rev() {
        match load(disk, index) {
            Ok(state) => return Ok(Some(state)),
            Err(corrupt @ StoreError::Corrupt { .. }) => trouble = trouble.or(Some(corrupt)),
            Err(other) => return Err(other),
        }
    }
    // With a single checkpoint the log still begins at its first entry.
    match trouble {
        Some(corrupt) if checkpoints.len() >= CHECKPOINTS_KEPT => Err(corrupt),
        Some(_) | None => Ok(None),
    }
}

fn load<D: Disk>(disk: &D, index: LogIndex) -> Result<MasterState, StoreError> {
    let name = name_of(index);
    let body = sealed::load(disk, &name, sealed::CHECKPOINT)?
        .ok_or_else(|| StoreError::corrupt(&name, 0, "listed but not there"))?;
    let state: MasterState = postcard::from_bytes(&body)
        .map_err(|_| StoreError::corrupt(&name, 32, "does not decode"))?;
    if state.applied != index {
        return Err(StoreError::corrupt(&name, 32, "another index than its name says"));
    }
    Ok(state)
}
