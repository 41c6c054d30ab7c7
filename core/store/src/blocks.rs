//! Reading blocks of a data file, each verified.

use crate::buffers::{Buffer, Buffers};
use crate::chunk::Chunk;
use crate::data_files::DataFiles;
use crate::disk::{Disk, DiskError};
use crate::plan::blocks_of;
use crate::sealed::crc;
use bytes::Bytes;
use leasehold_proto::Extent;
use std::ops::Range;

/// Reads blocks of one chunk.
pub(crate) struct Blocks<'a, D: Disk> {
    pub disk: &'a D,
    pub files: &'a mut DataFiles<D>,
    pub buffers: &'a Buffers,
    pub chunk: &'a Chunk,
    pub block_bytes: u64,
    pub verify: bool,
}

impl<D: Disk> Blocks<'_, D> {
    /// The bytes of an extent; or which blocks do not fit their checksum, or could not be read.
    pub fn extent(&mut self, extent: Extent) -> Result<Bytes, Vec<Extent>> {
        if extent.length == 0 {
            return Ok(Bytes::new());
        }
        let blocks = blocks_of(extent, self.block_bytes);
        let skip = (extent.offset % self.block_bytes) as usize;
        let bytes = self.range(blocks)?.freeze();
        Ok(bytes.slice(skip..skip + extent.length as usize))
    }

    /// The bytes of whole blocks; zeros where nothing was ever written.
    pub fn range(&mut self, blocks: Range<u32>) -> Result<Buffer, Vec<Extent>> {
        let size = self.block_bytes as usize;
        let mut bytes = self.buffers.stale(blocks.len() * size);
        if !blocks.clone().any(|block| self.chunk.sums.at(block).is_some()) {
            bytes.fill(0);
            return Ok(bytes);
        }
        let whole = self.fill(blocks.start, &mut bytes);
        let mut bad = Vec::new();
        for (block, bytes) in blocks.zip(bytes.chunks_exact_mut(size)) {
            let Some(sum) = self.chunk.sums.at(block) else {
                bytes.fill(0);
                continue;
            };
            // One sector that cannot be read must not condemn its neighbours' blocks.
            let read = whole.is_ok() || self.fill(block, bytes).is_ok();
            if !read || (self.verify && crc(bytes) != sum) {
                bad.push(self.extent_of(block));
            }
        }
        if bad.is_empty() { Ok(bytes) } else { Err(bad) }
    }

    /// Reads from the start of a block; the file's end reads as zeros.
    fn fill(&mut self, first: u32, bytes: &mut [u8]) -> Result<(), DiskError> {
        let at = u64::from(first) * self.block_bytes;
        let file = self.files.file(self.disk, self.chunk.data)?;
        let mut done = 0;
        while done < bytes.len() {
            let read = self.disk.read_at(file, at + done as u64, &mut bytes[done..])?;
            if read == 0 {
                break;
            }
            done += read;
        }
        bytes[done..].fill(0);
        Ok(())
    }

    fn extent_of(&self, block: u32) -> Extent {
        Extent::new(u64::from(block) * self.block_bytes, self.block_bytes)
    }
}
