//! The chunk table: of each chunk who refers to it, and its last committed configuration.

use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::log::Member;
use crate::members::Members;
use crate::metadata::FileSpec;
use crate::paged::{Iter, PagedMap};
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::{Bound, Index};
use serde::{Deserialize, Serialize};

/// A committed configuration of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// Its version.
    pub version: ChunkVersion,
    /// In pipeline order, the primary first.
    pub members: Members,
}

/// A slot of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileSlot {
    /// Which file.
    pub file: FileId,
    /// Which slot of it.
    pub index: u64,
}

/// How many layouts refer to a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owners {
    /// Of files that a name leads to.
    pub named: u32,
    /// Of files in the trash.
    pub trashed: u32,
}

/// What becomes of a chunk when a file of the trash gives it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Other layouts refer to it: it stays, and its replicas are not touched.
    Kept,
    /// Nothing else refers to it: it goes, once no replica takes mutations any more.
    LastOwner,
}

/// A chunk as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Which layouts refer to it is counted here, and listed nowhere.
    pub owners: Owners,
    /// What it was made for: named in messages and reports, and its file's retention in the trash
    /// counts. Everything else is decided by `owners`.
    pub made_for: FileSlot,
    /// Copied from the file that it was made for.
    pub spec: FileSpec,
    /// None before the first.
    pub config: Option<Configuration>,
}

impl ChunkRecord {
    /// True if nothing but the trash refers to it.
    #[must_use]
    pub fn is_trashed(&self) -> bool {
        self.owners.named == 0
    }

    /// Version of the committed configuration; zero before the first.
    #[must_use]
    pub fn version(&self) -> ChunkVersion {
        self.config.as_ref().map_or(ChunkVersion(0), |config| config.version)
    }
}

/// Every chunk that was made and not freed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkTable {
    chunks: PagedMap<ChunkHandle, ChunkRecord>,
    /// Those to which no layout refers, since their file was truncated; to be freed.
    given_up: BTreeSet<ChunkHandle>,
    /// Those that need another configuration before a lease is granted: up to this version a session
    /// that has ended may have sent something.
    fenced: BTreeMap<ChunkHandle, ChunkVersion>,
}

impl ChunkTable {
    /// A chunk's record.
    #[must_use]
    pub fn get(&self, chunk: ChunkHandle) -> Option<&ChunkRecord> {
        self.chunks.get(&chunk)
    }

    /// Is this chunk there?
    #[must_use]
    pub fn contains(&self, chunk: ChunkHandle) -> bool {
        self.chunks.contains_key(&chunk)
    }

    /// A chunk's last committed configuration.
    #[must_use]
    pub fn config(&self, chunk: ChunkHandle) -> Option<&Configuration> {
        self.chunks.get(&chunk)?.config.as_ref()
    }

    /// The members of a chunk's last committed configuration; none before the first.
    #[must_use]
    pub fn members(&self, chunk: ChunkHandle) -> &[Member] {
        self.config(chunk).map_or(&[], |config| &config.members)
    }

    /// All chunks in order.
    pub fn iter(&self) -> Iter<'_, ChunkHandle, ChunkRecord> {
        self.chunks.iter()
    }

    /// The chunks from this one on, in order.
    #[must_use]
    pub fn iter_from(&self, chunk: ChunkHandle) -> Iter<'_, ChunkHandle, ChunkRecord> {
        self.chunks.range_from(Bound::Included(&chunk))
    }

    /// The handles of all chunks in order.
    pub fn handles(&self) -> impl Iterator<Item = ChunkHandle> {
        self.chunks.keys().copied()
    }

    /// How many chunks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// A chunk is made, without a configuration, for a file with a name or for one in the trash.
    pub(super) fn make(
        &mut self,
        chunk: ChunkHandle,
        made_for: FileSlot,
        spec: FileSpec,
        in_trash: bool,
    ) {
        let owners = Owners { named: u32::from(!in_trash), trashed: u32::from(in_trash) };
        self.chunks.insert(chunk, ChunkRecord { owners, made_for, spec, config: None });
    }

    /// A file that refers to this chunk went to the trash.
    pub(super) fn trash_owner(&mut self, chunk: ChunkHandle) {
        let record = self.chunks.get_mut(&chunk).expect("a layout refers to chunks that are there");
        record.owners.named -= 1;
        record.owners.trashed += 1;
    }

    /// What becomes of a chunk when a file of the trash gives it up; none if no such file refers to it.
    /// That a chunk may go is decided here and nowhere else: see [`MasterState::release`].
    ///
    /// [`MasterState::release`]: super::MasterState::release
    pub(super) fn release(&self, chunk: ChunkHandle) -> Option<Release> {
        match self.get(chunk)?.owners {
            Owners { trashed: 0, .. } => None,
            Owners { named: 0, trashed: 1 } => Some(Release::LastOwner),
            Owners { .. } => Some(Release::Kept),
        }
    }

    /// A file of the trash gave up a chunk that others refer to.
    pub(super) fn drop_owner(&mut self, chunk: ChunkHandle) {
        let record = self.chunks.get_mut(&chunk).expect("released just now");
        record.owners.trashed -= 1;
    }

    /// Another layout refers to this chunk. No command of the log does that yet.
    #[cfg(test)]
    pub fn add_owner(&mut self, chunk: ChunkHandle, in_trash: bool) {
        let record = self.chunks.get_mut(&chunk).expect("a layout refers to chunks that are there");
        record.owners.named += u32::from(!in_trash);
        record.owners.trashed += u32::from(in_trash);
    }

    /// A file, with a name or in the trash, gave this chunk up. With no other owner it is to be freed.
    pub(super) fn give_up(&mut self, chunk: ChunkHandle, in_trash: bool) {
        let record = self.chunks.get_mut(&chunk).expect("a layout refers to chunks that are there");
        let owners = if in_trash { &mut record.owners.trashed } else { &mut record.owners.named };
        *owners -= 1;
        if record.owners == Owners::default() {
            self.given_up.insert(chunk);
        }
    }

    /// Does no layout refer to this chunk any more?
    #[must_use]
    pub fn is_given_up(&self, chunk: ChunkHandle) -> bool {
        self.given_up.contains(&chunk)
    }

    /// No lease is granted any more for the configuration that a chunk has now.
    pub(super) fn fence(&mut self, chunk: ChunkHandle) {
        if let Some(config) = self.config(chunk) {
            self.fenced.insert(chunk, config.version);
        }
    }

    /// Does a chunk need another configuration before a lease is granted?
    #[must_use]
    pub fn is_fenced(&self, chunk: ChunkHandle) -> bool {
        self.fenced.contains_key(&chunk)
    }

    /// The chunks to which no layout refers any more, in order.
    pub fn given_up(&self) -> impl Iterator<Item = ChunkHandle> + '_ {
        self.given_up.iter().copied()
    }

    /// A file that refers to this chunk was taken out of the trash.
    pub(super) fn restore_owner(&mut self, chunk: ChunkHandle) {
        let record = self.chunks.get_mut(&chunk).expect("a layout refers to chunks that are there");
        record.owners.trashed -= 1;
        record.owners.named += 1;
    }

    /// A configuration takes effect, if it follows the committed one. False if it does not.
    pub(super) fn configure(
        &mut self,
        chunk: ChunkHandle,
        base: ChunkVersion,
        config: Configuration,
    ) -> bool {
        let distinct: BTreeSet<NodeId> = config.members.iter().map(|m| m.node).collect();
        let sound = !config.members.is_empty() && distinct.len() == config.members.len();
        let Some(record) = self.chunks.get_mut(&chunk) else { return false };
        // PacificA: a configuration names the one it follows, so that of two proposals made on
        // the same base only one takes effect.
        if !sound || base != record.version() || config.version <= base {
            return false;
        }
        record.config = Some(config);
        self.fenced.remove(&chunk);
        true
    }

    /// A chunk is freed, if this is the version of its committed configuration.
    pub(super) fn remove_at(
        &mut self,
        chunk: ChunkHandle,
        base: ChunkVersion,
    ) -> Option<ChunkRecord> {
        let current = self.get(chunk).is_some_and(|record| record.version() == base);
        if !current {
            return None;
        }
        self.given_up.remove(&chunk);
        self.fenced.remove(&chunk);
        self.chunks.remove(&chunk)
    }
}

/// Of a chunk that is known to be there.
impl Index<ChunkHandle> for ChunkTable {
    type Output = ChunkRecord;

    fn index(&self, chunk: ChunkHandle) -> &ChunkRecord {
        &self.chunks[&chunk]
    }
}

impl<'a> IntoIterator for &'a ChunkTable {
    type Item = (&'a ChunkHandle, &'a ChunkRecord);
    type IntoIter = Iter<'a, ChunkHandle, ChunkRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
