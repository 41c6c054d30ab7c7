//! What a chunk went through, as only somebody who sees every disk can know it: the order of its
//! mutations, each with its bytes.

use super::{Violation, violation};
use crate::cluster::Cluster;
use crate::show::op_name;
use bytes::Bytes;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Extent, FileId, Member, Mutation, MutationKind, NodeId, OpId,
    Payload, ReplicaImage, Sequence,
};
use std::collections::BTreeMap;

/// A mutation that some disk holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct HeldMutation {
    pub version: ChunkVersion,
    pub mutation: Mutation,
    pub data: Bytes,
}

/// A mutation that some disk ever held: whose, at which place, and where it wrote.
type Key = (OpId, Sequence, Extent);

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
                    "{chunk} {version} {sequence} is {one} on one member and {two} on \
                     another"
                );
                violation("I5", what)
            }
            Wrong::Twice { op, at: (one, two) } => {
                let op = op_name(cluster, op);
                violation("I8", format!("{op} stands at {one} and at {two} of {chunk}"))
            }
        }
    }
}

/// The past of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Past {
    /// The order as the latest primary has it, and behind its end what was applied since.
    pub order: BTreeMap<Sequence, HeldMutation>,
    /// Every mutation that any disk ever held.
    ever: BTreeMap<Key, HeldMutation>,
    /// What each disk holds of it, mutation by mutation. A replica's own operation table may have
    /// forgotten whose they are.
    held: BTreeMap<NodeId, BTreeMap<Sequence, Key>>,
    /// The server that became the primary of each configuration.
    primaries: BTreeMap<ChunkVersion, NodeId>,
    /// Acknowledged to a client.
    pub acknowledged: BTreeMap<Sequence, OpId>,
    /// The last mutation that some answer has shown: later strong reads see it too.
    pub shown: Sequence,
    /// Its size when it is full, which sealing it makes its length; known from the first mutation on.
    pub chunk_bytes: Option<u64>,
    /// The file and the index under which the log made it.
    pub place: Option<(FileId, u64)>,
    /// The configuration that took effect last, ...
    pub version: ChunkVersion,
    /// ... and who is in it.
    pub members: Vec<NodeId>,
    /// The log says that it is no more.
    pub freed: bool,
    /// The log says that its file gave it up, when its order ended here.
    pub given_up: Option<Sequence>,
    /// The latest configuration whose primary was activated.
    led: ChunkVersion,
}

impl Past {
    /// A disk holds this mutation. Tells what is wrong with that, if anything.
    pub fn applied(
        &mut self,
        node: NodeId,
        version: ChunkVersion,
        sequence: Sequence,
        mutation: &Mutation,
        payload: &Payload,
    ) -> Result<(), Wrong> {
        let entry =
            HeldMutation { version, mutation: mutation.clone(), data: payload.data.clone() };
        let key = (mutation.op, sequence, mutation.extent);
        self.ever.insert(key, entry.clone());
        self.held.entry(node).or_default().insert(sequence, key);
        // All members of the configuration that was activated last have promised it: a server that
        // still applies under an earlier version is none of them, and its state has no successor.
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
        // A record that did not fit goes on, under its number, to the next chunk.
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

    /// Is this configuration superseded? A delayed message may activate the primary of one that
    /// another has followed, whose members have promised more.
    pub fn is_superseded(&self, version: ChunkVersion) -> bool {
        version < self.led
    }

    /// A configuration took effect.
    pub fn configured(&mut self, version: ChunkVersion, members: &[Member]) {
        self.version = version;
        self.members = members.iter().map(|member| member.node).collect();
    }

    /// A disk has none of it, or begins anew.
    pub fn removed(&mut self, node: NodeId) {
        self.held.remove(&node);
    }

    /// A disk holds what the primary of `version` has up to `sequence`, and nothing else.
    pub fn like_the_primary(&mut self, node: NodeId, version: ChunkVersion, sequence: Sequence) {
        let primary = self.primaries.get(&version).and_then(|primary| self.held.get(primary));
        let upto = |held: &BTreeMap<Sequence, Key>| {
            held.range(..=sequence).map(|(at, key)| (*at, *key)).collect()
        };
        self.held.insert(node, primary.map(upto).unwrap_or_default());
    }

    /// Whose mutation a disk holds at a place, if that is known.
    pub fn held_at(&self, node: NodeId, sequence: Sequence) -> Option<OpId> {
        self.held.get(&node)?.get(&sequence).map(|(op, _, _)| *op)
    }

    /// A node becomes the primary of a configuration.
    pub fn activated(&mut self, node: NodeId, version: ChunkVersion) {
        self.primaries.insert(version, node);
    }

    /// A new primary begins with what its disk holds: the rest never was. Some of that may have
    /// been taken for the rest before: by a primary between, whose members had promised more
    /// already when it was activated.
    pub fn adopted(&mut self, node: NodeId, version: ChunkVersion, image: &ReplicaImage) {
        self.led = version;
        self.order.split_off(&image.sequence.next());
        let held = self.held.get(&node).into_iter().flat_map(|held| held.range(..=image.sequence));
        // A power failure may have taken back what is known of a disk; its table says so.
        let table = image.ops.iter().map(|(op, done)| (op, done.sequence, done.extent));
        for key in held.map(|(_, key)| *key).chain(table) {
            if let Some(known) = self.ever.get(&key) {
                self.order.insert(key.1, known.clone());
            }
        }
    }

    /// The bytes of `extent` after everything up to `sequence`, cut at the chunk's end then.
    pub fn image(&self, extent: Extent, sequence: Sequence) -> Vec<u8> {
        let (mut bytes, mut length) = (vec![0; as_index(extent.length)], 0);
        for (_, entry) in self.order.range(..=sequence) {
            let Mutation { extent: at, kind, .. } = entry.mutation;
            length = match kind {
                MutationKind::Write | MutationKind::Append => length.max(at.end()),
                MutationKind::Seal => self.chunk_bytes.unwrap_or(u64::MAX),
                MutationKind::Cut { .. } => at.offset,
                MutationKind::Retire => 0,
            };
            let kept = length.saturating_sub(extent.offset).min(extent.length);
            bytes[as_index(kept)..].fill(0);
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

    /// Where an operation is.
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
