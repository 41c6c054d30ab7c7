//! One file's bytes: what readers see, what is durable, and the operations between the two.

use crate::seed::Stream;

/// What a power failure keeps or loses as a piece (NVMe and SATA disks promise no more).
pub const SECTOR_BYTES: u64 = 512;

/// An operation that no sync has covered.
#[derive(Clone, Debug)]
enum Pending {
    Write { offset: u64, data: Vec<u8> },
    Length(u64),
}

/// A file. Its durable image is never read before a power failure.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Pending>,
}

impl Inode {
    /// What readers see.
    pub fn bytes(&self) -> &[u8] {
        &self.seen
    }

    /// Writes, growing the file over a hole of zeros if need be.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        put(&mut self.seen, offset, data);
        self.pending.push(Pending::Write { offset, data: data.to_vec() });
    }

    /// Cuts, or extends with zeros.
    pub fn resize(&mut self, len: u64) {
        self.seen.resize(index(len), 0);
        self.pending.push(Pending::Length(len));
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

    /// What is left after a power failure: each operation that was not synced is there, or not, or
    /// torn between two sectors, whatever became of those before it.
    pub fn crash(&mut self, stream: &mut Stream) {
        for op in std::mem::take(&mut self.pending) {
            match op {
                Pending::Write { offset, data } => self.tear(offset, &data, stream),
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
        for image in [&mut self.seen, &mut self.durable] {
            if let Some(byte) = image.get_mut(index(offset)) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn tear(&mut self, offset: u64, data: &[u8], stream: &mut Stream) {
        // Whole or lost is likelier than torn: most bugs need one of the two exactly.
        let kept_permille = match stream.within(0..=3) {
            0 => 0,
            1 => 1_000,
            _ => 500,
        };
        let mut at = 0;
        while at < data.len() as u64 {
            let sector_end = (offset + at) / SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES;
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
