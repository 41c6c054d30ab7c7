//! What the store knows of one chunk beside its record, and the file that this is kept in.

use crate::data_files::DataFile;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::sealed::{self, join};
use crate::sums::{Run, Sums};
use leasehold_proto::{ChunkHandle, ReplicaRecord, Replicas};
use serde::{Deserialize, Serialize};

pub(crate) const FOLDER: &str = "meta";
const SUFFIX: &str = ".meta";

/// One chunk on this disk.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub data: DataFile,
    pub sums: Sums,
    /// Length of the data file.
    pub file_bytes: u64,
    /// Bytes that it occupies.
    pub allocated: u64,
    /// See [`crate::plan::Before::floor`].
    pub floor: u64,
    /// The first journal record that its meta file does not include.
    pub dirty_since: Option<u64>,
    /// The record that it had when it was quarantined.
    pub set_aside: Option<ReplicaRecord>,
}

impl Chunk {
    pub fn new(data: DataFile) -> Self {
        let (sums, set_aside, dirty_since) = (Sums::default(), None, None);
        Chunk { data, sums, file_bytes: 0, allocated: 0, floor: 0, dirty_since, set_aside }
    }
}

/// A chunk's meta file: everything that is durable about it apart from its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChunkMeta {
    pub chunk: ChunkHandle,
    pub block_bytes: u32,
    /// The last journal record that is included.
    pub included: u64,
    /// Names the data file.
    pub born: u64,
    pub live: Option<ReplicaRecord>,
    pub quarantined: bool,
    /// The record that it had when it was quarantined.
    pub set_aside: Option<ReplicaRecord>,
    /// None of a learner: a copy under way is void after a restart.
    pub sums: Vec<Run>,
}

impl ChunkMeta {
    pub fn of(chunk: &Chunk, replicas: &Replicas, block_bytes: u32, included: u64) -> Self {
        let handle = chunk.data.chunk;
        let live = replicas.live.get(&handle).cloned();
        let learner = live.as_ref().is_some_and(|record| record.learner);
        ChunkMeta {
            chunk: handle,
            block_bytes,
            included,
            born: chunk.data.born,
            live,
            quarantined: replicas.quarantined.contains(&handle),
            set_aside: chunk.set_aside.clone(),
            sums: if learner { Vec::new() } else { chunk.sums.runs() },
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("plain data encodes")
    }

    pub fn name(chunk: ChunkHandle) -> String {
        join(FOLDER, &format!("{:016x}{SUFFIX}", chunk.0))
    }

    /// Every meta file of the disk.
    pub fn load_all<D: Disk>(disk: &D, block_bytes: u32) -> Result<Vec<ChunkMeta>, StoreError> {
        let names = sealed::clean_folder(disk, FOLDER)?;
        names.iter().map(|name| ChunkMeta::load(disk, &join(FOLDER, name), block_bytes)).collect()
    }

    fn load<D: Disk>(disk: &D, name: &str, block_bytes: u32) -> Result<ChunkMeta, StoreError> {
        let body = sealed::load(disk, name, sealed::CHUNK_META)?
            .ok_or_else(|| StoreError::corrupt(name, 0, "listed but not there"))?;
        let meta: ChunkMeta = postcard::from_bytes(&body)
            .map_err(|_| StoreError::corrupt(name, 32, "does not decode"))?;
        if ChunkMeta::name(meta.chunk) != name {
            return Err(StoreError::corrupt(name, 32, "another chunk than its name says"));
        }
        if meta.block_bytes != block_bytes {
            let (found, expected) = (meta.block_bytes, block_bytes);
            return Err(StoreError::BlockBytes { name: name.to_owned(), found, expected });
        }
        Ok(meta)
    }
}
