//! Paths as they come from clients, checked.

use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// Bytes in a path at the most, as Linux's `PATH_MAX`.
pub const PATH_BYTES_MAX: usize = 4_096;
/// Bytes in one component of a path at the most, as Linux's `NAME_MAX`.
pub const NAME_BYTES_MAX: usize = 255;

/// A valid absolute path, cut into its components; none for the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path<'a>(Vec<&'a str>);

impl<'a> Path<'a> {
    /// Error: `Invalid`, with what is wrong about it.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let invalid = |why: &str| Err(Refusal::Invalid(why.to_owned()));
        if text.len() > PATH_BYTES_MAX {
            return invalid("a path has at most 4096 bytes");
        }
        let Some(rest) = text.strip_prefix('/') else {
            return invalid("a path begins with /");
        };
        if rest.is_empty() {
            return Ok(Path(Vec::new()));
        }
        let components: Vec<&str> = rest.split('/').collect();
        for component in &components {
            match *component {
                "" => return invalid("a path has no empty component"),
                "." | ".." => return invalid("a path has no component . or .."),
                name if name.len() > NAME_BYTES_MAX => {
                    return invalid("a name has at most 255 bytes");
                }
                name if name.contains('\0') => return invalid("a name has no NUL"),
                _ => {}
            }
        }
        Ok(Path(components))
    }

    /// How long it is, written out; zero for the root.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|name| 1 + name.len()).sum()
    }

    /// From the root down.
    pub fn components(&self) -> &[&'a str] {
        &self.0
    }

    /// The directory and the name in it; none for the root.
    pub fn split(&self) -> Option<(&[&'a str], &'a str)> {
        self.0.split_last().map(|(name, parent)| (parent, *name))
    }

    /// Does `other` lie below this?
    pub fn is_above(&self, other: &Path<'_>) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }
}
