//! The chunkserver's disk: executes a machine's I/O.

use crate::disk::Disk;
use crate::error::StoreError;
use crate::options::StoreOptions;
use leasehold_proto::{ChunkHandle, Extent, IoId, IoOp, IoResult, Replicas};

/// Every replica of one chunkserver on one disk.
pub struct ChunkStore<D: Disk> {
    disk: D,
}

impl<D: Disk> ChunkStore<D> {
    /// Opens the store in the disk's top folder, making it if there is none.
    pub fn open(disk: D, options: StoreOptions) -> Result<(Self, Replicas), StoreError> {
        Ok((ChunkStore { disk }, Replicas::new(options.remembered_clients_max)))
    }

    /// Carries out a batch; the results are in the batch's order.
    pub fn execute(&mut self, batch: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        let _ = (&self.disk, batch);
        todo!()
    }

    /// Bytes in data files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        todo!()
    }

    /// Reads every block of every replica: the extents that do not fit their checksum.
    pub fn verify(&mut self) -> Vec<(ChunkHandle, Vec<Extent>)> {
        todo!()
    }

    /// Out of service after a failed write or sync.
    #[must_use]
    pub fn failed(&self) -> bool {
        todo!()
    }
}
