//! Leases granted, and the confirmation that comes first: a deposed leader that still hears
//! questions must not prolong a lease.

use super::Master;
use crate::event::Event;
use crate::ids::{Attempt, ChunkHandle, ChunkVersion, IoId, NodeId, OpId};
use crate::io::{IoOp, LogOp};
use crate::machine::Effects;
use crate::message::lease;
use crate::metadata::MetadataQuery;
use crate::time::Time;
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

impl Master {
    /// Does this question wait for the next confirmation already? A copy of it would be answered
    /// in the same step, with the same words.
    #[must_use]
    pub fn has_waiting(&self, server: NodeId, question: Attempt) -> bool {
        let next = self.lead.as_ref().map(|lead| &lead.confirmations.next);
        next.into_iter().flatten().any(|waiting| {
            matches!(waiting, Confirmable::Lease { from, request }
                if (*from, request.attempt) == (server, question))
        })
    }

    pub(super) fn confirm(&mut self, now: Time, what: Confirmable, out: &mut Effects) {
        if !self.rules().confirm_leadership {
            return self.serve(now, what, out);
        }
        let lead = self.lead.as_mut().expect("only a leader is asked");
        lead.confirmations.next.push(what);
        self.start_confirmation(out);
    }

    fn start_confirmation(&mut self, out: &mut Effects) {
        let lead = self.lead.as_mut().expect("only a leader is asked");
        let confirmations = &mut lead.confirmations;
        if confirmations.on_its_way.is_some() || confirmations.next.is_empty() {
            return;
        }
        let batch = core::mem::take(&mut confirmations.next);
        let io = self.start_io(IoOp::Log(LogOp::Confirm), out);
        let lead = self.lead.as_mut().expect("looked at above");
        lead.confirmations.on_its_way = Some((io, batch));
    }

    fn end_confirmation(&mut self, io: IoId) -> Vec<Confirmable> {
        let Some(lead) = &mut self.lead else { return Vec::new() };
        match lead.confirmations.on_its_way.take() {
            Some((this, batch)) if this == io => batch,
            other => {
                lead.confirmations.on_its_way = other;
                Vec::new()
            }
        }
    }

    pub(super) fn on_confirmed(&mut self, now: Time, io: IoId, out: &mut Effects) {
        for what in self.end_confirmation(io) {
            self.serve(now, what, out);
        }
        if self.lead.is_some() {
            self.start_confirmation(out);
        }
    }

    fn serve(&mut self, now: Time, what: Confirmable, out: &mut Effects) {
        match what {
            Confirmable::Query { op, query } => self.answer_query(now, op, query, out),
            Confirmable::Lease { from, request } => self.grant_leases(now, from, &request, out),
        }
    }

    /// Nobody is answered: whoever asked asks again, here or elsewhere.
    pub(super) fn on_confirmation_failed(&mut self, io: IoId) {
        self.end_confirmation(io);
    }

    pub(super) fn on_ask_lease(
        &mut self,
        now: Time,
        from: NodeId,
        request: lease::Request,
        out: &mut Effects,
    ) {
        self.confirm(now, Confirmable::Lease { from, request }, out);
    }

    fn grant_leases(
        &mut self,
        now: Time,
        from: NodeId,
        request: &lease::Request,
        out: &mut Effects,
    ) {
        let lease::Request { incarnation, attempt, ref chunks } = *request;
        if self.server(from).is_none_or(|server| server.incarnation != incarnation) {
            return;
        }
        let duration = self.constants().lease_duration;
        let granted: Vec<(ChunkHandle, ChunkVersion)> = chunks
            .iter()
            .filter(|(chunk, version)| self.may_grant(from, *chunk, *version))
            .copied()
            .collect();
        for (chunk, version) in &granted {
            let constants = &self.config.constants;
            let lead = self.lead.as_mut().expect("only a leader grants");
            let until = lead.granter.grant(constants, now, *chunk);
            lead.activations.remove(chunk);
            out.observe(Event::LeaseGranted { chunk: *chunk, version: *version, to: from, until });
        }
        if !granted.is_empty() {
            let chunks = granted;
            self.send(from, lease::Grant { incarnation, attempt, duration, chunks }, out);
        }
    }

    /// To the primary of the committed configuration, in the life in which it was configured, and
    /// not while that configuration is being changed: from the first Prepare until the change is
    /// resolved nothing is granted, or the wait for the old lease would never end.
    fn may_grant(&self, from: NodeId, chunk: ChunkHandle, version: ChunkVersion) -> bool {
        let record = self.state.chunks().get(chunk);
        let config = record.and_then(|record| record.config.as_ref());
        config.is_some_and(|config| config.version == version)
            && self.usable_primary(chunk) == Some(from)
    }
}
