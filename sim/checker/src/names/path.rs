//! Absolute paths.

use leasehold_proto::Path as Address;

/// As Linux's `PATH_MAX` and `NAME_MAX`.
const PATH_BYTES_MAX: usize = 4_096;
const NAME_BYTES_MAX: usize = 255;

/// A path from the root on, as text; what is followed from elsewhere is no path here.
#[must_use]
pub fn text_of(address: &Address) -> String {
    match address.is_absolute() || address.at != Address::ROOT {
        true => address.to_string(),
        false => Address::from([&b"/"[..], address.as_bytes()].concat()).to_string(),
    }
}

/// A path without empty, `.` or `..` components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a>(&'a str);

impl<'a> Path<'a> {
    /// None if it is not a path that names anything.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('/')?;
        let sound = |name: &str| {
            !matches!(name, "" | "." | "..") && name.len() <= NAME_BYTES_MAX && !name.contains('\0')
        };
        let is_sound = rest.is_empty() || rest.split('/').all(sound);
        (is_sound && text.len() <= PATH_BYTES_MAX).then_some(Path(text))
    }

    /// Is it too long before anything else is wrong with it?
    #[must_use]
    pub fn is_too_long(text: &str) -> bool {
        let names = || text.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
        let long = names().position(|name| name.len() > NAME_BYTES_MAX);
        let bad = names().position(|name| matches!(name, "" | "." | ".."));
        text.len() > PATH_BYTES_MAX || long.is_some_and(|long| bad.is_none_or(|bad| long < bad))
    }

    /// Its text.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Its first component; none for the root.
    #[must_use]
    pub fn top(self) -> Option<&'a str> {
        self.0[1..].split('/').next().filter(|name| !name.is_empty())
    }

    /// True for `/`.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.0 == "/"
    }

    /// The directory that it is in; the root's is the root.
    #[must_use]
    pub fn parent(self) -> Path<'a> {
        let end = self.0.rfind('/').unwrap_or(0);
        Path(if end == 0 { "/" } else { &self.0[..end] })
    }

    /// Every directory on the way to it, from below the root on.
    pub fn above(self) -> impl Iterator<Item = &'a str> {
        let text = self.0;
        text.match_indices('/').map(move |(at, _)| &text[..at]).filter(|text| !text.is_empty())
    }

    /// Whether `other` lies somewhere within this directory.
    #[must_use]
    pub fn holds(self, other: Path<'_>) -> bool {
        other.0.strip_prefix(self.0).is_some_and(|rest| rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let path = Path::parse("/a/b/c").unwrap();
        assert_eq!(path.above().collect::<Vec<_>>(), ["/a", "/a/b"]);
        assert_eq!((path.top(), path.parent().text()), (Some("a"), "/a/b"));
        assert!(Path::parse("/a").unwrap().parent().is_root());
        assert_eq!(Path::parse("/").unwrap().top(), None);
        assert!(Path::parse("/a").unwrap().holds(path));
        assert!(!Path::parse("/a").unwrap().holds(Path::parse("/ab").unwrap()));
    }

    #[test]
    fn what_is_no_path() {
        for text in ["", "a", "//", "/a/", "/a//b", "/.", "/a/..", "/\0"] {
            assert_eq!(Path::parse(text), None, "{text:?}");
        }
    }
}
