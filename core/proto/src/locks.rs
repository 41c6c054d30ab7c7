//! Byte-range locks: which ranges are held, by whom, and what conflicts (POSIX `fcntl`).
//!
//! One space for all locks of a file: `flock` locks the whole of it, as over NFS. A lock is advisory.
//! What an owner sets replaces what it had in that range; ranges that touch become one.

use crate::payload::Extent;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Locks of one file at the most. Each is looked at when another is set.
pub const LOCKS_MAX: usize = 4_096;

/// How a range is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LockKind {
    /// Others may hold shared ones beside it: `F_RDLCK`, `LOCK_SH`.
    Shared,
    /// Nobody else holds any: `F_WRLCK`, `LOCK_EX`.
    Exclusive,
}

/// A range that is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lock<H> {
    /// By whom.
    pub holder: H,
    /// Which bytes of the file; never none.
    pub range: Extent,
    /// How.
    pub kind: LockKind,
}

/// The locks of one file. Those of one holder share no byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockSet<H> {
    /// In order of holder, then range.
    locks: Vec<Lock<H>>,
}

impl<H: Copy + Ord> Default for LockSet<H> {
    fn default() -> Self {
        LockSet { locks: Vec::new() }
    }
}

impl<H: Copy + Ord> LockSet<H> {
    /// Every lock, in order of holder and range.
    pub fn iter(&self) -> impl Iterator<Item = &Lock<H>> {
        self.locks.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locks.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    /// The first lock of another holder that does not allow this one.
    #[must_use]
    pub fn conflict(&self, wanted: &Lock<H>) -> Option<&Lock<H>> {
        self.locks.iter().find(|lock| {
            let exclusive = LockKind::Exclusive == lock.kind || LockKind::Exclusive == wanted.kind;
            exclusive && lock.holder != wanted.holder && lock.range.overlaps(&wanted.range)
        })
    }

    /// Sets a lock in place of what its holder had in the range. Conflicts are the caller's business.
    pub fn set(&mut self, lock: Lock<H>) {
        self.clear(lock.holder, lock.range);
        let touches = |other: &Lock<H>| {
            let meets =
                other.range.offset <= lock.range.end() && lock.range.offset <= other.range.end();
            (other.holder, other.kind) == (lock.holder, lock.kind) && meets
        };
        let (mut start, mut end) = (lock.range.offset, lock.range.end());
        for other in self.locks.iter().filter(|other| touches(other)) {
            start = start.min(other.range.offset);
            end = end.max(other.range.end());
        }
        self.locks.retain(|other| !touches(other));
        let range = Extent::new(start, end - start);
        self.locks.push(Lock { range, ..lock });
        self.locks.sort_unstable();
    }

    /// Unlocks what a holder has in a range.
    pub fn clear(&mut self, holder: H, range: Extent) {
        let before = core::mem::take(&mut self.locks);
        for lock in before {
            if lock.holder != holder || !lock.range.overlaps(&range) {
                self.locks.push(lock);
                continue;
            }
            for (start, end) in [(lock.range.offset, range.offset), (range.end(), lock.range.end())]
            {
                if start < end {
                    self.locks.push(Lock { range: Extent::new(start, end - start), ..lock });
                }
            }
        }
        self.locks.sort_unstable();
    }

    /// Unlocks everything that some holders have.
    pub fn clear_all(&mut self, mut of: impl FnMut(&H) -> bool) {
        self.locks.retain(|lock| !of(&lock.holder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LockKind::{Exclusive, Shared};

    fn lock(holder: u8, offset: u64, length: u64, kind: LockKind) -> Lock<u8> {
        Lock { holder, range: Extent::new(offset, length), kind }
    }

    fn shown(set: &LockSet<u8>) -> Vec<(u8, u64, u64, LockKind)> {
        set.iter().map(|l| (l.holder, l.range.offset, l.range.end(), l.kind)).collect()
    }

    #[test]
    fn what_an_owner_sets_replaces_what_it_had() {
        let mut set = LockSet::default();
        set.set(lock(1, 0, 100, Exclusive));
        set.set(lock(1, 40, 20, Shared));
        let split = [(1, 0, 40, Exclusive), (1, 40, 60, Shared), (1, 60, 100, Exclusive)];
        assert_eq!(shown(&set), split);
        set.set(lock(1, 40, 20, Exclusive));
        assert_eq!(shown(&set), [(1, 0, 100, Exclusive)], "ranges that touch become one");
        set.clear(1, Extent::new(0, 10));
        set.clear(1, Extent::new(95, u64::MAX));
        assert_eq!(shown(&set), [(1, 10, 95, Exclusive)]);
        set.clear(2, Extent::new(0, u64::MAX));
        assert_eq!(set.len(), 1, "another's locks stay");
        set.clear_all(|holder| *holder == 1);
        assert!(set.is_empty());
    }

    #[test]
    fn only_an_exclusive_lock_of_another_conflicts() {
        let mut set = LockSet::default();
        set.set(lock(1, 10, 10, Shared));
        for (wanted, conflicts) in [
            (lock(2, 0, 100, Shared), false),
            (lock(2, 0, 100, Exclusive), true),
            (lock(2, 0, 10, Exclusive), false),
            (lock(2, 20, u64::MAX - 20, Exclusive), false),
            (lock(2, 19, 1, Exclusive), true),
            (lock(1, 0, 100, Exclusive), false),
        ] {
            assert_eq!(set.conflict(&wanted).is_some(), conflicts, "{wanted:?}");
        }
        set.set(lock(1, 10, 10, Exclusive));
        assert!(set.conflict(&lock(2, 0, 100, Shared)).is_some());
    }
}
