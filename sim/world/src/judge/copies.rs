//! I10 while time is quiet: a chunk below its target gets a copy ordered within a bound, if one of its
//! replicas is sound and a server that could take the copy is idle.
//!
//! What the end of a run shows is that all is well at last; this is judged at every moment of it. A
//! runner says from when on time is quiet: faults are over, and the schedule is fair. The bound is a sum
//! of what the constants allow to each step before a copy, as if every one had to be waited for:
//!
//! | step | takes at most |
//! | --- | --- |
//! | the dead are noticed | `heartbeat_interval` + `server_dead_after` |
//! | a member that is late is sent a request | 2 × `member_stalled_after` |
//! | a change that asks, and one that leaves out | 2 × (`prepare_grace` + `repair_stalled_after` + T(1+2ρ) + 5 × `retry_interval`) |
//! | a copy is held back | `repair_delay` |
//!
//! A copy under way is one that is ordered; when it fails, the server where it did is not taken for idle
//! by this chunk any more, and time counts anew.

use super::{Violation, violation};
use crate::cluster::Cluster;
use crate::fair::name;
use crate::observation::Observation;
use leasehold_proto::tables::Configuration;
use leasehold_proto::{ChunkHandle, Constants, Event, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Messages of a change that may have to be sent again.
const ROUNDS: u32 = 5;

/// What is known of copies, and for how long each chunk has waited for one.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    bound: Duration,
    quiet: bool,
    /// By master and chunk: where to.
    under_way: BTreeMap<(NodeId, ChunkHandle), NodeId>,
    failed: BTreeSet<(ChunkHandle, NodeId)>,
    /// Since when, true time.
    waiting: BTreeMap<ChunkHandle, u64>,
    /// How many waits began.
    waits: u64,
    /// Something happened since the last look that may make a chunk wait.
    changed: bool,
}

impl Copies {
    pub fn new(constants: &Constants) -> Self {
        Copies {
            bound: bound(constants),
            quiet: false,
            under_way: BTreeMap::new(),
            failed: BTreeSet::new(),
            waiting: BTreeMap::new(),
            waits: 0,
            changed: true,
        }
    }

    /// From here on there are no faults, and the schedule is fair.
    pub fn quiet(&mut self) {
        (self.quiet, self.changed) = (true, true);
        self.failed.clear();
    }

    /// How many times a chunk began to wait. A run in which none did proves nothing of this.
    pub fn waits(&self) -> u64 {
        self.waits
    }

    pub fn observe(&mut self, what: &Observation) {
        self.changed = true;
        match what {
            Observation::Event { node, event } => self.event(*node, event),
            Observation::Crashed { node } => self.under_way.retain(|(master, _), _| master != node),
            Observation::ClockStopped { .. }
            | Observation::Destroyed { .. }
            | Observation::Invoked { .. }
            | Observation::Responded { .. }
            | Observation::Acknowledged { .. }
            | Observation::Durable { .. }
            | Observation::Started { .. } => {}
        }
    }

    fn event(&mut self, node: NodeId, event: &Event) {
        match event {
            Event::LeaderBegan { .. } => self.under_way.retain(|(master, _), _| *master != node),
            Event::RepairBegan { chunk, to, .. } => {
                self.under_way.insert((node, *chunk), *to);
                self.waiting.remove(chunk);
            }
            Event::RepairEnded { chunk, to, done } => {
                self.under_way.remove(&(node, *chunk));
                if !done {
                    self.failed.insert((*chunk, *to));
                }
            }
            Event::ConstantsChanged { sides, .. } => {
                let mut constants = Constants::default();
                sides.masters.install(&mut constants);
                self.bound = self.bound.max(bound(&constants));
            }
            Event::Freed { chunk, .. } => {
                self.under_way.retain(|(_, of), _| of != chunk);
            }
            _ => {}
        }
    }

    /// Looks at a moment.
    ///
    /// # Errors
    /// I10, if a chunk has waited for too long.
    pub fn look(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        // Most steps of quiet time are heartbeats, which change nothing of this.
        let changed = std::mem::take(&mut self.changed);
        if !self.quiet || (!changed && self.waiting.is_empty()) {
            return Ok(());
        }
        let now = cluster.now();
        let wait: BTreeMap<ChunkHandle, NodeId> = self.below_target(cluster).collect();
        self.waiting.retain(|chunk, _| wait.contains_key(chunk));
        for (chunk, idle) in wait {
            let since = *self.waiting.entry(chunk).or_insert_with(|| {
                self.waits += 1;
                now
            });
            if Duration::from_nanos(now - since) > self.bound {
                let (idle, bound) = (name(cluster, idle), self.bound.as_secs_f64());
                let what = format!(
                    "{chunk} is below its target, {idle} is idle, and no copy was \
                     ordered in {bound:.1} s of quiet time"
                );
                return Err(violation("I10", what));
            }
        }
        Ok(())
    }

    /// The chunks that could have one replica more, each with a server that could take it.
    fn below_target<'a>(
        &'a self,
        cluster: &'a Cluster,
    ) -> impl Iterator<Item = (ChunkHandle, NodeId)> + 'a {
        let chunks = cluster
            .namespace()
            .into_iter()
            .flat_map(|state| state.chunks().iter().map(|(chunk, record)| (*chunk, record)));
        chunks.filter_map(move |(chunk, record)| {
            let target = usize::from(record.spec.replicas);
            let config = record.config.as_ref().filter(|config| config.members.len() < target)?;
            if record.is_trashed() || !has_source(cluster, chunk, config) {
                return None;
            }
            Some((chunk, self.idle_server(cluster, chunk, config)?))
        })
    }

    fn idle_server(
        &self,
        cluster: &Cluster,
        chunk: ChunkHandle,
        config: &Configuration,
    ) -> Option<NodeId> {
        let leader = cluster.log().leader()?;
        let of_leader = || self.under_way.keys().filter(|(master, _)| *master == leader);
        let most = cluster.shape().constants.repairs_max as usize;
        if self.under_way.contains_key(&(leader, chunk)) || of_leader().count() >= most {
            return None;
        }
        let busy = |id: &NodeId| {
            self.under_way.iter().any(|((master, _), to)| *master == leader && to == id)
        };
        let up = cluster.nodes().iter().filter(|(_, node)| node.chunkserver().is_some());
        let mut idle = up.map(|(id, _)| *id).filter(|id| {
            let member = config.members.iter().any(|member| member.node == *id);
            !member && !busy(id) && !self.failed.contains(&(chunk, *id))
        });
        idle.next()
    }
}

/// Is a replica of a member up, and sound?
fn has_source(cluster: &Cluster, chunk: ChunkHandle, config: &Configuration) -> bool {
    config.members.iter().map(|member| cluster.node(member.node)).any(|node| {
        let replica = node.chunkserver().and_then(|server| server.replicas().live.get(&chunk));
        replica.is_some_and(|replica| !replica.learner) && !node.disk.is_rotten(chunk)
    })
}

/// See the head of this module.
fn bound(constants: &Constants) -> Duration {
    let c = constants;
    let change =
        c.prepare_grace + c.repair_stalled_after + c.lease_at_granter() + c.retry_interval * ROUNDS;
    let noticed = c.heartbeat_interval + c.server_dead_after;
    let sum = noticed + c.member_stalled_after * 2 + change * 2 + c.repair_delay;
    let drift = sum.as_nanos() * 2 * u128::from(c.clock_drift_ppm_max) / 1_000_000;
    sum + Duration::from_nanos(u64::try_from(drift).unwrap_or(u64::MAX))
}
