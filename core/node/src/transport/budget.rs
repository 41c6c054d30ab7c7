//! How many bytes of payloads a node holds at a time.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A payload that finds no room for this long is dropped. Waiting for ever could close a circle
/// of nodes that each wait for another's acknowledgement, stuck behind a payload.
const PATIENCE: Duration = Duration::from_secs(1);

/// A semaphore counts in units of this many bytes, since it counts no further than 2^29.
const UNIT_BYTES: usize = 1 << 10;

/// Bounds the memory of received payloads, from before they are read until their last reference
/// is gone, wherever the machine or another node's queue keeps them.
#[derive(Clone, Debug)]
pub(super) struct Budget(Option<Arc<Semaphore>>);

/// Room for one payload.
#[derive(Debug)]
pub(super) struct Room(Option<OwnedSemaphorePermit>);

impl Budget {
    /// Room for `bytes` altogether.
    pub fn of(bytes: usize) -> Self {
        Budget(Some(Arc::new(Semaphore::new(bytes / UNIT_BYTES))))
    }

    /// No bound: for a client, whose reads in flight are bounded by itself, and whose owner may
    /// keep what it has read.
    pub fn unbounded() -> Self {
        Budget(None)
    }

    /// Waits a while for room; `None` if there is none.
    pub async fn room(&self, bytes: usize) -> Option<Room> {
        let Some(semaphore) = self.0.as_ref().filter(|_| bytes > 0) else {
            return Some(Room(None));
        };
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).expect("payloads have a limit");
        let permit = semaphore.clone().acquire_many_owned(units);
        let permit = tokio::time::timeout(PATIENCE, permit).await.ok()?;
        Some(Room(Some(permit.expect("nobody closes the budget"))))
    }
}

impl Room {
    /// Ties the room to the bytes: it is given back when the last reference to them goes.
    pub fn hold(self, data: Vec<u8>) -> Bytes {
        match self.0 {
            None => Bytes::from(data),
            Some(permit) => Bytes::from_owner(Held { data, _permit: permit }),
        }
    }
}

struct Held {
    data: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_given_back_with_the_last_reference() {
        let budget = Budget::of(8 << 10);
        let all = budget.room(8 << 10).await.unwrap().hold(vec![7; 8 << 10]);
        let part = all.slice(10..20);
        drop(all);
        assert!(budget.room(1).await.is_none(), "a slice keeps the whole");
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert!(budget.room(8 << 10).await.is_some());
    }
}
