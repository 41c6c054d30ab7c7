//! When a primary wants a lease, and what a grant makes of it. The arithmetic is in
//! [`crate::lease`].

use super::replica::{Replica, Then};
use crate::event::Event;
use crate::ids::{Attempt, ChunkVersion};
use crate::time::Time;

impl Replica<'_> {
    /// When this primary next wants a lease, if it does.
    pub fn lease_wanted_at(&self) -> Option<Time> {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let primary = self.live.primary()?;
        let in_use = self.live.reads.any_waiting() || primary.is_in_use(now, constants);
        let can_ask = self.link.leader().is_some() && !self.disk.has_failed();
        if primary.is_retired() || !in_use || !can_ask {
            return None;
        }
        let held = self.leases.held(self.chunk, now);
        let held = held.is_some_and(|held| held.version == primary.version());
        let pause = if held { constants.lease_renew_interval } else { constants.retry_interval };
        Some(primary.lease_asked_at.map_or(now, |asked| asked + pause))
    }

    /// A lease is asked for, if it is time. Returns the version for which.
    pub fn ask_lease(&mut self) -> Option<ChunkVersion> {
        let now = self.cx.now;
        let at = self.lease_wanted_at()?;
        let primary = self.live.primary_mut()?;
        if at > now {
            return None;
        }
        primary.lease_asked_at = Some(now);
        Some(primary.version())
    }

    /// The master granted the lease that `attempt` asked for.
    pub fn on_grant(&mut self, attempt: Attempt, version: ChunkVersion) -> Then {
        let (chunk, now, constants) = (self.chunk, self.cx.now, self.cx.constants);
        let current = self.live.primary().is_some_and(|primary| {
            let retired = primary.is_retired() && constants.rules.prepare_ends_lease;
            primary.version() == version && !retired
        });
        // After a promise, grants below it are ignored.
        let fenced = self.fence() != version && constants.rules.fence_by_promise;
        if !current || fenced {
            return Then::Nothing;
        }
        if let Some(held) = self.leases.granted(constants, now, attempt, chunk, version) {
            let until = held.until;
            self.cx.observe(Event::LeaseTaken { chunk, version, until });
        }
        self.touch();
        Then::Progress
    }
}
