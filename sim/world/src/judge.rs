//! The judge of a run: the checkers of the invariants, fed with what happens, and what only
//! somebody who sees the whole state at once can say.

use crate::cluster::{Cluster, Happening};
use crate::names;
use leasehold_proto::{ChunkHandle, Constants, NodeId};
use std::collections::BTreeMap;
use std::fmt;

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number, as `I1`.
    pub invariant: String,
    /// What was seen, in words.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.invariant, self.detail)
    }
}

/// The judge.
#[derive(Clone, Debug)]
pub struct Judge {
    states: u64,
}

impl Judge {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(_constants: &Constants) -> Self {
        Judge { states: 0 }
    }

    /// Number of states looked at.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.states
    }

    /// Takes in what happened.
    pub fn observe(&mut self, _cluster: &Cluster, _happening: &Happening) -> Result<(), Violation> {
        Ok(())
    }

    /// Looks at the state after a step.
    pub fn state(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        self.states += 1;
        one_primary(cluster)
    }

    /// Judges a run's end.
    pub fn finish(&mut self, _cluster: &Cluster) -> Result<(), Violation> {
        Ok(())
    }

    /// Judges whether a run has converged.
    pub fn converged(&mut self, _cluster: &Cluster) -> Result<(), Violation> {
        Ok(())
    }
}

/// I1, seen from above: no two chunkservers believe, by their own clocks, that they are a chunk's
/// primary at this true instant. A belief begins only in a step, so looking after each step
/// misses none.
fn one_primary(cluster: &Cluster) -> Result<(), Violation> {
    let mut holders: BTreeMap<ChunkHandle, NodeId> = BTreeMap::new();
    for (id, node) in cluster.nodes() {
        let Some(server) = node.chunkserver() else { continue };
        for (chunk, version) in server.believes_primary(node.clock.at(cluster.now())) {
            if let Some(other) = holders.insert(chunk, *id) {
                let name = |node| names::name(node, cluster.shape().masters);
                return Err(Violation {
                    invariant: "I1".into(),
                    detail: format!(
                        "lease exclusivity: {} and {} (at {version}) both believe that they are \
                         the primary of {chunk}",
                        name(other),
                        name(*id),
                    ),
                });
            }
        }
    }
    Ok(())
}
