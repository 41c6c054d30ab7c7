//! The snapshots of a replicated log.

use super::record::Mark;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::sealed;
use crate::series::{Covers, Found, Series, Shape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) const SNAPSHOTS: Shape =
    Shape { folder: "snapshot", suffix: ".snap", kind: sealed::SNAPSHOT };

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

impl Covers for Snapshot {
    fn last_entry(&self) -> u64 {
        self.index
    }
}

/// The newest snapshot that reads well.
pub(super) fn newest<D: Disk>(
    disk: &D,
    snapshots: &Series,
) -> Result<Option<Snapshot>, StoreError> {
    match snapshots.newest(disk, |_| true)? {
        Found { newest: None, trouble: Some(corrupt) } => Err(corrupt),
        Found { newest, .. } => Ok(newest),
    }
}

/// The newest snapshot that the entries continue from.
pub(super) fn choose<D: Disk>(
    disk: &D,
    snapshots: &Series,
    purged: Option<&Mark>,
    entries: &BTreeMap<u64, Vec<u8>>,
) -> Result<Option<Snapshot>, StoreError> {
    let first_kept = purged.map_or(0, |mark| mark.index + 1);
    if entries.keys().next().is_some_and(|first| *first != first_kept) {
        let why = "entries before those in the log are not there";
        return Err(StoreError::Missing { name: super::LOG_FOLDER.to_owned(), why });
    }
    let fits = |snapshot: &Snapshot| snapshot.index + 1 >= first_kept;
    let Found { newest, trouble } = snapshots.newest(disk, fits)?;
    if newest.is_some() || first_kept == 0 {
        return Ok(newest);
    }
    let why = "the log before it was purged";
    let missing = StoreError::Missing { name: SNAPSHOTS.folder.to_owned(), why };
    Err(trouble.unwrap_or(missing))
}
