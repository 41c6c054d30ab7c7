//! A run that no protocol could bring to rest in its environment violates nothing.

use crate::Folder;
use serde_json::Value;
use std::process::Command;

/// Its reading back has to pass an uplink on which a piece of a file takes longer than a silence after
/// which servers count as dead.
const NARROW: &str = "about = \"x\"\n[acts]\nfaults_ms = \"10s\"\nconverge_ms = \"20s\"\n\
                      [faults]\nenabled = false\n[network]\nuplink_bytes_per_second = \"4KiB/s\"\n";

fn sim(scenario: &str, more: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new(&format!("cannot-run-{}-{}", scenario.len(), more.len()));
    std::fs::create_dir_all(&folder.0).unwrap();
    let path = folder.0.join("scenario.toml");
    std::fs::write(&path, scenario).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.args(["run", "--seed", "1", "--scenario"]).arg(path).args(more).output();
    let output = output.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn it_is_said_with_its_numbers_and_is_no_violation() {
    let (code, text) = sim(NARROW, &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["outcome"]), (Some(2), &"cannot_run".into()), "{text}");
    assert_eq!(report["invariant"], Value::Null);
    let why = report["detail"].as_str().unwrap();
    assert!(why.contains("over an uplink") && why.contains("counts as dead after 5.0 s"), "{why}");
    let (_, text) = sim(NARROW, &[]);
    assert!(text.contains("CANNOT RUN: ") && !text.contains("VIOLATED"), "{text}");
}

/// The same limit on links that carry it is judged.
#[test]
fn what_its_environment_allows_is_judged() {
    let wide = NARROW
        .replace("4KiB/s", "4GiB/s")
        .replace("[faults]", "[rules]\nrepair = false\n[faults]\nreckless = true");
    let crash =
        "[[fault]]\nkind = \"wipe\"\nat = \"5s\"\nlasts = \"1s\"\nprimary_of = \"/cells/0\"\n";
    let (code, text) = sim(&format!("{wide}{crash}"), &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &report["outcome"]), (Some(1), &"violated".into()), "{text}");
    assert_eq!(report["invariant"], "I10");
}
