//! Which bytes of a replica were ever written: the rest are holes, which read as zeros, occupy nothing and
//! are not copied.

use crate::payload::Extent;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Extents that are kept at the most; beyond, the two with the smallest hole between them become one.
const EXTENTS_MAX: usize = 64;

/// Disjoint, non-adjacent extents in order. All that was written is in one of them; in a replica with many
/// holes, small holes are too. A function of the extents inserted and of their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Written(Vec<Extent>);

impl Written {
    /// These bytes are written.
    pub fn insert(&mut self, extent: Extent) {
        if extent.length == 0 {
            return;
        }
        let from = self.0.partition_point(|known| known.end() < extent.offset);
        let to = self.0.partition_point(|known| known.offset <= extent.end());
        let touched = &self.0[from..to];
        let start = touched.first().map_or(extent.offset, |first| first.offset.min(extent.offset));
        let end = touched.last().map_or(extent.end(), |last| last.end().max(extent.end()));
        self.0.splice(from..to, [Extent::new(start, end - start)]);
        if self.0.len() > EXTENTS_MAX {
            self.close_smallest_hole();
        }
    }

    fn close_smallest_hole(&mut self) {
        let holes = self.0.windows(2).map(|pair| pair[1].offset - pair[0].end());
        let smallest = holes.enumerate().min_by_key(|(_, bytes)| *bytes);
        let (at, _) = smallest.expect("there are many extents");
        let second = self.0.remove(at + 1);
        let first = &mut self.0[at];
        *first = Extent::new(first.offset, second.end() - first.offset);
    }

    /// These bytes and all behind them are a hole.
    pub fn cut(&mut self, end: u64) {
        self.0.retain(|known| known.offset < end);
        if let Some(last) = self.0.last_mut() {
            last.length = last.length.min(end - last.offset);
        }
    }

    /// Can a replica of this length be so? What a peer sends is checked by it.
    pub(super) fn is_sound(&self, length: u64) -> bool {
        let apart = self.0.windows(2).all(|pair| {
            let [first, second] = pair else { return true };
            first.offset.checked_add(first.length).is_some_and(|end| end < second.offset)
        });
        let inside = self.0.last().is_none_or(|last| {
            last.offset.checked_add(last.length).is_some_and(|end| end <= length)
        });
        apart && inside && self.0.len() <= EXTENTS_MAX && self.0.iter().all(|e| e.length > 0)
    }

    /// The extents, in order.
    #[must_use]
    pub fn extents(&self) -> &[Extent] {
        &self.0
    }

    /// How many bytes there are in them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|extent| extent.length).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extents: &[(u64, u64)]) -> Written {
        let mut written = Written::default();
        extents.iter().for_each(|(offset, length)| written.insert(Extent::new(*offset, *length)));
        written
    }

    #[test]
    fn overlapping_and_adjacent_extents_become_one() {
        let written = of(&[(0, 4), (8, 4), (20, 1), (4, 4)]);
        assert_eq!(written.extents(), [Extent::new(0, 12), Extent::new(20, 1)]);
        assert_eq!(of(&[(0, 4), (8, 4), (20, 1), (2, 30)]).extents(), [Extent::new(0, 32)]);
        assert_eq!(of(&[(5, 0)]).extents(), []);
        assert_eq!(of(&[(10, 2), (0, 2)]).bytes(), 4);
    }

    #[test]
    fn a_cut_takes_what_is_behind_it() {
        let mut written = of(&[(0, 4), (8, 4), (20, 1)]);
        written.cut(10);
        assert_eq!(written, of(&[(0, 4), (8, 2)]));
        written.cut(6);
        assert_eq!(written, of(&[(0, 4)]));
        written.cut(100);
        assert_eq!(written, of(&[(0, 4)]));
        written.cut(0);
        assert_eq!(written, Written::default());
    }

    #[test]
    fn only_what_insertions_give_is_sound() {
        let sound = |extents: &[(u64, u64)], length| {
            let extents = extents.iter().map(|(offset, length)| Extent::new(*offset, *length));
            Written(extents.collect()).is_sound(length)
        };
        assert!(sound(&[], 0) && sound(&[(0, 4), (8, 4)], 12));
        assert!(!sound(&[(0, 4), (8, 4)], 11), "behind the end");
        assert!(!sound(&[(0, 4), (4, 4)], 12), "adjacent");
        assert!(!sound(&[(8, 4), (0, 4)], 12), "in disorder");
        assert!(!sound(&[(0, 0)], 12), "empty");
        assert!(!sound(&[(u64::MAX, 4)], 12), "beyond 64 bits");
    }

    #[test]
    fn a_byte_far_out_is_one_byte() {
        assert_eq!(of(&[((1 << 40) - 1, 1)]).bytes(), 1);
    }

    #[test]
    fn many_holes_are_bounded_and_nothing_written_is_lost() {
        let places: Vec<(u64, u64)> = (0..1_000).map(|n| (n * n * 7 % 65_536, 2)).collect();
        let written = of(&places);
        assert!(written.extents().len() <= EXTENTS_MAX);
        for (offset, _) in &places {
            assert!(written.extents().iter().any(|e| e.offset <= *offset && offset + 2 <= e.end()));
        }
        let pairs = written.extents().windows(2);
        assert!(pairs.into_iter().all(|pair| pair[0].end() < pair[1].offset), "in order, apart");
    }
}
