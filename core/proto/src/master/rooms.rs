//! Room on disks, as servers report it and as failures correct it. A report may be wrong for what is to be
//! stored (a quota, a disk that something else fills at this moment): a server that found no room although
//! it reported some is not chosen until it reports more, or for a while that doubles each time.

use super::known::Known;
use super::leader::Leader;
use super::placement::Candidate;
use super::servers::Server;
use crate::config::Constants;
use crate::event::Event;
use crate::ids::{ChunkHandle, NodeId};
use crate::room::Room;
use crate::time::Time;
use alloc::vec::Vec;
use core::time::Duration;

/// The pause doubles from `retry_interval` up to so many times `repair_stalled_after`.
const PAUSE_MAX: u32 = 6;

/// What a leader knows of the room of one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServerRoom {
    reported: Room,
    refused: Option<Refused>,
    /// The magnitude that observers know.
    known: u32,
}

/// It found no room for something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Refused {
    /// What it had reported until then.
    free_bytes: u64,
    pause: Duration,
    over_at: Time,
}

impl ServerRoom {
    pub fn new(reported: Room) -> Self {
        ServerRoom { reported, refused: None, known: Room::UNBOUNDED.magnitude() }
    }

    pub fn reported(&self) -> Room {
        self.reported
    }

    fn on_report(&mut self, constants: &Constants, room: Room) {
        self.reported = room;
        let block = u64::from(constants.block_bytes);
        let more = |refused: &Refused| room.free_bytes >= refused.free_bytes.saturating_add(block);
        if self.refused.as_ref().is_some_and(more) {
            self.refused = None;
        }
    }

    fn on_refused(&mut self, constants: &Constants, now: Time) {
        let pause = self.refused.as_ref().map_or(constants.retry_interval, |last| last.pause);
        let pause = pause.saturating_mul(2).min(constants.repair_stalled_after * PAUSE_MAX);
        let free_bytes = self.reported.free_bytes;
        self.refused = Some(Refused { free_bytes, pause, over_at: now + pause });
    }

    /// What may be stored there.
    pub fn free_bytes(&self, now: Time) -> u64 {
        let refuses = self.refused.as_ref().is_some_and(|refused| now < refused.over_at);
        if refuses { 0 } else { self.reported.free_bytes }
    }

    /// What there is to say to observers, if it is news.
    fn news(&mut self, now: Time) -> Option<u64> {
        let free_bytes = self.free_bytes(now);
        let magnitude = Room { free_bytes, ..self.reported }.magnitude();
        let before = core::mem::replace(&mut self.known, magnitude);
        (before != magnitude).then_some(free_bytes)
    }
}

/// There is no room for another replica of some chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shortage {
    pub chunk: ChunkHandle,
    /// Last found so.
    pub found_at: Time,
}

impl Known<'_> {
    /// Bytes that a further replica of this chunk will occupy, as far as is known: what its largest replica
    /// consists of in whole blocks, and one at least. A chunk's full size is not reserved.
    pub(super) fn need(self, chunk: ChunkHandle) -> u64 {
        let block = u64::from(self.constants.block_bytes);
        let blocks = self.stored_bytes(chunk).div_ceil(block).max(1);
        blocks.saturating_mul(block)
    }

    /// Bytes that the largest replica of a chunk consists of, without holes.
    pub(super) fn stored_bytes(self, chunk: ChunkHandle) -> u64 {
        let holders = self.lead.holders.get(&chunk).into_iter();
        let states = holders.flat_map(super::holders::Holders::states);
        states.map(|state| state.stored_bytes).max().unwrap_or(0)
    }

    /// Is there room for `bytes`, beside what is on its way there?
    pub(super) fn has_room(self, node: NodeId, server: &Server, bytes: u64) -> bool {
        let under_way = self.lead.repairs.bytes_towards(node);
        server.room.free_bytes(self.now) >= bytes.saturating_add(under_way)
    }

    /// Servers that are heard and have room for `need` bytes, and those in `kept`, whose racks count.
    pub(super) fn candidates(self, need: u64, kept: &[NodeId]) -> Vec<Candidate> {
        let lead = self.lead;
        let usable =
            lead.servers.iter().filter(|(_, server)| server.usable()).filter(|(node, server)| {
                kept.contains(node) || self.has_room(**node, server, need)
            });
        usable
            .map(|(node, server)| Candidate {
                node: *node,
                rack: self.state.servers().get(*node).expect("a server joined").rack,
                load: server.holds.len() as u64 + lead.repairs.towards(*node),
            })
            .collect()
    }

    /// Is there a server that could be given this chunk if it had room?
    fn lacks_only_room(self, chunk: ChunkHandle) -> bool {
        let need = self.need(chunk);
        let is_member = |node: NodeId| self.members(chunk).iter().any(|m| m.node == node);
        let mut servers = self.lead.servers.iter();
        servers.any(|(node, server)| {
            server.usable() && !is_member(*node) && !self.has_room(*node, server, need)
        })
    }
}

impl Leader<'_> {
    pub(super) fn on_room(&mut self, node: NodeId, room: Room) {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let Some(server) = self.lead.servers.get_mut(&node) else { return };
        server.room.on_report(constants, room);
        self.report_room(node, now);
    }

    /// This server found no room for a replica.
    pub(super) fn on_no_space(&mut self, node: NodeId) {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let Some(server) = self.lead.servers.get_mut(&node) else { return };
        server.room.on_refused(constants, now);
        self.report_room(node, now);
    }

    fn report_room(&mut self, node: NodeId, now: Time) {
        let server = self.lead.servers.get_mut(&node);
        if let Some(free_bytes) = server.and_then(|server| server.room.news(now)) {
            self.cx.observe(Event::ServerRoom { node, free_bytes });
        }
    }

    /// No further server was found for this chunk: is it for lack of room? Observers hear of the first
    /// such chunk.
    pub(super) fn note_shortage(&mut self, chunk: ChunkHandle) {
        let now = self.cx.now;
        let named = self.state.chunks().get(chunk).is_some_and(|record| !record.is_trashed());
        if !named || !self.known().lacks_only_room(chunk) {
            return;
        }
        let bytes = self.known().stored_bytes(chunk);
        let known = self.lead.shortage.replace(Shortage { chunk, found_at: now });
        if known.is_none() {
            self.cx.observe(Event::NoRoom { chunk, bytes });
        }
    }

    /// A shortage that no round finds any more is over.
    pub(super) fn tick_shortage(&mut self) {
        let now = self.cx.now;
        let lasts = self.cx.constants.retry_interval * 3;
        let over = |shortage: &mut Shortage| now.since(shortage.found_at) >= lasts;
        let _ = self.lead.shortage.take_if(over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(free_bytes: u64) -> Room {
        Room { free_bytes, ..Room::UNBOUNDED }
    }

    #[test]
    fn a_server_that_found_no_room_is_left_alone_until_it_has_more() {
        let constants = Constants::default();
        let block = u64::from(constants.block_bytes);
        let mut of = ServerRoom::new(room(10 * block));
        of.on_refused(&constants, Time(0));
        assert_eq!(of.free_bytes(Time(0)), 0);
        of.on_report(&constants, room(10 * block));
        assert_eq!(of.free_bytes(Time(0)), 0, "as much as when it found none");
        of.on_report(&constants, room(11 * block));
        assert_eq!(of.free_bytes(Time(0)), 11 * block);
    }

    #[test]
    fn a_pause_ends_and_the_next_is_longer() {
        let constants = Constants::default();
        let mut of = ServerRoom::new(room(1 << 40));
        of.on_refused(&constants, Time(0));
        let first = Time(0) + Duration::from_millis(500);
        assert_eq!(of.free_bytes(Time(first.0 - 1)), 0);
        assert_eq!(of.free_bytes(first), 1 << 40);
        of.on_refused(&constants, first);
        assert_eq!(of.free_bytes(first + Duration::from_millis(999)), 0);
        for _ in 0..20 {
            of.on_refused(&constants, first);
        }
        assert_eq!(of.free_bytes(first + constants.repair_stalled_after * 6), 1 << 40);
    }

    #[test]
    fn observers_hear_of_halves_and_of_nothing_else() {
        let constants = Constants::default();
        let mut of = ServerRoom::new(room(1_000));
        assert_eq!(of.news(Time(0)), Some(1_000));
        of.on_report(&constants, room(900));
        assert_eq!(of.news(Time(0)), None);
        of.on_report(&constants, room(400));
        assert_eq!(of.news(Time(0)), Some(400));
        assert_eq!(ServerRoom::new(Room::UNBOUNDED).news(Time(0)), None);
    }
}
