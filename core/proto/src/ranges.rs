//! A set of bytes of one chunk, as disjoint extents.

use crate::payload::Extent;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Disjoint, non-adjacent extents by their first byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ranges {
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// The union of some extents.
    #[must_use]
    pub fn of(extents: impl IntoIterator<Item = Extent>) -> Self {
        let mut ranges = Ranges::default();
        for extent in extents {
            ranges.insert(extent);
        }
        ranges
    }

    /// Adds the bytes of `extent`.
    pub fn insert(&mut self, extent: Extent) {
        if extent.length == 0 {
            return;
        }
        let (mut start, mut end) = (extent.offset, extent.end());
        while let Some((&s, &e)) = self.ends.range(..=end).next_back() {
            if e < start {
                break;
            }
            self.ends.remove(&s);
            start = start.min(s);
            end = end.max(e);
        }
        self.ends.insert(start, end);
    }

    /// Takes out up to `bytes_max` bytes, lowest first.
    pub fn take(&mut self, bytes_max: u64) -> Vec<Extent> {
        let mut taken = Vec::new();
        let mut left = bytes_max;
        while left > 0 {
            let Some((start, end)) = self.ends.pop_first() else { break };
            let length = left.min(end - start);
            taken.push(Extent::new(start, length));
            left -= length;
            if start + length < end {
                self.ends.insert(start + length, end);
            }
        }
        taken
    }

    /// Drops everything at or above `end`.
    pub fn clip(&mut self, end: u64) {
        self.ends = self.ends.iter().filter(|(s, _)| **s < end).map(|(s, e)| (*s, *e)).collect();
        if let Some(mut last) = self.ends.last_entry() {
            *last.get_mut() = end.min(*last.get());
        }
    }

    /// Takes out everything at or above `at`.
    #[must_use]
    pub fn split_off(&mut self, at: u64) -> Ranges {
        let mut above = Ranges { ends: self.ends.split_off(&at) };
        if let Some(mut last) = self.ends.last_entry().filter(|last| *last.get() > at) {
            above.insert(Extent::new(at, *last.get() - at));
            *last.get_mut() = at;
        }
        above
    }

    /// How many bytes there are below `end`.
    #[must_use]
    pub fn bytes_below(&self, end: u64) -> u64 {
        self.ends.range(..end).map(|(s, e)| end.min(*e) - s).sum()
    }

    /// The extents, in order.
    #[must_use]
    pub fn extents(&self) -> Vec<Extent> {
        self.ends.iter().map(|(s, e)| Extent::new(*s, e - s)).collect()
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ends.iter().map(|(s, e)| e - s).sum()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_above_is_taken_out() {
        let mut ranges = Ranges::of([Extent::new(0, 4), Extent::new(8, 4), Extent::new(20, 1)]);
        assert_eq!((ranges.bytes_below(10), ranges.bytes_below(8)), (6, 4));
        let above = ranges.split_off(10);
        assert_eq!(ranges.extents(), [Extent::new(0, 4), Extent::new(8, 2)]);
        assert_eq!(above.extents(), [Extent::new(10, 2), Extent::new(20, 1)]);
        assert_eq!(ranges.split_off(4).extents(), [Extent::new(8, 2)]);
    }

    #[test]
    fn overlapping_and_adjacent_extents_become_one() {
        let mut ranges = Ranges::of([Extent::new(0, 4), Extent::new(8, 4), Extent::new(20, 1)]);
        ranges.insert(Extent::new(4, 4));
        assert_eq!(ranges.extents(), [Extent::new(0, 12), Extent::new(20, 1)]);
        ranges.insert(Extent::new(2, 30));
        assert_eq!(ranges.extents(), [Extent::new(0, 32)]);
    }

    #[test]
    fn taking_splits_and_clipping_cuts() {
        let mut ranges = Ranges::of([Extent::new(0, 10), Extent::new(20, 10)]);
        assert_eq!(ranges.take(12), [Extent::new(0, 10), Extent::new(20, 2)]);
        assert_eq!(ranges.extents(), [Extent::new(22, 8)]);
        ranges.clip(25);
        assert_eq!((ranges.bytes(), ranges.extents()), (3, alloc::vec![Extent::new(22, 3)]));
        ranges.clip(22);
        assert!(ranges.is_empty());
    }
}
