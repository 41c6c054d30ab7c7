//! What a chunk went through, as only somebody who sees every disk can know it: the order of its
//! mutations, each with its bytes.

use super::{Violation, violation};
use crate::cluster::Cluster;
use crate::show::op_name;
use bytes::Bytes;
use leasehold_proto::replica::Done;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Extent, Mutation, MutationKind, OpId, Payload, Sequence,
};
use std::collections::BTreeMap;

/// A mutation that some disk holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub version: ChunkVersion,
    pub mutation: Mutation,
    pub data: Bytes,
}

/// What a mutation shows to be wrong.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wrong {
    /// Two members took different mutations for the same one.
    TwoContents { version: ChunkVersion, sequence: Sequence, ops: (OpId, OpId) },
    /// An operation has two places.
    Twice { op: OpId, at: (Sequence, Sequence) },
}

impl Wrong {
    pub fn told(self, cluster: &Cluster, chunk: ChunkHandle) -> Violation {
        match self {
            Wrong::TwoContents { version, sequence, ops } => {
                let (one, two) = (op_name(cluster, ops.0), op_name(cluster, ops.1));
                let what = format!(
                    "agreement: {chunk} {version} {sequence} is {one} on one member and {two} on \
                     another"
                );
                violation("I5", what)
            }
            Wrong::Twice { op, at: (one, two) } => {
                let op = op_name(cluster, op);
                violation(
                    "I8",
                    format!("exactly-once: {op} stands at {one} and at {two} of {chunk}"),
                )
            }
        }
    }
}

/// The past of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Past {
    /// The order as the latest primary has it, and behind its end what was applied since.
    pub order: BTreeMap<Sequence, Entry>,
    /// Every mutation that any disk ever held: whose, at which place, and where it wrote.
    ever: BTreeMap<(OpId, Sequence, Extent), Entry>,
    /// Acknowledged to a client.
    pub acknowledged: BTreeMap<Sequence, OpId>,
    /// The last mutation that some answer has shown: later strong reads see it too.
    pub shown: Sequence,
    /// The configuration that took effect last.
    pub version: ChunkVersion,
    /// The latest configuration whose primary took office.
    led: ChunkVersion,
}

impl Past {
    /// A disk holds this mutation. Tells what is wrong with that, if anything.
    pub fn applied(
        &mut self,
        version: ChunkVersion,
        sequence: Sequence,
        mutation: &Mutation,
        payload: &Payload,
    ) -> Result<(), Wrong> {
        let entry = Entry { version, mutation: mutation.clone(), data: payload.data.clone() };
        self.ever.insert((mutation.op, sequence, mutation.extent), entry.clone());
        // All members of the office that was taken last have promised it: who goes on under an
        // earlier version is none of them, and its state leads nowhere.
        if version < self.led {
            return Ok(());
        }
        if let Some(known) = self.order.get(&sequence) {
            if known.version > version {
                return Ok(());
            }
            if known.version == version && *known != entry {
                let ops = (known.mutation.op, mutation.op);
                return Err(Wrong::TwoContents { version, sequence, ops });
            }
        }
        let writes = mutation.kind != MutationKind::Seal;
        let twin = self.order.iter().find(|(at, other)| {
            **at != sequence
                && other.mutation.op == mutation.op
                && other.mutation.kind != MutationKind::Seal
                && (**at < sequence || other.version >= version)
        });
        if let (true, Some((at, _))) = (writes, twin) {
            return Err(Wrong::Twice { op: mutation.op, at: (*at, sequence) });
        }
        self.order.insert(sequence, entry);
        Ok(())
    }

    /// Does the primary of this configuration take a dead office? A message that was on its way for
    /// long may tell it of one that another has followed, whose members have promised more.
    pub fn is_dead(&self, version: ChunkVersion) -> bool {
        version < self.led
    }

    /// A new primary begins with everything up to `sequence`: the rest never was. Some of what it
    /// has may have been taken for that before: by a primary between, whose members had promised
    /// more already when it took office.
    pub fn adopted<'a>(
        &mut self,
        version: ChunkVersion,
        sequence: Sequence,
        table: impl Iterator<Item = (OpId, &'a Done)>,
    ) {
        self.led = version;
        self.order.split_off(&sequence.next());
        for (op, done) in table {
            let stands = self.order.get(&done.sequence).is_some_and(|at| at.mutation.op == op);
            let known = self.ever.get(&(op, done.sequence, done.extent));
            if let (false, Some(known)) = (stands, known) {
                self.order.insert(done.sequence, known.clone());
            }
        }
    }

    /// The bytes of `extent` after everything up to `sequence`, cut at the chunk's end then.
    pub fn image(&self, extent: Extent, sequence: Sequence) -> Vec<u8> {
        let (mut bytes, mut length) = (vec![0; as_index(extent.length)], 0);
        for (_, entry) in self.order.range(..=sequence) {
            let Mutation { extent: at, kind, .. } = entry.mutation;
            length = length.max(if kind == MutationKind::Seal { u64::MAX } else { at.end() });
            let (start, end) = (at.offset.max(extent.offset), at.end().min(extent.end()));
            if start < end {
                let from = as_index(start - at.offset);
                let to = as_index(start - extent.offset);
                let count = as_index(end - start);
                bytes[to..to + count].copy_from_slice(&entry.data[from..from + count]);
            }
        }
        bytes.truncate(as_index(length.saturating_sub(extent.offset).min(extent.length)));
        bytes
    }

    /// The first byte of `data`, read at `offset`, that nobody ever wrote there.
    pub fn foreign(&self, offset: u64, data: &[u8]) -> Option<u64> {
        let places = (offset..).zip(data);
        let mut foreign = places.filter(|(at, byte)| {
            **byte != 0
                && !self.ever.iter().any(|((_, _, extent), entry)| {
                    extent.offset <= *at
                        && *at < extent.end()
                        && entry.data[as_index(at - extent.offset)] == **byte
                })
        });
        foreign.next().map(|(at, _)| at)
    }

    /// Where an operation stands.
    pub fn place_of(&self, op: OpId) -> Option<Sequence> {
        let mut places = self.order.iter().rev();
        places.find(|(_, entry)| entry.mutation.op == op).map(|(sequence, _)| *sequence)
    }

    /// The last mutation of the order.
    pub fn last(&self) -> Sequence {
        self.order.last_key_value().map_or(Sequence(0), |(last, _)| *last)
    }
}

pub(super) fn as_index(n: u64) -> usize {
    usize::try_from(n).expect("chunks in World fit memory")
}
