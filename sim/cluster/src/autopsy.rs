//! After a run: what the members of every configuration have on their disks.

use crate::cluster::{Cluster, MASTER_HOST};
use crate::disk::SimDisk;
use crate::ledger::Wrong;
use bytes::Bytes;
use leasehold_proto::{
    ChunkHandle, Constants, Extent, IoId, IoOp, IoOutput, NodeId, ReplicaRecord, Replicas,
};
use leasehold_store::{ChunkStore, StoreOptions};
use std::collections::BTreeMap;

/// I5's sentence.
const AGREEMENT: &str = "members with the same applied version and sequence have the same bytes";

struct Body {
    store: ChunkStore<SimDisk>,
    replicas: Replicas,
}

/// Compares what the members of every committed configuration hold; how many replicas there were.
/// The cluster's processes have ended.
pub fn compare_members(cluster: &mut Cluster, constants: &Constants) -> Result<u64, Wrong> {
    let mut bodies = open_all(cluster, constants)?;
    let configurations = cluster.around.watch.state().configurations.clone();
    let mut compared = 0;
    for (chunk, (_, members)) in configurations {
        let mut first: Option<(NodeId, ReplicaRecord, Bytes)> = None;
        for node in members.iter().map(|member| member.node) {
            let (record, bytes) = read(&mut bodies, chunk, node)?;
            compared += 1;
            match &first {
                None => first = Some((node, record, bytes)),
                Some((other, with, its_bytes)) => {
                    agree(chunk, (node, &record, &bytes), (*other, with, its_bytes))?;
                }
            }
        }
    }
    Ok(compared)
}

fn open_all(cluster: &Cluster, constants: &Constants) -> Result<BTreeMap<NodeId, Body>, Wrong> {
    let mut bodies = BTreeMap::new();
    for host in (0..cluster.hosts()).filter(|host| *host != MASTER_HOST) {
        let options = StoreOptions {
            journal_bytes: cluster.around.journal_bytes,
            ..StoreOptions::of(constants)
        };
        let node = cluster.node(host);
        let opened = ChunkStore::open(cluster.disk(host).clone(), options);
        let (store, replicas) =
            opened.map_err(|error| wrong("I4", format!("{node} does not open: {error}")))?;
        bodies.insert(node, Body { store, replicas });
    }
    Ok(bodies)
}

fn read(
    bodies: &mut BTreeMap<NodeId, Body>,
    chunk: ChunkHandle,
    node: NodeId,
) -> Result<(ReplicaRecord, Bytes), Wrong> {
    let body = bodies.get_mut(&node);
    let found = body.and_then(|body| Some((body.replicas.live.get(&chunk)?.clone(), body)));
    let Some((record, body)) = found else {
        return Err(wrong("I4", format!("{chunk}: its member {node} has no replica")));
    };
    let pieces = vec![Extent::new(0, record.image.length)];
    let mut done = body.store.execute(vec![(IoId(1), IoOp::Read { chunk, pieces })]);
    match done.pop() {
        Some((_, Ok(IoOutput::Read(payload)))) => Ok((record, payload.data)),
        other => Err(wrong("I4", format!("{chunk} is not read back at {node}: {other:?}"))),
    }
}

fn agree(
    chunk: ChunkHandle,
    (node, record, bytes): (NodeId, &ReplicaRecord, &Bytes),
    (other, with, its_bytes): (NodeId, &ReplicaRecord, &Bytes),
) -> Result<(), Wrong> {
    let place = |record: &ReplicaRecord| (record.applied_version, record.image.sequence);
    if place(record) != place(with) {
        let (here, there) = (place(record), place(with));
        return Err(wrong("I4", format!("{chunk}: {node} is at {here:?}, {other} at {there:?}")));
    }
    let first = bytes.iter().zip(its_bytes).position(|(a, b)| a != b);
    if first.is_some() || bytes.len() != its_bytes.len() {
        let (here, there) = (bytes.len(), its_bytes.len());
        let detail = format!(
            "{chunk} at {:?}: {node} has {here} bytes, {other} {there}, differing from {first:?} on",
            place(record)
        );
        return Err(wrong("I5", detail));
    }
    if record.image.ops != with.image.ops || record.image.sealed != with.image.sealed {
        let detail = format!("{chunk}: the operation tables of {node} and {other} differ");
        return Err(wrong("I5", detail));
    }
    Ok(())
}

fn wrong(invariant: &'static str, detail: String) -> Wrong {
    let sentence = if invariant == "I5" { AGREEMENT } else { crate::ledger::DURABILITY };
    Wrong { invariant, sentence, detail }
}
