//! The identities that the log hands out. None is ever used again.

use crate::ids::{ChunkHandle, FileId, GroupId};
use crate::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// Counts identities within the range of one group of masters. Invariant: every identity that was
/// ever in use is below the next one, and the next one is of the same group. The last of a range is
/// therefore never handed out: there is none after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Allocator {
    next_file: FileId,
    next_chunk: ChunkHandle,
}

impl Allocator {
    /// For a namespace with this root, and in its group.
    pub(super) fn new(root: FileId) -> Self {
        let next_file = root.next_in_group().expect("a root is the first of its range");
        Allocator { next_file, next_chunk: ChunkHandle::first(root.group()) }
    }

    /// The group of masters that hands them out.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.next_chunk.group()
    }

    /// The next file or directory gets this.
    #[must_use]
    pub fn next_file(&self) -> FileId {
        self.next_file
    }

    /// The next chunk gets this.
    #[must_use]
    pub fn next_chunk(&self) -> ChunkHandle {
        self.next_chunk
    }

    /// Error: `IdentitiesExhausted` at the end of the group's range.
    pub(super) fn file(&mut self) -> Result<FileId, Refusal> {
        let next = self.next_file.next_in_group().ok_or(Refusal::IdentitiesExhausted)?;
        Ok(core::mem::replace(&mut self.next_file, next))
    }

    /// Error: `IdentitiesExhausted` at the end of the group's range.
    pub(super) fn chunk(&mut self) -> Result<ChunkHandle, Refusal> {
        let next = self.next_chunk.next_in_group().ok_or(Refusal::IdentitiesExhausted)?;
        Ok(core::mem::replace(&mut self.next_chunk, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last identity of a group.
    fn last(group: u16) -> u64 {
        u64::from(group) << 48 | ((1 << 48) - 1)
    }

    #[test]
    fn an_identity_names_its_group() {
        assert_eq!(FileId(1).group(), GroupId::FIRST);
        assert_eq!(ChunkHandle(last(0)).group(), GroupId::FIRST);
        assert_eq!(ChunkHandle(last(0) + 1).group(), GroupId(1));
        let mut ids = Allocator::new(FileId::root(GroupId(7)));
        assert_eq!(ids.group(), GroupId(7));
        assert_eq!(ids.file().unwrap().group(), GroupId(7));
        assert_eq!(ids.chunk(), Ok(ChunkHandle::first(GroupId(7))));
    }

    #[test]
    fn the_end_of_a_range_is_refused_and_not_crossed() {
        for group in [0, 7, u16::MAX] {
            let end = last(group);
            let mut ids =
                Allocator { next_file: FileId(end - 1), next_chunk: ChunkHandle(end - 1) };
            assert_eq!(ids.file(), Ok(FileId(end - 1)));
            assert_eq!(ids.chunk(), Ok(ChunkHandle(end - 1)));
            let full = ids.clone();
            assert_eq!(ids.file(), Err(Refusal::IdentitiesExhausted));
            assert_eq!(ids.chunk(), Err(Refusal::IdentitiesExhausted));
            assert_eq!(ids, full, "what is refused changes nothing");
        }
    }
}
