//! The only place that reads a clock.

#[cfg(not(madsim))]
pub use real::BootClock;

/// Milliseconds since 1970 by the wall clock, which may jump: an attribute for people, never an
/// input to a decision. Simulated in a simulation.
#[must_use]
pub fn wall_clock_ms() -> u64 {
    u64::try_from(wall_clock_ns() / 1_000_000).unwrap_or_default()
}

/// As [`wall_clock_ms`], in nanoseconds.
#[must_use]
#[allow(clippy::disallowed_types, reason = "this crate reads the wall clock for the others")]
pub fn wall_clock_ns() -> i64 {
    use std::time::{SystemTime, UNIX_EPOCH};
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    #[cfg(madsim)]
    let now = now.saturating_add(JUMPED_MS.get().saturating_mul(1_000_000));
    now
}

#[cfg(madsim)]
thread_local! {
    /// How far the simulated wall clock has jumped. A simulated run has a thread of its own.
    static JUMPED_MS: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// Has the simulated wall clock of this run jump.
#[cfg(madsim)]
pub fn jump_wall_clock_ms(by: i64) {
    JUMPED_MS.set(JUMPED_MS.get().saturating_add(by));
}

#[cfg(not(madsim))]
mod real {
    use crate::driver::Clock;
    use leasehold_proto::Time;
    use rustix::time::{ClockId, clock_gettime};
    use std::time::Duration;

    /// `CLOCK_BOOTTIME`, counted from when it was made.
    ///
    /// It continues while the machine is suspended, and so a lease ends there too;
    /// `std::time::Instant` reads `CLOCK_MONOTONIC`, which stops.
    #[derive(Clone, Copy, Debug)]
    pub struct BootClock {
        origin: Duration,
    }

    impl BootClock {
        /// Its zero is the moment of the call.
        #[must_use]
        pub fn start() -> Self {
            BootClock { origin: since_boot() }
        }
    }

    impl Clock for BootClock {
        fn now(&self) -> Time {
            Time(0) + since_boot().saturating_sub(self.origin)
        }

        /// The timer itself stops in suspend; the loop then wakes late and reads the true time
        /// before it acts.
        async fn sleep_until(&self, at: Time) {
            loop {
                let left = at.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left).await;
            }
        }
    }

    fn since_boot() -> Duration {
        let now = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(now.tv_sec).expect("time since boot is not negative");
        let nanos = u32::try_from(now.tv_nsec).expect("less than a second of nanoseconds");
        Duration::new(seconds, nanos)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[tokio::test]
        async fn sleep_ends_at_or_after_its_time() {
            let clock = BootClock::start();
            let at = clock.now() + Duration::from_millis(20);
            clock.sleep_until(at).await;
            let late = clock.now();
            assert!(late >= at);
            clock.sleep_until(at).await;
            assert!(clock.now().since(late) < Duration::from_secs(5), "a past time is no wait");
        }
    }
}
