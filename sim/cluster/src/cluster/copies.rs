//! The version of each replica, by the events of the machines: for faults that must not destroy
//! the last good one.

use leasehold_proto::{ChunkHandle, ChunkVersion, Event, NodeId};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Copy {
    promised: ChunkVersion,
    applied: ChunkVersion,
}

/// Every replica that some disk holds, and the chunks whose configuration is about to change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    held: BTreeMap<(ChunkHandle, NodeId), Copy>,
    /// Changes that the leader has begun, with the version that each is to have at least. Whom it
    /// asks was decided then: a member that it did not hear may be left out however well it does
    /// by now.
    changing: BTreeMap<ChunkHandle, ChunkVersion>,
}

impl Copies {
    /// Takes an event of a node.
    pub fn observe(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::Recovered { chunk, promised, applied_version, .. } => {
                let copy = Copy { promised: *promised, applied: *applied_version };
                self.held.insert((*chunk, node), copy);
            }
            Event::Promised { chunk, version } => {
                let copy = self.held.entry((*chunk, node)).or_default();
                copy.promised = copy.promised.max(*version);
            }
            Event::Adopted { chunk, version, .. } => {
                self.held.entry((*chunk, node)).or_default().applied = *version;
            }
            Event::ReplicaDeleted { chunk, .. } | Event::ReplicaQuarantined { chunk } => {
                self.held.remove(&(*chunk, node));
            }
            Event::LeaderBegan { .. } => self.changing.clear(),
            Event::ChangeBegan { chunk, version, .. } => {
                self.changing.insert(*chunk, *version);
            }
            // Each master emits the events of an entry when it applies it: a late one ends no later change.
            Event::Configured { chunk, version, .. } => {
                self.changing.retain(|changing, began| changing != chunk || *began > *version);
            }
            Event::Freed { chunk, .. } => drop(self.changing.remove(chunk)),
            _ => {}
        }
    }

    /// A disk is gone with all that was on it, or a new incarnation is about to report what is there.
    pub fn forget(&mut self, node: NodeId) {
        self.held.retain(|(_, holder), _| *holder != node);
    }

    /// Whether a node's replica has reconciled itself to this version.
    #[must_use]
    pub fn is_current(&self, chunk: ChunkHandle, node: NodeId, version: ChunkVersion) -> bool {
        self.held.get(&(chunk, node)).is_some_and(|copy| copy.applied == version)
    }

    /// Whether a node's replica adopted an earlier version and not this one. Of a first configuration
    /// nobody tells that it was adopted: there is nothing to reconcile.
    #[must_use]
    pub fn is_behind(&self, chunk: ChunkHandle, node: NodeId, version: ChunkVersion) -> bool {
        let is_behind = |copy: &Copy| ChunkVersion(0) < copy.applied && copy.applied < version;
        self.held.get(&(chunk, node)).is_some_and(is_behind)
    }

    /// Replicas that some server holds.
    pub fn held(&self) -> impl Iterator<Item = (ChunkHandle, NodeId)> {
        self.held.keys().copied()
    }

    /// Whether no other configuration is under way: the leader has begun none, and nobody has
    /// promised more than this version.
    #[must_use]
    pub fn is_settled(&self, chunk: ChunkHandle, version: ChunkVersion) -> bool {
        let all = (chunk, NodeId(0))..=(chunk, NodeId(u64::MAX));
        let promised = || self.held.range(all).all(|(_, copy)| copy.promised <= version);
        !self.changing.contains_key(&chunk) && promised()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::Sequence;

    const CHUNK: ChunkHandle = ChunkHandle(7);
    const NODE: NodeId = NodeId(3);

    #[test]
    fn a_copy_is_current_when_it_adopted_and_settled_until_somebody_promises_more() {
        let mut copies = Copies::default();
        let version = ChunkVersion(2);
        let promise = |version| Event::Promised { chunk: CHUNK, version };
        copies.observe(NODE, &promise(version));
        assert!(!copies.is_current(CHUNK, NODE, version));
        copies.observe(
            NODE,
            &Event::Adopted {
                chunk: CHUNK,
                version,
                sequence: Sequence(0),
                length: 0,
                stored_bytes: 0,
                ops: Vec::new(),
                primary: true,
            },
        );
        assert!(copies.is_current(CHUNK, NODE, version) && copies.is_settled(CHUNK, version));
        assert!(!copies.is_behind(CHUNK, NODE, version));
        assert!(copies.is_behind(CHUNK, NODE, ChunkVersion(3)));
        assert!(!copies.is_behind(CHUNK, NodeId(4), version), "it holds none");
        copies.observe(NodeId(4), &promise(ChunkVersion(3)));
        assert!(copies.is_current(CHUNK, NODE, version) && !copies.is_settled(CHUNK, version));
        copies.forget(NodeId(4));
        assert!(copies.is_settled(CHUNK, version));
        copies.forget(NODE);
        assert!(!copies.is_current(CHUNK, NODE, version));
    }

    #[test]
    fn a_chunk_is_not_settled_from_the_beginning_of_a_change_to_its_end() {
        let mut copies = Copies::default();
        let (base, version) = (ChunkVersion(2), ChunkVersion(3));
        copies.observe(NODE, &Event::ChangeBegan { chunk: CHUNK, version, why: "a test" });
        assert!(!copies.is_settled(CHUNK, base), "before anybody was asked");
        let configured = Event::Configured { chunk: CHUNK, base, version, members: Vec::new() };
        copies.observe(NODE, &configured);
        assert!(copies.is_settled(CHUNK, version));
    }

    #[test]
    fn a_master_that_applies_late_ends_no_later_change() {
        let mut copies = Copies::default();
        let (base, version, next) = (ChunkVersion(1), ChunkVersion(2), ChunkVersion(3));
        copies.observe(NODE, &Event::ChangeBegan { chunk: CHUNK, version: next, why: "a test" });
        let configured = Event::Configured { chunk: CHUNK, base, version, members: Vec::new() };
        copies.observe(NodeId(4), &configured);
        assert!(!copies.is_settled(CHUNK, version));
    }
}
