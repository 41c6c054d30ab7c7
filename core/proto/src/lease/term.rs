//! The arithmetic of a lease's term: what each side counts, allowing for drift, and when a lease is
//! requested again.
//!
//! ```text
//! holder    requests ───────────────────────────► believes until  requested + T·(1−2ρ) − margin
//!             │ attempt a7                 ▲
//!             ▼                            │ grant a7
//! granter     ........ confirms it leads ─►answers ────────────► keeps away until  answered + T·(1+2ρ)
//! ```
//!
//! Rates of two clocks differ by at most ρ. The request comes before the answer, so the holder's
//! interval begins earlier and, allowing for drift on both sides, ends earlier than the granter's.

use crate::agreed::ClusterConstants;
use crate::config::{ConfigError, Constants};
use crate::ids::Attempt;
use crate::time::Time;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// What a holder counts with. A grant carries it, so that holder and granter count with the same, or
/// the holder with the shorter of two while constants change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Term {
    /// T.
    pub duration: Duration,
    /// ρ, in parts per million.
    pub clock_drift_ppm_max: u32,
    /// What the holder gives up on top of drift.
    pub margin: Duration,
}

impl Term {
    /// How long a holder may believe in a lease, counted from when it *first asked*:
    /// T·(1−2ρ) − margin.
    #[must_use]
    pub fn at_holder(&self) -> Duration {
        let slack = drift(self.clock_drift_ppm_max, self.duration);
        self.duration.saturating_sub(slack).saturating_sub(self.margin)
    }
}

/// 2ρ of a span, rounded up.
fn drift(ppm: u32, span: Duration) -> Duration {
    let nanos = span.as_nanos() * 2 * u128::from(ppm);
    Duration::from_nanos(u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

impl ClusterConstants {
    /// What a holder counts with under these.
    #[must_use]
    pub fn lease_term(&self) -> Term {
        Term {
            duration: self.lease_duration,
            clock_drift_ppm_max: self.clock_drift_ppm_max,
            margin: self.lease_margin,
        }
    }
}

impl Constants {
    /// What a holder counts with under these.
    #[must_use]
    pub fn lease_term(&self) -> Term {
        ClusterConstants::of(self).lease_term()
    }

    /// See [`Term::at_holder`].
    #[must_use]
    pub fn lease_at_holder(&self) -> Duration {
        self.lease_term().at_holder()
    }

    /// Until when a holder believes in a lease that it requested then, and of which it has the grant now.
    pub(super) fn believed_until(&self, requested: Time, now: Time, term: Term) -> Time {
        let from = if self.rules.lease_counts_from_question { requested } else { now };
        let term = if self.rules.grant_carries_term { term } else { self.lease_term() };
        let allows = self.rules.holder_allows_for_drift;
        from + if allows { term.at_holder() } else { term.duration }
    }

    /// A new leader knows no earlier grant, and counts everything as granted at `now`.
    pub(super) fn unknown_until(&self, now: Time) -> Time {
        if self.rules.new_leader_waits { now + self.lease_at_granter() } else { now }
    }

    /// How long the granter keeps away from a lease, counted from when it *last answered*:
    /// T·(1+2ρ).
    #[must_use]
    pub fn lease_at_granter(&self) -> Duration {
        if self.rules.granter_allows_for_drift {
            self.lease_duration + drift(self.clock_drift_ppm_max, self.lease_duration)
        } else {
            self.lease_duration
        }
    }

    /// Refuses a term that the other constants contradict.
    pub(crate) fn check_lease(&self) -> Result<(), ConfigError> {
        let fail = |key, why| Err(ConfigError { key, why });
        if self.lease_duration < self.heartbeat_interval * 2 {
            return fail("lease_duration", "must be at least two heartbeat_interval");
        }
        if self.clock_drift_ppm_max >= 250_000 {
            return fail("clock_drift_ppm_max", "must be below 250000 (a quarter)");
        }
        if self.lease_at_holder() <= self.lease_renew_interval + self.retry_interval {
            return fail(
                "lease_renew_interval",
                "plus retry_interval must be shorter than what is left of lease_duration after \
                 drift and lease_margin",
            );
        }
        Ok(())
    }
}

/// A primary's use of its lease, its last request for it, and what grants prove. Lives
/// as long as the primary.
///
/// A grant proves that its holder was the primary at a moment after the grant was requested, whatever the
/// holder's clock does meanwhile. A read that waits for such a grant, requested after the read came, needs
/// no clock ([`Constants::confirm_reads`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Usage {
    used_at: Time,
    requested: Option<(Attempt, Time)>,
    /// The last request that was granted.
    granted: Attempt,
    /// Something waits for the grant of a later request than this.
    awaited: Option<Attempt>,
}

impl Usage {
    /// In use at `now`, and never requested.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Usage { used_at: now, requested: None, granted: Attempt(0), awaited: None }
    }

    /// The primary served something, or is to.
    pub fn use_at(&mut self, now: Time) {
        self.used_at = now;
    }

    /// Was there work lately? After `lease_idle_after` without any, a lease runs out.
    #[must_use]
    pub fn is_recent(&self, constants: &Constants, now: Time) -> bool {
        now.since(self.used_at) < constants.lease_idle_after
    }

    /// A request was sent.
    pub fn request(&mut self, attempt: Attempt, now: Time) {
        self.requested = Some((attempt, now));
    }

    /// A request was granted.
    pub fn grant(&mut self, attempt: Attempt) {
        self.granted = self.granted.max(attempt);
        self.awaited = self.awaited.filter(|after| !self.proves(*after));
    }

    /// Something waits until this is proved.
    pub fn wait_for_proof(&mut self, after: Attempt) {
        self.awaited = self.awaited.max(Some(after));
    }

    /// Was this node the primary at a moment after this request was sent?
    #[must_use]
    pub fn proves(&self, after: Attempt) -> bool {
        self.granted > after
    }

    /// When the next request is due: a lease that is `held` is renewed, one that is not is
    /// requested until it is. For what waits for a proof one request is on its way at a time: what comes
    /// meanwhile shares the next.
    pub(super) fn next_request(&self, constants: &Constants, now: Time, held: bool) -> Time {
        let Some((attempt, requested_at)) = self.requested else { return now };
        let answered = attempt <= self.granted;
        match (held, self.awaited) {
            (true, None) => requested_at + constants.lease_renew_interval,
            (true, Some(_)) if answered => now,
            (true | false, _) => requested_at + constants.retry_interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_held_lease_is_renewed_and_a_missing_one_requested_again() {
        let constants = Constants::default();
        let mut usage = Usage::new(Time(5));
        assert_eq!(usage.next_request(&constants, Time(7), false), Time(7));
        usage.request(Attempt(1), Time(7));
        let renewal = Time(7) + constants.lease_renew_interval;
        assert_eq!(usage.next_request(&constants, Time(9), true), renewal);
        let repetition = Time(7) + constants.retry_interval;
        assert_eq!(usage.next_request(&constants, Time(9), false), repetition);
    }

    #[test]
    fn only_a_grant_that_was_requested_later_is_a_proof() {
        let constants = Constants::default();
        let mut usage = Usage::new(Time(0));
        usage.request(Attempt(4), Time(1));
        usage.wait_for_proof(Attempt(4));
        let again = Time(1) + constants.retry_interval;
        assert_eq!(usage.next_request(&constants, Time(2), true), again, "one is on its way");
        usage.grant(Attempt(4));
        assert!(!usage.proves(Attempt(4)));
        assert_eq!(usage.next_request(&constants, Time(2), true), Time(2), "and then another");
        usage.request(Attempt(5), Time(2));
        usage.wait_for_proof(Attempt(5));
        usage.grant(Attempt(5));
        assert!(usage.proves(Attempt(4)) && !usage.proves(Attempt(5)));
        usage.request(Attempt(6), Time(3));
        usage.grant(Attempt(6));
        usage.grant(Attempt(4));
        assert!(usage.proves(Attempt(5)), "a late grant takes nothing back");
        let renewal = Time(3) + constants.lease_renew_interval;
        assert_eq!(usage.next_request(&constants, Time(4), true), renewal);
    }

    #[test]
    fn a_lease_without_use_is_not_recent() {
        let constants = Constants::default();
        let usage = Usage::new(Time(0));
        let idle = Time(0) + constants.lease_idle_after;
        assert!(usage.is_recent(&constants, Time(idle.0 - 1)));
        assert!(!usage.is_recent(&constants, idle));
    }
}
