//! `sim run --history`: what other checkers are given.

use crate::Folder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

const SCENARIO: &str = "scenarios/fast/smallest.toml";

/// `key` of a line such as `{:process 3, :type :ok, ...}`.
fn value<'a>(line: &'a str, key: &str) -> &'a str {
    let from = line.find(&format!(":{key} ")).expect("every line has it") + key.len() + 2;
    line[from..].split([',', '}']).next().expect("a split has a first part")
}

/// Both files hold every operation, as Jepsen wants it: in order of time, each process with one thing
/// at a time, and none after an operation of unknown end.
#[test]
fn a_history_is_written_for_jepsen_and_as_lines_of_json() {
    let folder = Folder::new("history");
    let mut sim = Command::new(env!("CARGO_BIN_EXE_sim"));
    sim.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    sim.args(["run", "--seed", "3", "--scenario", SCENARIO, "--json", "--history"]).arg(&folder.0);
    let output = sim.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();

    let operations = folder.read("history.jsonl");
    let operations: Vec<Value> =
        operations.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let edn = folder.read("history.edn");
    let mut busy: BTreeMap<&str, &str> = BTreeMap::new();
    let (mut counts, mut last) = (BTreeMap::<&str, usize>::new(), 0);
    for (index, line) in edn.lines().enumerate() {
        assert!(line.starts_with("{:process ") && line.ends_with('}'), "{line}");
        assert_eq!(value(line, "index"), index.to_string());
        let time: u64 = value(line, "time").parse().unwrap();
        assert!(last <= time, "{line}");
        last = time;
        let (process, kind, f) = (value(line, "process"), value(line, "type"), value(line, "f"));
        *counts.entry(kind).or_default() += 1;
        match kind {
            ":invoke" => assert_eq!(busy.insert(process, f), None, "{line}"),
            ":ok" | ":fail" => assert_eq!(busy.remove(process), Some(f), "{line}"),
            // It stays busy: it does nothing after it.
            ":info" => assert_eq!(busy.get(process), Some(&f), "{line}"),
            other => panic!("{other}: {line}"),
        }
    }
    assert_eq!(counts[":invoke"], operations.len());
    let told = operations.iter().filter(|operation| !operation["returned_ns"].is_null());
    assert_eq!(counts.values().sum::<usize>(), operations.len() + told.count());
    assert!(counts[":ok"] as u64 >= summary["acknowledged"].as_u64().unwrap(), "{counts:?}");
}
