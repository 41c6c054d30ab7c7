//! What a chunk needs next. Chunks that something happened to wait here, and each round decides
//! anew from what is known: reconciliation is a function of the state, not of how it came about.
//!
//! A chunk below its target is always here, or in a change that brings it here when it ends. Every
//! state that it can be in has something that wakes it and a bound on the wait; what has no bound
//! waits for bytes that are nowhere else, or for an operator. A round is every `retry_interval`.
//!
//! | the chunk | waits for | woken by | at the most |
//! | --- | --- | --- | --- |
//! | has no configuration, no server has room | room, a server | each round; the oldest file in the trash gives way | until there is one |
//! | has no configuration | a change | each round | as for places, below |
//! | ... its servers are silent | one of them | each round; others are asked | `member_silent_after` |
//! | a change: no member that answered can lead | a member of the last configuration | each round repeats Prepare; a registration | until one is heard: only they have the bytes. After `repair_stalled_after` its place is free for others |
//! | ... `page-cache`, and all that answered restarted | the others | the same | until all are heard: one that did not restart has what these lost |
//! | a change: not all answered | the rest | an answer, a refusal, a round | `prepare_grace`; `repair_stalled_after` if all that answered are bad |
//! | a change: a new leader has not heard a member | its registration | a registration, a round | `server_dead_after` |
//! | a change: its copy is not whole | the learner | `LearnerReady`, `LearnerFailed`, a round | `repair_stalled_after` |
//! | a change: the old lease | its end | a round | T(1+2ρ) |
//! | a change: proposed | the log | the proposal's end, whatever it is | this leadership |
//! | every place of `changes_max` is taken | a place | each round | every change ends by the lines above |
//! | some members bad, not all | a change without them | each round | at once |
//! | promised above | a change above that | each round | at once |
//! | all members bad | one of them | a registration, a heartbeat, a report | until one is heard: only they have the bytes |
//! | a member is coming | its reconciliation, its report | a report; the primary's complaint; a round | 2 x `member_stalled_after`, then a change asks them all |
//! | ... in safe mode | reports | a report | the end of safe mode |
//! | the log was lost | an operator | | nothing is copied or removed before |
//! | below target, `repair_delay` is not over | that | a round | `repair_delay`; none at the last copy |
//! | ... no server has room | room, a server | each round; the oldest file in the trash gives way | until there is one |
//! | ... its file is in the trash, and a named chunk waits | that chunk | each round | as that chunk |
//! | ... every server with room failed at this chunk | its turn again | a round | 6 x `repair_stalled_after` |
//! | ... `repairs_max`, `repairs_per_server_max` | a copy's end | a round | every copy ends by the lines below |
//! | ... bytes of the budget | the bucket | a round | a second for each chunk more urgent than this one |
//! | a copy: ordered | its learner | a round repeats the order; a report shows that it goes on | 6 x `repair_stalled_after` since the last sign |
//! | a copy: caught up | its change | a round begins it | as for changes; 6 x `repair_stalled_after` without one |
//! | a copy: an end is gone, or another primary | nothing | a round | at once |
//! | trashed and due | the trash | each round | the old lease, `prepare_grace`; `server_dead_after` of a member that a new leader has not heard |
//! | at its target, a replica too many | its removal | each round repeats the order | while the server is heard; else its registration |

use super::holders::Holders;
use super::known::Standing;
use super::leader::Leader;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId};
use crate::message::DeleteReason;
use crate::message::removal;
use crate::tables::{ChunkRecord, ChunkTable};
use crate::time::Time;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

/// Chunks to be looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Attention {
    waiting: BTreeMap<ChunkHandle, Waiting>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    since: Time,
    /// Since when all members of this version are heard and not all of them are good.
    coming: Option<(ChunkVersion, Time)>,
}

impl Attention {
    pub fn add(&mut self, chunk: ChunkHandle, now: Time) {
        self.waiting.entry(chunk).or_insert(Waiting { since: now, coming: None });
    }

    /// Looks at every chunk that has this server as a member or a holder.
    pub fn add_all_of(
        &mut self,
        chunks: &ChunkTable,
        node: NodeId,
        holds: Option<&BTreeSet<ChunkHandle>>,
        now: Time,
    ) {
        for (chunk, record) in chunks {
            let member = match &record.config {
                Some(config) => config.members.iter().any(|member| member.node == node),
                None => true,
            };
            if member || holds.is_some_and(|holds| holds.contains(chunk)) {
                self.add(*chunk, now);
            }
        }
    }

    pub fn remove(&mut self, chunk: ChunkHandle) {
        self.waiting.remove(&chunk);
    }

    /// Which they are.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkHandle> {
        self.waiting.keys().copied()
    }

    pub fn has(&self, chunk: ChunkHandle) -> bool {
        self.waiting.contains_key(&chunk)
    }

    /// For how long the members of this version have been coming, now being one of those moments.
    fn coming_for(&mut self, chunk: ChunkHandle, version: ChunkVersion, now: Time) -> Duration {
        let Some(waiting) = self.waiting.get_mut(&chunk) else { return Duration::ZERO };
        let known = waiting.coming.filter(|(of, _)| *of == version);
        let (_, since) = *waiting.coming.insert(known.unwrap_or((version, now)));
        now.since(since)
    }
}

impl Leader<'_> {
    /// One round: what is in the trash last, those with the fewest good replicas first, then those
    /// that wait longest.
    pub(super) fn tick_attention(&mut self) {
        let lead = &*self.lead;
        let by_danger = self.cx.rules().repair_by_danger;
        let urgency = |(chunk, waiting): (&ChunkHandle, &Waiting)| {
            let record = self.state.chunks().get(*chunk);
            let trashed = record.is_some_and(ChunkRecord::is_trashed);
            let good = if by_danger { self.known().good_members(*chunk) } else { 0 };
            (trashed, good, waiting.since, *chunk)
        };
        let mut due: Vec<(bool, usize, Time, ChunkHandle)> =
            lead.attention.waiting.iter().map(urgency).collect();
        due.sort_unstable();
        let waits = |chunk| self.known().is_below_target(chunk);
        let named_wait = due.iter().any(|(trashed, .., chunk)| !trashed && waits(*chunk));
        self.lead.repairs.named_wait = named_wait;
        for (_, _, since, chunk) in due {
            if self.look_after(since, chunk) {
                let lead = &mut *self.lead;
                lead.attention.remove(chunk);
            }
        }
    }

    /// Decides what a chunk needs. True if it needs no more attention.
    fn look_after(&mut self, since: Time, chunk: ChunkHandle) -> bool {
        let Some(record) = self.state.chunks().get(chunk) else { return true };
        if self.lead.changes.contains_key(&chunk) {
            return false;
        }
        if self.known().is_given_up(chunk, record.made_for.file) {
            // The trash looks after it.
            return true;
        }
        let target = usize::from(record.spec.replicas);
        let Some(config) = record.config.clone() else {
            let need = self.known().need(chunk);
            if self.known().candidates(need, &[]).is_empty() {
                self.note_shortage(chunk);
            } else {
                self.start_change(chunk, "a chunk without a configuration");
            }
            return false;
        };
        let good = self.known().good_members(chunk);
        let standings: Vec<(NodeId, Standing)> =
            config.members.iter().map(|m| (m.node, self.known().standing(chunk, m))).collect();
        let bad: Vec<NodeId> =
            standings.iter().filter(|(_, s)| *s == Standing::Bad).map(|(n, _)| *n).collect();
        if self.known().promised_above(chunk, config.version) {
            self.start_change(chunk, "a promise above the configuration");
            return false;
        }
        // A member that is still coming may wait for the bad one in vain.
        if !bad.is_empty() && bad.len() < config.members.len() {
            // One that is merely not heard is left out by its silence. If it is heard again before
            // the change is over, and answers, it is as good a member as any.
            let heard: Vec<NodeId> =
                bad.into_iter().filter(|node| self.known().is_usable(*node)).collect();
            if let Some(change) = self.start_change(chunk, "a member is lost") {
                change.exclude(&heard);
            }
            return false;
        }
        if good < config.members.len() {
            // Some are coming, or the last one is being waited for.
            let heard = bad.is_empty();
            self.bring_up(chunk, heard);
            return false;
        }
        if good >= target {
            return self.delete_excess(chunk);
        }
        self.repair(since, chunk, good);
        false
    }

    /// Members that are not reconciled to the committed version need its primary for that; one
    /// that restarted since does not resume it. If all are `heard` and it takes too long, what is
    /// believed of one of them is wrong, or it hangs and nobody complained: a change asks them all,
    /// and leaves out who is silent.
    fn bring_up(&mut self, chunk: ChunkHandle, heard: bool) {
        let primary = self.state.chunks().members(chunk).first().copied();
        let Some(primary) = primary else { return };
        let restarted =
            self.known().is_usable(primary.node) && !self.known().is_same_life(&primary);
        if restarted {
            self.start_change(chunk, "the primary restarted");
        } else if heard && self.is_late(chunk) {
            self.start_change(chunk, "a member is late");
        } else {
            self.notify_primary(chunk);
        }
    }

    /// The primary, if it acts, reports a member that stalls after half of this time.
    fn is_late(&mut self, chunk: ChunkHandle) -> bool {
        let now = self.cx.now;
        let patience = self.cx.constants.member_stalled_after * 2;
        let version = self.state.chunks()[chunk].version();
        let lead = &mut *self.lead;
        let coming_for = lead.attention.coming_for(chunk, version, now);
        lead.safe_mode.is_none() && coming_for >= patience
    }

    /// Orders replicas away that the committed configuration does not hold, once all of its own
    /// members are good. True if there is none left.
    fn delete_excess(&mut self, chunk: ChunkHandle) -> bool {
        let lead = &*self.lead;
        if lead.safe_mode.is_some() || lead.log_lost {
            return lead.log_lost;
        }
        let version = self.state.chunks()[chunk].version();
        let members = self.state.chunks().members(chunk);
        let excess: Vec<NodeId> = lead
            .holders
            .get(&chunk)
            .into_iter()
            .flat_map(Holders::nodes)
            .filter(|node| !members.iter().any(|member| member.node == *node))
            .collect();
        for node in &excess {
            if self.known().is_usable(*node) {
                let reason = DeleteReason::Excluded(version);
                self.cx.send(*node, removal::DeleteReplica { chunk, reason });
            }
        }
        !excess.iter().any(|node| self.known().is_usable(*node))
    }
}
