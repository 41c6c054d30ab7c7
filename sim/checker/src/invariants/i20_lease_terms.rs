//! I20: how long leases last.
//!
//! I1 is violated only when both ends of a lease err, or one does by more than the other's allowance.
//! This judges each end by itself, and a leader's waiting: to propose before the last lease is over by
//! its own count does harm only if the holder still acts then.

use crate::seen::Seen;
use crate::spans::nanos;
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::{ChunkHandle, ChunkVersion, Constants, Event, NodeId, Rules, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// I20.
pub const INVARIANT: Invariant = Invariant {
    id: "I20",
    name: "lease terms",
    sentence: "by true time a holder believes in a lease for at most lease_duration after it took it, \
               a granter keeps away for at least lease_duration after it granted, and it does so for \
               lease_margin longer than the holder believes, if clocks drift within bounds and none \
               stood still; what a \
               leader proposes for a chunk takes effect when every lease that it granted under an \
               earlier version is over by its own clock, or its holder has promised more",
    source: "Gray and Cheriton 1989, section 5: the server's and the client's count of a term allow for \
             drift and for the time that messages take",
};

/// Until when a granter keeps away, at the latest, by holder: true times as of the grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseTerms {
    granted: BTreeMap<(NodeId, ChunkHandle), (ChunkVersion, u64)>,
    waits: Waits,
    /// Processes whose clocks stood still.
    distrusted: BTreeSet<NodeId>,
}

/// A lease that a leader granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grant {
    to: NodeId,
    version: ChunkVersion,
    /// By the leader's clock.
    until: Time,
}

/// What a leader has to wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waits {
    /// By leader and chunk, the one that ends last.
    grants: BTreeMap<(NodeId, ChunkHandle), Grant>,
    /// Who began to lead last: what an earlier leader proposed, and is applied after that, has no effect.
    leader: Option<NodeId>,
    /// The last configuration: another master may apply it much later.
    configured: BTreeMap<ChunkHandle, ChunkVersion>,
}

impl LeaseTerms {
    /// Takes in what happened; true if there was something to judge. `granter` and `holder` are what
    /// each may go by. A study that leaves one of the rules out asks what comes of it, so it is not
    /// judged here.
    pub fn observe(
        &mut self,
        (granter, holder): (&Constants, &Constants),
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        let waited = granter.rules.wait_out_old_lease && self.waits.observe(seen)?;
        if leaves_a_rule_out(&granter.rules) || self.distrusted.contains(&seen.node) {
            return Ok(waited);
        }
        match seen.event {
            Event::LeaseGranted { chunk, to, until, .. } if beyond(granter, seen, *until) => {
                self.granted.remove(&(*to, *chunk));
                Ok(false)
            }
            Event::LeaseTaken { until, .. } if beyond(granter, seen, *until) => Ok(false),
            Event::LeaseGranted { chunk, version, to, until } => {
                let until = seen.clock.true_ns(seen.node, *until);
                self.note((*to, *chunk), *version, until);
                let length = until.saturating_sub(seen.true_ns);
                let what = || format!("{} keeps away from {chunk} of {to}", seen.node);
                if length < nanos(granter.lease_duration) {
                    wrong(seen, what(), length)
                } else {
                    Ok(true)
                }
            }
            Event::LeaseTaken { chunk, version, until } => {
                let until = seen.clock.true_ns(seen.node, *until);
                let length = until.saturating_sub(seen.true_ns);
                if length > nanos(holder.lease_duration) {
                    let what = format!("{} believes to be primary of {chunk}", seen.node);
                    return wrong(seen, what, length);
                }
                self.outlasted(granter, seen, (*chunk, *version), until)
            }
            Event::Freed { chunk, .. } => {
                self.granted.retain(|(_, of), _| of != chunk);
                Ok(waited)
            }
            _ => Ok(waited),
        }
    }

    /// A process ended: what it granted binds the next leader, which counts from its own beginning.
    pub fn node_crashed(&mut self, node: NodeId) {
        self.waits.grants.retain(|(leader, _), _| *leader != node);
        self.distrusted.remove(&node);
    }

    /// The clock of this process stood still.
    pub fn clock_stopped(&mut self, node: NodeId) {
        self.distrusted.insert(node);
    }

    fn note(&mut self, of: (NodeId, ChunkHandle), version: ChunkVersion, until: u64) {
        let known = self.granted.entry(of).or_insert((version, until));
        *known = if known.0 == version { (version, known.1.max(until)) } else { (version, until) };
    }

    /// A quarter of the margin is left for a clock that is not as it was when the lease was granted.
    fn outlasted(
        &self,
        constants: &Constants,
        seen: &Seen<'_>,
        (chunk, version): (ChunkHandle, ChunkVersion),
        until: u64,
    ) -> Result<bool, Violation> {
        let granted = self.granted.get(&(seen.node, chunk));
        let Some((_, kept)) = granted.filter(|(of, _)| *of == version) else { return Ok(false) };
        if until + nanos(constants.lease_margin) * 3 / 4 <= *kept {
            return Ok(true);
        }
        let (until, kept) = (seconds(until), seconds(*kept));
        let detail = format!(
            "{} believes to be primary of {chunk} {version} until {until}, and its granter keeps away \
             until {kept}",
            seen.node
        );
        Err(INVARIANT.broken(seen.true_ns, detail))
    }
}

impl Waits {
    fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        match seen.event {
            Event::LeaderBegan { .. } => {
                self.leader = Some(seen.node);
                self.grants.retain(|(leader, _), _| *leader != seen.node);
                Ok(false)
            }
            Event::LeaseGranted { chunk, version, to, until } => {
                let grant = Grant { to: *to, version: *version, until: *until };
                let last = self.grants.entry((seen.node, *chunk)).or_insert(grant);
                if (last.version, last.until) <= (grant.version, grant.until) {
                    *last = grant;
                }
                Ok(false)
            }
            // The only early end: the holder takes no later grant of a version before this.
            Event::Promised { chunk, version } => {
                self.grants.retain(|(_, of), grant| {
                    (of, grant.to) != (chunk, seen.node) || grant.version >= *version
                });
                Ok(false)
            }
            Event::Configured { chunk, version, .. } => {
                if self.configured.get(chunk).is_some_and(|last| last >= version) {
                    return Ok(false);
                }
                self.configured.insert(*chunk, *version);
                self.takes_effect(seen, *chunk, *version)
            }
            Event::Freed { chunk, base } => {
                let judged = self.takes_effect(seen, *chunk, base.next());
                self.configured.remove(chunk);
                self.grants.retain(|(_, of), _| of != chunk);
                judged
            }
            _ => Ok(false),
        }
    }

    fn takes_effect(
        &self,
        seen: &Seen<'_>,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Result<bool, Violation> {
        let Some(leader) = self.leader else { return Ok(false) };
        let grant = self.grants.get(&(leader, chunk)).filter(|grant| grant.version < version);
        let Some(Grant { to, version: old, until }) = grant.copied() else { return Ok(false) };
        let ends = seen.clock.true_ns(leader, until);
        if ends <= seen.true_ns {
            return Ok(true);
        }
        let detail = format!(
            "{leader} changed {chunk} {old}, of which {to} may believe to be primary until {} by the \
             clock of {leader}",
            seconds(ends)
        );
        Err(INVARIANT.broken(seen.true_ns, detail))
    }
}

/// The rules on which a term rests.
fn leaves_a_rule_out(rules: &Rules) -> bool {
    let all = rules.granter_allows_for_drift
        && rules.lease_counts_from_question
        && rules.grant_carries_term
        && rules.constants_wait_out_leases;
    !all
}

/// Does this node's clock go beyond what the allowances are for? They are 2ρ on each side.
fn beyond(constants: &Constants, seen: &Seen<'_>, at: Time) -> bool {
    const SECOND: u128 = 1_000_000_000;
    let from = seen.clock.true_ns(seen.node, at);
    let takes = u128::from(seen.clock.true_ns(seen.node, at + Duration::from_secs(1)) - from);
    let allowed = u128::from(constants.clock_drift_ppm_max) * 2 * (SECOND / 1_000_000);
    // A second by this clock is a second by one that goes right, divided by its rate.
    let (slow, fast) = (takes * (SECOND - allowed.min(SECOND)), takes * (SECOND + allowed));
    // To a hundred nanoseconds, as times are whole ones.
    slow > SECOND * (SECOND + 100) || fast < SECOND * (SECOND - 100)
}

fn wrong(seen: &Seen<'_>, what: String, length: u64) -> Result<bool, Violation> {
    Err(INVARIANT.broken(seen.true_ns, format!("{what} for {}", seconds(length))))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::{Constants, Epoch, Event, Time};

    fn granted(until: u64) -> leasehold_proto::Event {
        let version = leasehold_proto::ChunkVersion(1);
        leasehold_proto::Event::LeaseGranted { chunk: CHUNK, version, to: S1, until: Time(until) }
    }

    fn begun() -> Run {
        let term = u64::try_from(Constants::default().lease_duration.as_nanos()).unwrap();
        let mut run = Run::new();
        run.good(MASTER, Event::LeaderBegan { epoch: Epoch(1) });
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.at(9).good(MASTER, granted(term + 9));
        run
    }

    #[test]
    fn a_change_waits_for_the_last_lease() {
        assert_eq!(begun().bad(MASTER, configured(1, 2, &[S2])).invariant, "I20");
        assert_eq!(begun().bad(MASTER, freed(1)).invariant, "I20");
        let mut other = begun();
        other.good(S2, promised(2));
        assert_eq!(other.bad(MASTER, configured(1, 2, &[S2])).invariant, "I20");
        let mut run = begun();
        run.good(S1, promised(2));
        run.good(MASTER, configured(1, 2, &[S2]));
        let end = u64::try_from(Constants::default().lease_duration.as_nanos()).unwrap() + 9;
        begun().at(end).good(MASTER, configured(1, 2, &[S2]));
        // A deposed leader's grants bind its successor, which counts from its beginning.
        let mut run = begun();
        run.checkers.node_crashed(MASTER);
        run.good(MASTER, configured(1, 2, &[S2]));
    }

    #[test]
    fn each_end_is_judged() {
        let constants = Constants::default();
        let term = u64::try_from(constants.lease_duration.as_nanos()).unwrap();
        let margin = u64::try_from(constants.lease_margin.as_nanos()).unwrap();
        let run = Run::new();
        assert_eq!(run.clone().at(9).bad(MASTER, granted(term)).invariant, "I20");
        assert_eq!(run.clone().at(9).bad(S1, lease_taken(1, term + 10)).invariant, "I20");
        let mut run = run;
        run.at(9).good(MASTER, granted(term + 9));
        assert_eq!(run.clone().at(9).bad(S1, lease_taken(1, term)).invariant, "I20");
        run.clone().at(9).good(S1, lease_taken(1, term - margin));
        // One of another version is not known here.
        run.at(9).good(S1, lease_taken(2, term));
    }
}
