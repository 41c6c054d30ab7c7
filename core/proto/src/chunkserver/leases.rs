//! A primary and its lease: when it requests one, what a grant makes of it, what it may do with it.
//! How long a lease lasts is in [`crate::lease`].

use super::replica::{Replica, Then};
use crate::event::Event;
use crate::ids::{Attempt, ChunkVersion};
use crate::lease::Granted;
use crate::time::Time;

impl Replica<'_> {
    /// May this node order mutations and serve strong reads?
    pub fn is_active(&self) -> bool {
        let Some(primary) = self.live.primary() else { return false };
        primary.is_active()
            && !self.service.is_stopped()
            && self.leases.may_act(self.chunk, primary.version(), self.cx.now)
    }

    /// Did the lease or the configuration end in which a strong read began?
    pub fn has_lost_lease(&self, version: ChunkVersion) -> bool {
        let same = self.live.primary().is_some_and(|primary| primary.version() == version);
        self.cx.rules().read_rechecks_lease && !(self.is_active() && same)
    }

    /// Has a Prepare of a higher version ended the lease, and every grant of it that comes later?
    fn ends_by_prepare(&self, prepared: bool) -> bool {
        prepared && self.cx.rules().prepare_ends_lease
    }

    /// A Prepare of a higher version came.
    pub fn end_lease_by_prepare(&mut self) {
        if self.ends_by_prepare(true) {
            self.end_lease();
        }
    }

    /// Gives up the lease on this chunk, if there is one.
    pub fn end_lease(&mut self) {
        if let Some(version) = self.leases.end(self.chunk) {
            self.cx.observe(Event::LeaseEnded { chunk: self.chunk, version });
        }
    }

    /// When this primary next wants a lease, if it does.
    pub fn lease_wanted_at(&self) -> Option<Time> {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let primary = self.live.primary()?;
        let in_use = self.live.reads.any_waiting() || primary.is_in_use(now, constants);
        let can_ask = self.link.leader().is_some() && !self.service.is_stopped();
        if primary.is_retired() || !in_use || !can_ask {
            return None;
        }
        let version = primary.version();
        Some(self.leases.wants(constants, now, self.chunk, version, &primary.usage))
    }

    /// A lease is asked for, if it is time: by the next request. Returns the version for which.
    pub fn ask_lease(&mut self) -> Option<ChunkVersion> {
        let now = self.cx.now;
        let at = self.lease_wanted_at()?;
        let primary = self.live.primary_mut()?;
        if at > now {
            return None;
        }
        // Without proofs to wait for, it does not matter which request it was.
        let confirms = self.cx.constants.confirm_reads;
        let attempt = if confirms { self.leases.last_request().next() } else { Attempt(0) };
        primary.usage.request(attempt, now);
        Some(primary.version())
    }

    /// The master granted a lease that this server asked for.
    pub fn on_grant(&mut self, granted: &Granted) -> Then {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let Granted { attempt, chunk, version, .. } = *granted;
        let current = self.live.primary().is_some_and(|primary| {
            primary.version() == version && !self.ends_by_prepare(primary.is_retired())
        });
        // After a promise, grants below it are ignored.
        if !current || self.is_fenced(version) {
            return Then::Nothing;
        }
        let confirms = constants.confirm_reads;
        if let Some(primary) = self.live.primary_mut().filter(|_| confirms) {
            primary.usage.grant(attempt);
        }
        if let Some(held) = self.leases.take(constants, now, granted) {
            let until = held.until;
            self.cx.observe(Event::LeaseTaken { chunk, version, until });
        }
        self.touch();
        Then::Progress
    }
}
