//! The inode table: everything that has a name, by its identity, and which files are in the trash.

use super::layout::Layout;
use super::xattrs::Xattrs;
use crate::attributes::{Attributes, Nanoseconds};
use crate::ids::{ChunkHandle, FileId};
use crate::metadata::{FileInfo, FileKind, FileSpec, Special};
use crate::paged::PagedMap;
use crate::path::{Name, Path};
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;
use serde::{Deserialize, Serialize};

/// The names in a directory, in order.
pub type Names = PagedMap<Name, FileId>;

/// A file, a directory or a special file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inode {
    /// Mode, owner, links, times.
    pub(super) attributes: Attributes,
    /// Extended attributes; of most inodes there are none.
    pub(super) xattrs: Option<Box<Xattrs>>,
    /// What it is.
    pub(super) body: InodeBody,
}

/// What an inode holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum InodeBody {
    Directory {
        names: Names,
        /// The directory that it is in; of the root itself.
        parent: FileId,
        /// Its name there; of the root none.
        name: Name,
    },
    Special(Special),
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

    pub fn empty_directory(parent: FileId, name: &[u8]) -> Self {
        InodeBody::Directory { names: Names::new(), parent, name: name.into() }
    }
}

impl Inode {
    /// The layout of a file; none of anything else.
    #[must_use]
    pub fn layout(&self) -> Option<&Layout> {
        match &self.body {
            InodeBody::File { layout, .. } => Some(layout),
            InodeBody::Directory { .. } | InodeBody::Special(_) => None,
        }
    }

    /// Mode, owner, links, times.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Is it a directory?
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.body, InodeBody::Directory { .. })
    }

    /// Where a symbolic link leads to; none of anything else.
    pub(super) fn target(&self) -> Option<&[u8]> {
        match &self.body {
            InodeBody::Special(Special::Symlink(target)) => Some(target),
            InodeBody::Special(_) | InodeBody::Directory { .. } | InodeBody::File { .. } => None,
        }
    }

    /// What it looks like from outside. The reported length of a file is not in the log: none here.
    #[must_use]
    pub fn info(&self, file: FileId) -> FileInfo {
        let plain = |kind| FileInfo {
            file,
            kind,
            chunks: 0,
            epoch: 0,
            attributes: self.attributes,
            length_reported: None,
        };
        match &self.body {
            InodeBody::Directory { .. } => plain(FileKind::Directory),
            InodeBody::File { layout, .. } => FileInfo {
                chunks: layout.slots(),
                epoch: layout.epoch(),
                ..plain(FileKind::File(*layout.spec()))
            },
            InodeBody::Special(special) => match special {
                Special::Symlink(target) => FileInfo {
                    length_reported: Some(target.len() as u64),
                    ..plain(FileKind::Symlink)
                },
                Special::Fifo => plain(FileKind::Fifo),
                Special::Socket => plain(FileKind::Socket),
                Special::CharDevice(number) => plain(FileKind::CharDevice(*number)),
                Special::BlockDevice(number) => plain(FileKind::BlockDevice(*number)),
            },
        }
    }
}

/// What is known of a file in the trash beside its inode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trashed {
    /// Its last path.
    pub path: Path,
    /// An operator does not want it to be kept any longer.
    pub emptied: bool,
}

/// Everything that has, or had, a name. Invariant: as many names lead to an inode as it counts, one to a
/// directory but the root, and none to a file in the trash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InodeTable {
    /// The root is `ROOT`.
    inodes: PagedMap<FileId, Inode>,
    /// How many of them are directories, the root included.
    directories: u64,
    /// The files that are `trashed`.
    trash: BTreeMap<FileId, Trashed>,
}

impl InodeTable {
    /// The root directory.
    pub const ROOT: FileId = Path::ROOT;

    /// A root directory in which everybody may make something, as in `/tmp`.
    pub(super) fn new() -> Self {
        let attributes = Attributes { mode: 0o1777, links: 2, ..Attributes::default() };
        let body = InodeBody::empty_directory(Self::ROOT, &[]);
        let root = Inode { attributes, xattrs: None, body };
        let inodes = [(Self::ROOT, root)].into_iter().collect();
        InodeTable { inodes, directories: 1, trash: BTreeMap::new() }
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
        self.trash.keys().copied()
    }

    /// Files in the trash after this one, in order, with what is known of them.
    pub fn trash_after(&self, after: Option<FileId>) -> impl Iterator<Item = (FileId, &Trashed)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.trash.range((from, Bound::Unbounded)).map(|(file, trashed)| (*file, trashed))
    }

    /// True for a file in the trash that is to be reclaimed without delay.
    #[must_use]
    pub fn is_emptied(&self, file: FileId) -> bool {
        self.trash.get(&file).is_some_and(|trashed| trashed.emptied)
    }

    /// The trash is emptied of a file. False if it is not there, or that was so before.
    pub(super) fn empty_trash(&mut self, file: FileId) -> bool {
        let trashed = self.trash.get_mut(&file);
        trashed.is_some_and(|trashed| !core::mem::replace(&mut trashed.emptied, true))
    }

    /// Is it in the trash, and whole?
    pub(super) fn is_restorable(&self, file: FileId) -> bool {
        let body = self.inodes.get(&file).map(|inode| &inode.body);
        matches!(body, Some(InodeBody::File { trashed: true, reclaimed: false, .. }))
    }

    /// Takes a file out of the trash, to which a name is about to lead.
    pub(super) fn take_from_trash(&mut self, file: FileId, now: Nanoseconds) {
        let inode = self.inodes.get_mut(&file).expect("the caller looked");
        let InodeBody::File { trashed, .. } = &mut inode.body else {
            unreachable!("only files are in the trash")
        };
        let before = core::mem::replace(trashed, false);
        inode.attributes.links = 1;
        inode.attributes.touch_ctime(now);
        assert!(before && self.trash.remove(&file).is_some(), "it was in the trash");
    }

    /// True for a file in the trash.
    #[must_use]
    pub fn is_trashed(&self, file: FileId) -> bool {
        self.trash.contains_key(&file)
    }

    /// What is this file or directory, wherever it is? Error: `NotFound`.
    pub fn stat_file(&self, file: FileId) -> Result<FileInfo, Refusal> {
        let inode = self.inodes.get(&file).ok_or(Refusal::NotFound)?;
        match &inode.body {
            InodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            InodeBody::File { .. } | InodeBody::Directory { .. } | InodeBody::Special(_) => {
                Ok(inode.info(file))
            }
        }
    }

    /// The chunk of a slot of a file. Errors: `NotFound` (no such file or slot, or the file is
    /// being reclaimed), `IsADirectory`.
    pub fn chunk_at(&self, file: FileId, index: u64) -> Result<ChunkHandle, Refusal> {
        match &self.inodes.get(&file).ok_or(Refusal::NotFound)?.body {
            InodeBody::Directory { .. } => Err(Refusal::IsADirectory),
            InodeBody::Special(_) => Err(not_a_file()),
            InodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            InodeBody::File { layout, .. } => layout.chunk_at(index).ok_or(Refusal::NotFound),
        }
    }

    /// The layout of a file that is to change. A trashed file still changes, by handle, until its
    /// first chunk is freed. Errors: `NotFound`, `IsADirectory`.
    pub(super) fn layout_mut(
        &mut self,
        file: FileId,
        now: Nanoseconds,
    ) -> Result<&mut Layout, Refusal> {
        let inode = self.inodes.get_mut(&file).ok_or(Refusal::NotFound)?;
        match &mut inode.body {
            InodeBody::Directory { .. } => Err(Refusal::IsADirectory),
            InodeBody::Special(_) => Err(not_a_file()),
            InodeBody::File { reclaimed: true, .. } => Err(Refusal::NotFound),
            InodeBody::File { layout, .. } => {
                inode.attributes.touch_mtime(now);
                Ok(layout)
            }
        }
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
        if !self.trash.contains_key(&file) || !empty {
            return false;
        }
        self.forget_trashed(file);
        true
    }

    fn forget_trashed(&mut self, file: FileId) {
        let trashed = self.trash.remove(&file).is_some();
        let known = self.inodes.remove(&file).is_some();
        assert!(trashed && known, "only a file in the trash is forgotten");
    }

    /// Takes in an inode that a name is about to lead to.
    pub(super) fn insert(&mut self, file: FileId, inode: Inode) {
        self.directories += u64::from(inode.is_directory());
        self.inodes.insert(file, inode);
    }

    pub(super) fn get_mut(&mut self, file: FileId) -> &mut Inode {
        self.inodes.get_mut(&file).expect("looked at before")
    }

    /// A name in a directory that led to an inode is gone. With its last one a file goes to the trash,
    /// and anything else is no more. Gives the file that went to the trash.
    pub(super) fn unlink(
        &mut self,
        id: FileId,
        (directory, name): (FileId, &[u8]),
        now: Nanoseconds,
    ) -> Option<FileId> {
        let inode = self.get_mut(id);
        inode.attributes.touch_ctime(now);
        if !inode.is_directory() {
            inode.attributes.links -= 1;
            if inode.attributes.links > 0 {
                return None;
            }
        }
        let path = self.path(directory, name);
        let inode = self.get_mut(id);
        match &mut inode.body {
            InodeBody::File { trashed, .. } => {
                *trashed = true;
                let entry = Trashed { path, emptied: false };
                let before = self.trash.insert(id, entry);
                assert!(before.is_none(), "a file goes to the trash once");
                Some(id)
            }
            InodeBody::Special(_) => {
                self.inodes.remove(&id);
                None
            }
            InodeBody::Directory { names, .. } => {
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
            InodeBody::Directory { names, .. } => Ok(names),
            InodeBody::File { .. } | InodeBody::Special(_) => Err(Refusal::NotADirectory),
        }
    }

    /// A directory gets a name, or one less, at this time; a directory under that name, or no more
    /// under it, counts as a link.
    pub(super) fn change_names<T>(
        &mut self,
        directory: FileId,
        now: Nanoseconds,
        change: impl FnOnce(&mut Names) -> T,
    ) -> T {
        let inode = self.get_mut(directory);
        inode.attributes.touch_mtime(now);
        match &mut inode.body {
            InodeBody::Directory { names, .. } => change(names),
            InodeBody::File { .. } | InodeBody::Special(_) => {
                unreachable!("resolved as a directory before")
            }
        }
    }

    /// The directory that a directory is in. Errors: `NotFound`, `NotADirectory`.
    pub(super) fn parent(&self, directory: FileId) -> Result<FileId, Refusal> {
        match &self.inodes.get(&directory).ok_or(Refusal::NotFound)?.body {
            InodeBody::Directory { parent, .. } => Ok(*parent),
            InodeBody::File { .. } | InodeBody::Special(_) => Err(Refusal::NotADirectory),
        }
    }

    /// A directory is in another one, or has another name, from now on.
    pub(super) fn set_place(&mut self, directory: FileId, to: FileId, new: &[u8]) {
        match &mut self.get_mut(directory).body {
            InodeBody::Directory { parent, name, .. } => (*parent, *name) = (to, new.into()),
            InodeBody::File { .. } | InodeBody::Special(_) => unreachable!("it is a directory"),
        }
    }

    /// The directories on the way from one to the root, itself first and without the root, by name.
    pub(super) fn names_above(&self, directory: FileId) -> impl Iterator<Item = &Name> {
        let mut at = directory;
        core::iter::from_fn(move || match &self.inodes.get(&at)?.body {
            InodeBody::Directory { parent, name, .. } if at != Self::ROOT => {
                at = *parent;
                Some(name)
            }
            InodeBody::Directory { .. } | InodeBody::File { .. } | InodeBody::Special(_) => None,
        })
    }

    /// The path of a name in a directory, written out.
    fn path(&self, directory: FileId, name: &[u8]) -> Path {
        let mut names: Vec<&[u8]> = self.names_above(directory).map(Name::as_bytes).collect();
        names.reverse();
        names.push(name);
        let mut text = Vec::new();
        names.iter().for_each(|name| {
            text.push(b'/');
            text.extend_from_slice(name);
        });
        Path::from(text)
    }

    /// Checks the table against itself, and every identity against the allocator's `next`; calls
    /// `file` with the layout of every file and whether it is in the trash.
    pub(super) fn assert_invariants(&self, next: FileId, mut file: impl FnMut(&Layout, bool)) {
        let mut named: BTreeMap<FileId, u32> = BTreeMap::new();
        let mut directories = 0;
        for (id, inode) in &self.inodes {
            assert!(*id < next, "file ids come from the allocator");
            match &inode.body {
                InodeBody::Directory { names, .. } => {
                    directories += 1;
                    let below = names.values().filter(|below| self.inodes[below].is_directory());
                    let links =
                        2 + u32::try_from(below.count()).expect("links are counted in 32 bits");
                    assert_eq!(inode.attributes.links, links, "links of {id} are counted");
                    for (called, child) in names.iter() {
                        *named.entry(*child).or_default() += 1;
                        if let InodeBody::Directory { parent, name, .. } = &self.inodes[child].body
                        {
                            assert_eq!(
                                (parent, name),
                                (id, called),
                                "a directory knows where it is"
                            );
                        }
                    }
                }
                InodeBody::Special(_) => {}
                InodeBody::File { layout, trashed, reclaimed } => {
                    assert_eq!(*trashed, self.trash.contains_key(id), "the trash is indexed");
                    assert!(*trashed || !*reclaimed, "only trash is reclaimed");
                    file(layout, *trashed);
                }
            }
        }
        assert_eq!(directories, self.directories, "directories are counted");
        for (id, inode) in &self.inodes {
            let names = named.remove(id).unwrap_or(0);
            let links = match inode.is_directory() {
                true => u32::from(*id != Self::ROOT),
                false => inode.attributes.links,
            };
            assert_eq!(names, links, "the names of {id} are counted");
        }
        assert!(named.is_empty(), "a name leads to an inode");
    }
}

/// What takes only regular files met a special one.
fn not_a_file() -> Refusal {
    Refusal::Invalid("not a regular file".to_owned())
}
