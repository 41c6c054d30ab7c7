//! Where an address leads to: XBD 4.13, pathname resolution.

use super::why::{Errno, Why};
use super::{Ino, Posix, ROOT};
use leasehold_proto::metadata::FileKind;
use leasehold_proto::{Caller, Path};
use std::collections::VecDeque;

/// `PATH_MAX` and `NAME_MAX` of Linux, as DESIGN-2 §2 has them.
pub(super) const PATH_BYTES_MAX: usize = 4_096;
pub(super) const NAME_BYTES_MAX: usize = 255;
/// Symbolic links that are followed for one address: DESIGN-2 §2.
const LINKS_FOLLOWED_MAX: u32 = 40;

/// Permission to list a directory or read a file, to change its names or bytes, to look a name up.
pub(super) const READ: u16 = 4;
pub(super) const WRITE: u16 = 2;
pub(super) const SEARCH: u16 = 1;

/// What becomes of a symbolic link that is the last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Followed,
    Itself,
}

/// A name, there or not, in a directory that is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub directory: Ino,
    pub name: &'a [u8],
    pub found: Option<Ino>,
}

/// The components of an address, as the protocol takes them: none of them empty, `.` or `..`.
fn components<'a>(path: &'a Path, why: &mut Why) -> Option<Vec<&'a [u8]>> {
    let text = path.as_bytes();
    let rest = text.strip_prefix(b"/").unwrap_or(text);
    let names: Vec<&[u8]> = match rest.is_empty() {
        true => Vec::new(),
        false => rest.split(|byte| *byte == b'/').collect(),
    };
    let mut wrong = Why::default();
    wrong.must_if(text.len() > PATH_BYTES_MAX, Errno::TooLong);
    for name in &names {
        wrong.must_if(name.len() > NAME_BYTES_MAX, Errno::TooLong);
        wrong.must_if(matches!(*name, b"" | b"." | b"..") || name.contains(&0), Errno::Invalid);
    }
    why.add(wrong);
    wrong.is_allowed().then_some(names)
}

/// The components of what a symbolic link contains. A trailing slash wants a directory: it is kept as an
/// empty component at the end.
fn of_target(target: &[u8]) -> VecDeque<&[u8]> {
    let names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let mut names: VecDeque<&[u8]> = names.collect();
    if target.last() == Some(&b'/') && !names.is_empty() {
        names.push_back(b"");
    }
    names
}

impl Posix {
    /// What is at an address; none, with a reason, if nothing is.
    pub(super) fn find(
        &self,
        path: &Path,
        caller: &Caller,
        last: Last,
        why: &mut Why,
    ) -> Option<Ino> {
        let names = components(path, why)?;
        let at = self.begins_at(path, why)?;
        self.walk(at, names.into(), caller, last, why)
    }

    /// The name that an address ends with, and its directory; none of an address without a name, with
    /// `nameless` as the reason.
    pub(super) fn find_entry<'a>(
        &self,
        path: &'a Path,
        caller: &Caller,
        nameless: Errno,
        why: &mut Why,
    ) -> Option<Entry<'a>> {
        let mut names = components(path, why)?;
        let Some(name) = names.pop() else {
            why.must(nameless);
            let _ = self.begins_at(path, why);
            return None;
        };
        let at = self.begins_at(path, why)?;
        let directory = self.walk(at, names.into(), caller, Last::Followed, why)?;
        self.check_search(directory, caller, why)?;
        Some(Entry { directory, name, found: self.entry(directory, name) })
    }

    /// An address begins at the root, or at the inode that it names. A removed directory is gone; anything
    /// else without a name is kept until it is reclaimed, which is not seen here.
    fn begins_at(&self, path: &Path, why: &mut Why) -> Option<Ino> {
        if path.is_absolute() {
            return Some(ROOT);
        }
        let ino = self.bound(path.at);
        let node = ino.and_then(|ino| self.node(ino));
        if node.is_some_and(|node| node.links == 0) {
            why.may(Errno::NotFound);
        }
        why.must_if(node.is_none(), Errno::NotFound);
        ino.filter(|_| node.is_some())
    }

    fn check_search(&self, at: Ino, caller: &Caller, why: &mut Why) -> Option<()> {
        let node = self.known(at);
        let errno = match node.is_directory() {
            false => Errno::NotADirectory,
            true if !node.allows(caller, SEARCH) => Errno::Access,
            true => return Some(()),
        };
        why.must(errno);
        None
    }

    fn walk<'a>(
        &'a self,
        mut at: Ino,
        mut left: VecDeque<&'a [u8]>,
        caller: &Caller,
        last: Last,
        why: &mut Why,
    ) -> Option<Ino> {
        let mut followed = 0;
        while let Some(name) = left.pop_front() {
            if name.is_empty() {
                if !self.known(at).is_directory() {
                    why.must(Errno::NotADirectory);
                    return None;
                }
                continue;
            }
            self.check_search(at, caller, why)?;
            let next = self.look_up(at, name, why)?;
            let target = self.known(next).target.as_deref();
            let Some(target) = target.filter(|_| !left.is_empty() || last == Last::Followed) else {
                at = next;
                continue;
            };
            followed += 1;
            if followed > LINKS_FOLLOWED_MAX {
                why.must(Errno::Loop);
                return None;
            }
            if target.first() == Some(&b'/') {
                at = ROOT;
            }
            for name in of_target(target).into_iter().rev() {
                left.push_front(name);
            }
        }
        Some(at)
    }

    fn look_up(&self, at: Ino, name: &[u8], why: &mut Why) -> Option<Ino> {
        let found = match name {
            b"." => Some(at),
            b".." => Some(self.known(at).parent),
            _ if name.len() > NAME_BYTES_MAX => {
                why.must(Errno::TooLong);
                return None;
            }
            _ => self.entry(at, name),
        };
        why.must_if(found.is_none(), Errno::NotFound);
        found
    }

    /// How many bytes the path of a directory has, written from the root; none for the root.
    pub(super) fn path_bytes(&self, directory: Ino) -> usize {
        let (mut at, mut bytes) = (directory, 0);
        while at != ROOT {
            let parent = self.known(at).parent;
            let name = self.entries(parent).find(|(_, ino)| *ino == at);
            bytes += 1 + name.map_or(0, |(name, _)| name.as_bytes().len());
            at = parent;
        }
        bytes
    }

    /// How many bytes the longest path has that begins with this inode, without its own name.
    pub(super) fn deepest(&self, ino: Ino) -> usize {
        let below = self.entries(ino).map(|(name, below)| (name.as_bytes().len(), below));
        below.map(|(bytes, below)| 1 + bytes + self.deepest(below)).max().unwrap_or(0)
    }

    /// Is a directory this one, or somewhere below it?
    pub(super) fn is_within(&self, directory: Ino, top: Ino) -> bool {
        let mut at = directory;
        while at != top && at != ROOT {
            at = self.known(at).parent;
        }
        at == top
    }
}

/// What a new inode is, by its request.
pub(super) fn kind_of(what: &leasehold_proto::metadata::Special) -> FileKind {
    use leasehold_proto::metadata::Special;
    match what {
        Special::Symlink(_) => FileKind::Symlink,
        Special::Fifo => FileKind::Fifo,
        Special::Socket => FileKind::Socket,
        Special::CharDevice(number) => FileKind::CharDevice(*number),
        Special::BlockDevice(number) => FileKind::BlockDevice(*number),
    }
}
