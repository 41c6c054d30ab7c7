//! The raw bytes of chunks, one file for each life of a replica, with a bounded number held open.

use crate::disk::{Disk, DiskError, Open};
use crate::sealed::join;
use leasehold_proto::ChunkHandle;
use std::collections::BTreeMap;

pub(crate) const FOLDER: &str = "chunks";

/// A replica's data file: the journal record that began the replica's life names it, so that a
/// replica that was dropped and copied anew never meets its old bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DataFile {
    pub chunk: ChunkHandle,
    pub born: u64,
}

impl DataFile {
    pub fn file_name(self) -> String {
        format!("{:016x}-{:016x}.data", self.chunk.0, self.born)
    }

    pub fn name(self) -> String {
        join(FOLDER, &self.file_name())
    }
}

/// Data files held open, the least recently used closed first.
pub(crate) struct DataFiles<D: Disk> {
    open: BTreeMap<DataFile, (D::File, u64)>,
    open_max: usize,
    uses: u64,
}

impl<D: Disk> DataFiles<D> {
    pub fn new(open_max: usize) -> Self {
        DataFiles { open: BTreeMap::new(), open_max: open_max.max(1), uses: 0 }
    }

    pub fn file(&mut self, disk: &D, which: DataFile) -> Result<&D::File, DiskError> {
        self.uses += 1;
        if !self.open.contains_key(&which) {
            let file = disk.open(&which.name(), Open::Existing)?;
            self.keep(which, file);
        }
        let (file, used) = self.open.get_mut(&which).expect("it was put there");
        *used = self.uses;
        Ok(file)
    }

    /// Makes an empty file; its name is durable after `sync_dir`.
    pub fn create(&mut self, disk: &D, which: DataFile) -> Result<(), DiskError> {
        let file = disk.open(&which.name(), Open::Create)?;
        disk.set_len(&file, 0)?;
        self.keep(which, file);
        Ok(())
    }

    /// Removes a file. One that stays behind after an error is removed at the next open.
    pub fn remove(&mut self, disk: &D, which: DataFile) {
        self.open.remove(&which);
        let _ = disk.remove(&which.name());
    }

    pub fn sync(&mut self, disk: &D, which: DataFile) -> Result<(), DiskError> {
        let file = self.file(disk, which)?;
        disk.sync_data(file)
    }

    fn keep(&mut self, which: DataFile, file: D::File) {
        if self.open.len() >= self.open_max {
            let idle = self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(&which, _)| which);
            idle.map(|which| self.open.remove(&which));
        }
        self.open.insert(which, (file, self.uses));
    }
}
