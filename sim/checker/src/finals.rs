//! What is at a run's end, as only somebody who sees every disk can tell.

use bytes::Bytes;
use leasehold_proto::replica::ReplicaRecord;
use leasehold_proto::{ChunkHandle, ChunkVersion, FileId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// A chunk, as the master's committed state has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkFinal {
    /// Of which file.
    pub file: FileId,
    /// Its place in it.
    pub index: u64,
    /// Version of its committed configuration; zero before the first.
    pub version: ChunkVersion,
    /// That configuration's members, the primary first.
    pub members: Vec<NodeId>,
    /// Replicas wanted.
    pub target: usize,
    /// It was freed.
    pub freed: bool,
    /// Every holder's disk was destroyed: nothing can be asked of it.
    pub lost: bool,
}

/// A replica on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaFinal {
    /// Its durable record.
    pub record: ReplicaRecord,
    /// Its bytes, from the start of the chunk; what is missing reads as zero.
    pub bytes: Bytes,
    /// The runner has damaged these bytes or knows of a checksum error: they are not judged.
    pub corrupt: bool,
}

/// A chunkserver's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFinal {
    /// What is live on it.
    pub replicas: BTreeMap<ChunkHandle, ReplicaFinal>,
    /// What is set aside there.
    pub quarantined: BTreeSet<ChunkHandle>,
}

/// Everything at a run's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finals {
    /// True time, in nanoseconds.
    pub true_ns: u64,
    /// Every chunk that the master knows or knew.
    pub chunks: BTreeMap<ChunkHandle, ChunkFinal>,
    /// Every chunkserver whose disk exists. A destroyed disk is not in it.
    pub servers: BTreeMap<NodeId, ServerFinal>,
}

impl Finals {
    /// The replica of `chunk` at `node`.
    #[must_use]
    pub fn replica(&self, node: NodeId, chunk: ChunkHandle) -> Option<&ReplicaFinal> {
        self.servers.get(&node)?.replicas.get(&chunk)
    }

    /// Chunks of which something can be asked.
    pub fn living(&self) -> impl Iterator<Item = (ChunkHandle, &ChunkFinal)> {
        let chunks = self.chunks.iter().map(|(handle, chunk)| (*handle, chunk));
        chunks.filter(|(_, chunk)| !chunk.freed && !chunk.lost && chunk.version > ChunkVersion(0))
    }

    /// Members of a chunk's configuration that are reconciled to it, with their replicas.
    pub fn reconciled(
        &self,
        handle: ChunkHandle,
        chunk: &ChunkFinal,
    ) -> impl Iterator<Item = (NodeId, &ReplicaFinal)> {
        let version = chunk.version;
        let members = chunk.members.clone().into_iter();
        let held = members.filter_map(move |node| Some((node, self.replica(node, handle)?)));
        held.filter(move |(_, held)| held.record.applied_version == version && !held.record.learner)
    }
}
