//! One file's bytes: what readers see, what is durable, and the operations between the two.

use crate::seed::Stream;
use std::collections::{BTreeSet, VecDeque};

/// What a read fails on, and what a write makes readable again.
const UNREADABLE_BYTES: u64 = 512;
/// Writes that a file remembers: one of the last may turn out never to have happened.
const REMEMBERED_MAX: usize = 4;

/// An operation that no sync has covered.
#[derive(Clone, Debug)]
enum Pending {
    Write { offset: u64, data: Vec<u8> },
    Length(u64),
}

/// A write of so many bytes, and what was there before: zeros where the file did not reach.
#[derive(Clone, Debug)]
struct Written {
    offset: u64,
    bytes: usize,
    before: Vec<u8>,
}

/// A file. Its durable image is never read before a power failure.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
    /// The last writes; only of files that may be harmed.
    written: VecDeque<Written>,
    /// Sectors that cannot be read, by number.
    unreadable: BTreeSet<u64>,
    /// Something here is not what was written.
    harmed: bool,
}

impl Inode {
    /// What readers see.
    pub fn bytes(&self) -> &[u8] {
        &self.seen
    }

    /// Writes, growing the file over a hole of zeros if need be.
    pub fn write(&mut self, offset: u64, data: &[u8], remember: bool) {
        if remember {
            self.remember(offset, data.len());
        }
        self.unreadable.retain(|sector| !touches(*sector, offset, data.len()));
        put(&mut self.seen, offset, data);
        self.pending.push(Pending::Write { offset, data: data.to_vec() });
    }

    /// Cuts, or extends with zeros.
    pub fn resize(&mut self, len: u64) {
        self.seen.resize(index(len), 0);
        self.pending.push(Pending::Length(len));
    }

    /// Whether something in it is not durable.
    pub fn is_unsynced(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Makes all of it durable.
    pub fn sync(&mut self) {
        for op in self.pending.drain(..) {
            match op {
                Pending::Write { offset, data } => put(&mut self.durable, offset, &data),
                Pending::Length(len) => self.durable.resize(index(len), 0),
            }
        }
    }

    /// A sync that fails: what it was to make durable is marked as written and never is.
    pub fn sync_fails(&mut self) {
        self.pending.clear();
    }

    /// What is left after a power failure: each operation that was not synced is there, or not, or
    /// torn between two sectors, whatever became of those before it.
    pub fn crash(&mut self, sector_bytes: u64, stream: &mut Stream) {
        self.written.clear();
        for op in std::mem::take(&mut self.pending) {
            match op {
                Pending::Write { offset, data } => self.tear(offset, &data, sector_bytes, stream),
                Pending::Length(len) if stream.permille(500) => {
                    self.durable.resize(index(len), 0);
                }
                Pending::Length(_) => {}
            }
        }
        self.seen.clone_from(&self.durable);
    }

    /// Flips one bit of what is there, durably: bit rot.
    pub fn rot(&mut self, offset: u64, bit: u8) {
        self.harmed = true;
        for image in [&mut self.seen, &mut self.durable] {
            if let Some(byte) = image.get_mut(index(offset)) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The last write was confirmed and never happened; what it was to write, if it was of more
    /// than what stood there before and a sync has covered it.
    pub fn undo_last(&mut self) -> Option<Vec<u8>> {
        if !self.pending.is_empty() {
            return None;
        }
        let Written { offset, bytes, mut before } = self.written.pop_back()?;
        before.resize(bytes, 0);
        let end = (index(offset) + before.len()).min(self.seen.len());
        let data = self.seen.get(index(offset)..end).filter(|data| *data != &before[..data.len()]);
        let data = data?.to_vec();
        self.overwrite(offset, &before[..data.len()]);
        Some(data)
    }

    /// Bytes that belong elsewhere land here, durably.
    pub fn overwrite(&mut self, offset: u64, data: &[u8]) {
        self.harmed = true;
        for image in [&mut self.seen, &mut self.durable] {
            let end = (index(offset) + data.len()).min(image.len());
            let start = index(offset).min(end);
            image[start..end].copy_from_slice(&data[..end - start]);
        }
    }

    /// The sector at `offset`, and those after it, cannot be read any more.
    pub fn lose_sectors(&mut self, offset: u64, count: u64) {
        let first = offset / UNREADABLE_BYTES;
        self.unreadable.extend(first..first + count);
        self.harmed = true;
    }

    /// Whether all of this can be read.
    pub fn is_readable(&self, offset: u64, bytes: usize) -> bool {
        !self.unreadable.iter().any(|sector| touches(*sector, offset, bytes))
    }

    /// Whether something here is not what was written.
    pub fn is_harmed(&self) -> bool {
        self.harmed
    }

    fn remember(&mut self, offset: u64, bytes: usize) {
        let start = index(offset).min(self.seen.len());
        let before = self.seen[start..(start + bytes).min(self.seen.len())].to_vec();
        self.written.push_back(Written { offset, bytes, before });
        if self.written.len() > REMEMBERED_MAX {
            self.written.pop_front();
        }
    }

    fn tear(&mut self, offset: u64, data: &[u8], sector_bytes: u64, stream: &mut Stream) {
        // Whole or lost is likelier than torn: most bugs need one of the two exactly.
        let kept_permille = match stream.within(0..=3) {
            0 => 0,
            1 => 1_000,
            _ => 500,
        };
        let mut at = 0;
        while at < data.len() as u64 {
            let sector_end = (offset + at) / sector_bytes * sector_bytes + sector_bytes;
            let end = (sector_end - offset).min(data.len() as u64);
            if stream.permille(kept_permille) {
                put(&mut self.durable, offset + at, &data[index(at)..index(end)]);
            }
            at = end;
        }
        // A file system may have recorded the new length before the bytes came: then they are zero.
        let end = offset + data.len() as u64;
        if end > self.durable.len() as u64 && stream.permille(250) {
            self.durable.resize(index(end), 0);
        }
    }
}

fn touches(sector: u64, offset: u64, bytes: usize) -> bool {
    let start = sector * UNREADABLE_BYTES;
    start < offset + bytes as u64 && offset < start + UNREADABLE_BYTES
}

fn put(image: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (index(offset), index(offset) + data.len());
    if image.len() < end {
        image.resize(end, 0);
    }
    image[start..end].copy_from_slice(data);
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file fits into memory")
}
