//! I4, I5, I8 and I10 at the end of a run: what the disks hold.

use super::past::{Past, as_index};
use super::{Violation, violation};
use crate::cluster::Cluster;
use crate::fair::name;
use crate::node::{Machine, Node};
use crate::show::op_name;
use leasehold_proto::tables::Configuration;
use leasehold_proto::{ChunkHandle, Extent, MutationKind, OpId, ReplicaRecord, Sequence};
use std::collections::BTreeMap;

/// Every acknowledged byte is on every member of its chunk's configuration.
pub(super) fn durable(
    cluster: &Cluster,
    pasts: &BTreeMap<ChunkHandle, Past>,
) -> Result<(), Violation> {
    let Some(state) = cluster.namespace() else { return Ok(()) };
    for (chunk, record) in state.chunks() {
        let (Some(config), Some(past)) = (&record.config, pasts.get(chunk)) else { continue };
        for member in config.members.iter().map(|member| cluster.node(member.node)) {
            let Some(replica) = member.disk.replicas().live.get(chunk) else { continue };
            if replica.applied_version == config.version {
                member_has_all(cluster, *chunk, past, replica, &member.disk.written(*chunk))?;
            }
        }
    }
    once(cluster, pasts)
}

fn member_has_all(
    cluster: &Cluster,
    chunk: ChunkHandle,
    past: &Past,
    replica: &ReplicaRecord,
    written: &[u8],
) -> Result<(), Violation> {
    let has = replica.image.sequence;
    if let Some((sequence, op)) = past.acknowledged.range(has.next()..).next() {
        let op = op_name(cluster, *op);
        return Err(violation(
            "I4",
            format!("{op} was acknowledged at {chunk} {sequence}, a member ends at {has}"),
        ));
    }
    let expected = past.image(Extent::new(0, replica.image.length), has);
    let same = (0..as_index(replica.image.length)).find(|at| {
        written.get(*at).copied().unwrap_or(0) != expected.get(*at).copied().unwrap_or(0)
    });
    match same {
        None => Ok(()),
        Some(at) => Err(violation(
            "I4",
            format!("byte {at} of {chunk} at {has} is not what its mutations wrote"),
        )),
    }
}

/// An operation occurs once, over all chunks.
fn once(cluster: &Cluster, pasts: &BTreeMap<ChunkHandle, Past>) -> Result<(), Violation> {
    let mut places: BTreeMap<OpId, (ChunkHandle, Sequence)> = BTreeMap::new();
    for (chunk, past) in pasts {
        for (sequence, entry) in &past.order {
            let op = entry.mutation.op;
            // A record that finds a chunk full, and fills it for good, goes on to the next.
            if matches!(entry.mutation.kind, MutationKind::Seal | MutationKind::Cut { .. }) {
                continue;
            }
            if let Some((other, at)) = places.insert(op, (*chunk, *sequence)) {
                let op = op_name(cluster, op);
                return Err(violation(
                    "I8",
                    format!("{op} stands at {other} {at} and at {chunk} {sequence}"),
                ));
            }
        }
    }
    Ok(())
}

/// Every chunk is at its target, if it is `repaired`, all of it on servers that are up and
/// reconciled.
pub(super) fn converged(cluster: &Cluster, repaired: bool) -> Result<(), Violation> {
    let Some(state) = cluster.namespace() else {
        return Err(violation("I10", "no master is up".into()));
    };
    let up = cluster.nodes().values().filter(|node| node.chunkserver().is_some()).count();
    for (chunk, record) in state.chunks() {
        let target = usize::from(record.spec.replicas).min(up);
        let short = |what| Err(violation("I10", format!("{chunk} {what}")));
        let Some(config) = &record.config else { continue };
        // Nothing to copy from: every member's disk is gone, or rotten before anybody noticed.
        let spoilt = |node: &Node| node.destroyed || node.disk.is_rotten(*chunk);
        if config.members.iter().all(|member| spoilt(cluster.node(member.node))) {
            continue;
        }
        if repaired && config.members.len() < target {
            return short(format!("has {} of {target} replicas", config.members.len()));
        }
        if let Some(what) = unfit(cluster, *chunk, config) {
            return short(what);
        }
    }
    Ok(())
}

/// No client is without an answer.
pub(crate) fn answered(cluster: &Cluster) -> Result<(), Violation> {
    for (id, node) in cluster.nodes() {
        if let Some(Machine::Client(client)) = &node.machine
            && client.outstanding() > 0
        {
            let what = format!("{} waits for an answer", name(cluster, *id));
            return Err(violation("I10", what));
        }
    }
    Ok(())
}

/// Nobody waits: no member has promised more than is configured, no client is without an answer.
pub(super) fn settled(cluster: &Cluster) -> Result<(), Violation> {
    let Some(state) = cluster.namespace() else { return Ok(()) };
    answered(cluster)?;
    for (id, node) in cluster.nodes() {
        for (chunk, replica) in &node.disk.replicas().live {
            let config = state.chunks().config(*chunk);
            let Some(config) = config else { continue };
            let member = config.members.iter().any(|member| member.node == *id);
            if member && replica.promised > config.version {
                let (who, promised) = (name(cluster, *id), replica.promised);
                let what = format!("{who} promised {promised} of {chunk}, and waits");
                return Err(violation("I10", what));
            }
        }
    }
    Ok(())
}

fn unfit(cluster: &Cluster, chunk: ChunkHandle, config: &Configuration) -> Option<String> {
    let mut sequences = BTreeMap::new();
    for member in &config.members {
        let (node, who) = (cluster.node(member.node), name(cluster, member.node));
        let Some(server) = node.chunkserver() else { return Some(format!("counts on {who}")) };
        let Some(replica) = server.replicas().live.get(&chunk) else {
            return Some(format!("is not on {who}"));
        };
        if replica.applied_version != config.version || replica.learner {
            return Some(format!("is at {} on {who}", replica.applied_version));
        }
        sequences.insert(replica.image.sequence, who);
    }
    (sequences.len() > 1).then(|| format!("ends differently: {sequences:?}"))
}
