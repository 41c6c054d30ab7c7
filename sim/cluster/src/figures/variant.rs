//! The rows of a table by what was run, and what they amount to.

use super::stats::{Interval, mean, quantiles};
use crate::provenance::Build;
use crate::sweep::{Outcome, Row, middle};
use serde::Serialize;
use std::collections::BTreeMap;

/// Quantiles that are stated of each kind of operation, with their names.
pub const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// All rows of one scenario with one set of values, by one build.
#[derive(Clone, Debug)]
pub struct Variant<'a> {
    /// The scenario's file.
    pub scenario: &'a str,
    /// What was set.
    pub set: &'a str,
    /// The build.
    pub build: Build,
    /// By seed.
    pub rows: BTreeMap<u64, &'a Row>,
}

/// Of some rows, in the order of their first appearance. Each run is to be there once.
#[must_use]
pub fn variants(rows: &[Row]) -> Vec<Variant<'_>> {
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let mut all: Vec<Variant<'_>> = Vec::new();
    for row in rows {
        let key = (row.sources.as_str(), row.config.as_str(), row.scenario.as_str());
        let place = *places.entry(key).or_insert_with(|| {
            let (scenario, set, build) = (row.scenario.as_str(), row.set.as_str(), row.build());
            all.push(Variant { scenario, set, build, rows: BTreeMap::new() });
            all.len() - 1
        });
        all[place].rows.insert(row.seed, row);
    }
    all
}

/// Whether a run came to its end: one that stopped at a violation, died or hung says nothing about how
/// long operations take.
#[must_use]
pub fn is_whole(row: &Row) -> bool {
    matches!(row.outcome(), Some(Outcome::Ok | Outcome::LowCoverage | Outcome::NotShown))
}

/// The figures of one run, by name, of those that it has.
#[must_use]
pub fn figures_of(row: &Row) -> BTreeMap<String, f64> {
    let took = row.kinds().into_iter();
    let mut figures: BTreeMap<String, f64> =
        took.map(|(name, us)| (format!("{name}, ms"), us as f64 / 1e3)).collect();
    if row.virtual_s > 0.0 {
        let rate = row.operations as f64 / row.virtual_s;
        figures.insert("acknowledged operations a simulated second".to_owned(), rate);
    }
    if let Some(ms) = row.recovery_ms {
        figures.insert("recovery, ms".to_owned(), ms as f64);
    }
    figures
}

/// What one kind of operation took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kind {
    /// Its name.
    pub kind: String,
    /// How many were acknowledged, refused, or ended without an answer.
    pub acknowledged: u64,
    #[allow(missing_docs)]
    pub refused: u64,
    #[allow(missing_docs)]
    pub unknown: u64,
    /// By the names of [`QUANTILES`], in milliseconds of simulated time; none if none was acknowledged.
    pub quantiles_ms: BTreeMap<&'static str, Interval>,
    /// The slowest.
    pub max_ms: f64,
}

/// What a variant amounts to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The scenario's file.
    pub scenario: String,
    /// What was set.
    pub set: String,
    /// The build.
    pub build: Build,
    /// Rules of the protocol that were not in force.
    pub rules_left_out: String,
    /// Constants that the scenario sets.
    pub constants: String,
    /// Runs, and how many of them ended how.
    pub runs: u64,
    #[allow(missing_docs)]
    pub outcomes: BTreeMap<String, u64>,
    /// Runs that came to their end; the figures below are theirs.
    pub whole_runs: u64,
    /// Acknowledged operations a simulated second: the mean over seeds.
    pub operations_per_s: Option<Interval>,
    /// From the end of the faults until everything had converged: the median over seeds.
    pub recovery_ms: Option<Interval>,
    /// Of each kind of operation.
    pub kinds: Vec<Kind>,
}

impl Figures {
    /// Of a variant.
    #[must_use]
    pub fn of(variant: &Variant<'_>) -> Self {
        let rows: Vec<&Row> = variant.rows.values().copied().filter(|row| is_whole(row)).collect();
        let rates: Vec<f64> = rows
            .iter()
            .filter(|row| row.virtual_s > 0.0)
            .map(|row| row.operations as f64 / row.virtual_s)
            .collect();
        let recoveries: Vec<_> =
            rows.iter().filter_map(|row| Some(vec![(row.recovery_ms?, 1)])).collect();
        let recovery = quantiles(&recoveries, &[0.5]).and_then(|found| found.first().copied());
        let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
        variant
            .rows
            .values()
            .for_each(|row| *outcomes.entry(row.outcome.clone()).or_default() += 1);
        let any = variant.rows.values().next();
        // What a seed draws differs between rows, and belongs to none of them all.
        let shared = |of: fn(&Row) -> &String| {
            let same = |text: &&String| variant.rows.values().all(|row| of(row) == *text);
            any.map(|row| of(row))
                .filter(same)
                .cloned()
                .unwrap_or_else(|| "drawn by the seed".to_owned())
        };
        Figures {
            scenario: variant.scenario.to_owned(),
            set: variant.set.to_owned(),
            build: variant.build.clone(),
            rules_left_out: shared(|row| &row.without),
            constants: shared(|row| &row.constants),
            runs: variant.rows.len() as u64,
            outcomes,
            whole_runs: rows.len() as u64,
            operations_per_s: mean(&rates, super::stats::CONFIDENCE),
            recovery_ms: recovery,
            kinds: kinds(&rows),
        }
    }

    /// The scenario with what is set.
    #[must_use]
    pub fn name(&self) -> String {
        let scenario = self.scenario.trim_start_matches("scenarios/");
        format!("{scenario} {}", self.set).trim_end().to_owned()
    }
}

fn kinds(rows: &[&Row]) -> Vec<Kind> {
    let mut counts: BTreeMap<String, Vec<Vec<(u64, u64)>>> = BTreeMap::new();
    let (mut ended, mut most): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
    for row in rows {
        for (kind, seen) in row.by_kind() {
            let seen = seen.into_iter().map(|(us, count)| (middle(us), count)).collect();
            counts.entry(kind).or_default().push(seen);
        }
        row.ended().into_iter().for_each(|(name, count)| *ended.entry(name).or_default() += count);
        for (name, us) in row.kinds() {
            let most = most.entry(name).or_default();
            *most = us.max(*most);
        }
    }
    let endings: Vec<&str> =
        ended.keys().filter_map(|name| Some(name.rsplit_once(' ')?.0)).collect();
    let mut names: Vec<&str> = counts.keys().map(String::as_str).chain(endings).collect();
    names.sort_unstable();
    names.dedup();
    let kind = |name: &&str| {
        let count = |ending: &str| ended.get(&format!("{name} {ending}")).copied().unwrap_or(0);
        let shares: Vec<f64> = QUANTILES.iter().map(|(_, share)| *share).collect();
        let found = counts.get(*name).and_then(|seeds| quantiles(seeds, &shares));
        let ms = |found: Interval| Interval {
            value: found.value / 1e3,
            low: found.low.map(|us| us / 1e3),
            high: found.high.map(|us| us / 1e3),
        };
        let names = QUANTILES.iter().map(|(name, _)| *name);
        Kind {
            kind: (*name).to_owned(),
            acknowledged: count("acknowledged"),
            refused: count("refused"),
            unknown: count("unknown"),
            quantiles_ms: names.zip(found.into_iter().flatten().map(ms)).collect(),
            max_ms: most.get(&format!("{name} max")).copied().unwrap_or(0) as f64 / 1e3,
        }
    };
    names.iter().map(kind).collect()
}
