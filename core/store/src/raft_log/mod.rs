//! A replicated master's disk: its part of the consensus log, its vote, and its snapshots.
//!
//! What an entry or a vote says is its owner's: they are bytes here. One journal holds entries,
//! cuts of a conflicting suffix, purges and votes in the order in which they were written, so that
//! a single sync makes a batch durable and a replay ends where the writer was. A generation is
//! dropped when a snapshot covers its entries and a later generation repeats the rest (`Base`).
//!
//! Two snapshots are kept, and the log reaches back to the older one, so that a newest snapshot
//! that rotted costs time at the next start and nothing else.

pub(crate) mod record;
mod replay;
pub(crate) mod snapshots;

pub use record::{Mark, RaftChange};
pub use snapshots::Snapshot;

pub use crate::master_log::Written;

use crate::disk::Disk;
use crate::error::{Service, StoreError, Trouble};
use crate::frame::record_bytes;
use crate::journal::{self, Journal, Shape};
use crate::options::RaftLogOptions;
use crate::series::Series;
use leasehold_proto::IoFault;
use record::Record;
use replay::Replayed;
use snapshots::{SNAPSHOTS, newest};
use std::collections::BTreeMap;

pub(crate) const LOG_FOLDER: &str = "raft";

/// What an opened log holds. All of it is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Which disk this is: given when the log was made, and never again. A disk that was wiped is
    /// another one, whatever its owner is called.
    pub birth: u64,
    /// The last vote.
    pub vote: Option<Vec<u8>>,
    /// Everything up to here was purged.
    pub purged: Option<Mark>,
    /// The entries after it, by index, without a gap.
    pub entries: BTreeMap<u64, Vec<u8>>,
    /// The newest snapshot that reads well; the entries continue from it.
    pub snapshot: Option<Snapshot>,
}

/// A replicated master's log on its disk.
pub struct RaftLog<D: Disk> {
    disk: D,
    journal: Journal<D>,
    snapshots: Series,
    birth: u64,
    vote: Option<Vec<u8>>,
    purged: Option<Mark>,
    /// In which record each entry stands.
    places: BTreeMap<u64, u64>,
    /// The record of the newest `Base`.
    base: u64,
    written: Written,
    service: Service,
}

impl<D: Disk> RaftLog<D> {
    /// Opens the log. `options.birth` names the disk if it holds no log yet.
    ///
    /// # Errors
    /// `Corrupt` if durable bytes are not what was written, wherever they stand: a bad record is
    /// cut off only if it is provably the torn tail of the last write. `Missing` if the entries
    /// after the snapshot are not there, or if the disk holds a lone master's log.
    pub fn open(disk: D, options: &RaftLogOptions) -> Result<(Self, Recovered), StoreError> {
        refuse_lone(&disk)?;
        let snapshots = Series::open(&disk, &SNAPSHOTS)?;
        let mut replayed = Replayed::default();
        let journal = Journal::open(&disk, shape(options), &mut replayed)?;
        let (recovered, places) = replayed.end(&disk, &snapshots, options)?;
        let mut log = RaftLog {
            disk,
            journal,
            snapshots,
            birth: recovered.birth,
            vote: recovered.vote.clone(),
            purged: recovered.purged.clone(),
            places,
            base: 0,
            written: Written::default(),
            service: Service::default(),
        };
        log.begin_generation();
        log.flush().map_err(unopened)?;
        Ok((log, recovered))
    }

    /// What [`RaftLog::open`] would give, or why it would refuse; the disk stays as it is.
    ///
    /// # Errors
    /// As those of `open`.
    pub fn read(disk: &D, options: &RaftLogOptions) -> Result<Recovered, StoreError> {
        refuse_lone(disk)?;
        let snapshots = Series::find(disk, &SNAPSHOTS)?;
        let mut replayed = Replayed::default();
        journal::read(disk, &shape(options), &mut replayed)?;
        replayed.end(disk, &snapshots, options).map(|(recovered, _)| recovered)
    }

    /// Carries out changes in their order, durable together when this returns.
    ///
    /// # Errors
    /// After `NoSpace` nothing was changed; after `DiskFailed` the log is out of service, and
    /// what became of the changes shows when it is opened anew.
    pub fn write(&mut self, changes: &[RaftChange]) -> Result<(), IoFault> {
        self.service.check()?;
        let done = self.try_write(changes);
        self.service.after(done)
    }

    /// Makes a snapshot durable; the oldest goes if there are more than two.
    ///
    /// # Errors
    /// As those of [`RaftLog::write`].
    pub fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), IoFault> {
        self.service.check()?;
        let saved = self.snapshots.save(&self.disk, snapshot);
        let done = saved.and_then(|()| self.snapshots.drop_old(&self.disk));
        self.service.after(done)
    }

    /// The newest snapshot that reads well.
    ///
    /// # Errors
    /// Those of the disk, and `Corrupt` if there are snapshots and none of them reads well.
    pub fn load_snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        newest(&self.disk, &self.snapshots)
    }

    /// How far the log may be purged: as far as the older of two snapshots reaches. None while
    /// there is only one: then the log stands in for it if it rots.
    #[must_use]
    pub fn purgeable(&self) -> Option<u64> {
        self.snapshots.covered()
    }

    /// How much was written so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.written
    }

    /// Generations of the journal on the disk.
    #[must_use]
    pub fn generations(&self) -> usize {
        self.journal.generations()
    }

    fn try_write(&mut self, changes: &[RaftChange]) -> Result<(), Trouble> {
        let records: Vec<Record> = changes.iter().map(Record::of).collect();
        let sizes = records.iter().map(|record| record_bytes(record.body.len(), record.payload()));
        // Room for all of them first, so that none is written if the disk is full.
        let bytes = sizes.sum();
        let (vote, purged) = (self.vote.as_deref(), self.purged.as_ref());
        let base = || Record::base(self.birth, vote, purged).room();
        if self.journal.make_room(&self.disk, bytes, base)? {
            self.begin_generation();
        }
        for (change, record) in changes.iter().zip(&records) {
            let payload: &[&[u8]] = if let Some(bytes) = record.bytes { &[bytes] } else { &[] };
            let place = self.journal.stage(&record.body, payload);
            self.note(change, place);
        }
        self.flush()?;
        self.drop_covered()
    }

    /// What a change makes of that which is remembered beside the disk.
    fn note(&mut self, change: &RaftChange, place: u64) {
        match change {
            RaftChange::Append { index, .. } => {
                let last = self.places.last_key_value().map(|(last, _)| *last);
                let last = last.or(self.purged.as_ref().map(|mark| mark.index));
                assert_eq!(last.map_or(*index, |last| last + 1), *index, "a log has no gap");
                self.places.insert(*index, place);
                self.written.entries += 1;
            }
            RaftChange::CutFrom { index } => {
                self.places.split_off(index);
            }
            RaftChange::Purge(mark) => {
                self.places = self.places.split_off(&(mark.index + 1));
                self.purged = Some(mark.clone());
            }
            RaftChange::Vote(vote) => self.vote = Some(vote.clone()),
        }
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        self.journal.write(&self.disk)?;
        self.written.syncs += 1;
        self.journal.sync(&self.disk)
    }

    /// Repeats in a new generation what the ones before it say beside entries.
    fn begin_generation(&mut self) {
        let body = self.base_record().body;
        self.base = self.journal.stage(&body, &[]);
    }

    fn base_record(&self) -> Record<'static> {
        Record::base(self.birth, self.vote.as_deref(), self.purged.as_ref())
    }

    fn drop_covered(&mut self) -> Result<(), Trouble> {
        let oldest = self.places.first_key_value().map_or(self.base, |(_, place)| *place);
        while self.journal.oldest_is_covered(oldest.min(self.base)) {
            self.journal.drop_oldest(&self.disk)?;
        }
        Ok(())
    }
}

fn shape(options: &RaftLogOptions) -> Shape {
    Shape { folder: LOG_FOLDER, bytes: options.log_bytes, block_bytes: 0 }
}

fn refuse_lone<D: Disk>(disk: &D) -> Result<(), StoreError> {
    let lone = "the disk holds the log of a master without peers";
    journal::refuse_beside(disk, crate::master_log::LOG_FOLDER, LOG_FOLDER, lone)
}

fn unopened(trouble: Trouble) -> StoreError {
    let (name, what) = (LOG_FOLDER.to_owned(), "the log's first record cannot be written");
    StoreError::Disk(match trouble {
        Trouble::Full => crate::DiskError::NoSpace { name },
        Trouble::Failed => crate::DiskError::Failed { name, what: what.to_owned() },
    })
}
