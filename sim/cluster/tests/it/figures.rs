//! From a sweep to its figures, as a person does it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use super::Folder;
use serde_json::Value;
use std::fs;
use std::process::{Command, Output};

/// Runs of two seconds, of which nothing is demanded.
const SHORT: &str = "about = \"short\"\n[acts]\nfaults_ms = 2000\n[demands]\nacknowledged = 0\n\
                     crashes = 0\npartitions = 0\nmembership_changes = 0\njudged_reads = 0\n";
/// A key and its partner, which must stay below it.
const ZIPPED: &str = "constants.lease_duration_ms=4s,6s;constants.lease_renew_interval_ms=1s,2s";

fn sim(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments).current_dir(&folder.0).output().unwrap()
}

fn object(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_sweep_becomes_percentiles_by_kind_plots_and_a_comparison() {
    let folder = Folder::new("figures");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("short.toml"), SHORT).unwrap();
    fs::write(folder.0.join("points"), "network.latency_us=[50, 400]\n").unwrap();
    let sweep = |table: &str, more: &[&str]| {
        let all = ["sweep", "--scenario", "short.toml", "--seeds", "0..4", "--table", table];
        object(&sim(&folder, &[&all[..], &["--json"], more].concat()))
    };
    let swept = sweep("a.csv", &["--set", ZIPPED, "--set-file", "points"]);
    assert_eq!(swept["variants"].as_array().unwrap().len(), 2, "two points, not four");

    let report = object(&sim(&folder, &["report", "--json", "a.csv", "--svg", "plots"]));
    let variants = report["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 2);
    assert_eq!((&variants[0]["runs"], &variants[0]["whole_runs"]), (&4.into(), &4.into()));
    let kinds = variants[0]["kinds"].as_array().unwrap();
    let kind = |name: &str| kinds.iter().find(|kind| kind["kind"] == name).unwrap();
    let (read, write) = (kind("read"), kind("write"));
    assert!(
        read["acknowledged"].as_u64().unwrap() > 50 && write["acknowledged"].as_u64() > Some(10)
    );
    let p99 = &write["quantiles_ms"]["p99"];
    let [value, low, high] = ["value", "low", "high"].map(|name| p99[name].as_f64().unwrap());
    assert!(0.0 < low && low <= value && value <= high, "{p99}");
    assert!(value <= write["max_ms"].as_f64().unwrap() * 1.04, "{write}");
    let again = report["sources"][0]["commands"][0].as_str().unwrap();
    assert!(
        again.contains("--scenario short.toml --seeds 0..4") && again.contains(ZIPPED),
        "{again}"
    );

    let page = folder.read("a.report.html");
    assert!(
        page.contains("<svg") && page.contains(&leasehold_sim::provenance::Build::this().sources)
    );
    assert!(page.contains("by the bootstrap") && page.contains("CITATION.cff"));
    assert!(!page.contains("src=") && !page.contains("href="), "it asks a network");
    let plots = fs::read_dir(folder.0.join("plots")).unwrap().count();
    assert!(plots >= 3, "a plot for each main kind: {plots}");
    let once_more = sim(&folder, &["report", "a.csv"]);
    assert!(String::from_utf8_lossy(&once_more.stdout).contains("\n  write "));
    assert_eq!(folder.read("a.report.html"), page, "the same table gives the same page");

    // The same sweep: every run is the same. Slower links: every write takes longer.
    sweep("same.csv", &["--set", ZIPPED, "--set-file", "points"]);
    let same = object(&sim(&folder, &["compare", "--json", "a.csv", "same.csv"]));
    let (pairs, first) = (same["pairs"].as_array().unwrap(), &same["pairs"][0][2]);
    assert_eq!((pairs.len(), &first["seeds"], &first["same_runs"]), (2, &4.into(), &4.into()));
    sweep("fast.csv", &["--set", "faults.enabled=false"]);
    sweep(
        "slow.csv",
        &["--set", "faults.enabled=false", "--set", "network.latency_us=[5000, 6000]"],
    );
    let slow = object(&sim(&folder, &["compare", "--json", "fast.csv", "slow.csv"]));
    let differences = slow["pairs"][0][2]["differences"].as_array().unwrap();
    let p50 = differences.iter().find(|one| one["figure"] == "write p50, ms").unwrap();
    assert!(p50["difference"]["low"].as_f64().unwrap() > 5.0, "{p50}");
    assert_eq!((&p50["higher"], &p50["seeds"]), (&4.into(), &4.into()));
    assert!(folder.read("slow.compare.html").contains("class=\"found\""));
    let text = sim(&folder, &["compare", "fast.csv", "slow.csv"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains(": higher"));
    let none = sim(&folder, &["compare", "a.csv", "slow.csv"]);
    assert_eq!(none.status.code(), Some(2), "nothing is common");
}

#[test]
fn runs_of_a_table_are_the_same_again_or_what_differs_is_said() {
    let folder = Folder::new("again");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("short.toml"), SHORT).unwrap();
    let set = ["--set", "constants.lease_duration_ms=4s,6s"];
    let sweep = ["sweep", "--scenario", "short.toml", "--seeds", "0..2", "--table", "a.csv"];
    assert!(sim(&folder, &[&sweep[..], &set].concat()).status.success());
    let again = |code: i32, rows: &str| {
        let output = sim(&folder, &["again", "a.csv", "--rows", rows]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{text}");
        text
    };
    let text = again(0, "9");
    assert!(
        text.contains("a.csv: 4 rows, made by commit")
            && text.contains("\nsame: 4 rows made again")
    );
    assert!(again(0, "2").contains("\nsame: 2 rows made again"));
    let table = folder.read("a.csv");
    let fingerprint = table.split(',').find(|cell| cell.len() == 32).unwrap();
    fs::write(folder.0.join("a.csv"), table.replace(fingerprint, &"0".repeat(32))).unwrap();
    let text = again(1, "9");
    assert!(
        text.contains(&format!("0000 became {fingerprint}")) && text.contains("1 DIFFERENT: 4")
    );
    fs::write(folder.0.join("short.toml"), SHORT.replace("2000", "2001")).unwrap();
    assert!(again(1, "9").contains("other values than it had"));
    fs::write(folder.0.join("other.csv"), "a,b\n1,2\n").unwrap();
    assert_eq!(sim(&folder, &["again", "other.csv"]).status.code(), Some(2));
}
