//! Whole runs, under madsim.
#![cfg(madsim)]

mod cannot_run;
mod directed;
mod explains;
mod figures;
mod fleet;
mod history;
mod interrupted;
mod provenance;
mod replay;
mod sweep;

use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;
use leasehold_trace::RecordKind;
use std::path::PathBuf;

/// A folder of this test alone, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("leasehold-{name}-{}", std::process::id()));
        Folder(folder)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("a file of the trace")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn standard(seed: u64) -> Outcome {
    run(&Scenario::standard(), Seed(seed), Asked::default())
}

#[test]
fn a_standard_run_survives_its_faults_and_sees_enough() {
    let outcome = standard(1);
    assert!(outcome.found.is_none(), "{:?}", outcome.found);
    assert_eq!(outcome.summary.low_coverage(&Scenario::standard().demands), None);
    assert!(outcome.summary.virtual_ns >= 60_000_000_000);
}

/// Swarm seeds that went wrong with three masters: a proposal was requested after its log had ended
/// (892), and a master that leads from its new disk was waited for (407).
#[test]
fn seeds_that_went_wrong_end_well() {
    let swarm = Scenario { swarm_masters: Some(3), ..Scenario::swarm() };
    for seed in [892, 407].map(Seed) {
        let outcome = run(&swarm.of(seed), seed, Asked::default());
        assert!(outcome.found.is_none(), "{seed:?}: {:?}", outcome.found);
    }
    // A write into a hole of a full disk ended the disk's service (5006); a pause that ended resumed a
    // machine whose clock stood still (5023).
    for seed in [5_006, 5_023].map(Seed) {
        let outcome = run(&Scenario::swarm().of(seed), seed, Asked::default());
        assert!(outcome.found.is_none(), "{seed:?}: {:?}", outcome.found);
    }
}

/// Runs that were violated once, made small: see `reports/`.
#[test]
fn what_was_found_ends_well() {
    let found = |name: &str, text: &str, seed| {
        let outcome = run(&Scenario::parse(name, text).unwrap(), Seed(seed), Asked::default());
        assert!(outcome.found.is_none(), "{name}: {:?}", outcome.found);
    };
    found("default-407", include_str!("../../../../scenarios/found/default-407.toml"), 196_100);
    found("freed-8", include_str!("../../../../scenarios/found/freed-8.toml"), 509_096);
    found("left-out-17", include_str!("../../../../scenarios/found/left-out-17.toml"), 558_110);
}

/// Every key that papers need, at once: frames on links, prefilled files of their own, a window.
#[test]
fn a_measured_run_is_a_run_and_counts_its_window() {
    let text = "about = \"measured\"\n[acts]\nfaults_ms = 6000\n[measure]\nbegins_ms = 1000\n\
                ends_ms = 5000\n[workload]\nfiles = 7\nprefill = true\nown_files = true\n\
                append = 0\nwrite = 0\nread = 1\nrelaxed_read = 0\nnamespace = 0\n[network]\n\
                frame_bytes = 1500\nwait_max_ms = 2000\nloss_ppm = 0\n[faults]\nenabled = false\n";
    let scenario = Scenario::parse("measured.toml", text).unwrap();
    let one = run(&scenario, Seed(5), Asked::default());
    assert!(one.found.is_none(), "{:?}", one.found);
    let window = one.summary.window.clone().expect("the scenario measures");
    assert!((3.99..4.02).contains(&window.seconds()), "{window:?}");
    let (inside, all) = (window.acknowledged("read"), one.summary.operations["read"].acknowledged);
    assert!(0 < inside && inside < all, "{inside} of {all}");
    let again = run(&scenario, Seed(5), Asked::default());
    assert_eq!(one.summary.fingerprint, again.summary.fingerprint);
    // Prefilled: the first reads find bytes, and each of them is judged.
    assert!(one.summary.reads_judged > 0);
    let whole =
        scenario.with(&[("network.frame_bytes".to_owned(), "1000000000".to_owned())]).unwrap();
    let whole = run(&whole, Seed(5), Asked::default());
    assert_ne!(one.summary.fingerprint, whole.summary.fingerprint, "frames arrive earlier");
}

#[test]
fn a_seed_is_a_run() {
    let (one, again, other) = (standard(2), standard(2), standard(3));
    assert_eq!(one.summary.fingerprint, again.summary.fingerprint);
    assert_eq!(one.summary.events, again.summary.events);
    assert_ne!(one.summary.fingerprint, other.summary.fingerprint);
}

#[test]
fn watching_a_run_does_not_change_it() {
    let mut asked = Asked::default();
    asked.log.watch = Some(1_000..=1_009);
    asked.log.digests = true;
    let watched = run(&Scenario::standard(), Seed(2), asked);
    assert_eq!(watched.lines.len(), 10);
    assert_eq!(watched.digests.len() as u64, watched.summary.events);
    assert_eq!(watched.summary.fingerprint, standard(2).summary.fingerprint);
}

#[test]
fn recording_a_run_does_not_change_it_and_joins_both_ends_of_every_message() {
    let mut asked = Asked::default();
    asked.log.record = true;
    let recorded = run(&Scenario::standard(), Seed(2), asked);
    let plain = standard(2);
    assert_eq!(recorded.summary.fingerprint, plain.summary.fingerprint);
    assert_eq!(recorded.summary.events, plain.summary.events);
    assert_eq!(recorded.summary.network, plain.summary.network);
    let records = recorded.trace.unwrap().records;
    let numbered = records.iter().filter(|record| record.kind != RecordKind::Network);
    assert_eq!(numbered.count() as u64, plain.summary.events);
    let delivered = records.iter().filter(|record| record.what == "Deliver");
    let unpaired = delivered.clone().filter(|record| record.flow.is_none()).count();
    assert_eq!(unpaired, 0, "of {}", delivered.count());
    let lost = records.iter().filter(|record| record.what == "Lost").count();
    assert_eq!(lost as u64, plain.summary.network.lost);
}

#[test]
fn a_rule_left_out_is_found_out() {
    let text = include_str!("../../../../scenarios/negative/lease_not_waited_out.toml");
    let scenario = Scenario::parse("lease_not_waited_out.toml", text).unwrap();
    let violated = (0..10).find_map(|seed| run(&scenario, Seed(seed), Asked::default()).found);
    assert_eq!(violated.unwrap().wrong.invariant, "I1");
}
