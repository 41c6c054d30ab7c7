//! What clients ask of the namespace, and what they are told.

mod status;

use crate::agreed::Setting;
use crate::attributes::{Attributes, SetAttributes, XattrCondition};
use crate::ids::{ChunkHandle, ChunkVersion, ClientSession, FileId, NodeId};
use crate::lease::Term;
use crate::locks::{Lock, LockKind};
use crate::path::{Name, Path};
use crate::payload::Extent;
use crate::replica::SyncPolicy;
use crate::tables::{ChunkRef, Holder};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

pub use status::{
    ChunkStatus, ClusterStatus, ConstantsStatus, ReplicaStatus, SafeModeStatus, ServerStatus,
    UnreportedChunk,
};

/// What is fixed about a file when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileSpec {
    /// Size of each of its chunks, in bytes.
    pub chunk_bytes: u64,
    /// Replicas wanted of each chunk.
    pub replicas: u8,
    /// When a mutation counts as durable.
    pub sync: SyncPolicy,
}

impl Default for FileSpec {
    fn default() -> Self {
        FileSpec { chunk_bytes: 64 << 20, replicas: 3, sync: SyncPolicy::Durable }
    }
}

/// A file that is neither a regular file nor a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Special {
    /// Leads to this path, which need not exist.
    Symlink(Box<[u8]>),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device with this number, as `stat` shows it.
    CharDevice(u32),
    /// A block device with this number.
    BlockDevice(u32),
}

/// A change of the namespace: logged, and exactly-once by its operation id. Whether the caller may is
/// checked when it is applied.
///
/// Paths have no empty, `.` or `..` components. Symbolic links on the way are followed, the last
/// component is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataChange {
    /// Make an empty file; its parent must be a directory.
    Create {
        /// Where.
        path: Path,
        /// What is fixed about it.
        spec: FileSpec,
        /// Permission bits, the caller's umask applied.
        mode: u16,
    },
    /// Make a directory; its parent must be one.
    Mkdir {
        /// Where.
        path: Path,
        /// Permission bits, the caller's umask applied.
        mode: u16,
    },
    /// Make a symbolic link, pipe, socket or device.
    MakeSpecial {
        /// Where.
        path: Path,
        /// What.
        what: Special,
        /// Permission bits, the caller's umask applied.
        mode: u16,
    },
    /// Give a file, that is no directory, one more name.
    Link {
        /// The file.
        from: Path,
        /// The new name.
        to: Path,
    },
    /// Move a file or directory. Replaces an existing file (or an empty directory by a
    /// directory), as POSIX `rename` does; what it replaces goes to the trash. Its conditions are
    /// checked when it is applied, so that no other change comes between the look and the act.
    Rename {
        /// What.
        from: Path,
        /// Its new name.
        to: Path,
        /// Only if this is what is at `from`: otherwise `NotFound`.
        this: Option<FileId>,
        /// Only if nothing is at `to`: otherwise `AlreadyExists`.
        no_replace: bool,
    },
    /// Each of two gets the other's name, whatever they are.
    Exchange {
        /// One.
        from: Path,
        /// The other.
        to: Path,
    },
    /// Set mode, owner, group or times.
    SetAttributes {
        /// Of what; a symbolic link itself.
        path: Path,
        /// Which.
        set: Box<SetAttributes>,
    },
    /// Set an extended attribute.
    SetXattr {
        /// Of what.
        path: Path,
        /// With its prefix, such as `user.`.
        name: Name,
        /// Its value.
        value: Box<[u8]>,
        /// Checked when it is applied.
        condition: XattrCondition,
    },
    /// Remove an extended attribute.
    RemoveXattr {
        /// Of what.
        path: Path,
        /// Which.
        name: Name,
    },
    /// Remove a name; with the last one a file goes to the trash, and a directory, which must be
    /// empty, is no more. A trashed file can still be written by handle until it is reclaimed.
    Delete {
        /// What.
        path: Path,
        /// Only if this is what is at `path`: otherwise `NotFound`.
        this: Option<FileId>,
    },
    /// Take a file out of the trash; its owner and the superuser may. Otherwise `NotFound`, also if a part
    /// of it was reclaimed.
    Restore {
        /// Which.
        file: FileId,
        /// Under which path; a file that is there goes to the trash.
        to: Path,
        /// Only if nothing is at `to`: otherwise `AlreadyExists`.
        no_replace: bool,
    },
    /// Reclaim files in the trash without waiting for the end of their retention; their owner and the
    /// superuser may. Those that are not in the trash are passed over.
    EmptyTrash {
        /// Which.
        files: Vec<FileId>,
    },
    /// Begin a change of the cluster's constants. Refused if one is under way, if one of them is
    /// fixed, or if they would contradict each other.
    SetConstants {
        /// What is to change.
        settings: Vec<Setting>,
    },
    /// Put a chunk into slot `index` of a file. Behind the last chunk it needs, by the client's word,
    /// that one sealed. Idempotent: names the chunk that is there already.
    AddChunk {
        /// To which file.
        file: FileId,
        /// Which slot.
        index: u64,
        /// Slots up to the last chunk, when the client saw that one sealed.
        slots: u64,
        /// The file's truncation epoch, when the client saw the last chunk sealed.
        epoch: u64,
    },
    /// A session of this client begins: it lasts for as long as it is renewed, and its locks with it.
    BeginSession,
    /// Lock a range of a file, in place of what the holder had there. Refused with `Locked` if another
    /// holds what does not allow it, and with `SessionEnded`.
    Lock {
        /// Which file, wherever it is.
        file: FileId,
        /// For whom.
        holder: Holder,
        /// Which bytes; those that do not exist yet can be locked too.
        range: Extent,
        /// How.
        kind: LockKind,
    },
    /// Unlock a range of a file. What is not locked stays as it is.
    Unlock {
        /// Which file.
        file: FileId,
        /// Whose locks.
        holder: Holder,
        /// Which bytes.
        range: Extent,
    },
    /// A chunkserver is gone for good: it is listed no more, unless it registers again. Refused for
    /// one that is heard.
    ForgetServer {
        /// Which.
        node: NodeId,
    },
    /// A step of a truncation: the file gives up chunks that are retired, by the client's word. Raises
    /// its truncation epoch, and names chunks behind the cut that it still has.
    Truncate {
        /// Which file.
        file: FileId,
        /// Where it is to end, in bytes. At `u64::MAX` nothing is behind.
        length: u64,
        /// Given up, as far as the file still refers to them.
        retired: Vec<ChunkHandle>,
    },
}

/// A question that changes nothing in the log, answered by a confirmed leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataQuery {
    /// What is at a path? A symbolic link is shown itself.
    Stat {
        /// Where.
        path: Path,
    },
    /// What does a path lead to, symbolic links followed to their end?
    Resolve {
        /// Where.
        path: Path,
    },
    /// Where does a symbolic link lead to?
    ReadLink {
        /// Which.
        path: Path,
    },
    /// The value of an extended attribute.
    Xattr {
        /// Of what.
        path: Path,
        /// Which.
        name: Name,
    },
    /// The names of all extended attributes that the caller may see.
    Xattrs {
        /// Of what.
        path: Path,
    },
    /// What is this file, wherever it is?
    StatFile {
        /// Which.
        file: FileId,
    },
    /// What is in a directory, in order of name?
    List {
        /// Which directory.
        path: Path,
        /// Only names after this one.
        after: Option<Name>,
    },
    /// Where is a chunk? With `primary`, the answer comes when the chunk has one that is alive,
    /// and brings about a configuration change if need be.
    Locate {
        /// Of which file.
        file: FileId,
        /// Which of its chunks.
        index: u64,
        /// Is a primary wanted?
        primary: bool,
        /// The version that the client found wanting, so that the master looks again.
        stale: Option<ChunkVersion>,
    },
    /// What is in the trash, in order of identity?
    Trash {
        /// Only files after this one.
        after: Option<FileId>,
    },
    /// Every replica of some chunks, for `fsck`, from this handle on.
    Chunks {
        /// First handle of interest.
        from: ChunkHandle,
    },
    /// A sign of life of a session. Refused with `SessionEnded`.
    RenewSession {
        /// Which.
        session: ClientSession,
    },
    /// Which lock does not allow this one?
    Conflict {
        /// Of which file.
        file: FileId,
        /// For whom it would be.
        holder: Holder,
        /// Which bytes.
        range: Extent,
        /// How.
        kind: LockKind,
        /// Answered when there is none, if ever.
        wait: bool,
    },
    /// The cluster at a glance.
    Status,
    /// The cluster's constants, and who still goes by others.
    Constants,
    /// What does safe mode wait for?
    SafeMode,
    /// End this leader's safe mode. Answered as `SafeMode` was before, so that a repetition is
    /// answered with none. A later leader begins with safe mode again.
    LeaveSafeMode,
}

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    /// Holds names.
    Directory,
    /// Holds chunks.
    File(FileSpec),
    /// Leads to another path.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device with this number.
    CharDevice(u32),
    /// A block device with this number.
    BlockDevice(u32),
}

/// What the namespace knows of a file or directory. Its length stands at the primary of its last
/// chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileInfo {
    /// Which.
    pub file: FileId,
    /// What it is.
    pub kind: FileKind,
    /// Slots up to its last chunk; some may be holes (zero for anything but a file).
    #[serde(deserialize_with = "crate::ids::counted")]
    pub chunks: u64,
    /// Raised by every step of a truncation: what a client saw of the chunks' ends under an older one
    /// need not hold any more.
    pub epoch: u64,
    /// Mode, owner, links, times.
    pub attributes: Attributes,
    /// The length as far as chunkservers reported it to the master; exact for a file that is not
    /// being written, and for a symbolic link. None for a directory, and as long as no replica of the
    /// last chunk is reported.
    pub length_reported: Option<u64>,
}

impl FileInfo {
    /// Of what nobody has changed, and of which no length was reported.
    #[must_use]
    pub fn new(file: FileId, kind: FileKind, chunks: u64) -> Self {
        let attributes = Attributes { links: 1, ..Attributes::default() };
        FileInfo { file, kind, chunks, epoch: 0, attributes, length_reported: None }
    }

    /// Is it in the trash? No name leads to it then.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.attributes.links == 0
    }
}

/// A file in the trash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrashEntry {
    /// Which, and what is known of it.
    pub info: FileInfo,
    /// Its last path.
    pub path: Path,
    /// After this long it may be reclaimed.
    pub stays_for: Duration,
}

/// Where a chunk is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Which chunk.
    pub chunk: ChunkHandle,
    /// Its committed configuration's version.
    pub version: ChunkVersion,
    /// The members of that configuration.
    pub members: Vec<NodeId>,
    /// Its primary, if that is alive in the life in which it was configured.
    pub primary: Option<NodeId>,
    /// Is it its file's last one? Appends go to no other.
    pub last: bool,
}

/// The answer to a change or a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataAnswer {
    /// Create, Mkdir, MakeSpecial, Link, SetAttributes, Restore, Stat, Resolve, StatFile.
    File(FileInfo),
    /// Rename, Exchange, Delete, EmptyTrash, SetXattr, RemoveXattr, ForgetServer, Lock, Unlock.
    Done,
    /// List.
    List {
        /// In order of name.
        entries: Vec<(Name, FileInfo)>,
        /// Are there more after the last?
        more: bool,
    },
    /// Trash.
    Trash {
        /// In order of identity.
        entries: Vec<TrashEntry>,
        /// Are there more after the last?
        more: bool,
    },
    /// AddChunk: the chunk at that index.
    Chunk(ChunkHandle),
    /// Locate.
    Location(Location),
    /// Chunks.
    Chunks {
        /// In order of handle.
        chunks: Vec<ChunkStatus>,
        /// Where to go on.
        next: Option<ChunkHandle>,
    },
    /// Status.
    Status(Box<ClusterStatus>),
    /// Constants.
    Constants(Box<ConstantsStatus>),
    /// SafeMode, LeaveSafeMode: what is, or was, waited for; none if safe mode had ended.
    SafeMode(Option<Box<SafeModeStatus>>),
    /// BeginSession.
    Session {
        /// Which.
        session: ClientSession,
        /// What its client counts with, from its request on.
        term: Term,
    },
    /// RenewSession: what its client counts with, from its request on.
    Renewed(Term),
    /// Conflict.
    Conflict(Option<Lock<Holder>>),
    /// ReadLink: where to. Xattr: the value.
    Bytes(Box<[u8]>),
    /// Xattrs.
    Xattrs(Vec<Name>),
    /// Truncate.
    Truncated {
        /// Slots up to the last chunk.
        chunks: u64,
        /// The truncation epoch from here on.
        epoch: u64,
        /// Chunks behind the cut, the last ones, from the end; none if nothing is behind.
        behind: Vec<ChunkRef>,
    },
}
