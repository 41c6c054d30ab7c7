//! I14: what a session sent under its locks, against its end.

use super::i01_lease_exclusivity::LeaseExclusivity;
use super::i12_conflicting_locks::ConflictingLocks;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, ChunkVersion, ClientSession, Event, FileId, OpId};
use std::collections::{BTreeMap, BTreeSet};

/// I14.
pub const INVARIANT: Invariant = Invariant {
    id: "I14",
    name: "ended sessions",
    sentence: "once the locks that a client's session had to its end are free, no primary accepts what \
               the session sent under an exclusive one, whatever the client's clock did",
    source: "Kleppmann 2016 (fencing); NFSv4 RFC 7530 §9.6",
};

/// A configuration of a chunk to which something was sent.
type Place = (ChunkHandle, ChunkVersion);

/// What sessions sent under exclusive locks, and which of them have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedSessions {
    /// Under locks that were not given up since.
    sent: BTreeMap<ClientSession, BTreeMap<FileId, BTreeSet<Place>>>,
    by_op: BTreeMap<OpId, ClientSession>,
    /// Sessions that have ended, with the version that each chunk had then.
    ended: BTreeMap<ClientSession, BTreeMap<ChunkHandle, ChunkVersion>>,
    /// What of ended sessions may be on its way.
    late: BTreeMap<Place, ClientSession>,
    /// The last configuration of each chunk.
    versions: BTreeMap<ChunkHandle, ChunkVersion>,
}

impl EndedSessions {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(
        &mut self,
        leases: &LeaseExclusivity,
        locks: &ConflictingLocks,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        match *seen.event {
            Event::SentUnderLock { op, session, file, chunk, version } => {
                self.by_op.insert(op, session);
                if !locks.has_exclusive(session, file) {
                    return Ok(false);
                }
                let of_file = self.sent.entry(session).or_default().entry(file).or_default();
                of_file.insert((chunk, version));
                if self.ended.contains_key(&session) {
                    self.late.insert((chunk, version), session);
                    self.accepts_none(leases, (chunk, version), session, seen)?;
                }
                Ok(false)
            }
            Event::LockGivenUp { file, holder, .. } | Event::LockTaken { file, holder, .. } => {
                // What its program sent and does not wait for, it does not protect.
                if !locks.has_exclusive(holder.session, file)
                    && let Some(sent) = self.sent.get_mut(&holder.session)
                {
                    sent.remove(&file);
                }
                Ok(false)
            }
            Event::SessionEnded { session } => self.ends(leases, session, seen),
            Event::LeaseTaken { chunk, version, .. } => {
                // Members refuse one whose clock stood still, since they promised more.
                let late = self.late.get(&(chunk, version)).copied();
                let late = late.filter(|_| !leases.is_distrusted(seen.node));
                let Some(session) = late else { return Ok(false) };
                Err(Self::accepted(seen, (chunk, version), session))
            }
            Event::Configured { chunk, version, .. } => {
                let last = self.versions.entry(chunk).or_default();
                *last = version.max(*last);
                Ok(false)
            }
            Event::Applied { chunk, version, op, .. } => self.applied(op, (chunk, version), seen),
            _ => Ok(false),
        }
    }

    /// What is applied in a later configuration than that in which its session ended was accepted after
    /// the end.
    fn applied(
        &self,
        op: OpId,
        (chunk, version): Place,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        let session = self.by_op.get(&op);
        let Some((session, versions)) = session.and_then(|s| Some((s, self.ended.get(s)?))) else {
            return Ok(false);
        };
        let last = versions.get(&chunk).copied().unwrap_or_default();
        if version <= last {
            return Ok(true);
        }
        let detail = format!(
            "{} applies {}#{} to {chunk} at {version}, which was sent under {session}: that had ended \
             at {last}",
            seen.node, op.client, op.number
        );
        Err(INVARIANT.broken(seen.true_ns, detail))
    }

    fn ends(
        &mut self,
        leases: &LeaseExclusivity,
        session: ClientSession,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        if self.ended.contains_key(&session) {
            return Ok(false);
        }
        self.ended.insert(session, self.versions.clone());
        let places = self.sent.remove(&session).unwrap_or_default();
        for place in places.values().flatten() {
            self.accepts_none(leases, *place, session, seen)?;
            self.late.insert(*place, session);
        }
        Ok(!places.is_empty())
    }

    /// Does no primary believe, now, that it may accept what is sent there?
    fn accepts_none(
        &self,
        leases: &LeaseExclusivity,
        (chunk, version): Place,
        session: ClientSession,
        seen: &Seen<'_>,
    ) -> Result<(), Violation> {
        if leases.anyone_believes(chunk, version, seen) {
            return Err(Self::accepted(seen, (chunk, version), session));
        }
        Ok(())
    }

    fn accepted(seen: &Seen<'_>, (chunk, version): Place, session: ClientSession) -> Violation {
        let detail = format!(
            "{session} has ended, and a primary of {chunk} {version}, to which it sent mutations \
             under an exclusive lock, still accepts them"
        );
        INVARIANT.broken(seen.true_ns, detail)
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::LockKind;

    /// A client that has all of the file locked under this session.
    fn locked(session: u64) -> Run {
        let mut run = Run::new();
        run.at(1).good(CLIENT, session_held(session, 1_000));
        run.at(1).good(CLIENT, lock_taken(session, (0, 10), LockKind::Exclusive));
        run
    }

    #[test]
    fn a_primary_that_accepts_what_an_ended_session_sent_is_found() {
        let mut run = locked(7);
        run.at(10).good(S1, lease_taken(1, 100));
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        assert_eq!(run.at(50).bad(MASTER, session_ended(7)).invariant, "I14");
    }

    #[test]
    fn a_lease_that_follows_the_end_of_a_session_is_found() {
        let mut run = locked(7);
        run.at(10).good(S1, lease_taken(1, 40));
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        run.at(50).good(MASTER, session_ended(7));
        assert_eq!(run.at(60).bad(S1, lease_taken(1, 100)).invariant, "I14");
    }

    #[test]
    fn what_was_unlocked_before_is_not_judged() {
        let mut run = locked(7);
        run.at(10).good(S1, lease_taken(1, 100));
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        run.at(21).good(CLIENT, lock_given_up(7, (0, 10)));
        run.at(50).good(MASTER, session_ended(7));
    }

    #[test]
    fn a_lock_that_became_shared_protects_no_writes() {
        let mut run = locked(7);
        run.at(10).good(S1, lease_taken(1, 100));
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        run.at(21).good(CLIENT, lock_taken(7, (0, 10), LockKind::Shared));
        run.at(50).good(MASTER, session_ended(7));
    }

    #[test]
    fn what_is_sent_after_the_end_is_found_too() {
        let mut run = locked(7);
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        run.at(50).good(MASTER, session_ended(7));
        run.at(60).good(S1, lease_taken(2, 100));
        assert_eq!(run.at(70).bad(CLIENT, sent_under_lock(7, 2)).invariant, "I14");
    }

    #[test]
    fn what_a_later_configuration_accepts_is_found() {
        let mut run = locked(7);
        run.at(5).good(MASTER, configured(0, 1, &[S1, S2]));
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        run.at(30).good(MASTER, configured(1, 2, &[S1, S2]));
        run.at(50).good(MASTER, session_ended(7));
        run.at(55).good(S2, applied(1, 1, op(1)));
        assert_eq!(run.at(60).bad(S1, applied(3, 2, op(1))).invariant, "I14");
    }

    #[test]
    fn a_later_configuration_accepts_nothing_of_it() {
        let mut run = locked(7);
        run.at(10).good(S1, lease_taken(1, 40));
        run.at(20).good(CLIENT, sent_under_lock(7, 1));
        run.at(50).good(MASTER, session_ended(7));
        run.at(60).good(S1, lease_taken(2, 100));
        run.at(70).good(OTHER_CLIENT, sent_under_lock(8, 2));
        run.at(80).good(MASTER, session_ended(7));
    }
}
