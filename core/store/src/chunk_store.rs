//! The chunkserver's disk: executes a machine's I/O.
//!
//! A batch is one group commit. Bytes that may go to their place first are written, then synced,
//! then the journal is written and synced, and only then follow the bytes that the journal had to
//! have first. A durable journal record therefore implies its bytes: in place, or in the record.

use crate::blocks::Blocks;
use crate::buffers::Buffers;
use crate::chunk::Chunk;
use crate::cut::Amount;
use crate::data_files::{self, DataFile, DataFiles};
use crate::disk::{Disk, DiskError, Space};
use crate::error::{Service, StoreError, Trouble};
use crate::group::{After, Group};
use crate::journal::Journal;
use crate::options::StoreOptions;
use crate::plan::{Before, Piece, Plan};
use crate::record::ChunkRecord;
use crate::sealed::crc;
use crate::state::{State, blocks_below};
use crate::sums::runs_of;
use crate::{checkpoint, recover};
use bytes::Bytes;
use leasehold_proto::{
    ChunkHandle, Extent, IoFault, IoId, IoOp, IoOutput, IoResult, Payload, ReplicaChange,
    ReplicaData, Replicas, Room, SyncPolicy,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where a chunkserver's journal is.
pub(crate) const JOURNAL_FOLDER: &str = "journal";

/// Zeros that are written at a time.
const ZEROS: usize = 64 << 10;

/// Every replica of one chunkserver on one disk.
pub struct ChunkStore<D: Disk> {
    pub(crate) disk: D,
    pub(crate) options: StoreOptions,
    pub(crate) state: State,
    pub(crate) files: DataFiles<D>,
    pub(crate) journal: Journal<D>,
    group: Group,
    /// Meta files of chunks that were deleted, and that could not be removed: while they are there, so
    /// must be the records that delete the chunks.
    pub(crate) stale_metas: BTreeSet<ChunkHandle>,
    buffers: Buffers,
    service: Service,
}

impl<D: Disk> ChunkStore<D> {
    /// Opens the store in the disk's top folder, making it if there is none, and gives what is
    /// durable about every replica.
    pub fn open(disk: D, options: StoreOptions) -> Result<(Self, Replicas), StoreError> {
        let (state, files, journal) = recover::recover(&disk, &options)?;
        let replicas = state.replicas.clone();
        let (group, buffers) = (Group::default(), Buffers::new(options.idle_buffer_bytes_max));
        let mut store = ChunkStore {
            disk,
            options,
            state,
            files,
            journal,
            group,
            stale_metas: BTreeSet::new(),
            buffers,
            service: Service::default(),
        };
        checkpoint::catch_up(&mut store)?;
        Ok((store, replicas))
    }

    /// Carries out a batch; the results are in the batch's order.
    ///
    /// Reads see the state before the batch: a machine keeps them apart from changes of the same
    /// blocks. The changes share their syncs, at most one for each data file and one for the
    /// journal; two changes of one chunk are carried out one after the other.
    ///
    /// # Panics
    /// If an operation is the master's, or its replica's record forbids it.
    pub fn execute(&mut self, batch: Vec<(IoId, IoOp)>) -> Vec<(IoId, IoResult)> {
        let mut results: Vec<(IoId, Option<IoResult>)> = Vec::with_capacity(batch.len());
        let mut changes = Vec::new();
        for (at, (io, op)) in batch.into_iter().enumerate() {
            let result = match op {
                IoOp::Read { chunk, pieces } => Some(self.read(chunk, &pieces)),
                IoOp::Replica(change, data) => {
                    changes.push((at, change, data));
                    None
                }
                IoOp::Log(op) => unreachable!("a chunkserver has no log: {op:?}"),
            };
            results.push((io, result));
        }
        let mut refused: BTreeMap<ChunkHandle, IoFault> = BTreeMap::new();
        for (at, change, data) in changes {
            // What follows a refused change of the same chunk was meant to build on it.
            let chunk = change.chunk();
            let fault = refused.get(&chunk).cloned();
            let done = fault.map_or_else(|| self.change(&change, &data), Err);
            if let Err(fault) = done {
                results[at].1 = Some(Err(fault.clone()));
                refused.insert(chunk, fault);
            }
        }
        let in_service = self.service.check().map_err(IoFault::from);
        let fate = in_service.and_then(|()| self.commit()).map(|()| IoOutput::Done);
        if self.service.check().is_ok() {
            let done = checkpoint::some(self);
            // Without room it is tried again; a failure is what the next operation meets.
            let _ = self.service.after(done);
        }
        results.into_iter().map(|(io, result)| (io, result.unwrap_or(fate.clone()))).collect()
    }

    /// Bytes that data files occupy: their holes occupy none.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.state.chunks.values().map(|chunk| chunk.allocated).sum()
    }

    /// What the disk has, of which `offered` bytes may be used at the most; none if it does not say.
    #[must_use]
    pub fn room(&self, offered: Option<u64>) -> Option<Room> {
        let Space { free_bytes, size_bytes } = self.disk.space().ok()?;
        Some(Room::offered(offered, self.used_bytes(), free_bytes, size_bytes))
    }

    /// True once a write or a sync failed: every operation is then refused.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.service.check().is_err()
    }

    /// Reads every block of every replica: those that do not fit their checksum or could not be
    /// read. Empty if all is well.
    pub fn verify(&mut self) -> Vec<(ChunkHandle, Vec<Extent>)> {
        let handles: Vec<ChunkHandle> = self.state.chunks.keys().copied().collect();
        let checked = handles.into_iter().map(|handle| (handle, self.verify_chunk(handle)));
        checked.filter(|(_, bad)| !bad.is_empty()).collect()
    }

    /// The blocks of one replica that do not fit their checksum or could not be read.
    pub fn verify_chunk(&mut self, handle: ChunkHandle) -> Vec<Extent> {
        let Some(mut blocks) = self.blocks(handle) else { return Vec::new() };
        blocks.verify = true;
        let written: Vec<u32> = blocks.chunk.sums.blocks().collect();
        let bad = written.into_iter().filter_map(|block| blocks.range(block..block + 1).err());
        bad.flatten().collect()
    }

    fn blocks(&mut self, handle: ChunkHandle) -> Option<Blocks<'_, D>> {
        Some(Blocks {
            disk: &self.disk,
            files: &mut self.files,
            buffers: &self.buffers,
            chunk: self.state.chunks.get(&handle)?,
            block_bytes: self.state.block_bytes,
            verify: self.options.rules.verify_checksums,
        })
    }

    fn read(&mut self, handle: ChunkHandle, pieces: &[Extent]) -> IoResult {
        self.service.check()?;
        let Some(mut blocks) = self.blocks(handle) else {
            return Err(IoFault::Corrupt { blocks: pieces.to_vec() });
        };
        let mut read = Vec::with_capacity(pieces.len());
        let mut bad = Vec::new();
        for piece in pieces {
            match blocks.extent(*piece) {
                Ok(bytes) => read.push(bytes),
                Err(corrupt) => bad.extend(corrupt),
            }
        }
        if !bad.is_empty() {
            return Err(IoFault::Corrupt { blocks: bad });
        }
        let data = if read.len() == 1 { read.remove(0) } else { Bytes::from(read.concat()) };
        let crc = crc(&data);
        Ok(IoOutput::Read(Payload::new(data, crc)))
    }

    /// Stages one change: `commit` makes it durable.
    fn change(&mut self, change: &ReplicaChange, data: &ReplicaData) -> Result<(), IoFault> {
        self.service.check()?;
        let chunk = change.chunk();
        if self.group.chunks.contains(&chunk) {
            self.commit()?;
        }
        match change {
            ReplicaChange::Apply { mutations, .. } => {
                let (length, full) = self.lengths(chunk);
                let ReplicaData::Mutations(payloads) = data else {
                    unreachable!("mutations come with their bytes")
                };
                self.write(change, Amount::of(mutations, payloads, length, full))
            }
            ReplicaChange::Reconcile { image, .. } => {
                let length = image.length;
                let pieces = pieces_below(change, data, length);
                self.write(change, Amount { cut: Some(length), pieces, length })
            }
            ReplicaChange::CopyIn { .. } => {
                self.copy_in(chunk, pieces_below(change, data, u64::MAX))
            }
            ReplicaChange::Install { image, .. } => self.install(change, image.length),
            ReplicaChange::Promise { .. }
            | ReplicaChange::Adopt { .. }
            | ReplicaChange::StartLearner { .. }
            | ReplicaChange::Delete { .. }
            | ReplicaChange::Quarantine { .. } => self.record_only(change),
        }
    }

    /// Changes without bytes.
    fn record_only(&mut self, change: &ReplicaChange) -> Result<(), IoFault> {
        let chunk = change.chunk();
        let (sums, redo) = (Vec::new(), Vec::new());
        let body = ChunkRecord { change: change.clone(), sums, redo }.to_bytes();
        let urgent = !matches!(change, ReplicaChange::StartLearner { .. });
        self.admit(body.len(), 0, urgent)?;
        if self.state.is_birth(change) {
            let data = DataFile { chunk, born: self.journal.next_lsn() };
            let made = self.files.create(&self.disk, data);
            made.map_err(|error| self.service.fault(Trouble::of_write(&error)))?;
            self.group.names = true;
        }
        let lsn = self.journal.stage(&body, &[]);
        let dropped = self.state.apply(lsn, change, &[]);
        self.group.after.extend(dropped.map(After::RemoveData));
        if matches!(change, ReplicaChange::Delete { .. }) {
            self.group.after.push(After::RemoveMeta(chunk));
        }
        self.group.chunks.insert(chunk);
        self.group.sync = true;
        Ok(())
    }

    /// `Apply` and `Reconcile`: bytes and record together.
    fn write(&mut self, change: &ReplicaChange, amount: Amount) -> Result<(), IoFault> {
        let (chunk, cut) = (change.chunk(), amount.cut);
        let plan = self.plan(chunk, amount)?;
        let runs = runs_of(plan.sums.iter().map(|(&block, &crc)| (block, crc)));
        let redo: Vec<Extent> = match plan.in_place {
            true => Vec::new(),
            false => plan.writes.iter().map(Piece::extent).collect(),
        };
        let body = ChunkRecord { change: change.clone(), sums: runs.clone(), redo }.to_bytes();
        let payload: Vec<&[u8]> = match plan.in_place {
            true => Vec::new(),
            false => plan.writes.iter().map(|piece| &*piece.data).collect(),
        };
        self.admit(body.len(), payload.iter().map(|piece| piece.len()).sum(), false)?;
        let durable = self.is_durable(chunk) || cut.is_some();
        if plan.in_place {
            self.write_in_place(chunk, &plan.writes)?;
            if durable && !plan.writes.is_empty() {
                self.group.data.insert(self.state.chunk(chunk).data);
            }
        } else {
            self.reserve(chunk, &plan.writes)?;
        }
        let lsn = self.journal.stage(&body, &payload);
        self.state.apply(lsn, change, &runs);
        if !plan.in_place {
            let end = plan.writes.iter().map(|piece| piece.extent().end()).max().unwrap_or(0);
            let cut = cut.map(|cut| cut.max(end));
            self.group.after.push(After::Write { chunk, cut, pieces: plan.writes });
        }
        self.group.chunks.insert(chunk);
        self.group.sync |= durable;
        Ok(())
    }

    /// Bytes of a copy that counts for nothing until it is installed: in place, unjournaled.
    fn copy_in(&mut self, chunk: ChunkHandle, pieces: Vec<Piece>) -> Result<(), IoFault> {
        let plan = self.plan(chunk, Amount { cut: None, pieces, length: u64::MAX })?;
        assert!(plan.in_place, "a learner has no durable bytes that a write could harm");
        self.write_in_place(chunk, &plan.writes)?;
        let sums = runs_of(plan.sums);
        self.state.chunk(chunk).sums.extend(&sums);
        Ok(())
    }

    fn install(&mut self, change: &ReplicaChange, length: u64) -> Result<(), IoFault> {
        let chunk = change.chunk();
        let plan = self.plan(chunk, Amount { cut: Some(length), pieces: Vec::new(), length })?;
        let blocks = blocks_below(length, self.state.block_bytes);
        let state = self.state.chunk(chunk);
        let data = state.data;
        // Of a copy: the learner stays as it is if the journal has no room.
        let mut sums = state.sums.clone();
        sums.extend(&runs_of(plan.sums));
        sums.truncate(blocks);
        let sums = sums.runs();
        let body =
            ChunkRecord { change: change.clone(), sums: sums.clone(), redo: Vec::new() }.to_bytes();
        self.admit(body.len(), 0, false)?;
        self.cut_file(chunk, length).map_err(|trouble| self.service.fault(trouble))?;
        let lsn = self.journal.stage(&body, &[]);
        self.state.apply(lsn, change, &sums);
        self.group.data.insert(data);
        self.group.chunks.insert(chunk);
        self.group.sync = true;
        Ok(())
    }

    /// The durable length of a chunk, and that of a full one.
    fn lengths(&self, handle: ChunkHandle) -> (u64, u64) {
        let record = &self.state.replicas.live[&handle];
        (record.image.length, record.spec.chunk_bytes)
    }

    fn plan(&mut self, handle: ChunkHandle, amount: Amount) -> Result<Plan, IoFault> {
        let Amount { cut, pieces, length: after } = amount;
        let length = self.state.length(handle);
        let cut = cut.filter(|&cut| cut < length.max(self.state.chunk(handle).file_bytes));
        let mut blocks = self.blocks(handle).expect("a live replica has its data file");
        let chunk: &Chunk = blocks.chunk;
        let before = Before {
            block_bytes: blocks.block_bytes,
            sums: &chunk.sums,
            length,
            floor: chunk.floor,
            file_bytes: chunk.file_bytes,
        };
        Plan::new(&before, cut, pieces, after, |block| {
            blocks.range(block..block + 1).map(|bytes| bytes.to_vec())
        })
        .map_err(|blocks| IoFault::Corrupt { blocks })
    }

    /// Makes sure that the journal takes a record of this size.
    fn admit(&mut self, body: usize, payload: usize, urgent: bool) -> Result<(), IoFault> {
        if self.journal.fits(body, payload, false) {
            return Ok(());
        }
        self.commit()?;
        match self.journal.rotate(&self.disk, body, payload) {
            Err(Trouble::Full) if urgent && self.journal.fits(body, payload, true) => Ok(()),
            rotated => rotated.map_err(|trouble| self.service.fault(trouble)),
        }
    }

    fn is_durable(&self, chunk: ChunkHandle) -> bool {
        self.state.replicas.live.get(&chunk).is_none_or(|r| r.spec.sync == SyncPolicy::Durable)
    }

    /// Writes bytes that nothing durable depends on. Without room, the chunk is as before.
    fn write_in_place(&mut self, chunk: ChunkHandle, pieces: &[Piece]) -> Result<(), IoFault> {
        let Err(trouble) = self.write_pieces(chunk, pieces) else { return Ok(()) };
        let rolled_back = match trouble {
            Trouble::Full => self.forget_unwritten(chunk),
            Trouble::Failed => Err(trouble),
        };
        Err(self.service.fault(rolled_back.err().unwrap_or(trouble)))
    }

    /// What a write without room left beyond the durable length is cut away. A learner's blocks
    /// keep their sums: one that was half overwritten no longer fits, and says so when read.
    fn forget_unwritten(&mut self, chunk: ChunkHandle) -> Result<(), Trouble> {
        let data = self.state.chunk(chunk).data;
        let file = self.files.file(&self.disk, data).map_err(|_| Trouble::Failed)?;
        let bytes = self.disk.len(file).map_err(|_| Trouble::Failed)?;
        self.state.chunk(chunk).file_bytes = bytes;
        self.measure(chunk)?;
        let learner = self.state.replicas.live.get(&chunk).is_none_or(|record| record.learner);
        if learner {
            return Ok(());
        }
        self.cut_file(chunk, self.state.length(chunk))?;
        // Durable, or a replay could find it again between bytes that were written since.
        self.files.sync(&self.disk, data).map_err(|error| Trouble::of_sync(&error))
    }

    fn write_pieces(&mut self, chunk: ChunkHandle, pieces: &[Piece]) -> Result<(), Trouble> {
        let state = self.state.chunk(chunk);
        for piece in pieces {
            let file = self.files.file(&self.disk, state.data).map_err(|_| Trouble::Failed)?;
            let written = self.disk.write_at(file, piece.offset, &piece.data);
            written.map_err(|error| Trouble::of_write(&error))?;
            state.file_bytes = state.file_bytes.max(piece.extent().end());
        }
        self.measure(chunk)
    }

    /// Finds out how much a data file occupies.
    fn measure(&mut self, chunk: ChunkHandle) -> Result<(), Trouble> {
        let state = self.state.chunk(chunk);
        let file = self.files.file(&self.disk, state.data).map_err(|_| Trouble::Failed)?;
        state.allocated = self.disk.allocated(file).map_err(|_| Trouble::Failed)?;
        Ok(())
    }

    fn cut_file(&mut self, chunk: ChunkHandle, length: u64) -> Result<(), Trouble> {
        let state = self.state.chunk(chunk);
        if state.file_bytes > length {
            let file = self.files.file(&self.disk, state.data).map_err(|_| Trouble::Failed)?;
            match self.disk.set_len(file, length) {
                Ok(()) => state.file_bytes = length,
                // What is behind need not go, as long as it reads as zeros.
                Err(DiskError::NoSpace { .. }) => {
                    let zeros = vec![0; ZEROS.min((state.file_bytes - length) as usize)];
                    for at in (length..state.file_bytes).step_by(ZEROS) {
                        let bytes = zeros.len().min((state.file_bytes - at) as usize);
                        let written = self.disk.write_at(file, at, &zeros[..bytes]);
                        written.map_err(|_| Trouble::Failed)?;
                    }
                }
                Err(_) => return Err(Trouble::Failed),
            }
            self.measure(chunk)?;
        }
        Ok(())
    }

    /// Asks for room before the journal promises to write: afterwards it would be too late.
    fn reserve(&mut self, chunk: ChunkHandle, pieces: &[Piece]) -> Result<(), IoFault> {
        let state = self.state.chunk(chunk);
        // What lies below is there already, unless there are holes.
        let below = if state.allocated < state.file_bytes { 0 } else { state.file_bytes };
        let wanted = pieces.iter().map(Piece::extent).filter(|e| e.end() > below);
        let wanted = wanted.map(|e| e.offset.max(below)..e.end());
        let file = self.files.file(&self.disk, state.data);
        let reserved = file.and_then(|file| {
            wanted.into_iter().try_for_each(|bytes| self.disk.reserve(file, bytes))
        });
        reserved.map_err(|error| self.service.fault(Trouble::of_write(&error)))
    }

    /// Makes everything staged durable, as its policy says.
    fn commit(&mut self) -> Result<(), IoFault> {
        let group = std::mem::take(&mut self.group);
        // Whatever it was: what was staged is neither there nor not there.
        let committed = self.commit_group(group).map_err(|_| Trouble::Failed);
        self.service.after(committed)
    }

    fn commit_group(&mut self, group: Group) -> Result<(), Trouble> {
        for data in group.data {
            let synced = self.files.sync(&self.disk, data);
            synced.map_err(|error| Trouble::of_sync(&error))?;
        }
        if group.names {
            let synced = self.disk.sync_dir(data_files::FOLDER);
            synced.map_err(|error| Trouble::of_sync(&error))?;
        }
        self.journal.write(&self.disk)?;
        if group.sync {
            self.journal.sync(&self.disk)?;
        }
        group.after.into_iter().try_for_each(|after| self.follow(after))
    }

    fn follow(&mut self, after: After) -> Result<(), Trouble> {
        match after {
            After::Write { chunk, cut, pieces } => {
                if let Some(length) = cut {
                    self.cut_file(chunk, length)?;
                }
                self.write_pieces(chunk, &pieces)
            }
            After::RemoveData(data) => {
                self.files.remove(&self.disk, data);
                Ok(())
            }
            After::RemoveMeta(chunk) => {
                // One that stays is removed later, or at the next open.
                if checkpoint::remove_meta(&self.disk, chunk).is_err() {
                    self.stale_metas.insert(chunk);
                }
                Ok(())
            }
        }
    }
}

/// The bytes of a change by place, as far as they lie below `end`.
fn pieces_below(change: &ReplicaChange, data: &ReplicaData, end: u64) -> Vec<Piece> {
    let writes = data.writes(change).into_iter();
    writes.flat_map(|(extents, payload)| cut_pieces(extents, payload, end)).collect()
}

/// The pieces of a payload, as far as they lie below `end`.
fn cut_pieces(extents: &[Extent], payload: &Payload, end: u64) -> Vec<Piece> {
    let mut left = payload.data.clone();
    let mut pieces = Vec::with_capacity(extents.len());
    for extent in extents {
        let mut data = left.split_to(extent.length as usize);
        data.truncate(extent.below(end).length as usize);
        if !data.is_empty() {
            pieces.push(Piece { offset: extent.offset, data });
        }
    }
    assert!(left.is_empty(), "a payload is as long as its pieces");
    pieces
}
