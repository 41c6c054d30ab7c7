//! What a hasher is told beside a number, so that it can see through the number.
//!
//! A model checker counts two states as one if they differ only in what no step looks at: what the
//! clocks showed at zero, how many questions were asked before. It finds times and counted
//! identities by how they hash, in every type that derives `Hash`, and needs no list of fields
//! that could be incomplete. Whoever hashes otherwise sees one byte more and nothing else.
//!
//! A [`Time`](crate::Time) hashes through `write_i64`, a counted identity through `write_i8` with
//! its kind and then `write_u64`. Nothing else in this crate hashes through those two.

use core::hash::Hasher;

/// Kinds of identities that count up for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
#[allow(missing_docs)] // named as the types
pub enum Kind {
    Epoch = 1,
    LogIndex = 2,
    IoId = 3,
    Attempt = 4,
}

impl Kind {
    /// Tells a hasher that a number of this kind comes next.
    pub(crate) fn announce<H: Hasher>(self, hasher: &mut H) {
        hasher.write_i8(self as i8);
    }

    /// The kind that an announced byte stands for.
    #[must_use]
    pub fn of(byte: i8) -> Option<Kind> {
        [Kind::Epoch, Kind::LogIndex, Kind::IoId, Kind::Attempt]
            .into_iter()
            .find(|kind| *kind as i8 == byte)
    }
}
