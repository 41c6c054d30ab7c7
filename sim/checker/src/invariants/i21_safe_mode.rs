//! I21: what a leader leaves alone before it knows enough.

use crate::fleet::Fleet;
use crate::seen::Seen;
use crate::spans::{longest, nanos, shortest};
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::{ChunkHandle, Constants, Epoch, Event, NodeId, SafeModeEnd};
use std::collections::{BTreeMap, BTreeSet};

/// I21.
pub const INVARIANT: Invariant = Invariant {
    id: "I21",
    name: "safe mode",
    sentence: "a leader orders no copy and frees no chunk before its safe mode ended, which it does \
               when enough chunkservers have registered for safe_mode_reported_permille of the chunks, \
               when safe_mode_max is over or when an operator orders it; and it does end",
    source: "HDFS dfs.namenode.safemode.*; LizardFS issue 342: chunks missing after every restart of the \
             master",
};

/// Safe mode of one leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period {
    began_ns: u64,
    /// When a server last registered.
    joined_ns: u64,
    ended: bool,
    /// It is not above every leader before it: it lost its log, and knows of no chunk.
    lost: bool,
}

/// Safe mode, as each leader reported it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafeMode {
    periods: BTreeMap<NodeId, Period>,
    /// Who began to lead last, and the highest epoch.
    last: Option<NodeId>,
    highest: Epoch,
    /// An operator ordered an end at some time.
    ordered: bool,
    /// The first event counts: another master may apply the entry much later.
    freed: BTreeSet<ChunkHandle>,
}

impl SafeMode {
    /// Takes in what happened, `fleet` being as it was before; true if there was something to judge.
    pub fn observe(
        &mut self,
        fleet: &Fleet,
        constants: &Constants,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        let now = seen.true_ns;
        match seen.event {
            Event::LeaderBegan { epoch } => {
                self.last = Some(seen.node);
                let lost = *epoch <= self.highest;
                self.highest = self.highest.max(*epoch);
                let period = Period { began_ns: now, joined_ns: now, ended: false, lost };
                self.periods.insert(seen.node, period);
                Ok(false)
            }
            Event::ServerJoined { .. } => {
                if let Some(period) = self.periods.get_mut(&seen.node) {
                    period.joined_ns = now;
                }
                Ok(false)
            }
            Event::SafeModeEnded { why } => {
                let Some(period) = self.periods.get_mut(&seen.node) else { return Ok(false) };
                period.ended = true;
                let period = *period;
                self.may_end(fleet, constants, seen, period, *why).map(|()| true)
            }
            Event::RepairBegan { chunk, .. } => {
                self.ended(seen.node, seen, || format!("{} copies {chunk}", seen.node))
            }
            Event::Freed { chunk, .. } if self.freed.insert(*chunk) => {
                let Some(leader) = self.last else { return Ok(false) };
                self.ended(leader, seen, || format!("{chunk} is freed under {leader}"))
            }
            _ => Ok(false),
        }
    }

    /// A process ended.
    pub fn node_crashed(&mut self, node: NodeId) {
        self.periods.remove(&node);
    }

    /// An operator orders the end of safe mode.
    pub fn ordered(&mut self) {
        self.ordered = true;
    }

    fn ended(
        &self,
        leader: NodeId,
        seen: &Seen<'_>,
        what: impl Fn() -> String,
    ) -> Result<bool, Violation> {
        match self.periods.get(&leader) {
            None => Ok(false),
            Some(period) if period.ended => Ok(true),
            Some(_) => Err(INVARIANT.broken(seen.true_ns, format!("{} in safe mode", what()))),
        }
    }

    fn may_end(
        &self,
        fleet: &Fleet,
        constants: &Constants,
        seen: &Seen<'_>,
        period: Period,
        why: SafeModeEnd,
    ) -> Result<(), Violation> {
        let lasted = seen.true_ns - period.began_ns;
        let detail = match why {
            SafeModeEnd::Waited if lasted < shortest(constants, constants.safe_mode_max) => {
                format!("it ends by time after {}", seconds(lasted))
            }
            SafeModeEnd::Ordered if !self.ordered => {
                "it ends by an order, and none was given".into()
            }
            // A deposed leader may know of fewer chunks.
            SafeModeEnd::Reported if self.last == Some(seen.node) && !period.lost => {
                let (chunks, known) = fleet.could_be_reported(seen.node);
                let permille = u64::from(constants.safe_mode_reported_permille);
                if known * 1_000 >= chunks * permille || fleet.all_joined(seen.node) {
                    return Ok(());
                }
                format!("it ends by reports, of {known} of {chunks} chunks at the most")
            }
            _ => return Ok(()),
        };
        Err(INVARIANT.broken(seen.true_ns, format!("{}: {detail}", seen.node)))
    }

    /// Judges the leader at the end of a run whose faults ended before. Which of its chunkservers
    /// registered last may owe it a report.
    pub fn over(&self, constants: &Constants, true_ns: u64) -> Result<bool, Violation> {
        let period = self.last.and_then(|leader| self.periods.get(&leader));
        let Some(period) = period else { return Ok(false) };
        let due = period.joined_ns + ends_within(constants);
        if period.ended || true_ns <= due {
            return Ok(true);
        }
        let since = seconds(period.began_ns);
        Err(INVARIANT.broken(true_ns, format!("the leader is in safe mode since {since}")))
    }
}

/// A server that stops answering no longer owes a report once it is counted as dead.
fn ends_within(constants: &Constants) -> u64 {
    let noticed =
        constants.server_dead_after + constants.heartbeat_interval + constants.retry_interval;
    longest(constants, constants.safe_mode_max) + nanos(noticed * 2)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::{ChunkHandle, Epoch, Event, SafeModeEnd};

    const SECOND: u64 = 1_000_000_000;

    /// Two chunks, one at S1 and S2, one at S3; then another leader begins, and S1 registers.
    fn begun() -> Run {
        let mut run = Run::new();
        run.good(MASTER, Event::LeaderBegan { epoch: Epoch(1) });
        run.good(MASTER, joined(S1, 1));
        run.good(MASTER, joined(S3, 1));
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        let Event::Configured { base, version, members, .. } = configured(0, 1, &[S3]) else {
            unreachable!("made above")
        };
        let other = ChunkHandle(CHUNK.0 + 1);
        run.good(MASTER, Event::Configured { chunk: other, base, version, members });
        run.at(SECOND).good(MASTER, Event::LeaderBegan { epoch: Epoch(5) });
        run.good(MASTER, joined(S1, 1));
        run
    }

    #[test]
    fn nothing_is_copied_or_freed_in_it() {
        assert_eq!(begun().bad(MASTER, repair_began(1, S4)).invariant, "I21");
        assert_eq!(begun().bad(MASTER, freed(1)).invariant, "I21");
        let mut run = begun();
        run.good(MASTER, joined(S3, 1));
        run.good(MASTER, Event::SafeModeEnded { why: SafeModeEnd::Reported });
        run.good(MASTER, repair_began(1, S4));
        run.good(MASTER, freed(1));
    }

    #[test]
    fn it_ends_for_a_reason() {
        let ended = |why| Event::SafeModeEnded { why };
        assert_eq!(begun().bad(MASTER, ended(SafeModeEnd::Reported)).invariant, "I21");
        assert_eq!(begun().bad(MASTER, ended(SafeModeEnd::Waited)).invariant, "I21");
        assert_eq!(begun().bad(MASTER, ended(SafeModeEnd::Ordered)).invariant, "I21");
        // A master that lost its log knows of no chunk.
        let mut lost = begun();
        lost.good(MASTER, Event::LeaderBegan { epoch: Epoch(1) });
        lost.good(MASTER, ended(SafeModeEnd::Reported));
        begun().at(31 * SECOND).good(MASTER, ended(SafeModeEnd::Waited));
    }

    #[test]
    fn and_it_ends() {
        let mut run = begun();
        let mut finals = run.finals(&[]);
        finals.chunks.clear();
        finals.true_ns = 20 * SECOND;
        run.clone().checkers.converged(&finals).unwrap();
        finals.true_ns = 60 * SECOND;
        assert_eq!(run.checkers.converged(&finals).unwrap_err().invariant, "I21");
    }
}
