//! Every script prints what it says. `UPDATE=1 cargo test -p leasehold-world` rewrites them.

use leasehold_world::script::{Golden, Stage, difference};
use std::path::{Path, PathBuf};

fn scripts(folder: &str, at_least: usize) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(folder);
    let files = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    scripts.sort();
    assert!(scripts.len() >= at_least, "the scripts are in {}", root.display());
    scripts
}

fn run(path: &Path) -> (String, Golden) {
    let script = std::fs::read_to_string(path).unwrap();
    let golden = Golden::run(&script).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (script, golden)
}

fn compare(path: &Path, script: &str, golden: &Golden, failures: &mut Vec<String>) {
    let Some(difference) = difference(script, &golden.text) else { return };
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, &golden.text).unwrap();
    } else {
        failures.push(format!("{}: {difference}", path.display()));
    }
}

#[test]
fn every_script_prints_what_it_says_and_violates_nothing() {
    let mut failures = Vec::new();
    for path in scripts("scripts", 6) {
        let (script, golden) = run(&path);
        compare(&path, &script, &golden, &mut failures);
        let told = golden.violations.iter().map(|what| format!("{}: {what}", path.display()));
        failures.extend(told);
        assert!(golden.commands > 3, "{} does something", path.display());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Each negative script leaves one rule out, and ends in the violation that its first line names.
/// Its twin, the same steps with the rule in force, ends without.
#[test]
fn every_negative_script_is_caught_and_its_twin_is_not() {
    let mut failures = Vec::new();
    for path in scripts("scripts/negative", 6) {
        let (script, golden) = run(&path);
        compare(&path, &script, &golden, &mut failures);
        let first = script.lines().next().unwrap_or("");
        let named = first.strip_prefix("# violates ").unwrap_or_else(|| {
            panic!("{}: the first line names the invariant: `# violates I1`", path.display())
        });
        let caught = golden.violations.first();
        let expected = format!("violation: {named} ");
        if !caught.is_some_and(|what| what.starts_with(&expected)) {
            failures.push(format!("{}: {named} expected, {caught:?} found", path.display()));
        }
        let twin = Golden::run(&with_every_rule(&script))
            .unwrap_or_else(|error| panic!("{}, the twin: {error}", path.display()));
        if let Some(what) = twin.violations.first() {
            failures.push(format!("{}: the twin ends in {what}", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What a model found with a rule left out is what World sees too.
#[test]
fn every_run_that_a_model_found_replays() {
    let mut failures = Vec::new();
    for path in scripts("scripts/found", 4) {
        let (script, golden) = run(&path);
        compare(&path, &script, &golden, &mut failures);
        let named = script.lines().next().and_then(|line| line.strip_prefix("# violates "));
        let expected = format!("violation: {} ", named.unwrap_or("nothing that it names"));
        let caught = golden.violations.first();
        if !caught.is_some_and(|what| what.starts_with(&expected)) {
            failures.push(format!("{}: {named:?} expected, {caught:?} found", path.display()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What walks rarely reach: a member is ahead of its primary, and says so when its place in the order is
/// another mutation's.
#[test]
fn an_acknowledgement_is_late_and_of_more_than_its_primary_took_over() {
    let path =
        scripts("scripts", 6).into_iter().find(|path| path.ends_with("late_acknowledgement.txt"));
    let script = std::fs::read_to_string(path.unwrap()).unwrap();
    let stage = Stage::covered(&script).unwrap();
    let reached = stage.world().coverage().unwrap().summary();
    for mark in ["late-ack", "late-ack-in-pipeline", "late-ack-of-more"] {
        assert!(reached.contains_key(mark), "{mark} is reached: {reached:?}");
    }
}

fn with_every_rule(script: &str) -> String {
    let lines = script.lines().map(|line| {
        let words = line.split(' ').filter(|word| !word.starts_with("without="));
        let words = words.map(|word| word.replace("confirm-reads=no", "confirm-reads=yes"));
        words.collect::<Vec<_>>().join(" ")
    });
    let twin = lines.collect::<Vec<_>>().join("\n");
    assert_ne!(twin, script.trim_end(), "a negative script leaves a rule out");
    twin
}

#[test]
fn a_script_prints_the_same_twice() {
    for path in scripts("scripts", 6).into_iter().take(5) {
        assert_eq!(run(&path).1, run(&path).1);
    }
}

#[test]
fn a_script_that_is_recorded_prints_the_same_and_shows_every_message() {
    let script = include_str!("../../../../scenarios/scripts/negative/lease_not_waited_out.txt");
    let plain = Golden::run(script).unwrap();
    let (golden, tracer) = Golden::traced(script).unwrap();
    assert_eq!(golden, plain);
    let (trace, finding) = tracer.unwrap().finish();
    let finding = finding.unwrap();
    assert_eq!(finding.violation.invariant, "I1");
    assert!(finding.violation.sentence.contains("at most one chunkserver"));
    let of = |what: &str| trace.records.iter().filter(|r| r.what == what).collect::<Vec<_>>();
    let (sent, taken) = (of("Send"), of("Deliver"));
    assert!(taken.len() > 30, "{}", taken.len());
    for record in taken {
        let flow = record.flow.expect("what arrives was sent");
        let sending = sent.iter().find(|r| r.flow == Some(flow)).expect("and is in the record");
        assert_eq!((sending.message, sending.to), (record.message, Some(record.node)));
    }
    let both: Vec<_> =
        of("LeaseTaken").iter().filter(|r| r.event <= finding.event).map(|r| r.node).collect();
    assert!(both.windows(2).any(|pair| pair[0] != pair[1]), "both primaries are in it");
}
