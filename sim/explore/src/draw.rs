//! Draws that every runner's stream of random numbers can make.

use std::ops::RangeInclusive;

/// A stream of random numbers.
pub trait Draw {
    /// A number within bounds, each equally likely.
    fn within(&mut self, range: RangeInclusive<u64>) -> u64;

    /// True this many times in a thousand.
    fn permille(&mut self, chance: u64) -> bool {
        self.within(0..=999) < chance
    }

    /// One of several, each equally likely; none of none.
    fn one_of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let last = (items.len() as u64).checked_sub(1)?;
        items.get(usize::try_from(self.within(0..=last)).ok()?)
    }

    /// The place of one of several weights, likely in proportion to it; none if all are zero.
    fn by_weight(&mut self, weights: &[u64]) -> Option<usize> {
        let last = weights.iter().sum::<u64>().checked_sub(1)?;
        let mut left = self.within(0..=last);
        weights.iter().position(|weight| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        })
    }

    /// A value at a limit: zero, one, the limit itself, one below and one beyond it; sometimes any
    /// value up to it. Comparisons that are off by one differ at these values only.
    fn near(&mut self, limit: u64) -> u64 {
        match self.within(0..=11) {
            0 => 0,
            1 => 1,
            2 | 3 => limit.saturating_sub(1),
            4..=6 => limit,
            7 | 8 => limit.saturating_add(1),
            _ => self.within(0..=limit),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// A stream for tests (splitmix64).
    pub struct Steps(pub u64);

    impl Draw for Steps {
        fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let span = range.end() - range.start();
            range.start() + (z ^ (z >> 31)).checked_rem(span.wrapping_add(1)).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Steps;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn both_sides_of_a_limit_are_drawn() {
        let mut steps = Steps(1);
        let drawn: BTreeSet<u64> = (0..200).map(|_| steps.near(100)).collect();
        for value in [0, 1, 99, 100, 101] {
            assert!(drawn.contains(&value), "{value}");
        }
        assert_eq!(drawn.last(), Some(&101));
    }

    #[test]
    fn a_weight_of_zero_is_never_drawn() {
        let mut steps = Steps(1);
        let drawn: BTreeSet<_> = (0..200).map(|_| steps.by_weight(&[0, 3, 0, 1])).collect();
        assert_eq!(drawn, [Some(1), Some(3)].into());
        assert_eq!(steps.by_weight(&[0, 0]), None);
    }
}
