//! An appended log in generations: the chunkserver's redo journal and the master's operation log.
//!
//! Invariants: records are numbered without a gap over all generations. A generation's file is
//! written with zeros before its first record, so that a sync of it moves no metadata. A file has
//! its name only once its header is durable. Every open begins a new generation, whose header says
//! where the one before it ends: what was cut there can never come back.

use crate::disk::{Disk, DiskError, Open};
use crate::error::{StoreError, Trouble};
use crate::frame::{self, FIRST_RECORD, GenerationHeader, Record, generation_name, record_bytes};
use crate::sealed;
use std::collections::BTreeMap;

const SPARE: &str = "spare";
const RESERVE: &str = "reserve";
const ZEROS: usize = 64 << 10;
/// What a generation makes do with when there is no room for a whole one.
const FULL_DISK_BYTES: u64 = FIRST_RECORD + (4 << 10);

/// What is fixed about a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub folder: &'static str,
    /// Of one generation, written in advance.
    pub bytes: u64,
    /// See [`GenerationHeader::block_bytes`].
    pub block_bytes: u32,
}

/// Who reads a log that is opened.
pub(crate) trait Replay {
    /// Sees every record in order, before any is replayed.
    fn survey(&mut self, record: &Record<'_>) -> Result<(), StoreError>;
    /// Takes every record in order.
    fn replay(&mut self, record: &Record<'_>) -> Result<(), StoreError>;
}

pub(crate) struct Journal<D: Disk> {
    shape: Shape,
    /// First record of every generation that is still there, the current one included.
    generations: BTreeMap<u64, u64>,
    generation: u64,
    file: D::File,
    /// Bytes of the current file that were written in advance.
    capacity: u64,
    /// Where the next write goes.
    end: u64,
    /// Everything below is durable.
    durable: u64,
    next_lsn: u64,
    staged: Vec<u8>,
}

impl<D: Disk> Journal<D> {
    /// Opens the log, shows its records to the reader, and begins a new generation. What was
    /// replayed is durable when this returns.
    pub fn open(disk: &D, shape: Shape, reader: &mut impl Replay) -> Result<Self, StoreError> {
        disk.create_dir(shape.folder)?;
        disk.sync_dir("")?;
        // A process that was killed leaves records that no sync has covered.
        let settle = |file: &D::File| disk.sync_data(file);
        let Found { headers: found, next_lsn, end } = replay(disk, &shape, reader, settle)?;
        let generation = found.last().map_or(1, |last| last.generation + 1);
        let header = shape.header(generation, next_lsn, end);
        let (file, capacity) = match begin(disk, shape.folder, &header, shape.bytes) {
            Err(DiskError::NoSpace { .. }) => begin_on_full_disk(disk, &shape, &header)?,
            begun => begun?,
        };
        let mut generations: BTreeMap<u64, u64> =
            found.iter().map(|header| (header.generation, header.first_lsn)).collect();
        generations.insert(generation, next_lsn);
        let _ = reserve_for_full_disk(disk, &shape);
        let (end, durable, staged) = (FIRST_RECORD, FIRST_RECORD, Vec::new());
        Ok(Journal {
            shape,
            generations,
            generation,
            file,
            capacity,
            end,
            durable,
            next_lsn,
            staged,
        })
    }

    /// The number of the next record to be staged.
    pub fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    /// First record of the current generation.
    pub fn current_first_lsn(&self) -> u64 {
        self.generations[&self.generation]
    }

    /// Generations on the disk.
    pub fn generations(&self) -> usize {
        self.generations.len()
    }

    /// Whether a record of this size has its room already. A last part of every generation is for
    /// the `urgent`: promises and deletions must be possible on a disk without room.
    pub fn fits(&self, body: usize, payload: usize, urgent: bool) -> bool {
        let kept = if urgent { 0 } else { self.shape.bytes / 8 };
        let needed = (self.staged.len() + record_bytes(body, payload)) as u64;
        self.end + needed + kept <= self.capacity
    }

    /// Adds a record to the next write, and gives its number.
    pub fn stage(&mut self, body: &[u8], payload: &[&[u8]]) -> u64 {
        let lsn = self.next_lsn;
        frame::write_record(&mut self.staged, self.generation, self.durable, lsn, body, payload);
        self.next_lsn += 1;
        lsn
    }

    /// Writes what was staged, unsynced. After a failure nothing is known of the log's end.
    pub fn write(&mut self, disk: &D) -> Result<(), Trouble> {
        if self.staged.is_empty() {
            return Ok(());
        }
        // Without room in a part that was written in advance, the disk is not what it was.
        disk.write_at(&self.file, self.end, &self.staged).map_err(|_| Trouble::Failed)?;
        self.end += self.staged.len() as u64;
        self.staged.clear();
        Ok(())
    }

    /// Makes everything written durable.
    pub fn sync(&mut self, disk: &D) -> Result<(), Trouble> {
        if self.durable < self.end {
            disk.sync_data(&self.file).map_err(|error| Trouble::of_sync(&error))?;
            self.durable = self.end;
        }
        Ok(())
    }

    /// Goes on in a new generation that has room for a record of this size. `Full` leaves the log
    /// as it was.
    pub fn rotate(&mut self, disk: &D, body: usize, payload: usize) -> Result<(), Trouble> {
        assert!(self.staged.is_empty(), "what was staged belongs to the generation before");
        self.sync(disk)?;
        let header = self.shape.header(self.generation + 1, self.next_lsn, self.end);
        let room = FIRST_RECORD + record_bytes(body, payload) as u64 + self.shape.bytes / 8;
        let bytes = self.shape.bytes.max(room);
        (self.file, self.capacity) = begin(disk, self.shape.folder, &header, bytes)
            .map_err(|error| Trouble::of_write(&error))?;
        self.generation = header.generation;
        self.generations.insert(header.generation, header.first_lsn);
        (self.end, self.durable) = (FIRST_RECORD, FIRST_RECORD);
        Ok(())
    }

    /// Makes sure that records of so many bytes fit: in a new generation if need be, which has room
    /// for `first` beside them, or in the last part of this one if the disk is full. True if a
    /// generation was begun.
    pub fn make_room(
        &mut self,
        disk: &D,
        bytes: usize,
        first: impl FnOnce() -> usize,
    ) -> Result<bool, Trouble> {
        if self.fits(bytes, 0, false) {
            return Ok(false);
        }
        match self.rotate(disk, bytes + first(), 0) {
            Err(Trouble::Full) if self.fits(bytes, 0, true) => Ok(false),
            rotated => rotated.map(|()| true),
        }
    }

    /// True if the oldest generation has no record at or above `needed_lsn`.
    pub fn oldest_is_covered(&self, needed_lsn: u64) -> bool {
        self.generations.values().nth(1).is_some_and(|&first| first <= needed_lsn)
    }

    /// Drops the oldest generation. One at a time, each durable: names that vanish in another
    /// order would leave a gap.
    pub fn drop_oldest(&mut self, disk: &D) -> Result<(), Trouble> {
        let (oldest, _) = self.generations.pop_first().expect("the current generation is there");
        assert_ne!(oldest, self.generation, "the current generation is never dropped");
        let name = generation_name(self.shape.folder, oldest);
        let spare = sealed::join(self.shape.folder, SPARE);
        let kept = self.is_worth_keeping(disk, &name, &spare);
        let gone = if kept { disk.rename(&name, &spare) } else { disk.remove(&name) };
        gone.map_err(|_| Trouble::Failed)?;
        disk.sync_dir(self.shape.folder).map_err(|error| Trouble::of_sync(&error))
    }

    /// One spare of the usual size is kept: its room is allocated already.
    fn is_worth_keeping(&self, disk: &D, name: &str, spare: &str) -> bool {
        let length = |name| disk.open(name, Open::Existing).and_then(|file| disk.len(&file));
        length(spare).is_err() && length(name).is_ok_and(|bytes| bytes == self.shape.bytes)
    }
}

impl Shape {
    fn header(&self, generation: u64, first_lsn: u64, previous_end: u64) -> GenerationHeader {
        GenerationHeader { generation, first_lsn, previous_end, block_bytes: self.block_bytes }
    }
}

/// Refuses to open a log in `folder` beside one of another kind in `other`: the two do not continue
/// from each other.
pub(crate) fn refuse_beside<D: Disk>(
    disk: &D,
    other: &str,
    folder: &str,
    why: &'static str,
) -> Result<(), StoreError> {
    match sealed::listed(disk, other)?.iter().any(|name| name.ends_with(".log")) {
        true => Err(StoreError::Missing { name: folder.to_owned(), why }),
        false => Ok(()),
    }
}

/// A log that was read.
struct Found {
    /// Of its generations, oldest first.
    headers: Vec<GenerationHeader>,
    next_lsn: u64,
    /// Where the newest generation ends.
    end: u64,
}

/// Shows a log's records to the reader, as [`Journal::open`] does, and changes nothing on the disk.
/// Gives the number of the next record.
pub(crate) fn read<D: Disk>(
    disk: &D,
    shape: &Shape,
    reader: &mut impl Replay,
) -> Result<u64, StoreError> {
    replay(disk, shape, reader, |_| Ok(())).map(|found| found.next_lsn)
}

fn replay<D: Disk>(
    disk: &D,
    shape: &Shape,
    reader: &mut impl Replay,
    settle: impl Fn(&D::File) -> Result<(), DiskError>,
) -> Result<Found, StoreError> {
    let headers = read_headers(disk, shape)?;
    let folder = shape.folder;
    read_records(disk, folder, &headers, &settle, |record| reader.survey(record))?;
    let (next_lsn, end) =
        read_records(disk, folder, &headers, &settle, |record| reader.replay(record))?;
    Ok(Found { headers, next_lsn, end })
}

/// The files of a log's generations by number, oldest first; none in a folder that is not there.
fn names<D: Disk>(disk: &D, folder: &str) -> Result<Vec<(u64, String)>, StoreError> {
    let mut found = Vec::new();
    for file_name in sealed::listed(disk, folder)? {
        let name = sealed::join(folder, &file_name);
        let Some(number) = number_of(&name, &file_name) else { continue };
        found.push((number?, name));
    }
    Ok(found)
}

/// The number of the generation in a file; none if it is not named as one.
pub(crate) fn number_of(name: &str, file_name: &str) -> Option<Result<u64, StoreError>> {
    let number = u64::from_str_radix(file_name.strip_suffix(".log")?, 16);
    Some(number.map_err(|_| StoreError::corrupt(name, 0, "not the name of a generation")))
}

/// Whether a file of this name is room for a next generation.
pub(crate) fn is_room(file_name: &str) -> bool {
    file_name == SPARE || file_name == RESERVE
}

/// What is at the start of a generation's file.
pub(crate) fn read_header<D: Disk>(
    disk: &D,
    name: &str,
    number: u64,
) -> Result<GenerationHeader, StoreError> {
    let file = disk.open(name, Open::Existing)?;
    let mut bytes = vec![0; FIRST_RECORD as usize];
    let read = disk.read_at(&file, 0, &mut bytes)?;
    let header = GenerationHeader::parse(name, &bytes[..read])?;
    if header.generation != number {
        return Err(StoreError::corrupt(name, 16, "another generation than its name says"));
    }
    Ok(header)
}

fn read_headers<D: Disk>(disk: &D, shape: &Shape) -> Result<Vec<GenerationHeader>, StoreError> {
    let folder = shape.folder;
    let mut found: Vec<GenerationHeader> = Vec::new();
    for (number, name) in names(disk, folder)? {
        let header = read_header(disk, &name, number)?;
        if header.block_bytes != shape.block_bytes {
            let (found, expected) = (header.block_bytes, shape.block_bytes);
            return Err(StoreError::BlockBytes { name, found, expected });
        }
        if found.last().is_some_and(|last| last.generation + 1 != number) {
            let why = "the generation after it is there, and one before it";
            return Err(StoreError::Missing { name: generation_name(folder, number - 1), why });
        }
        found.push(header);
    }
    Ok(found)
}

/// Hands out every record, those of the newest generation once its file is settled; gives the
/// number of the next one, and where the newest generation ends.
fn read_records<D: Disk>(
    disk: &D,
    folder: &str,
    found: &[GenerationHeader],
    settle: impl Fn(&D::File) -> Result<(), DiskError>,
    mut each: impl FnMut(&Record<'_>) -> Result<(), StoreError>,
) -> Result<(u64, u64), StoreError> {
    let (mut next_lsn, mut end) = (1, 0);
    for (at, header) in found.iter().enumerate() {
        let name = generation_name(folder, header.generation);
        let next = found.get(at + 1);
        let file = disk.open(&name, Open::Existing)?;
        let bytes = sealed::read_whole(disk, &file)?;
        let scanned = frame::scan(&name, &bytes, header, next.map(|next| next.previous_end));
        if let Some(refused) = scanned.refused {
            return Err(refused);
        }
        let (records, ended) = (scanned.records, scanned.end);
        next_lsn = header.first_lsn + records.len() as u64;
        if next.is_some_and(|next| next.first_lsn != next_lsn) {
            return Err(StoreError::corrupt(&name, ended, "records are missing at the end"));
        }
        if next.is_none() {
            settle(&file)?;
        }
        end = ended;
        records.iter().try_for_each(&mut each)?;
    }
    Ok((next_lsn, end))
}

/// Makes a generation's file: room first, then the header, then the name, each durable before
/// the next.
fn begin<D: Disk>(
    disk: &D,
    folder: &str,
    header: &GenerationHeader,
    bytes: u64,
) -> Result<(D::File, u64), DiskError> {
    let spare = sealed::join(folder, SPARE);
    let file = disk.open(&spare, Open::Create)?;
    let prepared = prepare(disk, &file, header, bytes);
    if matches!(prepared, Err(DiskError::NoSpace { .. })) {
        disk.remove(&spare)?;
    }
    let capacity = prepared?;
    disk.sync_data(&file).map_err(|error| sealed::failed_sync(&spare, &error))?;
    disk.rename(&spare, &generation_name(folder, header.generation))?;
    disk.sync_dir(folder).map_err(|error| sealed::failed_sync(folder, &error))?;
    Ok((file, capacity))
}

/// A full disk still opens: what is on it can be read, and deleted. A small generation was set
/// aside for this while there was room.
fn begin_on_full_disk<D: Disk>(
    disk: &D,
    shape: &Shape,
    header: &GenerationHeader,
) -> Result<(D::File, u64), DiskError> {
    let reserve = sealed::join(shape.folder, RESERVE);
    match disk.rename(&reserve, &sealed::join(shape.folder, SPARE)) {
        Ok(()) | Err(DiskError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    begin(disk, shape.folder, header, FULL_DISK_BYTES)
}

/// Best effort: without room there is nothing to set aside.
fn reserve_for_full_disk<D: Disk>(disk: &D, shape: &Shape) -> Result<(), DiskError> {
    let file = disk.open(&sealed::join(shape.folder, RESERVE), Open::Create)?;
    let length = disk.len(&file)?;
    let missing = FULL_DISK_BYTES.saturating_sub(length);
    disk.write_at(&file, length, &vec![0; missing as usize])?;
    disk.sync_data(&file)?;
    disk.sync_dir(shape.folder)
}

/// Zeros up to `bytes`, and the header. A spare's old records stay: they carry another generation.
fn prepare<D: Disk>(
    disk: &D,
    file: &D::File,
    header: &GenerationHeader,
    bytes: u64,
) -> Result<u64, DiskError> {
    let zeros = vec![0; ZEROS];
    let mut length = disk.len(file)?;
    while length < bytes {
        let step = (bytes - length).min(ZEROS as u64);
        disk.write_at(file, length, &zeros[..step as usize])?;
        length += step;
    }
    disk.write_at(file, 0, &header.to_bytes())?;
    Ok(length)
}
