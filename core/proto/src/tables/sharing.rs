//! What the log does to sessions and locks, and to the chunks that a session had locked.

use super::{Consequence, Holder, MasterState};
use crate::ids::{ChunkHandle, ClientSession, FileId, NodeId};
use crate::locks::Lock;
use crate::metadata::MetadataAnswer;
use crate::payload::Extent;
use crate::refusal::Refusal;
use alloc::vec;
use alloc::vec::Vec;

impl MasterState {
    pub(super) fn begin_session(
        &mut self,
        client: NodeId,
        consequences: &mut Vec<Consequence>,
    ) -> Result<MetadataAnswer, Refusal> {
        let session = ClientSession(self.applied.0);
        let sides = self.constants.sides().ok_or(Refusal::NotLeader { leader: None })?;
        self.share.begin(session, client)?;
        consequences.push(Consequence::SessionBegan(session));
        Ok(MetadataAnswer::Session { session, term: sides.servers.lease_term() })
    }

    pub(super) fn lock(
        &mut self,
        client: NodeId,
        file: FileId,
        lock: Lock<Holder>,
        consequences: &mut Vec<Consequence>,
    ) -> Result<(), Refusal> {
        if self.inodes.layout(file).is_none() {
            return Err(Refusal::NotFound);
        }
        check_range(lock.range)?;
        self.share.lock(client, file, lock)?;
        consequences.push(Consequence::LocksChanged(file));
        Ok(())
    }

    pub(super) fn unlock(
        &mut self,
        client: NodeId,
        file: FileId,
        holder: Holder,
        range: Extent,
        consequences: &mut Vec<Consequence>,
    ) -> Result<(), Refusal> {
        check_range(range)?;
        self.share.unlock(client, file, holder, range)?;
        consequences.push(Consequence::LocksChanged(file));
        Ok(())
    }

    /// The chunks that a session may have written under an exclusive lock.
    #[must_use]
    pub fn chunks_locked_by(&self, session: ClientSession) -> Vec<ChunkHandle> {
        let files = self.share.locked_exclusively(session);
        files.into_iter().flat_map(|file| self.chunks_of(file)).collect()
    }

    /// From here on nothing is locked for the session, and no lease is granted for the configurations
    /// in which it may have written: what it sent is refused, or ordered before their successors.
    pub(super) fn fence_session(&mut self, session: ClientSession) -> Vec<Consequence> {
        let chunks = self.chunks_locked_by(session);
        if !self.share.fence(session) {
            return vec![Consequence::Ignored];
        }
        chunks.iter().for_each(|chunk| self.chunks.fence(*chunk));
        vec![Consequence::SessionFenced(session)]
    }

    pub(super) fn end_session(&mut self, session: ClientSession) -> Vec<Consequence> {
        let Some(files) = self.share.end(session) else { return vec![Consequence::Ignored] };
        let unlocked = files.into_iter().map(Consequence::LocksChanged);
        [Consequence::SessionEnded(session)].into_iter().chain(unlocked).collect()
    }
}

fn check_range(range: Extent) -> Result<(), Refusal> {
    if range.length > 0 && range.is_within(u64::MAX) {
        return Ok(());
    }
    Err(Refusal::Invalid("a lock is of at least one byte".into()))
}
