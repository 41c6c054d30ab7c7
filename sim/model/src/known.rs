//! The states that a search has seen, and the way to each.

#[allow(clippy::disallowed_types)]
// asked about a digest and never iterated: its order is nobody's
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// A digest is a hash already.
#[derive(Clone, Debug, Default)]
pub struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only digests are kept, and they are words");
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

/// A set of digests.
#[allow(clippy::disallowed_types)]
pub type Digests = HashSet<u64, BuildHasherDefault<Same>>;

/// Where a state was first come to from: the state before it, by number, and which of its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    from: u32,
    step: u16,
}

/// Every state that was seen, numbered in the order in which a search came to it: its digest, and
/// one way to it. The states themselves are forgotten once they were expanded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    digests: Digests,
    ways: Vec<Way>,
}

/// A beginning comes from nowhere.
const NOWHERE: u32 = u32::MAX;

impl Known {
    pub fn count(&self) -> usize {
        self.ways.len()
    }

    pub fn has(&self, digest: u64) -> bool {
        self.digests.contains(&digest)
    }

    /// Notes a place where runs begin. False if it is the same as another.
    pub fn begin(&mut self, digest: u64) -> bool {
        self.note(digest, Way { from: NOWHERE, step: 0 })
    }

    /// Notes a state that one seen before leads to. False if it was seen before.
    pub fn reach(&mut self, digest: u64, from: usize, step: usize) -> bool {
        let from = u32::try_from(from).expect("four billion digests do not fit memory");
        let step = u16::try_from(step).expect("a state offers few steps");
        self.note(digest, Way { from, step })
    }

    fn note(&mut self, digest: u64, way: Way) -> bool {
        let new = self.digests.insert(digest);
        self.ways.extend(new.then_some(way));
        new
    }

    /// The way to a state: the number of its beginning, and which step was taken each time.
    pub fn way(&self, to: usize) -> (usize, Vec<usize>) {
        let (mut at, mut steps) = (to, Vec::new());
        while self.ways[at].from != NOWHERE {
            steps.push(usize::from(self.ways[at].step));
            at = self.ways[at].from as usize;
        }
        steps.reverse();
        (at, steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_way_to_a_state_is_the_one_that_is_kept() {
        let mut known = Known::default();
        assert!(known.begin(7) && !known.begin(7));
        assert!(known.reach(8, 0, 3) && known.reach(9, 1, 0));
        assert!(!known.reach(9, 0, 5), "it was seen");
        assert_eq!(known.way(2), (0, vec![3, 0]));
        assert_eq!((known.count(), known.has(9), known.has(10)), (3, true, false));
    }
}
