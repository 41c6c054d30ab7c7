//! What a sweep says in the end, as one object for programs. What did not happen is zero, and not missing.

use super::print::{low_coverage, never_shown};
use super::tally::{Failure, Tally};
use super::{Sweep, keep};
use crate::args::SweepArgs;
use leasehold_sim::coverage::Mark;
use leasehold_sim::facts::filled;
use leasehold_sim::scenario::FaultKind;
use leasehold_sim::sweep::{Outcome, Totals, VariantTotals};
use leasehold_trace::say;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Prints it.
pub fn print(args: &SweepArgs, sweep: &Sweep, tally: &Tally, canary: &Result<u64, String>) {
    let (totals, found) = (&tally.totals, &tally.found);
    let variants = totals.variants.iter().enumerate();
    let low = low_coverage(sweep, tally, args.low_coverage_max).into_iter();
    let foreign = found.foreign.iter();
    let object = json!({
        "build": sweep.build,
        "variants": variants.map(|(at, sum)| variant(sweep, at, sum)).collect::<Vec<_>>(),
        "failures": tally.failures.iter().map(|one| failure(sweep, one)).collect::<Vec<_>>(),
        "never_shown": never_shown(sweep, tally),
        "low_coverage": low.map(|at| name(sweep, at)).collect::<Vec<_>>(),
        "twice": tally.twice,
        "not_alike": tally.unlike.iter().map(|(job, ..)| job.seed).collect::<Vec<_>>(),
        "canary_seed": canary.as_ref().ok(),
        "resumed": found.resumed,
        "doubled": found.doubled,
        "other_rows": found.others,
        "foreign": foreign.map(|(build, rows)| json!({ "build": build, "rows": rows })).collect::<Vec<_>>(),
        "coverage": coverage(totals),
        "marks_missed": totals.missed().iter().map(|mark| mark.name()).collect::<Vec<_>>(),
        "faults": faults(totals),
        "matrix": totals.matrix,
    });
    say!("{object}");
}

fn name(sweep: &Sweep, at: usize) -> Value {
    json!({ "scenario": sweep.variants[at].name, "set": sweep.variants[at].set })
}

fn variant(sweep: &Sweep, at: usize, sum: &VariantTotals) -> Value {
    let outcomes: BTreeMap<_, _> =
        Outcome::ALL.iter().map(|outcome| (outcome.name(), sum.count(*outcome))).collect();
    json!({
        "scenario": sweep.variants[at].name,
        "set": sweep.variants[at].set,
        "config": sweep.hashes[at],
        "runs": sum.runs,
        "outcomes": outcomes,
        "virtual_ms": sum.virtual_ms,
        "wall_ms": sum.wall_ms,
        "operations": sum.operations,
        "p50_us": sum.latency_us.value_at_quantile(0.5),
        "p99_us": sum.latency_us.value_at_quantile(0.99),
        "max_us": sum.latency_us.max(),
        "recovery_median_ms": sum.recovery_median_ms(),
    })
}

fn failure(sweep: &Sweep, failure: &Failure) -> Value {
    json!({
        "scenario": sweep.variants[failure.job.variant].name,
        "seed": failure.job.seed,
        "outcome": failure.outcome.name(),
        "why": failure.why,
        "folder": keep::folder(sweep, failure),
    })
}

/// Of each mark, runs that reached it and how often they did.
fn coverage(totals: &Totals) -> BTreeMap<&'static str, (u64, u64)> {
    let of = |mark: &Mark| totals.coverage.get(mark.name()).copied().unwrap_or_default();
    Mark::ALL.iter().map(|mark| (mark.name(), of(mark))).collect()
}

fn faults(totals: &Totals) -> BTreeMap<&str, u64> {
    let seen = totals.faults.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    filled(&seen, FaultKind::ALL.iter().map(|kind| kind.name()))
}
