//! Names that come and go: open with O_CREAT and O_EXCL, mkdir, symlink, mknod, link, unlink, rmdir.

use super::paths::{Entry, Last, SEARCH, WRITE, kind_of};
use super::state::{Node, Times, is_in};
use super::why::{Errno, Why};
use super::{Done, Ino, Posix, PosixOp, ROOT};
use leasehold_proto::metadata::{FileKind, FileSpec, MetadataAnswer, MetadataChange, Special};
use leasehold_proto::{Caller, FileId, Path};
use std::sync::Arc;

/// Names of a file at the most: issue 17.
const LINKS_MAX: u32 = 65_000;
/// Bytes in a symbolic link: `PATH_MAX` without the NUL.
const TARGET_BYTES_MAX: usize = 4_095;
const REPLICAS_MAX: u8 = 16;
const CHUNK_BYTES_MAX: u64 = 1 << 40;

pub(super) const SET_UID: u16 = 0o4000;
pub(super) const SET_GID: u16 = 0o2000;
pub(super) const STICKY: u16 = 0o1000;
pub(super) const ALL_BITS: u16 = 0o7777;

/// What is to be made.
struct Made<'a> {
    path: &'a Path,
    kind: FileKind,
    target: Option<Arc<[u8]>>,
    mode: u16,
}

/// The request, and what is wrong with it by itself.
fn wanted<'a>(change: &'a MetadataChange, caller: &Caller, why: &mut Why) -> Made<'a> {
    match change {
        MetadataChange::Create { path, spec, mode } => {
            why.must_if(!is_sound(spec), Errno::Invalid);
            Made { path, kind: FileKind::File(*spec), target: None, mode: *mode }
        }
        MetadataChange::Mkdir { path, mode } => {
            Made { path, kind: FileKind::Directory, target: None, mode: *mode }
        }
        MetadataChange::MakeSpecial { path, what, mode } => {
            let is_device = matches!(what, Special::CharDevice(_) | Special::BlockDevice(_));
            why.must_if(is_device && caller.uid != 0, Errno::Permission);
            let Special::Symlink(target) = what else {
                return Made { path, kind: kind_of(what), target: None, mode: *mode };
            };
            why.must_if(target.is_empty(), Errno::NotFound);
            why.must_if(target.len() > TARGET_BYTES_MAX, Errno::TooLong);
            why.must_if(target.contains(&0), Errno::Invalid);
            let target = Some(Arc::from(&**target));
            // XSH symlink leaves the mode open; Linux shows all permissions.
            Made { path, kind: FileKind::Symlink, target, mode: 0o777 }
        }
        other => unreachable!("makes nothing: {other:?}"),
    }
}

fn is_sound(spec: &FileSpec) -> bool {
    let replicas = (1..=REPLICAS_MAX).contains(&spec.replicas);
    replicas && (1..=CHUNK_BYTES_MAX).contains(&spec.chunk_bytes)
}

impl Posix {
    pub(super) fn make(
        &mut self,
        change: &MetadataChange,
        op: &PosixOp,
        answer: Option<&MetadataAnswer>,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let made = wanted(change, &op.caller, &mut why);
        let entry = self.free_entry(made.path, &op.caller, &mut why);
        let why = why.check()?;
        let Entry { directory, name, .. } = entry.ok_or(why)?;
        let file = match answer {
            Some(MetadataAnswer::File(info)) => Some(info.file),
            _ => None,
        };
        // An identity is not given twice.
        if file.is_some_and(|file| self.bound(file).is_some()) {
            return Err(Why::default());
        }
        let node = self.new_node(&made, directory, file, &op.caller);
        let is_directory = node.is_directory();
        self.set_node(op.place, Some(node));
        if let Some(file) = file {
            self.name_inode(file, op.place);
        }
        self.set_entry(directory, name, Some(op.place));
        self.names_changed(directory, &op.caller, i32::from(is_directory));
        Done::shows(op.place, why)
    }

    /// A new file belongs to the caller; its group is the directory's if that has the set-group-ID bit, which
    /// a new directory has then too (mkdir(2), inode(7)). A set-group-ID file of a group that the caller is
    /// not in, executable by it, is not made (Linux, CVE-2018-13405).
    fn new_node(
        &self,
        made: &Made<'_>,
        directory: Ino,
        file: Option<FileId>,
        caller: &Caller,
    ) -> Node {
        let above = self.known(directory);
        let is_directory = made.kind == FileKind::Directory;
        let (mut mode, mut gid) = (made.mode & ALL_BITS, caller.gid);
        if above.mode & SET_GID != 0 {
            gid = above.gid;
            let foreign = caller.uid != 0 && !is_in(caller, gid);
            if is_directory {
                mode |= SET_GID;
            } else if foreign && mode & 0o010 != 0 {
                mode &= !SET_GID;
            }
        }
        let now = caller.clock_ns;
        Node {
            kind: made.kind,
            target: made.target.clone(),
            parent: if is_directory { directory } else { ROOT },
            file,
            mode,
            uid: caller.uid,
            gid,
            links: if is_directory { 2 } else { 1 },
            times: Times { atime: now, mtime: now, ctime: now, birth: now },
        }
    }

    /// A name that the caller may add. With reasons, if it may not.
    fn free_entry<'a>(&self, path: &'a Path, caller: &Caller, why: &mut Why) -> Option<Entry<'a>> {
        let entry = self.find_entry(path, caller, Errno::Exists, why)?;
        why.must_if(entry.found.is_some(), Errno::Exists);
        self.check_change(entry.directory, caller, why);
        Some(entry)
    }

    /// May the caller change the names in this directory?
    pub(super) fn check_change(&self, directory: Ino, caller: &Caller, why: &mut Why) {
        let may = self.known(directory).allows(caller, WRITE | SEARCH);
        why.must_if(!may, Errno::Access);
    }

    /// May the caller take this name away? In a directory with the sticky bit only the owner of one of the
    /// two may (XBD 4.3): the error is EPERM or EACCES.
    pub(super) fn check_removal(&self, directory: Ino, ino: Ino, caller: &Caller, why: &mut Why) {
        self.check_change(directory, caller, why);
        let (above, below) = (self.known(directory), self.known(ino));
        let is_owner = above.is_owned_by(caller) || below.is_owned_by(caller);
        if above.mode & STICKY != 0 && !is_owner {
            why.must(Errno::Permission);
            why.may(Errno::Access);
        }
    }

    /// Is what was found what the caller means? Of an inode whose identity was never shown, any can be
    /// meant: then it may be refused.
    pub(super) fn check_meant(&self, ino: Ino, this: Option<FileId>, why: &mut Why) {
        match (this, self.known(ino).file) {
            (Some(this), Some(file)) => why.must_if(this != file, Errno::NotFound),
            (Some(_), None) => why.may(Errno::NotFound),
            (None, _) => {}
        }
    }

    /// A call with the condition that this inode is meant has taken effect: so it is that one.
    pub(super) fn was_meant(&mut self, ino: Ino, this: Option<FileId>) -> Result<(), Why> {
        match this {
            Some(this) if !self.bind(ino, this) => Err(Why::default()),
            Some(_) | None => Ok(()),
        }
    }

    /// A directory got a name or lost one, or as many directories in it as `directories` says.
    pub(super) fn names_changed(&mut self, directory: Ino, caller: &Caller, directories: i32) {
        let now = caller.clock_ns;
        self.alter(directory, |node| {
            node.times.content_changed(now);
            node.links = node.links.saturating_add_signed(directories);
        });
    }

    /// An inode lost a name. A directory goes at once; anything else, without a name, stays for as long as
    /// the product keeps it.
    pub(super) fn unlinked(&mut self, ino: Ino, caller: &Caller) {
        if self.known(ino).is_directory() {
            self.set_node(ino, None);
            return;
        }
        self.alter(ino, |node| {
            node.links -= 1;
            node.times.changed(caller.clock_ns);
        });
    }

    pub(super) fn link(&mut self, caller: &Caller, from: &Path, to: &Path) -> Result<Done, Why> {
        let mut why = Why::default();
        let file = self.find(from, caller, Last::Itself, &mut why);
        let entry = self.free_entry(to, caller, &mut why);
        if let Some(node) = file.map(|file| self.known(file)) {
            why.must_if(node.is_directory(), Errno::Permission);
            // Not again, once it is on its way to the trash.
            why.must_if(node.links == 0, Errno::NotFound);
            why.must_if(!node.is_directory() && node.links >= LINKS_MAX, Errno::Links);
        }
        let why = why.check()?;
        let (Some(file), Some(entry)) = (file, entry) else { return Err(why) };
        self.alter(file, |node| {
            node.links += 1;
            node.times.changed(caller.clock_ns);
        });
        self.set_entry(entry.directory, entry.name, Some(file));
        self.names_changed(entry.directory, caller, 0);
        Done::shows(file, why)
    }

    /// unlink of a file, rmdir of a directory.
    pub(super) fn delete(
        &mut self,
        caller: &Caller,
        path: &Path,
        this: Option<FileId>,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let entry = self.find_entry(path, caller, Errno::Invalid, &mut why);
        let Some(Entry { directory, name, found }) = entry else { return Err(why) };
        let Some(ino) = found else {
            why.must(Errno::NotFound);
            return Err(why);
        };
        self.check_meant(ino, this, &mut why);
        self.check_removal(directory, ino, caller, &mut why);
        why.must_if(self.entries(ino).next().is_some(), Errno::NotEmpty);
        let why = why.check()?;
        self.was_meant(ino, this)?;
        let is_directory = self.known(ino).is_directory();
        self.set_entry(directory, name, None);
        self.names_changed(directory, caller, -i32::from(is_directory));
        self.unlinked(ino, caller);
        Done::nothing_shown(why)
    }
}

impl Posix {
    /// A file gets its name back (`MetadataChange::Restore`): its owner and the superuser may. A file
    /// without a name may have been reclaimed meanwhile.
    pub(super) fn restore(
        &mut self,
        caller: &Caller,
        file: FileId,
        to: &Path,
        no_replace: bool,
    ) -> Result<Done, Why> {
        let mut why = Why::default();
        let ino = self.find(&Path::of(file), caller, Last::Itself, &mut why);
        if let Some(node) = ino.map(|ino| self.known(ino)) {
            let is_trash = matches!(node.kind, FileKind::File(_)) && node.links == 0;
            why.must_if(!is_trash, Errno::NotFound);
            why.must_if(is_trash && !node.is_owned_by(caller), Errno::Permission);
        }
        let entry = self.find_entry(to, caller, Errno::Invalid, &mut why);
        if let Some(entry) = entry {
            match entry.found {
                None => self.check_change(entry.directory, caller, &mut why),
                Some(replaced) => {
                    why.must_if(no_replace, Errno::Exists);
                    let is_directory = self.known(replaced).is_directory();
                    why.must_if(is_directory, Errno::IsADirectory);
                    self.check_removal(entry.directory, replaced, caller, &mut why);
                }
            }
        }
        let why = why.check()?;
        let (Some(ino), Some(Entry { directory, name, found })) = (ino, entry) else {
            return Err(why);
        };
        self.alter(ino, |node| {
            node.links = 1;
            node.times.changed(caller.clock_ns);
        });
        self.set_entry(directory, name, Some(ino));
        self.names_changed(directory, caller, 0);
        if let Some(replaced) = found {
            self.unlinked(replaced, caller);
        }
        Done::shows(ino, why)
    }
}

impl Times {
    /// Attributes changed. Clocks differ: a time of change does not go back (`Attributes`).
    pub fn changed(&mut self, now: i64) {
        self.ctime = self.ctime.max(now);
    }

    /// Content changed. A caller without a clock leaves the time as it is (`Attributes`).
    pub fn content_changed(&mut self, now: i64) {
        if now != 0 {
            self.mtime = now;
        }
        self.changed(now);
    }
}
