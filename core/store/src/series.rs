//! A folder of files that each hold a whole state, named by the last log entry that it covers: the
//! newest two are kept, so that one may rot.

use crate::disk::Disk;
use crate::error::{StoreError, Trouble};
use crate::sealed::{self, join};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// States that are kept.
const KEPT: usize = 2;

/// Where a series is, and what its files are.
#[derive(Debug)]
pub(crate) struct Shape {
    pub folder: &'static str,
    pub suffix: &'static str,
    pub kind: sealed::FileKind,
}

/// A state that knows what it covers.
pub(crate) trait Covers: Serialize + DeserializeOwned {
    /// The last log entry in it.
    fn last_entry(&self) -> u64;
}

/// Which states are on the disk.
pub(crate) struct Series {
    shape: &'static Shape,
    /// Oldest first.
    indices: Vec<u64>,
}

/// A state that was looked for.
pub(crate) struct Found<T> {
    /// The newest that reads well and fits.
    pub newest: Option<T>,
    /// What is wrong with the newest that does not read well, if one was met before.
    pub trouble: Option<StoreError>,
}

impl Series {
    pub fn open<D: Disk>(disk: &D, shape: &'static Shape) -> Result<Self, StoreError> {
        disk.create_dir(shape.folder)?;
        disk.sync_dir("")?;
        Series::of(&sealed::clean_folder(disk, shape.folder)?, shape)
    }

    /// The same without a change of the disk: unfinished files stay, and are passed over.
    pub fn find<D: Disk>(disk: &D, shape: &'static Shape) -> Result<Self, StoreError> {
        let mut names = sealed::listed(disk, shape.folder)?;
        names.retain(|name| !name.ends_with(sealed::TEMPORARY));
        Series::of(&names, shape)
    }

    /// The states of these names.
    pub fn of(names: &[String], shape: &'static Shape) -> Result<Self, StoreError> {
        let index = |name: &String| {
            let number = name.strip_suffix(shape.suffix);
            let index = number.and_then(|number| u64::from_str_radix(number, 16).ok());
            let name = join(shape.folder, name);
            index.ok_or_else(|| StoreError::corrupt(&name, 0, "not the name of a state"))
        };
        let mut indices = names.iter().map(index).collect::<Result<Vec<u64>, _>>()?;
        indices.sort_unstable();
        Ok(Series { shape, indices })
    }

    /// What each state covers, oldest first.
    pub fn indices(&self) -> &[u64] {
        &self.indices
    }

    /// The last entry that as many states cover as are kept. The log reaches back to it, so that a
    /// newest state that rotted costs time at the next start and nothing else.
    pub fn covered(&self) -> Option<u64> {
        self.indices.len().checked_sub(KEPT).map(|older| self.indices[older])
    }

    /// The newest state that reads well and fits. One of another format version is not passed
    /// over: an older program must not continue from an older state.
    pub fn newest<D: Disk, T: Covers>(
        &self,
        disk: &D,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Found<T>, StoreError> {
        let mut trouble = None;
        for &index in self.indices.iter().rev() {
            match self.load(disk, index) {
                Ok(state) if fits(&state) => return Ok(Found { newest: Some(state), trouble }),
                Ok(_) => {}
                Err(corrupt @ StoreError::Corrupt { .. }) => trouble = trouble.or(Some(corrupt)),
                Err(other) => return Err(other),
            }
        }
        Ok(Found { newest: None, trouble })
    }

    /// Makes a state durable. After `Full` everything is as it was.
    pub fn save<D: Disk, T: Covers>(&mut self, disk: &D, state: &T) -> Result<(), Trouble> {
        let (index, body) = (state.last_entry(), postcard::to_allocvec(state));
        let body = body.expect("plain data encodes");
        sealed::replace(disk, &self.name_of(index), self.shape.kind, &body)
            .map_err(|error| Trouble::of_write(&error))?;
        self.sync(disk)?;
        if let Err(place) = self.indices.binary_search(&index) {
            self.indices.insert(place, index);
        }
        Ok(())
    }

    /// Drops all but the newest two, durably.
    pub fn drop_old<D: Disk>(&mut self, disk: &D) -> Result<(), Trouble> {
        let dropped = self.indices.len().saturating_sub(KEPT);
        if dropped == 0 {
            return Ok(());
        }
        for index in self.indices.drain(..dropped).collect::<Vec<_>>() {
            disk.remove(&self.name_of(index)).map_err(|error| Trouble::of_write(&error))?;
        }
        self.sync(disk)
    }

    fn sync<D: Disk>(&self, disk: &D) -> Result<(), Trouble> {
        disk.sync_dir(self.shape.folder).map_err(|error| Trouble::of_sync(&error))
    }

    fn name_of(&self, index: u64) -> String {
        join(self.shape.folder, &format!("{index:016x}{}", self.shape.suffix))
    }

    /// One state.
    pub fn load<D: Disk, T: Covers>(&self, disk: &D, index: u64) -> Result<T, StoreError> {
        let name = self.name_of(index);
        let body = sealed::load(disk, &name, self.shape.kind)?
            .ok_or_else(|| StoreError::corrupt(&name, 0, "listed but not there"))?;
        let state: T = postcard::from_bytes(&body)
            .map_err(|_| StoreError::corrupt(&name, 32, "does not decode"))?;
        if state.last_entry() != index {
            return Err(StoreError::corrupt(&name, 32, "another index than its name says"));
        }
        Ok(state)
    }
}
