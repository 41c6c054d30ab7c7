//! Who may do what, as POSIX has it: by mode bits, owner and groups. The superuser may everything.

use super::inode::{Inode, InodeTable};
use crate::attributes::{Caller, STICKY};
use crate::ids::FileId;
use crate::refusal::Refusal;

/// Read a file, list a directory.
pub(super) const READ: u16 = 4;
/// Write a file, change the names in a directory.
pub(super) const WRITE: u16 = 2;
/// Look a name up in a directory.
pub(super) const SEARCH: u16 = 1;

/// Error: `PermissionDenied`.
pub(super) fn check(inode: &Inode, caller: &Caller, wanted: u16) -> Result<(), Refusal> {
    match inode.attributes.permits(caller, wanted) {
        true => Ok(()),
        false => Err(Refusal::PermissionDenied),
    }
}

/// Is the caller the owner, or the superuser? Error: `NotPermitted`.
pub(super) fn check_owner(inode: &Inode, caller: &Caller) -> Result<(), Refusal> {
    match caller.uid == 0 || caller.uid == inode.attributes.uid {
        true => Ok(()),
        false => Err(Refusal::NotPermitted),
    }
}

impl InodeTable {
    /// Is this the caller's file, or is the caller the superuser?
    #[must_use]
    pub fn may_restore(&self, file: FileId, caller: &Caller) -> bool {
        self.get(file).is_some_and(|inode| check_owner(inode, caller).is_ok())
    }

    /// May the caller have these files reclaimed, as far as they are in the trash?
    pub(super) fn check_empty_trash(
        &self,
        files: &[FileId],
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let trashed = files.iter().filter(|file| self.is_trashed(**file));
        trashed.filter_map(|file| self.get(*file)).try_for_each(|inode| check_owner(inode, caller))
    }

    /// May the caller look a name up in this directory?
    pub(super) fn check_search(&self, directory: FileId, caller: &Caller) -> Result<(), Refusal> {
        check(self.get(directory).ok_or(Refusal::NotFound)?, caller, SEARCH)
    }

    /// May the caller add a name to this directory?
    pub(super) fn check_add(&self, directory: FileId, caller: &Caller) -> Result<(), Refusal> {
        check(self.get(directory).ok_or(Refusal::NotFound)?, caller, WRITE | SEARCH)
    }

    /// May the caller take this name out of its directory? Of a sticky one only the owner of either
    /// may.
    pub(super) fn check_remove(
        &self,
        directory: FileId,
        victim: FileId,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        self.check_add(directory, caller)?;
        let above = self.get(directory).ok_or(Refusal::NotFound)?.attributes;
        let owned = above.uid == caller.uid
            || self.get(victim).is_some_and(|inode| inode.attributes.uid == caller.uid);
        if above.mode & STICKY == 0 || owned || caller.uid == 0 {
            return Ok(());
        }
        Err(Refusal::NotPermitted)
    }
}
