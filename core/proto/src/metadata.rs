//! What clients ask of the namespace, and what they are told.

use crate::agreed::{ClusterConstants, Setting};
use crate::ids::{ChunkHandle, ChunkVersion, ConstantsVersion, FileId, Incarnation, NodeId, Rack};
use crate::replica::SyncPolicy;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

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

/// A change of the namespace: logged, and exactly-once by its operation id.
///
/// Paths are absolute, `/`-separated, without empty, `.` or `..` components.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataChange {
    /// Make an empty file; its parent must be a directory.
    Create {
        /// Where.
        path: String,
        /// What is fixed about it.
        spec: FileSpec,
        /// The client's wall clock, milliseconds since 1970.
        mtime_ms: u64,
    },
    /// Make a directory; its parent must be one.
    Mkdir {
        /// Where.
        path: String,
        /// The client's wall clock, milliseconds since 1970.
        mtime_ms: u64,
    },
    /// Move a file or directory. Replaces an existing file (or an empty directory by a
    /// directory), as POSIX `rename` does; what it replaces goes to the trash. Its conditions are
    /// checked when it is applied, so that no other change comes between the look and the act.
    Rename {
        /// What.
        from: String,
        /// Its new name.
        to: String,
        /// Only if this is what is at `from`: otherwise `NotFound`.
        this: Option<FileId>,
        /// Only if nothing is at `to`: otherwise `AlreadyExists`.
        no_replace: bool,
    },
    /// Move a file to the trash, or remove an empty directory. A trashed file can still be
    /// written by handle until it is reclaimed.
    Delete {
        /// What.
        path: String,
        /// Only if this is what is at `path`: otherwise `NotFound`.
        this: Option<FileId>,
    },
    /// Begin a change of the cluster's constants. Refused if one is under way, if one of them is
    /// fixed, or if they would contradict each other.
    SetConstants {
        /// What is to change.
        settings: Vec<Setting>,
    },
    /// Add chunk `index` to a file. Needs `index` = number of chunks, and, by the client's word,
    /// the chunk before it sealed. Idempotent: names the chunk that is there already.
    AddChunk {
        /// To which file.
        file: FileId,
        /// At which place.
        index: u64,
        /// The client's wall clock, milliseconds since 1970.
        mtime_ms: u64,
    },
    /// A chunkserver is gone for good: it is listed no more, unless it registers again. Refused for
    /// one that is heard.
    ForgetServer {
        /// Which.
        node: NodeId,
    },
}

/// A question that changes nothing in the log, answered by a confirmed leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataQuery {
    /// What is at a path?
    Stat {
        /// Where.
        path: String,
    },
    /// What is this file, wherever it is?
    StatFile {
        /// Which.
        file: FileId,
    },
    /// What is in a directory, in order of name?
    List {
        /// Which directory.
        path: String,
        /// Only names after this one.
        after: Option<String>,
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
    /// Every replica of some chunks, for `fsck`, from this handle on.
    Chunks {
        /// First handle of interest.
        from: ChunkHandle,
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

/// A file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    /// Holds names.
    Directory,
    /// Holds chunks.
    File(FileSpec),
}

/// What the namespace knows of a file or directory. Its length stands at the primary of its last
/// chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileInfo {
    /// Which.
    pub file: FileId,
    /// What it is.
    pub kind: FileKind,
    /// Number of its chunks (zero for a directory).
    #[serde(deserialize_with = "crate::ids::counted")]
    pub chunks: u64,
    /// By the clock of the client that made or last extended it, milliseconds since 1970.
    pub mtime_ms: u64,
    /// The length as far as chunkservers reported it to the master; exact for a file that is not
    /// being written. None for a directory, and as long as no replica of the last chunk is reported.
    pub length_reported: Option<u64>,
    /// It is in the trash: no name leads to it.
    pub removed: bool,
}

impl FileInfo {
    /// Of what nobody has changed, and of which no length was reported.
    #[must_use]
    pub fn new(file: FileId, kind: FileKind, chunks: u64) -> Self {
        FileInfo { file, kind, chunks, mtime_ms: 0, length_reported: None, removed: false }
    }
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
}

/// One replica, for `fsck`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplicaStatus {
    /// Where.
    pub node: NodeId,
    /// Is it in the committed configuration?
    pub member: bool,
    /// Is its server heard?
    pub alive: bool,
    /// Did it report a checksum error?
    pub corrupt: bool,
    /// As it last reported.
    pub applied_version: ChunkVersion,
    /// As it last reported, in bytes.
    pub length: u64,
}

/// One chunk, for `fsck`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkStatus {
    /// Which chunk.
    pub chunk: ChunkHandle,
    /// Of which file.
    pub file: FileId,
    /// Its place in it.
    pub index: u64,
    /// Version of the committed configuration; zero before the first.
    pub version: ChunkVersion,
    /// Its primary, by that configuration.
    pub primary: Option<NodeId>,
    /// Does a lease stand, by the master's count?
    pub leased: bool,
    /// Replicas wanted.
    pub target: u8,
    /// Every replica that the master knows of.
    pub replicas: Vec<ReplicaStatus>,
}

/// One chunkserver, for `status`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Which.
    pub node: NodeId,
    /// The life that registered last.
    pub incarnation: Incarnation,
    /// Its failure domain.
    pub rack: Rack,
    /// Is it heard?
    pub alive: bool,
    /// How long it is not heard; none if this leader never heard it.
    pub silent_for: Option<Duration>,
    /// Replicas that it reported.
    pub replicas: u64,
    /// Bytes in use, as it reported.
    pub used_bytes: u64,
    /// Bytes that it offers.
    pub capacity_bytes: u64,
}

/// The cluster at a glance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// Every chunkserver ever registered that was not forgotten.
    pub servers: Vec<ServerStatus>,
    /// Files in the namespace, the trash aside.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Files in the trash.
    pub trashed: u64,
    /// Chunks.
    pub chunks: u64,
    /// Chunks with fewer good replicas than their target; in safe mode, those of which nobody has
    /// reported yet.
    pub chunks_under_target: u64,
    /// Chunks without a good replica that is heard; in safe mode as `chunks_under_target`.
    pub chunks_unavailable: u64,
    /// Leases that stand, by the master's count.
    pub leases: u64,
    /// Configuration changes under way.
    pub changes: u64,
    /// Copies under way.
    pub repairs: u64,
    /// Is repair held back until more is reported?
    pub safe_mode: bool,
    /// A reason to call somebody: the master met chunks that its log does not know.
    pub alarm: bool,
}

/// The cluster's constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConstantsStatus {
    /// Counted by each of the two steps of a change.
    pub version: ConstantsVersion,
    /// The values in force, or to be when the change under way is finished.
    pub values: ClusterConstants,
    /// The values before the change under way.
    pub changes_from: Option<ClusterConstants>,
    /// How long leases of the old term may last, if a change waits for their end.
    pub leases_end_within: Option<Duration>,
    /// Chunkservers that go by an older version, as far as they are heard.
    pub behind: Vec<NodeId>,
    /// Chunkservers that are not heard: they are given the values when they register.
    pub silent: Vec<NodeId>,
}

/// A chunk that no member of its configuration has reported to this leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UnreportedChunk {
    /// Its handle.
    pub chunk: ChunkHandle,
    /// The file that it belongs to.
    pub file: FileId,
    /// Its place in the file.
    pub index: u64,
    /// The members of its configuration.
    pub members: Vec<NodeId>,
}

/// What a leader in safe mode waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SafeModeStatus {
    /// Chunks that have a configuration.
    pub chunks: u64,
    /// Those that no member of their configuration has reported.
    pub unreported: u64,
    /// Safe mode ends at once when no more of them are left than so many.
    pub unreported_max: u64,
    /// The first ten of them, in order of handle.
    pub first_unreported: Vec<UnreportedChunk>,
    /// Chunkservers of the log that are not heard.
    pub silent_servers: Vec<NodeId>,
    /// Chunkservers that are heard, and have not reported yet.
    pub reporting_servers: Vec<NodeId>,
    /// Safe mode ends after this long, if no other server registers before.
    pub ends_within: Duration,
}

/// The answer to a change or a question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetadataAnswer {
    /// Create, Stat, StatFile, Mkdir.
    File(FileInfo),
    /// Rename, Delete, ForgetServer.
    Done,
    /// List.
    List {
        /// In order of name.
        entries: Vec<(String, FileInfo)>,
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
}
