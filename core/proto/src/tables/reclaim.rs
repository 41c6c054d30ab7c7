//! What files in the trash give back: chunks, and at last themselves.

use super::{Consequence, MasterState, Release};
use crate::ids::{ChunkHandle, ChunkVersion, FileId};
use alloc::vec;
use alloc::vec::Vec;

impl MasterState {
    /// What becomes of a chunk when this file gives it up; none if the file is not in the trash, or does
    /// not refer to the chunk. A file refers to a chunk once at the most. A chunk that a truncation gave
    /// up has no owner left.
    #[must_use]
    pub fn release(&self, file: FileId, chunk: ChunkHandle) -> Option<Release> {
        if self.chunks.is_given_up(chunk) {
            return Some(Release::LastOwner);
        }
        let refers = self.inodes.layout(file).is_some_and(|layout| layout.refers_to(chunk));
        if refers && self.inodes.is_trashed(file) { self.chunks.release(chunk) } else { None }
    }

    /// A file of the trash gives a chunk up. With its last owner the chunk goes, if its configuration is
    /// still the one that was prepared.
    pub(super) fn free(
        &mut self,
        file: FileId,
        chunk: ChunkHandle,
        base: ChunkVersion,
    ) -> Vec<Consequence> {
        let given_up = self.chunks.is_given_up(chunk);
        let first = match self.release(file, chunk) {
            None => return vec![Consequence::Ignored],
            Some(Release::Kept) => {
                self.chunks.drop_owner(chunk);
                Consequence::Released { file, chunk }
            }
            Some(Release::LastOwner) => {
                let record = self.chunks.remove_at(chunk, base);
                let Some(record) = record else { return vec![Consequence::Ignored] };
                let members = record.config.map_or_else(Vec::new, |c| c.members.to_vec());
                Consequence::Freed { chunk, base, members }
            }
        };
        let purged = !given_up && self.inodes.shrink(file, chunk);
        let purged = purged.then_some(Consequence::Purged(file));
        [first].into_iter().chain(purged).collect()
    }

    pub(super) fn purge(&mut self, file: FileId) -> Consequence {
        if self.inodes.purge(file) { Consequence::Purged(file) } else { Consequence::Ignored }
    }
}
