//! The order of each chunk's mutations, put together from what the members reported.
//!
//! Version v′ continues where its primary stood when it adopted v′: the primary rolls forward all
//! that it had, and what was ordered after that under an older version is not in the order.

use leasehold_proto::replica::MutationKind;
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, Extent, NodeId, OpId, Sequence};
use std::collections::BTreeMap;

/// One mutation in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderedMutation {
    /// Under which version it was ordered.
    pub version: ChunkVersion,
    /// Whose operation.
    pub op: OpId,
    /// What it does.
    pub kind: MutationKind,
    /// The bytes it writes.
    pub extent: Extent,
    /// CRC-32C of them.
    pub crc: u32,
}

/// The order of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkOrder {
    /// The last version that a primary adopted.
    pub version: ChunkVersion,
    /// By place. A mutation whose only holder crashed before it reported it is missing.
    pub entries: BTreeMap<Sequence, OrderedMutation>,
    /// What clients were told is done.
    pub acknowledged: BTreeMap<Sequence, OpId>,
    held: BTreeMap<NodeId, Held>,
}

/// What one replica holds, as far as it reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Held {
    /// The version that it adopted last.
    at: ChunkVersion,
    entries: BTreeMap<Sequence, OrderedMutation>,
}

/// The order of every chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    chunks: BTreeMap<ChunkHandle, ChunkOrder>,
}

impl Order {
    /// The order of one chunk, if anything happened to it.
    #[must_use]
    pub fn chunk(&self, chunk: ChunkHandle) -> Option<&ChunkOrder> {
        self.chunks.get(&chunk)
    }

    /// Every chunk to which anything happened, freed ones included.
    pub fn chunks(&self) -> impl Iterator<Item = (ChunkHandle, &ChunkOrder)> {
        self.chunks.iter().map(|(handle, order)| (*handle, order))
    }

    /// Takes in what a node reported.
    pub fn observe(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::Applied { chunk, version, sequence, op, kind, extent, crc } => {
                let order = self.chunks.entry(*chunk).or_default();
                let (op, kind, extent, crc) = (*op, *kind, *extent, *crc);
                let entry = OrderedMutation { version: *version, op, kind, extent, crc };
                order.held.entry(node).or_default().entries.insert(*sequence, entry);
                // A straggler of an older version is not in the order, and will be overwritten.
                if *version >= order.version {
                    order.version = *version;
                    order.entries.insert(*sequence, entry);
                }
            }
            Event::Adopted { chunk, version, sequence, ops, primary: true, .. } => {
                let order = self.chunks.entry(*chunk).or_default();
                order.held.entry(node).or_default().at = *version;
                if *version > order.version {
                    order.led(node, *version, *sequence, ops);
                }
            }
            Event::Adopted { chunk, version, sequence, primary: false, .. }
            | Event::LearnerComplete { chunk, version, sequence } => {
                let order = self.chunks.entry(*chunk).or_default();
                order.is_like_the_primary(node, *version, *sequence);
            }
            Event::Recovered { chunk, applied_version, sequence, .. } => {
                let order = self.chunks.entry(*chunk).or_default();
                let held = order.held.entry(node).or_default();
                // What it took over last it did not live to tell.
                if held.at == *applied_version {
                    held.entries.split_off(&sequence.next());
                } else {
                    order.held.remove(&node);
                }
            }
            Event::ReplicaDeleted { chunk, .. } | Event::ReplicaQuarantined { chunk } => {
                self.chunks.entry(*chunk).or_default().held.remove(&node);
            }
            Event::Acknowledged { chunk, sequence, op, .. } => {
                let order = self.chunks.entry(*chunk).or_default();
                order.acknowledged.insert(*sequence, *op);
            }
            _ => {}
        }
    }
}

impl ChunkOrder {
    /// A new primary begins with what it holds. A primary between, whose members had promised more
    /// when it was activated, may have reported others in those places: what this one reported is
    /// there, and what contradicts its table does not. The table alone may have forgotten most.
    fn led(
        &mut self,
        node: NodeId,
        version: ChunkVersion,
        sequence: Sequence,
        ops: &[(OpId, Sequence)],
    ) {
        self.version = version;
        self.entries.split_off(&sequence.next());
        if let Some(held) = self.held.get(&node) {
            let held = held.entries.range(..=sequence);
            self.entries.extend(held.map(|(at, entry)| (*at, *entry)));
        }
        for (op, at) in ops {
            if self.entries.get(at).is_some_and(|entry| entry.op != *op) {
                self.entries.remove(at);
            }
        }
    }

    /// A replica took the state of a version's primary over.
    fn is_like_the_primary(&mut self, node: NodeId, version: ChunkVersion, sequence: Sequence) {
        if version == self.version {
            let entries = self.entries.range(..=sequence).map(|(at, entry)| (*at, *entry));
            let held = Held { at: version, entries: entries.collect() };
            self.held.insert(node, held);
        } else {
            self.held.remove(&node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    /// The first writes in place 1 and acknowledges; a second, whose members had promised more
    /// already, reports another there; the third continues from the first, and its table has forgotten.
    #[test]
    fn a_later_primary_has_what_it_told_of_and_not_what_another_did() {
        let mut order = Order::default();
        order.observe(S1, &adopted(1, 0, &[], true));
        order.observe(S1, &applied(1, 1, op(1)));
        order.observe(S2, &adopted(2, 0, &[], true));
        order.observe(S2, &applied(2, 1, op(2)));
        assert_eq!(order.chunk(CHUNK).unwrap().entries[&Sequence(1)].op, op(2));
        let mut remembers = order.clone();
        order.observe(S1, &adopted(3, 1, &[], true));
        assert_eq!(order.chunk(CHUNK).unwrap().entries[&Sequence(1)].op, op(1));
        // A replica that took over what it did not live to tell holds nobody knows what.
        remembers.observe(S1, &recovered(2, 2));
        remembers.observe(S1, &adopted(3, 1, &[(op(1), 1)], true));
        assert!(remembers.chunk(CHUNK).unwrap().entries.is_empty());
    }
}
