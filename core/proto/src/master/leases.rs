//! Leases granted, and the confirmation that comes first: a deposed leader that still hears
//! questions must not prolong a lease.

use super::leader::Leader;
use crate::event::Event;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, IoId, NodeId, OpId};
use crate::message::lease;
use crate::metadata::MetadataQuery;
use alloc::vec::Vec;

/// What may be answered only by a confirmed leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Confirmable {
    Query { op: OpId, query: MetadataQuery },
    Lease { from: NodeId, request: lease::Request },
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
            return self.serve(what);
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
            Confirmable::Query { op, query } => self.answer_query(op, query),
            Confirmable::Lease { from, request } => self.grant_leases(from, &request),
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
        let now = self.cx.now;
        let lease::Request { incarnation, attempt, ref chunks } = *request;
        if self.known().server(from).is_none_or(|server| server.incarnation != incarnation) {
            return;
        }
        let duration = self.cx.constants.lease_duration;
        let granted: Vec<(ChunkHandle, ChunkVersion)> = chunks
            .iter()
            .filter(|(chunk, version)| self.may_grant(from, *chunk, *version))
            .copied()
            .collect();
        for (chunk, version) in &granted {
            let constants = self.cx.constants;
            let lead = &mut *self.lead;
            let until = lead.granter.grant(constants, now, *chunk);
            lead.activations.remove(chunk);
            self.cx.observe(Event::LeaseGranted {
                chunk: *chunk,
                version: *version,
                to: from,
                until,
            });
        }
        if !granted.is_empty() {
            let chunks = granted;
            self.cx.send(from, lease::Grant { incarnation, attempt, duration, chunks });
        }
    }

    /// To the primary of the committed configuration, in the life in which it was configured, and
    /// not while that configuration is being changed: from the first Prepare until the change is
    /// resolved nothing is granted, or the wait for the old lease would never end.
    fn may_grant(&self, from: NodeId, chunk: ChunkHandle, version: ChunkVersion) -> bool {
        let record = self.state.chunks().get(chunk);
        let config = record.and_then(|record| record.config.as_ref());
        config.is_some_and(|config| config.version == version)
            && self.known().usable_primary(chunk) == Some(from)
    }
}
