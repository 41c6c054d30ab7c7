//! What `show` prints.

use crate::cluster::Cluster;
use crate::fair::name;
use crate::show;
use leasehold_proto::ChunkEnd;

/// Each chunk: its configuration, and every replica.
pub(super) fn chunks(cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(state) = cluster.namespace() else { return vec!["no master is up".into()] };
    for (chunk, record) in state.chunks() {
        let config = record.config.as_ref();
        let members = config.map(|c| c.members.iter().map(|m| name(cluster, m.node)).collect());
        let members: Vec<String> = members.unwrap_or_default();
        lines.push(format!("{chunk} {} on {}", record.version(), members.join(" ")));
    }
    for (id, node) in cluster.nodes() {
        for (chunk, record) in &node.disk.replicas().live {
            let (image, learner) = (&record.image, if record.learner { " learner" } else { "" });
            lines.push(format!(
                "{} {chunk}: promised {} applied {} {} {} B{}{learner} {}",
                name(cluster, *id),
                record.promised,
                record.applied_version,
                image.sequence,
                image.length,
                match image.end {
                    ChunkEnd::Retired => " retired",
                    end if end.is_sealed() => " sealed",
                    _ => "",
                },
                show::text(node.disk.bytes(*chunk)),
            ));
        }
        for chunk in &node.disk.replicas().quarantined {
            lines.push(format!("{} {chunk}: set aside", name(cluster, *id)));
        }
    }
    lines
}

/// Who believes to be primary of what.
pub(super) fn leases(cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, node) in cluster.nodes() {
        let Some(server) = node.chunkserver() else { continue };
        for (chunk, version) in server.believes_primary(node.clock.at(cluster.now())) {
            lines.push(format!("{} believes {chunk} {version}", name(cluster, *id)));
        }
    }
    if lines.is_empty() {
        lines.push("nobody".into());
    }
    lines
}

/// What is in flight.
pub(super) fn messages(cluster: &Cluster) -> Vec<String> {
    let line = |envelope: &leasehold_proto::Envelope| {
        let (from, to) = (name(cluster, envelope.from), name(cluster, envelope.to));
        format!("{from}->{to} {}", show::message_name(&envelope.message))
    };
    cluster.net().flying().map(|(_, envelope)| line(envelope)).collect()
}

/// Every I/O in flight.
pub(super) fn io(cluster: &Cluster) -> Vec<String> {
    let mut lines = Vec::new();
    for (id, node) in cluster.nodes() {
        for pending in node.io.values() {
            let durable = if pending.persisted { " (durable)" } else { "" };
            lines.push(format!("{} {}{durable}", name(cluster, *id), pending.op.name()));
        }
    }
    lines
}
