//! Leases of client sessions: the same arithmetic as for chunks, the other way round. The client holds,
//! the master grants, and what hangs on it are the session's locks.

use crate::config::Constants;
use crate::ids::ClientSession;
use crate::lease::term::Term;
use crate::time::Time;
use alloc::collections::BTreeMap;

/// A session as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldSession {
    /// Which.
    pub session: ClientSession,
    /// Believed in while the client's clock is below this.
    pub until: Time,
}

/// The client's half. A request is named by the number of the operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionHolder {
    requested: BTreeMap<u64, Time>,
    /// The highest number that was ever in `requested`: one that is missing below it is too old.
    newest: u64,
    held: Option<HeldSession>,
    /// The latest request that was granted.
    granted: u64,
}

impl SessionHolder {
    /// A request is sent, for the first time or again: the first time counts.
    pub fn request(&mut self, constants: &Constants, now: Time, number: u64) {
        self.requested.retain(|_, at| now.since(*at) < constants.lease_duration);
        if number > self.newest {
            self.newest = number;
            self.requested.insert(number, now);
        }
    }

    /// The latest request that was sent.
    #[must_use]
    pub fn last_request(&self) -> u64 {
        self.requested.keys().next_back().copied().unwrap_or(self.granted)
    }

    /// Was the session alive at a moment after this request was sent?
    #[must_use]
    pub fn proves(&self, request: u64) -> bool {
        self.held.is_some() && self.granted > request
    }

    /// Takes the grant of a renewal. Returns the session if it grows by it.
    pub fn take(
        &mut self,
        constants: &Constants,
        now: Time,
        number: u64,
        session: ClientSession,
        term: Term,
    ) -> Option<HeldSession> {
        let renews = self.held.is_some_and(|held| held.session == session);
        if renews { self.begin(constants, now, number, session, term) } else { None }
    }

    /// Takes the grant by which a session begins.
    pub fn begin(
        &mut self,
        constants: &Constants,
        now: Time,
        number: u64,
        session: ClientSession,
        term: Term,
    ) -> Option<HeldSession> {
        let requested = *self.requested.get(&number)?;
        let until = constants.believed_until(requested, now, term);
        if until <= now {
            return None;
        }
        self.granted = self.granted.max(number);
        let longer = self.held.is_none_or(|held| held.session != session || until > held.until);
        if !longer {
            return None;
        }
        self.held = Some(HeldSession { session, until });
        self.held
    }

    /// The session that is believed in at `now`.
    #[must_use]
    pub fn held(&self, now: Time) -> Option<HeldSession> {
        self.held.filter(|held| now < held.until)
    }

    /// When belief ends, whether or not it is over.
    #[must_use]
    pub fn until(&self) -> Option<Time> {
        self.held.map(|held| held.until)
    }

    /// Gives the session up, whether or not it was still valid.
    pub fn end(&mut self) -> Option<ClientSession> {
        self.requested.clear();
        self.held.take().map(|held| held.session)
    }
}

/// The master's half. Volatile: a new leader begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionGrants {
    until: BTreeMap<ClientSession, Time>,
    /// Before this, a session not in `until` may be believed in by a grant of an earlier leader.
    unknown_until: Time,
}

impl SessionGrants {
    /// A new leader counts every session as granted at `now`.
    #[must_use]
    pub fn begin(constants: &Constants, now: Time) -> Self {
        SessionGrants { until: BTreeMap::new(), unknown_until: constants.unknown_until(now) }
    }

    /// The session began, or is renewed: from here on the granter keeps away.
    pub fn grant(&mut self, constants: &Constants, now: Time, session: ClientSession) {
        let until = now + constants.lease_at_granter();
        let end = self.until.entry(session).or_default();
        *end = until.max(*end);
    }

    /// By this clock, the client believes in it no longer at this time.
    #[must_use]
    pub fn ended_by(&self, session: ClientSession) -> Time {
        self.until.get(&session).copied().unwrap_or(self.unknown_until)
    }

    /// The session is no more.
    pub fn forget(&mut self, session: ClientSession) {
        self.until.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: ClientSession = ClientSession(7);

    #[test]
    fn the_client_ends_before_the_master() {
        let constants = Constants::default();
        let (mut holder, mut grants) =
            (SessionHolder::default(), SessionGrants::begin(&constants, Time(0)));
        holder.request(&constants, Time(10), 3);
        holder.request(&constants, Time(20), 3);
        grants.grant(&constants, Time(25), S);
        let held = holder.begin(&constants, Time(30), 3, S, constants.lease_term()).unwrap();
        assert_eq!(held.until, Time(10) + constants.lease_at_holder(), "counted from the first");
        assert!(held.until < grants.ended_by(S));
        assert_eq!(holder.held(held.until), None);
        assert_eq!(grants.ended_by(ClientSession(8)), Time(0) + constants.lease_at_granter());
    }

    #[test]
    fn only_a_grant_of_a_later_request_proves() {
        let constants = Constants::default();
        let mut holder = SessionHolder::default();
        holder.request(&constants, Time(10), 3);
        holder.begin(&constants, Time(30), 3, S, constants.lease_term()).unwrap();
        assert!(!holder.proves(3));
        holder.request(&constants, Time(40), 5);
        assert_eq!(holder.last_request(), 5);
        holder.take(&constants, Time(50), 5, S, constants.lease_term()).unwrap();
        assert!(holder.proves(3) && !holder.proves(5));
        holder.end();
        assert!(!holder.proves(3));
        assert_eq!(holder.take(&constants, Time(60), 5, S, constants.lease_term()), None);
        holder.request(&constants, Time(70), 5);
        assert_eq!(
            holder.begin(&constants, Time(80), 5, S, constants.lease_term()),
            None,
            "too old"
        );
        holder.request(&constants, Time(90), 6);
        let next = ClientSession(9);
        assert!(holder.begin(&constants, Time(95), 6, next, constants.lease_term()).is_some());
        holder.request(&constants, Time(96), 7);
        assert_eq!(
            holder.take(&constants, Time(97), 7, S, constants.lease_term()),
            None,
            "another"
        );
    }
}
