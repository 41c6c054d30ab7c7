//! What a sweep has seen so far, and the table that it goes to.

use super::Sweep;
use super::progress::Progress;
use anyhow::Result;
use leasehold_sim::provenance::Provenance;
use leasehold_sim::sweep::{Found, Job, Key, Outcome, Report, Row, Table, Totals, join};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a failure that are shown while the sweep continues.
const SHOWN_CHARS: usize = 300;

/// A run that makes the sweep fail.
pub struct Failure {
    /// Which.
    pub job: Job,
    /// How.
    pub outcome: Outcome,
    /// In words.
    pub why: String,
    /// The table had it already, and so perhaps what is kept of it.
    pub resumed: bool,
}

/// What a sweep has seen so far.
pub struct Tally {
    /// The file.
    pub table: Table,
    /// Sums.
    pub totals: Totals,
    /// Runs that make it fail, as they came.
    pub failures: Vec<Failure>,
    /// Runs that two processes did not do alike, with both fingerprints.
    pub unlike: Vec<(Job, String, String)>,
    /// Runs that two processes did.
    pub twice: u64,
    /// What was there already.
    pub found: Found,
}

impl Tally {
    /// Nothing yet.
    pub fn new(table: Table, variants: usize) -> Self {
        let (failures, unlike, found) = (Vec::new(), Vec::new(), Found::default());
        Tally { table, totals: Totals::new(variants), failures, unlike, twice: 0, found }
    }

    /// Counts runs that the table has already; which they are. Two rows of one run that differ are as
    /// two processes that did not do the same.
    pub fn resume(&mut self, sweep: &Sweep) -> BTreeSet<Key> {
        let jobs: BTreeMap<Key, Job> =
            sweep.jobs.iter().map(|job| (sweep.key(job), *job)).collect();
        let runs = jobs.keys().cloned().collect();
        self.found = Found::among(self.table.rows(), &runs, &sweep.build);
        let joined = join([self.table.rows().to_vec()]);
        for (one, other) in joined.contradictions {
            let job = jobs.get(&one.key()).copied();
            self.unlike.extend(job.map(|job| (job, one.fingerprint, other.fingerprint)));
        }
        let mut done = BTreeSet::new();
        for row in &joined.rows {
            let Some(job) = jobs.get(&row.key()) else { continue };
            done.insert(row.key());
            self.totals.add_row(job.variant, row);
            self.twice += u64::from(row.twice);
            if let Some(outcome) = row.outcome().filter(|outcome| outcome.is_failure()) {
                let failure = Failure { job: *job, outcome, why: why(row), resumed: true };
                self.failures.push(failure);
            }
        }
        done
    }

    /// Adds a run. `unlike` is the fingerprint of a second run that did not do the same.
    pub fn add(
        &mut self,
        sweep: &Sweep,
        job: &Job,
        report: Report,
        unlike: Option<String>,
        progress: &Progress,
    ) -> Result<()> {
        let variant = &sweep.variants[job.variant];
        let ended = !matches!(report.outcome, Outcome::Died | Outcome::Hung);
        let alike = job.twice && unlike.is_none() && ended;
        let from = Provenance::of(&variant.name, &variant.scenario, job.seed);
        let row = Row::new(&from, &sweep.hashes[job.variant], &variant.set, &report, alike);
        self.totals.add_row(job.variant, &row);
        let why = why(&row);
        self.table.append(row)?;
        self.twice += u64::from(alike);
        let at = format!("{} {} seed {}", variant.name, variant.set, job.seed);
        if let Some(other) = unlike {
            progress.note(&format!("NOT DETERMINISTIC {at}: {} {other}", report.fingerprint));
            self.unlike.push((*job, report.fingerprint, other));
        }
        if report.outcome.is_failure() {
            let cut: String = why.chars().take(SHOWN_CHARS).collect();
            progress.note(&format!("{} {at}: {cut}", report.outcome));
            self.failures.push(Failure { job: *job, outcome: report.outcome, why, resumed: false });
            progress.failed(self.failures.len() as u64);
        }
        Ok(())
    }
}

fn why(row: &Row) -> String {
    let Row { invariant, why, .. } = row;
    if invariant.is_empty() { why.clone() } else { format!("{invariant}, {why}") }
}
