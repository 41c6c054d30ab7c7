//! Reports: what chunkservers say they have, taken in as a pure function of their order.

use super::leader::Leader;
use super::leases::Confirmable;
use crate::event::{Event, LostLog};
use crate::ids::{ChunkHandle, NodeId};
use crate::message::ReplicaState;
use crate::message::{membership, removal};
use crate::time::Time;
use alloc::vec::Vec;

impl Leader<'_> {
    pub(super) fn on_report(&mut self, from: NodeId, message: membership::Report) {
        let membership::Report { incarnation, epoch, number, full, replicas, gone } = message;
        let lead = &mut *self.lead;
        let current = lead.epoch;
        let Some(server) = lead.servers.get_mut(&from) else { return };
        if epoch != current || server.incarnation != incarnation {
            return;
        }
        let taken = |number| membership::ReportAck { incarnation, epoch, number };
        let follows = server.reported > 0 && number == server.reported + 1;
        if number > server.reported && !full && !follows {
            // One is missing: begin again with everything.
            return self.cx.send(from, taken(0));
        }
        // A life counts its reports on, also where it begins again. One that is not above the last
        // is a late copy, and displaces nothing.
        if number > server.reported {
            server.reported = number;
            if full {
                self.forget_reports(from);
            }
            self.take_report(from, replicas, gone);
            if full {
                self.lead.attend_all_of(self.state, from, self.cx.now);
            }
        }
        self.cx.send(from, taken(number));
    }

    /// Drops what an earlier life or an earlier full report said.
    pub(super) fn forget_reports(&mut self, node: NodeId) {
        let lead = &mut *self.lead;
        let Some(server) = lead.servers.get_mut(&node) else { return };
        server.strays.clear();
        for chunk in core::mem::take(&mut server.holds) {
            if let Some(holders) = lead.holders.get_mut(&chunk) {
                holders.remove(node);
                if holders.is_empty() {
                    lead.holders.remove(&chunk);
                }
            }
        }
    }

    fn take_report(
        &mut self,
        from: NodeId,
        replicas: Vec<(ChunkHandle, ReplicaState)>,
        gone: Vec<ChunkHandle>,
    ) {
        for chunk in gone {
            let lead = &mut *self.lead;
            if let Some(server) = lead.servers.get_mut(&from) {
                server.holds.remove(&chunk);
                server.strays.remove(&chunk);
            }
            if let Some(holders) = lead.holders.get_mut(&chunk) {
                holders.remove(from);
            }
            if self.state.chunks().contains(chunk) {
                self.lead.attention.add(chunk, self.cx.now);
            }
        }
        for (chunk, state) in replicas {
            self.take_replica(from, chunk, state);
        }
        self.end_safe_mode_if_enough();
    }

    fn take_replica(&mut self, from: NodeId, chunk: ChunkHandle, state: ReplicaState) {
        let Some(record) = self.state.chunks().get(chunk) else {
            return self.on_unknown_chunk(from, chunk);
        };
        let version = record.version();
        self.count_reported(chunk, from);
        let lead = &mut *self.lead;
        if let Some(server) = lead.servers.get_mut(&from) {
            server.holds.insert(chunk);
        }
        let holders = lead.holders.entry(chunk).or_default();
        let before = holders.insert(from, state.clone());
        let as_wanted = state.applied_version == version
            && state.promised == version
            && !state.learner
            && !state.corrupt;
        let growth_only = before.is_some_and(|before| {
            before.applied_version == version && before.promised == version && !before.corrupt
        });
        if !as_wanted || !growth_only {
            self.lead.attention.add(chunk, self.cx.now);
        }
        if state.learner {
            self.on_learner_reported(from, chunk);
        }
    }

    /// Handles are never reused: below the allocator the chunk was freed, at or above it *this
    /// master* lost its log. Then nothing is touched, and somebody has to be called. What another
    /// group of masters made is theirs.
    fn on_unknown_chunk(&mut self, from: NodeId, chunk: ChunkHandle) {
        let again = self.stray_told_again();
        let next = self.state.ids().next_chunk();
        if chunk.group() != next.group() {
            return;
        }
        if chunk >= next {
            return self.suspect(LostLog::Chunk(chunk));
        }
        let lead = &mut *self.lead;
        if let Some(server) = lead.servers.get_mut(&from).filter(|_| !lead.log_lost) {
            server.strays.insert(chunk, again);
            self.cx.send(from, removal::QuarantineReplica { chunk });
        }
    }

    /// A chunkserver knows of what this log does not: of a leader that still leads, and has applied
    /// what was committed, the log is not the newest. One that is deposed just does not know it yet.
    pub(super) fn suspect(&mut self, proof: LostLog) {
        if !self.cx.rules().confirm_suspicion {
            return self.on_suspicion_confirmed(proof);
        }
        if !self.lead.log_lost && !self.lead.confirmations.joins_suspicion(proof) {
            self.confirm(Confirmable::Suspicion(proof));
        }
    }

    /// This leader led after it suspected its log.
    pub(super) fn on_suspicion_confirmed(&mut self, proof: LostLog) {
        let missing = match proof {
            LostLog::Chunk(chunk) => chunk >= self.state.ids().next_chunk(),
            LostLog::Epoch(epoch) => epoch > self.lead.epoch,
        };
        if missing && !core::mem::replace(&mut self.lead.log_lost, true) {
            self.cx.observe(Event::LogLost { proof });
        }
    }

    /// When a server has had the time to say that a stray is gone.
    pub(super) fn stray_told_again(&self) -> Time {
        let now = self.cx.now;
        now + self.cx.constants.heartbeat_interval * 2
    }

    /// Has strays set aside that are still there: an order may be lost, or find the replica busy,
    /// and a delete order is refused by a replica that promised more. This one is refused by none.
    pub(super) fn tick_strays(&mut self) {
        let now = self.cx.now;
        let again = self.stray_told_again();
        let lead = &mut *self.lead;
        if lead.log_lost {
            return;
        }
        let mut strays = Vec::new();
        for (node, server) in lead.servers.iter_mut().filter(|(_, server)| server.usable()) {
            for (chunk, due) in server.strays.iter_mut().filter(|(_, due)| **due <= now) {
                *due = again;
                strays.push((*node, *chunk));
            }
        }
        for (node, chunk) in strays {
            self.cx.send(node, removal::QuarantineReplica { chunk });
        }
    }
}
