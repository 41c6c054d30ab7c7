//! A disk in memory with power failures, for tests of this crate and of those above it.
//!
//! It keeps what a reader sees and what a power failure leaves apart. Every 512-byte sector of
//! every write since a file's last sync may survive or not, by a seed; so may every name since its
//! folder's last sync. Any operation can be made to fail, run out of room, or be the last one.

mod dice;

use crate::disk::{Disk, DiskError, Open, Space};
use dice::Dice;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// What the disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// What happens to the operation that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The power goes before it is done; whatever follows fails too.
    PowerLoss,
    /// It fails. If it is a sync, what it should have written is lost for good, although readers
    /// see it and later syncs succeed.
    Fails,
    /// There is no room; a write may have written a part.
    NoSpace,
}

/// An open file: the file it was opened as, whatever name that has by now.
#[derive(Clone, Debug)]
pub struct MemFile {
    inode: usize,
    name: String,
}

/// A disk in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    inodes: Vec<Inode>,
    /// As readers see them, by folder.
    folders: BTreeMap<String, Folder>,
    /// Changing operations so far.
    operations: u64,
    mishap: Option<(u64, Mishap)>,
    powerless: bool,
    lying: bool,
    room_bytes: Option<u64>,
    bad: Vec<(String, std::ops::Range<u64>)>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default)]
struct Folder {
    seen: Names,
    durable: Names,
    pending: Vec<NameChange>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(String, usize),
    Unlink(String),
    Rename(String, String, usize),
}

impl MemDisk {
    /// An empty disk without limits.
    #[must_use]
    pub fn new() -> Self {
        MemDisk::default()
    }

    /// A copy that goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> MemDisk {
        MemDisk { inner: Arc::new(Mutex::new(self.inner().clone())) }
    }

    /// How many operations changed something or requested a sync so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.inner().operations
    }

    /// Lets this happen to the changing operation of this number, counted from 0.
    pub fn arm(&self, operation: u64, mishap: Mishap) {
        self.inner().mishap = Some((operation, mishap));
    }

    /// Whether `arm`'s operation was reached.
    #[must_use]
    pub fn struck(&self) -> bool {
        let inner = self.inner();
        inner.mishap.is_some_and(|(at, _)| inner.operations > at)
    }

    /// Syncs say yes and do nothing, as some disks do.
    pub fn lie_about_syncs(&self) {
        self.inner().lying = true;
    }

    /// Room for this many bytes in all files together.
    pub fn limit(&self, bytes: Option<u64>) {
        self.inner().room_bytes = bytes;
    }

    /// The power was off: of what was not synced, `seed` says what is left. Seed 0 leaves nothing,
    /// seed 1 everything, any other a part. Armed mishaps are gone.
    pub fn power_cycle(&self, seed: u64) {
        let mut inner = self.inner();
        let mut dice = Dice { seed, state: seed };
        for inode in &mut inner.inodes {
            inode.lose(&mut dice);
        }
        for folder in inner.folders.values_mut() {
            folder.lose(&mut dice);
        }
        inner.powerless = false;
        inner.mishap = None;
    }

    /// Turns one bit of a file, durably.
    pub fn flip(&self, name: &str, offset: u64) {
        let mut inner = self.inner();
        let inode = inner.lookup(name).expect("the file is there");
        let inode = &mut inner.inodes[inode];
        inode.seen[offset as usize] ^= 1;
        if let Some(byte) = inode.durable.get_mut(offset as usize) {
            *byte ^= 1;
        }
    }

    /// Reads of these bytes of a file fail.
    pub fn make_unreadable(&self, name: &str, range: std::ops::Range<u64>) {
        self.inner().bad.push((name.to_owned(), range));
    }

    /// A file's bytes as a reader sees them.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let inner = self.inner();
        inner.lookup(name).map(|inode| inner.inodes[inode].seen.clone())
    }

    /// Replaces a file's bytes, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut inner = self.inner();
        let (folder, file) = split(name);
        let inode = inner.inodes.len();
        let (seen, durable) = (bytes.to_vec(), bytes.to_vec());
        inner.inodes.push(Inode { seen, durable, pending: Vec::new() });
        let folder = inner.folders.entry(folder.to_owned()).or_default();
        folder.seen.insert(file.to_owned(), inode);
        folder.durable.insert(file.to_owned(), inode);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl Inner {
    fn lookup(&self, name: &str) -> Option<usize> {
        let (folder, file) = split(name);
        self.folders.get(folder)?.seen.get(file).copied()
    }

    /// Counts a changing operation, and lets its mishap happen.
    fn begin(&mut self, name: &str) -> Result<Option<Mishap>, DiskError> {
        if self.powerless {
            return Err(failed(name, "no power"));
        }
        let number = self.operations;
        self.operations += 1;
        match self.mishap {
            Some((at, mishap)) if at == number => {
                self.powerless = mishap == Mishap::PowerLoss;
                Ok(Some(mishap))
            }
            _ => Ok(None),
        }
    }

    /// As `begin`, for operations that a mishap leaves undone.
    fn begin_or_fail(&mut self, name: &str) -> Result<(), DiskError> {
        match self.begin(name)? {
            None => Ok(()),
            Some(Mishap::NoSpace) => Err(no_space(name)),
            Some(Mishap::PowerLoss | Mishap::Fails) => Err(failed(name, "failed")),
        }
    }

    fn room_for(&self, growth: usize) -> bool {
        let used: usize = self.inodes.iter().map(|inode| inode.seen.len()).sum();
        growth == 0 || self.room_bytes.is_none_or(|room| (used + growth) as u64 <= room)
    }

    fn folder(&mut self, folder: &str) -> Result<&mut Folder, DiskError> {
        if folder.is_empty() {
            return Ok(self.folders.entry(String::new()).or_default());
        }
        self.folders.get_mut(folder).ok_or_else(|| not_found(folder))
    }

    /// A file that no name leads to, now or after a power failure, takes no room.
    fn reclaim(&mut self) {
        let mut named = vec![false; self.inodes.len()];
        for folder in self.folders.values() {
            folder.seen.values().for_each(|&inode| named[inode] = true);
        }
        for (inode, named) in self.inodes.iter_mut().zip(named) {
            if !named && inode.pending.is_empty() && self.room_bytes.is_some() {
                inode.seen.clear();
            }
        }
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    fn lose(&mut self, dice: &mut Dice) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Length(_) if dice.keep() => apply(&mut self.durable, &change),
                Change::Length(_) => {}
                Change::Write { offset, data } => {
                    for (offset, sector) in sectors(offset, &data) {
                        if dice.keep() {
                            let data = sector.to_vec();
                            apply(&mut self.durable, &Change::Write { offset, data });
                        }
                    }
                }
            }
        }
        self.seen = self.durable.clone();
    }
}

impl Folder {
    fn change(&mut self, change: NameChange) {
        apply_name(&mut self.seen, &change);
        self.pending.push(change);
    }

    fn lose(&mut self, dice: &mut Dice) {
        for change in std::mem::take(&mut self.pending) {
            if dice.keep() {
                apply_name(&mut self.durable, &change);
            }
        }
        self.seen = self.durable.clone();
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => bytes.resize(*length, 0),
        Change::Write { offset, data } => {
            let end = offset + data.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(data);
        }
    }
}

fn apply_name(names: &mut Names, change: &NameChange) {
    match change {
        NameChange::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        NameChange::Unlink(name) => {
            names.remove(name);
        }
        NameChange::Rename(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
    }
}

/// A write's bytes as the sectors that they fall into.
fn sectors(offset: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let head = (SECTOR_BYTES - offset % SECTOR_BYTES).min(data.len());
    let (head, rest) = data.split_at(head);
    let after = offset + head.len();
    let rest = rest.chunks(SECTOR_BYTES).enumerate();
    std::iter::once((offset, head))
        .chain(rest.map(move |(at, sector)| (after + at * SECTOR_BYTES, sector)))
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn not_found(name: &str) -> DiskError {
    DiskError::NotFound { name: name.to_owned() }
}

fn no_space(name: &str) -> DiskError {
    DiskError::NoSpace { name: name.to_owned() }
}

fn failed(name: &str, what: &str) -> DiskError {
    DiskError::Failed { name: name.to_owned(), what: what.to_owned() }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn open(&self, name: &str, how: Open) -> Result<MemFile, DiskError> {
        let mut inner = self.inner();
        if inner.powerless {
            return Err(failed(name, "no power"));
        }
        let file = |inode| MemFile { inode, name: name.to_owned() };
        match (inner.lookup(name), how) {
            (Some(inode), _) => return Ok(file(inode)),
            (None, Open::Existing) => return Err(not_found(name)),
            (None, Open::Create) => {}
        }
        inner.begin_or_fail(name)?;
        let inode = inner.inodes.len();
        let (folder, short) = split(name);
        inner.folder(folder)?.change(NameChange::Link(short.to_owned(), inode));
        inner.inodes.push(Inode::default());
        Ok(file(inode))
    }

    fn read_at(&self, file: &MemFile, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let inner = self.inner();
        if inner.powerless {
            return Err(failed(&file.name, "no power"));
        }
        let wanted = offset..offset + buf.len() as u64;
        let bad = |(name, range): &(String, std::ops::Range<u64>)| {
            *name == file.name && range.start < wanted.end && wanted.start < range.end
        };
        if inner.bad.iter().any(bad) {
            return Err(failed(&file.name, "unreadable sector"));
        }
        let seen = &inner.inodes[file.inode].seen;
        let start = seen.len().min(offset as usize);
        let read = buf.len().min(seen.len() - start);
        buf[..read].copy_from_slice(&seen[start..start + read]);
        Ok(read)
    }

    fn write_at(&self, file: &MemFile, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        if data.is_empty() {
            return Ok(());
        }
        let mut inner = self.inner();
        let mishap = inner.begin(&file.name)?;
        let offset = offset as usize;
        let length = inner.inodes[file.inode].seen.len();
        let growth = (offset + data.len()).saturating_sub(length);
        let fits = inner.room_for(growth);
        let kept =
            if fits && mishap != Some(Mishap::NoSpace) { data.len() } else { data.len() / 2 };
        let write = Change::Write { offset, data: data[..kept].to_vec() };
        if mishap != Some(Mishap::Fails) && kept > 0 {
            inner.inodes[file.inode].change(write);
        }
        match mishap {
            Some(Mishap::PowerLoss | Mishap::Fails) => Err(failed(&file.name, "failed")),
            Some(Mishap::NoSpace) => Err(no_space(&file.name)),
            None if !fits => Err(no_space(&file.name)),
            None => Ok(()),
        }
    }

    fn len(&self, file: &MemFile) -> Result<u64, DiskError> {
        Ok(self.inner().inodes[file.inode].seen.len() as u64)
    }

    fn set_len(&self, file: &MemFile, len: u64) -> Result<(), DiskError> {
        let mut inner = self.inner();
        inner.begin_or_fail(&file.name)?;
        inner.inodes[file.inode].change(Change::Length(len as usize));
        Ok(())
    }

    fn allocated(&self, file: &MemFile) -> Result<u64, DiskError> {
        self.len(file)
    }

    fn space(&self) -> Result<Space, DiskError> {
        Ok(Space { free_bytes: u64::MAX, size_bytes: u64::MAX })
    }

    fn reserve(&self, file: &MemFile, bytes: Range<u64>) -> Result<(), DiskError> {
        let mut inner = self.inner();
        inner.begin_or_fail(&file.name)?;
        let growth = (bytes.end as usize).saturating_sub(inner.inodes[file.inode].seen.len());
        if inner.room_for(growth) { Ok(()) } else { Err(no_space(&file.name)) }
    }

    fn sync_data(&self, file: &MemFile) -> Result<(), DiskError> {
        let mut inner = self.inner();
        let mishap = inner.begin(&file.name)?;
        let lying = inner.lying;
        let inode = &mut inner.inodes[file.inode];
        match mishap {
            Some(Mishap::PowerLoss) => return Err(failed(&file.name, "failed")),
            Some(Mishap::Fails | Mishap::NoSpace) => {
                inode.pending.clear();
                return Err(failed(&file.name, "failed"));
            }
            None if lying => {}
            None => {
                for change in std::mem::take(&mut inode.pending) {
                    apply(&mut inode.durable, &change);
                }
            }
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut inner = self.inner();
        inner.begin_or_fail(from)?;
        let inode = inner.lookup(from).ok_or_else(|| not_found(from))?;
        let ((folder, old), (to_folder, new)) = (split(from), split(to));
        assert_eq!(folder, to_folder, "renames stay in their folder");
        let change = NameChange::Rename(old.to_owned(), new.to_owned(), inode);
        inner.folder(folder)?.change(change);
        inner.reclaim();
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let mut inner = self.inner();
        inner.begin_or_fail(name)?;
        inner.lookup(name).ok_or_else(|| not_found(name))?;
        let (folder, short) = split(name);
        inner.folder(folder)?.change(NameChange::Unlink(short.to_owned()));
        inner.reclaim();
        Ok(())
    }

    fn create_dir(&self, folder: &str) -> Result<(), DiskError> {
        let mut inner = self.inner();
        if inner.powerless {
            return Err(failed(folder, "no power"));
        }
        inner.folders.entry(folder.to_owned()).or_default();
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        let mut inner = self.inner();
        Ok(inner.folder(folder)?.seen.keys().cloned().collect())
    }

    fn sync_dir(&self, folder: &str) -> Result<(), DiskError> {
        let mut inner = self.inner();
        inner.begin_or_fail(folder)?;
        let lying = inner.lying;
        let folder = inner.folder(folder)?;
        if !lying {
            folder.pending.clear();
            folder.durable = folder.seen.clone();
        }
        Ok(())
    }
}
