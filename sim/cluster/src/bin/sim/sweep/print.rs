//! What a sweep tells in the end.

use super::Sweep;
use super::keep;
use super::tally::Tally;
use crate::args::SweepArgs;
use leasehold_sim::coverage::Mark;
use leasehold_sim::coverage::pairs::Cells;
use leasehold_sim::nouns::count;
use leasehold_sim::scenario::Expect;
use leasehold_sim::sweep::{Outcome, Totals, Variant, VariantTotals};
use leasehold_trace::say;

/// Failing runs that are listed.
const LISTED_MAX: usize = 20;

/// Negative scenarios of which no run showed what it names.
pub fn never_shown<'a>(sweep: &'a Sweep, tally: &Tally) -> Vec<&'a str> {
    let all = sweep.variants.iter().zip(&tally.totals.variants);
    let silent = all.filter(|(variant, sum)| {
        variant.scenario.expect != Expect::Pass && sum.runs > 0 && sum.count(Outcome::Shown) == 0
    });
    silent.map(|(variant, _)| variant.name.as_str()).collect()
}

/// Variants of which more than this share of the runs saw too little.
pub fn low_coverage(sweep: &Sweep, tally: &Tally, percent_max: u64) -> Vec<usize> {
    let sums = tally.totals.variants.iter().enumerate().take(sweep.variants.len());
    let too_many = sums.filter(|(_, sum)| {
        sum.count(Outcome::LowCoverage) * 100 > percent_max.saturating_mul(sum.runs)
    });
    too_many.map(|(variant, _)| variant).collect()
}

/// For people.
pub fn text(args: &SweepArgs, sweep: &Sweep, tally: &Tally, canary: &Result<u64, String>) {
    rows(sweep, &tally.totals);
    coverage(&tally.totals);
    faults(&tally.totals);
    say!(
        "\nself-checks  {} made twice, {} of them not alike; {}",
        count(tally.twice + tally.unlike.len() as u64, "run"),
        tally.unlike.len(),
        match canary {
            Ok(seed) => format!("the canary fails, with seed {seed}"),
            Err(why) => format!("THE CANARY IS SILENT: {why}"),
        }
    );
    if args.resume {
        say!("resumed      {}", tally.found.sentences().join("\n             "));
    }
    say!("build        {}\nrows         {}", sweep.build, args.table.display());
    for name in never_shown(sweep, tally) {
        say!("NOT SHOWN    {name}: no run violated what it names");
    }
    for variant in low_coverage(sweep, tally, args.low_coverage_max) {
        saw_too_little(&sweep.variants[variant], &tally.totals.variants[variant]);
    }
    for (job, one, other) in &tally.unlike {
        let name = &sweep.variants[job.variant].name;
        say!("NOT ALIKE    {name} seed {}: {one} and {other}", job.seed);
    }
    failures(sweep, tally);
}

fn saw_too_little(variant: &Variant, sum: &VariantTotals) {
    let first = sum.low_coverage_first.as_ref();
    let such_as = first.map(|(seed, why)| format!(", such as seed {seed}: {why}"));
    say!(
        "LOW COVERAGE {} {}: {} of {} saw less than its [demands] want{}",
        variant.name,
        variant.set,
        sum.count(Outcome::LowCoverage),
        count(sum.runs, "run"),
        such_as.unwrap_or_default()
    );
}

fn failures(sweep: &Sweep, tally: &Tally) {
    for failure in tally.failures.iter().take(LISTED_MAX) {
        let folder = keep::folder(sweep, failure);
        let (outcome, seed) = (failure.outcome, failure.job.seed);
        let name = &sweep.variants[failure.job.variant].name;
        say!("FAILED       {name} seed {seed}, {outcome}: see {}", folder.display());
    }
    let more = tally.failures.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        say!("             and {more} more: see the table");
    }
}

fn rows(sweep: &Sweep, totals: &Totals) {
    say!(
        "{:<44} {:>6} {:>6} {:>6} {:>6} {:>9} {:>6} {:>9} {:>8} {:>8} {:>9} {:>8}",
        "scenario",
        "runs",
        "good",
        "low",
        "failed",
        "virtual",
        "speed",
        "ops",
        "p50",
        "p99",
        "max",
        "recovery"
    );
    let ms = |us: u64| format!("{}.{} ms", us / 1_000, us / 100 % 10);
    for (variant, sum) in sweep.variants.iter().zip(&totals.variants) {
        let name = format!("{} {}", variant.name.trim_start_matches("scenarios/"), variant.set);
        let recovery = sum.recovery_median_ms().map_or("-".to_owned(), |ms| format!("{ms} ms"));
        say!(
            "{:<44} {:>6} {:>6} {:>6} {:>6} {:>7} s {:>5}x {:>9} {:>8} {:>8} {:>9} {:>8}",
            name.trim_end(),
            sum.runs,
            sum.count(Outcome::Ok) + sum.count(Outcome::Shown),
            sum.count(Outcome::LowCoverage),
            sum.failed(),
            sum.virtual_ms / 1_000,
            sum.ratio(),
            sum.operations,
            ms(sum.latency_us.value_at_quantile(0.5)),
            ms(sum.latency_us.value_at_quantile(0.99)),
            ms(sum.latency_us.max()),
            recovery
        );
        negative(variant.scenario.expect != Expect::Pass, sum);
    }
}

fn negative(is: bool, sum: &VariantTotals) {
    if is {
        let runs = |outcome| count(sum.count(outcome), "run");
        say!(
            "    shown by {}; {} violated something else first, {} nothing",
            runs(Outcome::Shown),
            runs(Outcome::Other),
            runs(Outcome::NotShown)
        );
    }
}

fn coverage(totals: &Totals) {
    let runs: u64 = totals.variants.iter().map(|sum| sum.runs).sum();
    let missed = totals.missed();
    let reached = Mark::ALL.len() - missed.len();
    say!("\ncoverage     {reached} of {} marks, in {}", Mark::ALL.len(), count(runs, "run"));
    let mut seen: Vec<_> = totals.coverage.iter().collect();
    seen.sort_by_key(|(_, (runs, _))| *runs);
    for (mark, (runs, times)) in seen.into_iter().filter(|(_, (seen, _))| seen * 4 < runs) {
        let (runs, times) = (count(*runs, "run"), count(*times, "time"));
        say!("  rare       {mark:<36} {times:>13} in {runs}");
    }
    say!("pairs        {} of {} cells; never met:", totals.pairs.met(), Cells::possible());
    for (row, columns) in totals.pairs.never() {
        say!("  {row}: {} of them: {}", columns.len(), columns.join(", "));
    }
    say!("shared names {}", totals.shares);
    for mark in missed {
        say!("  NOT SEEN   {:<36} {}", mark.name(), mark.sentence());
    }
}

fn faults(totals: &Totals) {
    let list: Vec<String> =
        totals.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    say!("\nfaults       {}", list.join(", "));
    for (fault, (times, paths)) in totals.paths() {
        let (times, paths) = (count(times, "time"), count(paths as u64, "code path"));
        say!("  injected   {fault:<36} {times:>13} into {paths}");
    }
}
