//! What operators ask: replicas of chunks, servers, the cluster at a glance, its constants, safe mode.

use crate::agreed::ClusterConstants;
use crate::ids::{ChunkHandle, ChunkVersion, ConstantsVersion, FileId, Incarnation, NodeId, Rack};
use alloc::vec::Vec;
use core::time::Duration;
use serde::{Deserialize, Serialize};

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
    /// Bytes that replicas may still occupy.
    pub free_bytes: u64,
    /// What its disk would hold if it were empty, or what it offers of that.
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
