//! The share table: the sessions of clients, and the locks that depend on them. A session ends when
//! the leader says so, and its locks with it.

use crate::ids::{ClientSession, FileId, LockOwner, NodeId};
use crate::locks::{LOCKS_MAX, Lock, LockKind, LockSet};
use crate::refusal::Refusal;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Sessions at the most.
const SESSIONS_MAX: usize = 65_536;

/// Who holds a lock in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The session on which it depends.
    pub session: ClientSession,
    /// The owner, within it.
    pub owner: LockOwner,
}

/// A session as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Whose.
    pub client: NodeId,
    /// It is about to end: nothing is locked for it any more, and what it sent to chunks that it had
    /// locked is fenced off.
    pub fenced: bool,
    /// The files of which it has locks.
    files: BTreeSet<FileId>,
}

/// Sessions and locks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ShareTable {
    sessions: BTreeMap<ClientSession, SessionRecord>,
    locks: BTreeMap<FileId, LockSet<Holder>>,
}

impl ShareTable {
    /// A session's record.
    #[must_use]
    pub fn get(&self, session: ClientSession) -> Option<&SessionRecord> {
        self.sessions.get(&session)
    }

    /// Every session, in order of their beginning.
    pub fn sessions(&self) -> impl Iterator<Item = (ClientSession, &SessionRecord)> {
        self.sessions.iter().map(|(session, record)| (*session, record))
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// True if there is no session.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The locks of a file.
    pub fn locks(&self, file: FileId) -> impl Iterator<Item = &Lock<Holder>> {
        self.locks.get(&file).into_iter().flat_map(LockSet::iter)
    }

    /// Every lock, by file.
    pub fn all_locks(&self) -> impl Iterator<Item = (FileId, &Lock<Holder>)> {
        self.locks.iter().flat_map(|(file, set)| set.iter().map(|lock| (*file, lock)))
    }

    /// The first lock that does not allow this one.
    #[must_use]
    pub fn conflict(&self, file: FileId, wanted: &Lock<Holder>) -> Option<&Lock<Holder>> {
        self.locks.get(&file)?.conflict(wanted)
    }

    /// The files of which a session has an exclusive lock.
    #[must_use]
    pub fn locked_exclusively(&self, session: ClientSession) -> Vec<FileId> {
        let files = self.sessions.get(&session).into_iter().flat_map(|record| &record.files);
        let exclusive = |lock: &Lock<Holder>| {
            (lock.holder.session, lock.kind) == (session, LockKind::Exclusive)
        };
        files.copied().filter(|file| self.locks(*file).any(exclusive)).collect()
    }

    pub(super) fn begin(&mut self, session: ClientSession, client: NodeId) -> Result<(), Refusal> {
        if self.sessions.len() >= SESSIONS_MAX {
            return Err(Refusal::Busy);
        }
        let files = BTreeSet::new();
        self.sessions.insert(session, SessionRecord { client, fenced: false, files });
        Ok(())
    }

    /// A session that may still change something, of this client.
    fn usable(
        &mut self,
        session: ClientSession,
        client: NodeId,
    ) -> Result<&mut SessionRecord, Refusal> {
        let record = self.sessions.get_mut(&session);
        let record = record.filter(|record| record.client == client && !record.fenced);
        record.ok_or(Refusal::SessionEnded)
    }

    pub(super) fn lock(
        &mut self,
        client: NodeId,
        file: FileId,
        lock: Lock<Holder>,
    ) -> Result<(), Refusal> {
        if self.conflict(file, &lock).is_some() {
            self.usable(lock.holder.session, client)?;
            return Err(Refusal::Locked);
        }
        if self.locks.get(&file).is_some_and(|set| set.len() >= LOCKS_MAX) {
            return Err(Refusal::TooManyLocks);
        }
        self.usable(lock.holder.session, client)?.files.insert(file);
        self.locks.entry(file).or_default().set(lock);
        Ok(())
    }

    pub(super) fn unlock(
        &mut self,
        client: NodeId,
        file: FileId,
        holder: Holder,
        range: crate::payload::Extent,
    ) -> Result<(), Refusal> {
        self.usable(holder.session, client)?;
        let Some(set) = self.locks.get_mut(&file) else { return Ok(()) };
        if set.len() >= LOCKS_MAX && splits(set, holder, range) {
            return Err(Refusal::TooManyLocks);
        }
        set.clear(holder, range);
        self.forget_unlocked(holder.session, file);
        Ok(())
    }

    fn forget_unlocked(&mut self, session: ClientSession, file: FileId) {
        let Some(set) = self.locks.get(&file) else { return };
        let none_left = !set.iter().any(|lock| lock.holder.session == session);
        if set.is_empty() {
            self.locks.remove(&file);
        }
        if none_left && let Some(record) = self.sessions.get_mut(&session) {
            record.files.remove(&file);
        }
    }

    /// The session changes nothing any more. False if there is none, or it is fenced already.
    pub(super) fn fence(&mut self, session: ClientSession) -> bool {
        let record = self.sessions.get_mut(&session).filter(|record| !record.fenced);
        record.map(|record| record.fenced = true).is_some()
    }

    /// The session and its locks are no more. Returns the files that it had locked.
    pub(super) fn end(&mut self, session: ClientSession) -> Option<BTreeSet<FileId>> {
        let record = self.sessions.remove(&session)?;
        for file in &record.files {
            if let Some(set) = self.locks.get_mut(file) {
                set.clear_all(|holder| holder.session == session);
                if set.is_empty() {
                    self.locks.remove(file);
                }
            }
        }
        Some(record.files)
    }

    pub(super) fn assert_invariants(&self) {
        for (file, set) in &self.locks {
            assert!(!set.is_empty(), "no empty set of locks is kept");
            for lock in set.iter() {
                let record = self.sessions.get(&lock.holder.session);
                let indexed = record.is_some_and(|record| record.files.contains(file));
                assert!(indexed, "a lock depends on a session that knows of it");
                assert_eq!(set.conflict(lock), None, "locks that conflict are never held at once");
            }
        }
    }
}

/// Would unlocking this range leave two locks of one?
fn splits(set: &LockSet<Holder>, holder: Holder, range: crate::payload::Extent) -> bool {
    set.iter().any(|lock| {
        lock.holder == holder && lock.range.offset < range.offset && range.end() < lock.range.end()
    })
}
