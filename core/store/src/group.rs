//! What a batch has done so far and not yet made durable.

use crate::data_files::DataFile;
use crate::plan::Piece;
use leasehold_proto::ChunkHandle;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Chunks with a staged record: another operation on one of them waits for the commit.
    pub chunks: BTreeSet<ChunkHandle>,
    /// Data files whose bytes must be durable before the journal speaks of them.
    pub data: BTreeSet<DataFile>,
    /// Data files were made: their names must be durable before the journal speaks of them.
    pub names: bool,
    /// Some record must be durable before it is answered.
    pub sync: bool,
    /// What follows once the journal has it.
    pub after: Vec<After>,
}

/// What the journal entitles the store to do.
#[derive(Debug)]
pub(crate) enum After {
    /// Cut the file, then write bytes to their place.
    Write { chunk: ChunkHandle, cut: Option<u64>, pieces: Vec<Piece> },
    /// Remove a data file.
    RemoveData(DataFile),
    /// Remove a chunk's meta file.
    RemoveMeta(ChunkHandle),
}
