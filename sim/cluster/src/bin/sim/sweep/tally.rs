//! What a sweep has seen so far, and the table that it goes to.

use super::Sweep;
use anyhow::Result;
use indicatif::ProgressBar;
use leasehold_sim::sweep::{Job, Key, Outcome, Report, Row, Table, Totals};
use std::collections::BTreeMap;

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
    /// Runs that were there already.
    pub resumed: u64,
}

impl Tally {
    /// Nothing yet.
    pub fn new(table: Table, variants: usize) -> Self {
        let (failures, unlike) = (Vec::new(), Vec::new());
        Tally { table, totals: Totals::new(variants), failures, unlike, twice: 0, resumed: 0 }
    }

    /// Counts runs that the table has already.
    pub fn resume(&mut self, sweep: &Sweep, found: &[Job]) {
        let rows: BTreeMap<Key, &Row> =
            self.table.rows().iter().map(|row| (row.key(), row)).collect();
        for job in found {
            let Some(row) = rows.get(&sweep.key(job)) else { continue };
            self.totals.add_row(job.variant, row);
            self.resumed += 1;
            self.twice += u64::from(row.twice);
            if let Some(outcome) = row.outcome().filter(|outcome| outcome.is_failure()) {
                let failure = Failure { job: *job, outcome, why: why(row), resumed: true };
                self.failures.push(failure);
            }
        }
    }

    /// Adds a run. `unlike` is the fingerprint of a second run that did not do the same.
    pub fn add(
        &mut self,
        sweep: &Sweep,
        job: &Job,
        report: Report,
        unlike: Option<String>,
        bar: &ProgressBar,
    ) -> Result<()> {
        let variant = &sweep.variants[job.variant];
        let ended = !matches!(report.outcome, Outcome::Died | Outcome::Hung);
        let alike = job.twice && unlike.is_none() && ended;
        let row = Row::new(&sweep.key(job), &variant.name, &variant.set, &report, alike);
        self.totals.add_row(job.variant, &row);
        let why = why(&row);
        self.table.append(row)?;
        self.twice += u64::from(alike);
        let at = format!("{} {} seed {}", variant.name, variant.set, job.seed);
        if let Some(other) = unlike {
            bar.suspend(|| eprintln!("NOT DETERMINISTIC {at}: {} {other}", report.fingerprint));
            self.unlike.push((*job, report.fingerprint, other));
        }
        if report.outcome.is_failure() {
            let cut: String = why.chars().take(SHOWN_CHARS).collect();
            bar.suspend(|| eprintln!("{} {at}: {cut}", report.outcome));
            self.failures.push(Failure { job: *job, outcome: report.outcome, why, resumed: false });
            bar.set_message(format!("{} failed", self.failures.len()));
        }
        Ok(())
    }
}

fn why(row: &Row) -> String {
    let Row { invariant, why, .. } = row;
    if invariant.is_empty() { why.clone() } else { format!("{invariant}, {why}") }
}
