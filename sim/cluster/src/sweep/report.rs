//! What one run of a sweep gave, as it crosses from a worker's process.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Latencies up to ten minutes, to three digits.
const LATENCY_MAX_US: u64 = 600_000_000;

/// How a run compares with what its scenario expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing wrong, and enough seen.
    Ok,
    /// Nothing wrong, and too little seen for that to mean something.
    LowCoverage,
    /// Its environment does not give what every protocol needs: it shows nothing.
    CannotRun,
    /// An invariant was violated.
    Violated,
    /// Of a negative scenario: it violated what it names.
    Shown,
    /// Of a negative scenario: it violated something else first.
    Other,
    /// Of a negative scenario: nothing was violated under this seed.
    NotShown,
    /// The process that ran it came to an end.
    Died,
    /// It took longer than a run may take, and was ended.
    Hung,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Outcome; 9] = [
        Outcome::Ok,
        Outcome::LowCoverage,
        Outcome::CannotRun,
        Outcome::Violated,
        Outcome::Shown,
        Outcome::Other,
        Outcome::NotShown,
        Outcome::Died,
        Outcome::Hung,
    ];

    /// Whether the run alone makes a sweep fail. One that saw too little does not: how much a seed
    /// sees is chance.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Outcome::CannotRun | Outcome::Violated | Outcome::Died | Outcome::Hung)
    }

    /// As the table calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::LowCoverage => "low_coverage",
            Outcome::CannotRun => "cannot_run",
            Outcome::Violated => "violated",
            Outcome::Shown => "shown",
            Outcome::Other => "other",
            Outcome::NotShown => "not_shown",
            Outcome::Died => "died",
            Outcome::Hung => "hung",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Outcome::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What was violated, if anything was.
    pub invariant: Option<String>,
    /// What was wrong, or seen too little of, in words.
    pub detail: String,
    /// Of everything that happened.
    pub fingerprint: String,
    /// How much happened.
    pub events: u64,
    /// Simulated time.
    pub virtual_ns: u64,
    /// What the run took.
    pub wall_ns: u64,
    /// Operations that clients were told are done.
    pub operations: u64,
    /// How they and the others ended, by kind and ending: `append refused`.
    pub endings: BTreeMap<String, u64>,
    /// Latencies by kind, in microseconds of virtual time, with how many operations took so long.
    pub latency_us: BTreeMap<String, Vec<(u64, u64)>>,
    /// From the end of the faults until everything had converged.
    pub recovery_ms: Option<u64>,
    /// Faults that took place, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Marks that were reached, with how often.
    pub coverage: BTreeMap<String, u64>,
    /// Pairs that were met, by number, with how often.
    pub pairs: BTreeMap<String, u64>,
    /// How the requests of the grammar ended, by what they were.
    pub shares: BTreeMap<String, u64>,
    /// Which fault met which operation, with how often.
    pub matrix: BTreeMap<String, u64>,
}

impl Report {
    /// Of a run whose process came to an end.
    #[must_use]
    pub fn died(detail: String) -> Self {
        Report {
            outcome: Outcome::Died,
            invariant: None,
            detail,
            fingerprint: String::new(),
            events: 0,
            virtual_ns: 0,
            wall_ns: 0,
            operations: 0,
            endings: BTreeMap::new(),
            latency_us: BTreeMap::new(),
            recovery_ms: None,
            faults: BTreeMap::new(),
            coverage: BTreeMap::new(),
            pairs: BTreeMap::new(),
            shares: BTreeMap::new(),
            matrix: BTreeMap::new(),
        }
    }

    /// Of a run that was ended because it took longer than a run may take.
    #[must_use]
    pub fn hung(limit_s: u64) -> Self {
        let why = format!("no answer within {limit_s} s of wall time");
        let wall_ns = limit_s.saturating_mul(1_000_000_000);
        Report { outcome: Outcome::Hung, wall_ns, ..Report::died(why) }
    }

    /// Latencies of all operations.
    #[must_use]
    pub fn latencies(&self) -> Histogram<u64> {
        histogram(self.latency_us.values().flatten().copied())
    }
}

/// Of values in microseconds, with how many there are of each.
pub(super) fn histogram(counts: impl IntoIterator<Item = (u64, u64)>) -> Histogram<u64> {
    let mut histogram = empty_histogram();
    for (us, count) in counts {
        histogram.saturating_record_n(us, count);
    }
    histogram
}

/// For latencies in microseconds.
#[must_use]
pub fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)
        .expect("the bounds and three digits are within what a histogram can do")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_names_of_their_own() {
        for outcome in [Outcome::Ok, Outcome::NotShown, Outcome::Died, Outcome::Hung] {
            assert_eq!(Outcome::named(outcome.name()), Some(outcome));
            let json = serde_json::to_string(&outcome).unwrap();
            assert_eq!(json, format!("\"{}\"", outcome.name()));
        }
        assert_eq!(Outcome::named("fine"), None);
    }

    #[test]
    fn a_report_crosses_a_pipe() {
        let mut report = Report::died("killed".to_owned());
        report.latency_us.insert("read".to_owned(), vec![(100, 3), (200, 1)]);
        report.faults.insert("crash".to_owned(), 2);
        let line = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&line).unwrap(), report);
        assert_eq!(report.latencies().len(), 4);
        assert_eq!(report.latencies().value_at_quantile(0.5), 100);
    }
}
