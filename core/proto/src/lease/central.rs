//! The rule in use: the master grants leases, and counts them. [`Holder`] is the half at a chunkserver,
//! [`Granter`] the half at a master.
//!
//! No message and no disk carries a point in time, since clocks share neither zero nor rate; what
//! crosses the wire is a request, numbered by an [`Attempt`], and an answer that repeats the number.
//! [`term`](super::term) says what each side counts. Three rules carry this:
//! - when a request was sent is kept in a volatile table: a restart forgets it, so a grant that
//!   arrives after a restart names an unknown attempt, and is ignored;
//! - belief is the comparison `now < until`, never a flag: a lease that ran out during a pause is
//!   over before anything else happens;
//! - the granter counts from its last answer, one maximum per chunk, and a new leader counts every
//!   chunk as granted at the moment when it began.

use super::term::Term;
use crate::config::Constants;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, NodeId};
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// A lease as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// The configuration in which it makes its holder primary.
    pub version: ChunkVersion,
    /// Believed in while the holder's clock is below this.
    pub until: Time,
}

/// A request for a lease, as the master looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The chunkserver that requests it.
    pub from: NodeId,
    /// The chunk.
    pub chunk: ChunkHandle,
    /// The configuration in which it takes itself for primary.
    pub version: ChunkVersion,
}

/// One lease of a grant, as its holder receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The request that it answers.
    pub attempt: Attempt,
    /// The chunk.
    pub chunk: ChunkHandle,
    /// The configuration in which it makes its holder primary.
    pub version: ChunkVersion,
    /// What the holder counts with.
    pub term: Term,
}

/// The chunkserver's half. Volatile as a whole: a restart drops all leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holder {
    requested: BTreeMap<Attempt, Time>,
    held: BTreeMap<ChunkHandle, Held>,
    last: Attempt,
}

impl Holder {
    /// Begins a request, and remembers when it was sent.
    pub fn request(&mut self, constants: &Constants, now: Time) -> Attempt {
        // A request this old can bring no lease any more.
        self.requested.retain(|_, at| now.since(*at) < constants.lease_duration);
        self.last = self.last.next();
        self.requested.insert(self.last, now);
        self.last
    }

    /// The last request that was sent.
    #[must_use]
    pub fn last_request(&self) -> Attempt {
        self.last
    }

    /// Takes a grant. Returns the lease if it begins or grows by it.
    pub fn take(&mut self, constants: &Constants, now: Time, granted: &Granted) -> Option<Held> {
        let Granted { attempt, chunk, version, term } = *granted;
        let requested = *self.requested.get(&attempt)?;
        let until = constants.believed_until(requested, now, term);
        let longer = match self.held.get(&chunk) {
            Some(held) => held.version != version || until > held.until,
            None => true,
        };
        if until <= now || !longer {
            return None;
        }
        let held = Held { version, until };
        self.held.insert(chunk, held);
        Some(held)
    }

    /// The requests whose answer could still bring a lease, the oldest first.
    pub fn requests(&self) -> impl Iterator<Item = Attempt> + '_ {
        self.requested.keys().copied()
    }

    /// The lease on which this node may act as primary of `chunk` at `now`.
    #[must_use]
    pub fn held(&self, chunk: ChunkHandle, now: Time) -> Option<Held> {
        self.held.get(&chunk).copied().filter(|held| now < held.until)
    }

    /// Every lease believed in at `now`, with its version.
    pub fn all(&self, now: Time) -> impl Iterator<Item = (ChunkHandle, ChunkVersion)> + '_ {
        self.held.iter().filter(move |(_, held)| now < held.until).map(|(c, h)| (*c, h.version))
    }

    /// Gives a lease up, whether or not it was still valid. Returns its version.
    pub fn end(&mut self, chunk: ChunkHandle) -> Option<ChunkVersion> {
        self.held.remove(&chunk).map(|held| held.version)
    }

    /// Removes the leases that have run out.
    pub fn expire(&mut self, now: Time) -> Vec<(ChunkHandle, ChunkVersion)> {
        let over: Vec<_> = self
            .held
            .iter()
            .filter(|(_, h)| h.until <= now)
            .map(|(c, h)| (*c, h.version))
            .collect();
        for (chunk, _) in &over {
            self.held.remove(chunk);
        }
        over
    }

    /// When the next lease runs out.
    #[must_use]
    pub fn next_end(&self) -> Option<Time> {
        self.held.values().map(|held| held.until).min()
    }
}

/// The master's half.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Granter {
    /// By chunk, the latest end of any lease ever granted.
    until: BTreeMap<ChunkHandle, Time>,
    /// Before this, a chunk not in `until` may be leased by a grant of an earlier leader.
    unknown_until: Time,
}

impl Granter {
    /// A new leader knows no earlier grant, and counts each chunk as granted at `now`.
    #[must_use]
    pub fn begin(constants: &Constants, now: Time) -> Self {
        Granter { until: BTreeMap::new(), unknown_until: constants.unknown_until(now) }
    }

    /// Answers a request of the chunk's primary: from here on the granter keeps away.
    pub fn grant(
        &mut self,
        constants: &Constants,
        now: Time,
        claim: &Claim,
        primary: Option<(NodeId, ChunkVersion)>,
    ) -> Option<Time> {
        if primary != Some((claim.from, claim.version)) {
            return None;
        }
        let until = now + constants.lease_at_granter();
        let end = self.until.entry(claim.chunk).or_default();
        *end = until.max(*end);
        Some(*end)
    }

    /// By this clock, every lease ever granted for `chunk` is over at this time.
    #[must_use]
    pub fn ended_by(&self, chunk: ChunkHandle) -> Time {
        self.until.get(&chunk).copied().unwrap_or(self.unknown_until)
    }

    /// Is a lease known that is not over?
    #[must_use]
    pub fn is_leased(&self, chunk: ChunkHandle, now: Time) -> bool {
        self.until.get(&chunk).is_some_and(|end| now < *end)
    }

    /// The chunk was made under this leader, so no earlier one granted anything for it, or its
    /// holder said that its lease is over and will not come back.
    pub fn release(&mut self, chunk: ChunkHandle) {
        self.until.insert(chunk, Time(0));
    }

    /// The chunk is no more.
    pub fn forget(&mut self, chunk: ChunkHandle) {
        self.until.remove(&chunk);
    }

    /// Number of leases that are not over.
    #[must_use]
    pub fn count(&self, now: Time) -> u64 {
        self.until.values().filter(|end| now < **end).count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const C: ChunkHandle = ChunkHandle(1);
    const V: ChunkVersion = ChunkVersion(1);
    const CLAIM: Claim = Claim { from: NodeId(7), chunk: C, version: V };
    const PRIMARY: Option<(NodeId, ChunkVersion)> = Some((NodeId(7), V));

    fn granted(attempt: Attempt) -> Granted {
        Granted { attempt, chunk: C, version: V, term: Constants::default().lease_term() }
    }

    #[test]
    fn the_holder_counts_the_term_that_the_grant_carries() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        let attempt = holder.request(&constants, Time(0));
        let term = Term { duration: Duration::from_secs(2), ..constants.lease_term() };
        let held = holder.take(&constants, Time(1), &Granted { term, ..granted(attempt) }).unwrap();
        assert_eq!(held.until, Time(0) + term.at_holder());
    }

    #[test]
    fn a_grant_for_an_unknown_attempt_is_ignored() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        assert_eq!(holder.take(&constants, Time(1), &granted(Attempt(1))), None);
    }

    #[test]
    fn the_holder_counts_from_the_question() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        let attempt = holder.request(&constants, Time(0));
        let late = Time(0) + Duration::from_secs(5);
        let held = holder.take(&constants, late, &granted(attempt)).unwrap();
        assert_eq!(held.until, Time(0) + constants.lease_at_holder());
    }

    #[test]
    fn a_lease_is_over_when_its_time_is() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        let attempt = holder.request(&constants, Time(0));
        let held = holder.take(&constants, Time(1), &granted(attempt)).unwrap();
        assert!(holder.held(C, Time(held.until.0 - 1)).is_some());
        assert!(holder.held(C, held.until).is_none());
    }

    #[test]
    fn an_earlier_lease_does_not_shorten_a_later_one() {
        let constants = Constants::default();
        let mut granter = Granter::begin(&constants, Time(0));
        let end = granter.grant(&constants, Time(1_000), &CLAIM, PRIMARY).unwrap();
        assert_eq!(granter.grant(&constants, Time(500), &CLAIM, PRIMARY), Some(end));
        assert!(granter.is_leased(C, Time(end.0 - 1)) && !granter.is_leased(C, end));
    }

    #[test]
    fn only_the_primary_of_the_version_is_granted_a_lease() {
        let constants = Constants::default();
        let mut granter = Granter::begin(&constants, Time(0));
        for primary in [None, Some((NodeId(8), V)), Some((NodeId(7), ChunkVersion(2)))] {
            assert_eq!(granter.grant(&constants, Time(1), &CLAIM, primary), None);
        }
        assert!(!granter.is_leased(C, Time(1)));
    }

    #[test]
    fn a_new_leader_keeps_away_from_every_chunk() {
        let constants = Constants::default();
        let granter = Granter::begin(&constants, Time(7));
        assert_eq!(granter.ended_by(C), Time(7) + constants.lease_at_granter());
    }
}
