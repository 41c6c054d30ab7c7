//! What the master orders about replicas that it does not want here.

use super::Chunkserver;
use super::live::Role;
use crate::event::Event;
use crate::ids::ChunkHandle;
use crate::machine::Effects;
use crate::message::DeleteReason;
use crate::replica::ReplicaChange;
use crate::time::Time;
use alloc::vec::Vec;

impl Chunkserver {
    /// A delete order names a version; a replica that promised a higher one may be part of a
    /// configuration that the order's sender does not know.
    pub(super) fn on_delete(
        &mut self,
        chunk: ChunkHandle,
        reason: DeleteReason,
        out: &mut Effects,
    ) {
        let (DeleteReason::Excluded(named) | DeleteReason::Freed(named)) = reason;
        let higher = self.fence(chunk) > named && self.rules().delete_names_version;
        if higher || !self.may_remove(chunk) {
            return;
        }
        self.withdraw(chunk, out);
        self.live(chunk).deleting = Some(reason);
        self.start_write(ReplicaChange::Delete { chunk }, out);
    }

    pub(super) fn on_quarantine(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        if self.may_remove(chunk) {
            self.withdraw(chunk, out);
            self.start_write(ReplicaChange::Quarantine { chunk }, out);
        }
    }

    /// Nothing is on its way here; otherwise the master's next order will find it so. A copy under
    /// way may go too: if it is still wanted it begins anew, and if it is not, nobody else ends it.
    fn may_remove(&self, chunk: ChunkHandle) -> bool {
        let busy = self.live.get(&chunk).is_some_and(|live| {
            live.writing || live.promising.is_some() || !live.reading.is_empty()
        });
        self.record(chunk).is_some() && !busy && !self.disk_failed
    }

    fn withdraw(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        self.end_lease(chunk, out);
        self.refuse_strong_reads(chunk, out);
        let live = self.live(chunk);
        live.role = Role::Member;
        live.queue.clear();
    }

    pub(super) fn on_deleted(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        self.quarantine_ends.remove(&chunk);
        // A replica made here later starts without this one's memory.
        out.observe(match self.live.remove(&chunk).and_then(|live| live.deleting) {
            Some(reason) => Event::ReplicaDeleted { chunk, reason },
            None => Event::QuarantineEnded { chunk },
        });
    }

    pub(super) fn on_quarantined(&mut self, now: Time, chunk: ChunkHandle, out: &mut Effects) {
        let retention = self.constants().quarantine_retention;
        self.live.remove(&chunk);
        self.quarantine_ends.insert(chunk, now + retention);
        out.observe(Event::ReplicaQuarantined { chunk });
    }

    /// Removes what was in quarantine for long enough.
    pub(super) fn settle_quarantine(&mut self, now: Time, out: &mut Effects) {
        let over: Vec<ChunkHandle> =
            self.quarantine_ends.iter().filter(|(_, at)| **at <= now).map(|(c, _)| *c).collect();
        for chunk in over {
            self.quarantine_ends.remove(&chunk);
            if !self.live.contains_key(&chunk) && !self.disk_failed {
                self.start_write(ReplicaChange::Delete { chunk }, out);
            }
        }
    }
}
