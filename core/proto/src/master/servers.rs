//! Chunkservers: who is registered in which life, and who is heard.

use super::leader::Leader;
use super::proposals::Proposal;
use super::rooms::ServerRoom;
use crate::event::{Event, LostLog};
use crate::ids::{ChunkHandle, ConstantsVersion, Incarnation, NodeId, Rack};
use crate::log::Command;
use crate::message::membership;
use crate::room::Room;
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A chunkserver as its leader sees it. Soft: its life and rack stand in the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    pub incarnation: Incarnation,
    pub alive: bool,
    pub heard_at: Time,
    pub disk_failed: bool,
    pub room: ServerRoom,
    /// Number of the last report taken in, or zero before the first, which is a full one.
    pub reported: u64,
    /// If it acts at all, it goes by constants of this version or a later one.
    pub constants: ConstantsVersion,
    /// What it reported to have.
    pub holds: BTreeSet<ChunkHandle>,
    /// What it has of chunks that are no more, and when it is told so again.
    pub strays: BTreeMap<ChunkHandle, Time>,
}

impl Server {
    fn new(life: &Life, room: Room, now: Time) -> Self {
        let Life { incarnation, constants, .. } = *life;
        Server {
            incarnation,
            alive: true,
            heard_at: now,
            disk_failed: false,
            room: ServerRoom::new(room),
            reported: 0,
            constants,
            holds: BTreeSet::new(),
            strays: BTreeMap::new(),
        }
    }

    pub fn usable(&self) -> bool {
        self.alive && !self.disk_failed
    }
}

/// What a server registered as.
pub(super) struct Life {
    pub incarnation: Incarnation,
    pub rack: Rack,
    pub rejoined: bool,
    /// The constants that it is given with the answer.
    pub constants: ConstantsVersion,
}

impl Leader<'_> {
    pub(super) fn on_register(&mut self, from: NodeId, message: membership::Register) {
        let membership::Register { incarnation, session, rack, room } = message;
        if self.log.awaits(&Proposal::Join(from)) {
            return;
        }
        self.lead.rooms.insert(from, room);
        let command = Command::Join { node: from, incarnation, session, rack };
        self.propose(Proposal::Join(from), command);
    }

    pub(super) fn on_joined(&mut self, node: NodeId, life: Life) {
        let now = self.cx.now;
        let Life { incarnation, rack, rejoined, .. } = life;
        let lead = &mut *self.lead;
        let room = lead.rooms.get(&node).copied().unwrap_or_default();
        let known = lead.servers.get(&node).is_some_and(|server| server.incarnation == incarnation);
        let epoch = lead.epoch;
        if known {
            let server = lead.servers.get_mut(&node).expect("looked at above");
            if !server.alive {
                self.cx.observe(Event::ServerHeard { node });
            }
            (server.alive, server.heard_at) = (true, now);
        } else {
            lead.repairs.setbacks.forget_server(node);
            // By what the earlier life is known to hold.
            self.forget_reports(node);
            self.lead.servers.insert(node, Server::new(&life, room, now));
            self.expect_report(node);
            self.cx.observe(Event::ServerJoined { node, incarnation, rack, rejoined });
        }
        self.on_room(node, room);
        let agreed = self.agreed();
        self.cx.send(node, membership::Registered { epoch, incarnation, agreed });
        self.lead.attend_all_of(self.state, node, self.cx.now);
    }

    pub(super) fn on_heartbeat(&mut self, from: NodeId, message: membership::Heartbeat) {
        let now = self.cx.now;
        let membership::Heartbeat { incarnation, epoch, room, disk_failed, constants } = message;
        let lead = &mut *self.lead;
        let current = lead.epoch;
        let server = lead.servers.get_mut(&from).filter(|s| s.incarnation == incarnation);
        let Some(server) = server.filter(|_| epoch == current) else {
            if epoch > current {
                self.suspect(LostLog::Epoch(epoch));
            }
            return self.cx.send(from, membership::RegisterAgain { epoch: current });
        };
        // A failed disk stays failed within one incarnation: a delayed heartbeat may be older.
        let disk_failed = disk_failed || server.disk_failed;
        let news = server.disk_failed != disk_failed || !server.alive;
        if !server.alive {
            self.cx.observe(Event::ServerHeard { node: from });
        }
        server.heard_at = now;
        server.disk_failed = disk_failed;
        server.alive = true;
        server.constants = server.constants.max(constants);
        if constants < self.state.constants().version() {
            let agreed = self.agreed();
            self.cx.send(from, membership::ConstantsChanged { epoch, incarnation, agreed });
        }
        if news {
            if disk_failed {
                self.cx.observe(Event::ServerDead { node: from });
            }
            self.lead.attend_all_of(self.state, from, self.cx.now);
        }
        self.on_room(from, room);
    }

    /// Counts those as dead that were silent for too long.
    pub(super) fn tick_servers(&mut self) {
        let now = self.cx.now;
        let after = self.cx.constants.server_dead_after;
        let lead = &mut *self.lead;
        let silent: Vec<NodeId> = lead
            .servers
            .iter_mut()
            .filter(|(_, server)| server.alive && now.since(server.heard_at) >= after)
            .map(|(node, server)| {
                server.alive = false;
                *node
            })
            .collect();
        for node in silent {
            self.cx.observe(Event::ServerDead { node });
            self.lead.attend_all_of(self.state, node, self.cx.now);
        }
    }
}
