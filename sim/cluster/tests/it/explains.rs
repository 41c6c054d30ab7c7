//! What `sim run` prints about a failure.

use crate::Folder;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

const SCENARIO: &str = "scenarios/negative/lease_not_waited_out.toml";

fn sim(more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    command.args(["run", "--scenario", SCENARIO]).args(more);
    command
}

#[test]
fn a_failure_says_what_led_to_it_and_leaves_files_to_look_at() {
    let folder = Folder::new("explains");
    let output = sim(&["--trace", folder.0.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "as expected is no failure");
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() <= 60, "{} lines", lines.len());
    assert!(lines[0].starts_with("VIOLATED AS EXPECTED I1: at any true instant"), "{}", lines[0]);
    let last = lines.last().unwrap();
    assert!(last.starts_with("violated as expected; replay: just sim --seed "), "{last}");
    assert!(last.contains(SCENARIO) && last.contains(" --trace "), "{last}");
    let taken = lines.iter().filter(|line| line.contains(" is primary of ")).count();
    assert!(taken >= 2, "both who believe are in it:\n{text}");

    let records = folder.read("trace.jsonl");
    let records: Vec<Value> = records.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(records.len() > 1_000);
    let from = &records[0];
    assert_eq!((&from["kind"], &from["scenario"]), (&"run".into(), &SCENARIO.into()), "{from}");
    assert_eq!(from["rules_left_out"], serde_json::json!(["wait_out_old_lease"]));
    assert_eq!(from["constants"]["lease_duration_ms"], "4000");
    let sources = from["sources"].as_str().unwrap();
    assert!(sources.len() == 16 && from["commit"].is_string(), "{from}");
    assert!(records.is_sorted_by_key(|record| record["event"].as_u64().unwrap()));
    let perfetto: Value = serde_json::from_str(&folder.read("trace.perfetto.json")).unwrap();
    assert!(perfetto["traceEvents"].as_array().unwrap().len() > 1_000);
    assert_eq!(perfetto["otherData"]["sources"], sources);
    let page = folder.read("trace.html");
    assert!(page.contains("I1 violated") && page.contains(&format!("sources {sources};")));
    assert!(text.contains(&format!("sources {sources}\n")), "the text names the build:\n{text}");
}

#[test]
fn a_window_holds_its_time_only() {
    let folder = Folder::new("window");
    let trace = folder.0.to_str().unwrap();
    let output = sim(&["--trace", trace, "--window", "2..2.5"]).output().unwrap();
    assert!(output.status.success());
    let records = folder.read("trace.jsonl");
    let records: Vec<Value> = records.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let at = |record: &&Value| record["true_ns"].as_u64().unwrap();
    let inside = records.iter().filter(|r| r["kind"] == "input").collect::<Vec<_>>();
    assert!(inside.len() > 10);
    assert!(inside.iter().all(|r| (2_000_000_000..2_500_000_000).contains(&at(r))));
    assert!(records.iter().any(|r| r["what"] == "LeaseTaken" && at(&r) < 2_000_000_000));
}

#[test]
fn a_window_after_the_end_is_refused_and_the_verdict_is_told() {
    let folder = Folder::new("late-window");
    let trace = folder.0.to_str().unwrap();
    let output = sim(&["--trace", trace, "--window", "5000..6000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--window") && said.contains("ends at"), "{said}");
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("VIOLATED AS EXPECTED I1"), "{told}");
    assert!(!told.contains("to look at it"), "{told}");
    assert!(!folder.0.exists());
}

#[test]
fn json_is_one_object_however_a_run_ends() {
    let folder = Folder::new("json");
    std::fs::create_dir_all(&folder.0).unwrap();
    let text = include_str!("../../../../scenarios/negative/lease_not_waited_out.toml");
    let negative = folder.0.join("negative.toml");
    let failing = folder.0.join("failing.toml");
    std::fs::write(&negative, text).unwrap();
    std::fs::write(&failing, text.replace("expect = \"I1\"", "")).unwrap();
    let shown = run_json(&negative, 0);
    assert_eq!(shown["outcome"], "shown", "{shown}");
    let seed = shown["seed"].as_u64().unwrap();
    let violated = run_json(&failing, seed);
    assert_eq!(violated["outcome"], "violated", "{violated}");
    assert_eq!(violated["fingerprint"], shown["fingerprint"]);
    // What did not happen is zero, and not missing.
    for (section, name) in [
        ("facts", "trash that gave way"),
        ("faults", "wipe"),
        ("judged", "I22"),
        ("network", "cut"),
    ] {
        assert!(violated[section][name].is_u64(), "{section}: {name}: {violated}");
    }
    assert!(violated["coverage"].as_object().unwrap().len() > 70);
}

fn run_json(scenario: &Path, seed: u64) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["run", "--json", "--seed", &seed.to_string(), "--scenario"])
        .arg(scenario)
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("JSON is text");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = sim(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
