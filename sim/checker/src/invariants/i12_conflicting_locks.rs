//! I12: who believes to have which lock, by true time.

use crate::seen::{Seen, TrueTime};
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::tables::Holder;
use leasehold_proto::{ClientSession, Event, Extent, FileId, LockKind, NodeId, Time};
use std::collections::{BTreeMap, BTreeSet};

/// I12.
pub const INVARIANT: Invariant = Invariant {
    id: "I12",
    name: "conflicting locks",
    sentence: "at any true instant no two owners believe to have locks of which one is exclusive on \
               the same byte of a file, if clocks drift within bounds and none of theirs stood still",
    source: "POSIX fcntl; Gray and Cheriton 1989",
};

/// A client's belief in its session, which ends by itself at its `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Belief {
    session: ClientSession,
    /// By the client's own clock.
    until: Time,
}

/// A lock as its client reported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    client: NodeId,
    file: FileId,
    holder: Holder,
    range: Extent,
    kind: LockKind,
}

/// Every lock that was taken and not given up, and every session that was not lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConflictingLocks {
    beliefs: BTreeMap<NodeId, Belief>,
    taken: Vec<Taken>,
    /// Clients whose clocks stood still: what they believe is not judged.
    distrusted: BTreeSet<NodeId>,
}

impl ConflictingLocks {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        let client = seen.node;
        match *seen.event {
            Event::SessionHeld { session, until } => {
                self.beliefs.insert(client, Belief { session, until });
                self.judge_all_of(client, seen)
            }
            Event::SessionLost { .. } => {
                self.beliefs.remove(&client);
                self.taken.retain(|taken| taken.client != client);
                Ok(false)
            }
            Event::LockTaken { file, holder, range, kind } => {
                self.give_up(client, file, holder, range);
                let taken = Taken { client, file, holder, range, kind };
                self.judge(&taken, seen)?;
                self.taken.push(taken);
                Ok(true)
            }
            Event::LockGivenUp { file, holder, range } => {
                self.give_up(client, file, holder, range);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Has a session an exclusive lock on a part of a file, as far as its client knows?
    #[must_use]
    pub fn has_exclusive(&self, session: ClientSession, file: FileId) -> bool {
        let exclusive = |taken: &&Taken| taken.kind == LockKind::Exclusive;
        let mut taken = self.taken.iter().filter(exclusive);
        taken.any(|taken| (taken.holder.session, taken.file) == (session, file))
    }

    /// A process that is no more believes nothing.
    pub fn node_crashed(&mut self, node: NodeId) {
        self.distrusted.remove(&node);
        self.beliefs.remove(&node);
        self.taken.retain(|taken| taken.client != node);
    }

    /// The clock of this process stood still.
    pub fn clock_stopped(&mut self, node: NodeId) {
        self.distrusted.insert(node);
    }

    /// What an owner has in a range, it has no more.
    fn give_up(&mut self, client: NodeId, file: FileId, holder: Holder, range: Extent) {
        let mut kept = Vec::new();
        for taken in self.taken.drain(..) {
            let same = (taken.client, taken.file, taken.holder) == (client, file, holder);
            if !same || !taken.range.overlaps(&range) {
                kept.push(taken);
                continue;
            }
            let before = (taken.range.offset, range.offset.min(taken.range.end()));
            let after = (range.end().max(taken.range.offset), taken.range.end());
            for (start, end) in [before, after].into_iter().filter(|(start, end)| start < end) {
                kept.push(Taken { range: Extent::new(start, end - start), ..taken });
            }
        }
        self.taken = kept;
    }

    /// Until when, by true time, the client of a lock believes in it; never after its session is over.
    fn until_ns(&self, taken: &Taken, clock: &dyn TrueTime) -> u64 {
        let belief = self.beliefs.get(&taken.client);
        let belief = belief.filter(|belief| belief.session == taken.holder.session);
        belief.map_or(0, |belief| clock.true_ns(taken.client, belief.until))
    }

    fn judge_all_of(&self, client: NodeId, seen: &Seen<'_>) -> Result<bool, Violation> {
        let mut judged = false;
        for taken in self.taken.iter().filter(|taken| taken.client == client) {
            self.judge(taken, seen)?;
            judged = true;
        }
        Ok(judged)
    }

    fn judge(&self, one: &Taken, seen: &Seen<'_>) -> Result<(), Violation> {
        let now_ns = seen.true_ns;
        let conflicts = |other: &&Taken| {
            let exclusive = LockKind::Exclusive == one.kind || LockKind::Exclusive == other.kind;
            let others = (other.client, other.holder) != (one.client, one.holder);
            exclusive && others && other.file == one.file && other.range.overlaps(&one.range)
        };
        for other in self.taken.iter().filter(conflicts) {
            if [one.client, other.client].iter().any(|client| self.distrusted.contains(client)) {
                continue;
            }
            let until_ns = self.until_ns(one, seen.clock).min(self.until_ns(other, seen.clock));
            let overlap_ns = until_ns.saturating_sub(now_ns);
            if overlap_ns > 0 {
                let detail = format!(
                    "{} has an {:?} lock on {:?} of {} while {} believes in its {:?} lock on {:?} \
                     for another {}",
                    one.client,
                    one.kind,
                    one.range,
                    one.file,
                    other.client,
                    other.kind,
                    other.range,
                    seconds(overlap_ns),
                );
                return Err(INVARIANT.broken(now_ns, detail));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::LockKind::{Exclusive, Shared};

    #[test]
    fn an_exclusive_lock_beside_another_is_found() {
        let mut run = Run::new();
        run.at(10).good(CLIENT, session_held(1, 100));
        run.at(11).good(OTHER_CLIENT, session_held(2, 100));
        run.at(12).good(CLIENT, lock_taken(1, (0, 10), Shared));
        run.at(13).good(OTHER_CLIENT, lock_taken(2, (5, 10), Shared));
        let found = run.at(14).bad(OTHER_CLIENT, lock_taken(2, (9, 10), Exclusive));
        assert_eq!(found.invariant, "I12");
        assert!(found.detail.contains("another 0.000000086 s"), "{found}");
    }

    #[test]
    fn a_renewal_that_revives_a_lock_is_found() {
        let mut run = Run::new();
        run.at(10).good(CLIENT, session_held(1, 20));
        run.at(12).good(CLIENT, lock_taken(1, (0, 10), Exclusive));
        run.at(20).good(OTHER_CLIENT, session_held(2, 100));
        run.at(21).good(OTHER_CLIENT, lock_taken(2, (0, 10), Exclusive));
        assert_eq!(run.at(22).bad(CLIENT, session_held(1, 50)).invariant, "I12");
    }

    #[test]
    fn one_after_another_is_legal() {
        let mut run = Run::new();
        run.at(10).good(CLIENT, session_held(1, 100));
        run.at(12).good(CLIENT, lock_taken(1, (0, 10), Exclusive));
        run.at(13).good(CLIENT, lock_given_up(1, (0, 5)));
        run.at(14).good(OTHER_CLIENT, session_held(2, 100));
        run.at(15).good(OTHER_CLIENT, lock_taken(2, (0, 5), Exclusive));
        run.at(15).good(CLIENT, session_lost(1));
        run.at(16).good(OTHER_CLIENT, lock_taken(2, (0, 10), Exclusive));
        run.crash(OTHER_CLIENT);
        run.at(17).good(CLIENT, session_held(3, 100));
        run.at(18).good(CLIENT, lock_taken(3, (0, 10), Exclusive));
    }

    #[test]
    fn a_clock_that_stood_still_is_not_held_against_its_client() {
        let mut run = Run::new();
        run.at(10).good(CLIENT, session_held(1, 100));
        run.at(12).good(CLIENT, lock_taken(1, (0, 10), Exclusive));
        run.clock_stopped(CLIENT);
        run.at(50).good(OTHER_CLIENT, session_held(2, 200));
        run.at(51).good(OTHER_CLIENT, lock_taken(2, (0, 10), Exclusive));
    }
}
