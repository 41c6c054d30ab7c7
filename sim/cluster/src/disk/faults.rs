//! What a nemesis can do to a disk while it runs.

use super::names::InodeId;
use super::{DiskState, SimDisk};
use crate::coverage::disk_path;
use crate::seed::Stream;

/// Sectors next to each other that become unreadable at the most.
const SECTORS_MAX: u64 = 16;

/// How bytes of a file come to be other than what was written, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// A bit flips.
    Rot,
    /// The last write was confirmed and never happened.
    PhantomWrite,
    /// The last write went to another place of this file or another.
    Misdirected,
    /// Some sectors cannot be read until they are written again.
    LatentError,
}

impl Harm {
    /// As the coverage's matrix calls it.
    fn name(self) -> &'static str {
        match self {
            Harm::Rot => "rot",
            Harm::PhantomWrite => "phantom write",
            Harm::Misdirected => "misdirected write",
            Harm::LatentError => "sectors lost",
        }
    }
}

/// What is wrong with a disk at the moment.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    /// Operations until the power fails, if that is set.
    pub fuse: Option<u64>,
    pub slow_factor: u64,
    pub stalled: bool,
    /// The next sync fails.
    pub sync_fails: bool,
    /// A sync failed in this life.
    pub sync_failed: bool,
    /// Bytes that somebody else holds.
    pub foreign_bytes: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            fuse: None,
            slow_factor: 1,
            stalled: false,
            sync_fails: false,
            sync_failed: false,
            foreign_bytes: 0,
        }
    }
}

impl SimDisk {
    /// The power fails within the `operations`-th operation from here (1: within the next).
    pub fn fail_power_after(&self, operations: u64) {
        self.lock().faults.fuse = Some(operations.max(1));
    }

    /// Undoes [`SimDisk::fail_power_after`], if it is not too late.
    pub fn keep_power(&self) {
        self.lock().faults.fuse = None;
    }

    /// Makes every operation this many times as slow; 1 ends that.
    pub fn slow_down(&self, factor: u64) {
        self.lock().faults.slow_factor = factor.max(1);
    }

    /// Answers nothing, or answers again.
    pub fn stall(&self, stalled: bool) {
        self.lock().faults.stalled = stalled;
    }

    /// Whether somebody else fills it.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.lock().faults.foreign_bytes > 0
    }

    /// Whether it answers nothing.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.lock().faults.stalled
    }

    /// The next sync fails, and what it was to make durable never is; false undoes that, if it is
    /// not too late.
    pub fn fail_next_sync(&self, fails: bool) {
        self.lock().faults.sync_fails = fails;
    }

    /// Whether a sync failed in this life.
    #[must_use]
    pub fn sync_failed(&self) -> bool {
        self.lock().faults.sync_failed
    }

    /// Somebody else takes all room but this much, or gives it back.
    pub fn fill(&self, room: Option<u64>) {
        let mut state = self.lock();
        let free = state.capacity_bytes.saturating_sub(state.used_bytes());
        state.faults.foreign_bytes = room.map_or(0, |room| free.saturating_sub(room));
    }

    /// The files whose names begin so, if they hold anything, sorted.
    #[must_use]
    pub fn files(&self, prefix: &str) -> Vec<String> {
        let state = self.lock();
        let fit = |(name, inode): &(&str, InodeId)| {
            name.starts_with(prefix) && !state.inodes[*inode].bytes().is_empty()
        };
        state.names.all().filter(fit).map(|(name, _)| name.to_owned()).collect()
    }

    /// The files in which something is not what was written, sorted.
    #[must_use]
    pub fn harmed(&self) -> Vec<String> {
        let state = self.lock();
        let harmed = |(_, inode): &(&str, InodeId)| state.inodes[*inode].is_harmed();
        state.names.all().filter(harmed).map(|(name, _)| name.to_owned()).collect()
    }

    /// Harms one of these files, and at the most one other of them; which ones, or nothing if
    /// none of them offers the occasion.
    pub fn harm(&self, harm: Harm, files: &[String], stream: &mut Stream) -> Vec<String> {
        let mut state = self.lock();
        let mut order: Vec<&String> = files.iter().collect();
        stream.shuffle(&mut order);
        for name in order {
            let Some(inode) = state.names.find(name) else { continue };
            if let Some(other) = state.harm_one(harm, inode, files, stream) {
                state.matrix.note(harm.name(), disk_path("write_at", name));
                return other.into_iter().chain([name.clone()]).collect();
            }
        }
        Vec::new()
    }
}

impl DiskState {
    /// Harms a file; perhaps another one too, which is named then. Nothing if it cannot be.
    fn harm_one(
        &mut self,
        harm: Harm,
        inode: InodeId,
        files: &[String],
        stream: &mut Stream,
    ) -> Option<Option<String>> {
        let bytes = self.inodes[inode].bytes().len() as u64;
        let at = stream.within(0..=bytes.checked_sub(1)?);
        match harm {
            Harm::Rot => self.inodes[inode].rot(at, stream.within(0..=7) as u8),
            Harm::LatentError => {
                self.inodes[inode].lose_sectors(at, stream.log_within(1..=SECTORS_MAX));
            }
            Harm::PhantomWrite => drop(self.inodes[inode].undo_last()?),
            Harm::Misdirected => {
                let data = self.inodes[inode].undo_last()?;
                let other: &String = stream.pick(files);
                return Some(self.land(&data, other, stream.any()));
            }
        }
        Some(None)
    }

    /// Writes what was meant for another place over some sectors of a file.
    fn land(&mut self, data: &[u8], name: &str, draw: u64) -> Option<String> {
        let target = self.names.find(name)?;
        let bytes = self.inodes[target].bytes().len() as u64;
        let place = draw % bytes.max(1) / 512 * 512;
        self.inodes[target].overwrite(place, data);
        Some(name.to_owned())
    }
}
