//! The lease, both halves: the [`Holder`] at a chunkserver and the [`Granter`] at a master.
//!
//! A lease is a chunk's primary's right to serve strong reads and to order mutations (GFS §3.1).
//! No message and no disk carries a point in time, since clocks share neither zero nor rate; what
//! crosses the wire is a question, numbered by an [`Attempt`], and an answer that repeats the
//! number. Rates differ by at most ρ:
//!
//! ```text
//! holder    asks ──────────────────────────────► believes until  asked + T·(1−2ρ) − margin
//!             │ attempt a7                 ▲
//!             ▼                            │ grant a7
//! granter     ........ confirms it leads ─►answers ────────────► keeps away until  answered + T·(1+2ρ)
//! ```
//!
//! The question comes before the answer, so the holder's interval begins earlier and, allowing for
//! drift on both sides, ends earlier than the granter's. Three rules carry this:
//! - when a question was asked is kept in a volatile table: a restart forgets it, so a grant that
//!   arrives after a restart names an attempt that nobody knows, and is ignored;
//! - belief is the comparison `now < until`, never a flag: a lease that ran out during a pause is
//!   over before anything else happens;
//! - the granter counts from its last answer, one maximum per chunk, and a new leader counts every
//!   chunk as granted at the moment when it began.

use crate::config::Constants;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion};
use crate::time::Time;
use alloc::collections::BTreeMap;

/// A lease as its holder sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    /// The configuration in which it makes its holder primary.
    pub version: ChunkVersion,
    /// Believed in while the holder's clock is below this.
    pub until: Time,
}

/// The chunkserver's half. Volatile as a whole: a restart drops all leases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Holder {
    asked: BTreeMap<Attempt, Time>,
    held: BTreeMap<ChunkHandle, Held>,
    last: Attempt,
}

impl Holder {
    /// Begins a question, and remembers when it was asked.
    pub fn ask(&mut self, constants: &Constants, now: Time) -> Attempt {
        // A question this old can bring no lease any more.
        self.asked.retain(|_, asked| now.since(*asked) < constants.lease_duration);
        self.last = self.last.next();
        self.asked.insert(self.last, now);
        self.last
    }

    /// Takes a grant. Returns the lease if it begins or grows by it.
    pub fn granted(
        &mut self,
        constants: &Constants,
        now: Time,
        attempt: Attempt,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Option<Held> {
        let asked = *self.asked.get(&attempt)?;
        let from = if constants.rules.lease_counts_from_question { asked } else { now };
        let until = from + constants.lease_at_holder();
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

    /// The questions that an answer could still bring a lease for, the oldest first.
    pub fn questions(&self) -> impl Iterator<Item = Attempt> + '_ {
        self.asked.keys().copied()
    }

    /// The lease on which this node may act as primary of `chunk` at `now`.
    #[must_use]
    pub fn held(&self, chunk: ChunkHandle, now: Time) -> Option<Held> {
        self.held.get(&chunk).copied().filter(|held| now < held.until)
    }

    /// Every lease believed in at `now`.
    pub fn all(&self, now: Time) -> impl Iterator<Item = (ChunkHandle, Held)> + '_ {
        self.held.iter().map(|(c, h)| (*c, *h)).filter(move |(_, held)| now < held.until)
    }

    /// Gives a lease up, whether or not it still stood.
    pub fn end(&mut self, chunk: ChunkHandle) -> Option<Held> {
        self.held.remove(&chunk)
    }

    /// Removes the leases that have run out.
    pub fn expire(&mut self, now: Time) -> alloc::vec::Vec<(ChunkHandle, Held)> {
        let over: alloc::vec::Vec<_> =
            self.held.iter().filter(|(_, h)| h.until <= now).map(|(c, h)| (*c, *h)).collect();
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
        let waits = constants.rules.new_leader_waits;
        let unknown_until = if waits { now + constants.lease_at_granter() } else { now };
        Granter { until: BTreeMap::new(), unknown_until }
    }

    /// Answers a question: from here on the granter keeps away.
    pub fn grant(&mut self, constants: &Constants, now: Time, chunk: ChunkHandle) -> Time {
        let until = now + constants.lease_at_granter();
        let end = self.until.entry(chunk).or_default();
        *end = until.max(*end);
        *end
    }

    /// By this clock, every lease ever granted for `chunk` is over at this time.
    #[must_use]
    pub fn end(&self, chunk: ChunkHandle) -> Time {
        self.until.get(&chunk).copied().unwrap_or(self.unknown_until)
    }

    /// A lease stands, as far as is known.
    #[must_use]
    pub fn stands(&self, chunk: ChunkHandle, now: Time) -> bool {
        self.until.get(&chunk).is_some_and(|end| now < *end)
    }

    /// The chunk was made under this leader, so no earlier one granted anything for it, or its
    /// holder said that its lease is over and will not come back.
    pub fn released(&mut self, chunk: ChunkHandle) {
        self.until.insert(chunk, Time(0));
    }

    /// The chunk is no more.
    pub fn forget(&mut self, chunk: ChunkHandle) {
        self.until.remove(&chunk);
    }

    /// Number of leases that stand.
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

    #[test]
    fn a_grant_for_an_unknown_attempt_is_ignored() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        assert_eq!(holder.granted(&constants, Time(1), Attempt(1), C, V), None);
    }

    #[test]
    fn the_holder_counts_from_the_question() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        let attempt = holder.ask(&constants, Time(0));
        let late = Time(0) + Duration::from_secs(5);
        let held = holder.granted(&constants, late, attempt, C, V).unwrap();
        assert_eq!(held.until, Time(0) + constants.lease_at_holder());
    }

    #[test]
    fn a_lease_is_over_when_its_time_is() {
        let constants = Constants::default();
        let mut holder = Holder::default();
        let attempt = holder.ask(&constants, Time(0));
        let held = holder.granted(&constants, Time(1), attempt, C, V).unwrap();
        assert!(holder.held(C, Time(held.until.0 - 1)).is_some());
        assert!(holder.held(C, held.until).is_none());
    }

    /// At the extremes of drift the holder's interval lies inside the granter's.
    #[test]
    fn the_holder_ends_before_the_granter() {
        let constants = Constants::default();
        let rho = f64::from(constants.clock_drift_ppm_max) / 1e6;
        let holder_true = constants.lease_at_holder().as_secs_f64() * (1.0 + rho);
        let granter_true = constants.lease_at_granter().as_secs_f64() / (1.0 + rho);
        assert!(holder_true < granter_true);
    }

    #[test]
    fn an_earlier_lease_does_not_shorten_a_later_one() {
        let constants = Constants::default();
        let mut granter = Granter::begin(&constants, Time(0));
        let end = granter.grant(&constants, Time(1_000), C);
        assert_eq!(granter.grant(&constants, Time(500), C), end);
        assert!(granter.stands(C, Time(end.0 - 1)) && !granter.stands(C, end));
    }

    #[test]
    fn a_new_leader_keeps_away_from_every_chunk() {
        let constants = Constants::default();
        let granter = Granter::begin(&constants, Time(7));
        assert_eq!(granter.end(C), Time(7) + constants.lease_at_granter());
    }
}
