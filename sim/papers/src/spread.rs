//! A median and its 95 % confidence interval, which assumes nothing about the distribution.

/// The median of some values, and between which values it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// How many values.
    pub count: usize,
}

impl Spread {
    /// Of some values, by their order: the interval's ends are two of them, such that a fair coin
    /// decides for each value on which side of the median it lies. With fewer than six values no
    /// two ends are wide enough: then the interval is the whole range.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        assert!(!values.is_empty(), "a median needs a value");
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (count, half) = (sorted.len(), sorted.len() / 2);
        let median = match count % 2 {
            1 => sorted[half],
            _ => f64::midpoint(sorted[half - 1], sorted[half]),
        };
        let outside = outside(count);
        Spread { median, low: sorted[outside], high: sorted[count - 1 - outside], count }
    }

    /// A share of a population, in percent, with Wilson's interval.
    #[must_use]
    pub fn of_share(hits: usize, all: usize) -> Self {
        const Z: f64 = 1.96;
        let (n, share) = (all.max(1) as f64, hits as f64 / all.max(1) as f64);
        let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half =
            Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let percent = |share: f64| 100.0 * share.clamp(0.0, 1.0);
        Spread {
            median: percent(share),
            low: percent(middle - half),
            high: percent(middle + half),
            count: all,
        }
    }
}

/// Values at each end that the interval leaves out. With `r` of them, the median lies outside if at
/// most `r` of `count` fair coins show heads, or at most `r` tails: 5 % together at the most.
fn outside(count: usize) -> usize {
    let mut term = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut at_most, mut heads) = (term, 0);
    while at_most <= 0.025 && heads < count / 2 {
        term *= (count - heads) as f64 / (heads + 1) as f64;
        heads += 1;
        at_most += term;
    }
    heads.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        // The published table for 20 values: the 6th and the 15th, 95.9 %.
        let spread = Spread::of(&values);
        assert_eq!((spread.median, spread.low, spread.high), (10.5, 6.0, 15.0));
        let share = Spread::of_share(12, 22);
        assert!(
            (34.0..35.0).contains(&share.low) && (73.0..74.0).contains(&share.high),
            "{share:?}"
        );
        let few = Spread::of(&[3.0, 1.0, 2.0]);
        assert_eq!((few.median, few.low, few.high), (2.0, 1.0, 3.0));
    }
}
