//! The I/O in flight, and which may run together.
//!
//! One change of a replica is in flight at a time; it takes the replica's [`Slot`]. What arrives
//! meanwhile gathers (`queue`), and a read and a change that touch the same checksum block wait
//! for each other (`read`).

use super::read::ReadJob;
use crate::config::Constants;
use crate::cx::Cx;
use crate::ids::{ChunkHandle, IoId};
use crate::io::{IoOp, ReplicaData};
use crate::machine::Effect;
use crate::payload::Extent;
use crate::replica::ReplicaChange;
use crate::room::Room;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// An I/O in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pending {
    /// It changes a replica.
    Change(ReplicaChange, ReplicaData),
    /// It is a read, and has a reader.
    Read(ChunkHandle, ReadJob),
}

/// The place for the one change of a replica that may be in flight.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    taken: Option<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Change {
    io: IoId,
    /// The bytes that it changes.
    extents: Vec<Extent>,
}

impl Slot {
    pub fn is_taken(&self) -> bool {
        self.taken.is_some()
    }

    /// The bytes that the change in flight changes.
    pub fn extents(&self) -> &[Extent] {
        self.taken.as_ref().map_or(&[], |change| &change.extents)
    }

    /// The change ended.
    pub fn free(&mut self) {
        self.taken = None;
    }
}

/// The disk as this node uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    pending: BTreeMap<IoId, Pending>,
    last: IoId,
    /// As it was last measured.
    room: Room,
    /// What was free when a change last found no room; none once there is more.
    full_at: Option<u64>,
}

impl Disk {
    pub fn new(room: Room) -> Self {
        let (pending, last) = (BTreeMap::new(), IoId::default());
        Disk { pending, last, room, full_at: None }
    }

    /// Starts a change of a replica.
    pub fn write(
        &mut self,
        slot: &mut Slot,
        change: ReplicaChange,
        data: ReplicaData,
        cx: &mut Cx<'_>,
    ) {
        assert!(!slot.is_taken(), "one change of a replica at a time");
        let extents = changed_by(&change, &data);
        let op = IoOp::Replica(change.clone(), data.clone());
        let io = self.start(Pending::Change(change, data), op, cx);
        slot.taken = Some(Change { io, extents });
    }

    /// Starts a read.
    pub fn read(
        &mut self,
        chunk: ChunkHandle,
        pieces: Vec<Extent>,
        job: ReadJob,
        cx: &mut Cx<'_>,
    ) -> IoId {
        self.start(Pending::Read(chunk, job), IoOp::Read { chunk, pieces }, cx)
    }

    fn start(&mut self, pending: Pending, op: IoOp, cx: &mut Cx<'_>) -> IoId {
        self.last = self.last.next();
        self.pending.insert(self.last, pending);
        cx.out.push(Effect::Io { io: self.last, op });
        self.last
    }

    /// An I/O ended.
    pub fn end(&mut self, io: IoId) -> Pending {
        self.pending.remove(&io).expect("an I/O ends once, and was begun")
    }

    /// The change in flight that took `slot`.
    pub fn change_in(&self, slot: &Slot) -> Option<&ReplicaChange> {
        match self.pending.get(&slot.taken.as_ref()?.io)? {
            Pending::Change(change, _) => Some(change),
            Pending::Read(..) => None,
        }
    }

    /// The chunks that a change in flight concerns.
    pub fn changing(&self) -> impl Iterator<Item = ChunkHandle> + '_ {
        self.pending.values().filter_map(|pending| match pending {
            Pending::Change(change, _) => Some(change.chunk()),
            Pending::Read(..) => None,
        })
    }

    pub fn room(&self) -> Room {
        self.room
    }

    /// It was measured.
    pub fn on_room(&mut self, room: Room, constants: &Constants) {
        self.room = room;
        let block = u64::from(constants.block_bytes);
        let _ = self.full_at.take_if(|at| room.free_bytes >= at.saturating_add(block));
    }

    /// A change found no room. Is that new?
    pub fn on_full(&mut self) -> bool {
        self.full_at.replace(self.room.free_bytes).is_none()
    }
}

/// The bytes that a change changes.
fn changed_by(change: &ReplicaChange, data: &ReplicaData) -> Vec<Extent> {
    match change {
        ReplicaChange::StartLearner { .. }
        | ReplicaChange::Delete { .. }
        | ReplicaChange::Quarantine { .. } => [Extent::new(0, u64::MAX)].into(),
        ReplicaChange::Apply { mutations, .. } => {
            mutations.iter().map(|mutation| mutation.kind.touches(mutation.extent)).collect()
        }
        ReplicaChange::Reconcile { .. }
        | ReplicaChange::CopyIn { .. }
        | ReplicaChange::Promise { .. }
        | ReplicaChange::Adopt { .. }
        | ReplicaChange::Install { .. } => {
            data.writes(change).into_iter().flat_map(|(to, _)| to).copied().collect()
        }
    }
}
