//! The session of this client at the masters, and what depends on it: locks, and mutations that are
//! made under them.
//!
//! A session begins with the first lock and is renewed while there are locks, or were lately. It is
//! over when its term has run out by the clock, or when a master says so; its locks are lost then, and mutations that began
//! under them are not sent any more. What was sent before, the masters fence off; for that a mutation
//! names a configuration of which the session was still alive when it was known
//! ([`Rights::may_send`]), whatever the clock does.

use crate::config::Constants;
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, ClientSession, FileId, LockOwner};
use crate::lease::{HeldSession, SessionHolder, Term};
use crate::locks::{Lock, LockKind, LockSet};
use crate::payload::Extent;
use crate::tables::Holder;
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// May a mutation that began under a lock be sent?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MaySend {
    Yes,
    /// Once a renewal that is requested from now on was granted.
    AfterRenewal,
    /// Its session is over.
    Never,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Rights {
    held: SessionHolder,
    locks: BTreeMap<FileId, LockSet<Holder>>,
    /// Whose locks ended with a session, until they unlock: their files take no mutations.
    lost: BTreeMap<FileId, BTreeSet<LockOwner>>,
    /// Of a range that an owner is about to lock otherwise, what it had there: not believed in until the
    /// answer is known.
    suspended: BTreeMap<(FileId, LockOwner), Vec<Lock<Holder>>>,
    /// The configurations to which mutations under locks are sent, with the last renewal that had been
    /// requested when each was first known.
    seen: BTreeMap<ChunkHandle, (ChunkVersion, u64)>,
    used_at: Time,
    renewal: Renewal,
    /// A session has ended, and what was done under it is still to be ended.
    has_ended: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Renewal {
    /// Nothing is on its way; the next one is due then.
    Due(Time),
    /// One is on its way.
    #[default]
    UnderWay,
}

impl Rights {
    /// The session that is believed in.
    pub fn session(&self, now: Time) -> Option<ClientSession> {
        self.held.held(now).map(|held| held.session)
    }

    /// A request for a grant is sent, for the first time or again.
    pub fn requested(&mut self, cx: &Cx<'_>, number: u64) {
        self.held.request(cx.constants, cx.now, number);
    }

    /// A session began. One more than is needed runs out by itself.
    pub fn begun(&mut self, cx: &mut Cx<'_>, number: u64, session: ClientSession, term: Term) {
        if self.held.until().is_some() {
            return;
        }
        let held = self.held.begin(cx.constants, cx.now, number, session, term);
        self.on_held(cx, term, held);
    }

    /// The session was renewed.
    pub fn renewed(&mut self, cx: &mut Cx<'_>, number: u64, session: ClientSession, term: Term) {
        let held = self.held.take(cx.constants, cx.now, number, session, term);
        self.on_held(cx, term, held);
    }

    /// The next renewal is due well before the end of the term, whatever constants this client has.
    fn on_held(&mut self, cx: &mut Cx<'_>, term: Term, held: Option<HeldSession>) {
        let Some(HeldSession { session, until }) = held else { return };
        let interval = cx.constants.lease_renew_interval.min(term.duration / 3);
        self.renewal = Renewal::Due(cx.now + interval);
        cx.observe(Event::SessionHeld { session, until });
    }

    /// Something is locked, unlocked or waited for.
    pub fn use_at(&mut self, now: Time) {
        self.used_at = now;
    }

    /// Is another sign of life due?
    pub fn renewal_due(&mut self, now: Time, constants: &Constants) -> Option<ClientSession> {
        let Renewal::Due(at) = self.renewal else { return None };
        let due = at <= now && self.is_used(at, constants);
        let session = self.session(now).filter(|_| due)?;
        self.renewal = Renewal::UnderWay;
        Some(session)
    }

    /// A renewal ended, granted or not.
    pub fn renewal_ended(&mut self, now: Time, constants: &Constants) {
        if self.renewal == Renewal::UnderWay {
            self.renewal = Renewal::Due(now + constants.retry_interval);
        }
    }

    fn is_used(&self, now: Time, constants: &Constants) -> bool {
        !self.locks.is_empty() || now.since(self.used_at) < constants.lease_idle_after
    }

    /// When something is due.
    pub fn next_deadline(&self, constants: &Constants) -> Option<Deadline> {
        let until = self.held.until()?;
        let end = Deadline { at: until, why: "the end of a session" };
        match self.renewal {
            Renewal::Due(at) if at < until && self.is_used(at, constants) => {
                Some(Deadline { at, why: "the renewal of a session" })
            }
            Renewal::Due(_) | Renewal::UnderWay => Some(end),
        }
    }

    /// Ends a session that is over by the clock.
    pub fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.held.until().is_some_and(|until| until <= cx.now) {
            self.end(cx);
        }
    }

    /// The session is over, or to be believed in no longer. Its locks are lost.
    pub fn end(&mut self, cx: &mut Cx<'_>) {
        let Some(session) = self.held.end() else { return };
        for (file, set) in core::mem::take(&mut self.locks) {
            let owners = set.iter().map(|lock| lock.holder.owner);
            self.lost.entry(file).or_default().extend(owners);
        }
        self.seen.clear();
        self.suspended.clear();
        self.has_ended = true;
        self.renewal = Renewal::UnderWay;
        cx.observe(Event::SessionLost { session });
    }

    /// Has a session ended since this was last asked?
    pub fn take_ended(&mut self) -> bool {
        core::mem::take(&mut self.has_ended)
    }

    /// Ends this session, if it is the one that is believed in.
    pub fn end_this(&mut self, cx: &mut Cx<'_>, session: ClientSession) {
        if self.session(cx.now) == Some(session) {
            self.end(cx);
        }
    }

    // Locks.

    /// A lock was granted to a session; false if that is over.
    pub fn lock(&mut self, cx: &mut Cx<'_>, file: FileId, lock: Lock<Holder>) -> bool {
        if self.session(cx.now) != Some(lock.holder.session) {
            return false;
        }
        self.suspended.remove(&(file, lock.holder.owner));
        self.locks.entry(file).or_default().set(lock);
        let Lock { holder, range, kind } = lock;
        cx.observe(Event::LockTaken { file, holder, range, kind });
        true
    }

    /// This is about to be unlocked.
    pub fn give_up(&mut self, cx: &mut Cx<'_>, file: FileId, holder: Holder, range: Extent) {
        self.forget_lost(file, holder.owner);
        if let Some(set) = self.locks.get_mut(&file) {
            set.clear(holder, range);
            if set.is_empty() {
                self.locks.remove(&file);
            }
        }
        cx.observe(Event::LockGivenUp { file, holder, range });
    }

    /// An exclusive lock is about to become a shared one: from here on others may have theirs beside it.
    pub fn suspend(&mut self, cx: &mut Cx<'_>, file: FileId, holder: Holder, range: Extent) {
        let Some(set) = self.locks.get_mut(&file) else { return };
        let exclusive = |lock: &&Lock<Holder>| {
            let overlaps = lock.holder == holder && lock.range.overlaps(&range);
            overlaps && lock.kind == LockKind::Exclusive
        };
        let part = |lock: &Lock<Holder>| {
            let start = lock.range.offset.max(range.offset);
            let end = lock.range.end().min(range.end());
            Lock { range: Extent::new(start, end - start), ..*lock }
        };
        let had: Vec<Lock<Holder>> = set.iter().filter(exclusive).map(part).collect();
        for lock in &had {
            set.clear(holder, lock.range);
            cx.observe(Event::LockGivenUp { file, holder, range: lock.range });
        }
        if set.is_empty() {
            self.locks.remove(&file);
        }
        self.suspended.insert((file, holder.owner), had);
    }

    /// It stays as it was: the request was refused.
    pub fn resume(&mut self, cx: &mut Cx<'_>, file: FileId, owner: LockOwner) {
        for lock in self.suspended.remove(&(file, owner)).unwrap_or_default() {
            self.lock(cx, file, lock);
        }
    }

    /// The owner unlocked, and need not be told any more that its locks were lost.
    pub fn forget_lost(&mut self, file: FileId, owner: LockOwner) {
        if let Some(owners) = self.lost.get_mut(&file) {
            owners.remove(&owner);
            if owners.is_empty() {
                self.lost.remove(&file);
            }
        }
    }

    /// Were locks of this file lost, and is an owner of some still to unlock them?
    pub fn has_lost(&self, file: FileId) -> bool {
        self.lost.contains_key(&file)
    }

    /// What is believed to be locked, by file.
    pub fn believed_locks(&self, now: Time) -> impl Iterator<Item = (FileId, Lock<Holder>)> {
        let session = self.session(now);
        let locks = self.locks.iter().filter(move |_| session.is_some());
        locks.flat_map(|(file, set)| set.iter().map(|lock| (*file, *lock)))
    }

    // Mutations.

    /// The session under whose exclusive lock a mutation of this file begins.
    pub fn locked_under(&self, now: Time, file: FileId) -> Option<ClientSession> {
        let exclusive = |lock: &Lock<Holder>| lock.kind == LockKind::Exclusive;
        let locked = self.locks.get(&file).is_some_and(|set| set.iter().any(exclusive));
        self.session(now).filter(|_| locked)
    }

    /// May a mutation that began under this session be sent to a chunk in this configuration? Only if
    /// the session was alive after the configuration was known: a later one follows the end of the
    /// session, and would accept what an ended session must not do.
    pub fn may_send(
        &mut self,
        now: Time,
        session: ClientSession,
        (chunk, version): (ChunkHandle, ChunkVersion),
    ) -> MaySend {
        if self.session(now) != Some(session) {
            return MaySend::Never;
        }
        let last = self.held.last_request();
        let seen = self.seen.entry(chunk).or_insert((version, last));
        if seen.0 != version {
            *seen = (version, last);
        }
        if self.held.proves(seen.1) { MaySend::Yes } else { MaySend::AfterRenewal }
    }
}
