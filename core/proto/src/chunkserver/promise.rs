//! Fencing: the promise that a version change begins with.
//!
//! Safety of mutations rests on this and on no clock: what is below a replica's promise is
//! refused, and the promise survives a crash.

use super::Chunkserver;
use super::live::{Promising, Role};
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, Sequence};
use crate::machine::Effects;
use crate::message::Message;
use crate::message::{configure, data};
use crate::refusal::Refusal;
use crate::replica::ReplicaChange;

impl Chunkserver {
    pub(super) fn on_prepare(
        &mut self,
        master: NodeId,
        message: configure::Prepare,
        out: &mut Effects,
    ) {
        let configure::Prepare { chunk, epoch, version, incarnation, create } = message;
        if incarnation != self.config.incarnation || self.disk_failed {
            return;
        }
        let here = self.record(chunk).is_some();
        let fence = self.fence(chunk);
        if version < fence || (!here && create.is_none()) {
            let promised = here.then_some(fence);
            let refused =
                Message::ConfigureReply(configure::Reply::Refused(configure::PrepareRefused {
                    chunk,
                    epoch,
                    version,
                    incarnation,
                    promised,
                }));
            return self.send(master, refused, out);
        }
        if version > fence {
            self.fence_off(chunk, version, out);
        }
        let live = self.live(chunk);
        if live.promising.as_ref().is_some_and(|p| (p.version, p.epoch) > (version, epoch)) {
            // A delayed Prepare of a deposed leader: the answer belongs to its successor.
            return;
        }
        live.promising = Some(Promising { master, epoch, version, create, answered: false });
        self.advance_promise(chunk, out);
    }

    /// Stops everything that the older version allowed. The lease ends first, before the promise
    /// is written: a primary that will continue asks anew.
    fn fence_off(&mut self, chunk: ChunkHandle, version: ChunkVersion, out: &mut Effects) {
        let rules = self.rules();
        if rules.prepare_ends_lease {
            self.end_lease(chunk, out);
        }
        let live = self.live(chunk);
        live.fence = version;
        live.queue.clear();
        live.committed = Sequence(0);
        live.pushed_by = None;
        if let Role::Primary(primary) = &mut live.role {
            // Of a full disk a client hears, and not only that this is no primary any more.
            let refusal = if live.full { Refusal::NoSpace } else { Refusal::NotPrimary };
            for (client, op) in primary.retire() {
                let result = Err(refusal.clone());
                self.send(client, data::Mutated { op, chunk, result }, out);
            }
        }
        self.refuse_strong_reads(chunk, out);
    }

    /// Writes the promise once the chunk's mutations have drained, answers once it is durable.
    pub(super) fn advance_promise(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let rules = self.rules();
        let promised = self.record(chunk).map(|r| r.promised);
        let Some(live) = self.live.get(&chunk) else { return };
        let Some(promising) = &live.promising else { return };
        let (version, create) = (promising.version, promising.create);
        let early = !rules.drain_before_prepared && promised.is_some() && !promising.answered;
        if live.writing {
            // Left out, the rule lets the answer overtake the mutation that is on its way.
            if early {
                self.answer_prepare(chunk, out);
            }
            return;
        }
        let durable = promised.is_some_and(|p| p >= version);
        if durable || (!rules.promise_is_durable && promised.is_some()) {
            self.answer_prepare(chunk, out);
            self.live(chunk).promising = None;
        } else {
            self.start_write(ReplicaChange::Promise { chunk, version, create }, out);
        }
    }

    pub(super) fn on_promised(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        out: &mut Effects,
    ) {
        let live = self.live(chunk);
        live.fence = live.fence.max(version);
        self.advance_promise(chunk, out);
    }

    fn answer_prepare(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let Some(promising) = &mut self.live(chunk).promising else { return };
        let Promising { master, epoch, version, .. } = *promising;
        if core::mem::replace(&mut promising.answered, true) {
            return;
        }
        let incarnation = self.config.incarnation;
        let state = self.state_of(chunk).expect("a promise makes the replica");
        out.observe(Event::Promised { chunk, version });
        self.send(master, configure::Prepared { chunk, epoch, version, incarnation, state }, out);
        self.ask_end_of_copy(chunk, epoch, version);
    }
}
