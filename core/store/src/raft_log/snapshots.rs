//! The snapshots of a replicated log: the newest two.

use super::record::Mark;
use crate::disk::Disk;
use crate::error::{StoreError, Trouble};
use crate::sealed::{self, join};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const FOLDER: &str = "snapshot";
const SUFFIX: &str = ".snap";
const KEPT: usize = 2;

/// The state after an entry, as its owner encodes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last entry that it covers.
    pub index: u64,
    /// Its name and the membership, as their owner encodes them.
    pub meta: Vec<u8>,
    /// The state.
    pub state: Vec<u8>,
}

/// Which snapshots are on the disk, oldest first.
pub(super) struct Snapshots {
    indices: Vec<u64>,
}

/// Those that read well, newest first, and what was wrong with the newest that does not.
pub(super) struct Found {
    valid: Vec<Snapshot>,
    trouble: Option<StoreError>,
}

impl Snapshots {
    pub fn open<D: Disk>(disk: &D) -> Result<(Self, Found), StoreError> {
        disk.create_dir(FOLDER)?;
        disk.sync_dir("")?;
        let mut indices = list(disk)?;
        indices.sort_unstable();
        let found = read_all(disk, &indices)?;
        Ok((Snapshots { indices }, found))
    }

    pub fn newest<D: Disk>(&self, disk: &D) -> Result<Option<Snapshot>, StoreError> {
        let Found { valid, trouble } = read_all(disk, &self.indices)?;
        match (valid.into_iter().next(), trouble) {
            (None, Some(corrupt)) => Err(corrupt),
            (newest, _) => Ok(newest),
        }
    }

    /// The newest snapshot that the entries go on from.
    pub fn choose(
        &self,
        found: Found,
        purged: Option<&Mark>,
        entries: &BTreeMap<u64, Vec<u8>>,
    ) -> Result<Option<Snapshot>, StoreError> {
        let first_kept = purged.map_or(0, |mark| mark.index + 1);
        if entries.keys().next().is_some_and(|first| *first != first_kept) {
            let why = "entries before those in the log are not there";
            return Err(StoreError::Missing { name: super::LOG_FOLDER.to_owned(), why });
        }
        let fits = |snapshot: &Snapshot| snapshot.index + 1 >= first_kept;
        match found.valid.into_iter().find(fits) {
            Some(snapshot) => Ok(Some(snapshot)),
            None if first_kept == 0 => Ok(None),
            None => {
                let why = "the log before it was purged";
                let missing = StoreError::Missing { name: FOLDER.to_owned(), why };
                Err(found.trouble.unwrap_or(missing))
            }
        }
    }

    /// The last entry that two snapshots cover.
    pub fn covered_twice(&self) -> Option<u64> {
        self.indices.len().checked_sub(KEPT).map(|older| self.indices[older])
    }

    pub fn save<D: Disk>(&mut self, disk: &D, snapshot: &Snapshot) -> Result<(), Trouble> {
        let body = postcard::to_allocvec(snapshot).expect("plain data encodes");
        sealed::replace(disk, &name_of(snapshot.index), sealed::SNAPSHOT, &body)
            .map_err(|error| Trouble::of_write(&error))?;
        self.sync(disk)?;
        if !self.indices.contains(&snapshot.index) {
            self.indices.push(snapshot.index);
            self.indices.sort_unstable();
        }
        self.drop_old(disk)
    }

    fn drop_old<D: Disk>(&mut self, disk: &D) -> Result<(), Trouble> {
        let dropped = self.indices.len().saturating_sub(KEPT);
        if dropped == 0 {
            return Ok(());
        }
        for index in self.indices.drain(..dropped) {
            disk.remove(&name_of(index)).map_err(|error| Trouble::of_write(&error))?;
        }
        self.sync(disk)
    }

    fn sync<D: Disk>(&self, disk: &D) -> Result<(), Trouble> {
        disk.sync_dir(FOLDER).map_err(|error| Trouble::of_sync(&error))
    }
}

fn name_of(index: u64) -> String {
    join(FOLDER, &format!("{index:016x}{SUFFIX}"))
}

fn list<D: Disk>(disk: &D) -> Result<Vec<u64>, StoreError> {
    let names = sealed::clean_folder(disk, FOLDER)?;
    let indices = names.iter().map(|name| {
        let number = name.strip_suffix(SUFFIX).and_then(|n| u64::from_str_radix(n, 16).ok());
        number.ok_or_else(|| {
            StoreError::corrupt(&join(FOLDER, name), 0, "not the name of a snapshot")
        })
    });
    indices.collect()
}

/// Newest first. One of another format version is not passed over: an older program must not go
/// on from an older state.
fn read_all<D: Disk>(disk: &D, indices: &[u64]) -> Result<Found, StoreError> {
    let mut found = Found { valid: Vec::new(), trouble: None };
    for &index in indices.iter().rev() {
        match load(disk, index) {
            Ok(snapshot) => found.valid.push(snapshot),
            Err(corrupt @ StoreError::Corrupt { .. }) => {
                found.trouble = found.trouble.or(Some(corrupt));
            }
            Err(other) => return Err(other),
        }
    }
    Ok(found)
}

fn load<D: Disk>(disk: &D, index: u64) -> Result<Snapshot, StoreError> {
    let name = name_of(index);
    let body = sealed::load(disk, &name, sealed::SNAPSHOT)?
        .ok_or_else(|| StoreError::corrupt(&name, 0, "listed but not there"))?;
    let snapshot: Snapshot = postcard::from_bytes(&body)
        .map_err(|_| StoreError::corrupt(&name, 32, "does not decode"))?;
    if snapshot.index != index {
        return Err(StoreError::corrupt(&name, 32, "another index than its name says"));
    }
    Ok(snapshot)
}
