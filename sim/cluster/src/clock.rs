//! Every node's own clock: any offset, a rate within bounds, anew in every life.

use crate::net::Delivery;
use crate::timeline::{Timeline, Timer};
use leasehold_checker::TrueTime;
use leasehold_proto::{NodeId, Time};
use leasehold_runtime::driver::Clock;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// For how long a life's clock stood still with its machine, in nanoseconds of true time. Shared by the
/// node that reads the clock and those who stop it.
#[derive(Clone, Debug, Default)]
pub struct Stood(Arc<AtomicU64>);

impl Stood {
    fn ns(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::Relaxed);
    }
}

/// The clock of one life.
#[derive(Clone, Debug)]
struct Life {
    rate: Rate,
    stood: Stood,
    /// Since when it stands still, true time.
    stopped_at: Option<u64>,
}

impl Life {
    fn local(&self, true_ns: u64) -> Time {
        let until = self.stopped_at.map_or(true_ns, |stopped| true_ns.min(stopped));
        self.rate.local(until.saturating_sub(self.stood.ns()))
    }

    fn true_ns(&self, at: Time) -> u64 {
        let true_ns = self.rate.true_ns(at).saturating_add(self.stood.ns());
        match self.stopped_at {
            Some(stopped) if true_ns > stopped => u64::MAX,
            Some(_) | None => true_ns,
        }
    }
}

/// The clocks of all nodes, for the code that judges by true time.
#[derive(Clone, Debug, Default)]
pub struct Clocks(BTreeMap<NodeId, Life>);

impl Clocks {
    /// A node begins a life with this clock.
    pub fn set(&mut self, node: NodeId, rate: Rate, stood: Stood) {
        self.0.insert(node, Life { rate, stood, stopped_at: None });
    }

    /// A node's clock stands still from now on.
    pub fn stop(&mut self, node: NodeId, true_ns: u64) {
        if let Some(life) = self.0.get_mut(&node) {
            life.stopped_at = life.stopped_at.or(Some(true_ns));
        }
    }

    /// A node's clock goes on, if it stands still.
    pub fn go_on(&mut self, node: NodeId, true_ns: u64) {
        let life = self.0.get_mut(&node);
        if let Some((life, since)) =
            life.and_then(|life| life.stopped_at.take().map(|at| (life, at)))
        {
            life.stood.add(true_ns.saturating_sub(since));
        }
    }

    /// What a node's clock shows at a true time.
    ///
    /// # Panics
    /// If the node never began.
    #[must_use]
    pub fn local(&self, node: NodeId, true_ns: u64) -> Time {
        self.life(node).local(true_ns)
    }

    /// What a node's clock shows at a true time, if it ever began a life.
    #[must_use]
    pub fn shown(&self, node: NodeId, true_ns: u64) -> Option<Time> {
        self.0.get(&node).map(|life| life.local(true_ns))
    }

    fn life(&self, node: NodeId) -> &Life {
        self.0.get(&node).expect("whoever has a clock has begun a life")
    }
}

impl TrueTime for Clocks {
    fn true_ns(&self, node: NodeId, at: Time) -> u64 {
        self.life(node).true_ns(at)
    }
}

/// One life's clock, as its node reads it.
pub struct SimClock {
    timeline: Arc<Timeline<Delivery>>,
    timer: Timer<Delivery>,
    rate: Rate,
    stood: Stood,
}

impl SimClock {
    /// A clock on a timeline.
    #[must_use]
    pub fn new(timeline: &Arc<Timeline<Delivery>>, rate: Rate, stood: Stood) -> Self {
        SimClock { timeline: Arc::clone(timeline), timer: timeline.timer(), rate, stood }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        self.rate.local(self.timeline.now().saturating_sub(self.stood.ns()))
    }

    fn sleep_until(&self, at: Time) -> impl Future<Output = ()> + Send {
        async move {
            // What it stood still in the meantime comes on top.
            while self.now() < at {
                self.timer.until(self.rate.true_ns(at).saturating_add(self.stood.ns())).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stood_still_is_behind_by_that() {
        let (node, stood) = (NodeId(7), Stood::default());
        let mut clocks = Clocks::default();
        clocks.set(node, Rate { began_ns: 0, offset_ns: 100, drift_ppm: 0 }, stood.clone());
        clocks.stop(node, 50);
        assert_eq!((clocks.local(node, 49), clocks.local(node, 80)), (Time(149), Time(150)));
        assert_eq!(
            (clocks.true_ns(node, Time(150)), clocks.true_ns(node, Time(151))),
            (50, u64::MAX)
        );
        clocks.go_on(node, 80);
        clocks.go_on(node, 90);
        assert_eq!(stood.ns(), 30);
        assert_eq!((clocks.local(node, 81), clocks.true_ns(node, Time(151))), (Time(151), 81));
    }

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
