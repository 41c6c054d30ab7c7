//! A path in the cluster, as a person types it and as the master takes it.

use crate::failure::Failure;
use crate::output::shown;
use leasehold_client::{Name, Path};
use std::fmt;

/// An absolute path without empty, `.` or `..` components and without a slash at its end. What is typed
/// is text; the names that a cluster lists are any bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterPath {
    bytes: Vec<u8>,
    /// It was typed with a slash at its end: only a directory is meant.
    directory: bool,
}

impl ClusterPath {
    /// Takes `/a//b/` as `/a/b`; refuses what is relative.
    pub fn parse(text: &str) -> Result<ClusterPath, Failure> {
        let refuse = |why| Err(Failure::Usage(format!("{text:?}: {why}")));
        if !text.starts_with('/') {
            return refuse("paths in the cluster are absolute, as /a/b");
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| matches!(*part, "." | "..")) {
            return refuse("`.` and `..` have no meaning in the cluster");
        }
        let directory = !parts.is_empty() && text.ends_with('/');
        Ok(ClusterPath { bytes: format!("/{}", parts.join("/")).into(), directory })
    }

    /// A path that the cluster gave.
    pub fn given(path: &Path) -> ClusterPath {
        ClusterPath::of(path.as_bytes().to_vec())
    }

    fn of(bytes: Vec<u8>) -> ClusterPath {
        ClusterPath { bytes, directory: false }
    }

    /// Was a slash typed at its end? Then it is the path of a directory or of nothing.
    pub fn wants_directory(&self) -> bool {
        self.directory
    }

    /// Parses several.
    pub fn parse_all(texts: &[String]) -> Result<Vec<ClusterPath>, Failure> {
        texts.iter().map(|text| ClusterPath::parse(text)).collect()
    }

    /// As JSON has it.
    pub fn text(&self) -> String {
        text_of(&self.bytes)
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.bytes == b"/"
    }

    /// The last component; empty for `/`.
    pub fn name(&self) -> String {
        text_of(self.bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default())
    }

    /// A name inside this directory.
    pub fn join(&self, name: impl AsRef<[u8]>) -> ClusterPath {
        let parent: &[u8] = if self.is_root() { b"" } else { &self.bytes };
        ClusterPath::of([parent, b"/", name.as_ref()].concat())
    }

    /// The directory that it is in; `/` for `/`.
    pub fn parent(&self) -> ClusterPath {
        let end = self.bytes.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        ClusterPath::of(self.bytes[..end.max(1)].to_vec())
    }

    /// Every directory from the top to this path, `/` aside.
    pub fn lineage(&self) -> Vec<ClusterPath> {
        let slashes = self.bytes.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        let ends = slashes.map(|(at, _)| at).chain((!self.is_root()).then_some(self.bytes.len()));
        ends.map(|end| ClusterPath::of(self.bytes[..end].to_vec())).collect()
    }
}

/// A name or path as it is, if it is UTF-8; otherwise as the client library writes it, escaped.
pub fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => Name::from(bytes).to_string(),
    }
}

/// As a master takes it.
impl From<&ClusterPath> for Path {
    fn from(path: &ClusterPath) -> Path {
        Path::from(&path.bytes[..])
    }
}

/// With what could command a terminal escaped.
impl fmt::Display for ClusterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> ClusterPath {
        ClusterPath::parse(text).expect(text)
    }

    #[test]
    fn spelling_is_tidied() {
        assert_eq!(path("//a///b/").text(), "/a/b");
        assert_eq!(path("/").text(), "/");
        assert!(path("/a/b/").wants_directory() && !path("/a/b").wants_directory());
        assert_eq!(path("/a\nb").to_string(), "/a\\nb");
        for wrong in ["", "a", "a/b", "/a/../b", "/."] {
            assert!(ClusterPath::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn parts() {
        assert_eq!((path("/a/b").name(), path("/a/b").parent()), ("b".to_owned(), path("/a")));
        assert_eq!((path("/a").name(), path("/a").parent()), ("a".to_owned(), path("/")));
        assert_eq!((path("/").name(), path("/").parent()), (String::new(), path("/")));
        assert_eq!(path("/").join("x"), path("/x"));
        assert_eq!(path("/a").join("x"), path("/a/x"));
        assert_eq!(path("/a/b/c").lineage(), [path("/a"), path("/a/b"), path("/a/b/c")]);
        assert_eq!(path("/").lineage(), []);
    }

    #[test]
    fn listed_names_stay_what_they_are() {
        for name in [&b"a\\b"[..], b"\xff"] {
            let path = path("/d").join(name);
            assert_eq!(Path::from(&path).as_bytes(), [b"/d/", name].concat());
        }
        assert_eq!(path("/d").join(b"a\\b").text(), "/d/a\\b");
        assert_eq!(path("/d").join(b"\xff").text(), "/d/\\xff");
    }
}
