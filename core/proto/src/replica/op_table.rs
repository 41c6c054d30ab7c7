//! The operation table: what a chunk remembers of its clients' mutations, so that a retry is recognised
//! wherever it arrives. It is chunk state: written, copied and reconciled together with the bytes.

use super::{Mutation, MutationKind};
use crate::ids::{NodeId, OpId, Sequence};
use crate::payload::Extent;
use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

/// A finished mutation, as the operation table remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Done {
    /// Its place in the order of the chunk's mutations.
    pub sequence: Sequence,
    /// Where it wrote.
    pub extent: Extent,
    /// What it did.
    pub kind: MutationKind,
}

/// What a chunk knows of one client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ClientOps {
    #[serde(deserialize_with = "crate::ids::counted")]
    acked_below: u64,
    last: Sequence,
    done: BTreeMap<u64, Done>,
}

/// What the operation table says of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Never applied here, and never will be under this number unless it is applied now.
    New,
    /// Applied; whether it is committed is for the primary to say.
    Done(Done),
    /// The client had said that it knows the answer, so the entry is gone.
    BelowWatermark,
    /// Not in the table, and perhaps evicted from it: whether it was applied is unknown.
    PerhapsForgotten {
        /// Everything at or above this number is remembered.
        below: u64,
        /// The mutation that made room in the table last. Once it is committed, so is this answer.
        since: Sequence,
    },
}

/// The operations that a chunk remembers, so that a retry is recognised. Chunk state: written,
/// copied and reconciled together with the bytes.
///
/// The table is bounded. What it forgets it forgets below one number for all clients, and an
/// operation below that number which it does not hold is refused as perhaps forgotten. A client
/// whose operation is refused so before it was sent twice knows that it was never applied, and
/// gives it a number above (as Lamport's clocks do). One case is left: the network delivers that one
/// copy twice, and between the two the table turns over and the first answer is lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OpTable {
    clients: BTreeMap<NodeId, ClientOps>,
    /// Above the number of every operation that was ever forgotten without its client's leave.
    #[serde(deserialize_with = "crate::ids::counted")]
    forgotten_below: u64,
    /// The mutation at which that happened last.
    forgotten_at: Sequence,
}

impl OpTable {
    /// What is known of `op`.
    #[must_use]
    pub fn lookup(&self, op: OpId) -> Lookup {
        if let Some(client) = self.clients.get(&op.client) {
            if op.number < client.acked_below {
                return Lookup::BelowWatermark;
            }
            if let Some(done) = client.done.get(&op.number) {
                return Lookup::Done(*done);
            }
        }
        // A client that is known may have been forgotten in between.
        if op.number < self.forgotten_below {
            let (below, since) = (self.forgotten_below, self.forgotten_at);
            return Lookup::PerhapsForgotten { below, since };
        }
        Lookup::New
    }

    /// Every remembered operation, in order of client and number.
    pub fn iter(&self) -> impl Iterator<Item = (OpId, &Done)> {
        self.clients.iter().flat_map(|(&client, ops)| {
            ops.done.iter().map(move |(&number, done)| (OpId { client, number }, done))
        })
    }

    pub(super) fn record(&mut self, mutation: &Mutation, sequence: Sequence, clients_max: usize) {
        let done = Done { sequence, extent: mutation.extent, kind: mutation.kind };
        let client = self.clients.entry(mutation.op.client).or_default();
        client.acked_below = client.acked_below.max(mutation.acked_below);
        client.last = sequence;
        client.done.insert(mutation.op.number, done);
        client.done = client.done.split_off(&client.acked_below);
        if self.clients.len() > clients_max {
            self.forget_one(sequence);
        }
    }

    /// Makes room: the client that was silent for longest goes.
    fn forget_one(&mut self, sequence: Sequence) {
        let oldest = self.clients.iter().min_by_key(|(id, c)| (c.last, **id)).map(|(id, _)| *id);
        let Some(gone) = oldest.and_then(|oldest| self.clients.remove(&oldest)) else { return };
        let highest = gone.done.keys().next_back().map_or(0, |number| number.saturating_add(1));
        self.forgotten_below = self.forgotten_below.max(gone.acked_below).max(highest);
        self.forgotten_at = sequence;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: usize = 2;

    fn record(table: &mut OpTable, client: u64, number: u64, acked_below: u64, sequence: u64) {
        let op = OpId { client: NodeId(client), number };
        let (kind, extent) = (MutationKind::Append, Extent::new(0, 1));
        let mutation = Mutation { op, acked_below, kind, extent, crc: 0 };
        table.record(&mutation, Sequence(sequence), TWO);
    }

    fn lookup(table: &OpTable, client: u64, number: u64) -> Lookup {
        table.lookup(OpId { client: NodeId(client), number })
    }

    #[test]
    fn until_it_forgets_somebody_every_stranger_is_new() {
        let mut table = OpTable::default();
        record(&mut table, 1, 5, 5, 1);
        record(&mut table, 2, 1, 1, 2);
        record(&mut table, 1, 6, 6, 3);
        assert_eq!(lookup(&table, 3, 1), Lookup::New);
        assert_eq!(lookup(&table, 1, 7), Lookup::New);
        assert_eq!(lookup(&table, 1, 5), Lookup::BelowWatermark);
        assert!(matches!(lookup(&table, 1, 6), Lookup::Done(done) if done.sequence == Sequence(3)));
    }

    #[test]
    fn a_client_that_comes_back_does_not_hide_what_was_forgotten_of_it() {
        let mut table = OpTable::default();
        record(&mut table, 1, 5, 5, 1);
        record(&mut table, 2, 1, 1, 2);
        record(&mut table, 3, 1, 1, 3);
        let forgotten = Lookup::PerhapsForgotten { below: 6, since: Sequence(3) };
        assert_eq!(lookup(&table, 1, 5), forgotten);
        assert_eq!(lookup(&table, 9, 1), forgotten, "it may be one that was forgotten");
        assert_eq!(lookup(&table, 1, 6), Lookup::New);
        // Known again by its 8, it still waits for the answer to its 5.
        record(&mut table, 1, 8, 5, 4);
        assert!(matches!(lookup(&table, 1, 5), Lookup::PerhapsForgotten { .. }));
        assert!(matches!(lookup(&table, 1, 8), Lookup::Done(_)));
    }
}
