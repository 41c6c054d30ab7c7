//! I19 from above: what the disks hold, and for how long. `events` judges what events say of it.

use super::{Violation, violation};
use crate::cluster::Cluster;
use crate::fair::name;
use crate::observation::Observation;
use leasehold_proto::{
    ChunkHandle, ClusterConstants, Constants, Event, FileId, IoOp, NodeId, ReplicaChange,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Since when, in true time, what waits for its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Retention {
    /// By file, since when the log has it in the trash.
    trash: BTreeMap<FileId, u64>,
    /// By server and chunk, since when a disk has it set aside.
    aside: BTreeMap<(NodeId, ChunkHandle), u64>,
    /// When a process last began or ended, or a master began to lead: whatever is counted may be
    /// counted anew from there.
    unrest: u64,
    /// What retentions were changed to, and from.
    changes: Vec<ClusterConstants>,
}

impl Retention {
    pub fn observe(&mut self, cluster: &Cluster, what: &Observation) -> Result<(), Violation> {
        let now = cluster.now();
        match what {
            Observation::Event { event: Event::Trashed { file }, .. } => {
                self.trash.entry(*file).or_insert(now);
            }
            Observation::Event { event: Event::Restored { file }, .. } => {
                self.trash.remove(file);
            }
            Observation::Event { event: Event::ConstantsChanged { sides, .. }, .. } => {
                self.changes.extend([sides.masters.clone(), sides.servers.clone()]);
            }
            Observation::Event { event: Event::LeaderBegan { .. }, .. }
            | Observation::Started { .. }
            | Observation::Crashed { .. } => self.unrest = now,
            Observation::Destroyed { node } => self.aside.retain(|(at, _), _| at != node),
            Observation::Durable {
                node,
                op: IoOp::Replica(ReplicaChange::Quarantine { chunk }, _),
            } => {
                self.aside.insert((*node, *chunk), now);
            }
            Observation::Durable {
                node,
                op:
                    IoOp::Replica(
                        ReplicaChange::Delete { chunk } | ReplicaChange::StartLearner { chunk, .. },
                        _,
                    ),
            } => {
                let Some(since) = self.aside.remove(&(*node, *chunk)) else { return Ok(()) };
                let constants = &cluster.shape().constants;
                let changed = self.changes.iter().map(|values| values.quarantine_retention).min();
                let retention = constants.quarantine_retention;
                let retention = retention.min(changed.unwrap_or(retention));
                let (shortest, _) = bounds(constants, retention);
                if now - since < shortest {
                    let (who, took) = (name(cluster, *node), Duration::from_nanos(now - since));
                    let what = format!("{who} removes {chunk} after {took:?} in quarantine");
                    return Err(violation("I19", what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Judges the end of a run, some time after its faults ended.
    pub fn emptied(&self, cluster: &Cluster) -> Result<(), Violation> {
        let mut constants = cluster.shape().constants.clone();
        let own = ClusterConstants::of(&constants);
        self.changes.iter().fold(own, |all, one| all.highest(one)).install(&mut constants);
        let constants = &constants;
        let over = |since: u64, retention| {
            let (_, longest) = bounds(constants, retention);
            cluster.now() > since.max(self.unrest) + longest + settling(constants)
        };
        let left = |what: String| Err(violation("I19", what));
        let state = cluster.namespace();
        for (file, since) in &self.trash {
            let there = state.is_some_and(|state| state.inodes().get(*file).is_some());
            if there && over(*since, constants.trash_retention) {
                return left(format!("{file} is still in the trash"));
            }
        }
        for ((node, chunk), since) in &self.aside {
            let runs = cluster.node(*node).runs();
            let there = cluster.node(*node).disk.replicas().quarantined.contains(chunk);
            if runs && there && over(*since, constants.quarantine_retention) {
                let who = name(cluster, *node);
                return left(format!("{who} still has {chunk} in quarantine"));
            }
        }
        Ok(())
    }
}

/// The shortest and the longest that a span may take by a clock that is not quite right: two differ
/// by at most ρ, and some walks have one that is off by nearly twice that.
fn bounds(constants: &Constants, span: Duration) -> (u64, u64) {
    let drift = span * constants.clock_drift_ppm_max / 1_000_000 * 4;
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    (nanos(span.saturating_sub(drift)), nanos(span + drift))
}

/// How long a change of a configuration takes in which every step waits for the one before.
fn settling(constants: &Constants) -> u64 {
    let steps =
        constants.lease_at_granter() + constants.server_dead_after + constants.repair_stalled_after;
    u64::try_from((steps * 3).as_nanos()).unwrap_or(u64::MAX)
}
