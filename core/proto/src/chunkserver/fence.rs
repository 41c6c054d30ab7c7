//! Fencing: the promise that a version change begins with.
//!
//! Safety of mutations rests on this and on no clock: what is below a replica's promise is
//! refused, and the promise survives a crash.

use super::replica::Replica;
use crate::event::Event;
use crate::ids::{ChunkVersion, Epoch, NodeId};
use crate::message::configure;
use crate::replica::{ChunkSpec, ReplicaChange, ReplicaRecord};

/// What one replica refuses, and the promise on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Fence {
    /// The highest version promised or about to be.
    version: ChunkVersion,
    /// The Prepare to answer when the promise is durable.
    promising: Option<Promising>,
}

/// A Prepare on its way to its promise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Promising {
    master: NodeId,
    epoch: Epoch,
    version: ChunkVersion,
    create: Option<ChunkSpec>,
    answered: bool,
}

impl Fence {
    /// The highest version that the replica promised or is about to.
    pub fn version(&self, record: Option<&ReplicaRecord>) -> ChunkVersion {
        record.map_or(self.version, |record| self.version.max(record.promised))
    }

    pub fn raise(&mut self, version: ChunkVersion) {
        self.version = self.version.max(version);
    }

    pub fn is_promising(&self) -> bool {
        self.promising.is_some()
    }

    /// The promise cannot be written: the master asks again.
    pub fn drop_promise(&mut self) {
        self.promising = None;
    }
}

/// What became of a Prepare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Prepare {
    /// It is refused, or not for this life, or too late.
    Refused,
    /// The same version was promised before.
    Repeated,
    /// What an older version allowed is over.
    Raised,
}

/// A Prepare was answered: its epoch and its version.
pub(super) struct Answered {
    pub epoch: Epoch,
    pub version: ChunkVersion,
}

impl Replica<'_> {
    /// Does the fence refuse what was ordered, acknowledged or granted under `version`?
    pub fn is_fenced(&self, version: ChunkVersion) -> bool {
        self.cx.rules().fence_by_promise && self.fence() != version
    }

    pub fn on_prepare(&mut self, master: NodeId, message: configure::Prepare) -> Prepare {
        let configure::Prepare { chunk, epoch, version, incarnation, create } = message;
        let unsound = create.is_some_and(|spec| !spec.is_sound());
        if incarnation != self.incarnation || self.service.is_stopped() || unsound {
            return Prepare::Refused;
        }
        let fence = self.fence();
        if version < fence || (self.record.is_none() && create.is_none()) {
            let promised = self.record.map(|_| fence);
            let no_space = false;
            let refused = configure::PrepareRefused {
                chunk,
                epoch,
                version,
                incarnation,
                promised,
                no_space,
            };
            self.cx.send(master, refused);
            return Prepare::Refused;
        }
        self.touch();
        let earlier = self.live.fence.promising.as_ref();
        if earlier.is_some_and(|p| (p.version, p.epoch) > (version, epoch)) {
            // A delayed Prepare of a deposed leader: the answer belongs to its successor.
            return Prepare::Refused;
        }
        let promising = Promising { master, epoch, version, create, answered: false };
        self.live.fence.promising = Some(promising);
        self.live.fence.raise(version);
        if version > fence { Prepare::Raised } else { Prepare::Repeated }
    }

    /// Writes the promise once the chunk's mutations have drained, answers once it is durable.
    pub fn advance_promise(&mut self) -> Option<Answered> {
        let rules = self.cx.rules();
        let promised = self.record.map(|record| record.promised);
        let promising = self.live.fence.promising.as_ref()?;
        let (version, create) = (promising.version, promising.create);
        if self.live.slot.is_taken() {
            // Left out, the rule lets the answer overtake the mutation that is on its way.
            let early = !rules.drain_before_prepared && promised.is_some();
            return if early && !promising.answered { self.answer_prepare() } else { None };
        }
        let durable = promised.is_some_and(|p| p >= version);
        if durable || (!rules.promise_is_durable && promised.is_some()) {
            let answered = self.answer_prepare();
            self.live.fence.promising = None;
            return answered;
        }
        self.write(ReplicaChange::Promise { chunk: self.chunk, version, create });
        None
    }

    /// There is no room for a new replica: its master need not wait for one.
    pub fn refuse_to_be_made(&mut self) {
        let (chunk, incarnation) = (self.chunk, self.incarnation);
        let Some(promising) = self.live.fence.promising.as_ref() else { return };
        if self.record.is_some() || promising.create.is_none() {
            return;
        }
        let Promising { master, epoch, version, .. } = *promising;
        let (promised, no_space) = (None, true);
        let refused =
            configure::PrepareRefused { chunk, epoch, version, incarnation, promised, no_space };
        self.cx.send(master, refused);
    }

    fn answer_prepare(&mut self) -> Option<Answered> {
        self.touch();
        let (chunk, incarnation) = (self.chunk, self.incarnation);
        let state = self.live.state(self.record?);
        let promising = self.live.fence.promising.as_mut()?;
        let Promising { master, epoch, version, .. } = *promising;
        if core::mem::replace(&mut promising.answered, true) {
            return None;
        }
        self.cx.observe(Event::Promised { chunk, version });
        let prepared = configure::Prepared { chunk, epoch, version, incarnation, state };
        self.cx.send(master, prepared);
        Some(Answered { epoch, version })
    }
}
