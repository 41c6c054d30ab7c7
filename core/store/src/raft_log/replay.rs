//! What the records of a replicated log amount to.

use super::record::{Body, Mark, decode};
use super::snapshots::choose;
use super::{LOG_FOLDER, Recovered};
use crate::disk::Disk;
use crate::error::StoreError;
use crate::frame::Record;
use crate::journal::Replay;
use crate::options::RaftLogOptions;
use crate::series::Series;
use std::collections::BTreeMap;

/// Takes records in their order. Dropped generations are those whose entries were purged, so the
/// first record may be in the middle of what the log was once.
#[derive(Default)]
pub(super) struct Replayed {
    pub birth: Option<u64>,
    pub vote: Option<Vec<u8>>,
    pub purged: Option<Mark>,
    pub entries: BTreeMap<u64, Vec<u8>>,
    /// In which record each of them stands.
    pub places: BTreeMap<u64, u64>,
}

impl Replay for Replayed {
    fn survey(&mut self, _: &Record<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    fn replay(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        match decode(record)? {
            Body::Base { birth, vote, purged } => self.base(birth, vote, purged)?,
            Body::Append { index } => self.append(index, record)?,
            Body::CutFrom { index } => {
                self.entries.split_off(&index);
                self.places.split_off(&index);
            }
            Body::Purge(mark) => self.purge(mark),
            Body::Vote(vote) => self.vote = Some(vote),
        }
        Ok(())
    }
}

impl Replayed {
    /// After the last record: what the log amounts to, and where its entries stand.
    pub fn end<D: Disk>(
        self,
        disk: &D,
        snapshots: &Series,
        options: &RaftLogOptions,
    ) -> Result<(Recovered, BTreeMap<u64, u64>), StoreError> {
        let Replayed { birth, vote, purged, entries, places } = self;
        let snapshot = choose(disk, snapshots, purged.as_ref(), &entries)?;
        let birth = match birth {
            Some(birth) => birth,
            None if snapshot.is_none() => options.birth,
            None => {
                let why = "there is a snapshot";
                return Err(StoreError::Missing { name: LOG_FOLDER.to_owned(), why });
            }
        };
        Ok((Recovered { birth, vote, purged, entries, snapshot }, places))
    }

    fn base(
        &mut self,
        birth: u64,
        vote: Option<Vec<u8>>,
        purged: Option<Mark>,
    ) -> Result<(), StoreError> {
        if self.birth.is_some_and(|known| known != birth) {
            return Err(StoreError::corrupt(LOG_FOLDER, 0, "records of two disks"));
        }
        self.birth = Some(birth);
        self.vote = vote;
        if let Some(mark) = purged {
            self.purge(mark);
        }
        Ok(())
    }

    fn append(&mut self, index: u64, record: &Record<'_>) -> Result<(), StoreError> {
        let last = self.entries.last_key_value().map(|(last, _)| *last);
        // With none before it, those were in a generation that was dropped: then a purge follows.
        if last.is_some_and(|last| last + 1 != index) {
            return Err(StoreError::corrupt(LOG_FOLDER, 0, "an entry that follows no other"));
        }
        self.entries.insert(index, record.payload.to_vec());
        self.places.insert(index, record.lsn);
        Ok(())
    }

    fn purge(&mut self, mark: Mark) {
        self.entries = self.entries.split_off(&(mark.index + 1));
        self.places = self.places.split_off(&(mark.index + 1));
        self.purged = Some(mark);
    }
}
