//! What holds at every instant, whatever happened before: seen by looking at all nodes at once.

use super::violation;
use crate::cluster::Cluster;
use crate::fair::name;
use leasehold_checker::Violation;
use leasehold_proto::tables::Holder;
use leasehold_proto::{ChunkHandle, ChunkVersion, FileId, Lock, LockKind, NodeId, Sequence};
use std::collections::BTreeMap;

/// Does this node believe by its own clock that it is the chunk's primary?
pub(super) fn is_primary(cluster: &Cluster, node: NodeId, chunk: ChunkHandle) -> bool {
    let node = cluster.node(node);
    let server = node.chunkserver();
    let now = node.clock.at(cluster.now());
    server.is_some_and(|server| server.believes_primary(now).iter().any(|(of, _)| *of == chunk))
}

/// I1: no two chunkservers whose clocks never stood still believe, by these, that they are a chunk's
/// primary at this true instant. A belief begins only in a step, so looking after each step misses none.
pub(super) fn one_primary(cluster: &Cluster) -> Result<(), Violation> {
    let mut holders: Vec<(ChunkHandle, NodeId, ChunkVersion)> = Vec::new();
    for (id, node) in cluster.nodes() {
        let Some(server) = node.chunkserver().filter(|_| !node.clock.has_stood()) else { continue };
        let believed = server.believes_primary(node.clock.at(cluster.now()));
        holders.extend(believed.into_iter().map(|(chunk, version)| (chunk, *id, version)));
    }
    holders.sort_unstable();
    match holders.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => {
            let ((chunk, one, _), (_, two, version)) = (pair[0], pair[1]);
            let (one, two) = (name(cluster, one), name(cluster, two));
            let what = format!(
                "{one}, and {two} at {version}, believe at once that they are the \
                 primary of {chunk}"
            );
            Err(violation("I1", what))
        }
    }
}

/// I12: no two owners believe, by clocks that never stood still, to have locks at this true instant of which
/// one does not allow the other.
pub(super) fn no_conflicting_locks(cluster: &Cluster) -> Result<(), Violation> {
    let mut all: BTreeMap<FileId, Vec<(NodeId, Lock<Holder>)>> = BTreeMap::new();
    for (id, node) in cluster.nodes() {
        let Some(client) = node.client().filter(|_| !node.clock.has_stood()) else { continue };
        for (file, lock) in client.believed_locks(node.clock.at(cluster.now())) {
            all.entry(file).or_default().push((*id, lock));
        }
    }
    for (file, locks) in &all {
        for (at, (one, lock)) in locks.iter().enumerate() {
            let conflicts = |(_, other): &&(NodeId, Lock<Holder>)| {
                let exclusive = [lock.kind, other.kind].contains(&LockKind::Exclusive);
                exclusive && other.holder != lock.holder && other.range.overlaps(&lock.range)
            };
            if let Some((two, other)) = locks[at + 1..].iter().find(conflicts) {
                let (one, two) = (name(cluster, *one), name(cluster, *two));
                let what = format!(
                    "{one} with {:?} and {two} with {:?} believe at once that they have {file} locked",
                    lock.range, other.range
                );
                return Err(violation("I12", what));
            }
        }
    }
    Ok(())
}

/// I5: replicas with the same applied version and sequence have the same bytes, operations and
/// length.
pub(super) fn agreement(cluster: &Cluster, chunk: ChunkHandle) -> Result<(), Violation> {
    let mut first: BTreeMap<(ChunkVersion, Sequence), NodeId> = BTreeMap::new();
    for (id, node) in cluster.nodes() {
        let Some(record) = node.disk.replicas().live.get(&chunk) else { continue };
        if record.applied_version.0 == 0 {
            // A copy that is not complete.
            continue;
        }
        let at = (record.applied_version, record.image.sequence);
        let other = *first.entry(at).or_insert(*id);
        let twin = &cluster.node(other).disk;
        let theirs = &twin.replicas().live[&chunk].image;
        let (mine, other_bytes) = (node.disk.written(chunk), twin.written(chunk));
        let differs = if (theirs.length, theirs.end) != (record.image.length, record.image.end) {
            Some(format!("in length: {} B and {} B", theirs.length, record.image.length))
        } else {
            let place = mine.iter().zip(&other_bytes).position(|(a, b)| a != b);
            place.map(|place| format!("from byte {place} on"))
        };
        if let Some(where_) = differs {
            let (one, two) = (name(cluster, other), name(cluster, *id));
            let what = format!("{one} and {two} differ in {chunk} at {} {} {where_}", at.0, at.1);
            return Err(violation("I5", what));
        }
    }
    Ok(())
}
