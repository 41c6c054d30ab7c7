//! What a chunk needs next. Chunks that something happened to wait here, and each round decides
//! anew from what is known: reconciliation is a function of the state, not of how it came about.

use super::Master;
use super::holders::Holders;
use crate::ids::{ChunkHandle, NodeId};
use crate::log::Member;
use crate::machine::Effects;
use crate::message::DeleteReason;
use crate::message::removal;
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Chunks to be looked at, since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Attention {
    since: BTreeMap<ChunkHandle, Time>,
}

impl Attention {
    pub fn add(&mut self, chunk: ChunkHandle, now: Time) {
        self.since.entry(chunk).or_insert(now);
    }

    pub fn remove(&mut self, chunk: ChunkHandle) {
        self.since.remove(&chunk);
    }

    pub fn has(&self, chunk: ChunkHandle) -> bool {
        self.since.contains_key(&chunk)
    }

    /// Which they are.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkHandle> {
        self.since.keys().copied()
    }
}

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

impl Master {
    pub(super) fn attend(&mut self, now: Time, chunk: ChunkHandle) {
        if let Some(lead) = &mut self.lead {
            lead.attention.add(chunk, now);
        }
    }

    /// Looks at every chunk that has this server as a member or a holder.
    pub(super) fn attend_all_of(&mut self, now: Time, node: NodeId) {
        let Some(lead) = &mut self.lead else { return };
        for (chunk, record) in &self.state.chunks {
            let member = match &record.config {
                Some(config) => config.members.iter().any(|member| member.node == node),
                None => true,
            };
            let holder = lead.servers.get(&node).is_some_and(|s| s.holds.contains(chunk));
            if member || holder {
                lead.attention.add(*chunk, now);
            }
        }
    }

    /// One round: those with the fewest good replicas first, then those that wait longest.
    pub(super) fn settle_attention(&mut self, now: Time, out: &mut Effects) {
        let lead = self.lead.as_ref().expect("only a leader ticks");
        let by_danger = self.rules().repair_by_danger;
        let danger = |chunk| if by_danger { self.good_members(now, chunk) } else { 0 };
        let mut due: Vec<(usize, Time, ChunkHandle)> = lead
            .attention
            .since
            .iter()
            .map(|(chunk, since)| (danger(*chunk), *since, *chunk))
            .collect();
        due.sort_unstable();
        for (_, since, chunk) in due {
            if self.look_after(now, since, chunk, out) {
                let lead = self.lead.as_mut().expect("looked at above");
                lead.attention.remove(chunk);
            }
        }
    }

    pub(super) fn standing(&self, now: Time, chunk: ChunkHandle, member: &Member) -> Standing {
        let Some(lead) = &self.lead else { return Standing::Bad };
        let Some(server) = lead.servers.get(&member.node) else {
            return if self.is_expected(now, member.node) {
                Standing::Coming
            } else {
                Standing::Bad
            };
        };
        let (record, spec) = self.state.chunk(chunk).expect("asked of a chunk that exists");
        let interrupted = spec.sync == crate::replica::SyncPolicy::PageCache
            && server.incarnation != member.incarnation;
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
    pub(super) fn is_expected(&self, now: Time, node: NodeId) -> bool {
        let expects =
            |lead: &super::Lead| now < lead.unheard_until && !lead.servers.contains_key(&node);
        self.lead.as_ref().is_some_and(expects)
    }

    pub(super) fn members(&self, chunk: ChunkHandle) -> &[Member] {
        let config = self.state.chunks.get(&chunk).and_then(|record| record.config.as_ref());
        config.map_or(&[], |config| &config.members)
    }

    pub(super) fn good_members(&self, now: Time, chunk: ChunkHandle) -> usize {
        let members = self.members(chunk).iter();
        members.filter(|member| self.standing(now, chunk, member) == Standing::Good).count()
    }

    /// Decides what a chunk needs. True if it needs no more attention.
    fn look_after(
        &mut self,
        now: Time,
        since: Time,
        chunk: ChunkHandle,
        out: &mut Effects,
    ) -> bool {
        let Some((record, spec)) = self.state.chunk(chunk) else { return true };
        if self.lead.as_ref().is_some_and(|lead| lead.changes.contains_key(&chunk)) {
            return false;
        }
        if self.state.is_trashed(record.file) && self.is_due(now, record.file) {
            // The trash looks after it.
            return true;
        }
        let target = usize::from(spec.replicas);
        let Some(config) = record.config.clone() else {
            self.start_change(now, chunk, "a chunk without a configuration", out);
            return false;
        };
        let good = self.good_members(now, chunk);
        let standings: Vec<(NodeId, Standing)> =
            config.members.iter().map(|m| (m.node, self.standing(now, chunk, m))).collect();
        let bad: Vec<NodeId> =
            standings.iter().filter(|(_, s)| *s == Standing::Bad).map(|(n, _)| *n).collect();
        if self.promised_above(chunk, config.version) {
            self.start_change(now, chunk, "a promise above the configuration", out);
            return false;
        }
        // A member that is still coming may wait for the bad one in vain.
        if !bad.is_empty() && bad.len() < config.members.len() {
            self.start_change(now, chunk, "a member is lost", out);
            // One that is merely not heard is left out by its silence. If it is heard again before
            // the change is over, and answers, it is as good a member as any.
            let heard: Vec<NodeId> = bad.into_iter().filter(|node| self.is_usable(*node)).collect();
            self.exclude(chunk, &heard);
            return false;
        }
        if good < config.members.len() {
            // Some are coming, or the last one is being waited for.
            self.bring_up(now, chunk, out);
            return false;
        }
        if good >= target {
            return self.delete_excess(chunk, out);
        }
        self.repair(now, since, chunk, good, out);
        false
    }

    /// A member that promised a version above the committed one refuses the primary for good, and
    /// another holder every order: the chunk must reach that version (a leader that prepared it
    /// may have failed since).
    fn promised_above(&self, chunk: ChunkHandle, version: crate::ids::ChunkVersion) -> bool {
        let Some(lead) = &self.lead else { return false };
        let mut holders = lead.holders.get(&chunk).into_iter().flat_map(Holders::iter);
        holders.any(|(node, state)| state.promised > version && self.is_usable(node))
    }

    /// Members that are not reconciled to the committed version need its primary for that; one
    /// that restarted since does not resume it.
    fn bring_up(&mut self, now: Time, chunk: ChunkHandle, out: &mut Effects) {
        let primary = self.members(chunk).first().copied();
        let Some(primary) = primary else { return };
        let restarted = self.is_usable(primary.node) && !self.is_same_life(&primary);
        if restarted {
            self.start_change(now, chunk, "the primary restarted", out);
        } else {
            self.notify_primary(now, chunk);
        }
    }

    /// Orders replicas away that the committed configuration does not hold, once all of its own
    /// members are good. True if there is none left.
    fn delete_excess(&mut self, chunk: ChunkHandle, out: &mut Effects) -> bool {
        let lead = self.lead.as_ref().expect("only a leader ticks");
        if lead.safe_mode.is_some() || lead.log_lost {
            return lead.log_lost;
        }
        let version = self.state.chunks[&chunk].version();
        let members = self.members(chunk);
        let excess: Vec<NodeId> = lead
            .holders
            .get(&chunk)
            .into_iter()
            .flat_map(Holders::nodes)
            .filter(|node| !members.iter().any(|member| member.node == *node))
            .collect();
        for node in &excess {
            if self.is_usable(*node) {
                let reason = DeleteReason::Excluded(version);
                self.send(*node, removal::DeleteReplica { chunk, reason }, out);
            }
        }
        !excess.iter().any(|node| self.is_usable(*node))
    }
}
