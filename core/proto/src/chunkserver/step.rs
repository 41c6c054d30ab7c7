//! One step of the server: its state, and the replicas that the step opens.

use super::disk::Disk;
use super::learner::CopySteps;
use super::link::Link;
use super::live::Live;
use super::removal::Quarantine;
use super::replica::{Replica, Then};
use super::service::Service;
use super::source::CopyIds;
use crate::config::ChunkserverConfig;
use crate::cx::Cx;
use crate::ids::ChunkHandle;
use crate::lease::Leases;
use crate::replica::Replicas;
use crate::time::Deadline;
use alloc::collections::{BTreeMap, BTreeSet};

/// Everything that changes in a life of the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// The records as they are known to be durable.
    pub replicas: Replicas,
    /// What is volatile, of each replica in `replicas` and of each being made.
    pub live: BTreeMap<ChunkHandle, Live>,
    pub quarantine: Quarantine,
    pub leases: Leases,
    pub link: Link,
    pub disk: Disk,
    pub service: Service,
    pub copy_steps: CopySteps,
    pub copy_ids: CopyIds,
    /// When each chunk next wants attention.
    pub alarms: BTreeMap<ChunkHandle, Deadline>,
    /// Chunks that this step looked at.
    pub touched: BTreeSet<ChunkHandle>,
}

impl State {
    pub fn assert_chunk(&self, chunk: ChunkHandle) {
        if let Some(live) = self.live.get(&chunk) {
            live.assert_invariants(self.replicas.live.get(&chunk));
        }
    }

    /// Of all chunks: a server holds many, and a step concerns few.
    pub fn assert_all(&self) {
        self.live.keys().for_each(|chunk| self.assert_chunk(*chunk));
        for chunk in self.disk.changing() {
            let live = self.live.get(&chunk);
            assert!(live.is_none_or(|live| live.slot.is_taken()), "a change holds its chunk");
        }
    }
}

/// One step of the server.
pub(super) struct Step<'a> {
    pub config: &'a ChunkserverConfig,
    pub state: &'a mut State,
    pub cx: Cx<'a>,
}

impl Step<'_> {
    /// Opens a replica, or the place for one.
    pub fn replica(&mut self, chunk: ChunkHandle) -> Replica<'_> {
        let State {
            replicas,
            live,
            leases,
            disk,
            service,
            link,
            copy_steps,
            copy_ids,
            touched,
            ..
        } = self.state;
        let live = live.entry(chunk).or_insert_with(|| {
            // If nothing comes of it, the end of the step takes it away again.
            touched.insert(chunk);
            Live::default()
        });
        Replica {
            chunk,
            record: replicas.live.get(&chunk),
            live,
            leases,
            disk,
            service,
            link,
            copy_steps,
            copy_ids,
            incarnation: self.config.incarnation,
            touched,
            cx: self.cx.reborrow(),
        }
    }

    /// Lets a handler work on a replica, and starts what may start because of it.
    pub fn at(&mut self, chunk: ChunkHandle, handler: impl FnOnce(&mut Replica<'_>) -> Then) {
        let mut replica = self.replica(chunk);
        if handler(&mut replica) == Then::Progress {
            replica.make_progress();
        }
    }
}
