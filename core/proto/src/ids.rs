//! A newtype for every identity, so that no signature holds two bare integers.

use crate::kind::Kind;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// What is counted is below this on the wire and on disk: counting on never overflows, whatever a peer
/// sends.
pub const COUNTED_MAX: u64 = 1 << 62;

/// Decodes what is counted, and refuses what no count reaches.
pub(crate) fn counted<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(from)?;
    if number < COUNTED_MAX { Ok(number) } else { Err(D::Error::custom("no count reaches this")) }
}

/// `numbered` ones are counted up from zero or one; `counted` ones too, and models see through them.
macro_rules! identity {
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal) => {
        identity!($(#[$doc])* #[derive(Hash, Deserialize)] $name($int), $prefix, plain);
    };
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal, numbered) => {
        identity!($(#[$doc])* #[derive(Hash)] $name($int), $prefix, plain);
        identity!(decoded $name);
    };
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal, counted) => {
        identity!($(#[$doc])* $name($int), $prefix, plain);
        identity!(decoded $name);

        impl Hash for $name {
            fn hash<H: Hasher>(&self, hasher: &mut H) {
                Kind::$name.announce(hasher);
                hasher.write_u64(self.0);
            }
        }
    };
    (decoded $name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                counted(from).map(Self)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal, plain) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The identity that follows this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self, f)
            }
        }
    };
}

identity!(
    /// A node: a master (small numbers from its configuration), a chunkserver (the uuid on its
    /// disk) or a client session (drawn at random by its binary). Never reused.
    NodeId(u64), "n"
);
identity!(
    /// One process life of a node. A chunkserver's is counted up durably at every start, so that
    /// (node, incarnation) names the memory behind an answer.
    Incarnation(u64), "i", numbered
);
identity!(
    /// A random number that a chunkserver's process draws at start: tells a second process on a
    /// cloned disk from a repeated registration of the first.
    Session(u64), "x"
);
identity!(
    /// A session of a client, on which its locks depend: the index of the log entry by which it began.
    /// A client has one after the other.
    ClientSession(u64), "t", numbered
);
identity!(
    /// Who holds a lock, within a client session: a process, or an open file of one. Chosen by the client's
    /// owner.
    LockOwner(u64), "o"
);
identity!(
    /// A group of masters with a log of its own. Every file and chunk belongs to the group that made
    /// it: its number is in the upper 16 bits of their identities, so that several groups can share
    /// chunkservers and no two make the same identity.
    GroupId(u16), "g"
);
identity!(
    /// A file or directory. Handles name it; renames do not change it.
    FileId(u64), "f"
);
identity!(
    /// A chunk (HDFS: block). Never reused.
    ChunkHandle(u64), "c"
);
identity!(
    /// A chunk's configuration number (GFS: chunk version, HDFS: generation stamp). Zero means
    /// "no configuration yet".
    ChunkVersion(u64), "v", numbered
);
identity!(
    /// The order of mutations of one chunk, counted from 1 and never reset; (version, sequence)
    /// names one mutation.
    Sequence(u64), "s", numbered
);
identity!(
    /// The log index of the `NewLeader` entry under which a master acts. Zero: none.
    Epoch(u64), "e", counted
);
identity!(
    /// Position in the master's operation log, from 1.
    LogIndex(u64), "l", counted
);
identity!(
    /// One I/O that a machine asked for; unique within one life of the machine.
    IoId(u64), "io", counted
);
identity!(
    /// One request handed to a client machine by its owner, below 2^43; or a piece of a file call,
    /// which the machine requests of itself.
    RequestId(u64), "r"
);
identity!(
    /// A file that is open in a client session. Never used again in it.
    FileHandle(u64), "h"
);

identity!(
    /// A step in the history of the cluster's constants, counted from 1. Zero: none.
    ConstantsVersion(u64), "k", numbered
);
identity!(
    /// One question for a lease. The holder keeps when it asked in a volatile table.
    Attempt(u64), "a", counted
);
identity!(
    /// A failure domain.
    Rack(u32), "rack"
);

/// Bits of an identity below those of its group.
const GROUP_SHIFT: u32 = 48;

impl GroupId {
    /// The group of a cluster that has only one.
    pub const FIRST: GroupId = GroupId(0);

    const fn of(identity: u64) -> Self {
        GroupId((identity >> GROUP_SHIFT) as u16)
    }

    /// The identity `number` of this group; numbers have 48 bits.
    const fn identity(self, number: u64) -> u64 {
        (self.0 as u64) << GROUP_SHIFT | number
    }
}

/// Identities that belong to a group of masters.
macro_rules! in_group {
    ($name:ident) => {
        impl $name {
            /// The first that a group makes.
            #[must_use]
            pub const fn first(group: GroupId) -> Self {
                Self(group.identity(1))
            }

            /// The group of masters that made it.
            #[must_use]
            pub const fn group(self) -> GroupId {
                GroupId::of(self.0)
            }

            /// The identity that follows in its group; none after the last.
            #[must_use]
            pub fn next_in_group(self) -> Option<Self> {
                let next = self.0.checked_add(1).map(Self)?;
                Some(next).filter(|next| next.group() == self.group())
            }
        }
    };
}

in_group!(FileId);
in_group!(ChunkHandle);

impl FileId {
    /// The root directory of a group's namespace: the first of its files.
    #[must_use]
    pub const fn root(group: GroupId) -> Self {
        Self::first(group)
    }
}

impl RequestId {
    const PIECE: u64 = 1 << 63;
    const PIECES: u64 = 1 << 20;

    /// Names a piece of this call, by its number. Numbers repeat after a million pieces, of which a
    /// window is under way.
    #[must_use]
    pub fn piece(self, number: u64) -> RequestId {
        let of_call = self.0.wrapping_mul(RequestId::PIECES);
        RequestId(RequestId::PIECE | of_call | (number % RequestId::PIECES))
    }

    /// True if no owner made this request.
    #[must_use]
    pub fn is_piece(self) -> bool {
        self.0 & RequestId::PIECE != 0
    }
}
/// One client operation, the unit of exactly-once: a retry carries the same id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId {
    /// The session that invoked it.
    pub client: NodeId,
    /// Counted from 1 by the client.
    #[serde(deserialize_with = "counted")]
    pub number: u64,
}

/// One beginning of a copy, named by its source. Never used twice, so that requests and replies of
/// one beginning cannot be mistaken for those of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CopyId {
    /// The source's incarnation.
    pub life: Incarnation,
    /// Counted from 1 within that incarnation, over all chunks.
    #[serde(deserialize_with = "counted")]
    pub number: u64,
}

impl fmt::Debug for CopyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.life, self.number)
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.client, self.number)
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
