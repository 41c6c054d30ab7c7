//! A window of a run: what happened between two moments of it, in numbers.

use crate::net::NetCounts;
use crate::tally::{OpSummary, Tally};
use serde::Serialize;
use std::collections::BTreeMap;

/// What had been counted at a moment.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// True time.
    pub at_ns: u64,
    /// Operations that had ended.
    pub tally: Tally,
    /// Facts of the protocol, by name.
    pub facts: BTreeMap<&'static str, u64>,
    /// Of the network.
    pub network: NetCounts,
}

/// What was counted between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Window {
    /// How long it was, in nanoseconds of true time.
    pub lasts_ns: u64,
    /// Operations that ended in it, whenever they began.
    pub operations: BTreeMap<&'static str, OpSummary>,
    /// Facts of the protocol, by name.
    #[serde(serialize_with = "crate::facts::with_zeros")]
    pub facts: BTreeMap<&'static str, u64>,
    /// Of the network.
    pub network: NetCounts,
}

impl Counted {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Counted) -> Window {
        let before = |name| earlier.facts.get(name).copied().unwrap_or(0);
        let facts = self.facts.iter().map(|(name, count)| (*name, count - before(name)));
        Window {
            lasts_ns: self.at_ns - earlier.at_ns,
            operations: self.tally.since(&earlier.tally).summary(),
            facts: facts.collect(),
            network: self.network.since(&earlier.network),
        }
    }
}

impl Window {
    /// Operations of a kind that were acknowledged in it.
    #[must_use]
    pub fn acknowledged(&self, kind: &str) -> u64 {
        self.operations.get(kind).map_or(0, |row| row.acknowledged)
    }

    /// A fact's count.
    #[must_use]
    pub fn fact(&self, name: &str) -> u64 {
        self.facts.get(name).copied().unwrap_or(0)
    }

    /// How long it was, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.lasts_ns as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ending;

    #[test]
    fn a_window_has_what_came_between() {
        let mut counted = Counted { at_ns: 1_000, ..Counted::default() };
        counted.tally.count("read", Ending::Acknowledged, 5_000_000);
        counted.facts.insert("leases granted", 2);
        counted.network.sent = 7;
        let mut later = Counted { at_ns: 2_000_001_000, ..counted.clone() };
        later.tally.count("read", Ending::Acknowledged, 9_000_000);
        later.tally.count("write", Ending::Unknown, 1);
        later.facts.insert("leases granted", 5);
        later.facts.insert("promises", 1);
        later.network.sent = 9;
        let window = later.since(&counted);
        assert_eq!((window.acknowledged("read"), window.acknowledged("write")), (1, 0));
        assert!((8_900..9_100).contains(&window.operations["read"].p50_us), "{window:?}");
        assert_eq!((window.fact("leases granted"), window.fact("promises")), (3, 1));
        assert_eq!((window.network.sent, window.seconds()), (2, 2.0));
    }
}
