//! What a sweep showed, added up.

use super::report::{Outcome, empty_histogram};
use super::table::Row;
use crate::coverage::Mark;
use crate::coverage::pairs::Cells;
use hdrhistogram::Histogram;
use leasehold_explore::Shares;
use std::collections::BTreeMap;

/// Sums over the runs of one variant.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct VariantTotals {
    pub runs: u64,
    pub outcomes: BTreeMap<Outcome, u64>,
    pub virtual_ms: u64,
    pub wall_ms: u64,
    pub operations: u64,
    pub latency_us: Histogram<u64>,
    pub recovery_ms: Vec<u64>,
    /// The smallest seed of low coverage, and what it saw too little of.
    pub low_coverage_first: Option<(u64, String)>,
}

impl Default for VariantTotals {
    fn default() -> Self {
        VariantTotals {
            runs: 0,
            outcomes: BTreeMap::new(),
            virtual_ms: 0,
            wall_ms: 0,
            operations: 0,
            latency_us: empty_histogram(),
            recovery_ms: Vec::new(),
            low_coverage_first: None,
        }
    }
}

impl VariantTotals {
    /// Runs that ended so.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// Runs that make the sweep fail.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.outcomes.iter().filter(|(o, _)| o.is_failure()).map(|(_, count)| count).sum()
    }

    fn low_coverage(&mut self, row: &Row) {
        if self.low_coverage_first.as_ref().is_none_or(|(seed, _)| row.seed < *seed) {
            self.low_coverage_first = Some((row.seed, row.why.clone()));
        }
    }

    /// The median time to recover, in milliseconds.
    #[must_use]
    pub fn recovery_median_ms(&self) -> Option<u64> {
        let mut all = self.recovery_ms.clone();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    }

    /// Simulated time over the time that one core took for it.
    #[must_use]
    pub fn ratio(&self) -> u64 {
        self.virtual_ms.checked_div(self.wall_ms).unwrap_or(0)
    }
}

/// Sums over a sweep.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// By variant.
    pub variants: Vec<VariantTotals>,
    /// Runs that reached each mark, and how often they did together.
    pub coverage: BTreeMap<String, (u64, u64)>,
    /// Pairs that were met.
    pub pairs: Cells,
    /// How the requests of the grammar ended.
    pub shares: Shares,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Which fault met which operation.
    pub matrix: BTreeMap<String, u64>,
}

impl Totals {
    /// Nothing yet.
    #[must_use]
    pub fn new(variants: usize) -> Self {
        Totals { variants: vec![VariantTotals::default(); variants], ..Totals::default() }
    }

    /// Adds a row, new or found.
    pub fn add_row(&mut self, variant: usize, row: &Row) {
        let sum = &mut self.variants[variant];
        sum.runs += 1;
        *sum.outcomes.entry(row.outcome().unwrap_or(Outcome::Died)).or_default() += 1;
        if row.outcome() == Some(Outcome::LowCoverage) {
            sum.low_coverage(row);
        }
        sum.virtual_ms += (row.virtual_s * 1e3) as u64;
        sum.wall_ms += (row.wall_s * 1e3) as u64;
        sum.operations += row.operations;
        sum.latency_us.add(row.latencies()).expect("both have the same bounds");
        sum.recovery_ms.extend(row.recovery_ms);
        for (mark, count) in row.marks() {
            let (runs, times) = self.coverage.entry(mark).or_default();
            *runs += 1;
            *times += count;
        }
        self.pairs.add_numbered(&row.pairs());
        self.shares.add_counts(&row.shares());
        for (kind, count) in row.fault_counts() {
            *self.faults.entry(kind).or_default() += count;
        }
        for (cell, count) in row.met() {
            *self.matrix.entry(cell).or_default() += count;
        }
    }

    /// Marks that no run reached.
    #[must_use]
    pub fn missed(&self) -> Vec<Mark> {
        let all = Mark::ALL.iter().copied();
        all.filter(|mark| !self.coverage.contains_key(mark.name())).collect()
    }

    /// Each fault's injections into operations, and into how many different ones.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<&str, (u64, usize)> {
        let mut faults: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
        for (cell, count) in &self.matrix {
            let fault = cell.split_once(" @ ").map_or(cell.as_str(), |(fault, _)| fault);
            let (times, paths) = faults.entry(fault).or_default();
            *times += count;
            *paths += 1;
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Provenance;
    use crate::scenario::Scenario;
    use crate::sweep::Report;

    #[test]
    fn rows_add_up() {
        let mut report = Report::died(String::new());
        report.outcome = Outcome::Ok;
        report.operations = 10;
        report.coverage = [("last-copy".to_owned(), 2)].into();
        report.matrix =
            [("lost @ link Push".to_owned(), 5), ("lost @ link Read".to_owned(), 1)].into();
        report.latency_us.insert("read".to_owned(), vec![(100, 10)]);
        let mut totals = Totals::new(2);
        for (seed, recovery_ms) in [(1, 100), (2, 300), (3, 200)] {
            report.recovery_ms = Some(recovery_ms);
            let from = Provenance::of("", &Scenario::standard(), seed);
            totals.add_row(1, &Row::new(&from, "", "", &report, false));
        }
        let sum = &totals.variants[1];
        assert_eq!((sum.runs, sum.operations, sum.failed()), (3, 30, 0));
        assert_eq!(sum.recovery_median_ms(), Some(200));
        assert_eq!(sum.latency_us.len(), 30);
        assert_eq!(totals.coverage["last-copy"], (3, 6));
        assert_eq!(totals.missed().len(), Mark::ALL.len() - 1);
        assert_eq!(totals.paths()["lost"], (18, 2));
    }
}
