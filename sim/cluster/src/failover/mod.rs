//! How long a cluster is held up when the master that leads loses power for good: one run a seed,
//! in the middle of a light workload, at the default constants.

mod plot;
#[cfg(madsim)]
mod trial;

pub use plot::cumulated;
#[cfg(madsim)]
pub use trial::trial;

use crate::scenario::Scenario;
use serde::Serialize;

/// What every run is made of.
const SCENARIO: &str = include_str!("../../../../scenarios/failover.toml");

/// What is measured, in the order of [`Measured::values`].
pub const MEASURES: [&str; 5] = [
    "another master leads",
    "a change is acknowledged",
    "a write is acknowledged",
    "a write is acknowledged, its chunk looked up",
    "longest pause between two writes",
];

/// What one seed showed: true time from the loss of power, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// The seed.
    pub seed: u64,
    /// Until another master acts as the leader.
    pub leader_us: u64,
    /// Until it has a change of the namespace acknowledged, to a client that makes one after the
    /// other.
    pub change_us: u64,
    /// Until a write that began after it is acknowledged, to a client that knows the primary.
    pub write_us: u64,
    /// Until a write is acknowledged to a client that opens the file after it.
    pub looked_up_us: u64,
    /// The longest time between two acknowledged writes of the client that knows the primary,
    /// until its lease has been over if nobody had prolonged it.
    pub pause_us: u64,
}

impl Measured {
    /// All times, as [`MEASURES`] calls them.
    #[must_use]
    pub fn values(&self) -> [u64; 5] {
        [self.leader_us, self.change_us, self.write_us, self.looked_up_us, self.pause_us]
    }
}

/// The scenario that all seeds run.
///
/// # Panics
/// Never: the file is part of the program, and a test reads it.
#[must_use]
pub fn scenario() -> Scenario {
    Scenario::parse("scenarios/failover.toml", SCENARIO)
        .expect("the file that comes with the program is a scenario")
}

/// The value below which this many of a thousand lie, by the nearest rank.
#[must_use]
pub fn permille(sorted: &[u64], permille: usize) -> u64 {
    let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::Constants;

    #[test]
    fn it_is_measured_at_the_default_constants() {
        assert_eq!(scenario().constants(), Constants::default());
        assert_eq!(scenario().shape.masters.min, 3);
        assert!(!scenario().faults.enabled);
    }

    #[test]
    fn ranks_are_the_nearest() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((permille(&hundred, 500), permille(&hundred, 990)), (50, 99));
        assert_eq!((permille(&hundred, 1_000), permille(&[7], 500)), (100, 7));
        assert_eq!(permille(&[], 990), 0);
    }
}
