//! Large buffers that are used again.
//!
//! An allocator gives a freed block of a megabyte back to the operating system, which fills the
//! next one with zeros page by page as it is first touched: for bytes that only pass through, that
//! costs more than the passing. A virtual machine whose host takes idle memory pays twice.

use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard};

/// Shorter buffers come from the allocator and go back to it.
const SHORT_BYTES: usize = 32 << 10;
/// Capacities are multiples of this, so that pieces of nearly one length share buffers.
const STEP_BYTES: usize = 64 << 10;

/// A store of idle buffers. Cheap to clone; all clones share one store.
#[derive(Clone, Debug)]
pub struct Buffers(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    idle_bytes_max: usize,
    idle: Mutex<Idle>,
}

/// Invariant: `bytes` is the sum of the capacities, and at most `idle_bytes_max`.
#[derive(Debug, Default)]
struct Idle {
    /// Last used last.
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A buffer that goes back to its store when it is dropped, or, once frozen, with the last
/// reference to its bytes.
#[derive(Debug)]
pub struct Buffer {
    data: Vec<u8>,
    home: Option<Arc<Shelf>>,
}

impl Buffers {
    /// A store that keeps `idle_bytes_max` bytes of idle buffers at the most.
    #[must_use]
    pub fn new(idle_bytes_max: usize) -> Self {
        Buffers(Arc::new(Shelf { idle_bytes_max, idle: Mutex::default() }))
    }

    /// An empty buffer with room for `capacity` bytes.
    #[must_use]
    pub fn empty(&self, capacity: usize) -> Buffer {
        let mut buffer = self.any(capacity);
        buffer.data.clear();
        buffer
    }

    /// A buffer of `length` bytes, whatever they are: zeros, or what it held before.
    #[must_use]
    pub fn stale(&self, length: usize) -> Buffer {
        let mut buffer = self.any(length);
        buffer.data.resize(length, 0);
        buffer
    }

    fn any(&self, capacity: usize) -> Buffer {
        if capacity < SHORT_BYTES {
            return Buffer { data: Vec::with_capacity(capacity), home: None };
        }
        let idle = self.0.idle().take(capacity);
        let fresh = || Vec::with_capacity(capacity.next_multiple_of(STEP_BYTES));
        Buffer { data: idle.unwrap_or_else(fresh), home: Some(self.0.clone()) }
    }
}

impl Shelf {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().expect("nothing panics while it holds the idle buffers")
    }

    /// Keeps a buffer; what was idle for longest makes room.
    fn keep(&self, buffer: Vec<u8>) {
        let mut idle = self.idle();
        idle.bytes += buffer.capacity();
        idle.buffers.push(buffer);
        while idle.bytes > self.idle_bytes_max {
            let oldest = idle.buffers.remove(0);
            idle.bytes -= oldest.capacity();
        }
    }
}

impl Idle {
    /// The buffer used last that fits and does not waste more than half: it is the likeliest to
    /// be in the processor's cache.
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let wanted = capacity..=capacity.next_multiple_of(STEP_BYTES) * 2;
        let at = self.buffers.iter().rposition(|buffer| wanted.contains(&buffer.capacity()))?;
        let buffer = self.buffers.remove(at);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }
}

impl Buffer {
    /// The bytes as they are, for reading only; not copied.
    #[must_use]
    pub fn freeze(mut self) -> Bytes {
        match self.home {
            None => Bytes::from(std::mem::take(&mut self.data)),
            Some(_) => Bytes::from_owner(self),
        }
    }
}

impl std::ops::Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.data
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.keep(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: usize = 1 << 20;

    #[test]
    fn a_buffer_comes_back_with_the_last_reference() {
        let buffers = Buffers::new(4 * LONG);
        let mut first = buffers.stale(LONG);
        first.fill(7);
        let place = first.as_ptr();
        let bytes = first.freeze();
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_ne!(buffers.stale(LONG).as_ptr(), place, "a slice keeps the whole");
        assert_eq!(part[..], [7; 10]);
        drop(part);
        let again = buffers.empty(LONG - 100);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn idle_bytes_are_bounded_and_the_oldest_go_first() {
        let buffers = Buffers::new(2 * LONG);
        let three: Vec<_> = (0..3).map(|_| buffers.stale(LONG)).collect();
        let places: Vec<_> = three.iter().map(|buffer| buffer.as_ptr()).collect();
        drop(three);
        assert_eq!(buffers.0.idle().bytes, 2 * LONG);
        assert_eq!(buffers.stale(LONG).as_ptr(), places[2]);
        let kept: Vec<_> = (0..2).map(|_| buffers.stale(LONG)).collect();
        assert!(kept.iter().all(|buffer| places[1..].contains(&buffer.as_ptr())));
    }

    #[test]
    fn a_short_buffer_is_no_business_of_the_store() {
        let buffers = Buffers::new(LONG);
        drop(buffers.stale(100));
        drop(buffers.stale(4 * LONG));
        assert_eq!(buffers.0.idle().bytes, 0, "one beyond the bound is not kept either");
        drop(buffers.stale(LONG));
        assert_eq!(buffers.stale(LONG / 4).capacity(), LONG / 4, "nor wasted on a short one");
        assert_eq!(buffers.stale(0).freeze(), Bytes::new());
    }
}
