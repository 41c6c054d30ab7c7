//! What a run needs of its links, its disks and its limits at the least. A cluster whose environment cannot
//! carry that cannot run: that it does not come to rest says nothing about the protocol.
//!
//! The rule: every bound here is below what any protocol would take in that environment, computed from the
//! scenario's numbers and, after a run, from the bytes that were there. I10 promises to converge within
//! what the constants give *and no environment denies*; whatever is within these bounds is judged by it.
//!
//! | needed | at the least |
//! | --- | --- |
//! | one piece of data over a card or an uplink | its bytes ÷ the rate; heartbeats wait behind it, so that it must take less than `server_dead_after`, and as part of an operation less than `operation_timeout`; less than `wait_max_ms`, or of two that leave together one is always dropped |
//! | the heartbeats of a rack over its uplink | as many as its servers send; what carries no more than those carries nothing else |
//! | heartbeats that are not lost | a server counts as dead by chance less than once until the limit of convergence |
//! | a question and its answer | two ways; less than the term of a lease, and than `member_silent_after`, after which a member is excluded |
//! | an operation | four ways and two syncs of middling length; less than `operation_timeout` |
//! | one durable piece on a disk | a sync and its bytes ÷ the rate; less than `operation_timeout` and than `member_stalled_after` |
//! | room | what is written before clients begin, with all its replicas |
//! | reading back, within the limit of convergence | all bytes over one client's card, and over all uplinks |

use crate::bound::{Bound, Load};
use crate::scenario::{Scenario, Span, Unit, Workload};
use leasehold_proto::Constants;
use std::time::Duration;

/// A heartbeat on the wire is longer than this.
const HEARTBEAT_BYTES_MIN: u64 = 24;

/// What there is to move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes of the largest piece of data that passes at once.
    pub piece_bytes: u64,
    /// Bytes of data that are there before clients begin.
    pub prefilled_bytes: u64,
    /// Bytes that are read back in the end.
    pub read_bytes: u64,
}

/// Something that the environment does not give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// The keys that it is about, the environment's first.
    pub keys: Vec<&'static str>,
    /// What is needed, and what there is.
    pub what: String,
}

impl Moved {
    /// What every run of a scenario moves at the least.
    #[must_use]
    pub fn least(scenario: &Scenario) -> Self {
        let work = &scenario.workload;
        let cells = work.files.min.div_ceil(2) * work.chunks_per_file * work.chunk_bytes;
        let prefilled_bytes = if work.prefill { cells } else { 0 };
        Moved { piece_bytes: piece(work), prefilled_bytes, read_bytes: prefilled_bytes }
    }
}

/// The largest of the smallest pieces of each kind of operation that clients do.
fn piece(work: &Workload) -> u64 {
    let of_cells = work.prefill || work.write + work.read + work.relaxed_read > 0;
    let cells = if of_cells { work.cell_bytes * work.run_cells.min } else { 0 };
    let records = if work.append > 0 { work.record_bytes.min } else { 0 };
    cells.max(records)
}

/// What the environment of a scenario does not give; nothing if it can run.
#[must_use]
pub fn shortfalls(scenario: &Scenario, constants: &Constants, moved: Moved) -> Vec<Shortfall> {
    let needs = Needs { scenario, constants, moved };
    let mut found = Vec::new();
    for (name, key, rate) in needs.links() {
        found.extend(needs.piece_over(name, key, rate));
        found.extend(needs.two_together(name, rate));
    }
    found.extend(needs.heartbeats());
    found.extend(needs.losses());
    found.extend(needs.round_trip());
    found.extend(needs.operation());
    found.extend(needs.disk());
    found.extend(needs.room());
    found.extend(needs.reading_back());
    found
}

struct Needs<'a> {
    scenario: &'a Scenario,
    constants: &'a Constants,
    moved: Moved,
}

impl Needs<'_> {
    fn links(&self) -> [(&'static str, &'static str, u64); 2] {
        let network = &self.scenario.network;
        [
            ("a card", "network.card_bytes_per_second", network.card_bytes_per_second),
            ("an uplink", "network.uplink_bytes_per_second", network.uplink_bytes_per_second),
        ]
    }

    fn piece_bytes(&self) -> u64 {
        self.moved.piece_bytes.min(u64::from(self.constants.mutation_bytes_max))
    }

    fn piece_over(&self, name: &str, key: &'static str, rate: u64) -> Option<Shortfall> {
        let (bytes, c) = (self.piece_bytes(), self.constants);
        let takes = over(bytes, rate);
        let (limit, why) = match c.server_dead_after < c.operation_timeout {
            true => (
                c.server_dead_after,
                "a server whose heartbeats wait behind it counts as dead after",
            ),
            false => (c.operation_timeout, "an operation ends without it after"),
        };
        (takes >= limit).then(|| Shortfall {
            keys: vec![key],
            what: format!(
                "cannot run: a piece of {} takes {} over {name}, and {why} {}; write at least {}",
                size(bytes),
                seconds(takes),
                seconds(limit),
                rate_of(bytes, limit)
            ),
        })
    }

    fn two_together(&self, name: &str, rate: u64) -> Option<Shortfall> {
        let waits_ns = self.scenario.network.rates().wait_ns_max;
        let (bytes, limit) = (self.piece_bytes(), Duration::from_nanos(waits_ns));
        let takes = over(bytes, rate);
        let said = self.scenario.network.wait_max_ms.is_some();
        (said && takes >= limit && bytes > 0).then(|| Shortfall {
            keys: vec!["network.wait_max_ms"],
            what: format!(
                "cannot run: of two pieces of {} that leave together the second waits {:?} for {name}, and is \
                 dropped after {limit:?}; write a longer time",
                size(bytes),
                takes
            ),
        })
    }

    /// Servers of one rack are heard over its uplink by a master in another.
    fn heartbeats(&self) -> Option<Shortfall> {
        let shape = &self.scenario.shape;
        if shape.racks.max < 2 {
            return None;
        }
        let servers = (shape.chunkservers.min / shape.racks.max).max(1);
        let rate = self.scenario.network.uplink_bytes_per_second;
        let (bytes, every) = (servers * HEARTBEAT_BYTES_MIN, self.constants.heartbeat_interval);
        let takes = over(bytes, rate);
        (takes >= every).then(|| Shortfall {
            keys: vec!["network.uplink_bytes_per_second", "constants.heartbeat_interval_ms"],
            what: format!(
                "cannot run: one heartbeat of each server of a rack takes {} over its uplink, and they are sent \
                 every {}: it carries nothing else; write at least {}",
                seconds(takes),
                seconds(every),
                rate_of(bytes, every)
            ),
        })
    }

    /// How often servers that are well count as dead, because all their heartbeats of that time are lost.
    fn losses(&self) -> Option<Shortfall> {
        let (c, scenario) = (self.constants, self.scenario);
        let lost = scenario.network.loss_ppm.min as f64 / 1e6;
        let in_a_row = c.server_dead_after.as_secs_f64() / c.heartbeat_interval.as_secs_f64();
        let limit = self.limit();
        let sent = limit.as_secs_f64() / c.heartbeat_interval.as_secs_f64();
        let servers = scenario.shape.chunkservers.min as f64;
        let deaths = servers * sent * lost.powf(in_a_row.floor()) * (1.0 - lost);
        (deaths >= 1.0).then(|| Shortfall {
            keys: vec!["network.loss_ppm"],
            what: format!(
                "cannot run: of messages of which {:.0} % are lost, all heartbeats of a server within \
                 server_dead_after, {}, are lost about {deaths:.0} times in the {} that a run has to converge",
                lost * 100.0,
                seconds(c.server_dead_after),
                seconds(limit)
            ),
        })
    }

    /// A message and its answer. Detours count where most messages take one.
    fn ways(&self, number: u32, latency_us: u64) -> Duration {
        let network = &self.scenario.network;
        let detour_ms = if network.spike_ppm >= 500_000 { network.spike_ms.min } else { 0 };
        (Duration::from_micros(latency_us) + Duration::from_millis(detour_ms)) * number
    }

    /// Where to change the time of a way.
    fn way_key(&self) -> &'static str {
        let network = &self.scenario.network;
        let detours = network.spike_ppm >= 500_000;
        match detours && network.spike_ms.min * 1_000 > network.latency_us.min {
            true => "network.spike_ms",
            false => "network.latency_us",
        }
    }

    fn round_trip(&self) -> Option<Shortfall> {
        let c = self.constants;
        let takes = self.ways(2, self.scenario.network.latency_us.min);
        let limits = [
            (c.lease_duration, "lease_duration", "a lease is over when its grant arrives, after"),
            (c.member_silent_after, "member_silent_after", "a member counts as silent after"),
        ];
        let (limit, name, why) = limits.into_iter().min_by_key(|(limit, ..)| *limit)?;
        (takes >= limit).then(|| Shortfall {
            keys: vec![self.way_key()],
            what: format!(
                "cannot run: a question and its answer take {}, and {why} {} ([constants] {name}); write less \
                 than half of that",
                seconds(takes),
                seconds(limit)
            ),
        })
    }

    fn operation(&self) -> Option<Shortfall> {
        let (network, disks) = (&self.scenario.network, &self.scenario.disks);
        let middle = |span: Span| u64::midpoint(span.min, span.max);
        let ways = self.ways(4, middle(network.latency_us));
        let syncs = Duration::from_micros(middle(disks.sync_us)) * 2;
        let (takes, limit) = (ways + syncs, self.constants.operation_timeout);
        (takes >= limit).then(|| Shortfall {
            keys: vec![
                "constants.operation_timeout_ms",
                if ways > syncs { self.way_key() } else { "disks.sync_us" },
            ],
            what: format!(
                "cannot run: an operation takes {takes:?}, four ways and two syncs, and ends without an answer \
                 after {limit:?} ([constants] operation_timeout)"
            ),
        })
    }

    fn disk(&self) -> Option<Shortfall> {
        let (disks, c) = (&self.scenario.disks, self.constants);
        let limit = c.operation_timeout.min(c.member_stalled_after);
        let sync = Duration::from_micros(disks.sync_us.min);
        let transfer = over(self.piece_bytes(), disks.bytes_per_second.max);
        let (takes, key) = match sync >= transfer {
            true => (sync + transfer, "disks.sync_us"),
            false => (sync + transfer, "disks.bytes_per_second"),
        };
        (takes >= limit).then(|| Shortfall {
            keys: vec![key],
            what: format!(
                "cannot run: a durable write of {} takes {}, and a member that makes no progress is excluded, \
                 or the operation ends, after {}",
                size(self.piece_bytes()),
                seconds(takes),
                seconds(limit)
            ),
        })
    }

    fn room(&self) -> Option<Shortfall> {
        let Scenario { shape, disks, workload, .. } = self.scenario;
        let needed = self.moved.prefilled_bytes.saturating_mul(workload.replicas.min);
        let there = disks.capacity_bytes.saturating_mul(shape.chunkservers.max);
        (needed > there).then(|| Shortfall {
            keys: vec!["disks.capacity_bytes", "workload.prefill"],
            what: format!(
                "cannot run: what is written before clients begin is {} with its replicas, and all disks \
                 together hold {}",
                size(needed),
                size(there)
            ),
        })
    }

    /// How long a run has to converge.
    fn limit(&self) -> Duration {
        let Scenario { workload, acts, .. } = self.scenario;
        let load = Load {
            chunks: self.moved.read_bytes.div_ceil(workload.chunk_bytes),
            chunk_bytes: workload.chunk_bytes,
            replicas: workload.replicas.max,
        };
        let chosen = acts.converge_ms.map(Bound::chosen);
        chosen.unwrap_or_else(|| Bound::of(self.constants, load)).total()
    }

    fn reading_back(&self) -> Option<Shortfall> {
        let Scenario { shape, network, .. } = self.scenario;
        let (bytes, limit) = (self.moved.read_bytes, self.limit());
        let uplinks = network.uplink_bytes_per_second.saturating_mul(shape.racks.max);
        let links = [
            ("one client's card", "network.card_bytes_per_second", network.card_bytes_per_second),
            ("all uplinks", "network.uplink_bytes_per_second", uplinks),
        ];
        let (name, key, takes) = links
            .into_iter()
            .map(|(name, key, rate)| (name, key, over(bytes, rate)))
            .max_by_key(|(.., takes)| *takes)?;
        (takes > limit).then(|| Shortfall {
            keys: vec![key, "acts.converge_ms"],
            what: format!(
                "cannot converge within its limit: reading {} back takes {} over {name}, and the limit is {}",
                size(bytes),
                seconds(takes),
                seconds(limit)
            ),
        })
    }
}

fn over(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The rate at which bytes pass in a tenth of a time: not the least that would do, one that does.
fn rate_of(bytes: u64, limit: Duration) -> String {
    let rate = u128::from(bytes) * 10_000 / limit.as_millis().max(1);
    let rate = u64::try_from(rate).unwrap_or(u64::MAX).next_multiple_of(1 << 10);
    Unit::BytesPerSecond.show(rate)
}

fn size(bytes: u64) -> String {
    Unit::Bytes.show(bytes).trim_matches('"').to_owned()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(change: impl FnOnce(&mut Scenario)) -> Vec<&'static str> {
        let mut scenario = Scenario::standard();
        change(&mut scenario);
        let found = shortfalls(&scenario, &scenario.constants(), Moved::least(&scenario));
        found.into_iter().map(|shortfall| shortfall.keys[0]).collect()
    }

    #[test]
    fn an_environment_that_denies_what_every_protocol_needs_is_found() {
        assert!(short(|_| {}).is_empty());
        let (uplink, card) = ("network.uplink_bytes_per_second", "network.card_bytes_per_second");
        assert!(short(|s| s.network.uplink_bytes_per_second = 125).contains(&uplink));
        assert_eq!(short(|s| s.network.uplink_bytes_per_second = 10_000), [""; 0]);
        assert_eq!(short(|s| s.network.card_bytes_per_second = 100), [card]);
        let beats = |s: &mut Scenario| {
            (s.shape.chunkservers, s.constants.heartbeat_interval_ms) = (Span::of(300), Some(1));
            s.network.uplink_bytes_per_second = 1_000_000;
        };
        assert_eq!(short(beats), [uplink]);
        assert_eq!(short(|s| s.network.loss_ppm = Span::of(900_000)), ["network.loss_ppm"]);
        assert_eq!(short(|s| s.network.loss_ppm = Span::of(200_000)), [""; 0]);
        assert_eq!(short(|s| s.network.wait_max_ms = Some(0)), ["network.wait_max_ms"; 2]);
        assert_eq!(short(|s| s.network.latency_us = Span::of(600_000)), ["network.latency_us"]);
        let detours = |s: &mut Scenario| {
            (s.network.spike_ppm, s.network.spike_ms) = (1_000_000, Span::of(5_000));
        };
        assert_eq!(short(detours), ["network.spike_ms"]);
        assert_eq!(short(|s| s.disks.sync_us = Span::of(6_000_000)), ["disks.sync_us"]);
        assert_eq!(short(|s| s.disks.bytes_per_second = Span::of(1)), ["disks.bytes_per_second"]);
        let hasty = |s: &mut Scenario| s.constants.operation_timeout_ms = Some(1);
        assert_eq!(short(hasty), ["constants.operation_timeout_ms"]);
    }

    #[test]
    fn what_is_prefilled_has_to_fit_and_to_be_read_back() {
        let prefill = |s: &mut Scenario| {
            s.workload.prefill = true;
            (s.workload.files, s.workload.chunks_per_file) = (Span::of(100), 100);
        };
        assert!(short(prefill).is_empty());
        let small = |s: &mut Scenario| {
            prefill(s);
            s.disks.capacity_bytes = 1 << 27;
        };
        assert_eq!(short(small), ["disks.capacity_bytes"]);
        let hurried = |s: &mut Scenario| {
            prefill(s);
            (s.acts.converge_ms, s.network.card_bytes_per_second) = (Some(1_000), 100_000_000);
        };
        assert_eq!(short(hurried), ["network.card_bytes_per_second"]);
    }

    /// What I10 is not judged by is no protocol's fault: every environment that a swarm draws is judged.
    #[test]
    fn no_environment_of_a_swarm_is_excused() {
        let (swarm, most) = (Scenario::swarm(), 1 << 30);
        for seed in 0..300 {
            let drawn = swarm.of(crate::seed::Seed(seed)).into_owned();
            let moved = Moved { piece_bytes: most, read_bytes: 1 << 20, ..Moved::least(&drawn) };
            assert_eq!(shortfalls(&drawn, &drawn.constants(), moved), [], "{seed}");
        }
    }
}
