//! Two variants by their common seeds: what differs, by how much, and how sure that is.

use super::stats::{CONFIDENCE, Interval, mean};
use super::variant::{Variant, figures_of, is_whole};
use crate::sweep::Row;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One figure of two variants.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which: `append p99, ms`.
    pub figure: String,
    /// Seeds of which both have it.
    pub seeds: usize,
    /// Means over these seeds.
    pub a: f64,
    #[allow(missing_docs)]
    pub b: f64,
    /// The second less the first: the mean over seeds, with Student's t interval.
    pub difference: Interval,
    /// Seeds of which the second has more, and less.
    pub higher: usize,
    #[allow(missing_docs)]
    pub lower: usize,
}

impl Difference {
    /// The mean difference in percent of the first's mean; none of zero.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.a != 0.0).then(|| 100.0 * self.difference.value / self.a)
    }

    /// The largest difference, in percent, that the interval does not exclude.
    #[must_use]
    pub fn percent_max(&self) -> Option<f64> {
        let ends = [self.difference.low?, self.difference.high?];
        let most = ends.into_iter().map(f64::abs).fold(0.0, f64::max);
        (self.a != 0.0).then(|| 100.0 * most / self.a)
    }
}

/// Two variants, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Paired {
    /// Seeds that both have.
    pub seeds: usize,
    /// Seeds that only one of them has.
    pub unpaired: usize,
    /// Common seeds that came to their end in both: the differences are theirs.
    pub whole: usize,
    /// Common seeds of which both runs are the same, event by event.
    pub same_runs: usize,
    /// Seeds that ended in another way: the outcomes, and how many.
    pub outcomes_changed: BTreeMap<String, usize>,
    /// Of every figure that both have.
    pub differences: Vec<Difference>,
}

/// Pairs the seeds of two variants. Intervals are as sure as `confidence` says.
#[must_use]
pub fn paired(a: &Variant<'_>, b: &Variant<'_>, confidence: f64) -> Paired {
    let both: Vec<(&Row, &Row)> =
        a.rows.iter().filter_map(|(seed, row)| Some((*row, *b.rows.get(seed)?))).collect();
    let whole: Vec<_> =
        both.iter().filter(|(one, other)| is_whole(one) && is_whole(other)).collect();
    let mut outcomes_changed = BTreeMap::new();
    for (one, other) in both.iter().filter(|(one, other)| one.outcome != other.outcome) {
        let change = format!("{} became {}", one.outcome, other.outcome);
        *outcomes_changed.entry(change).or_default() += 1;
    }
    let figures: Vec<_> =
        whole.iter().map(|(one, other)| (figures_of(one), figures_of(other))).collect();
    let names: BTreeSet<&String> = figures.iter().flat_map(|(one, _)| one.keys()).collect();
    Paired {
        seeds: both.len(),
        unpaired: a.rows.len() + b.rows.len() - 2 * both.len(),
        whole: whole.len(),
        same_runs: both.iter().filter(|(one, other)| is_same(one, other)).count(),
        outcomes_changed,
        differences: names
            .into_iter()
            .filter_map(|name| difference(name, &figures, confidence))
            .collect(),
    }
}

fn is_same(one: &Row, other: &Row) -> bool {
    !one.fingerprint.is_empty() && one.fingerprint == other.fingerprint
}

type Pair = (BTreeMap<String, f64>, BTreeMap<String, f64>);

fn difference(name: &str, figures: &[Pair], confidence: f64) -> Option<Difference> {
    let values: Vec<(f64, f64)> = figures
        .iter()
        .filter_map(|(one, other)| Some((*one.get(name)?, *other.get(name)?)))
        .collect();
    let differences: Vec<f64> = values.iter().map(|(a, b)| b - a).collect();
    let count = values.len() as f64;
    Some(Difference {
        figure: name.to_owned(),
        seeds: values.len(),
        a: values.iter().map(|(a, _)| a).sum::<f64>() / count,
        b: values.iter().map(|(_, b)| b).sum::<f64>() / count,
        difference: mean(&differences, confidence)?,
        higher: differences.iter().filter(|difference| **difference > 0.0).count(),
        lower: differences.iter().filter(|difference| **difference < 0.0).count(),
    })
}

/// A difference, in percent, that no figure of two variants may have that did alike.
const ALIKE_PERCENT: f64 = 10.0;

/// Two variants between which no difference was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alike {
    /// Their names.
    pub one: String,
    #[allow(missing_docs)]
    pub other: String,
    /// Common seeds.
    pub seeds: usize,
    /// Every common seed is the same run, event by event: what was set has no effect on it.
    pub same_runs: bool,
    /// Figures that were compared.
    pub figures: usize,
    /// The largest difference, in percent, that the intervals do not exclude, and of which figure.
    pub percent_max: Option<(f64, String)>,
}

impl Alike {
    /// Whether that means something: the runs are the same, or a difference of more than 10 % is
    /// excluded. Otherwise the seeds are too few to say.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        let bound = self.percent_max.as_ref().map(|(percent, _)| *percent);
        self.same_runs || bound.is_some_and(|percent| percent <= ALIKE_PERCENT)
    }
}

/// Pairs of variants of one scenario of which no figure's interval excludes zero. The intervals
/// are wider than 95 %, such that all of them together are 95 % sure (Bonferroni).
#[must_use]
pub fn alike(variants: &[Variant<'_>], name: &dyn Fn(usize) -> String) -> Vec<Alike> {
    let number = variants.len();
    let pairs: Vec<(usize, usize)> = (0..number)
        .flat_map(|one| (one + 1..number).map(move |other| (one, other)))
        .filter(|(one, other)| variants[*one].scenario == variants[*other].scenario)
        .collect();
    let mut all = Vec::new();
    for (one, other) in &pairs {
        let (a, b) = (&variants[*one], &variants[*other]);
        let figures = a.rows.values().next().map_or(1, |row| figures_of(row).len()).max(1);
        let outside = (1.0 - CONFIDENCE) / (figures * pairs.len()) as f64;
        let found = paired(a, b, 1.0 - outside);
        let same_runs = found.seeds > 0 && found.same_runs == found.seeds;
        let differs = found.differences.iter().any(|one| one.difference.is_not_zero());
        // Of one seed there is no interval, and so no finding either way.
        if !same_runs && (differs || found.whole < 2 || !found.outcomes_changed.is_empty()) {
            continue;
        }
        let bounds = found.differences.iter();
        let bounds = bounds.filter_map(|one| Some((one.percent_max()?, one.figure.clone())));
        all.push(Alike {
            one: name(*one),
            other: name(*other),
            seeds: found.seeds,
            same_runs,
            figures: found.differences.len(),
            percent_max: bounds.max_by(|one, other| one.0.total_cmp(&other.0)),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::variants;
    use crate::provenance::Provenance;
    use crate::scenario::Scenario;
    use crate::sweep::{Outcome, Report};

    /// A run whose appends took `us` each.
    fn row(set: &str, seed: u64, outcome: Outcome, us: u64, fingerprint: &str) -> Row {
        let mut report = Report::died(String::new());
        (report.outcome, report.fingerprint) = (outcome, fingerprint.to_owned());
        (report.virtual_ns, report.operations) = (1_000_000_000, 10);
        report.latency_us.insert("append".to_owned(), vec![(us, 10)]);
        Row::new(&Provenance::of("a.toml", &Scenario::standard(), seed), set, set, &report, false)
    }

    fn table(of: &dyn Fn(&str, u64) -> Row) -> Vec<Row> {
        let seeds = |set: &'static str| (0..10).map(move |seed| (set, seed));
        ["x=1", "x=2"].into_iter().flat_map(seeds).map(|(set, seed)| of(set, seed)).collect()
    }

    fn of(set: &str, seed: u64, less: u64) -> Row {
        // Seeds differ much more than the variants do.
        let us = 1_000 * (seed + 1) - if set == "x=2" { less + seed % 3 } else { 0 };
        row(set, seed, Outcome::Ok, us, &format!("{set}{seed}"))
    }

    #[test]
    fn a_small_difference_is_found_between_large_ones_of_seeds() {
        let rows = table(&|set, seed| of(set, seed, 50));
        let all = variants(&rows);
        let found = paired(&all[0], &all[1], CONFIDENCE);
        assert_eq!((found.seeds, found.unpaired, found.whole, found.same_runs), (10, 0, 10, 0));
        let p99 = found.differences.iter().find(|one| one.figure == "append p99, ms").unwrap();
        assert!((-0.053..-0.049).contains(&p99.difference.value), "{p99:?}");
        assert!(p99.difference.is_not_zero() && p99.difference.high.unwrap() < 0.0, "{p99:?}");
        assert_eq!((p99.higher, p99.lower, p99.seeds), (0, 10, 10));
        let rate = found.differences.iter().find(|one| one.figure.contains("a simulated second"));
        assert_eq!(rate.unwrap().difference.value, 0.0);
        assert!(alike(&all, &|at| at.to_string()).is_empty());
    }

    #[test]
    fn variants_that_do_alike_are_named_with_what_is_not_excluded() {
        let rows = table(&|set, seed| of(set, seed, if seed % 2 == 0 { 20 } else { 0 }));
        let mixed: Vec<Row> = rows
            .into_iter()
            .map(|mut one| {
                // Up as often as down.
                if one.set == "x=2" && one.seed % 2 == 1 {
                    one = row("x=2", one.seed, Outcome::Ok, 1_000 * (one.seed + 1) + 21, "other");
                }
                one
            })
            .collect();
        let all = variants(&mixed);
        let found = alike(&all, &|at| format!("v{at}"));
        let [pair] = &found[..] else { panic!("{found:?}") };
        assert_eq!((pair.one.as_str(), pair.other.as_str(), pair.same_runs), ("v0", "v1", false));
        let (percent, figure) = pair.percent_max.clone().unwrap();
        assert!(percent > 0.0 && percent < 2.0 && figure.starts_with("append"), "{pair:?}");
        assert!(pair.is_shown());
        let few: Vec<Row> = mixed.into_iter().filter(|row| row.seed < 2).collect();
        let undecided = alike(&variants(&few), &|at| at.to_string());
        assert!(
            undecided.iter().all(|pair| !pair.is_shown()),
            "two seeds show little: {undecided:?}"
        );
    }

    #[test]
    fn the_same_runs_are_alike_and_other_outcomes_are_not() {
        let same = table(&|set, seed| row(set, seed, Outcome::Ok, 1_000, &seed.to_string()));
        let all = variants(&same);
        assert!(alike(&all, &|at| at.to_string())[0].same_runs);
        let violated = table(&|set, seed| {
            let is = set == "x=2" && seed == 3;
            let outcome = if is { Outcome::Violated } else { Outcome::Ok };
            row(set, seed, outcome, 1_000, &format!("{set}{seed}"))
        });
        let all = variants(&violated);
        assert!(alike(&all, &|at| at.to_string()).is_empty());
        let found = paired(&all[0], &all[1], CONFIDENCE);
        assert_eq!(found.outcomes_changed["ok became violated"], 1);
        assert_eq!((found.seeds, found.whole), (10, 9));
    }
}
