//! Faults that a scenario directs happen there and then.

use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::{FaultKind, Scenario, Victims};
use leasehold_sim::schedule::Happened;
use leasehold_sim::seed::Seed;

const RACK: &str = include_str!("../../../../scenarios/directed/rack_power_at_8_s.toml");

fn outcome(text: &str, seed: u64) -> Outcome {
    let scenario = Scenario::parse("directed.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let outcome = run(&scenario, Seed(seed), Asked::default());
    assert!(outcome.found.is_none(), "{:?}", outcome.found);
    outcome
}

/// A tick is 5 ms.
fn is_then(fault: &Happened, from_ms: u64, until_ms: u64) -> bool {
    let ends = fault.until_ms.is_some_and(|at| (until_ms..=until_ms + 10).contains(&at));
    (from_ms..=from_ms + 10).contains(&fault.at_ms) && ends
}

#[test]
fn a_rack_loses_power_at_8_s() {
    for seed in [1, 2] {
        let outcome = outcome(RACK, seed);
        assert_eq!(outcome.schedule.len(), 1, "nothing else goes wrong: {:?}", outcome.schedule);
        let fault = &outcome.schedule[0];
        assert_eq!(fault.kind, FaultKind::RackPower);
        assert!(is_then(fault, 8_000, 11_000), "{fault:?}");
        // Machine i is in rack i modulo 3, and machine 0 is the master.
        assert_eq!(fault.victims, ["chunkserver-1", "chunkserver-4", "chunkserver-7"]);
        assert_eq!(outcome.summary.power_failures, 3);
        assert!(outcome.summary.membership_changes() > 0);
    }
}

/// What a directed fault of this kind may say, said.
fn directed(kind: FaultKind) -> String {
    let victims = match kind.victims() {
        Victims::All => "",
        Victims::Servers | Victims::Nodes => "nodes = [\"chunkserver-2\"]",
        Victims::Masters => "nodes = [\"master-2\"]",
        Victims::Machines => "nodes = [\"chunkserver-2\", \"master-3\"]",
        Victims::Rack => "rack = 1",
    };
    let strength = |key: &&str| match *key {
        "others" => Some("others = [\"master-1\", \"client-1\"]"),
        "ppm" => Some("ppm = 30000"),
        "factor" => Some("factor = 7"),
        "bytes_per_second" => Some("bytes_per_second = \"1MB/s\""),
        "room_bytes" => Some("room_bytes = \"9kB\""),
        _ => None,
    };
    let strength: Vec<&str> = kind.takes().iter().filter_map(strength).collect();
    let lasts = if kind.is_momentary() { "" } else { "lasts = \"1500ms\"" };
    let (name, strength) = (kind.name(), strength.join("\n"));
    format!("[[fault]]\nkind = \"{name}\"\nat = \"3s\"\n{lasts}\n{victims}\n{strength}\n")
}

/// Without a fault budget, which has a fault wait until no last copy is in danger.
#[test]
fn every_kind_of_fault_can_be_directed() {
    let head = "about = \"x\"\n[acts]\nfaults_ms = \"6s\"\n[shape]\nmasters = 3\n[faults]\nenabled = false\nreckless = true\n";
    let constants = RACK[RACK.find("[constants]").unwrap()..].to_owned();
    for kind in FaultKind::ALL {
        let outcome = outcome(&format!("{head}{}{constants}", directed(*kind)), 5);
        let faults = &outcome.schedule;
        assert!(!faults.is_empty(), "{}: {:?}", kind.name(), outcome.summary.faults_missed);
        for fault in faults {
            let until_ms = if kind.is_momentary() { 3_000 } else { 4_500 };
            assert!(fault.kind == *kind && is_then(fault, 3_000, until_ms), "{fault:?}");
            let strength = (fault.ppm, fault.factor, fault.bytes_per_second);
            for key in kind.takes() {
                match key {
                    "ppm" => assert_eq!(strength.0, Some(30_000), "{fault:?}"),
                    "factor" if *kind != FaultKind::SlowDisk => {
                        assert_eq!(strength.1, Some(7), "{fault:?}");
                    }
                    "bytes_per_second" => assert_eq!(strength.2, Some(1_000_000), "{fault:?}"),
                    "others" => assert_eq!(fault.others[0], "master-1", "{fault:?}"),
                    _ => {}
                }
            }
        }
        let mut victims: Vec<&str> =
            faults.iter().flat_map(|fault| &fault.victims).map(String::as_str).collect();
        victims.sort_unstable();
        match kind.victims() {
            Victims::Servers | Victims::Nodes => {
                assert_eq!(victims, ["chunkserver-2"], "{faults:?}")
            }
            Victims::Masters => assert_eq!(victims, ["master-2"], "{faults:?}"),
            // Of several lanes the schedule names the first.
            Victims::Machines if *kind == FaultKind::Narrow => assert_eq!(victims.len(), 1),
            Victims::Machines => assert_eq!(victims, ["chunkserver-2", "master-3"], "{faults:?}"),
            // Masters are machines 0 to 2, one in each rack.
            Victims::Rack => assert_eq!(victims, ["chunkserver-2", "chunkserver-5", "master-2"]),
            Victims::All => {}
        }
    }
}

/// The primary is the one that leads the chunk then: after it is gone, another one does.
#[test]
fn the_primary_of_a_file_is_the_one_that_leads_it_then() {
    let faults = |second: &str| {
        let crash = |at: &str, lasts: &str| {
            format!(
                "[[fault]]\nkind = \"crash\"\nat = \"{at}\"\nlasts = \"{lasts}\"\nprimary_of = \"/cells/0\"\n"
            )
        };
        let head = "about = \"x\"\n[acts]\nfaults_ms = \"20s\"\n[workload]\nfiles = 2\nchunks_per_file = 1\n\
                    [faults]\nenabled = false\n";
        let constants = &RACK[RACK.find("[constants]").unwrap()..];
        let text = format!("{head}{}{}{constants}", crash("4s", "12s"), crash(second, "1s"));
        outcome(&text, 3).schedule
    };
    let soon = faults("4100ms");
    assert_eq!(soon[0].victims, soon[1].victims, "the lease of the first is not over yet");
    let late = faults("14s");
    assert_eq!(late[0].victims, soon[0].victims);
    assert_ne!(late[0].victims, late[1].victims, "another one leads when the first is dead");
}
