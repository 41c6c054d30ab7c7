//! Which configuration the answers to a Prepare allow.

use super::{Change, Goal};
use crate::ids::{ChunkHandle, NodeId};
use crate::log::Member;
use crate::master::known::Known;
use crate::master::placement;
use crate::message::ReplicaState;
use crate::replica::{SyncPolicy, counts_as_whole};
use alloc::vec::Vec;

/// What the answers allow.
pub(super) struct Choice {
    /// In pipeline order.
    pub members: Vec<Member>,
    /// None of them holds the chunk up.
    pub clean: bool,
}

impl Known<'_> {
    /// What the answers allow, if anything. A chunk can always be freed: no byte of it is wanted, so
    /// that no member is needed, and one that did not promise acts under no lease by then.
    pub(super) fn choose(self, chunk: ChunkHandle) -> Option<Choice> {
        let change = self.lead.changes.get(&chunk)?;
        let nobody = Choice { members: Vec::new(), clean: true };
        match change.goal {
            Goal::Free(_) => Some(nobody),
            Goal::Configure => self.choose_members(chunk, change),
        }
    }

    /// The primary and the members that the answers allow, in pipeline order.
    fn choose_members(self, chunk: ChunkHandle, change: &Change) -> Option<Choice> {
        let record = self.state.chunks().get(chunk)?;
        let sources = self.sources(chunk, change);
        let clean: Vec<Member> = sources
            .iter()
            .filter(|m| !change.answers[&m.node].corrupt && !change.excluded.contains(&m.node))
            .copied()
            .collect();
        let is_clean = !clean.is_empty();
        // Rather a member that holds the chunk up than none.
        let mut members = if is_clean { clean } else { sources };
        if members.is_empty() {
            return None;
        }
        let old = record.config.as_ref().and_then(|config| config.members.first());
        members.sort_by_key(|m| {
            let state = &change.answers[&m.node];
            let continues = old.is_some_and(|old| old.node == m.node);
            (!continues, core::cmp::Reverse(state.sequence), self.spread(chunk, m.node))
        });
        if let Some((node, true)) = change.learner
            && let Some(incarnation) = change.targets.get(&node)
            && !members.iter().any(|member| member.node == node)
        {
            members.push(Member { node, incarnation: *incarnation });
        }
        let racks = |node| self.state.servers().get(node).map(|server| server.rack);
        placement::trim(&mut members, usize::from(record.spec.replicas), racks);
        Some(Choice { members, clean: is_clean })
    }

    /// Who may be the source of the next configuration: a member of the last committed one that
    /// answered. Only a first configuration has no predecessor; its members all begin empty.
    ///
    /// Why any such member has everything that was ever acknowledged. A primary orders nothing, and
    /// serves no strong read, before *all* members of its configuration v have reconciled to v. So
    /// either v acted: then this member has reconciled to v, and every acknowledgement under v
    /// waited for it too. Or v never acted, and never will, since this member has promised more:
    /// then what it held when it was made a member is enough, and that was the condition for
    /// making it one. Servers outside of the last committed configuration prove nothing.
    pub(super) fn sources(self, chunk: ChunkHandle, change: &Change) -> Vec<Member> {
        let rules = &self.constants.rules;
        let record = &self.state.chunks()[chunk];
        let answered = |node: &NodeId| {
            let state = change.answers.get(node)?;
            let incarnation = change.targets.get(node)?;
            let whole = counts_as_whole(rules, state.learner);
            whole.then_some((state, Member { node: *node, incarnation: *incarnation }))
        };
        let Some(config) = self.source_config(chunk) else {
            let anybody = change.answers.keys().filter_map(answered);
            let begins = |state: &ReplicaState| record.config.is_some() || state.sequence.0 == 0;
            return anybody.filter(|(state, _)| begins(state)).map(|(_, m)| m).collect();
        };
        let current: Vec<(&Member, Member)> = config
            .members
            .iter()
            .filter_map(|old| answered(&old.node).map(|(_, member)| (old, member)))
            .collect();
        if record.spec.sync == SyncPolicy::Durable {
            return current.into_iter().map(|(_, member)| member).collect();
        }
        self.uninterrupted(config.members.len(), &current, change)
    }

    /// Under `page-cache` a restart loses what was not written yet. A member that lived through
    /// is a source; if none did and all were asked, the one that kept most is, and what it lacks
    /// is lost, as this policy says.
    pub(super) fn uninterrupted(
        self,
        members: usize,
        current: &[(&Member, Member)],
        change: &Change,
    ) -> Vec<Member> {
        let lived: Vec<Member> =
            current.iter().filter(|(old, new)| *old == new).map(|(_, new)| *new).collect();
        if !lived.is_empty() || current.len() < members {
            return lived;
        }
        let most = current.iter().map(|(_, new)| *new);
        most.max_by_key(|member| change.answers[&member.node].sequence).into_iter().collect()
    }
}
