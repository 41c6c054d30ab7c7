//! Reports: what chunkservers say they have, taken in as a pure function of their order.

use super::Master;
use crate::event::Event;
use crate::ids::{ChunkHandle, NodeId};
use crate::machine::Effects;
use crate::message::ReplicaState;
use crate::message::{membership, removal};
use crate::time::Time;
use alloc::vec::Vec;

impl Master {
    pub(super) fn on_report(
        &mut self,
        now: Time,
        from: NodeId,
        message: membership::Report,
        out: &mut Effects,
    ) {
        let membership::Report { incarnation, epoch, number, full, replicas, gone } = message;
        let lead = self.lead.as_mut().expect("only a leader listens");
        let current = lead.epoch;
        let Some(server) = lead.servers.get_mut(&from) else { return };
        if epoch != current || server.incarnation != incarnation {
            return;
        }
        let taken = |number| membership::ReportAck { incarnation, epoch, number };
        let follows = server.reported > 0 && number == server.reported + 1;
        if number > server.reported && !full && !follows {
            // One is missing: begin again with everything.
            return self.send(from, taken(0), out);
        }
        // A life counts its reports on, also where it begins again. One that is not above the last
        // is a late copy, and displaces nothing.
        if number > server.reported {
            server.reported = number;
            if full {
                self.forget_reports(from);
            }
            self.take_report(now, from, replicas, gone, out);
            if full {
                self.attend_all_of(now, from);
            }
        }
        self.send(from, taken(number), out);
    }

    /// Drops what an earlier life or an earlier full report said.
    pub(super) fn forget_reports(&mut self, node: NodeId) {
        let lead = self.lead.as_mut().expect("only a leader listens");
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
        now: Time,
        from: NodeId,
        replicas: Vec<(ChunkHandle, ReplicaState)>,
        gone: Vec<ChunkHandle>,
        out: &mut Effects,
    ) {
        for chunk in gone {
            let lead = self.lead.as_mut().expect("only a leader listens");
            if let Some(server) = lead.servers.get_mut(&from) {
                server.holds.remove(&chunk);
                server.strays.remove(&chunk);
            }
            if let Some(holders) = lead.holders.get_mut(&chunk) {
                holders.remove(from);
            }
            if self.state.chunks().contains(chunk) {
                self.attend(now, chunk);
            }
        }
        for (chunk, state) in replicas {
            self.take_replica(now, from, chunk, state, out);
        }
        self.end_safe_mode_if_enough(now, out);
    }

    fn take_replica(
        &mut self,
        now: Time,
        from: NodeId,
        chunk: ChunkHandle,
        state: ReplicaState,
        out: &mut Effects,
    ) {
        let Some(record) = self.state.chunks().get(chunk) else {
            return self.on_unknown_chunk(now, from, chunk, out);
        };
        let version = record.version();
        self.count_reported(chunk, from);
        let lead = self.lead.as_mut().expect("only a leader listens");
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
            self.attend(now, chunk);
        }
        if state.learner {
            self.on_learner_reported(now, from, chunk);
        }
    }

    /// Handles are never reused: below the allocator the chunk was freed, at or above it *this
    /// master* lost its log. Then nothing is touched, and somebody has to be called.
    fn on_unknown_chunk(&mut self, now: Time, from: NodeId, chunk: ChunkHandle, out: &mut Effects) {
        let again = self.stray_told_again(now);
        let lead = self.lead.as_mut().expect("only a leader listens");
        if chunk >= self.state.ids().next_chunk() {
            lead.log_lost = true;
            return out.observe(Event::LogLost { chunk });
        }
        if let Some(server) = lead.servers.get_mut(&from).filter(|_| !lead.log_lost) {
            server.strays.insert(chunk, again);
            self.send(from, removal::QuarantineReplica { chunk }, out);
        }
    }

    /// When a server has had the time to say that a stray is gone.
    pub(super) fn stray_told_again(&self, now: Time) -> Time {
        now + self.constants().heartbeat_interval * 2
    }

    /// Has strays set aside that are still there: an order may be lost, or find the replica busy,
    /// and a delete order is refused by a replica that promised more. This one is refused by none.
    pub(super) fn settle_strays(&mut self, now: Time, out: &mut Effects) {
        let again = self.stray_told_again(now);
        let lead = self.lead.as_mut().expect("only a leader ticks");
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
            self.send(node, removal::QuarantineReplica { chunk }, out);
        }
    }
}
