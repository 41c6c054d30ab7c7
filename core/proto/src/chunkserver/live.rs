//! What is volatile about one replica, concern by concern.

use super::disk::Slot;
use super::fence::Fence;
use super::health::Health;
use super::learner::Learner;
use super::primary::Primary;
use super::queue::Queue;
use super::read::Reads;
use crate::message::{DeleteReason, ReplicaState};
use crate::replica::ReplicaRecord;
use alloc::boxed::Box;

/// What a replica is in its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Takes what the primary orders, if it is in a configuration at all.
    #[default]
    Member,
    /// Primary of a committed configuration; the lease is another matter.
    Primary(Box<Primary>),
    /// Being copied.
    Learner(Box<Learner>),
}

/// The volatile side of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Live {
    pub role: Role,
    pub fence: Fence,
    pub slot: Slot,
    pub reads: Reads,
    pub queue: Queue,
    pub health: Health,
    /// Why it is being deleted.
    pub deleting: Option<DeleteReason>,
}

impl Live {
    pub fn primary(&self) -> Option<&Primary> {
        match &self.role {
            Role::Primary(primary) => Some(primary),
            Role::Member | Role::Learner(_) => None,
        }
    }

    pub fn primary_mut(&mut self) -> Option<&mut Primary> {
        match &mut self.role {
            Role::Primary(primary) => Some(primary),
            Role::Member | Role::Learner(_) => None,
        }
    }

    pub fn learner_mut(&mut self) -> Option<&mut Learner> {
        match &mut self.role {
            Role::Learner(learner) => Some(learner),
            Role::Member | Role::Primary(_) => None,
        }
    }

    /// A change or a promise is under way.
    pub fn is_changing(&self) -> bool {
        self.slot.is_taken() || self.fence.is_promising()
    }

    /// An I/O or a promise is under way.
    pub fn is_busy(&self) -> bool {
        self.is_changing() || self.reads.any_in_flight()
    }

    /// Nothing here waits for anything.
    pub fn is_idle(&self) -> bool {
        !self.is_changing() && self.reads.is_idle() && matches!(self.role, Role::Member)
    }

    /// What is reported of the replica. Of promises the one that it acts by: below it everything is
    /// refused, also while it is not durable, or found no room.
    pub fn state(&self, record: &ReplicaRecord) -> ReplicaState {
        ReplicaState {
            promised: self.fence.version(Some(record)),
            applied_version: record.applied_version,
            sequence: record.image.sequence,
            committed: record.image.committed,
            length: record.image.length,
            stored_bytes: record.image.written.bytes(),
            learner: record.learner,
            corrupt: self.health.is_corrupt(),
        }
    }

    pub fn assert_invariants(&self, record: Option<&ReplicaRecord>) {
        let Some(record) = record else {
            return assert!(self.primary().is_none(), "no primary without a replica");
        };
        let image = &record.image;
        assert!(record.applied_version <= record.promised, "applied only what was promised");
        assert!(image.committed <= image.sequence, "committed is never above applied");
        if let Some(first) = self.queue.first() {
            assert!(self.slot.is_taken() || first > image.sequence, "queued means not applied");
        }
        if let Role::Primary(primary) = &self.role {
            primary.assert_invariants(record);
        }
    }
}
