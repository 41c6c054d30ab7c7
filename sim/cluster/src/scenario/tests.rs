//! Scenarios are read strictly, and those of the repository are scenarios.

use super::*;
use leasehold_proto::Rules;
use std::path::Path;

fn error(text: &str) -> String {
    Scenario::parse("x.toml", text).unwrap_err().to_string()
}

#[test]
fn the_standard_scenario_is_one() {
    let standard = Scenario::standard();
    assert_eq!(standard.expect, Expect::Pass);
    assert!(standard.acts.faults_ms >= 60_000);
    assert_eq!(standard.shape, Shape::default(), "5 chunkservers, 4 clients");
}

#[test]
fn every_scenario_of_the_repository_is_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut read = 0;
    for kind in ["fast", "slow", "rare", "restart", "negative", "found"] {
        for entry in std::fs::read_dir(folder.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let text = std::fs::read_to_string(&path).unwrap();
                let scenario = Scenario::parse(&path.display().to_string(), &text)
                    .unwrap_or_else(|error| panic!("{error}"));
                let negative = scenario.expect != Expect::Pass;
                // What was found stays under its own expectation.
                assert!(kind == "found" || negative == (kind == "negative"), "{}", path.display());
                assert_eq!(Scenario::parse("again", &scenario.to_toml()).unwrap(), scenario);
                read += 1;
            }
        }
    }
    assert!(read >= 5, "{read}");
}

#[test]
fn a_window_lies_within_the_first_act() {
    let text = |begins, ends| {
        format!("about = \"x\"\n[measure]\nbegins_ms = {begins}\nends_ms = {ends}\n")
    };
    assert!(Scenario::parse("x.toml", &text(0, 60_000)).is_ok());
    for (begins, ends) in [(0, 60_001), (5, 5), (7, 6), (0, 0)] {
        assert!(error(&text(begins, ends)).contains("[measure] must begin"), "{begins} {ends}");
    }
}

/// What is left out is not in a table: sweeps name their rows by it, and old rows stay theirs.
#[test]
fn new_keys_are_not_said_by_default() {
    let said = Scenario::standard().to_table();
    assert!(!said.contains_key("measure"));
    for (section, key) in [
        ("workload", "prefill"),
        ("workload", "own_files"),
        ("network", "frame_bytes"),
        ("network", "wait_max_ms"),
    ] {
        assert!(!said[section].as_table().unwrap().contains_key(key), "{key}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
    let text = "about = \"x\"\n\n[shape]\nchnukservers = 5\n";
    assert_eq!(error(text), "x.toml:4: unknown key `chnukservers`; did you mean `chunkservers`?");
    let text = "about = \"x\"\n[constants]\nlease_duration = 5\n";
    assert_eq!(
        error(text),
        "x.toml:3: unknown key `lease_duration`; did you mean `lease_duration_ms`?"
    );
    let text = "about = \"x\"\n[rules]\nrepairs = false\n";
    assert_eq!(error(text), "x.toml:3: unknown key `repairs`; did you mean `repair`?");
}

#[test]
fn other_mistakes_name_their_line_too() {
    assert!(error("about = \"x\"\nexpect = \"I12\"\n").starts_with("x.toml:2: `I12` is not"));
    assert!(error("about = \"x\"\n[shape]\nclients = [4, 2]\n").contains("holds no number"));
    assert!(error("about = \"x\"\n[shape]\nclients = \"four\"\n").contains("a number, or [least"));
    assert!(error("[shape]\n").contains("about"), "what a scenario is for must be said");
    assert!(error("about = ").starts_with("x.toml:1:"));
    let number = error("about = \"x\"\n[constants]\nlease_duration_ms = -4\n");
    assert!(number.ends_with("expected a whole number, not below 0"), "{number}");
    let section = error("about = \"x\"\nconstants = 5\n");
    assert!(section.ends_with("expected a section, such as [shape]"), "{section}");
}

#[test]
fn contradictions_are_refused() {
    let lease = "about = \"x\"\n[constants]\nlease_duration_ms = 900\n";
    assert!(error(lease).contains("lease_duration"), "{}", error(lease));
    let few = "about = \"x\"\n[shape]\nchunkservers = 2\n";
    assert!(error(few).contains("x.toml:3: [shape] chunkservers must be at least replicas (3)"));
    let swarm = "about = \"x\"\nswarm = true\n[shape]\nchunkservers = 7\n";
    assert!(error(swarm).contains("x.toml:3: [shape] has no effect beside `swarm = true`"));
}

#[test]
fn numbers_beyond_their_limits_are_refused() {
    for (section, line, wanted) in [
        ("acts", "faults_ms = 9223372036854775807", "from 0 to 86400000"),
        ("shape", "chunkservers = [5, 1000000]", "from 1 to 1000"),
        ("faults", "crash = 4294967295", "from 0 to 1000"),
        ("network", "loss_ppm = 1000000", "from 0 to 900000"),
        ("disks", "capacity_bytes = 0", "from 1048576 to"),
        ("constants", "operation_timeout_ms = 0", "from 1 to 86400000"),
    ] {
        let text = format!("about = \"x\"\n\n[{section}]\n{line}\n");
        let error = error(&text);
        assert!(
            error.contains(&format!("x.toml:4: [{section}] {line} must be {wanted}")),
            "{error}"
        );
    }
}

#[test]
fn constants_and_rules_reach_the_protocol() {
    let text = "about = \"x\"\n[constants]\nlease_duration_ms = 9000\nblock_bytes = 4096\n\
                [rules]\nfence_by_promise = false\n";
    let constants = Scenario::parse("x.toml", text).unwrap().constants();
    assert_eq!(constants.lease_duration.as_millis(), 9_000);
    assert_eq!(constants.block_bytes, 4_096);
    assert!(!constants.rules.fence_by_promise);
    assert!(constants.rules.repair);
}

/// The lists of `patch.rs` are complete: every constant and every rule has a key.
#[test]
fn every_constant_and_every_rule_can_be_set() {
    let fields = |value: serde_json::Value| value.as_object().cloned().unwrap();
    let constants = fields(serde_json::to_value(Constants::default()).unwrap());
    assert!(constants.len() > 20);
    for (name, value) in constants {
        let key = if value.is_object() { format!("{name}_ms") } else { name };
        let any = if value.is_boolean() { true.into() } else { serde_json::Value::from(1) };
        let patch = serde_json::json!({ &key: any });
        let set = serde_json::from_value::<ConstantsPatch>(patch);
        assert!(set.is_ok_and(|patch| patch != ConstantsPatch::default()), "no key `{key}`");
    }
    for (name, _) in fields(serde_json::to_value(Rules::default()).unwrap()) {
        let set = serde_json::from_value::<RulesPatch>(serde_json::json!({ &name: false }));
        assert!(set.is_ok_and(|patch| patch != RulesPatch::default()), "no key `{name}`");
    }
}
