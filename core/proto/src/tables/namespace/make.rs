//! Changes that add a name, and the one that removes one.

use super::{Entry, Last, check_spec, is_meant};
use crate::attributes::{Attributes, Caller, SET_GID};
use crate::ids::FileId;
use crate::metadata::{FileInfo, FileSpec, Special};
use crate::path::Path;
use crate::refusal::Refusal;
use crate::tables::allocator::Allocator;
use crate::tables::inode::{Inode, InodeBody, InodeTable};
use crate::tables::path::Components;
use alloc::borrow::ToOwned;

/// Names of one file at the most, as ext4 and more than most.
pub const LINKS_MAX: u32 = 65_000;
/// Bytes in the target of a symbolic link at the most, as Linux has it.
pub const TARGET_BYTES_MAX: usize = 4_095;

impl InodeTable {
    /// Makes an empty file.
    pub(in crate::tables) fn create(
        &mut self,
        ids: &mut Allocator,
        caller: &Caller,
        path: &Path,
        spec: FileSpec,
        mode: u16,
    ) -> Result<FileInfo, Refusal> {
        check_spec(&spec)?;
        self.make(ids, caller, path, mode, |_, _| InodeBody::empty_file(spec))
    }

    /// Makes an empty directory.
    pub(in crate::tables) fn mkdir(
        &mut self,
        ids: &mut Allocator,
        caller: &Caller,
        path: &Path,
        mode: u16,
    ) -> Result<FileInfo, Refusal> {
        self.make(ids, caller, path, mode, InodeBody::empty_directory)
    }

    /// Makes a symbolic link, pipe, socket or device.
    pub(in crate::tables) fn make_special(
        &mut self,
        ids: &mut Allocator,
        caller: &Caller,
        path: &Path,
        what: &Special,
        mode: u16,
    ) -> Result<FileInfo, Refusal> {
        match what {
            Special::Symlink(target) if target.is_empty() => return Err(Refusal::NotFound),
            Special::Symlink(target) if target.len() > TARGET_BYTES_MAX => {
                return Err(Refusal::NameTooLong);
            }
            Special::Symlink(target) if target.contains(&0) => {
                return Err(Refusal::Invalid("a path has no NUL".to_owned()));
            }
            Special::CharDevice(_) | Special::BlockDevice(_) if caller.uid != 0 => {
                return Err(Refusal::NotPermitted);
            }
            Special::Symlink(_)
            | Special::Fifo
            | Special::Socket
            | Special::CharDevice(_)
            | Special::BlockDevice(_) => {}
        }
        let mode = if matches!(what, Special::Symlink(_)) { 0o777 } else { mode };
        self.make(ids, caller, path, mode, |_, _| InodeBody::Special(what.clone()))
    }

    fn make(
        &mut self,
        ids: &mut Allocator,
        caller: &Caller,
        path: &Path,
        mode: u16,
        body: impl FnOnce(FileId, &[u8]) -> InodeBody,
    ) -> Result<FileInfo, Refusal> {
        let components = Components::of(path)?;
        let entry = self.entry(&components, caller)?.ok_or(Refusal::AlreadyExists)?;
        self.check_free(&entry, caller)?;
        let file = ids.file()?;
        let Entry { directory, name } = entry;
        let body = body(directory, name);
        let is_directory = matches!(body, InodeBody::Directory { .. });
        let links = if is_directory { 2 } else { 1 };
        let mut attributes = Attributes::new(caller, mode, links);
        self.inherit(directory, caller, is_directory, &mut attributes);
        let inode = Inode { attributes, xattrs: None, body };
        let info = inode.info(file);
        self.insert(file, inode);
        self.change_names(directory, caller.clock_ns, |names| names.insert(name.into(), file));
        self.get_mut(directory).attributes.links += u32::from(is_directory);
        Ok(info)
    }

    /// What is made in a set-group-id directory gets its group, and a directory that bit too.
    fn inherit(
        &self,
        directory: FileId,
        caller: &Caller,
        is_directory: bool,
        attributes: &mut Attributes,
    ) {
        let above = self.get(directory).map(|inode| inode.attributes).unwrap_or_default();
        if above.mode & SET_GID == 0 {
            return;
        }
        attributes.gid = above.gid;
        if is_directory {
            attributes.mode |= SET_GID;
        } else if caller.uid != 0 && !caller.is_in(above.gid) && attributes.mode & 0o010 != 0 {
            attributes.mode &= !SET_GID;
        }
    }

    /// May the caller add this name, and is it free?
    fn check_free(&self, entry: &Entry<'_>, caller: &Caller) -> Result<(), Refusal> {
        if self.names(entry.directory)?.contains_key(entry.name) {
            return Err(Refusal::AlreadyExists);
        }
        self.check_add(entry.directory, caller)
    }

    /// A file gets one more name. Gives what it is then.
    pub(in crate::tables) fn link(
        &mut self,
        caller: &Caller,
        from: &Path,
        to: &Path,
    ) -> Result<FileInfo, Refusal> {
        let file = self.find(from, caller, Last::Itself)?;
        let components = Components::of(to)?;
        let entry = self.entry(&components, caller)?.ok_or(Refusal::AlreadyExists)?;
        self.check_free(&entry, caller)?;
        let inode = self.inode(file)?;
        if inode.is_directory() {
            return Err(Refusal::NotPermitted);
        }
        if self.is_trashed(file) {
            return Err(Refusal::NotFound);
        }
        if inode.attributes.links >= LINKS_MAX {
            return Err(Refusal::TooManyLinks);
        }
        let inode = self.get_mut(file);
        inode.attributes.links += 1;
        inode.attributes.touch_ctime(caller.clock_ns);
        let info = inode.info(file);
        let Entry { directory, name } = entry;
        self.change_names(directory, caller.clock_ns, |names| names.insert(name.into(), file));
        Ok(info)
    }

    /// Removes a name. Gives the file that went to the trash with it.
    pub(in crate::tables) fn delete(
        &mut self,
        caller: &Caller,
        path: &Path,
        this: Option<FileId>,
    ) -> Result<Option<FileId>, Refusal> {
        let components = Components::of(path)?;
        let root = || Refusal::Invalid("the root cannot be deleted".to_owned());
        let Entry { directory, name } = self.entry(&components, caller)?.ok_or_else(root)?;
        let file = *self.names(directory)?.get(name).ok_or(Refusal::NotFound)?;
        is_meant(file, this)?;
        self.check_remove(directory, file, caller)?;
        let names = self.names(file);
        let is_directory = names.is_ok();
        if names.is_ok_and(|names| !names.is_empty()) {
            return Err(Refusal::DirectoryNotEmpty);
        }
        self.change_names(directory, caller.clock_ns, |names| names.remove(name));
        self.get_mut(directory).attributes.links -= u32::from(is_directory);
        Ok(self.unlink(file, (directory, name), caller.clock_ns))
    }
}
