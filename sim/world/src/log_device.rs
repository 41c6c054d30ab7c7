//! The masters' operation log as an abstract device: entries in one order, one leader at a time,
//! and proposals of unknown outcome.
//!
//! With one master it stands for a local, fsynced log; with several for a replicated one. The
//! chooser is the adversary: it decides who leads, when a proposal commits, who learns of it when,
//! and whether the proposer ever hears.

use leasehold_proto::{LogEntry, LogIndex, NodeId};

/// The device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogDevice {
    entries: Vec<LogEntry>,
    leader: Option<NodeId>,
    /// Proposed once; may commit yet.
    limbo: Vec<LogEntry>,
}

impl LogDevice {
    /// Every committed entry; the first has index 1.
    #[must_use]
    pub fn entries(&self) -> &[LogEntry] {
        &self.entries
    }

    /// The committed entry of an index.
    #[must_use]
    pub fn entry(&self, index: LogIndex) -> Option<&LogEntry> {
        let place = index.0.checked_sub(1)?;
        self.entries.get(usize::try_from(place).ok()?)
    }

    /// The last committed index.
    #[must_use]
    pub fn last(&self) -> LogIndex {
        LogIndex(self.entries.len() as u64)
    }

    /// Who leads, as the device sees it.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// Proposals that may commit yet, although their outcome is unknown to their proposers.
    #[must_use]
    pub fn limbo(&self) -> &[LogEntry] {
        &self.limbo
    }

    /// Another master leads, or none.
    pub fn lead(&mut self, leader: Option<NodeId>) {
        self.leader = leader;
    }

    /// Commits an entry.
    pub fn commit(&mut self, entry: LogEntry) -> LogIndex {
        self.entries.push(entry);
        self.last()
    }

    /// A proposal's fate is open.
    pub fn forsake(&mut self, entry: LogEntry) {
        self.limbo.push(entry);
    }

    /// One whose fate was open commits after all.
    pub fn surface(&mut self, place: usize) {
        let entry = self.limbo.remove(place);
        self.entries.push(entry);
    }

    /// The log is gone, as when a master is started on an empty directory.
    pub fn lose(&mut self) {
        *self = LogDevice::default();
    }
}
