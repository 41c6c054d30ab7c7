//! A stream of draws. Each purpose has its own, so that a draw added in one place shifts no other.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::RangeInclusive;

#[derive(Clone, Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        for (place, byte) in purpose.bytes().take(24).enumerate() {
            key[8 + place] = byte;
        }
        Dice(ChaCha8Rng::from_seed(key))
    }

    pub fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// True this many times in ten thousand.
    pub fn chance(&mut self, per_ten_thousand: u64) -> bool {
        self.0.random_range(0..10_000) < per_ten_thousand
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let last = (items.len() as u64).checked_sub(1)?;
        let place = self.within(0..=last);
        items.get(usize::try_from(place).expect("below a length"))
    }

    /// The place of one of the weights, each as likely as it is heavy.
    pub fn weighted(&mut self, weights: impl Iterator<Item = u64> + Clone) -> Option<usize> {
        let sum: u64 = weights.clone().sum();
        if sum == 0 {
            return None;
        }
        let mut left = self.within(0..=sum - 1);
        weights.enumerate().find_map(|(place, weight)| {
            if left < weight {
                return Some(place);
            }
            left -= weight;
            None
        })
    }
}
