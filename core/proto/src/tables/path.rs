//! Paths as they come from clients, checked.

use super::inode::InodeTable;
use crate::ids::FileId;
use crate::path::{NAME_BYTES_MAX, PATH_BYTES_MAX, Path};
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// A valid path, cut into its components; none for where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Components<'a> {
    /// Where it begins.
    pub at: FileId,
    names: Vec<&'a [u8]>,
}

impl<'a> Components<'a> {
    /// Errors: `Invalid`, with what is wrong about it; `NameTooLong`.
    pub fn of(path: &'a Path) -> Result<Self, Refusal> {
        let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
        let text = path.as_bytes();
        if text.len() > PATH_BYTES_MAX {
            return Err(Refusal::NameTooLong);
        }
        let (at, rest) = match text.strip_prefix(b"/") {
            Some(rest) => (InodeTable::ROOT, rest),
            None => (path.at, text),
        };
        if rest.is_empty() {
            return Ok(Components { at, names: Vec::new() });
        }
        let names: Vec<&[u8]> = rest.split(|byte| *byte == b'/').collect();
        for name in &names {
            match *name {
                b"" => return invalid("a path has no empty component"),
                b"." | b".." => return invalid("a path has no component . or .."),
                name if name.len() > NAME_BYTES_MAX => return Err(Refusal::NameTooLong),
                name if name.contains(&0) => return invalid("a name has no NUL"),
                _ => {}
            }
        }
        Ok(Components { at, names })
    }

    /// From the beginning down.
    pub fn names(&self) -> &[&'a [u8]] {
        &self.names
    }

    /// The directory and the name in it; none for where it begins.
    pub fn split(&self) -> Option<(&[&'a [u8]], &'a [u8])> {
        self.names.split_last().map(|(name, parent)| (parent, *name))
    }
}

/// Where the target of a symbolic link leads to: empty components say nothing, `.` and `..` are
/// followed. After a trailing slash the last component is empty: a directory is to be there (POSIX
/// XBD 4.13).
pub(super) fn components_of_target(target: &[u8]) -> (bool, Vec<&[u8]>) {
    let names = target.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let mut names: Vec<&[u8]> = names.collect();
    if target.last() == Some(&b'/') && !names.is_empty() {
        names.push(b"");
    }
    (target.first() == Some(&b'/'), names)
}
