//! Whole runs, under madsim.
#![cfg(madsim)]

use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;

fn standard(seed: u64) -> Outcome {
    run(&Scenario::standard(), Seed(seed), Asked::default())
}

#[test]
fn a_standard_run_survives_its_faults_and_sees_enough() {
    let outcome = standard(1);
    assert!(outcome.found.is_none(), "{:?}", outcome.found);
    assert_eq!(outcome.summary.thin(&Scenario::standard().demands), None);
    assert!(outcome.summary.virtual_ns >= 60_000_000_000);
}

#[test]
fn a_seed_is_a_run() {
    let (one, again, other) = (standard(2), standard(2), standard(3));
    assert_eq!(one.summary.fingerprint, again.summary.fingerprint);
    assert_eq!(one.summary.happenings, again.summary.happenings);
    assert_ne!(one.summary.fingerprint, other.summary.fingerprint);
}

#[test]
fn watching_a_run_does_not_change_it() {
    let mut asked = Asked::default();
    asked.log.watch = Some(1_000..=1_009);
    asked.log.digests = true;
    let watched = run(&Scenario::standard(), Seed(2), asked);
    assert_eq!(watched.lines.len(), 10);
    assert_eq!(watched.digests.len() as u64, watched.summary.happenings);
    assert_eq!(watched.summary.fingerprint, standard(2).summary.fingerprint);
}

#[test]
fn a_rule_left_out_is_found_out() {
    let text = include_str!("../../../../scenarios/negative/lease_not_waited_out.toml");
    let scenario = Scenario::parse("lease_not_waited_out.toml", text).unwrap();
    let violated = (0..10).find_map(|seed| run(&scenario, Seed(seed), Asked::default()).found);
    assert_eq!(violated.unwrap().wrong.invariant, "I1");
}
