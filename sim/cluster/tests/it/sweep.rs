//! The command `sim sweep`, as a person or a batch system runs it.

use leasehold_sim::provenance::Build;
use leasehold_sim::sweep::Outcome;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs of two seconds, of which nothing is demanded.
const SHORT: &str = "about = \"short\"\n[acts]\nfaults_ms = 2000\n[demands]\nacknowledged = 0\n\
                     crashes = 0\npartitions = 0\nmembership_changes = 0\njudged_reads = 0\n";

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("leasehold-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a scratch folder");
    fs::write(folder.join("short.toml"), SHORT).expect("a scenario");
    folder
}

fn sweep(folder: &Path, more: &[&str]) -> Output {
    let (scenario, table) = (folder.join("short.toml"), folder.join("table.csv"));
    Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["sweep", "--json", "--jobs", "2", "--scenario"])
        .arg(scenario)
        .arg("--table")
        .arg(table)
        .args(more)
        // What a shell says of the build does not count.
        .env("LEASEHOLD_COMMIT", "test")
        .output()
        .expect("the program runs")
}

fn told(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}

/// How a variant's runs ended. What did not happen is zero, and not missing.
fn outcomes(object: &serde_json::Value, variant: usize) -> Vec<(&str, u64)> {
    let all = object["variants"][variant]["outcomes"].as_object().expect("an object");
    assert_eq!(all.len(), Outcome::ALL.len());
    let some = all.iter().map(|(name, count)| (name.as_str(), count.as_u64().expect("a count")));
    some.filter(|(_, count)| *count > 0).collect()
}

fn rows(folder: &Path) -> Vec<String> {
    let text = fs::read_to_string(folder.join("table.csv")).expect("a table");
    text.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn shards_fill_one_table_and_what_is_there_is_not_done_again() {
    let folder = scratch("shards");
    for shard in ["0/2", "1/2"] {
        let output = sweep(&folder, &["--seeds", "1..5", "--shard", shard, "--resume"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let told = told(&output);
        assert_eq!(told["variants"][0]["runs"], 2);
        assert_eq!(told["resumed"], 0);
        assert_eq!(told["twice"], 1, "the first run of each shard is made twice");
        assert_eq!(told["not_alike"], serde_json::json!([]));
        assert!(told["canary_seed"].is_u64(), "{told}");
    }
    let before = rows(&folder);
    assert_eq!(before.len(), 4);
    let Build { commit, sources } = Build::this();
    let build = format!("{commit},{sources},");
    assert!(before.iter().all(|row| row.contains(&build) && row.contains(",ok,")));
    let again = told(&sweep(&folder, &["--seeds", "1..5", "--resume"]));
    assert_eq!(
        (again["resumed"].as_u64(), again["variants"][0]["runs"].as_u64()),
        (Some(4), Some(4))
    );
    assert_eq!(rows(&folder), before, "nothing was run, nothing was written");
    assert!(folder.join("table.coverage.csv").exists());
    assert!(folder.join("table.matrix.csv").exists());
    // What is found in a table says as much as what was run just now.
    let at_once = scratch("at-once");
    let whole = told(&sweep(&at_once, &["--seeds", "1..5"]));
    for sum in ["coverage", "faults", "matrix", "marks_missed"] {
        assert_eq!(again[sum], whole[sum], "{sum}");
    }
    for figure in ["operations", "virtual_ms", "p50_us", "p99_us", "max_us", "recovery_median_ms"] {
        assert_eq!(again["variants"][0][figure], whole["variants"][0][figure], "{figure}");
    }
    assert_ne!(whole["variants"][0]["p99_us"], 0);
    fs::remove_dir_all(&folder).unwrap();
    fs::remove_dir_all(&at_once).unwrap();
}

/// Rows of the same run, of another seed, and of another build: each is named, and none is counted twice.
#[test]
fn what_is_resumed_doubled_or_foreign_is_said() {
    let folder = scratch("resumed");
    assert!(sweep(&folder, &["--seeds", "1..3"]).status.success());
    let refused = sweep(&folder, &["--seeds", "1..3"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("2 rows; --resume") && said.contains("--force"), "{said}");
    let before = rows(&folder);
    assert_eq!(before.len(), 2, "nothing was doubled");

    let seed_2 = before.iter().find(|row| row.contains(",2,ok,")).expect("seed 2 has a row");
    let other_seed = seed_2.replace(",2,ok,", ",77,ok,");
    let elsewhere = seed_2.replace(&Build::this().sources, "0123456789abcdef");
    let table = folder.join("table.csv");
    let mut text = fs::read_to_string(&table).unwrap();
    text.extend([seed_2, &other_seed, &elsewhere].map(|row| format!("{row}\n")));
    fs::write(&table, text).unwrap();
    let output = sweep(&folder, &["--seeds", "1..4", "--resume"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let object = told(&output);
    let counts = ["resumed", "doubled", "other_rows"].map(|name| object[name].as_u64());
    assert_eq!(counts, [Some(2), Some(1), Some(1)], "{object}");
    assert_eq!(object["foreign"][0]["rows"], 1);
    assert_eq!(object["foreign"][0]["build"]["sources"], "0123456789abcdef");
    assert_eq!(object["variants"][0]["runs"], 3);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("1 further row of them doubled") && said.contains("foreign"), "{said}");

    // The same run with another fingerprint is no double.
    let fingerprint = seed_2.split(',').find(|cell| cell.len() == 32).unwrap();
    let text = fs::read_to_string(&table).unwrap();
    let other = seed_2.replace(fingerprint, &"0".repeat(32));
    fs::write(&table, format!("{text}{other}\n")).unwrap();
    let output = sweep(&folder, &["--seeds", "1..4", "--resume"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(told(&output)["not_alike"], serde_json::json!([2]));

    assert!(sweep(&folder, &["--seeds", "1..3", "--force"]).status.success());
    assert_eq!(rows(&folder).len(), 2, "begun anew");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_grid_multiplies_the_runs_and_a_wrong_key_is_refused() {
    let folder = scratch("grid");
    let grid = "constants.lease_duration_ms=5s,6s";
    let output = sweep(&folder, &["--seeds", "1..2", "--set", grid]);
    let told = told(&output);
    let variants = told["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 2, "{told}");
    assert_ne!(variants[0]["config"], variants[1]["config"]);
    assert!(rows(&folder).iter().any(|row| row.contains("lease_duration_ms=6s")));
    let wrong = sweep(&folder, &["--seeds", "1..2", "--set", "constants.lease_duration=5"]);
    assert_eq!(wrong.status.code(), Some(2));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("did you mean `lease_duration_ms`?"), "{said}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_failing_run_fails_the_sweep_and_leaves_what_it_takes_to_see_it() {
    let folder = scratch("failing");
    let negative = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../scenarios/negative/acknowledged_before_all.toml");
    let text = fs::read_to_string(negative).unwrap().replace("expect = \"I3\"", "");
    fs::write(folder.join("short.toml"), text).unwrap();
    let output = sweep(&folder, &["--seeds", "0..1", "--shrink"]);
    assert_eq!(output.status.code(), Some(1));
    let told = told(&output);
    assert_eq!(told["failures"][0]["outcome"], "violated", "{told}");
    let kept = PathBuf::from(told["failures"][0]["folder"].as_str().unwrap());
    let files = ["scenario.toml", "replay.txt", "why.txt", "failure.txt", "summary.json"];
    for name in files.into_iter().chain(["trace/trace.html", "small.toml"]) {
        assert!(kept.join(name).exists(), "{name}");
    }
    let small = fs::read_to_string(kept.join("small.toml")).unwrap();
    assert!(small.contains("shrunk"), "{small}");
    // The kept run is the one that failed: it violates the same sentence.
    let violated = told["failures"][0]["why"].as_str().unwrap().split(',').next().unwrap();
    let failure = fs::read_to_string(kept.join("failure.txt")).unwrap();
    assert!(failure.starts_with(&format!("VIOLATED {violated}:")), "{violated}: {failure}");
    // A sweep that continues says the same of it, and leaves what was kept alone.
    fs::write(kept.join("failure.txt"), "somebody's notes").unwrap();
    let again = self::told(&sweep(&folder, &["--seeds", "0..1", "--resume"]));
    assert_eq!(again["failures"], told["failures"]);
    assert_eq!(fs::read_to_string(kept.join("failure.txt")).unwrap(), "somebody's notes");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_run_that_hangs_is_ended_and_the_sweep_goes_on() {
    let folder = scratch("hanging");
    let a_day = "acts.faults_ms=2000,86400000";
    let output = sweep(&folder, &["--seeds", "0..1", "--limit-s", "3", "--set", a_day]);
    assert_eq!(output.status.code(), Some(1));
    let told = told(&output);
    assert_eq!(outcomes(&told, 0), [("ok", 1)], "{told}");
    assert_eq!(outcomes(&told, 1), [("hung", 1)], "{told}");
    assert!(told["failures"][0]["why"].as_str().unwrap().contains("within 3 s"), "{told}");
    fs::remove_dir_all(&folder).unwrap();
}
