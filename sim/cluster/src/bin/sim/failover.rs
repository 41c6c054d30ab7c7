//! `sim failover`: how long clients are held up when the leader of three masters loses power.

use crate::args::FailoverArgs;
use crate::report::table;
use anyhow::{Context, Result};
use leasehold_sim::failover::{MEASURES, Measured, cumulated, permille, trial};
use leasehold_sim::nouns::count;
use leasehold_sim::seed::Seed;
use leasehold_trace::say;
use std::process::ExitCode;
use std::sync::Mutex;

/// Of a hundred seeds, 99 have a change acknowledged within this time.
const TARGET_US: u64 = 3_000_000;

/// Measures the seeds of a range; exit 1 if one shows nothing, or the 99th percentile is too long.
pub fn failover(args: &FailoverArgs) -> Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, done) = (Mutex::new(args.seeds.clone()), Mutex::new((Vec::new(), 0_u64)));
    std::thread::scope(|scope| {
        let one = || {
            loop {
                let taken = next.lock().expect("taking one does not panic").next();
                let Some(seed) = taken else { return };
                let measured = trial(Seed(seed));
                let mut done = done.lock().expect("adding a row does not panic");
                match measured {
                    Ok(measured) => done.0.push(measured),
                    Err(why) => {
                        say!("seed {seed}: {why}");
                        done.1 += 1;
                    }
                }
            }
        };
        (0..args.jobs.unwrap_or(cores).max(1)).for_each(|_| drop(scope.spawn(one)));
    });
    let (mut rows, failed) = done.into_inner().expect("no thread panics");
    rows.sort_by_key(|row: &Measured| row.seed);
    if let Some(path) = &args.csv {
        table(path, &rows)?;
    }
    let series = series(&rows);
    if let Some(path) = &args.svg {
        let title = format!(
            "The leader of three masters loses power: {}",
            count(rows.len() as u64, "seed")
        );
        let shown = cumulated(&title, &series);
        std::fs::write(path, shown).with_context(|| path.display().to_string())?;
    }
    say!("from the loss of power, milliseconds: median, 99th percentile, most");
    for (name, sorted) in &series {
        let ms = |rank| permille(sorted, rank) as f64 / 1_000.0;
        say!("{name:<46} {:>8.1} {:>8.1} {:>8.1}", ms(500), ms(990), ms(1_000));
    }
    let late = permille(&series[1].1, 990) > TARGET_US;
    let seeds = count(rows.len() as u64, "seed");
    say!("{seeds} measured; {} showed nothing", count(failed, "seed"));
    Ok(if failed > 0 || late { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Each measure's values over all seeds, the smallest first.
fn series(rows: &[Measured]) -> Vec<(&'static str, Vec<u64>)> {
    let one = |at: usize| {
        let mut values: Vec<u64> = rows.iter().map(|row| row.values()[at]).collect();
        values.sort_unstable();
        (MEASURES[at], values)
    };
    (0..MEASURES.len()).map(one).collect()
}
