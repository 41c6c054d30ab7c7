//! Requests for leases, and the confirmation that comes first: a deposed leader that still receives
//! requests must not prolong a lease. What a grant counts for is in [`crate::lease`].

use super::leader::Leader;
use crate::attributes::Caller;
use crate::event::{Event, LostLog};
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, IoId, NodeId, OpId};
use crate::lease::Claim;
use crate::message::lease;
use crate::metadata::MetadataQuery;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What may be answered only by a confirmed leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Confirmable {
    Query {
        op: OpId,
        caller: Box<Caller>,
        query: MetadataQuery,
    },
    Lease {
        from: NodeId,
        request: lease::Request,
    },
    /// That the log is not the newest.
    Suspicion(LostLog),
}

/// One round at a time; what comes in while one is on its way waits for the next, since a round
/// serves only what was there when it started. Ten thousand renewals share one round.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Confirmations {
    on_its_way: Option<(IoId, Vec<Confirmable>)>,
    next: Vec<Confirmable>,
}

impl Confirmations {
    /// Does this question wait for the next round already?
    pub fn has_waiting(&self, server: NodeId, question: Attempt) -> bool {
        self.next.iter().any(|waiting| {
            matches!(waiting, Confirmable::Lease { from, request }
                if (*from, request.attempt) == (server, question))
        })
    }

    /// Does a suspicion wait for the next round already? The strongest proof is enough.
    pub fn joins_suspicion(&mut self, proof: LostLog) -> bool {
        let waiting = self.next.iter_mut().find_map(|waiting| match waiting {
            Confirmable::Suspicion(other) => Some(other),
            Confirmable::Query { .. } | Confirmable::Lease { .. } => None,
        });
        waiting.map(|other| *other = proof.max(*other)).is_some()
    }

    /// The round for what waits, if none is on its way.
    fn begin(&mut self, start: impl FnOnce() -> IoId) {
        if self.on_its_way.is_none() && !self.next.is_empty() {
            self.on_its_way = Some((start(), core::mem::take(&mut self.next)));
        }
    }

    /// A round ended: what waited for it.
    fn end(&mut self, io: IoId) -> Vec<Confirmable> {
        match self.on_its_way.take() {
            Some((this, batch)) if this == io => batch,
            other => {
                self.on_its_way = other;
                Vec::new()
            }
        }
    }
}

impl Leader<'_> {
    pub(super) fn confirm(&mut self, what: Confirmable) {
        if !self.cx.rules().confirm_leadership {
            // Unconfirmed, a suspicion proves nothing.
            if !matches!(what, Confirmable::Suspicion(_)) {
                self.serve(what);
            }
            return;
        }
        self.lead.confirmations.next.push(what);
        self.start_confirmation();
    }

    fn start_confirmation(&mut self) {
        let (log, cx) = (&mut *self.log, &mut self.cx);
        self.lead.confirmations.begin(|| log.confirm(cx));
    }

    pub(super) fn on_confirmed(&mut self, io: IoId) {
        for what in self.lead.confirmations.end(io) {
            self.serve(what);
        }
        self.start_confirmation();
    }

    fn serve(&mut self, what: Confirmable) {
        match what {
            Confirmable::Query { op, caller, query } => self.answer_query(op, &caller, query),
            Confirmable::Lease { from, request } => self.grant_leases(from, &request),
            Confirmable::Suspicion(proof) => self.on_suspicion_confirmed(proof),
        }
    }

    /// Nobody is answered: whoever asked asks again, here or elsewhere.
    pub(super) fn on_confirmation_failed(&mut self, io: IoId) {
        self.lead.confirmations.end(io);
    }

    pub(super) fn on_lease_request(&mut self, from: NodeId, request: lease::Request) {
        self.confirm(Confirmable::Lease { from, request });
    }

    fn grant_leases(&mut self, from: NodeId, request: &lease::Request) {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let lease::Request { incarnation, attempt, ref chunks } = *request;
        if self.known().server(from).is_none_or(|server| server.incarnation != incarnation) {
            return;
        }
        let mut granted: Vec<(ChunkHandle, ChunkVersion)> = Vec::new();
        for &(chunk, version) in chunks {
            let (claim, primary) = (Claim { from, chunk, version }, self.entitled(chunk));
            let lead = &mut *self.lead;
            let Some(until) = lead.grants.grant(constants, now, &claim, primary) else { continue };
            lead.activations.remove(&chunk);
            granted.push((chunk, version));
            self.cx.observe(Event::LeaseGranted { chunk, version, to: from, until });
        }
        if !granted.is_empty() {
            let (term, chunks) = (self.agreed().values.lease_term(), granted);
            self.cx.send(from, lease::Grant { incarnation, attempt, term, chunks });
        }
    }

    /// Who may have the lease: the primary of the committed configuration, in the life in which it
    /// was configured, and not while that configuration is being changed. From the first Prepare
    /// until the change is resolved nothing is granted, or the wait for the old lease would never
    /// end.
    fn entitled(&self, chunk: ChunkHandle) -> Option<(NodeId, ChunkVersion)> {
        let config = self.state.chunks().config(chunk)?;
        let primary = self.known().usable_primary(chunk)?;
        Some((primary, config.version))
    }
}
