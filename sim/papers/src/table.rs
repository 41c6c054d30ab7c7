//! The three columns: what the paper has, what the formula gives, and what the seeds show.

use crate::claim::Column;
use crate::folder::Folder;
use crate::paper::{Figure, Inputs, Paper, Reading};
use crate::published::Published;
use crate::spread::Spread;
use anyhow::{Result, anyhow};
use leasehold_sim::fnv::Fnv;
use leasehold_sim::seed::Seed;
use std::sync::Mutex;

/// What the simulation of a row gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Simulated {
    /// Over the seeds.
    Seen(Spread),
    /// A sentence for the reader.
    Absent(&'static str),
}

/// One row with its three columns.
#[derive(Clone, Debug)]
pub struct Row {
    /// The paper's.
    pub published: Published,
    /// The formula's.
    pub formula: Figure,
    /// The simulation's.
    pub simulated: Simulated,
}

impl Row {
    /// The value in a column, if it has one.
    #[must_use]
    pub fn value(&self, column: Column) -> Option<f64> {
        match (column, &self.formula, &self.simulated) {
            (Column::Paper, _, _) => self.published.y,
            (Column::Formula, Figure::Value(value), _) => Some(*value),
            (Column::Simulation, _, Simulated::Seen(spread)) => Some(spread.median),
            (Column::Formula | Column::Simulation, _, _) => None,
        }
    }
}

/// All rows, and a sum over everything that was simulated.
#[derive(Clone, Debug)]
pub struct Table {
    /// In the order of `published.csv`.
    pub rows: Vec<Row>,
    /// Of each seed's readings and of the runs' fingerprints, in order: equal for equal inputs.
    pub fingerprint: String,
    /// Seeds of each simulated row.
    pub seeds: u64,
    /// Readings in all.
    pub readings: usize,
}

/// Fills in the columns. The seeds of all rows are spread over `jobs` threads; what comes out does
/// not depend on how many.
///
/// # Errors
/// If a seed of a row cannot be read.
pub fn fill(paper: &dyn Paper, folder: &Folder, reduced: bool, jobs: usize) -> Result<Table> {
    let claim = &folder.claim;
    let rows = if reduced {
        thinned(&folder.published, claim.reduced.every)
    } else {
        folder.published.clone()
    };
    let seeds = if reduced { claim.reduced.seeds } else { claim.seeds };
    let inputs = Inputs { scenario: folder.scenario.clone(), reduced };
    let is_drawn =
        |row: &Published| paper.not_simulated(row).is_none() && paper.observed(row).is_none();
    let simulated = rows.iter().enumerate().filter(|(_, row)| is_drawn(row));
    // The seeds of a row follow each other last, so that threads end together.
    let tasks: Vec<(usize, u64)> =
        simulated.flat_map(|(at, _)| (0..seeds).map(move |seed| (at, seed))).collect();
    let readings = readings(&tasks, jobs, |(at, seed)| {
        let row = &rows[at];
        paper.simulate(row, &inputs, Seed(seed)).map_err(|why| {
            anyhow!("{}: {} at {}, seed {seed}: {why}", paper.name(), row.series, row.name())
        })
    })?;
    let mut sum = Fnv::default();
    for ((at, seed), reading) in tasks.iter().zip(&readings) {
        sum.add(&(*at as u64).to_le_bytes());
        sum.add(&seed.to_le_bytes());
        sum.add(&reading.value.to_bits().to_le_bytes());
        sum.add(reading.fingerprint.as_bytes());
    }
    let filled = rows.into_iter().enumerate().map(|(at, published)| {
        let of_row = tasks.iter().zip(&readings).filter(|((row, _), _)| *row == at);
        let values: Vec<f64> = of_row.map(|(_, reading)| reading.value).collect();
        let simulated = match (paper.not_simulated(&published), paper.observed(&published)) {
            (Some(why), _) => Simulated::Absent(why),
            (None, Some(spread)) => Simulated::Seen(spread),
            (None, None) => Simulated::Seen(Spread::of(&values)),
        };
        Row { formula: paper.formula(&published), published, simulated }
    });
    let rows: Vec<Row> = filled.collect();
    let fingerprint = format!("{:016x}", sum.value());
    Ok(Table { rows, fingerprint, seeds, readings: readings.len() })
}

/// Of each series every so many rows, the first included.
fn thinned(rows: &[Published], every: usize) -> Vec<Published> {
    let place = |at: usize| rows[..at].iter().filter(|row| row.series == rows[at].series).count();
    let kept = (0..rows.len()).filter(|at| place(*at).is_multiple_of(every.max(1)));
    kept.map(|at| rows[at].clone()).collect()
}

/// What each task gives, in the order of the tasks.
fn readings(
    tasks: &[(usize, u64)],
    jobs: usize,
    read: impl Fn((usize, u64)) -> Result<Reading> + Sync,
) -> Result<Vec<Reading>> {
    let next = Mutex::new(tasks.iter().enumerate());
    let done = Mutex::new(Vec::with_capacity(tasks.len()));
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let taken = next.lock().expect("taking one does not panic").next();
                let Some((place, task)) = taken else { return };
                let reading = read(*task);
                let failed = reading.is_err();
                done.lock().expect("adding one does not panic").push((place, reading));
                if failed {
                    return; // The others end what they have begun; the first failure is reported.
                }
            }
        };
        (0..jobs.max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    let mut done = done.into_inner().expect("no thread panics");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, reading)| reading).collect()
}
