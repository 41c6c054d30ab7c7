//! I1: who believes to be primary, by true time.

use crate::seen::{Seen, TrueTime};
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// I1.
pub const INVARIANT: Invariant = Invariant {
    id: "I1",
    name: "lease exclusivity",
    sentence: "at any true instant at most one chunkserver believes it is a chunk's primary, if \
               clocks drift within bounds and none of theirs stood still",
    source: "Gray and Cheriton 1989; GFS §3.1",
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Belief {
    version: ChunkVersion,
    /// By the node's own clock: when that is by true time may change, as a clock's rate does.
    until: Time,
}

impl Belief {
    fn until_ns(&self, node: NodeId, clock: &dyn TrueTime) -> u64 {
        clock.true_ns(node, self.until)
    }
}

/// Every belief that was not ended by an event. It ends by itself at its `until`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseExclusivity {
    beliefs: BTreeMap<ChunkHandle, BTreeMap<NodeId, Belief>>,
    /// Processes whose clocks stood still: what they believe is not judged.
    distrusted: BTreeSet<NodeId>,
}

impl LeaseExclusivity {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        match seen.event {
            Event::LeaseTaken { chunk, version, until } => {
                self.taken(*chunk, Belief { version: *version, until: *until }, seen)?;
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
        self.distrusted.remove(&node);
        for beliefs in self.beliefs.values_mut() {
            beliefs.remove(&node);
        }
    }

    /// The clock of this process stood still.
    pub fn clock_stopped(&mut self, node: NodeId) {
        self.distrusted.insert(node);
    }

    /// Does the node of this event believe, then, that it is the chunk's primary at this version?
    #[must_use]
    pub fn believes(&self, chunk: ChunkHandle, version: ChunkVersion, seen: &Seen<'_>) -> bool {
        let beliefs = self.beliefs.get(&chunk);
        beliefs.and_then(|beliefs| beliefs.get(&seen.node)).is_some_and(|belief| {
            belief.version == version && belief.until_ns(seen.node, seen.clock) > seen.true_ns
        })
    }

    /// Did the clock of this process stand still?
    #[must_use]
    pub fn is_distrusted(&self, node: NodeId) -> bool {
        self.distrusted.contains(&node)
    }

    /// Does any node whose clock can be trusted believe, then, that it is the chunk's primary at this
    /// version?
    #[must_use]
    pub fn anyone_believes(
        &self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        seen: &Seen<'_>,
    ) -> bool {
        self.beliefs.get(&chunk).into_iter().flatten().any(|(node, belief)| {
            let trusted = !self.distrusted.contains(node);
            trusted
                && belief.version == version
                && belief.until_ns(*node, seen.clock) > seen.true_ns
        })
    }

    fn taken(
        &mut self,
        chunk: ChunkHandle,
        belief: Belief,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        let (node, now_ns) = (seen.node, seen.true_ns);
        let until_ns = belief.until_ns(node, seen.clock);
        let beliefs = self.beliefs.entry(chunk).or_default();
        beliefs.retain(|holder, theirs| theirs.until_ns(*holder, seen.clock) > now_ns);
        let trusted = |other: &NodeId| *other != node && !self.distrusted.contains(other);
        let others = beliefs.iter().filter(|_| !self.distrusted.contains(&node));
        if let Some((other, theirs)) = others.into_iter().find(|(other, _)| trusted(other)) {
            let theirs_ns = theirs.until_ns(*other, seen.clock);
            let overlap_ns = theirs_ns.min(until_ns).saturating_sub(now_ns);
            if overlap_ns > 0 {
                let detail = format!(
                    "{node} takes the lease of {chunk} at {} while {other} believes in its own \
                     at {} for another {}",
                    belief.version,
                    theirs.version,
                    seconds(overlap_ns),
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
        assert!(found.detail.contains("another 0.000000050 s"), "{found}");
    }

    #[test]
    fn a_clock_that_stood_still_is_not_held_against_its_holder() {
        let mut run = Run::new();
        run.at(10).good(S1, lease_taken(1, 100));
        run.clock_stopped(S1);
        run.at(50).good(S2, lease_taken(2, 150));
        run.at(60).good(S1, lease_taken(1, 160));
        assert_eq!(run.at(70).bad(S3, lease_taken(3, 170)).invariant, "I1", "of the others");
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
