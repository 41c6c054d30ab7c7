//! What the client knows of the others: which master may lead, where chunks are, how many chunks
//! a file has. All of it is a hint; whoever is asked refuses if it is wrong.

use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::metadata::Location;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Chunks and files remembered at the most, each.
const REMEMBERED_MAX: usize = 4_096;

/// Masters that are known at the most.
const MASTERS_MAX: usize = 64;

/// Which master to ask. More of them become known as masters name the one that leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Masters {
    all: Vec<NodeId>,
    current: usize,
}

impl Masters {
    pub fn new(all: Vec<NodeId>) -> Self {
        assert!(!all.is_empty(), "a client knows a master");
        Masters { all, current: 0 }
    }

    pub fn current(&self) -> NodeId {
        self.all[self.current]
    }

    /// `from` does not lead, or is silent. Of many jobs that find this out together only the
    /// first turns the wheel.
    pub fn not(&mut self, from: NodeId, leader: Option<NodeId>) {
        if from != self.current() {
            return;
        }
        if let Some(leader) = leader.filter(|leader| !self.all.contains(leader))
            && self.all.len() < MASTERS_MAX
        {
            self.all.push(leader);
        }
        let known = leader.and_then(|leader| self.all.iter().position(|node| *node == leader));
        self.current = match known {
            Some(place) if place != self.current => place,
            Some(_) | None => (self.current + 1) % self.all.len(),
        };
    }
}

/// What is known of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Route {
    location: Option<Location>,
    /// The number of the lookup that found it.
    asked: u64,
    /// A version found wanting: the master is to look again.
    stale: Option<ChunkVersion>,
    /// The truncation epoch of the file when no append fitted into it any more.
    sealed: Option<u64>,
    /// ... and when that could not be undone by a cut decided before.
    fenced: Option<u64>,
    /// A chunk that was met here and is retired.
    retired: Option<ChunkHandle>,
}

/// Where a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tail {
    /// Slots up to the last chunk.
    pub slots: u64,
    /// The truncation epoch: slots of a lower one are an older answer.
    pub epoch: u64,
    /// Of each of its chunks.
    pub chunk_bytes: u64,
}

/// Where chunks are, and how many each file has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Routes {
    chunks: BTreeMap<(FileId, u64), Route>,
    tails: BTreeMap<FileId, Tail>,
}

impl Routes {
    pub fn location(&self, file: FileId, index: u64) -> Option<&Location> {
        self.chunks.get(&(file, index))?.location.as_ref()
    }

    pub fn stale(&self, file: FileId, index: u64) -> Option<ChunkVersion> {
        self.chunks.get(&(file, index))?.stale
    }

    /// Did no append fit into this chunk, and was the file not truncated since?
    pub fn is_sealed(&self, file: FileId, index: u64) -> bool {
        let Some(Tail { epoch, .. }) = self.tail(file) else { return false };
        let route = self.chunks.get(&(file, index));
        route.is_some_and(|route| route.sealed.max(route.fenced) == Some(epoch))
    }

    /// Is it certain that no append fits into this chunk, for as long as the file is not truncated
    /// again? Of a file that never was, it is once no append fitted.
    pub fn is_fenced(&self, file: FileId, index: u64) -> bool {
        let Some(Tail { epoch, .. }) = self.tail(file) else { return false };
        let route = self.chunks.get(&(file, index));
        let fenced = route.is_some_and(|route| route.fenced == Some(epoch));
        fenced || (epoch == 0 && self.is_sealed(file, index))
    }

    /// The chunk here that is known to be retired.
    pub fn retired(&self, file: FileId, index: u64) -> Option<ChunkHandle> {
        self.chunks.get(&(file, index))?.retired
    }

    /// Was this chunk found here by a lookup that was begun after an operation with this number?
    pub fn was_found_after(&self, number: u64, at: (FileId, u64), chunk: ChunkHandle) -> bool {
        let Some(route) = self.chunks.get(&at) else { return false };
        route.asked > number && route.location.as_ref().is_some_and(|l| l.chunk == chunk)
    }

    /// Takes in what the master said. An answer that was overtaken by a newer one is dropped: another
    /// chunk in a place is one that was made later.
    pub fn learn(&mut self, file: FileId, index: u64, location: Location, asked: u64) {
        let route = self.route(file, index);
        let found = (location.chunk, location.version);
        let overtaken = route.location.as_ref().is_some_and(|l| (l.chunk, l.version) > found);
        if overtaken {
            return;
        }
        if route.retired.is_some_and(|retired| retired != location.chunk) {
            route.retired = None;
        }
        (route.stale, route.asked) = (None, asked);
        route.location = Some(location);
    }

    /// This chunk takes nothing any more.
    pub fn retire(&mut self, file: FileId, index: u64, chunk: ChunkHandle) {
        self.route(file, index).retired = Some(chunk);
    }

    /// The file gave up this chunk.
    pub fn dropped(&mut self, file: FileId, index: u64, chunk: ChunkHandle) {
        self.forget_tail(file);
        let route = self.route(file, index);
        if route.retired == Some(chunk) {
            route.retired = None;
        }
        if route.location.as_ref().is_some_and(|location| location.chunk == chunk) {
            (route.location, route.stale) = (None, None);
        }
    }

    /// Forgets where a chunk is, and where its file ends.
    pub fn forget_end(&mut self, file: FileId, index: u64) {
        self.forget_tail(file);
        self.route(file, index).location = None;
    }

    /// The configuration `version` did not serve; a newer one that is known stays.
    pub fn forget(&mut self, file: FileId, index: u64, version: ChunkVersion) {
        let route = self.route(file, index);
        if route.location.as_ref().is_none_or(|l| l.version <= version) {
            route.location = None;
            route.stale = route.stale.max(Some(version));
        }
    }

    /// No append fits into this chunk, unless the file is truncated.
    pub fn seal(&mut self, file: FileId, index: u64) {
        let epoch = self.tail(file).map(|tail| tail.epoch);
        let route = self.route(file, index);
        route.sealed = epoch.max(route.sealed);
    }

    /// ... and no cut decided in this epoch, or before, changes that.
    pub fn fence(&mut self, file: FileId, index: u64, epoch: u64) {
        let route = self.route(file, index);
        route.fenced = route.fenced.max(Some(epoch));
    }

    /// Where the file ends, as far as known.
    pub fn tail(&self, file: FileId) -> Option<Tail> {
        self.tails.get(&file).copied()
    }

    pub fn learn_tail(&mut self, file: FileId, tail: Tail) {
        bound(&mut self.tails, &file);
        let known = self.tails.entry(file).or_insert(tail);
        // In one epoch a file does not shrink: a lower number is an older answer.
        if (tail.epoch, tail.slots) > (known.epoch, known.slots) {
            *known = tail;
        }
    }

    /// The file was truncated: it ends there, in this epoch.
    pub fn learn_cut(&mut self, file: FileId, slots: u64, epoch: u64) {
        if let Some(Tail { chunk_bytes, .. }) = self.tail(file) {
            self.learn_tail(file, Tail { slots, epoch, chunk_bytes });
        }
    }

    pub fn forget_tail(&mut self, file: FileId) {
        self.tails.remove(&file);
    }

    fn route(&mut self, file: FileId, index: u64) -> &mut Route {
        bound(&mut self.chunks, &(file, index));
        self.chunks.entry((file, index)).or_default()
    }
}

/// Makes room for `key`. Which other one goes does not matter, as long as it is always the same.
fn bound<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, key: &K) {
    if map.len() >= REMEMBERED_MAX && !map.contains_key(key) {
        map.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever knows one of three masters gets to the one that leads, and back when that is gone.
    #[test]
    fn a_leader_that_was_not_known_is_called_from_then_on() {
        let mut masters = Masters::new([NodeId(1)].into());
        masters.not(NodeId(1), None);
        assert_eq!(masters.current(), NodeId(1));
        masters.not(NodeId(1), Some(NodeId(3)));
        assert_eq!(masters.current(), NodeId(3));
        masters.not(NodeId(3), None);
        assert_eq!(masters.current(), NodeId(1));
    }
}
