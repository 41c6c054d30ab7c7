//! A simulated disk: what POSIX promises and nothing more, at a power failure as in time.

mod faults;
mod inode;
mod names;
#[cfg(test)]
mod tests;

use crate::coverage::{Matrix, disk_path};
use crate::seed::{Seed, Stream};
use faults::Faults;
pub use faults::Harm;
use inode::Inode;
use leasehold_store::disk::{Disk, DiskError, Open, Space};
use names::{InodeId, Names, folder_of};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

/// Only what lies here may be harmed: a store refuses to open over a damaged journal, as it should.
const HARMED_FOLDER: &str = "chunks/";

/// What kind of disk, and how long its operations take, in nanoseconds of virtual time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// What a power failure keeps or loses as a piece: 512 or 4096.
    pub sector_bytes: u64,
    /// Any operation that touches no medium.
    pub call_ns: u64,
    /// The shortest and the longest ordinary sync.
    pub sync_ns: (u64, u64),
    /// This many syncs in a thousand take ten times as long.
    pub slow_sync_permille: u32,
    /// Bytes a second, reading or writing.
    pub bytes_per_second: u64,
}

impl Default for Latency {
    /// A data centre's solid-state disk.
    fn default() -> Self {
        Latency {
            sector_bytes: 512,
            call_ns: 5_000,
            sync_ns: (150_000, 2_000_000),
            slow_sync_permille: 10,
            bytes_per_second: 500 << 20,
        }
    }
}

/// What a disk did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Operations of any kind.
    pub operations: u64,
    /// Syncs of a file or a folder.
    pub syncs: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Power failures.
    pub crashes: u64,
}

#[derive(Debug)]
struct DiskState {
    names: Names,
    inodes: Vec<Inode>,
    /// What a power failure leaves, and how long syncs take: one is not to change the other.
    crash_draws: Stream,
    time_draws: Stream,
    latency: Latency,
    capacity_bytes: u64,
    /// Counted anew after anything that can shrink it.
    used_bytes: Option<u64>,
    /// Counts power failures: a handle of an earlier life reaches nothing.
    life: u64,
    powered: bool,
    busy_ns: u64,
    faults: Faults,
    counts: DiskCounts,
    matrix: Matrix,
}

/// A handle to a disk in one life of its node. A task that outlives its node holds a handle of an
/// earlier life, which fails at everything and changes nothing.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<DiskState>>,
    life: u64,
}

/// An open file of one life.
#[derive(Clone, Debug)]
pub struct SimFile {
    inode: InodeId,
    name: Arc<str>,
}

impl SimDisk {
    /// An empty disk with its own stream of the seed.
    #[must_use]
    pub fn new(seed: Seed, index: u64, latency: Latency, capacity_bytes: u64) -> Self {
        let state = DiskState {
            names: Names::default(),
            inodes: Vec::new(),
            crash_draws: seed.fork("disk crash", index),
            time_draws: seed.fork("disk time", index),
            latency,
            capacity_bytes,
            used_bytes: None,
            life: 0,
            powered: true,
            busy_ns: 0,
            faults: Faults::default(),
            counts: DiskCounts::default(),
            matrix: Matrix::default(),
        };
        SimDisk { state: Arc::new(Mutex::new(state)), life: 0 }
    }

    /// The power fails: unsynced bytes and names are kept, lost or torn. Gives the handle for the
    /// next life.
    #[must_use]
    pub fn crash(&self) -> SimDisk {
        let mut guard = self.lock();
        guard.note_unsynced();
        let DiskState { names, inodes, crash_draws, latency, .. } = &mut *guard;
        names.crash(crash_draws);
        inodes.iter_mut().for_each(|inode| inode.crash(latency.sector_bytes, crash_draws));
        guard.begin_life();
        guard.counts.crashes += 1;
        SimDisk { state: Arc::clone(&self.state), life: guard.life }
    }

    /// The process ends and the machine does not: what the operating system has stays. Gives the
    /// handle for the next life.
    #[must_use]
    pub fn reopen(&self) -> SimDisk {
        let mut guard = self.lock();
        guard.begin_life();
        SimDisk { state: Arc::clone(&self.state), life: guard.life }
    }

    /// Everything on it is gone.
    #[must_use]
    pub fn wipe(&self) -> SimDisk {
        let mut guard = self.lock();
        guard.names = Names::default();
        guard.inodes.clear();
        guard.begin_life();
        SimDisk { state: Arc::clone(&self.state), life: guard.life }
    }

    /// Whether this life's power is on.
    #[must_use]
    pub fn powered(&self) -> bool {
        let state = self.lock();
        state.powered && state.life == self.life
    }

    /// The time that operations took since this was last asked, in nanoseconds.
    #[must_use]
    pub fn take_busy_ns(&self) -> u64 {
        std::mem::take(&mut self.lock().busy_ns)
    }

    /// What it did so far, in all its lives.
    #[must_use]
    pub fn counts(&self) -> DiskCounts {
        self.lock().counts
    }

    /// Which fault met which operation so far.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        self.lock().matrix.clone()
    }

    fn lock(&self) -> MutexGuard<'_, DiskState> {
        self.state.lock().expect("no operation of the disk panics half-way")
    }

    fn is_last_operation(&self) -> bool {
        let state = self.lock();
        state.life == self.life && state.powered && state.faults.fuse == Some(1)
    }

    /// Counts and times one operation; refuses it if the power is off, or goes off here.
    fn begin(
        &self,
        operation: &'static str,
        name: &str,
        bytes: u64,
    ) -> Result<MutexGuard<'_, DiskState>, DiskError> {
        let mut state = self.lock();
        if state.life != self.life || !state.powered {
            return Err(power_failed(name));
        }
        state.counts.operations += 1;
        if state.faults.slow_factor > 1 {
            state.matrix.note("slow disk", disk_path(operation, name));
        }
        let transfer = bytes.saturating_mul(1_000_000_000) / state.latency.bytes_per_second;
        state.busy_ns += (state.latency.call_ns + transfer) * state.faults.slow_factor;
        match state.faults.fuse.as_mut() {
            None => Ok(state),
            Some(left) if *left > 1 => {
                *left -= 1;
                Ok(state)
            }
            Some(_) => {
                state.powered = false;
                state.matrix.note("power fails within", disk_path(operation, name));
                Err(power_failed(name))
            }
        }
    }
}

impl DiskState {
    fn begin_life(&mut self) {
        self.life += 1;
        self.faults.fuse = None;
        (self.faults.sync_fails, self.faults.sync_failed) = (false, false);
        self.powered = true;
        self.busy_ns = 0;
        self.used_bytes = None;
    }

    /// What a power failure here may lose or tear.
    fn note_unsynced(&mut self) {
        let DiskState { names, inodes, matrix, .. } = self;
        for (name, _) in names.all().filter(|(_, inode)| inodes[*inode].is_unsynced()) {
            matrix.note("power fails before sync of", disk_path("write_at", name));
        }
        for name in names.unsynced() {
            matrix.note("power fails before sync of", disk_path("name", name));
        }
    }

    fn sync_time(&mut self) {
        let (low, high) = self.latency.sync_ns;
        let slow = if self.time_draws.permille(self.latency.slow_sync_permille) { 10 } else { 1 };
        self.busy_ns += self.time_draws.log_within(low..=high) * slow * self.faults.slow_factor;
        self.counts.syncs += 1;
    }

    /// Whether this is the sync that fails.
    fn this_sync_fails(&mut self) -> bool {
        let fails = std::mem::take(&mut self.faults.sync_fails);
        self.faults.sync_failed |= fails;
        fails
    }

    /// Bytes that all files that have a name occupy.
    fn used_bytes(&mut self) -> u64 {
        let sum = || self.names.all().map(|(_, i)| self.inodes[i].allocated()).sum();
        *self.used_bytes.get_or_insert_with(sum)
    }

    fn room_for(&mut self, name: &str, growth: u64) -> Result<(), DiskError> {
        if growth > 0
            && self.used_bytes() + growth + self.faults.foreign_bytes > self.capacity_bytes
        {
            self.matrix.note("no space", disk_path("write_at", name));
            return Err(DiskError::NoSpace { name: name.to_owned() });
        }
        Ok(())
    }

    fn grew(&mut self, growth: u64) {
        self.used_bytes = self.used_bytes.map(|used| used + growth);
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&self, name: &str, how: Open) -> Result<SimFile, DiskError> {
        let mut state = self.begin("open", name, 0)?;
        let inode = match (state.names.find(name), how) {
            (Some(inode), _) => inode,
            (None, Open::Create) if state.names.has_folder(folder_of(name)) => {
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.names.add(name, inode);
                inode
            }
            (None, _) => return Err(DiskError::NotFound { name: name.to_owned() }),
        };
        Ok(SimFile { inode, name: name.into() })
    }

    fn read_at(&self, file: &SimFile, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let mut state = self.begin("read_at", &file.name, buf.len() as u64)?;
        if !state.inodes[file.inode].is_readable(offset, buf.len()) {
            state.matrix.note("latent error", disk_path("read_at", &file.name));
            return Err(failed(&file.name, "input/output error"));
        }
        let bytes = state.inodes[file.inode].bytes();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buf.len().min(bytes.len() - start);
        buf[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_at(&self, file: &SimFile, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        let last = self.is_last_operation();
        let began = self.begin("write_at", &file.name, data.len() as u64);
        if last {
            // The power fails within this write: it is among what may be kept, lost or torn.
            self.lock().inodes[file.inode].write(offset, data, false);
        }
        let mut state = began?;
        let growth = state.inodes[file.inode].growth(offset, data.len());
        state.room_for(&file.name, growth)?;
        let remember = file.name.starts_with(HARMED_FOLDER);
        state.inodes[file.inode].write(offset, data, remember);
        state.grew(growth);
        state.counts.written_bytes += data.len() as u64;
        Ok(())
    }

    fn len(&self, file: &SimFile) -> Result<u64, DiskError> {
        let state = self.begin("len", &file.name, 0)?;
        Ok(state.inodes[file.inode].bytes().len() as u64)
    }

    fn set_len(&self, file: &SimFile, len: u64) -> Result<(), DiskError> {
        let mut state = self.begin("set_len", &file.name, 0)?;
        state.inodes[file.inode].resize(len);
        state.used_bytes = None;
        Ok(())
    }

    fn reserve(&self, file: &SimFile, bytes: Range<u64>) -> Result<(), DiskError> {
        let mut state = self.begin("reserve", &file.name, 0)?;
        let length = usize::try_from(bytes.end - bytes.start).expect("a part of a file");
        let growth = state.inodes[file.inode].growth(bytes.start, length);
        state.room_for(&file.name, growth)?;
        state.inodes[file.inode].reserve(bytes.start, length);
        state.used_bytes = None;
        Ok(())
    }

    fn allocated(&self, file: &SimFile) -> Result<u64, DiskError> {
        let state = self.begin("allocated", &file.name, 0)?;
        Ok(state.inodes[file.inode].allocated())
    }

    fn space(&self) -> Result<Space, DiskError> {
        let mut state = self.lock();
        let taken = state.used_bytes().saturating_add(state.faults.foreign_bytes);
        let size_bytes = state.capacity_bytes;
        Ok(Space { free_bytes: size_bytes.saturating_sub(taken), size_bytes })
    }

    fn sync_data(&self, file: &SimFile) -> Result<(), DiskError> {
        let mut state = self.begin("sync_data", &file.name, 0)?;
        if state.this_sync_fails() {
            state.inodes[file.inode].sync_fails();
            state.matrix.note("fsync fails", disk_path("sync_data", &file.name));
            return Err(failed(&file.name, "fsync: input/output error"));
        }
        state.inodes[file.inode].sync();
        state.sync_time();
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let mut state = self.begin("rename", from, 0)?;
        if !state.names.has_folder(folder_of(to)) || !state.names.rename(from, to) {
            return Err(DiskError::NotFound { name: from.to_owned() });
        }
        state.used_bytes = None;
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        let mut state = self.begin("remove", name, 0)?;
        let found = state.names.remove(name);
        state.used_bytes = None;
        found.then_some(()).ok_or_else(|| DiskError::NotFound { name: name.to_owned() })
    }

    fn create_dir(&self, folder: &str) -> Result<(), DiskError> {
        self.begin("create_dir", folder, 0)?.names.add_folder(folder);
        Ok(())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        let state = self.begin("list", folder, 0)?;
        if !state.names.has_folder(folder) {
            return Err(DiskError::NotFound { name: folder.to_owned() });
        }
        Ok(state.names.list(folder))
    }

    fn sync_dir(&self, folder: &str) -> Result<(), DiskError> {
        let mut state = self.begin("sync_dir", folder, 0)?;
        if state.this_sync_fails() {
            state.matrix.note("fsync fails", disk_path("sync_dir", folder));
            return Err(failed(folder, "fsync: input/output error"));
        }
        state.names.sync(folder);
        state.sync_time();
        Ok(())
    }
}

fn power_failed(name: &str) -> DiskError {
    failed(name, "the power failed")
}

fn failed(name: &str, what: &str) -> DiskError {
    DiskError::Failed { name: name.to_owned(), what: what.to_owned() }
}
