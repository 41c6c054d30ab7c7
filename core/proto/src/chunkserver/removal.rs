//! What the master orders about replicas that it does not want here.

use super::live::Role;
use super::replica::Replica;
use crate::event::Event;
use crate::ids::ChunkHandle;
use crate::message::DeleteReason;
use crate::time::{Deadline, Time};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// When quarantined replicas are to go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Quarantine {
    ends: BTreeMap<ChunkHandle, Time>,
}

impl Quarantine {
    /// What an earlier life set aside is kept for as long as what this life does.
    pub fn new(chunks: impl Iterator<Item = ChunkHandle>, retention: Duration, now: Time) -> Self {
        Quarantine { ends: chunks.map(|chunk| (chunk, now + retention)).collect() }
    }

    pub fn insert(&mut self, chunk: ChunkHandle, end: Time) {
        self.ends.insert(chunk, end);
    }

    /// What is in quarantine stays for as long as what comes into it now.
    pub fn on_retention_changed(&mut self, before: Duration, retention: Duration) {
        for end in self.ends.values_mut() {
            *end = (*end - before) + retention;
        }
    }

    pub fn remove(&mut self, chunk: ChunkHandle) {
        self.ends.remove(&chunk);
    }

    /// Takes those that were in quarantine for long enough.
    pub fn take_over(&mut self, now: Time) -> Vec<ChunkHandle> {
        let over = self.ends.iter().filter(|(_, end)| **end <= now).map(|(c, _)| *c).collect();
        for chunk in &over {
            self.ends.remove(chunk);
        }
        over
    }

    pub fn deadline(&self) -> Option<Deadline> {
        let at = *self.ends.values().min()?;
        Some(Deadline { at, why: "a quarantined replica goes" })
    }
}

impl Replica<'_> {
    /// May the replica be deleted for this reason? A delete order names a version; a replica that
    /// promised a higher one may be part of a configuration that the order's sender does not know.
    pub fn may_delete(&self, reason: DeleteReason) -> bool {
        let (DeleteReason::Excluded(named) | DeleteReason::Freed(named)) = reason;
        let higher = self.fence() > named && self.cx.rules().delete_names_version;
        !higher && self.may_remove()
    }

    /// Nothing is on its way here; otherwise the master's next order will find it so. A copy under
    /// way may go too: if it is still wanted it begins anew, and if it is not, only this ends it.
    pub fn may_remove(&self) -> bool {
        self.record.is_some() && !self.live.is_busy() && !self.service.is_stopped()
    }

    /// Nothing is served and nothing is waited for any more.
    pub fn give_up_role(&mut self) {
        self.touch();
        self.live.role = Role::Member;
        self.live.queue.clear();
    }

    /// It is off the disk.
    pub fn observe_deleted(&mut self) {
        let chunk = self.chunk;
        self.cx.observe(match self.live.deleting {
            Some(reason) => Event::ReplicaDeleted { chunk, reason },
            None => Event::QuarantineEnded { chunk },
        });
    }
}
