//! What the committed log amounts to: tables, each of which owns its fields and changes by its own
//! methods only. Nothing here knows of a role, of messages or of time.
//!
//! Suggested order: this file ([`MasterState::apply`] is the only door), [`consequence`], then
//! `inode` with `namespace`, `path`, `permission` and `xattrs`, `layout`, `chunk_table`, `server_table`, `session_table`,
//! `share_table` with `sharing`, `reclaim`, `allocator`, `constant_table`.

pub mod consequence;
pub mod inode;
mod namespace;
mod path;
mod permission;
pub mod xattrs;
pub mod layout;
pub mod chunk_table;
pub mod server_table;
pub mod session_table;
pub mod share_table;
mod sharing;
mod reclaim;
pub mod allocator;
pub mod constant_table;

pub use allocator::Allocator;
pub use chunk_table::{ChunkRecord, ChunkTable, Configuration, FileSlot, Owners, Release};
pub use consequence::Consequence;
pub use constant_table::ConstantTable;
pub use inode::{Inode, InodeTable, Trashed};
pub use layout::{ChunkRef, Layout};
pub use server_table::{ServerRecord, ServerTable};
pub use session_table::SessionTable;
pub use share_table::{Holder, SessionRecord, ShareTable};

use crate::attributes::{Caller, Nanoseconds};
use crate::config::Rules;
use crate::ids::{
    ChunkHandle, ChunkVersion, ConstantsVersion, Epoch, FileId, LogIndex, NodeId, OpId,
};
use crate::locks::Lock;
use crate::log::{Command, LogEntry};
use crate::metadata::{FileInfo, MetadataAnswer, MetadataChange};
use crate::path::Name;
use crate::refusal::Refusal;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use server_table::Join;

/// The masters' replicated state: a deterministic function of the committed log. Checkpoints and
/// snapshots hold it in the order of these fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MasterState {
    /// The last entry applied.
    applied: LogIndex,
    /// Index of the last `NewLeader` applied.
    epoch: Epoch,
    ids: Allocator,
    inodes: InodeTable,
    chunks: ChunkTable,
    servers: ServerTable,
    sessions: SessionTable,
    constants: ConstantTable,
    share: ShareTable,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Files that have a name.
    pub files: u64,
    /// Directories, the root included.
    pub directories: u64,
    /// Files in the trash.
    pub trashed: u64,
    /// Chunks, those of trashed files included.
    pub chunks: u64,
}

impl MasterState {
    /// The state before the first entry: a root directory.
    #[must_use]
    pub fn new(sessions_max: u32) -> Self {
        MasterState {
            applied: LogIndex(0),
            epoch: Epoch(0),
            ids: Allocator::new(InodeTable::ROOT),
            inodes: InodeTable::new(),
            chunks: ChunkTable::default(),
            servers: ServerTable::default(),
            sessions: SessionTable::new(sessions_max),
            constants: ConstantTable::default(),
            share: ShareTable::default(),
        }
    }

    /// Applies the entry that follows `applied`; gives what it did, which is never nothing at all.
    /// Validation is repeated here: what was true when the entry was proposed need not be true any
    /// more.
    ///
    /// # Panics
    /// If `index` is not the one after `applied`.
    pub fn apply(&mut self, index: LogIndex, entry: &LogEntry) -> Vec<Consequence> {
        assert_eq!(index, self.applied.next(), "entries are applied in order");
        self.applied = index;
        if let Command::NewLeader { node, ref constants } = entry.command {
            self.epoch = Epoch(index.0);
            let (epoch, proposal) = (self.epoch, entry.proposal);
            if self.constants.found(constants) {
                self.sessions.set_max(constants.remembered_clients_max);
            }
            return vec![Consequence::LeaderBegan { epoch, node, proposal }];
        }
        // A deposed leader's proposals may still commit. What they were based on need not hold
        // under its successor, who has counted leases without them.
        if entry.epoch != self.epoch {
            return vec![Consequence::Ignored];
        }
        match &entry.command {
            Command::NewLeader { .. } => unreachable!("applied above"),
            Command::Join { node, incarnation, session, rack } => {
                let (incarnation, session, rack) = (*incarnation, *session, *rack);
                vec![self.join(*node, ServerRecord { incarnation, session, rack })]
            }
            Command::Change { op, acked_below, caller, change } => {
                self.answer(*op, *acked_below, caller, change)
            }
            Command::Configure { chunk, base, version, members } => {
                let config = Configuration { version: *version, members: members[..].into() };
                vec![self.configure(*chunk, *base, config)]
            }
            Command::Free { file, chunk, base } => self.free(*file, *chunk, *base),
            Command::Purge { file } => vec![self.purge(*file)],
            Command::FinishConstants { version } => vec![self.finish_constants(*version)],
            Command::FenceSession { session } => self.fence_session(*session),
            Command::EndSession { session } => self.end_session(*session),
        }
    }

    fn join(&mut self, node: NodeId, record: ServerRecord) -> Consequence {
        let ServerRecord { incarnation, rack, .. } = record;
        match self.servers.join(node, record) {
            Join::New => Consequence::Joined { node, incarnation, rack, rejoined: false },
            Join::Again(rack) => Consequence::Joined { node, incarnation, rack, rejoined: true },
            Join::Refused => Consequence::JoinRefused { node, incarnation },
        }
    }

    /// Runs a client's change, or answers it from memory if it ran before.
    fn answer(
        &mut self,
        op: OpId,
        acked_below: u64,
        caller: &Caller,
        change: &MetadataChange,
    ) -> Vec<Consequence> {
        let applied = self.applied;
        if let Some(answer) = self.sessions.recall(op, acked_below, applied) {
            return vec![Consequence::Answered { op, answer }];
        }
        let mut consequences = Vec::new();
        let answer = self.change(op.client, caller, change, &mut consequences);
        self.sessions.remember(op, acked_below, applied, answer.clone());
        consequences.push(Consequence::Answered { op, answer });
        consequences
    }

    /// Runs a change. One that is refused leaves everything as it was.
    fn change(
        &mut self,
        client: NodeId,
        caller: &Caller,
        change: &MetadataChange,
        consequences: &mut Vec<Consequence>,
    ) -> Result<MetadataAnswer, Refusal> {
        let (inodes, ids) = (&mut self.inodes, &mut self.ids);
        let trashed = match change {
            MetadataChange::Create { path, spec, mode } => {
                let made = inodes.create(ids, caller, path, *spec, *mode);
                return made.map(MetadataAnswer::File);
            }
            MetadataChange::Mkdir { path, mode } => {
                return inodes.mkdir(ids, caller, path, *mode).map(MetadataAnswer::File);
            }
            MetadataChange::MakeSpecial { path, what, mode } => {
                let made = inodes.make_special(ids, caller, path, what, *mode);
                return made.map(MetadataAnswer::File);
            }
            MetadataChange::Link { from, to } => {
                return inodes.link(caller, from, to).map(MetadataAnswer::File);
            }
            MetadataChange::SetAttributes { path, set } => {
                return inodes.set_attributes(caller, path, set).map(MetadataAnswer::File);
            }
            MetadataChange::SetXattr { path, name, value, condition } => {
                inodes.set_xattr(caller, path, name, value, *condition)?;
                None
            }
            MetadataChange::RemoveXattr { path, name } => {
                inodes.remove_xattr(caller, path, name)?;
                None
            }
            MetadataChange::ForgetServer { node } => {
                return self.servers.forget(*node).map(|()| MetadataAnswer::Done);
            }
            MetadataChange::AddChunk { file, index, slots, epoch } => {
                let (index, seen) = (*index, (*slots, *epoch));
                let (chunk, made) = self.add_chunk(*file, index, seen, caller.clock_ns)?;
                consequences.extend(made.then_some(Consequence::ChunkMade(chunk)));
                return Ok(MetadataAnswer::Chunk(chunk));
            }
            MetadataChange::Truncate { file, length, retired } => {
                return self.truncate(*file, *length, retired, caller.clock_ns, consequences);
            }
            MetadataChange::Rename { from, to, this, no_replace } => {
                inodes.rename(caller, from, to, *this, *no_replace)?
            }
            MetadataChange::Exchange { from, to } => {
                inodes.exchange(caller, from, to)?;
                None
            }
            MetadataChange::Delete { path, this } => inodes.delete(caller, path, *this)?,
            MetadataChange::Restore { file, to, no_replace } => {
                return self.restore(caller, *file, to, *no_replace, consequences);
            }
            MetadataChange::EmptyTrash { files } => {
                inodes.check_empty_trash(files, caller)?;
                let emptied = files.iter().filter(|file| inodes.empty_trash(**file));
                consequences.extend(emptied.map(|file| Consequence::TrashEmptied(*file)));
                return Ok(MetadataAnswer::Done);
            }
            MetadataChange::BeginSession => return self.begin_session(client, consequences),
            MetadataChange::Lock { file, holder, range, kind } => {
                let lock = Lock { holder: *holder, range: *range, kind: *kind };
                self.lock(client, *file, lock, consequences)?;
                return Ok(MetadataAnswer::Done);
            }
            MetadataChange::Unlock { file, holder, range } => {
                self.unlock(client, *file, *holder, *range, consequences)?;
                return Ok(MetadataAnswer::Done);
            }
            MetadataChange::SetConstants { settings } => {
                let changes = self.constants.change(settings)?;
                let version = self.constants.version();
                consequences.extend(changes.then_some(Consequence::ConstantsChanged(version)));
                return Ok(MetadataAnswer::Done);
            }
        };
        consequences.extend(trashed.map(|file| self.trash(file)));
        Ok(MetadataAnswer::Done)
    }

    /// The chunks of a file that went to the trash follow it.
    fn trash(&mut self, file: FileId) -> Consequence {
        let refs = self.inodes.layout(file).map_or(&[][..], Layout::refs);
        refs.iter().for_each(|reference| self.chunks.trash_owner(reference.chunk));
        Consequence::Trashed(file)
    }

    fn restore(
        &mut self,
        caller: &Caller,
        file: FileId,
        to: &crate::path::Path,
        no_replace: bool,
        consequences: &mut Vec<Consequence>,
    ) -> Result<MetadataAnswer, Refusal> {
        let (info, trashed) = self.inodes.restore(caller, file, to, no_replace)?;
        let refs = self.inodes.layout(file).map_or(&[][..], Layout::refs);
        refs.iter().for_each(|reference| self.chunks.restore_owner(reference.chunk));
        consequences.push(Consequence::Restored(file));
        consequences.extend(trashed.map(|file| self.trash(file)));
        Ok(MetadataAnswer::File(info))
    }

    /// Gives the chunk of a slot, and whether it is new.
    fn add_chunk(
        &mut self,
        file: FileId,
        index: u64,
        (slots, epoch): (u64, u64),
        now: Nanoseconds,
    ) -> Result<(ChunkHandle, bool), Refusal> {
        // Zero leaves the file's time as it is.
        let layout = self.inodes.layout_mut(file, 0)?;
        if let Some(chunk) = layout.slot(index, slots, epoch)? {
            return Ok((chunk, false));
        }
        let chunk = self.ids.chunk()?;
        let layout = self.inodes.layout_mut(file, now).expect("looked at above");
        layout.put(index, chunk);
        let spec = *layout.spec();
        let in_trash = self.inodes.is_trashed(file);
        self.chunks.make(chunk, FileSlot { file, index }, spec, in_trash);
        Ok((chunk, true))
    }

    /// A file gives up chunks that are retired, and names those that are still behind the cut.
    fn truncate(
        &mut self,
        file: FileId,
        length: u64,
        retired: &[ChunkHandle],
        now: Nanoseconds,
        consequences: &mut Vec<Consequence>,
    ) -> Result<MetadataAnswer, Refusal> {
        let in_trash = self.inodes.is_trashed(file);
        let layout = self.inodes.layout_mut(file, now)?;
        layout.raise_epoch();
        for chunk in retired.iter().filter(|chunk| layout.remove(**chunk)) {
            self.chunks.give_up(*chunk, in_trash);
            consequences.push(Consequence::GivenUp(*chunk));
        }
        let (chunks, epoch, behind) = (layout.slots(), layout.epoch(), layout.behind(length));
        Ok(MetadataAnswer::Truncated { chunks, epoch, behind })
    }

    fn configure(
        &mut self,
        chunk: ChunkHandle,
        base: ChunkVersion,
        config: Configuration,
    ) -> Consequence {
        let (version, members) = (config.version, config.members.to_vec());
        if self.chunks.configure(chunk, base, config) {
            Consequence::Configured { chunk, base, version, members }
        } else {
            Consequence::Ignored
        }
    }

    fn finish_constants(&mut self, version: ConstantsVersion) -> Consequence {
        if self.constants.finish(version) {
            Consequence::ConstantsChanged(self.constants.version())
        } else {
            Consequence::Ignored
        }
    }

    /// The last entry applied.
    #[must_use]
    pub fn applied(&self) -> LogIndex {
        self.applied
    }

    /// Index of the last `NewLeader` applied.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The identities that are handed out next.
    #[must_use]
    pub fn ids(&self) -> &Allocator {
        &self.ids
    }

    /// Files and directories.
    #[must_use]
    pub fn inodes(&self) -> &InodeTable {
        &self.inodes
    }

    /// Chunks.
    #[must_use]
    pub fn chunks(&self) -> &ChunkTable {
        &self.chunks
    }

    /// Chunkservers.
    #[must_use]
    pub fn servers(&self) -> &ServerTable {
        &self.servers
    }

    /// What is remembered of clients.
    #[must_use]
    pub fn sessions(&self) -> &SessionTable {
        &self.sessions
    }

    /// Sessions of clients, and their locks.
    #[must_use]
    pub fn share(&self) -> &ShareTable {
        &self.share
    }

    /// The cluster's constants.
    #[must_use]
    pub fn constants(&self) -> &ConstantTable {
        &self.constants
    }

    /// Whether repeated changes are answered from memory: they are, except in an ablation. Not a
    /// part of what is kept; whoever opens a state sets it.
    pub fn set_rules(&mut self, rules: &Rules) {
        self.sessions.set_answers_retries(rules.change_table);
    }

    /// As in another state, which this one replaces.
    pub fn set_rules_of(&mut self, other: &MasterState) {
        self.sessions.set_answers_retries(other.sessions.answers_retries());
    }

    /// Leaves out what is remembered of clients: only an ablation does.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// As the superuser sees it: see [`InodeTable::stat`].
    pub fn stat(&self, path: &str) -> Result<FileInfo, Refusal> {
        self.inodes.stat(&path.into(), &Caller::default())
    }

    /// As the superuser sees it: see [`InodeTable::list`].
    pub fn list(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(Name, FileInfo)>, bool), Refusal> {
        let after = after.map(Name::from);
        self.inodes.list(&path.into(), &Caller::default(), after.as_ref(), limit)
    }

    /// The chunks of a file in order, also of one that is being reclaimed; none of a directory or
    /// of what does not exist.
    #[must_use]
    pub fn chunks_of(&self, file: FileId) -> Vec<ChunkHandle> {
        let refs = self.inodes.layout(file).map_or(&[][..], Layout::refs);
        refs.iter().map(|reference| reference.chunk).collect()
    }

    /// How much there is of everything, without visiting it.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let trashed = self.inodes.trash().len() as u64;
        let directories = self.inodes.directories();
        Counts {
            files: self.inodes.len() as u64 - directories - trashed,
            directories,
            trashed,
            chunks: self.chunks.len() as u64,
        }
    }

    /// Checks the whole state against itself; visits everything.
    ///
    /// # Panics
    /// If an inode is not reached by exactly one name (a trashed file: by none), a layout refers to
    /// what is no chunk, or a count is wrong.
    pub fn assert_invariants(&self) {
        let mut owners: BTreeMap<ChunkHandle, Owners> = BTreeMap::new();
        self.inodes.assert_invariants(self.ids.next_file(), |layout, trashed| {
            for reference in layout.refs() {
                let of_chunk = owners.entry(reference.chunk).or_default();
                *(if trashed { &mut of_chunk.trashed } else { &mut of_chunk.named }) += 1;
            }
        });
        for chunk in self.chunks.given_up() {
            let before = owners.insert(chunk, Owners::default());
            assert_eq!(before, None, "no layout refers to a chunk that was given up");
        }
        assert_eq!(owners.len(), self.chunks.len(), "a layout refers to every other chunk");
        for (chunk, counted) in owners {
            assert!(chunk < self.ids.next_chunk(), "handles come from the allocator");
            let record = self.chunks.get(chunk).expect("a layout refers to chunks that are there");
            assert_eq!(record.owners, counted, "the owners of {chunk} are counted");
        }
        self.sessions.assert_invariants();
        self.share.assert_invariants();
    }
}

#[cfg(test)]
mod tests;
