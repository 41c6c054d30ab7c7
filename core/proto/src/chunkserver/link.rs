//! The link to the masters: registration, heartbeats and reports.

use super::disk::Disk;
use super::live::Live;
use super::service::Service;
use crate::agreed::Agreed;
use crate::config::ChunkserverConfig;
use crate::cx::Cx;
use crate::ids::{ChunkHandle, ConstantsVersion, Epoch, NodeId};
use crate::message::membership;
use crate::message::{Message, ReplicaState};
use crate::replica::Replicas;
use crate::room::Room;
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet};

/// What a chunkserver knows of its masters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// The master that registered this life.
    leader: Option<NodeId>,
    epoch: Epoch,
    /// The cluster's constants that this server goes by.
    constants: ConstantsVersion,
    /// A higher life of this disk registered: this one serves no more.
    superseded: bool,
    next_heartbeat: Time,
    /// Replicas that changed since the last report.
    dirty: BTreeSet<ChunkHandle>,
    /// The report on its way: its number, whether it is full, and the chunks that it describes.
    unacknowledged: Option<(u64, bool, BTreeSet<ChunkHandle>)>,
    /// Number of the last report of this life. Never goes back, so that a late copy of any earlier
    /// report, full or not, is below what its master has taken since.
    last_report: u64,
    /// The next report describes every replica.
    full_due: bool,
}

/// What is on this server, for its reports.
pub(super) struct Inventory<'a> {
    pub replicas: &'a Replicas,
    pub live: &'a BTreeMap<ChunkHandle, Live>,
    pub disk_failed: bool,
    pub room: Room,
}

impl<'a> Inventory<'a> {
    pub fn new(
        replicas: &'a Replicas,
        live: &'a BTreeMap<ChunkHandle, Live>,
        disk: &Disk,
        service: &Service,
    ) -> Self {
        let (disk_failed, room) = (service.has_failed_disk(), disk.room());
        Inventory { replicas, live, disk_failed, room }
    }

    fn state(&self, chunk: ChunkHandle) -> Option<ReplicaState> {
        Some(self.live.get(&chunk)?.state(self.replicas.live.get(&chunk)?))
    }
}

/// What a master's answer means for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Answer {
    /// Nothing more.
    Nothing,
    /// A master registered this life: it is to hear a heartbeat and a full report.
    Registered,
    /// A master does not know this life: it is to be registered again.
    RegisterAgain,
    /// The master missed a report: it is to be sent everything.
    ReportAll,
    /// Another life of this disk took its place.
    Superseded,
}

impl Link {
    pub fn new(now: Time) -> Self {
        Link {
            leader: None,
            epoch: Epoch(0),
            constants: ConstantsVersion(0),
            superseded: false,
            next_heartbeat: now,
            dirty: BTreeSet::new(),
            unacknowledged: None,
            last_report: 0,
            full_due: true,
        }
    }

    /// The master that registered this life.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The next report describes this chunk.
    pub fn note_change(&mut self, chunk: ChunkHandle) {
        self.dirty.insert(chunk);
    }

    /// Something changed that the master must not wait for.
    pub fn heartbeat_due(&mut self) {
        self.next_heartbeat = Time(0);
    }

    pub fn deadline(&self) -> Option<Deadline> {
        let at = self.next_heartbeat;
        (!self.superseded).then_some(Deadline { at, why: "a heartbeat is due" })
    }

    /// Is a heartbeat due? Takes note of it.
    pub fn take_due(&mut self, cx: &Cx<'_>) -> bool {
        if cx.now < self.next_heartbeat || self.superseded {
            return false;
        }
        self.next_heartbeat = cx.now + cx.constants.heartbeat_interval;
        true
    }

    /// Sends what the masters are to hear now and then.
    pub fn send_heartbeat(
        &mut self,
        config: &ChunkserverConfig,
        inventory: &Inventory<'_>,
        cx: &mut Cx<'_>,
    ) {
        let Some(leader) = self.leader else { return register(config, inventory.room, cx) };
        let heartbeat =
            Message::Membership(membership::Request::Heartbeat(membership::Heartbeat {
                incarnation: config.incarnation,
                epoch: self.epoch,
                room: inventory.room,
                disk_failed: inventory.disk_failed,
                constants: self.constants,
            }));
        // A new leader learns in this way that the server exists; it asks it to register.
        for master in &config.masters {
            cx.send(*master, heartbeat.clone());
        }
        self.report(config, leader, inventory, cx);
    }

    /// Sends the next report, or the last one again until it is acknowledged.
    pub fn report(
        &mut self,
        config: &ChunkserverConfig,
        leader: NodeId,
        inventory: &Inventory<'_>,
        cx: &mut Cx<'_>,
    ) {
        if self.unacknowledged.is_none() {
            let full = core::mem::take(&mut self.full_due);
            if !full && self.dirty.is_empty() {
                return;
            }
            let mut chunks = core::mem::take(&mut self.dirty);
            if full {
                chunks = inventory.replicas.live.keys().copied().collect();
            }
            self.last_report += 1;
            self.unacknowledged = Some((self.last_report, full, chunks));
        }
        let Some((number, full, chunks)) = &self.unacknowledged else { return };
        let states = chunks.iter().filter_map(|chunk| Some((*chunk, inventory.state(*chunk)?)));
        let is_gone = |chunk: &&ChunkHandle| !inventory.replicas.live.contains_key(chunk);
        let report = membership::Report {
            incarnation: config.incarnation,
            epoch: self.epoch,
            number: *number,
            full: *full,
            replicas: states.collect(),
            gone: chunks.iter().filter(is_gone).copied().collect(),
        };
        cx.send(leader, report);
    }

    /// A master answered.
    pub fn on_reply(
        &mut self,
        config: &ChunkserverConfig,
        from: NodeId,
        reply: &membership::Reply,
        now: Time,
    ) -> Answer {
        use membership::Reply;
        let of_this_life = |incarnation| incarnation == config.incarnation;
        match reply {
            Reply::Registered(m) if of_this_life(m.incarnation) && m.epoch >= self.epoch => {
                self.on_registered(from, m.epoch, now)
            }
            Reply::RegisterAgain(m) if m.epoch >= self.epoch => {
                // Its log may be another one, in which an epoch has the same number as that in which
                // this life was registered: it is sent a full report.
                if m.epoch == self.epoch {
                    (self.full_due, self.unacknowledged) = (true, None);
                }
                Answer::RegisterAgain
            }
            Reply::Refused(m) if of_this_life(m.incarnation) => {
                self.superseded = true;
                Answer::Superseded
            }
            Reply::ReportAck(m) if of_this_life(m.incarnation) && m.epoch == self.epoch => {
                self.on_report_ack(m.number)
            }
            Reply::Registered(_)
            | Reply::ConstantsChanged(_)
            | Reply::RegisterAgain(_)
            | Reply::Refused(_)
            | Reply::ReportAck(_) => Answer::Nothing,
        }
    }

    /// The constants that an answer brings to this life, if they are newer than those that it goes by.
    /// Those of another epoch are: its log may be another one.
    pub fn newer_constants<'a>(
        &self,
        config: &ChunkserverConfig,
        reply: &'a membership::Reply,
    ) -> Option<&'a Agreed> {
        use membership::Reply;
        let (epoch, incarnation, agreed) = match reply {
            Reply::Registered(m) => (m.epoch, m.incarnation, &*m.agreed),
            Reply::ConstantsChanged(m) if m.epoch == self.epoch => {
                (m.epoch, m.incarnation, &*m.agreed)
            }
            Reply::ConstantsChanged(_)
            | Reply::Refused(_)
            | Reply::RegisterAgain(_)
            | Reply::ReportAck(_) => return None,
        };
        let newer = (epoch, agreed.version) > (self.epoch, self.constants);
        (newer && incarnation == config.incarnation).then_some(agreed)
    }

    /// From here on the server goes by these.
    pub fn note_constants(&mut self, version: ConstantsVersion) {
        self.constants = version;
    }

    /// This life serves no more.
    pub fn supersede(&mut self) {
        self.superseded = true;
    }

    fn on_report_ack(&mut self, number: u64) -> Answer {
        let waiting = self.unacknowledged.as_ref().map(|(number, ..)| *number);
        if number == 0 {
            // The master missed one: begin again with everything.
            (self.full_due, self.unacknowledged) = (true, None);
            return Answer::ReportAll;
        }
        if waiting == Some(number) {
            self.unacknowledged = None;
        }
        Answer::Nothing
    }

    fn on_registered(&mut self, leader: NodeId, epoch: Epoch, now: Time) -> Answer {
        if self.leader == Some(leader) && self.epoch == epoch {
            return Answer::Nothing;
        }
        self.leader = Some(leader);
        self.epoch = epoch;
        (self.full_due, self.unacknowledged) = (true, None);
        self.next_heartbeat = now;
        Answer::Registered
    }
}

/// Introduces this life of the server to every master.
pub(super) fn register(config: &ChunkserverConfig, room: Room, cx: &mut Cx<'_>) {
    let register = Message::Membership(membership::Request::Register(membership::Register {
        incarnation: config.incarnation,
        session: config.session,
        rack: config.rack,
        room,
    }));
    for master in &config.masters {
        cx.send(*master, register.clone());
    }
}
