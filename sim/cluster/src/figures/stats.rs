//! Intervals over seeds. Everything here is a function of its arguments: a report of a table is always the
//! same.

use crate::seed::Seed;
use serde::Serialize;

/// How sure the intervals of a report are.
pub const CONFIDENCE: f64 = 0.95;
/// Samples of the bootstrap, where there are not too many values.
const RESAMPLES: u64 = 1_000;
/// ... and at the least.
const RESAMPLES_MIN: u64 = 200;
/// Values that all samples of one estimate may have together.
const WORK_MAX: u64 = 300_000_000;

/// A value, and between which values it lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The value.
    pub value: f64,
    /// The lower end; none if there are too few seeds for one.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
}

impl Interval {
    /// Whether zero is outside.
    #[must_use]
    pub fn is_not_zero(&self) -> bool {
        self.low.is_some_and(|low| low > 0.0) || self.high.is_some_and(|high| high < 0.0)
    }
}

/// The mean of some values, and Student's t interval; none of no values.
#[must_use]
pub fn mean(values: &[f64], confidence: f64) -> Option<Interval> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let value = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return Some(Interval { value, low: None, high: None });
    }
    let squares: f64 = values.iter().map(|one| (one - value).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let half = t_quantile(1.0 - (1.0 - confidence) / 2.0, count - 1.0) * error;
    Some(Interval { value, low: Some(value - half), high: Some(value + half) })
}

/// Quantiles of all values of all seeds, with 95 % intervals by the bootstrap: whole seeds are drawn
/// anew, since values of one seed depend on each other. Of each seed, values and how many there are of
/// each. None of no values.
#[must_use]
pub fn quantiles(seeds: &[Vec<(u64, u64)>], quantiles: &[f64]) -> Option<Vec<Interval>> {
    let mut values: Vec<u64> = seeds.iter().flatten().map(|(value, _)| *value).collect();
    values.sort_unstable();
    values.dedup();
    let place = |value: &u64| values.binary_search(value).expect("every value is among them");
    let placed: Vec<Vec<(usize, u64)>> = seeds
        .iter()
        .map(|seed| seed.iter().map(|(value, count)| (place(value), *count)).collect())
        .collect();
    let of = |chosen: &mut dyn Iterator<Item = usize>| -> Option<Vec<f64>> {
        let mut counts = vec![0; values.len()];
        chosen.for_each(|seed| placed[seed].iter().for_each(|(at, count)| counts[*at] += count));
        let at = |quantile| quantile_of(&counts, quantile).map(|place| values[place] as f64);
        quantiles.iter().map(|quantile| at(*quantile)).collect()
    };
    let found = of(&mut (0..seeds.len()))?;
    let resampled = resampled(seeds, &of);
    let interval = |(at, value): (usize, f64)| {
        let mut drawn: Vec<f64> = resampled.iter().map(|sample| sample[at]).collect();
        drawn.sort_by(f64::total_cmp);
        let end = |share: f64| {
            let last = drawn.len().checked_sub(1)?;
            drawn.get((share * last as f64).round() as usize).copied()
        };
        let outside = (1.0 - CONFIDENCE) / 2.0;
        Interval { value, low: end(outside), high: end(1.0 - outside) }
    };
    Some(found.into_iter().enumerate().map(interval).collect())
}

/// Quantiles of some seeds, by their places.
type OfSeeds<'a> = dyn Fn(&mut dyn Iterator<Item = usize>) -> Option<Vec<f64>> + 'a;

/// What samples of seeds give; nothing of a single seed.
fn resampled(seeds: &[Vec<(u64, u64)>], of: &OfSeeds<'_>) -> Vec<Vec<f64>> {
    let Some(last) = seeds.len().checked_sub(1).filter(|last| *last > 0) else {
        return Vec::new();
    };
    let work: u64 = seeds.iter().map(|seed| seed.len() as u64).sum();
    let samples = (WORK_MAX / work.max(1)).clamp(RESAMPLES_MIN, RESAMPLES);
    let sample = |number| {
        let mut dice = Seed(0).fork("bootstrap", number);
        of(&mut (0..=last).map(|_| dice.within(0..=last as u64) as usize))
    };
    (0..samples).filter_map(sample).collect()
}

/// Where so large a share of all counts has come.
fn quantile_of(counts: &[u64], quantile: f64) -> Option<usize> {
    let all: u64 = counts.iter().sum();
    let wanted = ((quantile * all as f64).ceil() as u64).max(1);
    let mut sum = 0;
    counts.iter().position(|count| {
        sum += count;
        sum >= wanted
    })
}

/// Below which value Student's t lies with this probability, at least one half.
#[must_use]
pub fn t_quantile(probability: f64, freedom: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while t_below(high, freedom) < probability && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if t_below(middle, freedom) < probability { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

/// How probable it is that Student's t is below `t`, which is not negative.
fn t_below(t: f64, freedom: f64) -> f64 {
    1.0 - 0.5 * beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The regularised incomplete beta function (Numerical Recipes §6.4).
fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front =
        (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(1.0 - x, b, a) / b
    }
}

/// Its continued fraction, by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let kept = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / kept(1.0 - (a + b) * x / (a + 1.0)));
    let mut found = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = found;
        for term in [even, odd] {
            d = 1.0 / kept(1.0 + term * d);
            c = kept(1.0 + term / c);
            found *= c * d;
        }
        if (found / before - 1.0).abs() < 1e-14 {
            break;
        }
    }
    found
}

/// The logarithm of the gamma function (Lanczos).
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 6] = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        0.001_208_650_973_866_179,
        -0.000_005_395_239_384_953,
    ];
    let shifted = x + 5.5;
    let sum: f64 = TERMS.iter().zip(1..).map(|(term, n)| term / (x + f64::from(n))).sum();
    (x + 0.5) * shifted.ln() - shifted
        + (2.506_628_274_631_000_5 * (1.000_000_000_190_015 + sum) / x).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_t_is_that_of_the_tables() {
        for (freedom, probability, t) in [
            (1.0, 0.975, 12.706),
            (2.0, 0.975, 4.303),
            (9.0, 0.975, 2.262),
            (9.0, 0.995, 3.250),
            (30.0, 0.95, 1.697),
            (1_000.0, 0.975, 1.962),
        ] {
            let found = t_quantile(probability, freedom);
            assert!((found - t).abs() < 0.001, "{freedom}: {found} is not {t}");
        }
    }

    #[test]
    fn a_mean_has_its_interval() {
        // Ten values with mean 5.5 and standard deviation 3.0277: 2.262 * 3.0277 / sqrt(10).
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let found = mean(&values, 0.95).unwrap();
        assert_eq!(found.value, 5.5);
        assert!((found.low.unwrap() - 3.334).abs() < 0.001, "{found:?}");
        assert!((found.high.unwrap() - 7.666).abs() < 0.001, "{found:?}");
        assert!(found.is_not_zero());
        assert_eq!(mean(&[3.0], 0.95).unwrap().low, None);
        assert_eq!(mean(&[], 0.95), None);
        let none = mean(&[-1.0, 1.0, 0.5, -0.5], 0.95).unwrap();
        assert!(!none.is_not_zero());
        let alike = mean(&[0.0; 4], 0.95).unwrap();
        assert_eq!((alike.low, alike.high, alike.is_not_zero()), (Some(0.0), Some(0.0), false));
    }

    #[test]
    fn quantiles_are_of_all_values_and_their_intervals_of_the_seeds() {
        let seed = |from: u64| (from..from + 10).map(|value| (value, 10)).collect::<Vec<_>>();
        let seeds: Vec<_> = (0..20).map(|number| seed(number * 10)).collect();
        let found = quantiles(&seeds, &[0.5, 0.99]).unwrap();
        assert_eq!((found[0].value, found[1].value), (99.0, 197.0));
        let (low, high) = (found[0].low.unwrap(), found[0].high.unwrap());
        assert!((20.0..90.0).contains(&low) && (110.0..180.0).contains(&high), "{found:?}");
        assert_eq!(quantiles(&seeds, &[0.5, 0.99]).unwrap(), found, "always the same");
        // Seeds that are alike leave no doubt, however many values they have.
        let same = quantiles(&vec![seed(0); 20], &[0.5]).unwrap();
        assert_eq!((same[0].low, same[0].high), (Some(4.0), Some(4.0)));
        let one = quantiles(&[seed(0)], &[0.5]).unwrap();
        assert_eq!((one[0].value, one[0].low), (4.0, None));
        assert_eq!(quantiles(&[], &[0.5]), None);
        assert_eq!(quantiles(&[Vec::new()], &[0.5]), None);
    }
}
