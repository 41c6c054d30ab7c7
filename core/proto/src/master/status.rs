//! What people ask of a leader: the cluster at a glance, and every replica for `fsck`.

use super::holders::Holders;
use super::known::{Known, Standing};
use crate::ids::{ChunkHandle, NodeId};
use crate::metadata::{ChunkStatus, ClusterStatus, MetadataAnswer, ReplicaStatus, ServerStatus};
use crate::room::Room;
use crate::tables::ServerRecord;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl Known<'_> {
    pub(super) fn cluster_status(self) -> ClusterStatus {
        let now = self.now;
        let lead = self.lead;
        let counts = self.state.counts();
        let mut status = ClusterStatus {
            servers: self.server_statuses(),
            files: counts.files,
            directories: counts.directories,
            trashed: counts.trashed,
            chunks: counts.chunks,
            leases: lead.grants.count(now),
            changes: lead.changes.len() as u64,
            repairs: lead.repairs.under_way.len() as u64,
            safe_mode: lead.safe_mode.is_some(),
            alarm: lead.log_lost,
            ..ClusterStatus::default()
        };
        (status.chunks_under_target, status.chunks_unavailable) = self.chunks_lacking();
        status
    }

    /// How many chunks have too few good replicas, and how many have none. Whoever has too few waits
    /// for attention, so the rest need not be visited; in safe mode nobody does yet, and those lack
    /// replicas of which nobody reported.
    pub(super) fn chunks_lacking(self) -> (u64, u64) {
        let lead = self.lead;
        if let Some(safe_mode) = &lead.safe_mode {
            let silent = self.state.chunks().len().saturating_sub(safe_mode.reported()) as u64;
            return (silent, silent);
        }
        let (mut under_target, mut unavailable) = (0, 0);
        for chunk in lead.attention.chunks() {
            let Some(record) = self.state.chunks().get(chunk) else { continue };
            if !record.is_trashed() {
                let good = self.good_members(chunk);
                under_target += u64::from(good < usize::from(record.spec.replicas));
                unavailable += u64::from(good == 0);
            }
        }
        (under_target, unavailable)
    }

    pub(super) fn server_statuses(self) -> Vec<ServerStatus> {
        let status = |(node, record): (NodeId, &ServerRecord)| {
            let server = self.server(node);
            let nothing = Room { used_bytes: 0, free_bytes: 0, size_bytes: 0 };
            let room = server.map_or(nothing, |server| server.room.reported());
            ServerStatus {
                node,
                incarnation: record.incarnation,
                rack: record.rack,
                alive: self.is_usable(node),
                silent_for: server.map(|server| self.now.since(server.heard_at)),
                replicas: server.map_or(0, |server| server.holds.len() as u64),
                used_bytes: room.used_bytes,
                free_bytes: room.free_bytes,
                capacity_bytes: room.size_bytes,
            }
        };
        let servers = self.state.servers();
        let listed = |node| self.is_usable(node) || !servers.is_forgotten(node);
        servers.iter().filter(|(node, _)| listed(*node)).map(status).collect()
    }

    pub(super) fn chunk_statuses(self, from: ChunkHandle) -> MetadataAnswer {
        let limit = self.constants.list_entries_max as usize;
        let mut rest = self.state.chunks().iter_from(from);
        let chunks: Vec<ChunkStatus> = rest
            .by_ref()
            .filter(|(_, record)| !record.is_trashed())
            .take(limit)
            .map(|(chunk, _)| self.chunk_status(*chunk))
            .collect();
        MetadataAnswer::Chunks { chunks, next: rest.next().map(|(chunk, _)| *chunk) }
    }

    pub(super) fn chunk_status(self, chunk: ChunkHandle) -> ChunkStatus {
        let now = self.now;
        let lead = self.lead;
        let record = &self.state.chunks()[chunk];
        let members = self.state.chunks().members(chunk);
        let holders = lead.holders.get(&chunk);
        let nodes: BTreeSet<_> = members
            .iter()
            .map(|member| member.node)
            .chain(holders.into_iter().flat_map(Holders::nodes))
            .collect();
        let replica = |node| {
            let state = holders.and_then(|holders| holders.get(node));
            let member = members.iter().find(|member| member.node == node);
            let bad = member.is_some_and(|m| self.standing(chunk, m) == Standing::Bad);
            ReplicaStatus {
                node,
                member: member.is_some(),
                alive: self.is_usable(node) && (member.is_none() || !bad),
                corrupt: state.is_some_and(|state| state.corrupt),
                applied_version: state.map(|state| state.applied_version).unwrap_or_default(),
                length: state.map_or(0, |state| state.length),
            }
        };
        ChunkStatus {
            chunk,
            file: record.made_for.file,
            index: record.made_for.index,
            version: record.version(),
            primary: members.first().map(|member| member.node),
            leased: lead.grants.is_leased(chunk, now),
            target: record.spec.replicas,
            replicas: nodes.into_iter().map(replica).collect(),
        }
    }
}
