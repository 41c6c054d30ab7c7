//! One file's bytes: what readers see, and how to go back from there to what is durable.

use crate::seed::Stream;
use std::collections::{BTreeSet, VecDeque};

/// What a read fails on, and what a write makes readable again.
const UNREADABLE_BYTES: u64 = 512;
/// What a file occupies comes in blocks of this size.
const BLOCK_BYTES: u64 = 512;
/// Writes that a file remembers: one of the last may turn out never to have happened.
const REMEMBERED_MAX: usize = 4;

/// A change that is not known to be durable, as what undoes it.
#[derive(Clone, Debug)]
struct Step {
    change: Change,
    len_before: usize,
    fate: Fate,
}

#[derive(Clone, Debug)]
enum Change {
    /// A remembered one may turn out never to have happened.
    Write { written: Written, remembered: bool },
    /// The end moved; these bytes were cut off.
    Length(Vec<u8>),
}

/// What a power failure makes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The dice decide.
    Open,
    /// It stays. It is kept as a step only since one before it is lost.
    Durable,
    /// It goes: the sync that was to make it durable failed.
    Lost,
}

/// A write of so many bytes, and what was there before: zeros where the file did not reach.
#[derive(Clone, Debug)]
struct Written {
    offset: u64,
    bytes: usize,
    before: Vec<u8>,
}

/// A change that was undone, as what does it again.
enum Undone {
    Write { offset: u64, data: Vec<u8> },
    Length(usize),
}

/// A file. What is durable is never read before a power failure, so it is not kept, but found by
/// undoing the steps.
#[derive(Clone, Debug, Default)]
pub struct Inode {
    seen: Vec<u8>,
    steps: Vec<Step>,
    /// The last writes that are durable; only of files that may be harmed.
    written: VecDeque<Written>,
    /// Sectors that cannot be read, by number.
    unreadable: BTreeSet<u64>,
    /// Something here is not what was written.
    harmed: bool,
    /// Blocks that are no holes, by number.
    blocks: BTreeSet<u64>,
}

impl Inode {
    /// What readers see.
    pub fn bytes(&self) -> &[u8] {
        &self.seen
    }

    /// Bytes that it occupies: holes occupy none.
    pub fn allocated(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK_BYTES
    }

    /// By how much a write would make it occupy more.
    pub fn growth(&self, offset: u64, bytes: usize) -> u64 {
        blocks(offset, bytes).filter(|block| !self.blocks.contains(block)).count() as u64
            * BLOCK_BYTES
    }

    /// Blocks that a later write will find.
    pub fn reserve(&mut self, offset: u64, bytes: usize) {
        self.blocks.extend(blocks(offset, bytes));
    }

    /// Writes, growing the file over a hole of zeros if need be.
    pub fn write(&mut self, offset: u64, data: &[u8], remembered: bool) {
        self.unreadable.retain(|sector| !touches(*sector, offset, data.len()));
        let len_before = self.seen.len();
        let start = index(offset).min(len_before);
        let before = self.seen[start..(start + data.len()).min(len_before)].to_vec();
        put(&mut self.seen, offset, data);
        self.blocks.extend(blocks(offset, data.len()));
        let written = Written { offset, bytes: data.len(), before };
        let change = Change::Write { written, remembered };
        self.steps.push(Step { change, len_before, fate: Fate::Open });
    }

    /// Cuts, or extends with zeros.
    pub fn resize(&mut self, len: u64) {
        let len_before = self.seen.len();
        let cut = self.seen.split_off(index(len).min(len_before));
        self.blocks.split_off(&len.div_ceil(BLOCK_BYTES));
        self.seen.resize(index(len), 0);
        self.steps.push(Step { change: Change::Length(cut), len_before, fate: Fate::Open });
    }

    /// Whether something in it is not durable.
    pub fn is_unsynced(&self) -> bool {
        self.steps.iter().any(|step| step.fate == Fate::Open)
    }

    /// Makes all of it durable.
    pub fn sync(&mut self) {
        if self.steps.iter().any(|step| step.fate == Fate::Lost) {
            return self.settle(Fate::Durable);
        }
        for step in self.steps.drain(..) {
            if let Change::Write { written, remembered: true } = step.change {
                self.written.push_back(written);
            }
        }
        while self.written.len() > REMEMBERED_MAX {
            self.written.pop_front();
        }
    }

    /// A sync that fails: what it was to make durable is marked as written and never is.
    pub fn sync_fails(&mut self) {
        self.settle(Fate::Lost);
    }

    fn settle(&mut self, fate: Fate) {
        let open = self.steps.iter_mut().filter(|step| step.fate == Fate::Open);
        open.for_each(|step| step.fate = fate);
    }

    /// What is left after a power failure: each operation that was not synced is there, or not, or
    /// torn between two sectors, whatever became of those before it.
    pub fn crash(&mut self, sector_bytes: u64, stream: &mut Stream) {
        self.written.clear();
        let mut undone = Vec::new();
        while let Some(step) = self.steps.pop() {
            let fate = step.fate;
            undone.push((self.undo(step), fate));
        }
        for (change, fate) in undone.into_iter().rev() {
            match (change, fate) {
                (_, Fate::Lost) => {}
                (Undone::Write { offset, data }, Fate::Open) => {
                    self.tear(offset, &data, sector_bytes, stream);
                }
                (Undone::Write { offset, data }, Fate::Durable) => {
                    put(&mut self.seen, offset, &data);
                }
                (Undone::Length(len), fate) => {
                    if fate == Fate::Durable || stream.permille(500) {
                        self.seen.resize(len, 0);
                    }
                }
            }
        }
        // What was lost stays allocated, as far as the file reaches.
        self.blocks.split_off(&(self.seen.len() as u64).div_ceil(BLOCK_BYTES));
    }

    /// Takes the last change back.
    fn undo(&mut self, step: Step) -> Undone {
        let len = self.seen.len();
        match step.change {
            Change::Write { written: Written { offset, bytes, before }, .. } => {
                let data = self.seen[index(offset)..index(offset) + bytes].to_vec();
                self.seen.truncate(step.len_before);
                let start = index(offset).min(step.len_before);
                self.seen[start..start + before.len()].copy_from_slice(&before);
                Undone::Write { offset, data }
            }
            Change::Length(cut) => {
                self.seen.truncate(step.len_before);
                self.seen.extend(cut);
                Undone::Length(len)
            }
        }
    }

    /// Flips one bit of what is there: bit rot, durable as soon as what it hits is.
    pub fn rot(&mut self, offset: u64, bit: u8) {
        self.harmed = true;
        if let Some(byte) = self.seen.get_mut(index(offset)) {
            *byte ^= 1 << (bit % 8);
        }
    }

    /// The last write was confirmed and never happened; what it was to write, if it was of more
    /// than what stood there before and a sync has covered it.
    pub fn undo_last(&mut self) -> Option<Vec<u8>> {
        if !self.steps.is_empty() {
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

    /// Bytes that belong elsewhere land here, durable as soon as what they hit is.
    pub fn overwrite(&mut self, offset: u64, data: &[u8]) {
        self.harmed = true;
        let end = (index(offset) + data.len()).min(self.seen.len());
        let start = index(offset).min(end);
        self.seen[start..end].copy_from_slice(&data[..end - start]);
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
                put(&mut self.seen, offset + at, &data[index(at)..index(end)]);
            }
            at = end;
        }
        // A file system may have recorded the new length before the bytes came: then they are zero.
        let end = offset + data.len() as u64;
        if end > self.seen.len() as u64 && stream.permille(250) {
            self.seen.resize(index(end), 0);
        }
    }
}

/// The blocks that these bytes are in.
fn blocks(offset: u64, bytes: usize) -> std::ops::Range<u64> {
    let end = if bytes == 0 { offset } else { offset + bytes as u64 };
    let first = offset / BLOCK_BYTES;
    first..end.div_ceil(BLOCK_BYTES).max(first)
}

fn touches(sector: u64, offset: u64, bytes: usize) -> bool {
    let start = sector * UNREADABLE_BYTES;
    start < offset + bytes as u64 && offset < start + UNREADABLE_BYTES
}

fn put(image: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let start = index(offset);
    if image.len() < start {
        image.resize(start, 0);
    }
    let over = data.len().min(image.len() - start);
    image[start..start + over].copy_from_slice(&data[..over]);
    image.extend_from_slice(&data[over..]);
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("a simulated file fits into memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    /// The same file as two images, and what no sync has covered.
    #[derive(Default)]
    struct TwoImages {
        seen: Vec<u8>,
        durable: Vec<u8>,
        pending: Vec<Undone>,
    }

    impl TwoImages {
        fn apply(image: &mut Vec<u8>, change: &Undone) {
            match change {
                Undone::Write { offset, data } => put(image, *offset, data),
                Undone::Length(len) => image.resize(*len, 0),
            }
        }

        fn change(&mut self, change: Undone) {
            Self::apply(&mut self.seen, &change);
            self.pending.push(change);
        }

        fn sync(&mut self) {
            self.pending.drain(..).for_each(|change| Self::apply(&mut self.durable, &change));
        }
    }

    /// What a power failure leaves if everything open meets this fate.
    fn left(inode: &Inode, fate: Fate) -> Vec<u8> {
        let mut inode = inode.clone();
        inode.settle(fate);
        inode.crash(512, &mut Seed(0).fork("no dice are left", 0));
        inode.seen
    }

    #[test]
    fn undoing_finds_what_is_durable() {
        for seed in 0..500 {
            let mut dice = Seed(seed).fork("inode", 0);
            let (mut inode, mut images) = (Inode::default(), TwoImages::default());
            for step in 0..40_u8 {
                match dice.within(0..=9) {
                    0..=5 => {
                        let offset = dice.within(0..=300);
                        let data = vec![step + 1; index(dice.within(0..=80))];
                        inode.write(offset, &data, dice.permille(500));
                        images.change(Undone::Write { offset, data });
                    }
                    6..=7 => {
                        let len = dice.within(0..=300);
                        inode.resize(len);
                        images.change(Undone::Length(index(len)));
                    }
                    8 => {
                        inode.sync();
                        images.sync();
                    }
                    _ => {
                        inode.sync_fails();
                        images.pending.clear();
                    }
                }
                assert_eq!(inode.bytes(), images.seen, "seed {seed}, step {step}");
                assert_eq!(inode.is_unsynced(), !images.pending.is_empty());
                assert_eq!(left(&inode, Fate::Lost), images.durable, "seed {seed}, step {step}");
                let mut all = images.durable.clone();
                images.pending.iter().for_each(|change| TwoImages::apply(&mut all, change));
                assert_eq!(left(&inode, Fate::Durable), all, "seed {seed}, step {step}");
            }
        }
    }
}
