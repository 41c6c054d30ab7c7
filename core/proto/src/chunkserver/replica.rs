//! One replica as a handler works on it: what is durable of it, what is volatile, and the means.
//!
//! The view holds every borrow that one chunk needs, so a handler looks nothing up twice. Handlers
//! are written beside the concern that they serve, use only what is here and their own concern's
//! state, and return an outcome; the router (`mod.rs`) decides what follows from it.

use super::disk::Disk;
use super::learner::CopySteps;
use super::link::Link;
use super::live::Live;
use super::service::Service;
use super::source::CopyIds;
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, Incarnation};
use crate::io::ReplicaData;
use crate::lease::Leases;
use crate::refusal::Refusal;
use crate::replica::{ReplicaChange, ReplicaRecord};
use alloc::collections::BTreeSet;

/// One replica, and what working on it needs.
pub(super) struct Replica<'a> {
    pub chunk: ChunkHandle,
    /// As it is known to be durable; none if there is no replica here.
    pub record: Option<&'a ReplicaRecord>,
    pub live: &'a mut Live,
    pub leases: &'a mut Leases,
    pub disk: &'a mut Disk,
    pub service: &'a Service,
    pub link: &'a mut Link,
    pub copy_steps: &'a mut CopySteps,
    pub copy_ids: &'a mut CopyIds,
    /// Of this life of the server.
    pub incarnation: Incarnation,
    /// The chunks whose alarms the step sets at its end.
    pub touched: &'a mut BTreeSet<ChunkHandle>,
    pub cx: Cx<'a>,
}

/// What a handler leaves to be done with the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Then {
    /// Nothing that waits can start because of it.
    Nothing,
    /// What waits may start.
    Progress,
}

impl Replica<'_> {
    /// The chunk's alarm and its wish for a lease are looked at when the step ends.
    pub fn touch(&mut self) {
        self.touched.insert(self.chunk);
    }

    /// The highest version that this replica promised or is about to.
    pub fn fence(&self) -> ChunkVersion {
        self.live.fence.version(self.record)
    }

    /// Refuses what is not for this node as the chunk's primary; gives the chunk's size.
    pub fn check_primary(&self, version: ChunkVersion) -> Result<u64, Refusal> {
        if self.service.is_stopped() {
            return Err(Refusal::DiskFailed);
        }
        let promised = self.fence();
        let record = self.record.ok_or(Refusal::Stale { promised })?;
        match self.live.primary().filter(|primary| !primary.is_retired()) {
            Some(primary) if version > primary.version() => Err(Refusal::NotPrimary),
            Some(_) => Ok(record.spec.chunk_bytes),
            None if version < promised => Err(Refusal::Stale { promised }),
            None => Err(Refusal::NotPrimary),
        }
    }

    /// Starts an I/O that changes the replica, and takes its slot for it.
    pub fn write(&mut self, change: ReplicaChange) {
        self.write_bytes(change, ReplicaData::None);
    }

    /// The same for a change that has bytes.
    pub fn write_bytes(&mut self, change: ReplicaChange, data: ReplicaData) {
        self.touch();
        self.disk.write(&mut self.live.slot, change, data, &mut self.cx);
    }

    /// The disk has no room for a change.
    pub fn observe_full(&mut self) {
        if self.disk.on_full() {
            let (chunk, free_bytes) = (self.chunk, self.disk.room().free_bytes);
            self.cx.observe(Event::DiskFull { chunk, free_bytes });
        }
    }

    /// A block did not fit its checksum: the master takes the replica out, and it comes back as
    /// a learner.
    pub fn on_corrupt(&mut self) {
        self.touch();
        if self.live.health.note_corrupt() {
            self.cx.observe(Event::CorruptRead { chunk: self.chunk });
            self.link.note_change(self.chunk);
            self.link.heartbeat_due();
        }
    }
}
