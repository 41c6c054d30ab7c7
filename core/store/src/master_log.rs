//! The master's disk: its operation log and the checkpoints that let it be cut.

use crate::disk::Disk;
use crate::error::StoreError;
use crate::options::MasterLogOptions;
use leasehold_proto::{IoFault, LogEntry, LogIndex, MasterState};

/// A master's operation log with its checkpoints.
pub struct MasterLog<D: Disk> {
    disk: D,
}

impl<D: Disk> MasterLog<D> {
    /// Opens the log: itself, the newest valid checkpoint's state, and the entries after it.
    #[allow(clippy::type_complexity)]
    pub fn open(
        disk: D,
        options: MasterLogOptions,
    ) -> Result<(Self, MasterState, Vec<(LogIndex, LogEntry)>), StoreError> {
        Ok((MasterLog { disk }, MasterState::new(options.sessions_max), Vec::new()))
    }

    /// Appends entries, durable together when this returns; the index of the first.
    pub fn append(&mut self, entries: &[LogEntry]) -> Result<LogIndex, IoFault> {
        let _ = (&self.disk, entries);
        todo!()
    }

    /// Makes a checkpoint of `state` durable, then drops what no kept checkpoint needs.
    pub fn checkpoint(&mut self, state: &MasterState) -> Result<(), IoFault> {
        let _ = state;
        todo!()
    }
}
