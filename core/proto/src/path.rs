//! Names and paths: bytes, as POSIX has them.

use crate::ids::{FileId, GroupId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Bytes in a path at the most, as Linux's `PATH_MAX`.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Bytes in one component of a path at the most, as Linux's `NAME_MAX`.
pub const NAME_BYTES_MAX: usize = 255;

/// A name in a directory: any bytes but `/` and NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// So that a name is found by its bytes.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Name {
        Name(bytes.into())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(text.as_bytes().into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Name {
        Name(text.into_bytes().into())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// Reads as the name itself if it is UTF-8 without a backslash; otherwise what is not is escaped, so that
/// no two names read alike.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escaped(&self.0, f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Where something is, as in POSIX `openat`: a path that begins with `/` is followed from the root,
/// any other from `at`, and an empty one is `at` itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path {
    /// A directory, or what an empty path means.
    pub at: FileId,
    /// Components separated by `/`.
    text: Box<[u8]>,
}

impl Path {
    /// The root directory of the first group of masters.
    pub const ROOT: FileId = FileId::root(GroupId::FIRST);

    /// A path followed from `at`, unless it begins with `/`.
    #[must_use]
    pub fn at(at: FileId, text: &[u8]) -> Path {
        Path { at, text: text.into() }
    }

    /// A file or directory itself.
    #[must_use]
    pub fn of(at: FileId) -> Path {
        Path { at, text: Box::default() }
    }

    /// As it was written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Is it followed from the root?
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.text.first() == Some(&b'/')
    }
}

impl From<&str> for Path {
    fn from(text: &str) -> Path {
        Path { at: Path::ROOT, text: text.as_bytes().into() }
    }
}

impl From<&[u8]> for Path {
    fn from(text: &[u8]) -> Path {
        Path { at: Path::ROOT, text: text.into() }
    }
}

impl From<String> for Path {
    fn from(text: String) -> Path {
        Path { at: Path::ROOT, text: text.into_bytes().into() }
    }
}

impl From<&String> for Path {
    fn from(text: &String) -> Path {
        Path::at(Path::ROOT, text.as_bytes())
    }
}

impl From<Vec<u8>> for Path {
    fn from(text: Vec<u8>) -> Path {
        Path { at: Path::ROOT, text: text.into() }
    }
}

impl PartialEq<str> for Path {
    fn eq(&self, other: &str) -> bool {
        self.is_absolute() && &*self.text == other.as_bytes()
    }
}

impl PartialEq<&str> for Path {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// An absolute path as it is; before any other stands what it is followed from. Escaped as names are.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_absolute() {
            write!(f, "{}", self.at)?;
            if !self.text.is_empty() {
                f.write_str(":")?;
            }
        }
        escaped(&self.text, f)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Backslashes and bytes that are no UTF-8 as `\xNN`.
fn escaped(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        for (place, plain) in chunk.valid().split('\\').enumerate() {
            if place > 0 {
                f.write_str("\\x5c")?;
            }
            f.write_str(plain)?;
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn no_two_names_read_alike() {
        assert_eq!(Name::from("plain ümlaut").to_string(), "plain ümlaut");
        assert_eq!(Name::from(&b"a\xff"[..]).to_string(), "a\\xff");
        assert_eq!(Name::from("a\\xff").to_string(), "a\\x5cxff");
    }

    #[test]
    fn an_absolute_path_is_followed_from_the_root() {
        assert_eq!(format!("{}", Path::from("/a/b")), "/a/b");
        assert_eq!(format!("{}", Path::at(FileId(7), b"a")), "f7:a");
        assert_eq!(format!("{}", Path::of(FileId(7))), "f7");
        assert_eq!(Path::from("/a"), "/a");
    }
}
