//! The lease: a primary's right to serve strong reads and to order mutations (GFS §3.1).
//!
//! This file is the door. Outside of this folder no code compares lease times, and none knows how
//! a lease comes about: a chunkserver has its [`Leases`], a master its [`Grants`], and both answer the
//! few questions below.
//!
//! | who | question | method |
//! | --- | --- | --- |
//! | chunkserver | may this node act as primary? | [`Leases::may_act`] |
//! | | when is a lease to be requested? | [`Leases::wants`] |
//! | | a request, its answer | [`Leases::request`], [`Leases::take`] |
//! | | was it the primary since then, whatever its clock did? | [`Leases::last_request`], [`Usage::proves`] |
//! | | what has ended, or is to end | [`Leases::expire`], [`Leases::end`], [`Leases::end_all`] |
//! | master | is this request granted, and until when? | [`Grants::grant`] |
//! | | when is every lease over, by this clock? | [`Grants::ended_by`], [`Grants::has_ended`] |
//! | | an end that is known early, a chunk that is no more | [`Grants::release`], [`Grants::forget`] |
//! | | what a new leader has to assume | [`Grants::begin`] |
//!
//! Suggested order: [`term`] (the arithmetic, the same for every rule), `central` (the rule in use: the
//! master grants).
//!
//! **A second rule** is a second implementation here, a variant of both enums, chosen in
//! [`Leases::new`] and [`Grants::begin`]; the protocol around it stays. Flease (Kolbeck et al. 2011), where
//! the members of a chunk agree on its primary by two majority rounds among themselves, would
//! implement:
//! - at a chunkserver `wants` and `may_act` as they are. `request` begins a round, so what it returns
//!   must say who receives the request (the members, not the leader), and a member needs a
//!   question more, "may I accept this proposal?". `take` counts answers until they are a majority; the
//!   lease still begins at the time of the request;
//! - at the master nothing is granted. `ended_by` is the time of the last answer to the Prepare
//!   among a majority of the old members, plus the granter's term, since they accept no round below a
//!   promise; `begin` assumes nothing, as no leader ever granted anything. `release` and `forget` stay.

pub mod term;
mod central;
mod session;

pub use central::{Claim, Granted, Held};
pub use session::{HeldSession, SessionGrants, SessionHolder};
pub use term::{Term, Usage};

use crate::config::Constants;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, NodeId};
use crate::time::Time;
use alloc::vec::Vec;

/// A chunkserver's leases, under the rule in use. Volatile: a restart drops them all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Leases {
    /// The master grants them.
    Central(central::Holder),
}

impl Leases {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Leases::Central(central::Holder::default())
    }

    /// May this node act as primary of `chunk` in `version` at `now`?
    #[must_use]
    pub fn may_act(&self, chunk: ChunkHandle, version: ChunkVersion, now: Time) -> bool {
        let Leases::Central(rule) = self;
        rule.held(chunk, now).is_some_and(|held| held.version == version)
    }

    /// When a lease is to be requested for a primary that is in use.
    #[must_use]
    pub fn wants(
        &self,
        constants: &Constants,
        now: Time,
        chunk: ChunkHandle,
        version: ChunkVersion,
        usage: &Usage,
    ) -> Time {
        usage.next_request(constants, now, self.may_act(chunk, version, now))
    }

    /// The last request that was sent.
    #[must_use]
    pub fn last_request(&self) -> Attempt {
        let Leases::Central(rule) = self;
        rule.last_request()
    }

    /// Begins a request, and remembers when it was sent.
    pub fn request(&mut self, constants: &Constants, now: Time) -> Attempt {
        let Leases::Central(rule) = self;
        rule.request(constants, now)
    }

    /// Takes an answer. Returns the lease if it begins or grows by it.
    pub fn take(&mut self, constants: &Constants, now: Time, granted: &Granted) -> Option<Held> {
        let Leases::Central(rule) = self;
        rule.take(constants, now, granted)
    }

    /// Gives a lease up, whether or not it was still valid. Returns its version.
    pub fn end(&mut self, chunk: ChunkHandle) -> Option<ChunkVersion> {
        let Leases::Central(rule) = self;
        rule.end(chunk)
    }

    /// Gives all leases up.
    pub fn end_all(&mut self) -> Vec<(ChunkHandle, ChunkVersion)> {
        let Leases::Central(rule) = self;
        rule.expire(Time::NEVER)
    }

    /// Removes the leases that have run out.
    pub fn expire(&mut self, now: Time) -> Vec<(ChunkHandle, ChunkVersion)> {
        let Leases::Central(rule) = self;
        rule.expire(now)
    }

    /// When the next lease runs out.
    #[must_use]
    pub fn next_end(&self) -> Option<Time> {
        let Leases::Central(rule) = self;
        rule.next_end()
    }

    /// The chunks of which this node is primary at `now`, with the version.
    pub fn all(&self, now: Time) -> impl Iterator<Item = (ChunkHandle, ChunkVersion)> + '_ {
        let Leases::Central(rule) = self;
        rule.all(now)
    }

    /// The requests whose answer could still bring a lease, the oldest first.
    pub fn requests(&self) -> impl Iterator<Item = Attempt> + '_ {
        let Leases::Central(rule) = self;
        rule.requests()
    }
}

impl Default for Leases {
    fn default() -> Self {
        Leases::new()
    }
}

/// What a leading master knows of leases, under the rule in use. Volatile: a new leader begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grants {
    /// It grants them.
    Central(central::Granter),
}

impl Grants {
    /// What a new leader has to assume of leases that began before it.
    #[must_use]
    pub fn begin(constants: &Constants, now: Time) -> Self {
        Grants::Central(central::Granter::begin(constants, now))
    }

    /// Grants a request if it comes from `primary`, the node that may be primary of the chunk, in the
    /// version in which it may be. Returns when the lease is over by this clock.
    pub fn grant(
        &mut self,
        constants: &Constants,
        now: Time,
        claim: &Claim,
        primary: Option<(NodeId, ChunkVersion)>,
    ) -> Option<Time> {
        let Grants::Central(rule) = self;
        rule.grant(constants, now, claim, primary)
    }

    /// By this clock, every lease that was ever granted for `chunk` is over at this time.
    #[must_use]
    pub fn ended_by(&self, chunk: ChunkHandle) -> Time {
        let Grants::Central(rule) = self;
        rule.ended_by(chunk)
    }

    /// Is every lease that was ever granted for `chunk` over?
    #[must_use]
    pub fn has_ended(&self, chunk: ChunkHandle, now: Time) -> bool {
        self.ended_by(chunk) <= now
    }

    /// Is a lease known that is not over?
    #[must_use]
    pub fn is_leased(&self, chunk: ChunkHandle, now: Time) -> bool {
        let Grants::Central(rule) = self;
        rule.is_leased(chunk, now)
    }

    /// Number of leases that are not over.
    #[must_use]
    pub fn count(&self, now: Time) -> u64 {
        let Grants::Central(rule) = self;
        rule.count(now)
    }

    /// The chunk was made under this leader, so no earlier one granted anything for it, or its
    /// holder said that its lease is over and will not come back.
    pub fn release(&mut self, chunk: ChunkHandle) {
        let Grants::Central(rule) = self;
        rule.release(chunk);
    }

    /// The chunk is no more.
    pub fn forget(&mut self, chunk: ChunkHandle) {
        let Grants::Central(rule) = self;
        rule.forget(chunk);
    }
}
