//! What the client knows of the others: which master may lead, where chunks are, how many chunks
//! a file has. All of it is a hint; whoever is asked refuses if it is wrong.

use crate::ids::{ChunkVersion, FileId, NodeId};
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
    /// A version found wanting: the master is to look again.
    stale: Option<ChunkVersion>,
    sealed: bool,
}

/// Where chunks are, and how many each file has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Routes {
    chunks: BTreeMap<(FileId, u64), Route>,
    tails: BTreeMap<FileId, u64>,
}

impl Routes {
    pub fn location(&self, file: FileId, index: u64) -> Option<&Location> {
        self.chunks.get(&(file, index))?.location.as_ref()
    }

    pub fn stale(&self, file: FileId, index: u64) -> Option<ChunkVersion> {
        self.chunks.get(&(file, index))?.stale
    }

    pub fn is_sealed(&self, file: FileId, index: u64) -> bool {
        self.chunks.get(&(file, index)).is_some_and(|route| route.sealed)
    }

    /// Takes in what the master said. An answer that was overtaken by a newer one is dropped.
    pub fn learn(&mut self, file: FileId, index: u64, location: Location) {
        let route = self.route(file, index);
        let overtaken = route.location.as_ref().is_some_and(|l| l.version > location.version);
        if !overtaken {
            route.stale = None;
            route.location = Some(location);
        }
    }

    /// The configuration `version` did not serve; a newer one that is known stays.
    pub fn forget(&mut self, file: FileId, index: u64, version: ChunkVersion) {
        let route = self.route(file, index);
        if route.location.as_ref().is_none_or(|l| l.version <= version) {
            route.location = None;
            route.stale = route.stale.max(Some(version));
        }
    }

    /// No append fits into this chunk, for good.
    pub fn seal(&mut self, file: FileId, index: u64) {
        self.route(file, index).sealed = true;
    }

    /// Number of chunks, as far as known.
    pub fn tail(&self, file: FileId) -> Option<u64> {
        self.tails.get(&file).copied()
    }

    pub fn learn_tail(&mut self, file: FileId, chunks: u64) {
        bound(&mut self.tails, &file);
        let tail = self.tails.entry(file).or_default();
        // Files do not shrink: a lower number is an older answer.
        *tail = chunks.max(*tail);
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
