//! What is volatile about one replica.

use super::learner::Learner;
use super::primary::Primary;
use super::read::ReadJob;
use crate::ids::{ChunkVersion, Epoch, IoId, NodeId, Sequence};
use crate::message::DeleteReason;
use crate::payload::{Extent, Payload};
use crate::replica::{ChunkSpec, Mutation, ReplicaRecord};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

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

/// A Prepare on its way to its promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Promising {
    pub master: NodeId,
    pub epoch: Epoch,
    pub version: ChunkVersion,
    pub create: Option<ChunkSpec>,
    pub answered: bool,
}

/// A mutation in memory that is not yet on its way to the disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Queued {
    pub version: ChunkVersion,
    pub mutation: Mutation,
    pub payload: Payload,
}

/// The volatile side of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Live {
    pub role: Role,
    /// The highest version promised or about to be.
    pub fence: ChunkVersion,
    /// The Prepare to answer when the promise is durable.
    pub promising: Option<Promising>,
    /// An I/O that changes this replica is in flight; there is never more than one.
    pub writing: bool,
    /// The bytes that the one in flight changes.
    pub writing_extents: Vec<Extent>,
    /// Reads in flight, with the blocks that they touch.
    pub reading: BTreeMap<IoId, Vec<Extent>>,
    /// Reads that wait for their turn.
    pub reads: Vec<ReadJob>,
    /// Mutations in memory, by sequence.
    pub queue: BTreeMap<Sequence, Queued>,
    /// Known to be on every member.
    pub committed: Sequence,
    /// The primary whose mutations these are, to be told when they are durable.
    pub pushed_by: Option<NodeId>,
    /// Met a checksum error in this life.
    pub corrupt: bool,
    /// A `page-cache` replica after a restart: what it lacks, nobody knows.
    pub incomplete: bool,
    /// Why it is being deleted.
    pub deleting: Option<DeleteReason>,
    /// The disk was full when this replica last wrote.
    pub full: bool,
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

    /// Nothing here waits for anything.
    pub fn is_idle(&self) -> bool {
        self.promising.is_none()
            && !self.writing
            && self.reading.is_empty()
            && self.reads.is_empty()
            && matches!(self.role, Role::Member)
    }

    /// The last sequence in memory without a gap after what is applied.
    pub fn received(&self, applied: Sequence) -> Sequence {
        let mut last = applied;
        for &sequence in self.queue.keys() {
            if sequence == last.next() {
                last = sequence;
            }
        }
        last
    }

    pub fn assert_invariants(&self, record: &ReplicaRecord) {
        if let Some(first) = self.queue.keys().next() {
            assert!(self.writing || *first > record.image.sequence, "queued means not applied");
        }
        if let Role::Primary(primary) = &self.role {
            primary.assert_invariants(record);
        }
    }
}
