//! I1: who believes to be primary, by true time.

use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, NodeId};
use std::collections::BTreeMap;

/// I1.
pub const INVARIANT: Invariant = Invariant {
    id: "I1",
    name: "lease exclusivity",
    sentence: "at any true instant at most one chunkserver believes it is a chunk's primary, if \
               clocks drift within bounds",
    source: "Gray and Cheriton 1989; GFS §3.1",
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Belief {
    version: ChunkVersion,
    until_ns: u64,
}

/// Every belief that was not ended by an event. It ends by itself at its `until_ns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseExclusivity {
    beliefs: BTreeMap<ChunkHandle, BTreeMap<NodeId, Belief>>,
}

impl LeaseExclusivity {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        match seen.event {
            Event::LeaseTaken { chunk, version, until } => {
                let until_ns = seen.clock.true_ns(seen.node, *until);
                let belief = Belief { version: *version, until_ns };
                self.taken(*chunk, seen.node, belief, seen.true_ns)?;
                Ok(true)
            }
            Event::LeaseEnded { chunk, .. } => {
                if let Some(beliefs) = self.beliefs.get_mut(chunk) {
                    beliefs.remove(&seen.node);
                }
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// A process that is no more believes nothing.
    pub fn node_crashed(&mut self, node: NodeId) {
        for beliefs in self.beliefs.values_mut() {
            beliefs.remove(&node);
        }
    }

    fn taken(
        &mut self,
        chunk: ChunkHandle,
        node: NodeId,
        belief: Belief,
        now_ns: u64,
    ) -> Result<(), Violation> {
        let beliefs = self.beliefs.entry(chunk).or_default();
        beliefs.retain(|_, other| other.until_ns > now_ns);
        if let Some((other, theirs)) = beliefs.iter().find(|(other, _)| **other != node) {
            let overlap_ns = theirs.until_ns.min(belief.until_ns).saturating_sub(now_ns);
            if overlap_ns > 0 {
                let detail = format!(
                    "{node} takes the lease of {chunk} at {} while {other} believes in its own \
                     at {} for another {overlap_ns} ns",
                    belief.version, theirs.version,
                );
                return Err(INVARIANT.broken(now_ns, detail));
            }
        }
        beliefs.insert(node, belief);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn two_beliefs_at_one_instant_are_found() {
        let mut run = Run::new();
        run.at(10).good(S1, lease_taken(1, 100));
        let found = run.at(50).bad(S2, lease_taken(2, 150));
        assert_eq!(found.invariant, "I1");
        assert!(found.detail.contains("another 50 ns"), "{found}");
    }

    #[test]
    fn one_after_another_is_legal() {
        let mut run = Run::new();
        run.at(10).good(S1, lease_taken(1, 100));
        run.at(100).good(S2, lease_taken(2, 200));
        run.at(150).good(S2, lease_ended(2));
        run.at(150).good(S1, lease_taken(3, 300));
        run.crash(S1);
        run.at(160).good(S3, lease_taken(4, 400));
        run.at(170).good(S3, lease_taken(4, 500));
    }
}
