//! `reports/promises.md`: every promise has a judge, a generator and a negative, or a reason.

use leasehold_proto::Rules;
use leasehold_world::script::{constants, rule, rules, set_constant};
use leasehold_world::walk::{Drawn, walk};
use std::path::PathBuf;

/// A `given:` negative is red within so many walks.
const SEEDS: std::ops::RangeInclusive<u64> = 700_001..=700_080;

struct Row {
    promise: String,
    place: String,
    judge: String,
    generator: String,
    negative: String,
    reason: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("reports/promises.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| "));
    let cells = lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()));
    let rows = cells.map(|cells| cells.skip(1).collect::<Vec<_>>()).filter(|row| row.len() == 7);
    let rows = rows.filter(|row| row[0] != "promise" && !row[0].starts_with("---"));
    rows.map(|row| {
        let [promise, place, judge, generator, negative, reason, _] = row.try_into().unwrap();
        Row { promise, place, judge, generator, negative, reason }
    })
    .collect()
}

/// The name that a row of a rule or a constant begins with.
fn subject(row: &Row) -> Option<&str> {
    row.promise.strip_prefix('`')?.split('`').next()
}

/// Is there what this names?
fn resolves(name: &str) -> bool {
    let exists = |path: String| root().join(path).exists();
    match name.split_once(':') {
        Some(("script", of)) => exists(format!("scenarios/scripts/{of}.txt")),
        Some(("toml", of)) => exists(format!("scenarios/{of}.toml")),
        Some(("mutant", of)) => exists(format!("scenarios/mutants/{of}.patch")),
        Some(("model", of)) => exists(format!("sim/model/src/models/{of}.rs")),
        Some(("rule", of)) => rule(&mut Rules::default(), of).is_ok(),
        Some(("given", of)) => of.split_once('=').is_some_and(|(name, value)| {
            set_constant(&mut leasehold_proto::Constants::default(), name, value).is_ok()
        }),
        Some(("test", of)) => {
            let (file, name) = of.split_once('#').unwrap_or((of, ""));
            let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
            text.contains("#[test]") && text.contains(&format!("fn {name}"))
        }
        Some(_) => false,
        None => {
            ["walk", "targeted", "sim"].contains(&name)
                || leasehold_checker::invariants().iter().any(|one| one.id == name)
        }
    }
}

#[test]
fn every_promise_has_a_judge_or_a_reason() {
    let mut failures = Vec::new();
    let rows = rows();
    assert!(rows.len() > 90, "{}", rows.len());
    for row in &rows {
        let mut wrong = |what: &str| failures.push(format!("{}: {what}", row.promise));
        if !root().join(&row.place).exists() {
            wrong(&format!("{} is not there", row.place));
        }
        let hole = row.judge == "hole";
        let judges = row.judge.split(' ').filter(|_| !hole);
        let named = judges.chain(row.generator.split(' ')).chain(row.negative.split(' '));
        for name in named.filter(|name| !name.is_empty() && !resolves(name)) {
            wrong(&format!("there is no {name}"));
        }
        let reasoned = row.reason.len() > 20;
        if row.judge.is_empty() || (hole && !reasoned) {
            wrong("no judge, and no reason why");
        }
        if !hole && row.generator.is_empty() {
            wrong("nothing reaches it");
        }
        let tested = row.judge.starts_with("test:");
        if !hole && !tested && row.negative.is_empty() && !reasoned {
            wrong("no negative, and no reason why");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_rule_and_every_constant_has_a_row() {
    let rows = rows();
    let missing: Vec<&str> = rules()
        .into_iter()
        .chain(constants())
        .filter(|name| !rows.iter().any(|row| subject(row) == Some(name)))
        .collect();
    assert!(missing.is_empty(), "no row of {missing:?}");
}

/// Machines that are given another constant than the judges are found, by an invariant of the row.
#[test]
fn every_constant_that_is_ignored_turns_a_walk_red() {
    let mut failures = Vec::new();
    for row in rows() {
        for given in row.negative.split(' ').filter_map(|name| name.strip_prefix("given:")) {
            let (name, value) = given.split_once('=').unwrap();
            let found = SEEDS.into_iter().find_map(|seed| {
                let draw = if seed % 2 == 0 { Drawn::first_targeted } else { Drawn::first };
                let mut drawn = draw(seed, Rules::default());
                let mut constants = drawn.shape.constants.clone();
                set_constant(&mut constants, name, value).unwrap();
                drawn.shape.given = Some(Box::new(constants));
                walk(drawn, 2_000).violation().cloned()
            });
            let invariant = found.map(|violation| violation.invariant);
            if !invariant.is_some_and(|id| row.judge.split(' ').any(|judge| judge == id)) {
                failures.push(format!("{given}: {invariant:?} found, {} expected", row.judge));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
