//! The chunkserver: replicas, promises, the pipeline.

use crate::config::ChunkserverConfig;
use crate::ids::{ChunkHandle, ChunkVersion};
use crate::machine::{Effects, Input, StateMachine};
use crate::replica::Replicas;
use crate::time::{Deadline, Time};
use alloc::vec::Vec;

/// A chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chunkserver {
    config: ChunkserverConfig,
    replicas: Replicas,
}

impl Chunkserver {
    /// The records as the machine knows them to be durable.
    #[must_use]
    pub fn replicas(&self) -> &Replicas {
        &self.replicas
    }

    /// The chunks of which this node believes at `now` that it is primary, with the version.
    #[must_use]
    pub fn believes_primary(&self, _now: Time) -> Vec<(ChunkHandle, ChunkVersion)> {
        Vec::new()
    }
}

impl StateMachine for Chunkserver {
    type Config = ChunkserverConfig;
    type Durable = Replicas;

    fn recover(config: &ChunkserverConfig, durable: Replicas, _: Time, _: &mut Effects) -> Self {
        Chunkserver { config: config.clone(), replicas: durable }
    }
    fn step(&mut self, _now: Time, _input: Input, _out: &mut Effects) {}
    fn next_deadline(&self) -> Option<Deadline> {
        None
    }
    fn assert_invariants(&self) {}
}
