//! The members of a configuration, as tables of millions of chunks hold them.

use crate::log::Member;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Members in pipeline order, the primary first. It compares, hashes and serializes as they do.
#[derive(Clone)]
pub struct Members(Held);

#[derive(Clone)]
enum Held {
    /// As many as most chunks have. They stand in the table itself: an allocation for each chunk
    /// would cost half as much again.
    Three([Member; 3]),
    Other(Vec<Member>),
}

impl Deref for Members {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        match &self.0 {
            Held::Three(members) => members,
            Held::Other(members) => members,
        }
    }
}

impl From<&[Member]> for Members {
    fn from(members: &[Member]) -> Self {
        Members(match *members {
            [a, b, c] => Held::Three([a, b, c]),
            _ => Held::Other(members.to_vec()),
        })
    }
}

impl From<Vec<Member>> for Members {
    fn from(members: Vec<Member>) -> Self {
        Members::from(&members[..])
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a Member;
    type IntoIter = core::slice::Iter<'a, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Members {}

impl Hash for Members {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (**self).hash(hasher);
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|members: Vec<Member>| members.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Incarnation, NodeId};
    use alloc::format;

    fn members(count: u64) -> Vec<Member> {
        let member = |node| Member { node: NodeId(node), incarnation: Incarnation(node + 1) };
        (0..count).map(member).collect()
    }

    #[test]
    fn however_many_they_are_what_was_put_in() {
        for count in 0..6 {
            let given = members(count);
            let held = Members::from(given.clone());
            assert_eq!(held[..], given[..]);
            assert_eq!(format!("{held:?}"), format!("{given:?}"));
            assert_eq!(held, held.clone());
            assert_ne!(held, Members::from(members(count + 1)));
        }
    }

    #[test]
    fn three_stand_in_the_table_and_cost_their_own_size_and_a_word() {
        assert_eq!(size_of::<Members>(), 3 * size_of::<Member>() + 8);
        assert!(matches!(Members::from(members(3)).0, Held::Three(_)));
    }
}
