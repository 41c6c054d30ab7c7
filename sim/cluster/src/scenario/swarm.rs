//! What a seed draws when a scenario leaves everything to it.

use super::{FaultKind, Faults, Order, Scenario, Shape, Span, Stop, Workload};
use crate::seed::{Seed, Stream};
use std::borrow::Cow;

/// Draws until the constants fit together, which nearly every draw does.
const ATTEMPTS_MAX: u64 = 100;
/// Most files have as many replicas as files mostly have; the others anything that fits.
const USUAL_REPLICAS: u64 = 3;
const REPLICAS_MAX: u64 = 5;
/// Replicas are harmed in this many seeds in a thousand; otherwise the budget would spend most
/// of every run on sparing what was harmed.
const HARM_PERMILLE: u32 = 400;
/// A follower that hears no leader waits so long at the most (`node::replicated::Timing`).
const ELECTION_MS: u64 = 800;

impl Scenario {
    /// The scenario that a seed runs: this one, or what the seed draws if that is left to it.
    ///
    /// # Panics
    /// If no draw of a hundred made a scenario, which a test excludes.
    #[must_use]
    pub fn of(&self, seed: Seed) -> Cow<'_, Scenario> {
        if !self.swarm {
            return Cow::Borrowed(self);
        }
        let draws = (0..ATTEMPTS_MAX).map(|attempt| self.drawn(seed, attempt));
        let drawn = draws.into_iter().find(|drawn| drawn.check().is_ok());
        Cow::Owned(drawn.expect("nearly every draw is a scenario"))
    }

    fn drawn(&self, seed: Seed, attempt: u64) -> Scenario {
        let mut drawn = self.clone();
        (drawn.swarm, drawn.swarm_masters) = (false, None);
        let fork = |label: &str| seed.fork(&format!("swarm {label}"), attempt);
        drawn.draw_constants(&mut fork("constants"));
        drawn.shape = shape(&mut fork("shape"));
        drawn.draw_workload(&mut fork("workload"));
        let mut shared = fork("shared names");
        if shared.permille(750) {
            drawn.workload.shared = shared.within(1..=60) as u32;
        }
        drawn.draw_network(&mut fork("network"));
        drawn.draw_disks(&mut fork("disks"));
        drawn.draw_restart(&mut fork("restart"));
        let lease_ms = drawn.constants().lease_duration.as_millis() as u64;
        let any = masters(&mut fork("masters"));
        drawn.shape.masters = self.swarm_masters.map_or(any, Span::of);
        let election_ms = if drawn.shape.masters.max > 1 { ELECTION_MS } else { 0 };
        drawn.faults = faults(seed, attempt, (lease_ms / 6).max(election_ms));
        // Without it, no read is safe from a clock that stands still.
        let confirms = drawn.faults.frozen > 0 || fork("confirm reads").permille(300);
        drawn.constants.confirm_reads = Some(confirms);
        if drawn.shape.masters.max == 1 {
            let of_masters = FaultKind::ALL.iter().filter(|kind| kind.needs_masters());
            of_masters.for_each(|kind| *drawn.faults.weight_mut(*kind) = 0);
        }
        drawn
    }

    fn draw_constants(&mut self, stream: &mut Stream) {
        let lease_ms = stream.log_within(2_000..=12_000);
        let heartbeat_ms = stream.within(100..=500);
        let mutation_bytes = 1 << stream.within(12..=16);
        let to = &mut self.constants;
        to.lease_duration_ms = Some(lease_ms);
        to.lease_margin_ms = Some(stream.within(10..=200));
        to.lease_renew_interval_ms = Some(lease_ms / stream.within(3..=6));
        to.lease_idle_after_ms = Some(lease_ms * stream.within(1..=3));
        to.clock_drift_ppm_max = Some(stream.log_within(10..=20_000) as u32);
        to.heartbeat_interval_ms = Some(heartbeat_ms);
        to.server_dead_after_ms = Some(heartbeat_ms * stream.within(4..=12));
        to.retry_interval_ms = Some(stream.log_within(50..=400));
        to.prepare_grace_ms = Some(stream.log_within(50..=500));
        to.member_silent_after_ms = Some(stream.within(500..=2_500));
        to.member_stalled_after_ms = Some(stream.within(3_000..=8_000));
        to.operation_timeout_ms = Some(stream.log_within(3_000..=40_000));
        to.backoff_min_ms = Some(stream.log_within(1..=50));
        to.backoff_max_ms = Some(stream.log_within(100..=1_000));
        to.repair_delay_ms = Some(stream.log_within(100..=5_000));
        to.repair_stalled_after_ms = Some(stream.within(2_000..=6_000));
        to.trash_retention_ms = Some(stream.log_within(1_000..=20_000));
        to.quarantine_retention_ms = Some(stream.log_within(1_000..=20_000));
        to.block_bytes = Some(1 << stream.within(9..=14));
        to.mutation_bytes_max = Some(mutation_bytes);
        to.copy_step_bytes_max = Some(1 << stream.within(12..=17));
        to.inflight_bytes_max = Some(mutation_bytes * stream.within(1..=32) as u32);
        to.inflight_mutations_max = Some(stream.log_within(1..=64) as u32);
        to.waiting_requests_max = Some(stream.log_within(1..=64) as u32);
        to.remembered_clients_max = Some(stream.log_within(4..=16_384) as u32);
        to.changes_max = Some(stream.log_within(4..=256) as u32);
        to.list_entries_max = Some(stream.log_within(1..=1_000) as u32);
        to.repairs_max = Some(stream.within(1..=16) as u32);
        to.repairs_per_server_max = Some(stream.within(1..=4) as u32);
        to.repair_bytes_per_second = Some(stream.log_within(1 << 20..=256 << 20));
        to.safe_mode_reported_permille = Some(stream.within(500..=1_000) as u32);
        to.safe_mode_max_ms = to.server_dead_after_ms.map(|dead| dead * stream.within(1..=6));
    }

    fn draw_workload(&mut self, stream: &mut Stream) {
        let chunk_bytes: u64 = 1 << stream.within(13..=18);
        let servers = self.shape.chunkservers.min;
        let any = stream.within(1..=REPLICAS_MAX);
        let replicas = if stream.permille(500) { USUAL_REPLICAS } else { any }.min(servers);
        let cell_bytes: u64 = 1 << stream.within(7..=12);
        let mutation_bytes = u64::from(self.constants().mutation_bytes_max);
        let record_most = (chunk_bytes / 8).min(mutation_bytes);
        let mut weight =
            |most: u64| if stream.permille(250) { 0 } else { stream.within(1..=most) as u32 };
        let (write, append, read) = (weight(60), weight(60), weight(60));
        let (relaxed_read, namespace) = (weight(20), weight(20));
        self.workload = Workload {
            files: Span::of(stream.within(2..=8)),
            prefill: false,
            own_files: false,
            chunk_bytes,
            cell_bytes,
            replicas: Span::of(replicas),
            record_bytes: Span::new(64, stream.log_within(64..=record_most)),
            run_cells: Span::new(1, stream.log_within(1..=32)),
            order: *stream.pick(&[Order::Random, Order::Sequential]),
            hot_permille: if stream.permille(300) { stream.within(100..=950) as u32 } else { 0 },
            chunks_per_file: stream.within(1..=4),
            think_ms: Span::new(stream.log_within(1..=20), stream.log_within(20..=100)),
            // Without either of the two a run would show nothing.
            write: if append == 0 { write.max(10) } else { write },
            append,
            read: read.max(5),
            relaxed_read,
            namespace,
            look: 0,
            constants: 0,
            shared: 0,
            torture: None,
            operations_max: None,
        };
    }

    fn draw_network(&mut self, stream: &mut Stream) {
        let least_us = stream.log_within(20..=2_000);
        self.network.latency_us = Span::new(least_us, least_us * stream.within(2..=10));
        self.network.spike_ppm = stream.log_within(1..=20_000) as u32;
        self.network.spike_ms = Span::new(1, stream.log_within(5..=300));
        self.network.loss_ppm = Span::new(0, stream.log_within(1..=5_000));
        self.network.duplicate_ppm = Span::new(0, stream.log_within(1..=5_000));
        self.network.card_bytes_per_second = stream.log_within(10_000_000..=2_000_000_000);
        self.network.uplink_bytes_per_second = stream.log_within(10_000_000..=8_000_000_000);
    }

    fn draw_disks(&mut self, stream: &mut Stream) {
        let sync_us = stream.log_within(20..=2_000);
        self.disks.sync_us = Span::new(sync_us, sync_us * stream.within(2..=20));
        self.disks.slow_sync_permille = stream.within(0..=50) as u32;
        self.disks.journal_bytes = 1 << stream.within(17..=20);
        self.disks.checkpoint_entries = stream.log_within(4..=400);
        self.disks.capacity_bytes = stream.log_within(64 << 20..=4 << 30);
        self.disks.large_sectors_permille = stream.within(0..=1_000) as u32;
        let slowest = stream.log_within(10 << 20..=200 << 20);
        self.disks.bytes_per_second = Span::new(slowest, slowest * stream.within(1..=20));
    }

    fn draw_restart(&mut self, stream: &mut Stream) {
        if stream.permille(200) {
            self.restart.parts = 2;
            self.restart.stop = *stream.pick(&[Stop::Power, Stop::Process]);
            self.restart.down_ms = Span::new(0, stream.log_within(1..=30_000));
        }
    }
}

fn shape(stream: &mut Stream) -> Shape {
    Shape {
        masters: Span::of(1),
        chunkservers: Span::of(stream.within(2..=10)),
        racks: Span::of(stream.within(1..=5)),
        clients: Span::of(stream.within(2..=8)),
    }
}

/// Half of the seeds have one master; most of the others have three.
fn masters(stream: &mut Stream) -> Span {
    Span::of(match stream.within(0..=9) {
        0..=4 => 1,
        5..=8 => 3,
        _ => 5,
    })
}

/// Each kind has its own draw: which others there are changes nothing about one.
///
/// Faults that come before the traces of those before are gone leave nothing for clients to do, and
/// such a run shows nothing: the longer faults, leases and elections last, the longer the pauses between.
fn faults(seed: Seed, attempt: u64, gap_ms_min: u64) -> Faults {
    let mut stream = seed.fork("swarm faults", attempt);
    let lasts_ms = Span::new(stream.log_within(10..=500), stream.log_within(1_000..=12_000));
    let gap_ms = stream.log_within(400..=3_000).max(gap_ms_min).max(lasts_ms.max / 6);
    let harms = stream.permille(HARM_PERMILLE);
    let mut faults = Faults {
        swarm: false,
        gap_ms: Span::new(gap_ms / 4, gap_ms * 2),
        lasts_ms,
        concurrent_max: stream.within(1..=4),
        ..Faults::none()
    };
    for kind in FaultKind::ALL {
        let mut own = seed.fork(&format!("swarm {}", kind.name()), attempt);
        let exists = own.permille(500);
        let silent = matches!(
            kind,
            FaultKind::Rot
                | FaultKind::PhantomWrite
                | FaultKind::Misdirected
                | FaultKind::LatentError
        );
        let weight = own.within(1..=6) as u32;
        *faults.weight_mut(*kind) = if exists && (harms || !silent) { weight } else { 0 };
    }
    // What every run is to have.
    (faults.crash, faults.partition) = (faults.crash.max(1), faults.partition.max(1));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_seed_draws_a_scenario_and_no_two_the_same() {
        let swarm = Scenario::swarm();
        assert!(swarm.swarm);
        let drawn = |seed| swarm.of(Seed(seed)).into_owned();
        for seed in 0..300 {
            drawn(seed).check().unwrap();
        }
        assert_eq!(drawn(3), drawn(3));
        assert_ne!(drawn(3), drawn(4));
    }

    #[test]
    fn every_kind_and_every_shape_is_drawn() {
        let swarm = Scenario::swarm();
        let mut kinds: BTreeSet<FaultKind> = BTreeSet::new();
        let (mut servers, mut replicas) = (BTreeSet::new(), BTreeSet::new());
        for seed in 0..100 {
            let drawn = swarm.of(Seed(seed)).into_owned();
            servers.insert(drawn.shape.chunkservers.min);
            replicas.insert(drawn.workload.replicas.max);
            kinds.extend(FaultKind::ALL.iter().filter(|kind| drawn.faults.weight(**kind) > 0));
        }
        assert_eq!(kinds.len(), FaultKind::ALL.len());
        assert_eq!(servers.len(), 9);
        assert_eq!(replicas, BTreeSet::from([1, 2, 3, 4, 5]));
    }

    #[test]
    fn masters_that_are_given_change_nothing_else_but_faults() {
        let any = Scenario::swarm();
        let three = Scenario { swarm_masters: Some(3), ..any.clone() };
        three.check().unwrap();
        let counts = |of: &Scenario| {
            let masters = (0..50).map(|seed| of.of(Seed(seed)).shape.masters.min);
            masters.collect::<BTreeSet<u64>>()
        };
        assert_eq!(counts(&any), BTreeSet::from([1, 3, 5]));
        assert_eq!(counts(&three), BTreeSet::from([3]));
        for seed in 0..50 {
            let (mut one, other) = (any.of(Seed(seed)).into_owned(), three.of(Seed(seed)));
            one.shape.masters = Span::of(3);
            for kind in FaultKind::ALL.iter().filter(|kind| kind.needs_masters()) {
                *one.faults.weight_mut(*kind) = other.faults.weight(*kind);
            }
            assert!(one.faults.gap_ms.min <= other.faults.gap_ms.min, "elections take their time");
            one.faults.gap_ms = other.faults.gap_ms;
            assert_eq!(one, *other);
        }
        assert!(Scenario { swarm_masters: Some(2), ..any }.check().is_err());
        assert!(Scenario { swarm_masters: Some(3), ..Scenario::standard() }.check().is_err());
    }

    #[test]
    fn a_scenario_that_says_what_it_is_stays_so() {
        let standard = Scenario::standard();
        assert_eq!(*standard.of(Seed(9)), standard);
    }
}
