//! Changes that move a name: rename and exchange.

use super::{Entry, is_meant};
use crate::attributes::Caller;
use crate::ids::FileId;
use crate::metadata::FileInfo;
use crate::path::Path;
use crate::refusal::Refusal;
use crate::tables::inode::InodeTable;
use crate::tables::path::Components;
use crate::tables::permission::{WRITE, check, check_owner};
use alloc::borrow::ToOwned;

/// A name that moves, and what it leads to.
struct Moved<'a> {
    file: FileId,
    is_directory: bool,
    from: Entry<'a>,
    to: Entry<'a>,
}

impl InodeTable {
    /// As POSIX `rename`, under the conditions of [`MetadataChange::Rename`]; gives the file that went
    /// to the trash.
    ///
    /// [`MetadataChange::Rename`]: crate::metadata::MetadataChange::Rename
    pub(in crate::tables) fn rename(
        &mut self,
        caller: &Caller,
        from: &Path,
        to: &Path,
        this: Option<FileId>,
        no_replace: bool,
    ) -> Result<Option<FileId>, Refusal> {
        let (from, to) = (Components::of(from)?, Components::of(to)?);
        let moved = self.moved(&from, &to, this, caller)?;
        let replaced = self.names(moved.to.directory)?.get(moved.to.name).copied();
        if replaced.is_some() && no_replace {
            return Err(Refusal::AlreadyExists);
        }
        if replaced == Some(moved.file) {
            return Ok(None);
        }
        self.check_moves(&moved, caller)?;
        match replaced {
            Some(replaced) => {
                self.check_replaces(moved.is_directory, replaced)?;
                self.check_remove(moved.to.directory, replaced, caller)?;
            }
            None => self.check_add(moved.to.directory, caller)?,
        }
        self.check_fits(moved.file, moved.is_directory, &moved.from, &moved.to)?;
        Ok(self.perform(&moved, replaced, caller))
    }

    /// Each of two gets the other's name.
    pub(in crate::tables) fn exchange(
        &mut self,
        caller: &Caller,
        from: &Path,
        to: &Path,
    ) -> Result<(), Refusal> {
        let (from, to) = (Components::of(from)?, Components::of(to)?);
        let one = self.moved(&from, &to, None, caller)?;
        let other = self.moved(&to, &from, None, caller)?;
        if one.file == other.file {
            return Ok(());
        }
        for moved in [&one, &other] {
            self.check_moves(moved, caller)?;
            self.check_fits(moved.file, moved.is_directory, &moved.from, &moved.to)?;
        }
        let now = caller.clock_ns;
        for moved in [&one, &other] {
            let Moved { file, is_directory, from, to } = moved;
            self.change_names(to.directory, now, |names| names.insert(to.name.into(), *file));
            self.get_mut(*file).attributes.touch_ctime(now);
            self.get_mut(from.directory).attributes.links -= u32::from(*is_directory);
            self.get_mut(to.directory).attributes.links += u32::from(*is_directory);
            if *is_directory {
                self.set_place(*file, to.directory, to.name);
            }
        }
        Ok(())
    }

    /// Takes a file out of the trash, under the conditions of [`MetadataChange::Restore`]; gives it, and
    /// the file that went to the trash.
    ///
    /// [`MetadataChange::Restore`]: crate::metadata::MetadataChange::Restore
    pub(in crate::tables) fn restore(
        &mut self,
        caller: &Caller,
        file: FileId,
        to: &Path,
        no_replace: bool,
    ) -> Result<(FileInfo, Option<FileId>), Refusal> {
        let root = || Refusal::Invalid("the root cannot be replaced".to_owned());
        let components = Components::of(to)?;
        let Entry { directory, name } = self.entry(&components, caller)?.ok_or_else(root)?;
        if !self.is_restorable(file) {
            return Err(Refusal::NotFound);
        }
        check_owner(self.inode(file)?, caller)?;
        let replaced = self.names(directory)?.get(name).copied();
        match replaced {
            Some(_) if no_replace => return Err(Refusal::AlreadyExists),
            Some(replaced) => {
                self.check_replaces(false, replaced)?;
                self.check_remove(directory, replaced, caller)?;
            }
            None => self.check_add(directory, caller)?,
        }
        let now = caller.clock_ns;
        self.take_from_trash(file, now);
        self.change_names(directory, now, |names| names.insert(name.into(), file));
        let trashed = replaced.and_then(|replaced| self.unlink(replaced, (directory, name), now));
        Ok((self.inode(file)?.info(file), trashed))
    }

    fn moved<'a>(
        &self,
        from: &Components<'a>,
        to: &Components<'a>,
        this: Option<FileId>,
        caller: &Caller,
    ) -> Result<Moved<'a>, Refusal> {
        let root = || Refusal::Invalid("the root cannot be renamed or replaced".to_owned());
        if from.names().is_empty() || to.names().is_empty() {
            return Err(root());
        }
        let from = self.entry(from, caller)?.ok_or_else(root)?;
        let file = *self.names(from.directory)?.get(from.name).ok_or(Refusal::NotFound)?;
        is_meant(file, this)?;
        let to = self.entry(to, caller)?.ok_or_else(root)?;
        Ok(Moved { file, is_directory: self.names(file).is_ok(), from, to })
    }

    /// May what is moved leave where it is, and is its new place not inside of it?
    fn check_moves(&self, moved: &Moved<'_>, caller: &Caller) -> Result<(), Refusal> {
        let Moved { file, is_directory, from, to } = moved;
        if *is_directory && self.is_within(to.directory, *file) {
            let why = "a directory cannot be moved into itself";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        self.check_remove(from.directory, *file, caller)?;
        if *is_directory && from.directory != to.directory {
            // Where it is, it holds itself.
            check(self.inode(*file)?, caller, WRITE)?;
        }
        Ok(())
    }

    /// Is a directory this one, or somewhere below it?
    fn is_within(&self, mut directory: FileId, top: FileId) -> bool {
        loop {
            if directory == top {
                return true;
            }
            match self.parent(directory) {
                Ok(parent) if parent != directory => directory = parent,
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// What is moved up or sideways cannot get longer than it was allowed to be.
    fn check_fits(
        &self,
        file: FileId,
        is_directory: bool,
        from: &Entry<'_>,
        to: &Entry<'_>,
    ) -> Result<(), Refusal> {
        let bytes = |entry: &Entry<'_>| self.path_bytes(entry.directory) + 1 + entry.name.len();
        let grows = from.directory != to.directory || to.name.len() > from.name.len();
        if !is_directory || !grows {
            return Ok(());
        }
        let bytes_to = bytes(to);
        if bytes_to > bytes(from) && !self.fits(file, bytes_to) {
            return Err(Refusal::NameTooLong);
        }
        Ok(())
    }

    fn check_replaces(&self, by_directory: bool, replaced: FileId) -> Result<(), Refusal> {
        match (by_directory, self.names(replaced)) {
            (false, Err(_)) => Ok(()),
            (false, Ok(_)) => Err(Refusal::IsADirectory),
            (true, Err(_)) => Err(Refusal::NotADirectory),
            (true, Ok(names)) if names.is_empty() => Ok(()),
            (true, Ok(_)) => Err(Refusal::DirectoryNotEmpty),
        }
    }

    fn perform(
        &mut self,
        moved: &Moved<'_>,
        replaced: Option<FileId>,
        caller: &Caller,
    ) -> Option<FileId> {
        let Moved { file, is_directory, from, to } = moved;
        let now = caller.clock_ns;
        self.change_names(from.directory, now, |names| names.remove(from.name));
        self.change_names(to.directory, now, |names| names.insert(to.name.into(), *file));
        self.get_mut(*file).attributes.touch_ctime(now);
        if *is_directory {
            self.get_mut(from.directory).attributes.links -= 1;
            self.get_mut(to.directory).attributes.links += u32::from(replaced.is_none());
            self.set_place(*file, to.directory, to.name);
        }
        replaced.and_then(|replaced| self.unlink(replaced, (to.directory, to.name), now))
    }
}
