//! Re-replication: copies ordered to bring a chunk back to its target (GFS §4.3).
//!
//! Chunks come in order of how few good replicas they have; token buckets bound how many copies
//! run, per server and in all, and how many bytes a second are begun. A server that could not take a
//! copy is remembered (`setbacks`): others come first, and it is tried ever less often.

use super::change::Ended;
use super::leader::Leader;
use super::placement::Candidate;
use super::setbacks::Setbacks;
use crate::config::Constants;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, Incarnation, NodeId};
use crate::log::Member;
use crate::message::Message;
use crate::message::copy;
use crate::replica::ChunkSpec;
use crate::time::Time;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// The master gives a copy up after so many times `repair_stalled_after` without a sign of it. A
/// learner that makes no progress gives up by itself much earlier.
const PATIENCES: u32 = 6;

/// A copy under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Repair {
    pub to: NodeId,
    incarnation: Incarnation,
    pub source: NodeId,
    version: ChunkVersion,
    /// That it will store, as far as was known when it was ordered.
    bytes: u64,
    /// When it was ordered, or its learner last reported that it grew.
    heard_at: Time,
    caught_up: bool,
}

/// Why a copy ends without having been configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// Its source, or the learner's life.
    EndGone,
    /// The learner could not.
    Learner,
}

/// All copies, and the budget for more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Repairs {
    pub under_way: BTreeMap<ChunkHandle, Repair>,
    /// Bytes that may be begun at once.
    tokens: u64,
    refilled_at: Time,
    /// A chunk waits for bytes since the last round: none that is less urgent goes before it.
    awaited: bool,
    /// Servers that could not take a copy.
    pub setbacks: Setbacks,
    /// A chunk of a file that has a name waits for replicas: what is in the trash is not copied.
    pub named_wait: bool,
}

impl Repairs {
    pub fn new(constants: &Constants, now: Time) -> Self {
        Repairs {
            under_way: BTreeMap::new(),
            tokens: constants.repair_bytes_per_second,
            refilled_at: now,
            awaited: false,
            setbacks: Setbacks::default(),
            named_wait: false,
        }
    }

    /// Copies that end at `node`.
    pub fn towards(&self, node: NodeId) -> u64 {
        self.under_way.values().filter(|repair| repair.to == node).count() as u64
    }

    /// Bytes on their way to `node`.
    pub fn bytes_towards(&self, node: NodeId) -> u64 {
        let there = self.under_way.values().filter(|repair| repair.to == node);
        there.map(|repair| repair.bytes).fold(0, u64::saturating_add)
    }

    fn at(&self, node: NodeId) -> usize {
        let there = |repair: &&Repair| repair.to == node || repair.source == node;
        self.under_way.values().filter(there).count()
    }

    /// A second's worth of tokens at the most.
    fn refill(&mut self, constants: &Constants, now: Time) {
        let rate = constants.repair_bytes_per_second;
        let nanos = now.since(self.refilled_at).as_nanos();
        let gained = u128::from(rate) * nanos / 1_000_000_000;
        self.awaited = false;
        // At a low rate a round gains nothing, and its time counts for the next.
        if gained > 0 {
            self.tokens = rate.min(self.tokens + u64::try_from(gained).unwrap_or(rate));
            self.refilled_at = now;
        }
    }

    /// Bytes to begin with, if they are there. Where they are not, the chunk's turn is next.
    fn take(&mut self, cost: u64) -> bool {
        self.awaited |= self.tokens < cost;
        if !self.awaited {
            self.tokens -= cost;
        }
        !self.awaited
    }
}

impl Leader<'_> {
    /// Begins a copy if it is time and the budget allows; otherwise a later round tries again.
    pub(super) fn repair(&mut self, since: Time, chunk: ChunkHandle, good: usize) {
        let now = self.cx.now;
        let constants = self.cx.constants;
        let lead = &*self.lead;
        let waited = good <= 1 || now.since(since) >= constants.repair_delay;
        let trashed = self.state.chunks()[chunk].is_trashed() && lead.repairs.named_wait;
        let held_back =
            lead.safe_mode.is_some() || lead.log_lost || trashed || !constants.rules.repair;
        if held_back || !waited || lead.repairs.under_way.contains_key(&chunk) {
            return;
        }
        let Some(source) = self.known().usable_primary(chunk) else {
            self.start_change(chunk, "a copy needs a primary");
            return;
        };
        let Some(to) = self.choose_learner(chunk) else { return self.note_shortage(chunk) };
        let per_server = constants.repairs_per_server_max as usize;
        let lead = &*self.lead;
        let busy = lead.repairs.under_way.len() >= constants.repairs_max as usize
            || lead.repairs.at(source) >= per_server
            || lead.repairs.at(to) >= per_server;
        let record = &self.state.chunks()[chunk];
        let bytes = self.known().stored_bytes(chunk);
        // A chunk larger than the whole bucket goes when the bucket is full.
        let cost = bytes.min(constants.repair_bytes_per_second);
        let version = record.version();
        let incarnation = self.known().server(to).expect("chosen among the usable").incarnation;
        let (heard_at, caught_up) = (now, false);
        let repair = Repair { to, incarnation, source, version, bytes, heard_at, caught_up };
        let lead = &mut *self.lead;
        let affordable = !busy && lead.repairs.take(cost);
        if constants.rules.repair_within_budget && !affordable {
            return;
        }
        lead.repairs.under_way.insert(chunk, repair);
        self.cx.observe(Event::RepairBegan { chunk, version, to });
        self.order_copy(chunk);
        self.notify_primary(chunk);
    }

    /// A server that is not a member: by rack, then load. One that could not take this chunk comes
    /// after all others, and not before its time.
    fn choose_learner(&self, chunk: ChunkHandle) -> Option<NodeId> {
        let now = self.cx.now;
        let members: Vec<NodeId> =
            self.state.chunks().members(chunk).iter().map(|m| m.node).collect();
        let setbacks = &self.lead.repairs.setbacks;
        let candidates = self.known().candidates(self.known().need(chunk), &members);
        let among = |suits: &dyn Fn(NodeId) -> bool| {
            let suits = |c: &Candidate| members.contains(&c.node) || suits(c.node);
            let suiting: Vec<Candidate> = candidates.iter().copied().filter(suits).collect();
            let chosen = self.known().place(chunk, members.len() + 1, &members, &suiting);
            chosen.get(members.len()).copied()
        };
        among(&|node| !setbacks.any(chunk, node))
            .or_else(|| among(&|node| setbacks.is_over(now, chunk, node)))
    }

    fn order_copy(&mut self, chunk: ChunkHandle) {
        let lead = &*self.lead;
        let repair = &lead.repairs.under_way[&chunk];
        let spec = self.state.chunks()[chunk].spec;
        let order = Message::CopyOrder(copy::Order {
            chunk,
            epoch: lead.epoch,
            version: repair.version,
            incarnation: repair.incarnation,
            source: repair.source,
            spec: ChunkSpec { chunk_bytes: spec.chunk_bytes, sync: spec.sync },
        });
        self.cx.send(repair.to, order);
    }

    pub(super) fn on_learner_caught_up(&mut self, from: NodeId, message: copy::CaughtUp) {
        let copy::CaughtUp { chunk, epoch, version, incarnation } = message;
        let lead = &mut *self.lead;
        let Some(repair) = lead.repairs.under_way.get_mut(&chunk) else { return };
        let same = repair.to == from
            && repair.incarnation == incarnation
            && repair.version == version
            && lead.epoch == epoch;
        if same {
            repair.caught_up = true;
            self.join_change(chunk, from);
        }
    }

    pub(super) fn on_learner_failed(&mut self, from: NodeId, message: copy::Failed) {
        let copy::Failed { chunk, version, incarnation, no_space } = message;
        let ordered = |repair: &Repair| {
            (repair.to, repair.incarnation, repair.version) == (from, incarnation, version)
        };
        if self.lead.repairs.under_way.get(&chunk).is_some_and(ordered) {
            self.fail_repair(chunk, Failure::Learner);
            if no_space {
                self.on_no_space(from);
            }
        }
    }

    /// Its learner reports that the copy grew.
    pub(super) fn on_learner_reported(&mut self, from: NodeId, chunk: ChunkHandle) {
        let now = self.cx.now;
        let lead = &mut *self.lead;
        let repair = lead.repairs.under_way.get_mut(&chunk);
        if let Some(repair) = repair.filter(|repair| repair.to == from) {
            repair.heard_at = now;
        }
    }

    fn fail_repair(&mut self, chunk: ChunkHandle, why: Failure) {
        let now = self.cx.now;
        let constants = self.cx.constants;
        let lead = &mut *self.lead;
        if let Some(repair) = lead.repairs.under_way.remove(&chunk) {
            self.cx.observe(Event::RepairEnded { chunk, to: repair.to, done: false });
            if why == Failure::Learner {
                lead.repairs.setbacks.note(constants, now, chunk, repair.to);
            }
            // A failed copy waits its turn again.
            lead.attention.remove(chunk);
            lead.attention.add(chunk, now);
            if let Some(change) = lead.changes.get_mut(&chunk) {
                change.learner = change.learner.filter(|(node, _)| *node != repair.to);
            }
        }
    }

    /// A configuration took effect: the copy made under the one before it is in it, or void. If the
    /// change waited for it in vain, its learner could not. Where a member was left out, a copy is tried
    /// last.
    pub(super) fn end_repair_of(&mut self, chunk: ChunkHandle, members: &[Member], ended: &Ended) {
        let now = self.cx.now;
        let constants = self.cx.constants;
        let lead = &mut *self.lead;
        let Ended { in_vain, ref left_out } = *ended;
        for node in left_out.iter().filter(|node| in_vain != Some(**node)) {
            lead.repairs.setbacks.note(constants, now, chunk, *node);
        }
        if let Some(repair) = lead.repairs.under_way.remove(&chunk) {
            let done = members.iter().any(|member| member.node == repair.to);
            self.cx.observe(Event::RepairEnded { chunk, to: repair.to, done });
            if !done && in_vain == Some(repair.to) {
                lead.repairs.setbacks.note(constants, now, chunk, repair.to);
            }
        }
    }

    /// Repeats orders, brings copies that caught up into a change, and gives up those whose ends are
    /// gone or that were not heard of for too long.
    pub(super) fn tick_repairs(&mut self) {
        let now = self.cx.now;
        let constants = self.cx.constants;
        let lead = &mut *self.lead;
        lead.repairs.refill(constants, now);
        let waits = |chunk| lead.attention.has(chunk) || lead.changes.contains_key(&chunk);
        lead.repairs.setbacks.keep(waits);
        let under_way: Vec<(ChunkHandle, Repair)> =
            lead.repairs.under_way.iter().map(|(c, r)| (*c, r.clone())).collect();
        for (chunk, repair) in under_way {
            let lead = &*self.lead;
            let changing = lead.changes.contains_key(&chunk);
            let learner = lead.servers.get(&repair.to);
            let there = learner.is_some_and(|s| s.usable() && s.incarnation == repair.incarnation);
            let sourced = changing || self.known().usable_primary(chunk) == Some(repair.source);
            let overdue = now.since(repair.heard_at) >= constants.repair_stalled_after * PATIENCES;
            if !there || !sourced {
                self.fail_repair(chunk, Failure::EndGone);
            } else if overdue && !(repair.caught_up && changing) {
                self.fail_repair(chunk, Failure::Learner);
            } else if !repair.caught_up {
                self.order_copy(chunk);
            } else if !changing {
                // There was no place for its change, or the change gave its place up.
                self.join_change(chunk, repair.to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn repairs(rate: u64) -> (Constants, Repairs) {
        let constants = Constants { repair_bytes_per_second: rate, ..Constants::default() };
        let repairs = Repairs::new(&constants, Time(0));
        (constants, repairs)
    }

    #[test]
    fn what_waits_for_bytes_goes_before_what_is_less_urgent() {
        let (constants, mut repairs) = repairs(64);
        assert!(repairs.take(3));
        assert!(!repairs.take(64), "a chunk that costs the whole bucket finds it begun");
        assert!(!repairs.take(3), "and a small one behind it takes nothing out of it");
        repairs.refill(&constants, Time(0) + Duration::from_millis(250));
        assert!(repairs.take(64));
    }

    #[test]
    fn a_rate_below_a_byte_a_round_fills_the_bucket_too() {
        let (constants, mut repairs) = repairs(1);
        assert!(repairs.take(1));
        for round in 1..=3 {
            repairs.refill(&constants, Time(0) + Duration::from_millis(250) * round);
            assert!(!repairs.take(1));
        }
        repairs.refill(&constants, Time(0) + Duration::from_secs(1));
        assert!(repairs.take(1));
    }
}
