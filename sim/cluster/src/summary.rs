//! A run in numbers, for people and for programs.

use crate::coverage::Mark;
use crate::coverage::pairs::Cells;
use crate::facts::filled;
use crate::measure::Window;
use crate::net::NetCounts;
use crate::nouns::count;
use crate::scenario::{Demands, FaultKind};
use crate::tally::OpSummary;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Where the text of a line begins, and where it ends at the latest.
const INDENT: usize = 13;
const COLUMNS: usize = 100;

/// Counts by name.
type Counts = BTreeMap<&'static str, u64>;

/// What a run was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // the names are those that the JSON has
pub struct Summary {
    pub seed: u64,
    pub fingerprint: String,
    pub events: u64,
    pub virtual_ns: u64,
    /// Of the wall clock; zero if nobody measured.
    pub wall_ns: u64,
    pub acknowledged: u64,
    pub operations: BTreeMap<&'static str, OpSummary>,
    /// Of each kind: microseconds, and how many operations took so long.
    #[serde(skip)]
    pub latency_us: BTreeMap<&'static str, Vec<(u64, u64)>>,
    #[serde(serialize_with = "all_faults")]
    pub faults: BTreeMap<&'static str, u64>,
    #[serde(serialize_with = "all_faults")]
    pub faults_withheld: BTreeMap<&'static str, u64>,
    /// Why no protocol could come to rest in this environment, if it did not: see [`crate::needs`].
    pub cannot_run: Option<String>,
    /// Faults that the scenario directs and that did not happen: kind and time.
    pub faults_missed: Vec<String>,
    pub power_failures: u64,
    #[serde(serialize_with = "crate::facts::with_zeros")]
    pub facts: BTreeMap<&'static str, u64>,
    /// How often each mark of the coverage was reached.
    #[serde(serialize_with = "all_marks")]
    pub coverage: BTreeMap<&'static str, u64>,
    /// The pairs that were met.
    #[serde(skip)]
    pub pairs: Cells,
    /// How the requests of the grammar ended, by what they were.
    pub shares: BTreeMap<&'static str, u64>,
    /// How often each fault met each operation: `fault @ path`.
    pub matrix: BTreeMap<String, u64>,
    pub network: NetCounts,
    pub reads_judged: u64,
    /// How often each invariant was put to the test.
    #[serde(serialize_with = "all_invariants")]
    pub judged: BTreeMap<&'static str, u64>,
    /// Chunks and trees of names whose linearizability was given up undecided.
    pub undecided: u64,
    /// After faults ended; none if it did not.
    pub converged_ms: Option<u64>,
    /// What was counted in the scenario's window of measurement, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// Kinds of faults that fail power or end a process.
pub const CRASHES: &[&str] = &[
    "crash",
    "crash_at_io",
    "restart",
    "master_crash",
    "wipe",
    "rack_power",
    "cluster_power",
    "rolling_restart",
    "fsync_fails",
];

/// Kinds of faults that cut links.
pub const PARTITIONS: &[&str] =
    &["partition", "one_way", "isolate", "partial", "flapping", "master_cut"];

/// What did not happen is zero in JSON, and not missing.
fn all_faults<S: Serializer>(counts: &Counts, to: S) -> Result<S::Ok, S::Error> {
    filled(counts, FaultKind::ALL.iter().map(|kind| kind.name())).serialize(to)
}

fn all_marks<S: Serializer>(counts: &Counts, to: S) -> Result<S::Ok, S::Error> {
    filled(counts, Mark::ALL.iter().map(|mark| mark.name())).serialize(to)
}

fn all_invariants<S: Serializer>(counts: &Counts, to: S) -> Result<S::Ok, S::Error> {
    filled(counts, leasehold_checker::invariants().into_iter().map(|one| one.id)).serialize(to)
}

impl Summary {
    /// Simulated time over wall time.
    #[must_use]
    pub fn ratio(&self) -> u64 {
        self.virtual_ns.checked_div(self.wall_ns).unwrap_or(0)
    }

    /// Power failures and ended processes.
    #[must_use]
    pub fn crashes(&self) -> u64 {
        self.sum(CRASHES)
    }

    /// Partitions of every kind.
    #[must_use]
    pub fn partitions(&self) -> u64 {
        self.sum(PARTITIONS)
    }

    /// Configurations that followed another.
    #[must_use]
    pub fn membership_changes(&self) -> u64 {
        self.facts.get("membership changes").copied().unwrap_or(0)
    }

    /// Why this run shows less than is demanded, if it does: it is a low-coverage run.
    #[must_use]
    pub fn low_coverage(&self, demands: &Demands) -> Option<String> {
        if let Some(missed) = self.faults_missed.first() {
            return Some(format!(
                "the directed fault {missed} did not happen: for 10 s, its nodes were not there or down, or \
                 the fault budget did not allow it (`[faults] reckless = true` removes that)"
            ));
        }
        let demands = [
            ("acknowledged operations", self.acknowledged, demands.acknowledged),
            ("crashes", self.crashes(), demands.crashes),
            ("partitions", self.partitions(), demands.partitions),
            ("membership changes", self.membership_changes(), demands.membership_changes),
            ("judged reads", self.reads_judged, demands.judged_reads),
            ("tests of I1", self.tests_of("I1"), 1),
            ("tests of I5", self.tests_of("I5"), 1),
            ("tests of I6", self.tests_of("I6"), 1),
        ];
        let (what, found, wanted) = demands.iter().find(|(_, found, wanted)| found < wanted)?;
        Some(format!("{found} {what}, at least {wanted} wanted"))
    }

    /// Marks that were not reached, by name.
    #[must_use]
    pub fn missed(&self) -> Vec<&'static str> {
        let names = Mark::ALL.iter().map(|mark| mark.name());
        names.filter(|name| !self.coverage.contains_key(name)).collect()
    }

    fn tests_of(&self, invariant: &str) -> u64 {
        self.judged.get(invariant).copied().unwrap_or(0)
    }

    fn sum(&self, kinds: &[&str]) -> u64 {
        kinds.iter().filter_map(|kind| self.faults.get(kind)).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ns: u64| format!("{}.{:02} s", ns / 1_000_000_000, ns / 10_000_000 % 100);
        writeln!(
            f,
            "time         {} virtual in {} wall: {} times real time",
            seconds(self.virtual_ns),
            seconds(self.wall_ns),
            self.ratio()
        )?;
        writeln!(f, "operations   {} acknowledged", count(self.acknowledged, "operation"))?;
        for (kind, row) in &self.operations {
            writeln!(
                f,
                "  {kind:<12} {:>6}   p50 {:>8} us   p99 {:>9} us   max {:>9} us   refused {}, unknown {}",
                row.acknowledged, row.p50_us, row.p99_us, row.max_us, row.refused, row.unknown
            )?;
        }
        writeln!(
            f,
            "faults       {} ({}), {}, {} withheld by the budget",
            count(self.crashes(), "crash"),
            count(self.power_failures, "power failure"),
            count(self.partitions(), "partition"),
            count(self.faults_withheld.values().sum::<u64>(), "fault")
        )?;
        writeln!(f, "{:INDENT$}{}", "", listed(&self.faults))?;
        if !self.faults_withheld.is_empty() {
            writeln!(f, "withheld     {}", listed(&self.faults_withheld))?;
        }
        let net = &self.network;
        writeln!(
            f,
            "network      {} delivered, {} of them duplicates; not delivered: {} cut by partitions, {} lost, \
             {} corrupt,\n{:INDENT$}{} by queue overflow, {} undeliverable as their node was down",
            count(net.delivered, "message"),
            net.duplicated,
            net.cut,
            net.lost,
            net.corrupt,
            "",
            net.crowded + net.overflowed,
            net.nobody
        )?;
        writeln!(f, "protocol     {}", listed(&self.facts))?;
        writeln!(
            f,
            "coverage     {} of {} marks; not reached:{}",
            self.coverage.len(),
            Mark::ALL.len(),
            wrapped(&self.missed())
        )?;
        writeln!(f, "pairs        {} of {} cells", self.pairs.met(), Cells::possible())?;
        if !self.shares.is_empty() {
            writeln!(f, "shared names {}", listed(&self.shares))?;
        }
        writeln!(
            f,
            "invariants   tests of each: {}\n{:INDENT$}{} judged from outside, {} undecided",
            listed(&self.judged),
            "",
            count(self.reads_judged, "read"),
            count(self.undecided, "history")
        )?;
        writeln!(
            f,
            "convergence  {}",
            self.converged_ms.map_or("never".to_owned(), |ms| format!("after {ms} ms"))
        )?;
        write!(f, "fingerprint  {} of {}", self.fingerprint, count(self.events, "event"))
    }
}

fn listed(counts: &BTreeMap<&'static str, u64>) -> String {
    flowed(counts.iter().map(|(what, count)| format!("{what} {count}")))
}

/// On lines of their own.
fn wrapped(words: &[&str]) -> String {
    match words {
        [] => " none".to_owned(),
        words => {
            format!("\n{:INDENT$}{}", "", flowed(words.iter().map(|word| (*word).to_owned())))
        }
    }
}

fn flowed(words: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    let mut column = INDENT;
    for word in words {
        if !text.is_empty() {
            text.push(',');
            let fits = column + word.len() < COLUMNS;
            column = if fits { column + 2 } else { INDENT };
            text.push_str(&if fits { " ".to_owned() } else { format!("\n{:INDENT$}", "") });
        }
        column += word.len();
        text.push_str(&word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Summary {
        Summary {
            acknowledged: 1_000,
            faults: [("crash", 1), ("one_way", 1)].into(),
            facts: [("membership changes", 1)].into(),
            reads_judged: 100,
            judged: [("I1", 1), ("I5", 1), ("I6", 1)].into(),
            virtual_ns: 60_000_000_000,
            wall_ns: 500_000_000,
            ..Summary::default()
        }
    }

    #[test]
    fn a_run_that_saw_too_little_is_of_low_coverage() {
        let demands = Demands::default();
        assert_eq!(full().low_coverage(&demands), None);
        let idle = Summary { acknowledged: 999, ..full() };
        assert_eq!(
            idle.low_coverage(&demands).unwrap(),
            "999 acknowledged operations, at least 1000 wanted"
        );
        let missed = Summary { faults_missed: vec!["crash at 8000 ms".into()], ..full() };
        assert!(missed.low_coverage(&demands).unwrap().contains("crash at 8000 ms did not happen"));
        let tame = Summary { faults: [("crash", 1)].into(), ..full() };
        assert!(tame.low_coverage(&demands).unwrap().contains("partitions"));
        let unjudged = Summary { judged: [("I1", 9), ("I6", 9)].into(), ..full() };
        assert!(unjudged.low_coverage(&demands).unwrap().contains("tests of I5"));
    }

    #[test]
    fn the_ratio_is_stated() {
        assert_eq!(full().ratio(), 120);
        assert!(full().to_string().contains("120 times real time"));
    }
}
