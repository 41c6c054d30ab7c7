//! Opening a store: meta files, then the journal's records that they do not include.

use crate::chunk::{self, Chunk, ChunkMeta};
use crate::chunk_store::JOURNAL_FOLDER;
use crate::cut::lowest_cut;
use crate::data_files::{self, DataFile, DataFiles};
use crate::disk::{Disk, DiskError, Open};
use crate::error::StoreError;
use crate::frame::Record;
use crate::journal::{Journal, Replay, Shape};
use crate::options::StoreOptions;
use crate::record::ChunkRecord;
use crate::sealed::{self, join};
use crate::state::State;
use crate::sums::Sums;
use leasehold_proto::{ChunkHandle, Extent, ReplicaChange};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(crate) type Recovered<D> = (State, DataFiles<D>, Journal<D>);

/// Brings the data files and the memory of them to the end of the journal.
pub(crate) fn recover<D: Disk>(
    disk: &D,
    options: &StoreOptions,
) -> Result<Recovered<D>, StoreError> {
    for folder in [chunk::FOLDER, data_files::FOLDER] {
        disk.create_dir(folder)?;
        // What a killed process left unsynced must be durable before anything is built on it.
        disk.sync_dir(folder)?;
    }
    disk.sync_dir("")?;
    let mut recovery = Recovery {
        disk,
        state: State::new(options.block_bytes, options.remembered_clients_max),
        files: DataFiles::new(options.open_files_max),
        included: BTreeMap::new(),
        deleted: BTreeMap::new(),
        cuts: BTreeMap::new(),
    };
    for meta in ChunkMeta::load_all(disk, options.block_bytes)? {
        recovery.take_in(meta);
    }
    let (bytes, block_bytes) = (options.journal_bytes, options.block_bytes);
    let shape = Shape { folder: JOURNAL_FOLDER, bytes, block_bytes };
    let journal = Journal::open(disk, shape, &mut recovery)?;
    recovery.measure_files()?;
    recovery.remove_orphans()?;
    Ok((recovery.state, recovery.files, journal))
}

struct Recovery<'a, D: Disk> {
    disk: &'a D,
    state: State,
    files: DataFiles<D>,
    /// The last record that each chunk's meta file includes.
    included: BTreeMap<ChunkHandle, u64>,
    /// The last record that deletes each chunk. What comes before it is dead, and what that stood
    /// on may be gone: the meta file went with the chunk, and the records that it included with
    /// their generation.
    deleted: BTreeMap<ChunkHandle, u64>,
    /// The records that cut a chunk, and where. What an earlier record wrote behind the cut is not
    /// written again: its room may belong to others since.
    cuts: BTreeMap<ChunkHandle, BTreeMap<u64, u64>>,
}

/// From where on a change takes away what a chunk has.
fn cut_by(change: &ReplicaChange) -> Option<u64> {
    match change {
        ReplicaChange::Reconcile { image, .. } => Some(image.length),
        ReplicaChange::Apply { mutations, .. } => lowest_cut(mutations),
        _ => None,
    }
}

impl<D: Disk> Replay for Recovery<'_, D> {
    fn survey(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        let change = ChunkRecord::from_bytes(record.body)?.change;
        if let ReplicaChange::Delete { chunk } = change {
            self.deleted.insert(chunk, record.lsn);
        }
        if let Some(cut) = cut_by(&change) {
            self.cuts.entry(change.chunk()).or_default().insert(record.lsn, cut);
        }
        Ok(())
    }

    fn replay(&mut self, record: &Record<'_>) -> Result<(), StoreError> {
        let ChunkRecord { change, sums, redo } = ChunkRecord::from_bytes(record.body)?;
        let handle = change.chunk();
        let included = self.included.get(&handle).is_some_and(|&last| record.lsn <= last);
        let dead = self.deleted.get(&handle).is_some_and(|&last| record.lsn < last);
        if included || dead {
            return Ok(());
        }
        self.refuse_without_base(handle, &change)?;
        if let ReplicaChange::Delete { .. } = change {
            self.remove_meta(handle)?;
        }
        let length = self.state.length(handle);
        let cleared = match cut_by(&change).filter(|&cut| cut < length) {
            Some(cut) => cut..length.next_multiple_of(self.state.block_bytes),
            None => 0..0,
        };
        self.state.apply(record.lsn, &change, &sums);
        match self.state.chunks.get(&handle).map(|chunk| chunk.data) {
            Some(data) => {
                let later = self.cuts.get(&handle).map(|cuts| cuts.range(record.lsn + 1..));
                let end = later.into_iter().flatten().map(|(_, cut)| *cut).min();
                self.redo(data, cleared, &redo, record.payload, end.unwrap_or(u64::MAX))
            }
            None => Ok(()),
        }
    }
}

impl<D: Disk> Recovery<'_, D> {
    /// The power may have brought back the meta file of a life that was deleted. It goes before
    /// the record that deletes it does, or a later life would start from it.
    fn remove_meta(&self, handle: ChunkHandle) -> Result<(), StoreError> {
        match self.disk.remove(&ChunkMeta::name(handle)) {
            Ok(()) | Err(DiskError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn refuse_without_base(
        &self,
        handle: ChunkHandle,
        change: &ReplicaChange,
    ) -> Result<(), StoreError> {
        let stands_alone = match change {
            ReplicaChange::Promise { create, .. } => create.is_some(),
            ReplicaChange::StartLearner { .. }
            | ReplicaChange::Delete { .. }
            | ReplicaChange::Quarantine { .. } => true,
            _ => false,
        };
        if stands_alone || self.state.replicas.live.contains_key(&handle) {
            return Ok(());
        }
        let why = "the journal goes on from it";
        Err(StoreError::Missing { name: ChunkMeta::name(handle), why })
    }

    fn take_in(&mut self, meta: ChunkMeta) {
        let mut chunk = Chunk::new(DataFile { chunk: meta.chunk, born: meta.born });
        chunk.sums = Sums::of(&meta.sums);
        chunk.set_aside = meta.set_aside;
        self.state.chunks.insert(meta.chunk, chunk);
        self.included.insert(meta.chunk, meta.included);
        if meta.quarantined {
            self.state.replicas.quarantined.insert(meta.chunk);
        }
        if let Some(record) = meta.live {
            self.state.replicas.live.insert(meta.chunk, record);
        }
    }

    /// Writes again what a record carries, up to `end`. A later record may have dropped the file
    /// already.
    fn redo(
        &mut self,
        data: DataFile,
        cleared: Range<u64>,
        extents: &[Extent],
        mut payload: &[u8],
        end: u64,
    ) -> Result<(), StoreError> {
        if cleared.is_empty() && extents.is_empty() {
            return Ok(());
        }
        let file = match self.files.file(self.disk, data) {
            Ok(file) => file,
            Err(DiskError::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Not by cutting: what was later appended beyond is in its place already. Below the
        // end of what was cut, everything later is in the journal too.
        let cleared_end = cleared.end.min(self.disk.len(file)?);
        let zeros = vec![0; cleared_end.saturating_sub(cleared.start) as usize];
        if !zeros.is_empty() {
            self.disk.write_at(file, cleared.start, &zeros)?;
        }
        for extent in extents {
            let (bytes, rest) = payload.split_at(extent.length as usize);
            let kept = &bytes[..extent.below(end).length as usize];
            if !kept.is_empty() {
                self.disk.write_at(file, extent.offset, kept)?;
            }
            payload = rest;
        }
        Ok(())
    }

    /// Cuts what a write that never became durable left beyond a chunk's length. A data file that
    /// is lost is made anew: what it held fails its checksums.
    fn measure_files(&mut self) -> Result<(), StoreError> {
        for (handle, chunk) in &mut self.state.chunks {
            let file = match self.disk.open(&chunk.data.name(), Open::Existing) {
                Err(DiskError::NotFound { .. }) => {
                    self.disk.open(&chunk.data.name(), Open::Create)?
                }
                opened => opened?,
            };
            chunk.file_bytes = self.disk.len(&file)?;
            let record = self.state.replicas.live.get(handle).filter(|record| !record.learner);
            if let Some(length) = record.map(|record| record.image.length)
                && length < chunk.file_bytes
            {
                self.disk.set_len(&file, length)?;
                // Durable, or a replay after the next power failure could find it again between
                // bytes that were written since.
                self.disk.sync_data(&file)?;
                chunk.file_bytes = length;
            }
            chunk.allocated = self.disk.allocated(&file)?;
        }
        Ok(())
    }

    fn remove_orphans(&mut self) -> Result<(), StoreError> {
        let chunks = self.state.chunks.values();
        let data: BTreeSet<String> = chunks.map(|chunk| chunk.data.file_name()).collect();
        for name in self.disk.list(data_files::FOLDER)? {
            if !data.contains(&name) {
                self.disk.remove(&join(data_files::FOLDER, &name))?;
            }
        }
        let metas: BTreeSet<String> =
            self.state.chunks.keys().map(|&chunk| ChunkMeta::name(chunk)).collect();
        for name in sealed::clean_folder(self.disk, chunk::FOLDER)? {
            let name = join(chunk::FOLDER, &name);
            if !metas.contains(&name) {
                self.disk.remove(&name)?;
            }
        }
        Ok(())
    }
}
