//! What is wrong with a replica in this life of the server, as far as it is known.

use crate::replica::SyncPolicy;

/// Volatile: a restart begins with what [`Health::recovered`] assumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Health {
    /// A block did not fit its checksum.
    corrupt: bool,
    /// After a restart it may lack what the operating system had not written.
    incomplete: bool,
    /// The disk had no room when it last wrote.
    full: bool,
}

impl Health {
    /// Of a replica that an earlier life left: what the operating system had not written yet is gone, and
    /// what that was is unknown.
    pub fn recovered(sync: SyncPolicy) -> Self {
        Health { incomplete: sync == SyncPolicy::PageCache, ..Health::default() }
    }

    pub fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    pub fn is_full(&self) -> bool {
        self.full
    }

    /// A block did not fit its checksum. Is that new?
    pub fn note_corrupt(&mut self) -> bool {
        !core::mem::replace(&mut self.corrupt, true)
    }

    /// The disk had no room for a write.
    pub fn note_full(&mut self) {
        self.full = true;
    }

    /// The disk may have got room meanwhile.
    pub fn try_room_again(&mut self) {
        self.full = false;
    }

    /// What is here is what the chunk is from here on, whatever a restart may have cost it: the master
    /// found no better copy for a primary.
    pub fn is_the_state(&mut self) {
        self.incomplete = false;
    }

    /// What was here was dropped, and an empty copy takes its place.
    pub fn begin_copy(&mut self) {
        (self.corrupt, self.incomplete) = (false, false);
    }
}
