//! A peer refused: data on the wire, not a fault.

use crate::ids::{ChunkVersion, NodeId};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Why a peer did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    // From the namespace; final.
    /// No such file or directory, or no such chunk of it.
    NotFound,
    /// Something stands at that path.
    AlreadyExists,
    /// A component of the path is a file.
    NotADirectory,
    /// A directory, where a file is wanted.
    IsADirectory,
    /// A directory that still holds names.
    DirectoryNotEmpty,
    /// Not a path, spec or range as this operation takes it; says why.
    Invalid(String),
    /// AddChunk behind the last chunk, by a client that has not seen that one sealed since the file
    /// was last truncated.
    NotNextChunk {
        /// Slots up to the last chunk.
        #[serde(deserialize_with = "crate::ids::counted")]
        chunks: u64,
    },
    /// Longer than a mutation may be.
    TooLarge {
        /// Bytes at the most.
        bytes_max: u64,
    },
    /// The operation is below the client's own watermark.
    Forgotten,
    // From the master; try elsewhere or later.
    /// Ask this master, if known.
    NotLeader {
        /// Who may lead.
        leader: Option<NodeId>,
    },
    /// No chunkserver can take a replica.
    NoServers,
    // From a chunkserver; look the chunk up again.
    /// Not here in this version.
    Stale {
        /// What the refuser promised.
        promised: ChunkVersion,
    },
    /// Not the primary, or without its lease.
    NotPrimary,
    /// Its disk has no room.
    NoSpace,
    /// It serves no more: its disk is out of service, or another process took its place.
    DiskFailed,
    /// Its bytes do not fit their checksum.
    Corrupt,
    /// The chunk is sealed: the record belongs into the next one.
    Sealed,
    /// Too much waits here already.
    Busy,
    /// Every holder's disk was destroyed.
    Lost,
    // From either, to a change.
    /// Not remembered, and perhaps forgotten. Was it sent once, it was never applied and never
    /// will be; otherwise nobody knows.
    PerhapsForgotten {
        /// Numbers from this on are remembered.
        #[serde(deserialize_with = "crate::ids::counted")]
        below: u64,
    },
    // From the namespace; final.
    /// The group of masters has handed out every identity of its range.
    IdentitiesExhausted,
    /// The mode of a directory on the way, or of the file, does not let the caller.
    PermissionDenied,
    /// Only the owner, or the superuser, may; or nobody.
    NotPermitted,
    /// More symbolic links on the way than are followed.
    SymlinkLoop,
    /// A file has no more names than this.
    TooManyLinks,
    /// A name of more than 255 bytes, or a path of more than 4,096.
    NameTooLong,
    /// It has no extended attribute of that name.
    NoAttribute,
    /// A value or all values together are larger than an inode may hold.
    AttributesTooLarge,
    /// Not of this kind of file, or not at all.
    NotSupported,
    // From the share table.
    /// Another holds a lock that does not allow it.
    Locked,
    /// The client's session has ended, and its locks with it.
    SessionEnded,
    /// The file has as many locks as a file may have.
    TooManyLocks,
    // From a chunkserver, for good.
    /// A truncation has emptied the chunk: nothing goes into it any more.
    Retired,
    /// A cut, and the chunk was cut or filled under a later epoch: the truncation begins again.
    Overtaken,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotFound => f.write_str("No such file or directory"),
            Refusal::AlreadyExists => f.write_str("File exists"),
            Refusal::NotADirectory => f.write_str("Not a directory"),
            Refusal::IsADirectory => f.write_str("Is a directory"),
            Refusal::DirectoryNotEmpty => f.write_str("Directory not empty"),
            Refusal::Invalid(why) => write!(f, "Invalid argument: {why}"),
            Refusal::NotNextChunk { chunks } => write!(f, "the file has {chunks} chunks"),
            Refusal::TooLarge { bytes_max } => write!(f, "longer than {bytes_max} bytes"),
            Refusal::Forgotten => f.write_str("the operation was answered before"),
            Refusal::NotLeader { .. } => f.write_str("this master does not lead"),
            Refusal::NoServers => f.write_str("no chunkserver can take a replica"),
            Refusal::Stale { promised } => write!(f, "the chunk has moved on to {promised}"),
            Refusal::NotPrimary => f.write_str("not the chunk's primary"),
            Refusal::NoSpace => f.write_str("No space left on device"),
            Refusal::DiskFailed => f.write_str("the chunkserver serves no more"),
            Refusal::Corrupt => f.write_str("checksum mismatch"),
            Refusal::Sealed => f.write_str("the chunk is sealed"),
            Refusal::Busy => f.write_str("too many requests wait for the chunk"),
            Refusal::Lost => f.write_str("every replica was lost"),
            Refusal::PerhapsForgotten { .. } => {
                f.write_str("too many clients came since: whether it took effect is forgotten")
            }
            Refusal::IdentitiesExhausted => {
                f.write_str("the masters have no identity left for a file or chunk")
            }
            Refusal::PermissionDenied => f.write_str("Permission denied"),
            Refusal::NotPermitted => f.write_str("Operation not permitted"),
            Refusal::SymlinkLoop => f.write_str("Too many levels of symbolic links"),
            Refusal::TooManyLinks => f.write_str("Too many links"),
            Refusal::NameTooLong => f.write_str("File name too long"),
            Refusal::NoAttribute => f.write_str("No data available"),
            Refusal::NotSupported => f.write_str("Operation not supported"),
            Refusal::AttributesTooLarge => f.write_str("Argument list too long"),
            Refusal::Locked => {
                f.write_str("Resource temporarily unavailable: another holds a lock")
            }
            Refusal::SessionEnded => {
                f.write_str("the session of this client has ended, and its locks with it")
            }
            Refusal::TooManyLocks => f.write_str("No locks available"),
            Refusal::Retired => f.write_str("a truncation has emptied the chunk"),
            Refusal::Overtaken => f.write_str("the file changed during the truncation"),
        }
    }
}
