//! The master: the namespace, the chunk table, leases, configuration changes and repair.
//!
//! Two halves. [`MasterState`] is a function of the committed log ([`crate::tables`]): namespace, chunk
//! table, configurations, registered servers, remembered answers. The rest is soft and begins anew with
//! each leadership: who is heard, who reported what, which lease was granted until when, which
//! change or copy is under way.
//!
//! Suggested order: `proposals` (the log as a device), `clients`, `servers`, `holders`, `reports`, `safe_mode`, `leases`, `change` (a
//! configuration's way from Prepare to its activation), `attention` (what a chunk needs next),
//! `repair`, `setbacks`, `placement`, `trash`, `status`.

mod proposals;
mod clients;
mod servers;
mod holders;
mod reports;
mod safe_mode;
mod leases;
mod change;
mod attention;
mod repair;
mod setbacks;
mod placement;
mod trash;
mod status;
#[cfg(test)]
mod tests;

use crate::config::{Constants, MasterConfig, Rules};
use crate::ids::{ChunkHandle, Epoch, FileId, IoId, NodeId};
use crate::lease::Granter;
use crate::machine::{Effect, Effects, Input, Leadership, StateMachine};
use crate::message::membership;
use crate::message::{Envelope, Message};
use crate::tables::MasterState;
use crate::time::{Deadline, Time};
use alloc::collections::{BTreeMap, BTreeSet};
use attention::Attention;
use change::{Activation, Change};
use clients::Parked;
use holders::Holders;
use leases::Confirmations;
use proposals::Proposal;
use repair::Repairs;
use safe_mode::SafeMode;
use servers::Server;

/// A master.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Master {
    config: MasterConfig,
    /// As this master has applied it.
    state: MasterState,
    leadership: Leadership,
    last_io: IoId,
    /// What this life proposed and has no answer to.
    proposals: BTreeMap<IoId, Proposal>,
    /// The rest, while this master acts.
    lead: Option<Lead>,
}

/// What a leader knows beside the log. Volatile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lead {
    epoch: Epoch,
    next_tick: Time,
    /// Until then a server that was not heard yet need not be dead: it is about to register.
    unheard_until: Time,
    granter: Granter,
    confirmations: Confirmations,
    servers: BTreeMap<NodeId, Server>,
    /// Who reported which replica.
    holders: BTreeMap<ChunkHandle, Holders>,
    changes: BTreeMap<ChunkHandle, Change>,
    activations: BTreeMap<ChunkHandle, Activation>,
    attention: Attention,
    repairs: Repairs,
    parked: BTreeMap<ChunkHandle, BTreeSet<Parked>>,
    /// When each trashed file is to be reclaimed.
    trash: BTreeMap<FileId, Time>,
    /// While in safe mode.
    safe_mode: Option<SafeMode>,
    /// A chunkserver holds chunks that this log never made.
    log_lost: bool,
}

impl Lead {
    fn new(constants: &Constants, epoch: Epoch, now: Time) -> Self {
        Lead {
            epoch,
            next_tick: now + constants.retry_interval,
            unheard_until: now + constants.server_dead_after,
            granter: Granter::begin(constants, now),
            confirmations: Confirmations::default(),
            servers: BTreeMap::new(),
            holders: BTreeMap::new(),
            changes: BTreeMap::new(),
            activations: BTreeMap::new(),
            attention: Attention::default(),
            repairs: Repairs::new(constants, now),
            parked: BTreeMap::new(),
            trash: BTreeMap::new(),
            safe_mode: Some(SafeMode::new(constants, now)),
            log_lost: false,
        }
    }
}

impl Master {
    /// The replicated state as this master has applied it.
    #[must_use]
    pub fn state(&self) -> &MasterState {
        &self.state
    }

    /// The epoch under which this master acts, if it does.
    #[must_use]
    pub fn acting(&self) -> Option<Epoch> {
        self.lead.as_ref().map(|lead| lead.epoch)
    }

    fn constants(&self) -> &Constants {
        &self.config.constants
    }

    fn rules(&self) -> Rules {
        self.config.constants.rules
    }

    fn send(&self, to: NodeId, message: impl Into<Message>, out: &mut Effects) {
        let message = message.into();
        out.push(Effect::Send(Envelope { from: self.config.node, to, message }));
    }

    /// Does what `now` has made due. Nothing else in a step comes before it.
    fn settle(&mut self, now: Time, out: &mut Effects) {
        let interval = self.constants().retry_interval;
        let Some(lead) = &mut self.lead else { return };
        if now < lead.next_tick {
            return;
        }
        lead.next_tick = now + interval;
        self.settle_servers(now, out);
        self.settle_safe_mode(now, out);
        self.settle_parked(now, out);
        self.settle_changes(now, out);
        self.settle_activations(now, out);
        self.settle_repairs(now, out);
        self.settle_strays(now, out);
        self.settle_attention(now, out);
        // Last: what is wanted has the first choice of places for changes.
        self.settle_trash(now, out);
    }

    fn on_message(&mut self, now: Time, from: NodeId, message: Message, out: &mut Effects) {
        if self.lead.is_none() {
            return self.on_message_without_lead(from, message, out);
        }
        match message {
            Message::Call(request) => self.on_call(now, from, request, out),
            Message::Membership(membership::Request::Register(m)) => self.on_register(from, m, out),
            Message::Membership(membership::Request::Heartbeat(m)) => {
                self.on_heartbeat(now, from, m, out);
            }
            Message::Membership(membership::Request::Report(m)) => {
                self.on_report(now, from, m, out);
            }
            Message::Lease(request) => self.on_ask_lease(now, from, request, out),
            Message::ConfigureReply(reply) => self.on_configure_reply(now, from, reply, out),
            Message::CopyReport(report) => self.on_copy_report(now, from, report, out),
            // For a chunkserver or a client: a confused sender's, dropped.
            Message::CallReply(_)
            | Message::MembershipReply(_)
            | Message::Removal(_)
            | Message::LeaseGrant(_)
            | Message::Configure(_)
            | Message::Reconcile(_)
            | Message::ReconcileReply(_)
            | Message::CopyOrder(_)
            | Message::Copy(_)
            | Message::CopyReply(_)
            | Message::Data(_)
            | Message::DataReply(_)
            | Message::Pipeline(_)
            | Message::PipelineReply(_) => {}
        }
    }
}

impl StateMachine for Master {
    type Config = MasterConfig;
    /// The newest checkpoint; the log after it follows as `Committed` inputs.
    type Durable = MasterState;

    fn recover(config: &MasterConfig, mut durable: MasterState, _: Time, _: &mut Effects) -> Self {
        durable.set_answers_retries(config.constants.rules.change_table);
        Master {
            config: config.clone(),
            state: durable,
            leadership: Leadership::Follower { leader: None },
            last_io: IoId(0),
            proposals: BTreeMap::new(),
            lead: None,
        }
    }

    fn step(&mut self, now: Time, input: Input, out: &mut Effects) {
        self.settle(now, out);
        match input {
            Input::Deliver(Envelope { from, to, message }) => {
                if to == self.config.node {
                    self.on_message(now, from, message, out);
                }
            }
            Input::Wake => {}
            Input::IoDone { io, result } => self.on_io_done(now, io, result, out),
            Input::Committed { index, entry } => self.on_committed(now, index, &entry, out),
            Input::Leadership(leadership) => self.on_leadership(leadership, out),
            Input::Installed { state } => self.on_installed(*state),
            Input::Request { .. } => unreachable!("a master has no owner"),
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.lead.as_ref().map(|lead| Deadline { at: lead.next_tick, why: "the master's round" })
    }

    fn assert_invariants(&self) {
        let Some(lead) = &self.lead else { return };
        assert_eq!(lead.epoch, self.state.epoch(), "a leader acts under its own epoch only");
        let at_rest = lead.safe_mode.is_none() || lead.repairs.under_way.is_empty();
        assert!(at_rest, "nothing is copied in safe mode");
        for (chunk, change) in &lead.changes {
            let version = self.state.chunks().get(*chunk).map(|record| record.version());
            assert!(version.is_none_or(|v| v < change.version), "a change goes forward");
        }
    }
}
