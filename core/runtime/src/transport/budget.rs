//! How many bytes of payloads a node holds at a time, and the buffers that they are read into.

use bytes::Bytes;
use leasehold_store::buffers::{Buffer, Buffers};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A payload that finds no room for this long is dropped. Waiting for ever could close a circle
/// of nodes that each wait for another's acknowledgement, stuck behind a payload.
const PATIENCE: Duration = Duration::from_secs(1);

/// A semaphore counts in units of this many bytes, since it counts no further than 2^29.
const UNIT_BYTES: usize = 1 << 10;

/// Bytes of buffers that are kept for the next payload: as much as a primary holds for a chunk.
const IDLE_BYTES_MAX: usize = 16 << 20;

/// Bounds the memory of received payloads, from before they are read until their last reference
/// is gone, wherever the machine or another node's queue keeps them.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    room: Option<Arc<Semaphore>>,
    buffers: Buffers,
}

/// Room for one payload.
#[derive(Debug)]
pub(super) struct Room {
    permit: Option<OwnedSemaphorePermit>,
    /// Of the length that was requested; what it holds is stale.
    pub buffer: Buffer,
}

impl Budget {
    /// Room for `bytes` altogether.
    pub fn of(bytes: usize) -> Self {
        Budget {
            room: Some(Arc::new(Semaphore::new(bytes / UNIT_BYTES))),
            buffers: Buffers::new(IDLE_BYTES_MAX),
        }
    }

    /// No bound: for a client, whose reads in flight are bounded by itself, and whose owner may
    /// keep what it has read.
    pub fn unbounded() -> Self {
        Budget { room: None, buffers: Buffers::new(IDLE_BYTES_MAX) }
    }

    /// Waits a while for room; `None` if there is none.
    pub async fn room(&self, bytes: usize) -> Option<Room> {
        let permit = match self.room.as_ref().filter(|_| bytes > 0) {
            None => None,
            Some(semaphore) => Some(permit(semaphore, bytes).await?),
        };
        Some(Room { permit, buffer: self.buffers.stale(bytes) })
    }
}

async fn permit(semaphore: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).expect("payloads have a limit");
    let permit = semaphore.clone().acquire_many_owned(units);
    let permit = tokio::time::timeout(PATIENCE, permit).await.ok()?;
    Some(permit.expect("nobody closes the budget"))
}

impl Room {
    /// The bytes in the buffer, tied to their room: it is given back when the last reference to
    /// them goes.
    pub fn hold(self) -> Bytes {
        match self.permit {
            None => self.buffer.freeze(),
            Some(permit) => Bytes::from_owner(Held { data: self.buffer, _permit: permit }),
        }
    }
}

struct Held {
    data: Buffer,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.data.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_is_given_back_with_the_last_reference() {
        let budget = Budget::of(8 << 10);
        let mut room = budget.room(8 << 10).await.unwrap();
        room.buffer.fill(7);
        let all = room.hold();
        let part = all.slice(10..20);
        drop(all);
        assert!(budget.room(1).await.is_none(), "a slice keeps the whole");
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert!(budget.room(8 << 10).await.is_some());
    }
}
