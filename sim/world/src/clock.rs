//! A node's own clock: an offset and a rate against true time.

use leasehold_proto::Time;

/// Reads as a straight line over true time, bent where a chooser changes the rate or jumps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    /// True time of the last bend, in nanoseconds.
    bent_at: u64,
    /// What the clock showed then.
    showed: u64,
    /// How much faster than true time it goes, in parts per million.
    rate_ppm: i64,
    stands: bool,
    /// It has stood still since it began.
    stood: bool,
}

const MILLION: i128 = 1_000_000;

impl Clock {
    /// A clock that shows `showing` at true time `true_ns` and goes at the true rate.
    #[must_use]
    pub fn new(true_ns: u64, showing: u64) -> Self {
        Clock { bent_at: true_ns, showed: showing, rate_ppm: 0, stands: false, stood: false }
    }

    /// What it shows at a true time, not before its last bend.
    #[must_use]
    pub fn at(&self, true_ns: u64) -> Time {
        if self.stands {
            return Time(self.showed);
        }
        let span = i128::from(true_ns.saturating_sub(self.bent_at));
        let shown =
            i128::from(self.showed) + span * (MILLION + i128::from(self.rate_ppm)) / MILLION;
        Time(u64::try_from(shown).unwrap_or(u64::MAX))
    }

    /// The first true time at which it shows `local` or later, if it continues as it does.
    #[must_use]
    pub fn true_ns(&self, local: Time) -> u64 {
        if local == Time::NEVER || (self.stands && local.0 > self.showed) {
            return u64::MAX;
        }
        let span = i128::from(local.0) - i128::from(self.showed);
        let rate = MILLION + i128::from(self.rate_ppm);
        let span = (span * MILLION + rate - 1).div_euclid(rate);
        u64::try_from(i128::from(self.bent_at) + span).unwrap_or(0)
    }

    /// Its rate, in parts per million above the true one.
    #[must_use]
    pub fn rate_ppm(&self) -> i64 {
        self.rate_ppm
    }

    /// Goes at another rate from `true_ns` on.
    pub fn set_rate(&mut self, true_ns: u64, rate_ppm: i64) {
        assert!(rate_ppm > -900_000 && rate_ppm < 10_000_000, "a clock goes forward");
        self.showed = self.at(true_ns).0;
        self.bent_at = true_ns;
        self.rate_ppm = rate_ppm;
    }

    /// Jumps ahead. A monotonic clock never goes back.
    pub fn jump(&mut self, true_ns: u64, ahead_ns: u64) {
        self.showed = self.at(true_ns).0.saturating_add(ahead_ns);
        self.bent_at = true_ns;
    }

    /// Stands still from `true_ns` on, as that of a virtual machine that is stopped.
    pub fn stop(&mut self, true_ns: u64) {
        self.showed = self.at(true_ns).0;
        self.bent_at = true_ns;
        (self.stands, self.stood) = (true, true);
    }

    /// Goes on where it stood.
    pub fn go_on(&mut self, true_ns: u64) {
        if self.stands {
            self.bent_at = true_ns;
            self.stands = false;
        }
    }

    /// Has it stood still since it began? Then what its process counted by it proves nothing.
    #[must_use]
    pub fn has_stood(&self) -> bool {
        self.stood
    }

    /// Begins again, as the clock of a new process does.
    pub fn reset(&mut self, true_ns: u64, showing: u64) {
        self.showed = showing;
        self.bent_at = true_ns;
        (self.stands, self.stood) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_is_the_first_true_time_that_shows_it() {
        for rate in [-200_000, -1_000, -1, 0, 1, 999, 1_000_000] {
            let mut clock = Clock::new(5, 70);
            clock.set_rate(11, rate);
            for local in 76..2_000 {
                let at = clock.true_ns(Time(local));
                assert!(clock.at(at) >= Time(local), "rate {rate}, local {local}");
                assert!(at <= 11 || clock.at(at - 1) < Time(local), "rate {rate}, local {local}");
            }
        }
    }

    #[test]
    fn a_clock_that_stands_goes_on_where_it_stood() {
        let mut clock = Clock::new(0, 100);
        clock.stop(10);
        assert_eq!((clock.at(10), clock.at(5_000)), (Time(110), Time(110)));
        assert_eq!(clock.true_ns(Time(111)), u64::MAX, "not before it goes on");
        clock.go_on(1_000);
        assert_eq!(clock.at(1_005), Time(115));
        assert!(clock.has_stood());
        clock.reset(2_000, 0);
        assert!(!clock.has_stood());
    }

    #[test]
    fn never_stays_never() {
        assert_eq!(Clock::new(0, 0).true_ns(Time::NEVER), u64::MAX);
    }
}
