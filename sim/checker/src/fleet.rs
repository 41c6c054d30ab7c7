//! Chunkservers as a leader knows them, put together from what it told: who may be given a replica?
//!
//! Only what is beyond doubt counts. A leader may have its reasons not to give a chunk again to a server
//! that was left out of its configuration or did not finish a copy of it, and need not tell them; its
//! other chunks that server can take.

use leasehold_proto::{
    ChunkHandle, ChunkVersion, Constants, Event, FileId, Incarnation, Member, NodeId, Rack,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Server {
    incarnation: Incarnation,
    heard: bool,
}

/// A copy under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copy {
    from: Option<NodeId>,
    to: NodeId,
}

/// What one leader knows since it leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    servers: BTreeMap<NodeId, Server>,
    copies: BTreeMap<ChunkHandle, Copy>,
    /// Bytes free, of servers whose disks have a bound.
    rooms: BTreeMap<NodeId, u64>,
    /// Servers that it may have reasons not to give this chunk, until they are members of it. A new
    /// life of a server is no end of it: what a change that waited for its copy found comes later.
    doubted: BTreeSet<(ChunkHandle, NodeId)>,
}

/// A file that was ever in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trashed {
    /// Is it there, by the last entry that moved it?
    now: bool,
    /// By which masters.
    reported_by: BTreeSet<NodeId>,
}

/// Every server as each leader observed it, and every committed configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    leaders: BTreeMap<NodeId, Known>,
    racks: BTreeMap<NodeId, Rack>,
    /// Where servers are, as the runner placed them: a master may have it wrong.
    placed_in: BTreeMap<NodeId, Rack>,
    /// Every one: a deposed leader continues for a while from one that is not the last.
    configurations: BTreeMap<ChunkHandle, BTreeMap<ChunkVersion, Vec<NodeId>>>,
    /// Servers that were chosen for a chunk's next configuration.
    placed: BTreeMap<ChunkHandle, BTreeSet<NodeId>>,
    /// The most bytes that a chunk may have.
    chunk_bytes_max: u64,
    /// Chunks of files.
    files: BTreeMap<ChunkHandle, FileId>,
    /// Files that were ever in the trash.
    trashed: BTreeMap<FileId, Trashed>,
    /// Chunks that a truncation took away, and the masters that applied it.
    given_up: BTreeMap<ChunkHandle, BTreeSet<NodeId>>,
    failed: BTreeSet<NodeId>,
}

impl Fleet {
    /// Takes in what happened; what an entry of the log does may be reported before (`repeats`).
    pub fn observe(&mut self, node: NodeId, event: &Event, repeats: bool) {
        match event {
            Event::LeaderBegan { .. } => {
                self.leaders.insert(node, Known::default());
            }
            Event::ServerJoined { node: server, incarnation, rack, .. } => {
                self.joined(node, *server, *incarnation, *rack);
            }
            Event::ServerDead { node: server } => {
                self.of(node, *server, |server| server.heard = false);
            }
            Event::ServerHeard { node: server } => {
                self.of(node, *server, |server| server.heard = true);
            }
            Event::DiskFailed => {
                self.failed.insert(node);
            }
            Event::Configured { chunk, version, members, .. } => {
                self.configured(*chunk, *version, members);
            }
            Event::Placed { chunk, servers } => self.placed(node, *chunk, servers),
            Event::ServerRoom { node: server, free_bytes } => {
                self.leaders.entry(node).or_default().rooms.insert(*server, *free_bytes);
            }
            Event::ChunkMade { chunk, file, chunk_bytes, .. } => {
                self.chunk_bytes_max = self.chunk_bytes_max.max(*chunk_bytes);
                self.files.insert(*chunk, *file);
            }
            Event::Trashed { file } => {
                self.in_trash(*file, true, node, repeats);
            }
            Event::GivenUp { chunk } => {
                self.given_up.entry(*chunk).or_default().insert(node);
            }
            Event::Restored { file } => {
                self.in_trash(*file, false, node, repeats);
            }
            Event::Freed { chunk, .. } => {
                self.configurations.remove(chunk);
                self.placed.remove(chunk);
                self.files.remove(chunk);
                self.given_up.remove(chunk);
                for known in self.leaders.values_mut() {
                    known.copies.remove(chunk);
                    known.doubted.retain(|(of, _)| of != chunk);
                }
            }
            Event::RepairBegan { chunk, version, to } => {
                let members = self.members(*chunk, *version);
                let from = members.and_then(|members| members.first()).copied();
                let known = self.leaders.entry(node).or_default();
                known.copies.insert(*chunk, Copy { from, to: *to });
            }
            Event::RepairEnded { chunk, to, done } => {
                let known = self.leaders.entry(node).or_default();
                known.copies.remove(chunk);
                if !done {
                    known.doubted.insert((*chunk, *to));
                }
            }
            _ => {}
        }
    }

    /// A process ended: what the next one tells is another life's.
    pub fn node_crashed(&mut self, node: NodeId) {
        self.leaders.remove(&node);
    }

    /// The members of a chunk's configuration, the primary first, if it was reported.
    #[must_use]
    pub fn members(&self, chunk: ChunkHandle, version: ChunkVersion) -> Option<&[NodeId]> {
        self.configurations.get(&chunk)?.get(&version).map(Vec::as_slice)
    }

    /// The chunk's last configuration that was reported.
    #[must_use]
    pub fn last_configuration(&self, chunk: ChunkHandle) -> Option<(ChunkVersion, &[NodeId])> {
        let (version, members) = self.configurations.get(&chunk)?.last_key_value()?;
        Some((*version, members))
    }

    /// Is it a member of the chunk's last configuration, or chosen for its first?
    #[must_use]
    pub fn is_chosen(&self, chunk: ChunkHandle, node: NodeId) -> bool {
        let last = self.configurations.get(&chunk).and_then(BTreeMap::last_key_value);
        let placed = self.placed.get(&chunk);
        last.is_some_and(|(_, members)| members.contains(&node))
            || placed.is_some_and(|placed| placed.contains(&node))
    }

    /// Whether the chunk's file is in the trash, as this master knows; none if it was ever, and this master
    /// did not report how it is now: it may be deposed, or have learnt of it from a checkpoint.
    #[must_use]
    pub fn is_trashed(&self, master: NodeId, chunk: ChunkHandle) -> Option<bool> {
        if let Some(masters) = self.given_up.get(&chunk) {
            return masters.contains(&master).then_some(true);
        }
        match self.files.get(&chunk).and_then(|file| self.trashed.get(file)) {
            None => Some(false),
            Some(trashed) => trashed.reported_by.contains(&master).then_some(trashed.now),
        }
    }

    /// An entry of the log put a file into the trash, or took it out. What is reported again may be of an
    /// earlier entry.
    fn in_trash(&mut self, file: FileId, now: bool, master: NodeId, repeats: bool) {
        let fresh = Trashed { now, reported_by: BTreeSet::new() };
        let known = self.trashed.entry(file).or_insert_with(|| fresh.clone());
        if known.now != now {
            if repeats {
                return;
            }
            *known = fresh;
        }
        known.reported_by.insert(master);
    }

    /// A server is in this rack, whatever masters report.
    pub fn is_in(&mut self, server: NodeId, rack: Rack) {
        self.placed_in.insert(server, rack);
    }

    /// The rack of a server that ever joined, or that the runner placed.
    #[must_use]
    pub fn rack(&self, server: NodeId) -> Option<Rack> {
        self.placed_in.get(&server).or_else(|| self.racks.get(&server)).copied()
    }

    /// Servers that this leader can give a replica of this chunk without doubt: it hears them, their
    /// disks are in service, they finished what they were given of it, there is room on their disks for
    /// whole chunks, and for one more copy to them.
    pub fn eligible<'a>(
        &'a self,
        leader: NodeId,
        chunk: ChunkHandle,
        constants: &'a Constants,
    ) -> impl Iterator<Item = NodeId> + 'a {
        let known = self.leaders.get(&leader);
        let servers = known.into_iter().flat_map(|known| &known.servers);
        let doubted = move |node| known.is_some_and(|known| known.doubted.contains(&(chunk, node)));
        // What was reported has halved since at the most. Copies under way there take a part of it.
        let copies_max = u64::from(constants.repairs_per_server_max) + 1;
        let whole = self.chunk_bytes_max.saturating_add(u64::from(constants.block_bytes));
        let enough = whole.saturating_mul(copies_max).saturating_mul(2);
        let roomy = move |node: &NodeId| {
            let room = known.and_then(|known| known.rooms.get(node));
            room.is_none_or(|free| *free >= enough)
        };
        servers
            .filter(move |(node, server)| server.heard && !self.failed.contains(node))
            .filter(move |(node, _)| roomy(node))
            .map(|(node, _)| *node)
            .filter(move |node| !doubted(*node))
            .filter(move |node| {
                let copies = known.into_iter().flat_map(|known| known.copies.values());
                let at = copies.filter(|copy| copy.to == *node || copy.from == Some(*node));
                at.count() < constants.repairs_per_server_max as usize
            })
    }

    /// Copies that this leader has under way once it began one more, and those of them at whichever end
    /// of that one has more.
    #[must_use]
    pub fn copies(
        &self,
        leader: NodeId,
        chunk: ChunkHandle,
        version: ChunkVersion,
        to: NodeId,
    ) -> (u64, u64) {
        let known = self.leaders.get(&leader);
        let others = || {
            let copies = known.into_iter().flat_map(|known| &known.copies);
            copies.filter(|(of, _)| **of != chunk).map(|(_, copy)| copy)
        };
        let at = |end| others().filter(|copy| copy.to == end || copy.from == Some(end)).count();
        let from = self.members(chunk, version).and_then(|members| members.first());
        let there = from.map_or(0, |from| at(*from)).max(at(to));
        (others().count() as u64 + 1, there as u64 + 1)
    }

    /// Chunks that have a configuration, and those of them that may have been reported to this leader:
    /// a server that was ever a member has registered with it.
    #[must_use]
    pub fn could_be_reported(&self, leader: NodeId) -> (u64, u64) {
        let known = self.leaders.get(&leader);
        let joined = |node: &NodeId| known.is_some_and(|known| known.servers.contains_key(node));
        let reported = self.configurations.values().filter(|of| of.values().flatten().any(joined));
        (self.configurations.len() as u64, reported.count() as u64)
    }

    /// Has every server that ever registered done so with this leader?
    #[must_use]
    pub fn all_joined(&self, leader: NodeId) -> bool {
        let known = self.leaders.get(&leader);
        self.racks.keys().all(|node| known.is_some_and(|known| known.servers.contains_key(node)))
    }

    fn joined(&mut self, leader: NodeId, node: NodeId, incarnation: Incarnation, rack: Rack) {
        self.racks.insert(node, rack);
        self.failed.remove(&node);
        let known = self.leaders.entry(leader).or_default();
        let began = Server { incarnation, heard: true };
        let server = known.servers.entry(node).or_insert(began);
        let same_life = server.incarnation == incarnation;
        if !same_life {
            *server = began;
        }
        server.heard = true;
        if !same_life {
            known.rooms.remove(&node);
        }
    }

    fn of(&mut self, leader: NodeId, server: NodeId, change: impl FnOnce(&mut Server)) {
        let known = self.leaders.entry(leader).or_default();
        if let Some(server) = known.servers.get_mut(&server) {
            change(server);
        }
    }

    /// A leader that has not applied the first configuration yet goes on asking: those that are not
    /// in it did not answer, or answered in vain.
    fn placed(&mut self, leader: NodeId, chunk: ChunkHandle, servers: &[NodeId]) {
        let Some(first) = self.configurations.get(&chunk).and_then(|all| all.values().next())
        else {
            self.placed.entry(chunk).or_default().extend(servers);
            return;
        };
        let left_out = servers.iter().filter(|node| !first.contains(node));
        let known = self.leaders.entry(leader).or_default();
        known.doubted.extend(left_out.map(|node| (chunk, *node)));
    }

    /// Whoever is left out may have been silent, full or rotten.
    fn configured(&mut self, chunk: ChunkHandle, version: ChunkVersion, members: &[Member]) {
        let last = self.configurations.get(&chunk).and_then(BTreeMap::last_key_value);
        if last.is_some_and(|(last, _)| version <= *last) {
            return;
        }
        let before: Vec<NodeId> = last.map(|(_, members)| members.clone()).unwrap_or_default();
        let members: Vec<NodeId> = members.iter().map(|member| member.node).collect();
        let placed = self.placed.remove(&chunk).unwrap_or_default();
        let left_out: BTreeSet<NodeId> =
            before.into_iter().chain(placed).filter(|node| !members.contains(node)).collect();
        for known in self.leaders.values_mut() {
            known.doubted.retain(|(of, node)| *of != chunk || !members.contains(node));
            known.doubted.extend(left_out.iter().map(|node| (chunk, *node)));
        }
        self.configurations.entry(chunk).or_default().insert(version, members);
    }
}
