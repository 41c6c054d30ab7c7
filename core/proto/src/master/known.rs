//! What a leader knows in one step, to be asked: nothing here changes anything.

use super::holders::Holders;
use super::leader::Lead;
use super::placement::{self, Candidate, mix};
use super::servers::Server;
use crate::config::Constants;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::log::Member;
use crate::replica::SyncPolicy;
use crate::tables::{Configuration, MasterState, Release};
use crate::time::Time;
use alloc::vec::Vec;

/// How a member of a committed configuration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is heard, and as far as is known it has everything.
    Good,
    /// It is heard, and still on its way to this version, or has not reported yet.
    Coming,
    /// It is not heard, its replica is bad or gone, or it is behind for good.
    Bad,
}

/// The log's state and the leader's own, at one time.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub state: &'a MasterState,
    pub lead: &'a Lead,
    pub now: Time,
    pub constants: &'a Constants,
    pub salt: u64,
}

impl<'a> Known<'a> {
    /// The configuration whose members alone may be the source of the next one; none before the first.
    pub(super) fn source_config(self, chunk: ChunkHandle) -> Option<&'a Configuration> {
        let config = self.state.chunks().config(chunk);
        config.filter(|_| self.constants.rules.source_is_current)
    }

    pub(super) fn members(self, chunk: ChunkHandle) -> &'a [Member] {
        self.state.chunks().members(chunk)
    }

    pub(super) fn standing(self, chunk: ChunkHandle, member: &Member) -> Standing {
        let lead = self.lead;
        let Some(server) = lead.servers.get(&member.node) else {
            return if self.is_expected(member.node) { Standing::Coming } else { Standing::Bad };
        };
        let record = &self.state.chunks()[chunk];
        let interrupted =
            record.spec.sync == SyncPolicy::PageCache && server.incarnation != member.incarnation;
        if !server.usable() || interrupted {
            return Standing::Bad;
        }
        match lead.holders.get(&chunk).and_then(|holders| holders.get(member.node)) {
            Some(state) if state.corrupt || state.learner => Standing::Bad,
            Some(state) if state.applied_version == record.version() => Standing::Good,
            Some(_) => Standing::Coming,
            None if server.reported == 0 => Standing::Coming,
            None => Standing::Bad,
        }
    }

    /// Has this leader begun so recently that a server may live and not have registered yet? To
    /// count it as dead would leave good members out of configurations after every change of the
    /// leader.
    pub(super) fn is_expected(self, node: NodeId) -> bool {
        let now = self.now;
        now < self.lead.unheard_until && !self.lead.servers.contains_key(&node)
    }

    pub(super) fn good_members(self, chunk: ChunkHandle) -> usize {
        let members = self.members(chunk).iter();
        members.filter(|member| self.standing(chunk, member) == Standing::Good).count()
    }

    /// Has it fewer good replicas than it should?
    pub(super) fn is_below_target(self, chunk: ChunkHandle) -> bool {
        let record = self.state.chunks().get(chunk);
        record.is_some_and(|r| self.good_members(chunk) < usize::from(r.spec.replicas))
    }

    /// A member that promised a version above the committed one refuses the primary for good, and
    /// another holder every order: the chunk must reach that version (a leader that prepared it
    /// may have failed since).
    pub(super) fn promised_above(self, chunk: ChunkHandle, version: ChunkVersion) -> bool {
        let lead = self.lead;
        let mut holders = lead.holders.get(&chunk).into_iter().flat_map(Holders::iter);
        holders.any(|(node, state)| state.promised > version && self.is_usable(node))
    }

    pub(super) fn server(self, node: NodeId) -> Option<&'a Server> {
        self.lead.servers.get(&node)
    }

    /// Is this member heard, in the life in which it was configured or a later one?
    pub(super) fn is_usable(self, node: NodeId) -> bool {
        self.server(node).is_some_and(Server::usable)
    }

    /// Is this member heard, and in the very life in which it was configured?
    pub(super) fn is_same_life(self, member: &Member) -> bool {
        let same_life = |server: &Server| {
            server.incarnation == member.incarnation
                || !self.constants.rules.restart_needs_new_version
        };
        self.server(member.node).is_some_and(|server| server.usable() && same_life(server))
    }

    /// The primary of a chunk's committed configuration, if it can act: it is heard, in the life
    /// in which it was configured, nothing is under way to replace it, and no session that ended may have
    /// written to it.
    pub(super) fn usable_primary(self, chunk: ChunkHandle) -> Option<NodeId> {
        let lead = self.lead;
        let config = self.state.chunks().config(chunk)?;
        let primary = config.members.first()?;
        let free = !lead.changes.contains_key(&chunk) && !self.state.chunks().is_fenced(chunk);
        (free && self.is_same_life(primary)).then_some(primary.node)
    }

    pub(super) fn highest_promise(self, chunk: ChunkHandle) -> ChunkVersion {
        let lead = self.lead;
        let promised = lead.holders.get(&chunk).into_iter().flat_map(Holders::states);
        promised.map(|state| state.promised).max().unwrap_or_default()
    }

    /// Where `count` replicas of a chunk go: those in `kept` stay, and the rest is chosen among the
    /// candidates by rack, then load.
    pub(super) fn place(
        self,
        chunk: ChunkHandle,
        count: usize,
        kept: &[NodeId],
        candidates: &[Candidate],
    ) -> Vec<NodeId> {
        let spread = self.constants.rules.spread_over_racks;
        placement::choose(count, kept, candidates, spread, self.salt(chunk))
    }

    pub(super) fn salt(self, chunk: ChunkHandle) -> u64 {
        mix(self.salt, chunk.0)
    }

    /// An order of nodes that differs from chunk to chunk.
    pub(super) fn spread(self, chunk: ChunkHandle, node: NodeId) -> u64 {
        mix(self.salt(chunk), node.0)
    }

    /// Has the chunk no owner left, or is this file its last one and has been in the trash for long
    /// enough?
    pub(super) fn is_given_up(self, chunk: ChunkHandle, file: FileId) -> bool {
        if self.state.chunks().is_given_up(chunk) {
            return true;
        }
        let due = self.lead.trash.get(&file).is_some_and(|due| *due <= self.now);
        due && self.state.release(file, chunk) == Some(Release::LastOwner)
    }
}
