//! The time of the node that the library runs on: its own clock's, which a simulated node's may
//! gain or lose on true time. Elections must bear that as leases do.

#![allow(clippy::disallowed_types, reason = "the library reads its clock through this")]

use openraft::rt::task_local;
use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::{Duration, Instant};

const MILLION: i128 = 1_000_000;

task_local! {
    static PACE: Pace;
}

/// How a node's clock relates to the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    began: Instant,
    drift_ppm: i64,
}

impl Pace {
    /// The pace of a clock that runs this much faster than the machine's, in millionths.
    #[must_use]
    pub fn of(drift_ppm: i64) -> Self {
        Pace { began: Instant::now(), drift_ppm }
    }

    /// Runs a future at this pace. What it spawns takes it over.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        PACE.scope(self, future)
    }

    /// The pace of the task that asks, if it has one of its own.
    pub(super) fn here() -> Option<Self> {
        PACE.try_with(|pace| *pace).ok()
    }

    /// What the clock shows of a span of the machine's.
    fn shown(self, span: Duration) -> Duration {
        scaled(span, MILLION + i128::from(self.drift_ppm), MILLION)
    }

    /// How long the machine waits while the clock shows a span.
    fn waited(self, span: Duration) -> Duration {
        scaled(span, MILLION, MILLION + i128::from(self.drift_ppm))
    }
}

fn scaled(span: Duration, times: i128, over: i128) -> Duration {
    if times == over {
        return span;
    }
    let nanos = i128::try_from(span.as_nanos()).unwrap_or(i128::MAX / MILLION / 2);
    Duration::from_nanos(u64::try_from(nanos * times / over).unwrap_or(u64::MAX))
}

/// How long the machine is to wait for a span of the clock of the task that asks.
pub(super) fn waited(span: Duration) -> Duration {
    Pace::here().map_or(span, |pace| pace.waited(span))
}

/// A moment of the clock of the task that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Instant);

impl openraft::rt::Instant for Moment {
    fn now() -> Self {
        let now = Instant::now();
        Moment(match Pace::here() {
            Some(pace) => pace.began + pace.shown(now.saturating_duration_since(pace.began)),
            None => now,
        })
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, span: Duration) -> Moment {
        Moment(self.0 + span)
    }
}

impl AddAssign<Duration> for Moment {
    fn add_assign(&mut self, span: Duration) {
        self.0 += span;
    }
}

impl Sub<Duration> for Moment {
    type Output = Moment;

    fn sub(self, span: Duration) -> Moment {
        Moment(self.0 - span)
    }
}

impl SubAssign<Duration> for Moment {
    fn sub_assign(&mut self, span: Duration) {
        self.0 -= span;
    }
}

impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Moment) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Runtime, Tasks, scope};
    use super::*;
    use openraft::rt::{AsyncRuntime, Instant as _};

    #[test]
    fn a_clock_shows_what_it_gains_and_waits_as_much_less() {
        let ms = Duration::from_millis;
        let pace = |drift_ppm| Pace { began: Instant::now(), drift_ppm };
        assert_eq!(pace(250_000).shown(ms(400)), ms(500));
        assert_eq!(pace(250_000).waited(ms(500)), ms(400));
        assert_eq!(pace(-200_000).shown(ms(500)), ms(400));
        assert_eq!((pace(0).shown(ms(7)), pace(0).waited(ms(7))), (ms(7), ms(7)));
    }

    #[tokio::test]
    async fn what_is_spawned_goes_by_the_same_clock() {
        // Ten times as fast, so that no machine is too slow for this test.
        let fast = Pace::of(9_000_000);
        let (shown, began) = (Duration::from_millis(200), Instant::now());
        let passed = scope(1, fast, async move {
            let task = Runtime::spawn(async move {
                let from = Moment::now();
                Tasks::sleep(shown).await;
                Moment::now() - from
            });
            task.await.unwrap()
        });
        let passed = passed.await;
        assert!(passed >= shown, "{passed:?} of its own clock");
        let machine = began.elapsed();
        assert!(passed >= machine * 5, "{passed:?} in {machine:?}");
    }
}
