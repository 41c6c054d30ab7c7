//! The order of each chunk's mutations, put together from what the members told.
//!
//! Version v′ continues where its primary stood when it adopted v′: the primary rolls forward all
//! that it had, and what was ordered after that under an older version is not in the order.

use leasehold_proto::replica::MutationKind;
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, Extent, OpId, Sequence};
use std::collections::BTreeMap;

/// One mutation in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
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
    /// By place. A mutation whose only holder crashed before it told anybody is missing.
    pub entries: BTreeMap<Sequence, Entry>,
    /// What clients were told is done.
    pub acknowledged: BTreeMap<Sequence, OpId>,
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

    /// Takes in what happened.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::Applied { chunk, version, sequence, op, kind, extent, crc } => {
                let order = self.chunks.entry(*chunk).or_default();
                // A straggler of an older version is not in the order, and will be overwritten.
                if *version >= order.version {
                    order.version = *version;
                    let (version, op, kind) = (*version, *op, *kind);
                    let entry = Entry { version, op, kind, extent: *extent, crc: *crc };
                    order.entries.insert(*sequence, entry);
                }
            }
            Event::Adopted { chunk, version, sequence, ops, primary: true, .. } => {
                let order = self.chunks.entry(*chunk).or_default();
                if *version > order.version {
                    order.version = *version;
                    order.entries.split_off(&sequence.next());
                    // A primary between, whose members had promised more when it took office, may
                    // have told of others in those places.
                    for (op, at) in ops {
                        if order.entries.get(at).is_some_and(|entry| entry.op != *op) {
                            order.entries.remove(at);
                        }
                    }
                }
            }
            Event::Acknowledged { chunk, sequence, op, .. } => {
                let order = self.chunks.entry(*chunk).or_default();
                order.acknowledged.insert(*sequence, *op);
            }
            _ => {}
        }
    }
}
