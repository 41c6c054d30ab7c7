//! The inode table: files and directories by their identity, and which of them are in the trash.

use super::layout::Layout;
use crate::ids::{ChunkHandle, FileId, GroupId};
use crate::metadata::{FileInfo, FileKind, FileSpec};
use crate::paged::PagedMap;
use crate::refusal::Refusal;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use serde::{Deserialize, Serialize};

/// The names in a directory, in order.
pub type Names = PagedMap<Box<str>, FileId>;

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inode {
    /// Milliseconds since 1970, from a client.
    pub(super) mtime_ms: u64,
    /// What it is.
    pub(super) body: InodeBody,
}

/// What an inode holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum InodeBody {
    Directory(Names),
    File {
        layout: Layout,
        /// In the trash: no name leads to it.
        trashed: bool,
        /// A chunk of it was freed: handles of this file get `NotFound`.
        reclaimed: bool,
    },
}

impl InodeBody {
    pub fn empty_file(spec: FileSpec) -> Self {
        InodeBody::File { layout: Layout::new(spec), trashed: false, reclaimed: false }
    }

    pub fn empty_directory() -> Self {
        InodeBody::Directory(Names::new())
    }
}

impl Inode {
    /// The layout of a file; none of a directory.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        match &self.body {
            InodeBody::File { layout, .. } => Some(layout),
            InodeBody::Directory(_) => None,
        }
    }

    /// What it looks like from outside. The reported length is not in the log: none here.
    #[must_use]
    pub fn info(&self, file: FileId) -> FileInfo {
        let (kind, chunks, removed) = match &self.body {
            InodeBody::Directory(_) => (FileKind::Directory, 0, false),
            InodeBody::File { layout, trashed, .. } => {
                (FileKind::File(*layout.spec()), layout.slots(), *trashed)
            }
        };
        FileInfo { file, kind, chunks, mtime_ms: self.mtime_ms, length_reported: None, removed }
    }
}

/// Files and directories. Invariant: one name leads to each inode but the root, and none to a file
/// in the trash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InodeTable {
    /// The root is `ROOT`.
    inodes: PagedMap<FileId, Inode>,
    /// How many of them are directories, the root included.
    directories: u64,
    /// The files that are `trashed`.
    trash: BTreeSet<FileId>,
}

impl InodeTable {
    /// The root directory.
    pub const ROOT: FileId = FileId::root(GroupId::FIRST);

    /// A root directory.
    pub(super) fn new() -> Self {
        let root = Inode { mtime_ms: 0, body: InodeBody::empty_directory() };
        let inodes = [(Self::ROOT, root)].into_iter().collect();
        InodeTable { inodes, directories: 1, trash: BTreeSet::new() }
    }

    /// A file or directory, also in the trash.
    #[must_use]
    pub fn get(&self, file: FileId) -> Option<&Inode> {
        self.inodes.get(&file)
    }

    /// How a file is cut and into what; none of a directory.
    #[must_use]
    pub fn layout(&self, file: FileId) -> Option<&Layout> {
        self.inodes.get(&file)?.layout()
    }

    /// How many there are, those in the trash included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Never: the root is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inodes.is_empty()
    }

    /// How many directories there are, the root included.
    #[must_use]
    pub fn directories(&self) -> u64 {
        self.directories
    }

    /// The files in the trash, in order.
    pub fn trash(&self) -> impl ExactSizeIterator<Item = FileId> {
        self.trash.iter().copied()
    }

    /// True for a file in the trash.
    #[must_use]
    pub fn is_trashed(&self, file: FileId) -> bool {
        self.trash.contains(&file)
    }

    /// What is this file or directory, wherever it is? Error: `NotFound`.
    pub fn stat_file(&self, file: FileId) -> Result<FileInfo, Refusal> {
        let inode = self.inodes.get(&file).ok_or(Refusal::NotFound)?;
        match &inode.body {
            InodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            InodeBody::File { .. } | InodeBody::Directory(_) => Ok(inode.info(file)),
        }
    }

    /// The chunk of a slot of a file. Errors: `NotFound` (no such file or slot, or the file is
    /// being reclaimed), `IsADirectory`.
    pub fn chunk_at(&self, file: FileId, index: u64) -> Result<ChunkHandle, Refusal> {
        match &self.inodes.get(&file).ok_or(Refusal::NotFound)?.body {
            InodeBody::Directory(_) => Err(Refusal::IsADirectory),
            InodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            InodeBody::File { layout, .. } => layout.chunk_at(index).ok_or(Refusal::NotFound),
        }
    }

    /// The chunk of a slot of a file; none where the next one goes. A trashed file still grows,
    /// by handle, until its first chunk is freed.
    pub(super) fn slot(&self, file: FileId, index: u64) -> Result<Option<ChunkHandle>, Refusal> {
        match &self.inodes.get(&file).ok_or(Refusal::NotFound)?.body {
            InodeBody::Directory(_) => Err(Refusal::IsADirectory),
            InodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            InodeBody::File { layout, .. } => layout.slot(index),
        }
    }

    /// A file gets its next chunk. Gives its layout.
    pub(super) fn grow(&mut self, file: FileId, chunk: ChunkHandle, mtime_ms: u64) -> &Layout {
        let inode = self.inodes.get_mut(&file).expect("looked at before");
        let InodeBody::File { layout, .. } = &mut inode.body else {
            unreachable!("a directory has no chunks")
        };
        layout.push(chunk);
        // Clients' clocks differ: a file's time never goes back.
        inode.mtime_ms = inode.mtime_ms.max(mtime_ms);
        layout
    }

    /// A chunk of a file in the trash is freed; the file goes with its last one.
    /// True if it went.
    pub(super) fn shrink(&mut self, file: FileId, chunk: ChunkHandle) -> bool {
        let inode = self.inodes.get_mut(&file).expect("a chunk's file is there");
        let InodeBody::File { layout, reclaimed, .. } = &mut inode.body else {
            unreachable!("a chunk belongs to a file")
        };
        *reclaimed = true;
        layout.remove(chunk);
        let last = layout.refs().is_empty();
        if last {
            self.forget_trashed(file);
        }
        last
    }

    /// A file in the trash goes, if it has no chunks. False if it is not one.
    pub(super) fn purge(&mut self, file: FileId) -> bool {
        let empty = self.layout(file).is_none_or(|layout| layout.refs().is_empty());
        if !self.trash.contains(&file) || !empty {
            return false;
        }
        self.forget_trashed(file);
        true
    }

    fn forget_trashed(&mut self, file: FileId) {
        let trashed = self.trash.remove(&file);
        let known = self.inodes.remove(&file).is_some();
        assert!(trashed && known, "only a file in the trash is forgotten");
    }

    /// Takes in an inode that a name is about to lead to.
    pub(super) fn insert(&mut self, file: FileId, inode: Inode) {
        self.directories += u64::from(matches!(inode.body, InodeBody::Directory(_)));
        self.inodes.insert(file, inode);
    }

    /// Ends an inode that no name leads to: a file goes to the trash, an empty directory goes.
    /// Gives the file.
    pub(super) fn discard(&mut self, id: FileId) -> Option<FileId> {
        let inode = self.inodes.get_mut(&id).expect("a name leads to an inode");
        match &mut inode.body {
            InodeBody::File { trashed, .. } => {
                *trashed = true;
                assert!(self.trash.insert(id), "a file goes to the trash once");
                Some(id)
            }
            InodeBody::Directory(names) => {
                assert!(names.is_empty(), "only an empty directory goes");
                self.inodes.remove(&id);
                self.directories -= 1;
                None
            }
        }
    }

    /// The names in a directory. Errors: `NotFound`, `NotADirectory`.
    pub(super) fn names(&self, directory: FileId) -> Result<&Names, Refusal> {
        match &self.inodes.get(&directory).ok_or(Refusal::NotFound)?.body {
            InodeBody::Directory(names) => Ok(names),
            InodeBody::File { .. } => Err(Refusal::NotADirectory),
        }
    }

    pub(super) fn names_mut(&mut self, directory: FileId) -> &mut Names {
        let inode = self.inodes.get_mut(&directory).expect("resolved before");
        match &mut inode.body {
            InodeBody::Directory(names) => names,
            InodeBody::File { .. } => unreachable!("resolved as a directory before"),
        }
    }

    /// Checks the table against itself, and every identity against the allocator's `next`; calls
    /// `file` with the layout of every file and whether it is in the trash.
    pub(super) fn assert_invariants(&self, next: FileId, mut file: impl FnMut(&Layout, bool)) {
        let mut named = BTreeSet::from([Self::ROOT]);
        let mut directories = 0;
        for (id, inode) in &self.inodes {
            assert!(*id < next, "file ids come from the allocator");
            match &inode.body {
                InodeBody::Directory(names) => {
                    directories += 1;
                    for child in names.values() {
                        assert!(self.inodes.contains_key(child), "a name leads to an inode");
                        assert!(named.insert(*child), "an inode has one name");
                    }
                }
                InodeBody::File { layout, trashed, reclaimed } => {
                    assert_eq!(*trashed, self.trash.contains(id), "the trash is indexed");
                    assert!(*trashed || !*reclaimed, "only trash is reclaimed");
                    file(layout, *trashed);
                }
            }
        }
        assert_eq!(directories, self.directories, "directories are counted");
        assert_eq!(named.len() + self.trash.len(), self.inodes.len(), "every inode has a name");
        assert!(self.trash.is_disjoint(&named), "no name leads into the trash");
    }
}
