//! A leader: what it knows beside the log, and the view under which it acts in one step.

use super::attention::Attention;
use super::change::{Activation, Change};
use super::clients::Parked;
use super::holders::Holders;
use super::leases::Confirmations;
use super::proposals::{Log, Proposal};
use super::repair::Repairs;
use super::safe_mode::SafeMode;
use super::servers::{Life, Server};
use crate::config::Constants;
use crate::cx::Cx;
use crate::ids::{ChunkHandle, Epoch, FileId, IoId, NodeId};
use crate::lease::Granter;
use crate::log::Command;
use crate::message::{Message, call, membership};
use crate::tables::{Consequence, MasterState};
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};

/// What a leader knows beside the log. Volatile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lead {
    pub epoch: Epoch,
    pub next_tick: Time,
    /// Until then a server that was not heard yet need not be dead: it is about to register.
    pub unheard_until: Time,
    pub granter: Granter,
    pub confirmations: Confirmations,
    pub servers: BTreeMap<NodeId, Server>,
    /// Who reported which replica.
    pub holders: BTreeMap<ChunkHandle, Holders>,
    pub changes: BTreeMap<ChunkHandle, Change>,
    pub activations: BTreeMap<ChunkHandle, Activation>,
    pub attention: Attention,
    pub repairs: Repairs,
    pub parked: BTreeMap<ChunkHandle, BTreeSet<Parked>>,
    /// When each trashed file is to be reclaimed.
    pub trash: BTreeMap<FileId, Time>,
    /// While in safe mode.
    pub safe_mode: Option<SafeMode>,
    /// A chunkserver holds chunks that this log never made.
    pub log_lost: bool,
}

impl Lead {
    pub fn new(constants: &Constants, epoch: Epoch, now: Time) -> Self {
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

/// A leader in one step. It borrows: what the log amounts to is read, what it knows beside the log
/// changes, and everything that it wants goes into `cx`.
pub(super) struct Leader<'a> {
    pub state: &'a MasterState,
    /// Of this master, for choices that must differ from cluster to cluster.
    pub salt: u64,
    pub log: &'a mut Log,
    pub lead: &'a mut Lead,
    pub cx: Cx<'a>,
}

impl Leader<'_> {
    /// Does what the time has made due. Nothing else in a step comes before it.
    pub fn tick(&mut self) {
        let now = self.cx.now;
        if now < self.lead.next_tick {
            return;
        }
        self.lead.next_tick = now + self.cx.constants.retry_interval;
        self.tick_servers();
        self.tick_safe_mode();
        self.tick_parked();
        self.tick_changes();
        self.tick_activations();
        self.tick_repairs();
        self.tick_strays();
        self.tick_attention();
        // Last: what is wanted has the first choice of places for changes.
        self.tick_trash();
    }

    /// This leader's own entry is applied: it acts, and its waiting times start.
    pub fn begin(&mut self) {
        self.begin_trash();
        self.end_safe_mode_if_enough();
    }

    pub fn on_message(&mut self, from: NodeId, message: Message) {
        match message {
            Message::Call(request) => self.on_call(from, request),
            Message::Membership(membership::Request::Register(m)) => self.on_register(from, m),
            Message::Membership(membership::Request::Heartbeat(m)) => self.on_heartbeat(from, m),
            Message::Membership(membership::Request::Report(m)) => self.on_report(from, m),
            Message::Lease(request) => self.on_lease_request(from, request),
            Message::ConfigureReply(reply) => self.on_configure_reply(from, reply),
            Message::CopyReport(report) => self.on_copy_report(from, report),
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

    /// Reacts to what its log did.
    pub fn on_consequence(&mut self, consequence: Consequence) {
        match consequence {
            Consequence::Joined { node, incarnation, rack, rejoined } => {
                self.on_joined(node, Life { incarnation, rack, rejoined });
            }
            Consequence::JoinRefused { node, incarnation } => {
                self.cx.send(node, membership::RegisterRefused { incarnation });
            }
            Consequence::ChunkMade(chunk) => self.on_new_chunk(chunk),
            Consequence::Trashed(file) => self.on_trashed(file),
            Consequence::Answered { op, answer } => {
                self.cx.send(op.client, call::Reply { op, answer });
            }
            Consequence::Configured { chunk, .. } => self.on_configured(chunk),
            Consequence::Freed { chunk, base, members } => self.on_freed(chunk, base, &members),
            Consequence::LeaderBegan { .. } | Consequence::Purged(_) | Consequence::Ignored => {}
        }
    }

    pub fn propose(&mut self, what: Proposal, command: Command) -> IoId {
        self.log.propose(&mut self.cx, self.lead.epoch, what, command)
    }
}
