//! The chunk table: of each chunk its place and its last committed configuration.

use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::log::Member;
use crate::members::Members;
use crate::paged::{Iter, PagedMap};
use alloc::collections::BTreeSet;
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

/// A chunk as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// The file that it belongs to.
    pub file: FileId,
    /// Its place in the file.
    pub index: u64,
    /// None before the first.
    pub config: Option<Configuration>,
}

impl ChunkRecord {
    /// Version of the committed configuration; zero before the first.
    #[must_use]
    pub fn version(&self) -> ChunkVersion {
        self.config.as_ref().map_or(ChunkVersion(0), |config| config.version)
    }
}

/// Every chunk that was made and not freed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChunkTable {
    chunks: PagedMap<ChunkHandle, ChunkRecord>,
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

    /// A chunk is made, without a configuration.
    pub(super) fn make(&mut self, chunk: ChunkHandle, file: FileId, index: u64) {
        self.chunks.insert(chunk, ChunkRecord { file, index, config: None });
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
        true
    }

    /// A chunk is freed.
    pub(super) fn remove(&mut self, chunk: ChunkHandle) -> Option<ChunkRecord> {
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
