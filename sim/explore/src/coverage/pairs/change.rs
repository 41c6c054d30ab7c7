//! The second table's rows: how far the configuration of a chunk is.

use super::kinds::{Relation, kinds};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Command, Event, Incarnation, IoOp, LogOp, NodeId,
};
use std::collections::{BTreeMap, BTreeSet};

kinds! {
    /// How far the configuration of a chunk is.
    ChangePhase:
    None "not begun",
    Preparing "preparing",
    Proposed "proposed",
    Orphaned "of a deposed leader",
    Configured "committed, its primary not begun",
    Reconciling "committed, members behind",
    Steady "complete",
    Freed "freed",
}

#[derive(Clone, Debug)]
struct Change {
    phase: ChangePhase,
    /// The last committed version, and its members that have not reached it.
    version: ChunkVersion,
    behind: BTreeSet<NodeId>,
}

/// Every chunk's configuration, and which life of a server is registered.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    chunks: BTreeMap<ChunkHandle, Change>,
    lives: BTreeMap<NodeId, Incarnation>,
}

impl Changes {
    pub fn phase(&self, chunk: ChunkHandle) -> ChangePhase {
        self.chunks.get(&chunk).map_or(ChangePhase::None, |change| change.phase)
    }

    pub fn of_version(&self, chunk: ChunkHandle, version: ChunkVersion) -> Relation {
        let known = self.chunks.get(&chunk).map_or(ChunkVersion(0), |change| change.version);
        Relation::of(version.cmp(&known))
    }

    pub fn of_life(&self, server: NodeId, life: Incarnation) -> Relation {
        let known = self.lives.get(&server).copied().unwrap_or(Incarnation(0));
        Relation::of(life.cmp(&known))
    }

    fn at(&mut self, chunk: ChunkHandle) -> &mut Change {
        self.chunks.entry(chunk).or_insert_with(|| Change {
            phase: ChangePhase::None,
            version: ChunkVersion(0),
            behind: BTreeSet::new(),
        })
    }

    pub fn wants(&mut self, op: &IoOp) {
        if let IoOp::Log(LogOp::Propose { entry }) = op
            && let Command::Configure { chunk, .. } = &entry.command
        {
            self.at(*chunk).phase = ChangePhase::Proposed;
        }
    }

    pub fn event(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::LeaderBegan { .. } => {
                let open = [ChangePhase::Preparing, ChangePhase::Proposed];
                let changes = self.chunks.values_mut();
                for change in changes.filter(|change| open.contains(&change.phase)) {
                    change.phase = ChangePhase::Orphaned;
                }
            }
            Event::ServerJoined { node, incarnation, .. } => {
                self.lives.insert(*node, *incarnation);
            }
            Event::ChangeBegan { chunk, .. } => self.at(*chunk).phase = ChangePhase::Preparing,
            Event::Configured { chunk, version, members, .. } => {
                let change = self.at(*chunk);
                if change.version < *version {
                    (change.version, change.phase) = (*version, ChangePhase::Configured);
                    change.behind = members.iter().map(|member| member.node).collect();
                }
            }
            Event::Adopted { chunk, version, .. } => {
                let Some(change) = self.chunks.get_mut(chunk) else { return };
                let follows = [ChangePhase::Configured, ChangePhase::Reconciling];
                if change.version == *version && follows.contains(&change.phase) {
                    change.behind.remove(&node);
                    let done = change.behind.is_empty();
                    change.phase =
                        if done { ChangePhase::Steady } else { ChangePhase::Reconciling };
                }
            }
            Event::Freed { chunk, .. } => self.at(*chunk).phase = ChangePhase::Freed,
            _ => {}
        }
    }
}
