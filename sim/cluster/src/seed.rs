//! One seed, forked by label: a draw added in one place shifts no other.

use crate::fnv::Fnv;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::RangeInclusive;

/// Where all of a run's randomness comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// An independent stream for one purpose, and one thing of its kind.
    #[must_use]
    pub fn fork(self, label: &str, index: u64) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        // Labels whose sums collide would only correlate two streams.
        let mut sum = Fnv::default();
        sum.add(label.as_bytes());
        key[8..16].copy_from_slice(&sum.value().to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        key[24..].copy_from_slice(b"leasehld");
        Stream(ChaCha8Rng::from_seed(key))
    }
}

/// A stream of draws. Integers only: a float's last bit may differ between two machines.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.random()
    }

    /// A number within bounds, each equally likely.
    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// True this many times in a thousand.
    pub fn permille(&mut self, chance: u32) -> bool {
        chance > 0 && self.0.random_range(0..1_000) < chance
    }

    /// True this many times in a million.
    pub fn ppm(&mut self, chance: u32) -> bool {
        chance > 0 && self.0.random_range(0..1_000_000) < chance
    }

    /// A number within bounds, each order of magnitude (of two) about equally likely: short waits
    /// are common and long ones happen.
    pub fn log_within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start().max(&1), *range.end());
        let bits = self.within(u64::from(low.ilog2())..=u64::from(high.max(low).ilog2()));
        let span = 1_u64 << bits;
        self.within(span..=span.saturating_mul(2) - 1).clamp(low, high.max(low))
    }

    /// One of several, each equally likely.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        assert!(!of.is_empty(), "a pick needs something to pick from");
        &of[self.0.random_range(0..of.len())]
    }

    /// The position of one of several weights, likely in proportion to it; none if all are zero.
    pub fn weighted(&mut self, weights: &[u32]) -> Option<usize> {
        let total: u32 = weights.iter().sum();
        if total == 0 {
            return None;
        }
        let mut left = self.0.random_range(0..total);
        weights.iter().position(|&weight| {
            let here = left < weight;
            left = left.wrapping_sub(weight);
            here
        })
    }

    /// Puts things into any order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.0.random_range(0..=last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_are_told_apart_and_repeat() {
        let draw = |seed, label, index| Seed(seed).fork(label, index).any();
        assert_eq!(draw(1, "disk", 2), draw(1, "disk", 2));
        assert_ne!(draw(1, "disk", 2), draw(2, "disk", 2));
        assert_ne!(draw(1, "disk", 2), draw(1, "net", 2));
        assert_ne!(draw(1, "disk", 2), draw(1, "disk", 3));
    }

    /// Pinned: a seed that found a bug must draw the same run next year.
    #[test]
    fn the_stream_is_pinned() {
        let mut stream = Seed(42).fork("disk", 7);
        let drawn: Vec<u64> = (0..3).map(|_| stream.within(0..=999)).collect();
        assert_eq!(drawn, [215, 510, 582]);
    }

    #[test]
    fn weights_are_respected() {
        let mut stream = Seed(1).fork("weights", 0);
        let mut hits = [0; 3];
        for _ in 0..3_000 {
            hits[stream.weighted(&[1, 0, 2]).unwrap()] += 1;
        }
        assert_eq!(hits[1], 0);
        assert!((800..1_200).contains(&hits[0]), "{hits:?}");
        assert_eq!(stream.weighted(&[0, 0]), None);
    }

    #[test]
    fn log_draws_stay_within_their_bounds() {
        let mut stream = Seed(3).fork("log", 0);
        for _ in 0..1_000 {
            assert!((100..=5_000).contains(&stream.log_within(100..=5_000)));
        }
    }
}
