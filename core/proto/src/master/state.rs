//! The master's replicated state: a deterministic function of the committed log.

use crate::ids::{
    ChunkHandle, ChunkVersion, Epoch, FileId, Incarnation, LogIndex, NodeId, OpId, Rack, Session,
};
use crate::log::{Command, LogEntry, Member};
use crate::members::Members;
use crate::metadata::{FileSpec, MetadataAnswer};
use crate::paged::PagedMap;
use crate::refusal::Refusal;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A committed configuration of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// Its version.
    pub version: ChunkVersion,
    /// In pipeline order, the primary first.
    pub members: Members,
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
    Directory(PagedMap<Box<str>, FileId>),
    /// Holds chunks.
    File {
        /// Fixed at creation.
        spec: FileSpec,
        /// Its chunks, in order of index.
        chunks: Vec<ChunkHandle>,
        /// In the trash: no name leads to it.
        trashed: bool,
        /// A chunk of it was freed: handles of this file get `NotFound`.
        reclaimed: bool,
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
    pub nodes: PagedMap<FileId, Node>,
    /// How many of them are directories, the root included.
    pub directories: u64,
    /// The files that are `trashed`.
    pub trash: BTreeSet<FileId>,
    /// Chunks.
    pub chunks: PagedMap<ChunkHandle, ChunkRecord>,
    /// Chunkservers.
    pub servers: BTreeMap<NodeId, ServerRecord>,
    /// Clients.
    pub sessions: BTreeMap<NodeId, ClientSession>,
    /// Bound of `sessions`.
    pub sessions_max: u32,
    /// Above the number of every operation that was forgotten with its session (see `OpTable`).
    pub forgotten_below: u64,
    /// Whether repeated changes are answered from `sessions`: they are, except in an ablation. Not
    /// a part of what is kept; whoever opens a state sets it.
    #[serde(skip, default = "always")]
    pub change_table: bool,
}

fn always() -> bool {
    true
}

/// What applying an entry did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
        /// Its file, if this was the last chunk of it.
        purged: Option<FileId>,
    },
    /// A file without chunks is no more.
    Purged(FileId),
}

impl MasterState {
    /// The root directory.
    pub const ROOT: FileId = FileId(1);

    /// The state before the first entry: a root directory.
    #[must_use]
    pub fn new(sessions_max: u32) -> Self {
        let root = Node { mtime_ms: 0, body: NodeBody::Directory(PagedMap::new()) };
        MasterState {
            applied: LogIndex(0),
            epoch: Epoch(0),
            next_file: Self::ROOT.next(),
            next_chunk: ChunkHandle(1),
            nodes: [(Self::ROOT, root)].into_iter().collect(),
            directories: 1,
            trash: BTreeSet::new(),
            chunks: PagedMap::new(),
            servers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            sessions_max,
            forgotten_below: 0,
            change_table: true,
        }
    }

    /// Applies the entry that follows `applied`. Validation is repeated here: what was true when
    /// the entry was proposed need not be true any more.
    ///
    /// # Panics
    /// If `index` is not the one after `applied`.
    pub fn apply(&mut self, index: LogIndex, entry: &LogEntry) -> Applied {
        assert_eq!(index, self.applied.next(), "entries are applied in order");
        self.applied = index;
        if let Command::NewLeader { .. } = entry.command {
            self.epoch = Epoch(index.0);
            return Applied::NewLeader(self.epoch);
        }
        // A deposed leader's proposals may still commit. What they were based on need not hold
        // under its successor, who has counted leases without them.
        if entry.epoch != self.epoch {
            return Applied::Ignored;
        }
        match &entry.command {
            Command::NewLeader { .. } => unreachable!("applied above"),
            Command::Join { node, incarnation, session, rack } => {
                let record =
                    ServerRecord { incarnation: *incarnation, session: *session, rack: *rack };
                self.join(*node, record)
            }
            Command::Change { op, acked_below, change } => {
                self.apply_change(*op, *acked_below, change)
            }
            Command::Configure { chunk, base, version, members } => {
                let config = Configuration { version: *version, members: members[..].into() };
                self.configure(*chunk, *base, config)
            }
            Command::Free { chunk, base } => self.free(*chunk, *base),
            Command::Purge { file } => self.purge(*file),
        }
    }

    /// A life is registered once. A lower incarnation, or an equal one from another process, is
    /// a copy of the disk or a late message of a life that ended.
    fn join(&mut self, node: NodeId, record: ServerRecord) -> Applied {
        if let Some(known) = self.servers.get(&node) {
            if record.incarnation < known.incarnation {
                return Applied::JoinRefused { node };
            }
            if record.incarnation == known.incarnation {
                let rejoined = record.session == known.session;
                return if rejoined {
                    Applied::Joined { node, rejoined }
                } else {
                    Applied::JoinRefused { node }
                };
            }
        }
        self.servers.insert(node, record);
        Applied::Joined { node, rejoined: false }
    }

    fn configure(
        &mut self,
        chunk: ChunkHandle,
        base: ChunkVersion,
        config: Configuration,
    ) -> Applied {
        let distinct: BTreeSet<NodeId> = config.members.iter().map(|m| m.node).collect();
        let sound = !config.members.is_empty() && distinct.len() == config.members.len();
        let Some(record) = self.chunks.get_mut(&chunk) else { return Applied::Ignored };
        // PacificA: a configuration names the one it follows, so that of two proposals made on
        // the same base only one takes effect.
        if !sound || base != record.version() || config.version <= base {
            return Applied::Ignored;
        }
        record.config = Some(config);
        Applied::Configured(chunk)
    }

    fn free(&mut self, chunk: ChunkHandle, base: ChunkVersion) -> Applied {
        let Some(record) = self.chunks.get(&chunk) else { return Applied::Ignored };
        let file = record.file;
        if base != record.version() || !self.trash.contains(&file) {
            return Applied::Ignored;
        }
        let record = self.chunks.remove(&chunk).expect("looked at above");
        let node = self.nodes.get_mut(&file).expect("a chunk's file is there");
        let NodeBody::File { chunks, reclaimed, .. } = &mut node.body else {
            unreachable!("a chunk belongs to a file")
        };
        *reclaimed = true;
        chunks.retain(|other| *other != chunk);
        let purged = chunks.is_empty().then_some(file);
        if let Some(file) = purged {
            self.forget_trashed(file);
        }
        let members = record.config.map_or_else(Vec::new, |config| config.members.to_vec());
        Applied::Freed { chunk, members, purged }
    }

    fn purge(&mut self, file: FileId) -> Applied {
        if !self.trash.contains(&file) || !self.chunks_of(file).is_empty() {
            return Applied::Ignored;
        }
        self.forget_trashed(file);
        Applied::Purged(file)
    }

    fn forget_trashed(&mut self, file: FileId) {
        let trashed = self.trash.remove(&file);
        let known = self.nodes.remove(&file).is_some();
        assert!(trashed && known, "only a file in the trash is forgotten");
    }

    /// Checks the whole state against itself; visits everything.
    ///
    /// # Panics
    /// If a node is not reached by exactly one name (a trashed file: by none), a chunk is not in
    /// its file at its place, or a count is wrong.
    pub fn assert_invariants(&self) {
        let mut named = BTreeSet::from([Self::ROOT]);
        let (mut directories, mut chunks_seen) = (0, 0);
        for (id, node) in &self.nodes {
            assert!(*id < self.next_file, "file ids come from the allocator");
            match &node.body {
                NodeBody::Directory(names) => {
                    directories += 1;
                    for child in names.values() {
                        assert!(self.nodes.contains_key(child), "a name leads to a node");
                        assert!(named.insert(*child), "a node has one name");
                    }
                }
                NodeBody::File { chunks, trashed, reclaimed, .. } => {
                    chunks_seen += chunks.len();
                    assert_eq!(*trashed, self.trash.contains(id), "the trash is indexed");
                    assert!(*trashed || !*reclaimed, "only trash is reclaimed");
                    self.assert_chunks(*id, chunks, *reclaimed);
                }
            }
        }
        assert_eq!(directories, self.directories, "directories are counted");
        assert_eq!(chunks_seen, self.chunks.len(), "every chunk is in a file");
        assert_eq!(named.len() + self.trash.len(), self.nodes.len(), "every node has a name");
        assert!(self.trash.is_disjoint(&named), "no name leads into the trash");
        assert!(self.sessions.len() <= self.sessions_max.max(1) as usize, "sessions are bounded");
    }

    fn assert_chunks(&self, file: FileId, chunks: &[ChunkHandle], reclaimed: bool) {
        for (place, handle) in chunks.iter().enumerate() {
            assert!(*handle < self.next_chunk, "handles come from the allocator");
            let record = self.chunks.get(handle).expect("a file's chunk is known");
            assert_eq!(record.file, file, "a chunk knows its file");
            assert!(reclaimed || record.index == place as u64, "a chunk knows its place");
        }
    }
}

impl ChunkRecord {
    /// Version of the committed configuration; zero before the first.
    #[must_use]
    pub fn version(&self) -> ChunkVersion {
        self.config.as_ref().map_or(ChunkVersion(0), |config| config.version)
    }
}

#[cfg(test)]
mod tests;
