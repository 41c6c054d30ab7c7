//! The namespace: paths over the inode table, with the errors that POSIX gives them. A change checks
//! everything first and changes something only when nothing can fail any more.

use super::inode::{Inode, InodeTable, Names};
use super::path::{Components, components_of_target};
use super::permission::{READ, check};
use crate::attributes::Caller;
use crate::file::CHUNK_BYTES_MAX;
use crate::ids::FileId;
use crate::metadata::{FileInfo, FileSpec};
use crate::path::{NAME_BYTES_MAX, Name, PATH_BYTES_MAX, Path};
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Bound;

mod make;
mod rename;
mod set;

/// Replicas of a chunk at the most.
pub const REPLICAS_MAX: u8 = 16;
/// Symbolic links that are followed on the way of one path, as Linux's `MAXSYMLINKS`.
const FOLLOWED_MAX: u32 = 40;

/// Is a symbolic link followed that is the last component?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Followed,
    Itself,
}

/// Where a name is, or may come to be.
struct Entry<'a> {
    directory: FileId,
    name: &'a [u8],
}

impl InodeTable {
    /// What is at a path? A symbolic link is shown itself. Errors: `Invalid`, `NameTooLong`,
    /// `NotFound`, `NotADirectory`, `PermissionDenied`, `SymlinkLoop`.
    pub fn stat(&self, path: &Path, caller: &Caller) -> Result<FileInfo, Refusal> {
        let file = self.find(path, caller, Last::Itself)?;
        Ok(self.inode(file)?.info(file))
    }

    /// What does a path lead to? Errors: as [`InodeTable::stat`].
    pub fn resolve(&self, path: &Path, caller: &Caller) -> Result<FileInfo, Refusal> {
        let file = self.find(path, caller, Last::Followed)?;
        Ok(self.inode(file)?.info(file))
    }

    /// Where does a symbolic link lead to? Errors: as [`InodeTable::stat`], and `Invalid` of what is none.
    pub fn read_link(&self, path: &Path, caller: &Caller) -> Result<Box<[u8]>, Refusal> {
        let file = self.find(path, caller, Last::Itself)?;
        let target = self.inode(file)?.target();
        target.map(Box::from).ok_or_else(|| Refusal::Invalid("not a symbolic link".to_owned()))
    }

    /// The value of an extended attribute. Errors: as [`InodeTable::stat`], `NoAttribute`,
    /// `NotSupported`.
    pub fn xattr(&self, path: &Path, caller: &Caller, name: &Name) -> Result<Box<[u8]>, Refusal> {
        let file = self.find(path, caller, Last::Itself)?;
        self.inode(file)?.xattr(caller, name).map(Box::from)
    }

    /// The names of extended attributes. Errors: as [`InodeTable::stat`].
    pub fn xattrs(&self, path: &Path, caller: &Caller) -> Result<Vec<Name>, Refusal> {
        let file = self.find(path, caller, Last::Itself)?;
        Ok(self.inode(file)?.xattrs(caller))
    }

    /// At most `limit` names of a directory after `after`, in order, and whether there are more.
    /// Errors: as [`InodeTable::stat`].
    pub fn list(
        &self,
        path: &Path,
        caller: &Caller,
        after: Option<&Name>,
        limit: usize,
    ) -> Result<(Vec<(Name, FileInfo)>, bool), Refusal> {
        let directory = self.find(path, caller, Last::Followed)?;
        let names = self.names(directory)?;
        check(self.inode(directory)?, caller, READ)?;
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes()));
        let mut rest = names.range_from::<[u8]>(from);
        let entries = rest.by_ref().take(limit).map(|(name, id)| {
            let inode = self.get(*id).expect("a name leads to an inode");
            (name.clone(), inode.info(*id))
        });
        let entries = entries.collect();
        Ok((entries, rest.next().is_some()))
    }

    fn inode(&self, file: FileId) -> Result<&Inode, Refusal> {
        self.get(file).ok_or(Refusal::NotFound)
    }

    /// Follows a path.
    fn find(&self, path: &Path, caller: &Caller, last: Last) -> Result<FileId, Refusal> {
        let components = Components::of(path)?;
        self.walk(components.at, components.names(), caller, last)
    }

    /// The directory of a path's last component, which need not exist; none for a path without one.
    fn entry<'a>(
        &self,
        components: &Components<'a>,
        caller: &Caller,
    ) -> Result<Option<Entry<'a>>, Refusal> {
        let Some((parents, name)) = components.split() else { return Ok(None) };
        let directory = self.walk(components.at, parents, caller, Last::Followed)?;
        self.names(directory)?;
        self.check_search(directory, caller)?;
        Ok(Some(Entry { directory, name }))
    }

    fn walk(
        &self,
        from: FileId,
        names: &[&[u8]],
        caller: &Caller,
        last: Last,
    ) -> Result<FileId, Refusal> {
        self.follow(from, names, caller, last, &mut 0)
    }

    fn follow(
        &self,
        from: FileId,
        names: &[&[u8]],
        caller: &Caller,
        last: Last,
        followed: &mut u32,
    ) -> Result<FileId, Refusal> {
        let mut at = from;
        for (place, name) in names.iter().enumerate() {
            let next = self.step(at, name, caller)?;
            let is_last = place + 1 == names.len();
            let target = self.inode(next)?.target();
            let target = target.filter(|_| !is_last || last == Last::Followed);
            let Some(target) = target else {
                at = next;
                continue;
            };
            *followed += 1;
            if *followed > FOLLOWED_MAX {
                return Err(Refusal::SymlinkLoop);
            }
            let (absolute, names) = components_of_target(target);
            let from = if absolute { Self::ROOT } else { at };
            at = self.follow(from, &names, caller, Last::Followed, followed)?;
        }
        Ok(at)
    }

    fn step(&self, at: FileId, name: &[u8], caller: &Caller) -> Result<FileId, Refusal> {
        let names = self.names(at)?;
        if name.is_empty() {
            return Ok(at);
        }
        self.check_search(at, caller)?;
        match name {
            b"." => Ok(at),
            b".." => self.parent(at),
            _ if name.len() > NAME_BYTES_MAX => Err(Refusal::NameTooLong),
            _ => names.get(name).copied().ok_or(Refusal::NotFound),
        }
    }

    /// Would every path below this have at most [`PATH_BYTES_MAX`] bytes, were its own so long?
    fn fits(&self, top: FileId, bytes: usize) -> bool {
        let mut left = alloc::vec![(top, bytes)];
        while let Some((file, bytes)) = left.pop() {
            if bytes > PATH_BYTES_MAX {
                return false;
            }
            let names = self.names(file).into_iter().flat_map(Names::iter);
            left.extend(names.map(|(name, below)| (*below, bytes + 1 + name.as_bytes().len())));
        }
        true
    }

    /// How long the path of a directory is, written out; zero for the root.
    fn path_bytes(&self, directory: FileId) -> usize {
        self.names_above(directory).map(|name| 1 + name.as_bytes().len()).sum()
    }
}

/// Is what was found at a path what the client looked at?
fn is_meant(found: FileId, this: Option<FileId>) -> Result<(), Refusal> {
    match this {
        Some(this) if this != found => Err(Refusal::NotFound),
        Some(_) | None => Ok(()),
    }
}

/// A chunk's size need not be a multiple of anything: its last block may be short.
fn check_spec(spec: &FileSpec) -> Result<(), Refusal> {
    let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
    if spec.replicas == 0 || spec.replicas > REPLICAS_MAX {
        return invalid("a file has between 1 and 16 replicas");
    }
    if spec.chunk_bytes == 0 || spec.chunk_bytes > CHUNK_BYTES_MAX {
        return invalid("a chunk has between 1 byte and 1 TiB");
    }
    Ok(())
}
