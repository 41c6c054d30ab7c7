//! The checksums of one chunk's blocks, four bytes each, all of them in memory: 64 KiB for each
//! GiB of chunks at the default block size.
//!
//! A checksum is the CRC-32C of the whole block, with zeros where nothing was written, so that it
//! does not depend on the chunk's length. A block without one was never written: it reads as
//! zeros, whatever the disk holds in its place.

use serde::{Deserialize, Serialize};

/// Checksums of consecutive blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The first block.
    pub first: u32,
    /// Of it and those after it.
    pub crcs: Vec<u32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    crcs: Vec<u32>,
    /// One bit for each of `crcs`: whether it counts.
    written: Vec<u64>,
}

impl Sums {
    pub fn of(runs: &[Run]) -> Self {
        let mut sums = Sums::default();
        sums.extend(runs);
        sums
    }

    /// The checksum of a block, if it was ever written.
    pub fn at(&self, block: u32) -> Option<u32> {
        let block = block as usize;
        let written =
            self.written.get(block / 64).is_some_and(|word| word >> (block % 64) & 1 == 1);
        written.then(|| self.crcs[block])
    }

    pub fn set(&mut self, block: u32, crc: u32) {
        let block = block as usize;
        if block >= self.crcs.len() {
            self.crcs.resize(block + 1, 0);
            self.written.resize(block / 64 + 1, 0);
        }
        self.crcs[block] = crc;
        self.written[block / 64] |= 1 << (block % 64);
    }

    pub fn extend(&mut self, runs: &[Run]) {
        for run in runs {
            for (block, &crc) in (run.first..).zip(&run.crcs) {
                self.set(block, crc);
            }
        }
    }

    /// Forgets every block from `blocks` on.
    pub fn truncate(&mut self, blocks: u32) {
        let blocks = blocks as usize;
        if blocks >= self.crcs.len() {
            return;
        }
        self.crcs.truncate(blocks);
        self.written.truncate(blocks.div_ceil(64));
        if let (Some(last), partial @ 1..) = (self.written.last_mut(), blocks % 64) {
            *last &= (1 << partial) - 1;
        }
    }

    /// The written blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = u32> {
        let end = u32::try_from(self.crcs.len()).expect("blocks are numbered in 32 bits");
        (0..end).filter(|&block| self.at(block).is_some())
    }

    pub fn runs(&self) -> Vec<Run> {
        runs_of(self.blocks().map(|block| (block, self.crcs[block as usize])))
    }
}

/// Gathers ascending blocks into runs.
pub(crate) fn runs_of(sums: impl IntoIterator<Item = (u32, u32)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (block, crc) in sums {
        match runs.last_mut() {
            Some(run) if run.first as usize + run.crcs.len() == block as usize => {
                run.crcs.push(crc);
            }
            _ => runs.push(Run { first: block, crcs: vec![crc] }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_sums_say_the_same() {
        let mut sums = Sums::default();
        for block in [0, 1, 2, 63, 64, 200] {
            sums.set(block, block * 7);
        }
        assert_eq!(sums.at(3), None);
        assert_eq!(sums.at(64), Some(448));
        let firsts: Vec<_> = sums.runs().iter().map(|r| (r.first, r.crcs.len())).collect();
        assert_eq!(firsts, [(0, 3), (63, 2), (200, 1)]);
        assert_eq!(Sums::of(&sums.runs()), sums);
    }

    #[test]
    fn a_truncated_block_does_not_come_back() {
        let mut sums = Sums::default();
        (0..130).for_each(|block| sums.set(block, 9));
        sums.truncate(65);
        sums.set(129, 1);
        assert_eq!((sums.at(64), sums.at(65), sums.at(128)), (Some(9), None, None));
        assert_eq!(sums.blocks().count(), 66);
    }
}
