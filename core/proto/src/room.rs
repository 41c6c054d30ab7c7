//! Room on a chunkserver's disk, in bytes that the disk really gives: blocks that files occupy and blocks
//! that are free, never the lengths of files. A file with holes occupies what was written to it.

use serde::{Deserialize, Serialize};

/// What a disk had when it was last measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Room {
    /// Occupied by replicas.
    pub used_bytes: u64,
    /// What replicas may still occupy: what else is on the disk changes it too.
    pub free_bytes: u64,
    /// What the disk would hold if it were empty.
    pub size_bytes: u64,
}

impl Room {
    /// A disk without bound: nothing is known of its size.
    pub const UNBOUNDED: Room = Room { used_bytes: 0, free_bytes: u64::MAX, size_bytes: u64::MAX };

    /// Of a disk with so many bytes free in all, of which a server may use up to `offered`.
    #[must_use]
    pub fn offered(offered: Option<u64>, used_bytes: u64, free: u64, size: u64) -> Self {
        let Some(offered) = offered else {
            return Room { used_bytes, free_bytes: free, size_bytes: size };
        };
        let free_bytes = free.min(offered.saturating_sub(used_bytes));
        Room { used_bytes, free_bytes, size_bytes: size.min(offered) }
    }

    /// Where `free_bytes` is between two powers of two.
    #[must_use]
    pub fn magnitude(self) -> u32 {
        self.free_bytes.checked_ilog2().map_or(0, |log| log + 1)
    }
}

impl Default for Room {
    fn default() -> Self {
        Room::UNBOUNDED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_a_bound_on_use_and_the_disk_is_another() {
        let room = Room::offered(Some(100), 30, 1_000, 5_000);
        assert_eq!(room, Room { used_bytes: 30, free_bytes: 70, size_bytes: 100 });
        assert_eq!(Room::offered(Some(100), 30, 5, 90).free_bytes, 5);
        assert_eq!(Room::offered(Some(100), 30, 5, 90).size_bytes, 90);
        assert_eq!(Room::offered(Some(20), 30, 1_000, 5_000).free_bytes, 0);
        assert_eq!(Room::offered(None, 30, 5, 90).free_bytes, 5);
    }

    #[test]
    fn a_magnitude_changes_when_room_halves() {
        let of = |free_bytes| Room { free_bytes, ..Room::UNBOUNDED }.magnitude();
        assert_eq!([of(0), of(1), of(2), of(3), of(4), of(u64::MAX)], [0, 1, 2, 2, 3, 64]);
    }
}
