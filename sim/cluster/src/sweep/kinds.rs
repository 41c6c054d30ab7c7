//! Latencies by kind of operation, as cells of a table: a run has a thousand different ones, and a row is
//! to be a line.

use super::report::histogram;
use std::collections::BTreeMap;

/// Microseconds, with how many operations took so long.
pub type Counts = Vec<(u64, u64)>;

/// Values that a cell distinguishes between a number and its double.
const IN_A_DOUBLING: u32 = 32;

/// The figures of one run that a table has of each kind, to three digits.
pub const FIGURES: [&str; 5] = ["mean", "p50", "p90", "p99", "max"];

/// The smallest value that a cell does not distinguish from this one.
fn bucket(us: u64) -> u64 {
    let shift = us.checked_ilog2().unwrap_or(0).saturating_sub(IN_A_DOUBLING.ilog2());
    us >> shift << shift
}

/// The middle of the values that a cell does not distinguish from this one.
#[must_use]
pub fn middle(bucket: u64) -> u64 {
    let shift = bucket.checked_ilog2().unwrap_or(0).saturating_sub(IN_A_DOUBLING.ilog2());
    bucket + (1 << shift) / 2
}

/// `append:96=1,104=2;read:8=1`.
pub(super) fn text(by_kind: &BTreeMap<String, Counts>) -> String {
    let of = |(kind, counts): (&String, &Counts)| {
        let mut coarse: BTreeMap<u64, u64> = BTreeMap::new();
        counts.iter().for_each(|(us, count)| *coarse.entry(bucket(*us)).or_default() += count);
        let words: Vec<String> = coarse.iter().map(|(us, count)| format!("{us}={count}")).collect();
        format!("{kind}:{}", words.join(","))
    };
    by_kind.iter().map(of).collect::<Vec<_>>().join(";")
}

pub(super) fn parse(text: &str) -> BTreeMap<String, Counts> {
    let number = |text: &str| text.parse::<u64>().ok();
    let count = |word: &str| {
        let (us, count) = word.split_once('=')?;
        Some((number(us)?, number(count)?))
    };
    let of = |part: &str| {
        let (kind, counts) = part.split_once(':')?;
        Some((kind.to_owned(), counts.split(',').filter_map(count).collect()))
    };
    text.split(';').filter_map(of).collect()
}

/// What a run's operations took, by kind and figure.
pub(super) fn in_run(by_kind: &BTreeMap<String, Counts>) -> BTreeMap<String, u64> {
    let mut figures = BTreeMap::new();
    for (kind, counts) in by_kind {
        let all = histogram(counts.iter().copied());
        let values = [
            all.mean().round() as u64,
            all.value_at_quantile(0.5),
            all.value_at_quantile(0.9),
            all.value_at_quantile(0.99),
            all.max(),
        ];
        figures.extend(FIGURES.iter().zip(values).map(|(name, us)| (format!("{kind} {name}"), us)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_is_written() {
        let by_kind: BTreeMap<String, Counts> = [
            ("append".to_owned(), vec![(1_000, 2), (1_001, 1), (5_000_000, 1)]),
            ("shared mkdir".to_owned(), vec![(7, 1)]),
        ]
        .into();
        let text = text(&by_kind);
        assert_eq!(text, "append:992=3,4980736=1;shared mkdir:7=1");
        let read = parse(&text);
        assert_eq!(read["append"], [(992, 3), (4_980_736, 1)]);
        assert_eq!(read["shared mkdir"], [(7, 1)]);
        assert!(parse("").is_empty());
    }

    #[test]
    fn a_bucket_is_no_wider_than_a_thirty_second() {
        for us in (0..2_000).chain([65_535, 65_536, 1_000_003, u64::MAX]) {
            let low = bucket(us);
            assert!(low <= us && us - low <= us / 32, "{us}: {low}");
            assert_eq!(bucket(middle(low)), low);
        }
    }

    #[test]
    fn figures_of_a_run_are_those_of_its_operations() {
        let counts = (1..=100).map(|ms| (ms * 1_000, 1)).collect();
        let figures = in_run(&[("read".to_owned(), counts)].into());
        assert_eq!(figures.len(), FIGURES.len());
        for (name, us) in [("mean", 50_500), ("p50", 50_000), ("p99", 99_000), ("max", 100_000)] {
            let found = figures[&format!("read {name}")];
            assert!(found.abs_diff(us) <= us / 500, "{name}: {found}");
        }
    }
}
