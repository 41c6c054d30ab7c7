//! The recipe of `scenarios/fleet`, with the variables that Slurm sets, in a folder as a fresh clone is.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use super::Folder;
use leasehold_sim::provenance::Build;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

const SIM: &str = env!("CARGO_BIN_EXE_sim");
const TASKS: u64 = 4;
const SEEDS: &str = "0..12";

/// Runs of two seconds, of which so many acknowledged operations are demanded.
fn short(acknowledged: u64) -> String {
    format!(
        "about = \"short\"\n[acts]\nfaults_ms = 2000\n[demands]\nacknowledged = {acknowledged}\n\
         crashes = 0\npartitions = 0\nmembership_changes = 0\njudged_reads = 0\n"
    )
}

/// A folder with scenarios, and nothing else.
fn clone(name: &str) -> Folder {
    let folder = Folder::new(name);
    let scenarios = folder.0.join("scenarios/fast");
    fs::create_dir_all(&scenarios).unwrap();
    fs::write(scenarios.join("enough.toml"), short(0)).unwrap();
    fs::write(scenarios.join("too_little.toml"), short(1_600)).unwrap();
    folder
}

fn task(folder: &Folder, index: u64) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/fleet/slurm-array.sh");
    let mut command = Command::new("bash");
    command.arg(script).current_dir(&folder.0);
    command.env("SIM", SIM).env("SEEDS", SEEDS).env("SLURM_CPUS_PER_TASK", "1");
    command.env("SLURM_ARRAY_TASK_ID", index.to_string());
    command.env("SLURM_ARRAY_TASK_COUNT", TASKS.to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn table(folder: &Folder, index: u64) -> PathBuf {
    folder.0.join(format!("reports/out/sweep-{index}.csv"))
}

fn rows(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().skip(1).map(str::to_owned).collect()
}

/// Ends a task as Slurm does that takes its node away, once it has a row.
fn preempted(folder: &Folder, index: u64) -> ExitStatus {
    let mut task: Child = task(folder, index).spawn().unwrap();
    while rows(&table(folder, index)).is_empty() {
        assert_eq!(task.try_wait().unwrap(), None, "it ended before it was preempted");
        pause();
    }
    let sent = Command::new("kill").args(["-TERM", &task.id().to_string()]).status().unwrap();
    assert!(sent.success());
    task.wait().unwrap()
}

#[allow(clippy::disallowed_methods, reason = "a test waits for a process")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(5));
}

fn sim(folder: &Folder, arguments: &[&str]) -> Output {
    Command::new(SIM).args(arguments).current_dir(&folder.0).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn an_array_of_which_one_task_is_requeued_makes_every_run_once() {
    let folder = clone("fleet");
    assert_eq!(preempted(&folder, 2).code(), Some(143));
    let before = rows(&table(&folder, 2));
    for index in 0..TASKS {
        let status = task(&folder, index).status().unwrap();
        assert!(status.success(), "task {index}: {status}");
        assert_eq!(rows(&table(&folder, index)).len(), 6, "of 24 runs, each task has a quarter");
    }
    assert!(rows(&table(&folder, 2)).starts_with(&before), "what was there was not made again");

    let listed = fs::read_dir(folder.0.join("reports/out")).unwrap();
    let mut all: Vec<String> = listed
        .map(|entry| format!("reports/out/{}", entry.unwrap().file_name().display()))
        .filter(|name| name.ends_with(".csv"))
        .collect();
    assert_eq!(all.len(), 12, "coverage and matrix are beside each table: {all:?}");
    all.splice(0..0, ["join", "-o", "reports/out/all.csv"].map(str::to_owned));
    let joined = sim(&folder, &all.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(joined.status.success(), "{}", text(&joined.stderr));
    assert!(text(&joined.stdout).contains("24 runs; 0 rows had a run"), "{}", text(&joined.stdout));
    let whole = rows(&folder.0.join("reports/out/all.csv"));
    assert_eq!(whole.iter().collect::<BTreeSet<_>>().len(), 24);

    // The sum finds every run, makes none, and judges what no shard could.
    let sum = ["sweep", "--json", "--seeds", SEEDS, "--scenario", "scenarios/fast", "--resume"];
    let sum = sim(&folder, &[&sum[..], &["--table", "reports/out/all.csv"]].concat());
    let object: serde_json::Value = serde_json::from_slice(&sum.stdout).unwrap();
    assert_eq!((&object["resumed"], object["failures"].as_array().unwrap().len()), (&24.into(), 0));
    assert_eq!(object["variants"][0]["outcomes"]["ok"], 12);
    assert_eq!(object["variants"][1]["outcomes"]["low_coverage"], 12);
    assert_eq!(object["low_coverage"][0]["scenario"], "scenarios/fast/too_little.toml");
    assert_eq!(sum.status.code(), Some(3));
    assert_eq!(rows(&folder.0.join("reports/out/all.csv")), whole);
}

#[test]
fn a_part_of_an_array_needs_the_number_of_shards() {
    let folder = clone("fleet-part");
    let mut alone = task(&folder, 3);
    alone.env("SLURM_ARRAY_TASK_COUNT", "1").stderr(Stdio::piped());
    let refused = alone.output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("SHARDS"), "{}", text(&refused.stderr));
    let status = alone.env("SHARDS", TASKS.to_string()).env("SEEDS", "0..4").status().unwrap();
    assert!(status.success());
    assert_eq!(rows(&table(&folder, 3)).len(), 2);
    let missing = task(&folder, 0).env("SIM", "target/sim/release/sim").status().unwrap();
    assert_eq!(missing.code(), Some(2), "no program was built");
}

#[test]
fn a_join_says_what_it_does_not_take() {
    let folder = clone("join");
    let sweep = |table: &str, more: &[&str]| {
        let all = ["sweep", "--scenario", "scenarios/fast/enough.toml", "--table", table];
        assert!(sim(&folder, &[&all[..], more].concat()).status.success());
    };
    sweep("one.csv", &["--seeds", "0..3"]);
    sweep("two.csv", &["--seeds", "2..4"]);
    let refused = |arguments: &[&str], why: &str| {
        let output = sim(&folder, &[&["join"][..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    };
    fs::write(folder.0.join("foreign.csv"), "a,b\n1,2\n").unwrap();
    refused(&["one.csv", "foreign.csv", "-o", "out.csv"], "foreign.csv: not a sweep's table");
    refused(&["one.csv", "two.coverage.csv", "-o", "out.csv"], "name that table");
    refused(&["one.csv", "two.csv", "-o", "one.csv"], "one of the tables");
    assert!(!folder.0.join("out.csv").exists(), "nothing is written");
    let other = fs::read_to_string(folder.0.join("two.csv")).unwrap();
    let rewritten = |from: &dyn Fn(&str) -> String| -> String {
        let rows = other.lines().skip(1).map(from);
        let header = other.lines().next().unwrap().to_owned();
        std::iter::once(header).chain(rows).map(|line| line + "\n").collect()
    };
    let elsewhere = rewritten(&|row| row.replace(&Build::this().sources, "0123456789abcdef"));
    fs::write(folder.0.join("elsewhere.csv"), elsewhere).unwrap();
    refused(&["one.csv", "elsewhere.csv", "-o", "out.csv"], "2 builds");
    let taken = sim(&folder, &["join", "--any-build", "one.csv", "elsewhere.csv", "-o", "any.csv"]);
    assert!(taken.status.success());

    let both = sim(&folder, &["join", "--json", "one.csv", "two.csv", "-o", "out.csv"]);
    let object: serde_json::Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!((&object["rows"], &object["doubled"]), (&4.into(), &1.into()), "{object}");
    refused(&["one.csv", "two.csv", "-o", "out.csv"], "--force");

    // One run with two fingerprints: one of the machines is wrong.
    let wrong = rewritten(&|row| {
        let fingerprint = row.split(',').find(|cell| cell.len() == 32).unwrap();
        row.replace(fingerprint, &"0".repeat(32))
    });
    fs::write(folder.0.join("two.csv"), wrong).unwrap();
    let output = sim(&folder, &["join", "one.csv", "two.csv", "-o", "out.csv", "--force"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("NOT ALIKE    scenarios/fast/enough.toml  seed 2"));
}
