//! Large buffers that are used again.
//!
//! Fresh memory comes from the operating system filled with zeros, page by page as it is first
//! touched: for bytes that only pass through, that costs more than the passing. A virtual machine
//! whose host takes idle memory pays twice. So some idle buffers are kept for the next taker. All
//! others go back to the system at once: an allocator, for which threads take and give back
//! megabytes in any order, keeps several times what is in use.

use bytes::Bytes;
use memmap2::MmapMut;
use std::sync::{Arc, Mutex, MutexGuard};

/// Shorter buffers come from the allocator and go back to it.
const SHORT_BYTES: usize = 128 << 10;
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
    buffers: Vec<MmapMut>,
    bytes: usize,
}

/// Bytes that go back to their store when they are dropped, or, once frozen, with the last
/// reference to them.
#[derive(Debug)]
pub struct Buffer {
    memory: Memory,
    /// At most the memory's own.
    length: usize,
}

#[derive(Debug)]
enum Memory {
    Short(Vec<u8>),
    /// Empty only in `drop`.
    Mapped {
        pages: Option<MmapMut>,
        home: Arc<Shelf>,
    },
}

impl Buffers {
    /// A store that keeps `idle_bytes_max` bytes of idle buffers at the most.
    #[must_use]
    pub fn new(idle_bytes_max: usize) -> Self {
        Buffers(Arc::new(Shelf { idle_bytes_max, idle: Mutex::default() }))
    }

    /// A buffer of `length` bytes, whatever they are: zeros, or what it held before.
    #[must_use]
    pub fn stale(&self, length: usize) -> Buffer {
        let mapped = if length < SHORT_BYTES { None } else { self.pages(length) };
        let memory = match mapped {
            // No more than so many mappings are to be had; then the allocator's memory will do.
            None => Memory::Short(vec![0; length]),
            Some(pages) => Memory::Mapped { pages: Some(pages), home: self.0.clone() },
        };
        Buffer { memory, length }
    }

    fn pages(&self, length: usize) -> Option<MmapMut> {
        let idle = self.0.idle().take(length);
        idle.or_else(|| MmapMut::map_anon(length.next_multiple_of(STEP_BYTES)).ok())
    }
}

impl Shelf {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().expect("nothing panics while it holds the idle buffers")
    }

    /// Keeps a buffer; what was idle for longest makes room.
    fn keep(&self, pages: MmapMut) {
        let mut idle = self.idle();
        idle.bytes += pages.len();
        idle.buffers.push(pages);
        while idle.bytes > self.idle_bytes_max {
            let oldest = idle.buffers.remove(0);
            idle.bytes -= oldest.len();
        }
    }
}

impl Idle {
    /// The buffer used last that fits and does not waste more than half: it is the likeliest to
    /// be in the processor's cache.
    fn take(&mut self, length: usize) -> Option<MmapMut> {
        let wanted = length..=length.next_multiple_of(STEP_BYTES) * 2;
        let at = self.buffers.iter().rposition(|pages| wanted.contains(&pages.len()))?;
        let pages = self.buffers.remove(at);
        self.bytes -= pages.len();
        Some(pages)
    }
}

impl Buffer {
    /// Forgets all bytes but the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// The bytes as they are, for reading only; not copied.
    #[must_use]
    pub fn freeze(mut self) -> Bytes {
        match &mut self.memory {
            Memory::Short(bytes) => Bytes::from(std::mem::take(bytes)).slice(..self.length),
            Memory::Mapped { .. } => Bytes::from_owner(self),
        }
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.memory {
            Memory::Short(bytes) => &bytes[..self.length],
            Memory::Mapped { pages, .. } => &pages.as_ref().expect(HELD)[..self.length],
        }
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Short(bytes) => &mut bytes[..self.length],
            Memory::Mapped { pages, .. } => &mut pages.as_mut().expect(HELD)[..self.length],
        }
    }
}

const HELD: &str = "its pages are held until it is dropped";

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Memory::Mapped { pages, home } = &mut self.memory {
            home.keep(pages.take().expect(HELD));
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
        let again = buffers.stale(LONG - 100);
        assert_eq!((again.as_ptr(), again.len()), (place, LONG - 100));
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
        let quarter = buffers.stale(LONG / 4);
        assert_eq!(buffers.0.idle().bytes, LONG, "a long one is not wasted on a quarter");
        drop(quarter);
        assert_eq!(buffers.stale(0).freeze(), Bytes::new());
    }

    #[test]
    fn what_was_cut_off_is_not_frozen() {
        let buffers = Buffers::new(LONG);
        for length in [100, LONG] {
            let mut buffer = buffers.stale(length);
            buffer.fill(7);
            buffer.truncate(10);
            assert_eq!(buffer.freeze()[..], [7; 10]);
        }
    }
}
