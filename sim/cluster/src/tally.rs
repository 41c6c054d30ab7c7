//! How the clients of a run fared: operations by kind, and how long they took.

use crate::ledger::Ending;
use hdrhistogram::Histogram;
use leasehold_client::ClientError;
use leasehold_explore::Shares;
use serde::Serialize;
use std::collections::BTreeMap;

/// Latencies up to ten minutes are distinguished to three digits.
const LATENCY_MAX_US: u64 = 600_000_000;

#[derive(Clone, Debug)]
struct Row {
    acknowledged: u64,
    refused: u64,
    unknown: u64,
    latency_us: Histogram<u64>,
}

impl Default for Row {
    fn default() -> Self {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)
            .expect("the bounds and three digits are within what a histogram can do");
        Row { acknowledged: 0, refused: 0, unknown: 0, latency_us }
    }
}

/// Operations of all clients, by kind.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    rows: BTreeMap<&'static str, Row>,
    /// Of the requests of the grammar, by client.
    shares: BTreeMap<u64, Shares>,
}

/// One kind of operation in a summary. Latencies are of acknowledged ones, in microseconds of
/// virtual time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct OpSummary {
    pub acknowledged: u64,
    pub refused: u64,
    pub unknown: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

/// How an operation ended, as far as its client knows.
#[must_use]
pub fn ending<T>(result: &Result<T, ClientError>) -> Ending {
    match result {
        Ok(_) => Ending::Acknowledged,
        Err(error) if error.maybe_took_effect() => Ending::Unknown,
        Err(_) => Ending::Refused,
    }
}

impl Tally {
    /// Takes note of how a client's requests of the grammar ended so far.
    pub fn share(&mut self, client: u64, shares: &Shares) {
        self.shares.insert(client, shares.clone());
    }

    /// How the requests of the grammar ended, of all clients.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let mut sum = Shares::default();
        self.shares.values().for_each(|shares| sum.add(shares));
        sum
    }

    /// Counts an operation that has ended.
    pub fn count(&mut self, kind: &'static str, ending: Ending, took_ns: u64) {
        let row = self.rows.entry(kind).or_default();
        match ending {
            Ending::Acknowledged => {
                row.acknowledged += 1;
                row.latency_us.saturating_record(took_ns / 1_000);
            }
            Ending::Refused => row.refused += 1,
            Ending::Unknown => row.unknown += 1,
        }
    }

    /// Acknowledged operations of every kind.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.rows.values().map(|row| row.acknowledged).sum()
    }

    /// Latencies of acknowledged operations by kind, in microseconds of virtual time, with how many
    /// took so long.
    #[must_use]
    pub fn latencies(&self) -> BTreeMap<&'static str, Vec<(u64, u64)>> {
        let counts = |row: &Row| {
            let values = row.latency_us.iter_recorded();
            values.map(|value| (value.value_iterated_to(), value.count_at_value())).collect()
        };
        let some = self.rows.iter().filter(|(_, row)| row.acknowledged > 0);
        some.map(|(kind, row)| (*kind, counts(row))).collect()
    }

    /// What was counted since this tally was that one.
    #[must_use]
    pub fn since(&self, earlier: &Tally) -> Tally {
        let mut rows = self.rows.clone();
        for (kind, before) in &earlier.rows {
            let row = rows.entry(kind).or_default();
            row.acknowledged -= before.acknowledged;
            row.refused -= before.refused;
            row.unknown -= before.unknown;
            let less = row.latency_us.subtract(&before.latency_us);
            less.expect("both have the same bounds, and the earlier one has no more");
        }
        Tally { rows, shares: self.shares.clone() }
    }

    /// For a summary.
    #[must_use]
    pub fn summary(&self) -> BTreeMap<&'static str, OpSummary> {
        let of = |row: &Row| OpSummary {
            acknowledged: row.acknowledged,
            refused: row.refused,
            unknown: row.unknown,
            p50_us: row.latency_us.value_at_quantile(0.5),
            p99_us: row.latency_us.value_at_quantile(0.99),
            max_us: row.latency_us.max(),
        };
        self.rows.iter().map(|(kind, row)| (*kind, of(row))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_by_how_they_ended() {
        let mut tally = Tally::default();
        for ms in 1..=100 {
            tally.count("write", Ending::Acknowledged, ms * 1_000_000);
        }
        tally.count("write", Ending::Unknown, 1);
        tally.count("append", Ending::Refused, 1);
        assert_eq!(tally.acknowledged(), 100);
        let write = &tally.summary()["write"];
        assert_eq!((write.acknowledged, write.unknown), (100, 1));
        assert!((49_900..50_100).contains(&write.p50_us), "{}", write.p50_us);
        assert_eq!(tally.summary()["append"].refused, 1);
        let latencies = tally.latencies();
        assert_eq!(latencies.len(), 1, "nothing else was acknowledged");
        assert_eq!(latencies["write"].iter().map(|(_, count)| count).sum::<u64>(), 100);
        assert!(latencies["write"].is_sorted());
    }
}
