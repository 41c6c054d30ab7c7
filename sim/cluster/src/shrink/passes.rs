//! What may be made smaller, each way as candidates, the boldest first.

use super::case::Case;
use super::search::Hit;
use crate::drawn::Episode;
use crate::scenario::{Scenario, Span};

/// Clients never wait longer than this between two operations.
const THINK_MAX_MS: u64 = 2_000;
/// Act one continues for this long after what was found.
const AFTER_MS: u64 = 100;

/// A way to make a case smaller.
pub struct Pass {
    /// What it looks at.
    pub name: &'static str,
    /// Smaller cases, the boldest first; none if there is nothing left to do.
    pub candidates: fn(&Case, &Hit) -> Vec<Case>,
}

/// So many passes come before the choice of episodes.
pub const BEFORE_EPISODES: usize = 2;

/// All of them but the choice of episodes, in order.
pub const PASSES: [Pass; 7] = [
    Pass { name: "what came after", candidates: cut },
    Pass { name: "clients", candidates: clients },
    Pass { name: "times", candidates: earlier },
    Pass { name: "workload", candidates: workload },
    Pass { name: "cluster", candidates: cluster },
    Pass { name: "durations", candidates: shorter },
    Pass { name: "noise", candidates: noise },
];

/// Faults that begin after what was found, and the rest of the first act. What is found only when
/// everything is over may have been done long before: then parts of the act may do.
fn cut(case: &Case, hit: &Hit) -> Vec<Case> {
    let (faults_ms, found_ms) = (case.scenario.acts.faults_ms, hit.true_ns / 1_000_000);
    let parts = [1, 2, 4, 6].map(|eighths| faults_ms * eighths / 8);
    let until = |until_ms: u64| {
        let until_ms = until_ms.clamp(AFTER_MS, faults_ms);
        let plan = case.plan().iter().filter(|episode| episode.begins_ms <= until_ms);
        let plan: Vec<Episode> = plan.cloned().collect();
        case.changed(|scenario| {
            scenario.plan = Some(plan);
            scenario.acts.faults_ms = until_ms;
        })
    };
    let whole = found_ms + AFTER_MS;
    if found_ms < faults_ms {
        until(whole).into_iter().collect()
    } else {
        parts.into_iter().filter_map(until).collect()
    }
}

fn clients(case: &Case, _: &Hit) -> Vec<Case> {
    let size = case.size();
    let set = |clients: u64, files: u64| {
        case.changed(|scenario| {
            scenario.shape.clients = Span::of(clients);
            scenario.workload.files = Span::of(files);
        })
    };
    let (clients, files) = (size.clients, size.files);
    let pairs = [
        (1, 1),
        (1, 2),
        (2, 1),
        (clients / 2, files / 2),
        (clients / 2, files),
        (clients, files / 2),
        (clients.saturating_sub(1), files),
        (clients, files.saturating_sub(1)),
    ];
    let fewer = pairs.into_iter().filter(|(c, f)| *c <= clients && *f <= files);
    fewer.filter_map(|(clients, files)| set(clients, files)).collect()
}

/// Everything earlier, then each gap smaller, with a shorter first act.
fn earlier(case: &Case, _: &Hit) -> Vec<Case> {
    let plan = case.plan();
    let mut candidates = Vec::new();
    for (at, episode) in plan.iter().enumerate() {
        let before = if at == 0 { 0 } else { plan[at - 1].begins_ms };
        let gap_ms = episode.begins_ms.saturating_sub(before);
        for by_ms in [gap_ms, gap_ms * 3 / 4, gap_ms / 2, gap_ms / 4] {
            candidates.extend(moved(case, at, by_ms));
        }
    }
    let faults_ms = case.scenario.acts.faults_ms;
    let ends_ms = plan.iter().map(|episode| episode.ends_ms).max().unwrap_or(0);
    for until_ms in [ends_ms, faults_ms / 2, faults_ms * 3 / 4] {
        let until_ms = until_ms.clamp(AFTER_MS, faults_ms);
        candidates.extend(case.changed(|scenario| scenario.acts.faults_ms = until_ms));
    }
    candidates
}

/// The episodes from one on, and the end of the act, by this much earlier.
fn moved(case: &Case, from: usize, by_ms: u64) -> Option<Case> {
    let mut plan = case.plan().to_vec();
    if by_ms == 0 {
        return None;
    }
    for episode in &mut plan[from..] {
        episode.begins_ms -= by_ms.min(episode.begins_ms);
        episode.ends_ms -= by_ms.min(episode.ends_ms);
    }
    let until_ms = case.scenario.acts.faults_ms.saturating_sub(by_ms).max(AFTER_MS);
    case.changed(|scenario| {
        scenario.plan = Some(plan);
        scenario.acts.faults_ms = until_ms;
    })
}

fn workload(case: &Case, hit: &Hit) -> Vec<Case> {
    let mut candidates = Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario)| candidates.extend(case.changed(change));
    for factor in [16, 8, 4, 2] {
        add(&|scenario| {
            let think = &mut scenario.workload.think_ms;
            let slower = |ms: u64| (ms.max(1) * factor).min(THINK_MAX_MS.max(ms));
            *think = Span::new(slower(think.min), slower(think.max));
        });
    }
    let each = hit.acknowledged / case.size().clients.max(1) + 1;
    let most = case.scenario.workload.operations_max.unwrap_or(u64::MAX);
    for operations in [1, each / 4, each / 2, each, most.saturating_sub(1)] {
        if operations > 0 && operations < most && operations < u64::MAX - 1 {
            add(&|scenario| scenario.workload.operations_max = Some(operations));
        }
    }
    add(&|scenario| scenario.workload.namespace = 0);
    add(&|scenario| scenario.workload.relaxed_read = 0);
    add(&|scenario| scenario.workload.append = 0);
    add(&|scenario| scenario.workload.read = 0);
    add(&|scenario| scenario.workload.write = 0);
    add(&|scenario| scenario.workload.chunks_per_file = 1);
    add(&|scenario| {
        scenario.workload.record_bytes = Span::of(scenario.workload.record_bytes.min);
    });
    candidates
}

fn cluster(case: &Case, _: &Hit) -> Vec<Case> {
    let size = case.size();
    let replicas = case.scenario.workload.replicas.max;
    let mut candidates = Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario)| candidates.extend(case.changed(change));
    for (servers, replicas) in [
        (2, 2),
        (replicas, replicas),
        (replicas + 1, replicas),
        (size.chunkservers.saturating_sub(1), replicas),
        (size.chunkservers, replicas.saturating_sub(1)),
    ] {
        if servers <= size.chunkservers && replicas <= case.scenario.workload.replicas.max {
            add(&|scenario| {
                scenario.shape.chunkservers = Span::of(servers);
                scenario.workload.replicas = Span::of(replicas);
            });
        }
    }
    add(&|scenario| scenario.shape.racks = Span::of(1));
    candidates
}

/// Each episode half as long.
fn shorter(case: &Case, _: &Hit) -> Vec<Case> {
    let plan = case.plan();
    let mut candidates = Vec::new();
    for (at, episode) in plan.iter().enumerate() {
        let lasts_ms = episode.ends_ms - episode.begins_ms;
        for lasts_ms in [lasts_ms / 4, lasts_ms / 2] {
            let mut plan = plan.to_vec();
            plan[at].ends_ms = episode.begins_ms + lasts_ms;
            candidates.extend(case.changed(|scenario| scenario.plan = Some(plan)));
        }
    }
    candidates
}

/// What the network and the disks do by themselves.
fn noise(case: &Case, _: &Hit) -> Vec<Case> {
    let mut candidates = Vec::new();
    let mut add = |change: &dyn Fn(&mut Scenario)| candidates.extend(case.changed(change));
    add(&|scenario| {
        scenario.network.loss_ppm = Span::of(0);
        scenario.network.duplicate_ppm = Span::of(0);
        scenario.network.spike_ppm = 0;
        scenario.disks.slow_sync_permille = 0;
    });
    add(&|scenario| scenario.network.loss_ppm = Span::of(0));
    add(&|scenario| scenario.network.duplicate_ppm = Span::of(0));
    add(&|scenario| scenario.network.spike_ppm = 0);
    add(&|scenario| scenario.disks.slow_sync_permille = 0);
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn every_candidate_is_a_scenario_and_another_one() {
        let case = Case::pin(&Scenario::standard(), Seed(3));
        let hit = Hit { events: 1_000, true_ns: 20_000_000_000, acknowledged: 400 };
        for pass in &PASSES {
            let candidates = (pass.candidates)(&case, &hit);
            assert!(!candidates.is_empty(), "{}", pass.name);
            for candidate in candidates {
                assert_ne!(candidate, case, "{}", pass.name);
                let text = candidate.scenario.to_toml();
                let again = Scenario::parse(pass.name, &text).unwrap();
                assert_eq!(again, candidate.scenario, "{text}");
            }
        }
    }

    #[test]
    fn what_comes_after_is_cut() {
        let case = Case::pin(&Scenario::standard(), Seed(3));
        let hit = Hit { events: 1, true_ns: 20_000_000_000, acknowledged: 0 };
        let cut = cut(&case, &hit).pop().unwrap();
        assert!(cut.plan().len() < case.plan().len());
        assert!(cut.plan().iter().all(|episode| episode.begins_ms <= 20_000));
        assert_eq!(cut.scenario.acts.faults_ms, 20_100);
        let late = Hit { true_ns: 61_000_000_000, ..hit };
        let lengths: Vec<u64> =
            super::cut(&case, &late).iter().map(|case| case.scenario.acts.faults_ms).collect();
        assert_eq!(lengths, [7_500, 15_000, 30_000, 45_000]);
    }

    #[test]
    fn moving_keeps_the_order_and_the_durations() {
        let case = Case::pin(&Scenario::standard(), Seed(3));
        let lasts = |case: &Case| -> Vec<u64> {
            case.plan().iter().map(|e| e.ends_ms - e.begins_ms).collect()
        };
        let first = case.plan()[0].begins_ms;
        let moved = moved(&case, 0, first).unwrap();
        assert_eq!(moved.plan()[0].begins_ms, 0);
        assert_eq!(lasts(&moved), lasts(&case));
        assert!(moved.plan().is_sorted_by_key(|episode| episode.begins_ms));
    }
}
