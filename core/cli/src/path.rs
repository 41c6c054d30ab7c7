//! A path in the cluster, as a person types it and as the master takes it.

use crate::failure::Failure;
use crate::output::shown;
use std::fmt;

/// An absolute path without empty, `.` or `..` components and without a slash at its end. It is
/// printed with what could command a terminal escaped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterPath {
    text: String,
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
        Ok(ClusterPath { text: format!("/{}", parts.join("/")), directory })
    }

    fn of(text: String) -> ClusterPath {
        ClusterPath { text, directory: false }
    }

    /// Was a slash typed at its end? Then it is the path of a directory or of nothing.
    pub fn wants_directory(&self) -> bool {
        self.directory
    }

    /// Parses several.
    pub fn parse_all(texts: &[String]) -> Result<Vec<ClusterPath>, Failure> {
        texts.iter().map(|text| ClusterPath::parse(text)).collect()
    }

    /// As the master takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for `/`.
    pub fn is_root(&self) -> bool {
        self.text == "/"
    }

    /// The last component; empty for `/`.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// A name inside this directory.
    pub fn join(&self, name: &str) -> ClusterPath {
        let parent = if self.is_root() { "" } else { &self.text };
        ClusterPath::of(format!("{parent}/{name}"))
    }

    /// The directory that it is in; `/` for `/`.
    pub fn parent(&self) -> ClusterPath {
        let end = self.text.rfind('/').unwrap_or(0);
        ClusterPath::of(self.text[..end.max(1)].to_owned())
    }

    /// Every directory from the top to this path, `/` aside.
    pub fn lineage(&self) -> Vec<ClusterPath> {
        let slashes = self.text.match_indices('/').skip(1).map(|(at, _)| at);
        let ends = slashes.chain((!self.is_root()).then_some(self.text.len()));
        ends.map(|end| ClusterPath::of(self.text[..end].to_owned())).collect()
    }
}

impl fmt::Display for ClusterPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.text))
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
        assert_eq!(path("//a///b/").as_str(), "/a/b");
        assert_eq!(path("/").as_str(), "/");
        assert!(path("/a/b/").wants_directory() && !path("/a/b").wants_directory());
        assert_eq!(path("/a\nb").to_string(), "/a\\nb");
        for wrong in ["", "a", "a/b", "/a/../b", "/."] {
            assert!(ClusterPath::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn parts() {
        assert_eq!((path("/a/b").name(), path("/a/b").parent()), ("b", path("/a")));
        assert_eq!((path("/a").name(), path("/a").parent()), ("a", path("/")));
        assert_eq!((path("/").name(), path("/").parent()), ("", path("/")));
        assert_eq!(path("/").join("x"), path("/x"));
        assert_eq!(path("/a").join("x"), path("/a/x"));
        assert_eq!(path("/a/b/c").lineage(), [path("/a"), path("/a/b"), path("/a/b/c")]);
        assert_eq!(path("/").lineage(), []);
    }
}
