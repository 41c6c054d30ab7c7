//! The faults of a run, drawn before it begins: a list, which may be cut and run again.
//!
//! When something goes wrong and for how long is drawn without regard to what it is. What it is,
//! the kinds decide in a race: each draws a number from a stream of its own, as often as its
//! weight says, and the highest wins. A kind that is left out therefore leaves its places to the
//! next best, and every other place as it was.

use crate::drawn::{Draw, Episode};
use crate::scenario::{FaultKind, Faults, Scenario};
use crate::seed::{Seed, Stream};
use leasehold_proto::Constants;

/// This many kinds in a thousand do not exist for a seed, if a scenario says so.
const ABSENT_PERMILLE: u32 = 250;

/// The faults of a run, in order. One crash outlasts the master's patience, so that memberships
/// change, and there is one partition, whatever else the seed draws.
#[must_use]
pub fn plan(scenario: &Scenario, constants: &Constants, seed: Seed) -> Vec<Episode> {
    let faults = &scenario.faults;
    if !faults.enabled {
        return Vec::new();
    }
    let weights = weights(faults, seed);
    let places = places(faults, scenario.acts.faults_ms * scenario.restart.parts, seed);
    let mut plan: Vec<Episode> = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let Some(kind) = winner(&weights, number as u64, seed) else { break };
        plan.push(place.taken_by(kind, number as u64, constants, seed));
    }
    insist(&mut plan, &places, faults, constants, seed);
    plan
}

/// When something goes wrong, whatever it is.
#[derive(Clone, Copy)]
struct Place {
    begins_ms: u64,
    ends_ms: u64,
}

impl Place {
    fn taken_by(self, kind: FaultKind, number: u64, constants: &Constants, seed: Seed) -> Episode {
        let mut own = seed.fork(&format!("fault {}", kind.name()), number);
        let lease_ms = constants.lease_duration.as_millis() as u64;
        let Place { begins_ms, ends_ms } = self;
        let ends_ms = match kind {
            FaultKind::Pause => ends_ms.min(begins_ms + lease_ms * 9 / 10),
            FaultKind::LongPause | FaultKind::Frozen => {
                begins_ms + own.within(lease_ms * 11 / 10..=lease_ms * 2)
            }
            _ => ends_ms,
        };
        Episode { kind, begins_ms, ends_ms, draw: Draw(own.any()), aim: None }
    }
}

fn places(faults: &Faults, until_ms: u64, seed: Seed) -> Vec<Place> {
    let mut stream = seed.fork("places", 0);
    let mut places: Vec<Place> = Vec::new();
    let mut begins_ms = faults.gap_ms.draw(&mut stream);
    while begins_ms < until_ms {
        let lasts_ms = stream.log_within(faults.lasts_ms.min..=faults.lasts_ms.max);
        places.push(Place { begins_ms, ends_ms: begins_ms + lasts_ms });
        begins_ms = next_begin(&places, begins_ms, faults, &mut stream);
    }
    places
}

/// The next one waits until fewer than `concurrent_max` others are on.
fn next_begin(places: &[Place], last_ms: u64, faults: &Faults, stream: &mut Stream) -> u64 {
    // At least a millisecond, or a gap of nothing would never end.
    let mut begins_ms = last_ms + faults.gap_ms.draw(stream).max(1);
    let mut ends: Vec<u64> = places.iter().map(|place| place.ends_ms).collect();
    ends.sort_unstable();
    let on = |at: u64| ends.iter().filter(|end| **end > at).count() as u64;
    while on(begins_ms) >= faults.concurrent_max.max(1) {
        begins_ms = *ends.iter().find(|end| **end > begins_ms).expect("one of those that are on");
    }
    begins_ms
}

/// The weights of the kinds that exist for this seed.
fn weights(faults: &Faults, seed: Seed) -> Vec<(FaultKind, u32)> {
    let all =
        || FaultKind::ALL.iter().map(|kind| (*kind, faults.weight(*kind))).filter(|(_, w)| *w > 0);
    let exists = |kind: FaultKind| {
        let mut own = seed.fork(&format!("exists {}", kind.name()), 0);
        !own.permille(ABSENT_PERMILLE)
    };
    let present: Vec<_> = all().filter(|(kind, _)| !faults.swarm || exists(*kind)).collect();
    if present.is_empty() { all().collect() } else { present }
}

/// The highest of as many draws as a kind has weight: each kind wins in proportion to its weight.
fn winner(weights: &[(FaultKind, u32)], place: u64, seed: Seed) -> Option<FaultKind> {
    let best = |(kind, weight): &(FaultKind, u32)| {
        let mut own = seed.fork(&format!("race {}", kind.name()), place);
        (0..*weight).map(|_| own.any()).max().map(|best| (best, *kind))
    };
    weights.iter().filter_map(best).max().map(|(_, kind)| kind)
}

fn insist(
    plan: &mut [Episode],
    places: &[Place],
    faults: &Faults,
    constants: &Constants,
    seed: Seed,
) {
    if plan.len() < 2 {
        return;
    }
    let (crash, cut) = (plan.len() / 3, plan.len() * 2 / 3);
    if faults.crash > 0 {
        let patience_ms = constants.server_dead_after.as_millis() as u64;
        let long_ms =
            patience_ms + seed.fork("long crash", 0).within(patience_ms..=3 * patience_ms);
        let place = Place { ends_ms: places[crash].begins_ms + long_ms, ..places[crash] };
        plan[crash] = place.taken_by(FaultKind::Crash, crash as u64, constants, seed);
    }
    if faults.partition > 0 && cut != crash {
        plan[cut] = places[cut].taken_by(FaultKind::Partition, cut as u64, constants, seed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn planned(scenario: &Scenario, seed: u64) -> Vec<Episode> {
        plan(scenario, &scenario.constants(), Seed(seed))
    }

    #[test]
    fn every_seed_has_its_crash_and_its_partition() {
        let scenario = Scenario::standard();
        for seed in 0..300 {
            let plan = planned(&scenario, seed);
            let has = |kind: FaultKind| plan.iter().any(|episode| episode.kind == kind);
            assert!(has(FaultKind::Crash) && has(FaultKind::Partition), "{plan:?}");
            assert!(plan.len() >= 8, "{plan:?}");
            assert!(plan.is_sorted_by_key(|episode| episode.begins_ms));
        }
    }

    #[test]
    fn a_kind_that_is_left_out_leaves_the_others_as_they_were() {
        let with = Scenario::standard();
        for (at, gone) in FaultKind::ALL.iter().enumerate() {
            let mut without = with.clone();
            *without.faults.weight_mut(*gone) = 0;
            let before = planned(&with, at as u64);
            let after = planned(&without, at as u64);
            assert_eq!(before.len(), after.len());
            let differ = before.iter().zip(&after).filter(|(one, other)| one != other);
            assert!(differ.clone().all(|(one, _)| one.kind == *gone), "{gone:?}");
            assert!(after.iter().all(|episode| episode.kind != *gone));
        }
    }

    #[test]
    fn kinds_come_as_often_as_they_weigh() {
        let mut scenario = Scenario::standard();
        scenario.faults = Faults { swarm: false, ..Faults::none() };
        (scenario.faults.rot, scenario.faults.stall) = (9, 3);
        let mut counts: BTreeMap<FaultKind, u32> = BTreeMap::new();
        for seed in 0..100 {
            planned(&scenario, seed)
                .iter()
                .for_each(|episode| *counts.entry(episode.kind).or_default() += 1);
        }
        let (rot, stall) = (counts[&FaultKind::Rot], counts[&FaultKind::Stall]);
        assert!((25..42).contains(&(stall * 100 / rot)), "{rot} and {stall}");
        assert_eq!(counts.len(), 2);
    }

    #[test]
    fn a_seed_does_without_some_kinds_of_a_swarm() {
        let scenario = Scenario::standard();
        let count = |seed| weights(&scenario.faults, Seed(seed)).len();
        let most = FaultKind::ALL.iter().filter(|kind| scenario.faults.weight(**kind) > 0).count();
        let counts: Vec<usize> = (0..50).map(count).collect();
        assert!(counts.iter().all(|count| *count > most / 3));
        assert!(counts.iter().any(|count| *count < most - 3));
    }

    #[test]
    fn pauses_are_shorter_or_longer_than_a_lease() {
        let mut scenario = Scenario::standard();
        scenario.faults = Faults { pause: 1, long_pause: 1, ..Faults::none() };
        let lease_ms = scenario.constants().lease_duration.as_millis() as u64;
        for episode in (0..20).flat_map(|seed| planned(&scenario, seed)) {
            let lasts_ms = episode.ends_ms - episode.begins_ms;
            assert_eq!(episode.kind == FaultKind::LongPause, lasts_ms > lease_ms, "{episode:?}");
        }
    }

    #[test]
    fn seeds_differ_and_repeat() {
        let scenario = Scenario::standard();
        assert_eq!(planned(&scenario, 7), planned(&scenario, 7));
        assert_ne!(planned(&scenario, 7), planned(&scenario, 8));
    }

    #[test]
    fn a_calm_scenario_plans_nothing() {
        let text = "about = \"calm\"\n[faults]\nenabled = false\n";
        assert!(planned(&Scenario::parse("x.toml", text).unwrap(), 1).is_empty());
    }
}
