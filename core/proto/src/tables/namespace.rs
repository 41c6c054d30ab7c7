//! The namespace: paths over the inode table, with the errors that POSIX gives them. A change checks
//! everything first and changes something only when nothing can fail any more.

use super::allocator::Allocator;
use super::inode::{Inode, InodeBody, InodeTable, Names};
use super::path::{PATH_BYTES_MAX, Path};
use crate::file::CHUNK_BYTES_MAX;
use crate::ids::FileId;
use crate::metadata::{FileInfo, FileSpec};
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

/// Replicas of a chunk at the most.
pub const REPLICAS_MAX: u8 = 16;

impl InodeTable {
    /// What is at a path? Errors: `Invalid`, `NotFound`, `NotADirectory`.
    pub fn stat(&self, path: &str) -> Result<FileInfo, Refusal> {
        let file = self.resolve(&Path::parse(path)?)?;
        Ok(self.get(file).expect("a name leads to an inode").info(file))
    }

    /// At most `limit` names of a directory after `after`, in order, and whether there are more.
    /// Errors: `Invalid`, `NotFound`, `NotADirectory`.
    pub fn list(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(String, FileInfo)>, bool), Refusal> {
        let names = self.names(self.resolve(&Path::parse(path)?)?)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = names.range_from::<str>(from);
        let entries = rest.by_ref().take(limit).map(|(name, id)| {
            let inode = self.get(*id).expect("a name leads to an inode");
            (String::from(&**name), inode.info(*id))
        });
        let entries = entries.collect();
        Ok((entries, rest.next().is_some()))
    }

    /// Makes an empty file.
    pub(super) fn create(
        &mut self,
        ids: &mut Allocator,
        path: &str,
        spec: FileSpec,
        mtime_ms: u64,
    ) -> Result<FileInfo, Refusal> {
        check_spec(&spec)?;
        self.make(ids, path, Inode { mtime_ms, body: InodeBody::empty_file(spec) })
    }

    /// Makes an empty directory.
    pub(super) fn mkdir(
        &mut self,
        ids: &mut Allocator,
        path: &str,
        mtime_ms: u64,
    ) -> Result<FileInfo, Refusal> {
        self.make(ids, path, Inode { mtime_ms, body: InodeBody::empty_directory() })
    }

    fn make(&mut self, ids: &mut Allocator, path: &str, inode: Inode) -> Result<FileInfo, Refusal> {
        let path = Path::parse(path)?;
        let (parent, name) = path.split().ok_or(Refusal::AlreadyExists)?;
        let parent = self.walk(parent)?;
        if self.names(parent)?.contains_key(name) {
            return Err(Refusal::AlreadyExists);
        }
        let file = ids.file()?;
        let info = inode.info(file);
        self.insert(file, inode);
        self.names_mut(parent).insert(name.into(), file);
        Ok(info)
    }

    /// As POSIX `rename`, under the conditions of [`MetadataChange::Rename`]; gives the file that went
    /// to the trash.
    ///
    /// [`MetadataChange::Rename`]: crate::metadata::MetadataChange::Rename
    pub(super) fn rename(
        &mut self,
        from: &str,
        to: &str,
        this: Option<FileId>,
        no_replace: bool,
    ) -> Result<Option<FileId>, Refusal> {
        let (from, to) = (Path::parse(from)?, Path::parse(to)?);
        let root = || Refusal::Invalid("the root cannot be renamed or replaced".to_owned());
        let (from_parent, from_name) = from.split().ok_or_else(root)?;
        let (to_parent, to_name) = to.split().ok_or_else(root)?;
        let file = self.resolve(&from)?;
        is_meant(file, this)?;
        if from == to {
            return if no_replace { Err(Refusal::AlreadyExists) } else { Ok(None) };
        }
        let is_directory = self.names(file).is_ok();
        if is_directory && from.is_above(&to) {
            let why = "a directory cannot be moved into itself";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        let from_parent = self.walk(from_parent)?;
        let to_parent = self.walk(to_parent)?;
        let replaced = self.names(to_parent)?.get(to_name).copied();
        if let Some(replaced) = replaced {
            if no_replace {
                return Err(Refusal::AlreadyExists);
            }
            self.check_replaces(is_directory, replaced)?;
        }
        // What is moved up or sideways cannot get longer than it was allowed to be.
        if to.bytes() > from.bytes() && !self.fits(file, to.bytes()) {
            let why = "a path below it would have more than 4096 bytes";
            return Err(Refusal::Invalid(why.to_owned()));
        }
        self.names_mut(from_parent).remove(from_name);
        self.names_mut(to_parent).insert(to_name.into(), file);
        Ok(replaced.and_then(|replaced| self.discard(replaced)))
    }

    /// Would every path below this have at most [`PATH_BYTES_MAX`] bytes, were its own so long?
    fn fits(&self, top: FileId, bytes: usize) -> bool {
        let mut left = alloc::vec![(top, bytes)];
        while let Some((file, bytes)) = left.pop() {
            if bytes > PATH_BYTES_MAX {
                return false;
            }
            let names = self.names(file).into_iter().flat_map(Names::iter);
            left.extend(names.map(|(name, below)| (*below, bytes + 1 + name.len())));
        }
        true
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

    /// Gives the file that went to the trash; none for a directory.
    pub(super) fn delete(
        &mut self,
        path: &str,
        this: Option<FileId>,
    ) -> Result<Option<FileId>, Refusal> {
        let path = Path::parse(path)?;
        let root = || Refusal::Invalid("the root cannot be deleted".to_owned());
        let (parent, name) = path.split().ok_or_else(root)?;
        let parent = self.walk(parent)?;
        let file = *self.names(parent)?.get(name).ok_or(Refusal::NotFound)?;
        is_meant(file, this)?;
        if self.names(file).is_ok_and(|names| !names.is_empty()) {
            return Err(Refusal::DirectoryNotEmpty);
        }
        self.names_mut(parent).remove(name);
        Ok(self.discard(file))
    }

    /// Follows a path from the root.
    fn resolve(&self, path: &Path<'_>) -> Result<FileId, Refusal> {
        self.walk(path.components())
    }

    fn walk(&self, components: &[&str]) -> Result<FileId, Refusal> {
        let mut at = Self::ROOT;
        for component in components {
            at = *self.names(at)?.get(*component).ok_or(Refusal::NotFound)?;
        }
        Ok(at)
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
