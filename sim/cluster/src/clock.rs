//! Every node's own clock: any offset, a rate within bounds, anew in every life.

use crate::net::Delivery;
use crate::timeline::{Timeline, Timer};
use leasehold_checker::TrueTime;
use leasehold_proto::{NodeId, Time};
use leasehold_runtime::driver::Clock;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

const MILLION: i128 = 1_000_000;

/// How one life's clock relates to true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// True time at which this life began, in nanoseconds.
    pub began_ns: u64,
    /// What the clock showed then.
    pub offset_ns: u64,
    /// How much faster than true time it runs, in millionths; negative: slower.
    pub drift_ppm: i64,
}

impl Rate {
    /// What the clock shows at a true time.
    #[must_use]
    pub fn local(&self, true_ns: u64) -> Time {
        let span = i128::from(true_ns.saturating_sub(self.began_ns));
        let local =
            i128::from(self.offset_ns) + span * (MILLION + i128::from(self.drift_ppm)) / MILLION;
        Time(u64::try_from(local).expect("a clock shows less than 500 years"))
    }

    /// The first true time at which the clock shows `at` or later.
    #[must_use]
    pub fn true_ns(&self, at: Time) -> u64 {
        let span = i128::from(at.0.saturating_sub(self.offset_ns)) * MILLION;
        let rate = MILLION + i128::from(self.drift_ppm);
        let span = u64::try_from((span + rate - 1) / rate).unwrap_or(u64::MAX);
        self.began_ns.saturating_add(span)
    }
}

/// The clocks of all nodes, for the code that judges by true time.
#[derive(Clone, Debug, Default)]
pub struct Clocks(BTreeMap<NodeId, Rate>);

impl Clocks {
    /// A node begins a life with this clock.
    pub fn set(&mut self, node: NodeId, rate: Rate) {
        self.0.insert(node, rate);
    }

    /// What a node's clock shows at a true time.
    ///
    /// # Panics
    /// If the node never began.
    #[must_use]
    pub fn local(&self, node: NodeId, true_ns: u64) -> Time {
        self.rate(node).local(true_ns)
    }

    /// What a node's clock shows at a true time, if it ever began a life.
    #[must_use]
    pub fn shown(&self, node: NodeId, true_ns: u64) -> Option<Time> {
        self.0.get(&node).map(|rate| rate.local(true_ns))
    }

    fn rate(&self, node: NodeId) -> &Rate {
        self.0.get(&node).expect("whoever has a clock has begun a life")
    }
}

impl TrueTime for Clocks {
    fn true_ns(&self, node: NodeId, at: Time) -> u64 {
        self.rate(node).true_ns(at)
    }
}

/// One life's clock, as its node reads it.
pub struct SimClock {
    timeline: Arc<Timeline<Delivery>>,
    timer: Timer<Delivery>,
    rate: Rate,
}

impl SimClock {
    /// A clock on a timeline.
    #[must_use]
    pub fn new(timeline: &Arc<Timeline<Delivery>>, rate: Rate) -> Self {
        SimClock { timeline: Arc::clone(timeline), timer: timeline.timer(), rate }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.rate.local(self.timeline.now())
    }

    fn sleep_until(&self, at: Time) -> impl Future<Output = ()> + Send {
        self.timer.until(self.rate.true_ns(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_never_comes_before_its_time() {
        for drift_ppm in [-250_000, -500, -1, 0, 1, 500, 250_000] {
            let rate = Rate { began_ns: 77, offset_ns: 1_000_000, drift_ppm };
            for step in 0..1_000_u64 {
                let at = Time(1_000_000 + step * 7_919);
                let woken = rate.true_ns(at);
                assert!(rate.local(woken) >= at, "{drift_ppm} {at}");
                assert!(woken == 77 || rate.local(woken - 1) < at, "nor much later");
            }
        }
    }

    #[test]
    fn two_clocks_part_by_their_drift() {
        let clock = |drift_ppm| Rate { began_ns: 0, offset_ns: 0, drift_ppm };
        let hour = 3_600_000_000_000;
        let (fast, slow) = (clock(500).local(hour), clock(-500).local(hour));
        assert_eq!(fast.0 - slow.0, 3_600_000_000, "1000 ppm of an hour is 3.6 s");
    }
}
