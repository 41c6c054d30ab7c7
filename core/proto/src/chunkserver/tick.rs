//! What begins and ends every step: what the time has made due, and at its end the leases that are
//! wanted and the alarms of the chunks that the step looked at.

use super::link::Inventory;
use super::live::Live;
use super::step::{State, Step};
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion};
use crate::message::lease;
use crate::replica::ReplicaChange;
use alloc::vec::Vec;

impl Step<'_> {
    /// Does what `now` has made due. Nothing else in a step comes before it.
    pub fn tick(&mut self) {
        let State { leases, touched, alarms, .. } = &mut *self.state;
        let now = self.cx.now;
        for (chunk, version) in leases.expire(now) {
            touched.insert(chunk);
            self.cx.observe(Event::LeaseEnded { chunk, version });
        }
        let due: Vec<ChunkHandle> =
            alarms.iter().filter(|(_, d)| d.at <= now).map(|(chunk, _)| *chunk).collect();
        for chunk in due {
            self.state.touched.insert(chunk);
            self.replica(chunk).on_timer();
        }
        self.end_quarantines();
        self.tick_link();
    }

    /// Removes what was in quarantine for long enough.
    fn end_quarantines(&mut self) {
        for chunk in self.state.quarantine.take_over(self.cx.now) {
            if !self.state.live.contains_key(&chunk) && !self.state.service.is_stopped() {
                self.replica(chunk).write(ReplicaChange::Delete { chunk });
            }
        }
    }

    /// Sends a heartbeat if it is time. Disks that were full are tried again as often: what the heartbeat
    /// reports is then of this moment.
    pub fn tick_link(&mut self) {
        if !self.state.link.take_due(&self.cx) {
            return;
        }
        self.retry_full_disks();
        let State { link, replicas, live, disk, service, .. } = &mut *self.state;
        let inventory = Inventory::new(replicas, live, disk, service);
        link.send_heartbeat(self.config, &inventory, &mut self.cx);
    }

    /// A full disk may have got room meanwhile.
    fn retry_full_disks(&mut self) {
        let live = &self.state.live;
        let full: Vec<ChunkHandle> = live
            .iter()
            .filter(|(_, live)| live.health.is_full())
            .map(|(chunk, _)| *chunk)
            .collect();
        for chunk in full {
            let mut replica = self.replica(chunk);
            replica.touch();
            replica.live.health.try_room_again();
            replica.make_progress();
        }
    }

    /// Asks for every lease that is wanted, in one message, at the end of a step.
    pub fn ask_leases(&mut self) {
        let Some(leader) = self.state.link.leader() else { return };
        let touched = core::mem::take(&mut self.state.touched);
        let mut chunks: Vec<(ChunkHandle, ChunkVersion)> = Vec::new();
        for &chunk in &touched {
            if self.state.live.contains_key(&chunk) {
                chunks.extend(self.replica(chunk).ask_lease().map(|version| (chunk, version)));
            }
        }
        self.state.touched = touched;
        if !chunks.is_empty() {
            let attempt = self.state.leases.request(self.cx.constants, self.cx.now);
            let incarnation = self.config.incarnation;
            self.cx.send(leader, lease::Request { incarnation, attempt, chunks });
        }
    }

    /// Leaves every chunk that the step looked at as the next step may find it: its alarm is set, and what
    /// is volatile about it is gone if there is no replica and nothing waits.
    pub fn end(&mut self) {
        for chunk in core::mem::take(&mut self.state.touched) {
            self.state.assert_chunk(chunk);
            self.set_alarm(chunk);
            self.forget_if_gone(chunk);
        }
    }

    fn set_alarm(&mut self, chunk: ChunkHandle) {
        let present = self.state.live.contains_key(&chunk);
        let alarm = if present { self.replica(chunk).deadline() } else { None };
        match alarm {
            Some(alarm) => self.state.alarms.insert(chunk, alarm),
            None => self.state.alarms.remove(&chunk),
        };
    }

    fn forget_if_gone(&mut self, chunk: ChunkHandle) {
        let State { live, replicas, .. } = &mut *self.state;
        let gone = !replicas.live.contains_key(&chunk);
        if gone && live.get(&chunk).is_some_and(Live::is_idle) {
            live.remove(&chunk);
        }
    }
}
