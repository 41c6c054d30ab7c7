//! The link to the masters: registration, heartbeats, reports, and the questions for leases.

use super::Chunkserver;
use super::live::Live;
use super::primary::Primary;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, Epoch, NodeId};
use crate::machine::Effects;
use crate::message::Message;
use crate::message::{lease, membership};
use crate::time::{Deadline, Time};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What a chunkserver knows of its masters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// Who registered this life.
    pub leader: Option<NodeId>,
    epoch: Epoch,
    /// A higher life of this disk registered: this one serves no more.
    superseded: bool,
    next_heartbeat: Time,
    /// Replicas that changed since the last report.
    pub dirty: BTreeSet<ChunkHandle>,
    /// The report on its way: its number, whether it is full, and what it tells of.
    unacknowledged: Option<(u64, bool, BTreeSet<ChunkHandle>)>,
    /// Number of the last report of this life. Never goes back, so that a late copy of any earlier
    /// report, full or not, is below what its master has taken since.
    last_report: u64,
    /// The next report tells of everything.
    full_due: bool,
}

impl Link {
    pub fn new(now: Time) -> Self {
        Link {
            leader: None,
            epoch: Epoch(0),
            superseded: false,
            next_heartbeat: now,
            dirty: BTreeSet::new(),
            unacknowledged: None,
            last_report: 0,
            full_due: true,
        }
    }

    /// Something changed that the master must not wait for.
    pub fn heartbeat_due(&mut self) {
        self.next_heartbeat = Time(0);
    }

    pub fn deadline(&self) -> Option<Deadline> {
        (!self.superseded)
            .then_some(Deadline { at: self.next_heartbeat, why: "a heartbeat is due" })
    }
}

impl Chunkserver {
    pub(super) fn settle_link(&mut self, now: Time, out: &mut Effects) {
        if now < self.link.next_heartbeat || self.link.superseded {
            return;
        }
        self.link.next_heartbeat = now + self.constants().heartbeat_interval;
        self.retry_full_disks(now, out);
        let Some(leader) = self.link.leader else { return self.register(out) };
        let heartbeat =
            Message::Membership(membership::Request::Heartbeat(membership::Heartbeat {
                incarnation: self.config.incarnation,
                epoch: self.link.epoch,
                used_bytes: self.replicas.live.values().map(|record| record.image.length).sum(),
                disk_failed: self.disk_failed,
            }));
        // A new leader learns in this way that the server exists; it asks it to register.
        for master in self.config.masters.clone() {
            self.send(master, heartbeat.clone(), out);
        }
        self.report(leader, out);
    }

    /// A full disk may have got room meanwhile.
    fn retry_full_disks(&mut self, now: Time, out: &mut Effects) {
        let full: Vec<ChunkHandle> =
            self.live.iter().filter(|(_, live)| live.full).map(|(chunk, _)| *chunk).collect();
        for chunk in full {
            self.live(chunk).full = false;
            self.go_on(chunk, now, out);
        }
    }

    fn register(&mut self, out: &mut Effects) {
        let register = Message::Membership(membership::Request::Register(membership::Register {
            incarnation: self.config.incarnation,
            session: self.config.session,
            rack: self.config.rack,
            capacity_bytes: self.config.capacity_bytes,
        }));
        for master in self.config.masters.clone() {
            self.send(master, register.clone(), out);
        }
    }

    /// Sends the next report, or the last one again until it is taken in.
    fn report(&mut self, leader: NodeId, out: &mut Effects) {
        if self.link.unacknowledged.is_none() {
            let full = core::mem::take(&mut self.link.full_due);
            if !full && self.link.dirty.is_empty() {
                return;
            }
            let mut chunks = core::mem::take(&mut self.link.dirty);
            if full {
                chunks = self.replicas.live.keys().copied().collect();
            }
            self.link.last_report += 1;
            self.link.unacknowledged = Some((self.link.last_report, full, chunks));
        }
        let Some((number, full, chunks)) = &self.link.unacknowledged else { return };
        let replicas: Vec<_> =
            chunks.iter().filter_map(|chunk| Some((*chunk, self.state_of(*chunk)?))).collect();
        let gone = chunks.iter().filter(|chunk| self.record(**chunk).is_none()).copied().collect();
        let report = Message::Membership(membership::Request::Report(membership::Report {
            incarnation: self.config.incarnation,
            epoch: self.link.epoch,
            number: *number,
            full: *full,
            replicas,
            gone,
        }));
        self.send(leader, report, out);
    }

    pub(super) fn on_membership(
        &mut self,
        now: Time,
        from: NodeId,
        reply: membership::Reply,
        out: &mut Effects,
    ) {
        use membership::Reply;
        match reply {
            Reply::Registered(m) => {
                if m.incarnation == self.config.incarnation && m.epoch >= self.link.epoch {
                    self.on_registered(now, from, m.epoch, out);
                }
            }
            Reply::RegisterAgain(m) => {
                if m.epoch >= self.link.epoch {
                    self.register(out);
                }
            }
            Reply::Refused(m) => {
                if m.incarnation == self.config.incarnation {
                    self.on_superseded(out);
                }
            }
            Reply::ReportAck(m) => self.on_report_ack(from, m, out),
        }
    }

    fn on_report_ack(&mut self, from: NodeId, ack: membership::ReportAck, out: &mut Effects) {
        let membership::ReportAck { incarnation, epoch, number } = ack;
        let current = incarnation == self.config.incarnation && epoch == self.link.epoch;
        let waiting = self.link.unacknowledged.as_ref().map(|(number, ..)| *number);
        if current && number == 0 {
            // The master missed one: begin again with everything.
            (self.link.full_due, self.link.unacknowledged) = (true, None);
            self.report(from, out);
        } else if current && waiting == Some(number) {
            self.link.unacknowledged = None;
        }
    }

    fn on_registered(&mut self, now: Time, leader: NodeId, epoch: Epoch, out: &mut Effects) {
        if self.link.leader == Some(leader) && self.link.epoch == epoch {
            return;
        }
        self.link.leader = Some(leader);
        self.link.epoch = epoch;
        (self.link.full_due, self.link.unacknowledged) = (true, None);
        self.link.next_heartbeat = now;
        self.settle_link(now, out);
    }

    fn on_superseded(&mut self, out: &mut Effects) {
        self.link.superseded = true;
        self.on_disk_failed(out);
    }

    /// When this primary next wants a lease, if it does.
    pub(super) fn next_lease_question(
        &self,
        chunk: ChunkHandle,
        primary: &Primary,
        live: &Live,
        now: Time,
    ) -> Option<Time> {
        let constants = self.constants();
        let work = !primary.waiting.is_empty()
            || !primary.inflight.is_empty()
            || !live.reads.is_empty()
            || Self::has_copies(live);
        let recent = now.since(primary.used_at) < constants.lease_idle_after;
        if primary.retired || !(work || recent) || self.link.leader.is_none() || self.disk_failed {
            return None;
        }
        let held = self.leases.held(chunk, now).is_some_and(|h| h.version == primary.version);
        let pause = if held { constants.lease_renew_interval } else { constants.retry_interval };
        Some(primary.lease_asked_at.map_or(now, |asked| asked + pause))
    }

    /// Asks for every lease that is wanted, in one message, at the end of a step.
    pub(super) fn ask_leases(&mut self, now: Time, out: &mut Effects) {
        let Some(leader) = self.link.leader else { return };
        let wanted: Vec<(ChunkHandle, ChunkVersion)> = self
            .touched
            .iter()
            .filter_map(|chunk| {
                let live = self.live.get(chunk)?;
                let primary = live.primary()?;
                let at = self.next_lease_question(*chunk, primary, live, now)?;
                (at <= now).then_some((*chunk, primary.version))
            })
            .collect();
        if wanted.is_empty() {
            return;
        }
        let constants = self.config.constants.clone();
        let attempt = self.leases.ask(&constants, now);
        for (chunk, _) in &wanted {
            let primary = self.live(*chunk).primary_mut().expect("listed above");
            primary.lease_asked_at = Some(now);
        }
        let incarnation = self.config.incarnation;
        self.send(leader, lease::Request { incarnation, attempt, chunks: wanted }, out);
    }

    pub(super) fn on_grant(&mut self, now: Time, grant: lease::Grant, out: &mut Effects) {
        let lease::Grant { incarnation, attempt, chunks, .. } = grant;
        if incarnation != self.config.incarnation || self.disk_failed {
            return;
        }
        let constants = self.config.constants.clone();
        for (chunk, version) in chunks {
            let current = self.live.get(&chunk).and_then(Live::primary).is_some_and(|primary| {
                primary.version == version
                    && (!primary.retired || !constants.rules.prepare_ends_lease)
            });
            // After a promise, grants below it are ignored.
            let fenced = self.fence(chunk) != version && constants.rules.fence_by_promise;
            if !current || fenced {
                continue;
            }
            let held = self.leases.granted(&constants, now, attempt, chunk, version);
            if let Some(held) = held {
                let until = held.until;
                out.observe(Event::LeaseTaken { chunk, version, until });
            }
            self.touched.insert(chunk);
            self.go_on(chunk, now, out);
        }
    }
}
