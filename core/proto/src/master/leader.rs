//! A leader: what it knows beside the log, and the view under which it acts in one step.

use super::attention::Attention;
use super::change::{Activation, Change};
use super::clients::Parked;
use super::holders::Holders;
use super::known::Known;
use super::leases::Confirmations;
use super::proposals::{Log, Proposal};
use super::repair::Repairs;
use super::rooms::Shortage;
use super::safe_mode::SafeMode;
use super::servers::Server;
use super::sessions::Sessions;
use crate::config::Constants;
use crate::cx::Cx;
use crate::ids::{ChunkHandle, Epoch, FileId, IoId, NodeId};
use crate::lease::Grants;
use crate::log::Command;
use crate::room::Room;
use crate::tables::MasterState;
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

/// What a leader knows beside the log. Volatile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lead {
    pub epoch: Epoch,
    pub next_tick: Time,
    /// Until then a server that was not heard yet need not be dead: it is about to register.
    pub unheard_until: Time,
    pub grants: Grants,
    pub confirmations: Confirmations,
    pub servers: BTreeMap<NodeId, Server>,
    /// Who reported which replica.
    pub holders: BTreeMap<ChunkHandle, Holders>,
    pub changes: BTreeMap<ChunkHandle, Change>,
    pub activations: BTreeMap<ChunkHandle, Activation>,
    pub attention: Attention,
    pub repairs: Repairs,
    /// What servers said their disks have, before they were registered.
    pub rooms: BTreeMap<NodeId, Room>,
    /// There is no room for some chunk.
    pub shortage: Option<Shortage>,
    pub parked: BTreeMap<ChunkHandle, BTreeSet<Parked>>,
    /// When each trashed file is to be reclaimed.
    pub trash: BTreeMap<FileId, Time>,
    /// No further file in the trash gives way before: what the last one leaves is yet to be reported.
    pub gives_way_from: Time,
    pub sessions: Sessions,
    /// While in safe mode.
    pub safe_mode: Option<SafeMode>,
    /// By which the times in `trash` were reckoned.
    pub trash_retention: Duration,
    /// While constants change: since when this leader grants by the new ones.
    pub constants_change: Option<Time>,
    /// A chunkserver holds chunks that this log never made.
    pub log_lost: bool,
}

impl Lead {
    pub fn new(constants: &Constants, epoch: Epoch, now: Time) -> Self {
        Lead {
            epoch,
            next_tick: now + constants.retry_interval,
            unheard_until: now + constants.server_dead_after,
            grants: Grants::begin(constants, now),
            confirmations: Confirmations::default(),
            servers: BTreeMap::new(),
            holders: BTreeMap::new(),
            changes: BTreeMap::new(),
            activations: BTreeMap::new(),
            attention: Attention::default(),
            repairs: Repairs::new(constants, now),
            rooms: BTreeMap::new(),
            shortage: None,
            parked: BTreeMap::new(),
            trash: BTreeMap::new(),
            gives_way_from: now,
            sessions: Sessions::new(constants, now),
            safe_mode: Some(SafeMode::new(constants, now)),
            trash_retention: constants.trash_retention,
            constants_change: None,
            log_lost: false,
        }
    }
}

impl Lead {
    /// Looks at every chunk that has this server as a member or a holder.
    pub fn attend_all_of(&mut self, state: &MasterState, node: NodeId, now: Time) {
        let holds = self.servers.get(&node).map(|server| &server.holds);
        self.attention.add_all_of(state.chunks(), node, holds, now);
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
    /// What is known in this step, to be asked.
    pub fn known(&self) -> Known<'_> {
        let Leader { state, salt, ref lead, ref cx, .. } = *self;
        Known { state, lead, now: cx.now, constants: cx.constants, salt }
    }

    pub fn propose(&mut self, what: Proposal, command: Command) -> IoId {
        self.log.propose(&mut self.cx, self.lead.epoch, what, command)
    }
}
