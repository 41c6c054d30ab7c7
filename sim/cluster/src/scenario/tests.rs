//! Scenarios are read strictly, and those of the repository are scenarios.

use super::*;
use leasehold_proto::Rules;
use std::collections::BTreeSet;
use std::path::Path;
use toml::Table;

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

/// Of the repository: with their folders' names.
fn files() -> Vec<(&'static str, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files = Vec::new();
    for kind in ["fast", "slow", "rare", "restart", "negative", "found", "directed"] {
        for entry in std::fs::read_dir(folder.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let name = path.strip_prefix(&folder).unwrap().display().to_string();
                files.push((kind, name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    for entry in std::fs::read_dir(folder.join("papers")).unwrap() {
        let path = entry.unwrap().path().join("scenario.toml");
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        files.extend(std::fs::read_to_string(&path).ok().map(|text| ("papers", name, text)));
    }
    files
}

#[test]
fn every_scenario_of_the_repository_is_one() {
    let mut read = 0;
    let errors =
        files().into_iter().filter_map(|(_, name, text)| Scenario::examine(&name, &text).err());
    let errors: Vec<String> = errors.flatten().map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    for (kind, name, text) in files() {
        let scenario = Scenario::parse(&name, &text).unwrap();
        let negative = scenario.expect != Expect::Pass;
        // What was found stays under its own expectation.
        assert!(kind == "found" || negative == (kind == "negative"), "{name}");
        assert_eq!(Scenario::parse("again", &scenario.to_toml()).unwrap(), scenario);
        read += 1;
    }
    assert!(read >= 90, "{read}");
}

#[test]
fn a_scenario_that_is_shown_with_its_defaults_is_the_same() {
    for (_, name, text) in files() {
        let scenario = Scenario::parse(&name, &text).unwrap();
        let shown = reference().show(&scenario);
        // Not everything that holds has an effect.
        let table: Table = shown.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = Scenario::deserialize(table.clone());
        let read = Document::read("shown", &shown).map(|read| read.table);
        let again = again.or_else(|_| Scenario::deserialize(read.unwrap()));
        let (again, scenario) = (again.unwrap(), scenario);
        assert_eq!(again.constants(), scenario.constants(), "{name}");
        assert_eq!(
            again.restart.constants(&again.constants()),
            scenario.restart.constants(&scenario.constants())
        );
        let bare = |scenario: &Scenario| Scenario {
            constants: ConstantsPatch::default(),
            rules: RulesPatch::default(),
            restart: Restart { constants: ConstantsPatch::default(), ..scenario.restart.clone() },
            ..scenario.clone()
        };
        assert_eq!(bare(&again), bare(&scenario), "{name}:\n{shown}");
    }
}

#[test]
fn a_window_lies_within_the_first_act() {
    let text = |begins, ends| {
        format!("about = \"x\"\n[measure]\nbegins_ms = {begins}\nends_ms = {ends}\n")
    };
    assert!(Scenario::parse("x.toml", &text(0, 60_000)).is_ok());
    for (begins, ends) in [(0, 60_001), (5, 5), (7, 6), (0, 0)] {
        assert!(error(&text(begins, ends)).contains("[measure] must "), "{begins} {ends}");
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
fn constants_and_rules_reach_the_protocol() {
    let text = "about = \"x\"\n[constants]\nlease_duration_ms = 9000\nblock_bytes = 4096\n\
                [rules]\nfence_by_promise = false\n";
    let constants = Scenario::parse("x.toml", text).unwrap().constants();
    assert_eq!(constants.lease_duration.as_millis(), 9_000);
    assert_eq!(constants.block_bytes, 4_096);
    assert!(!constants.rules.fence_by_promise);
    assert!(constants.rules.repair);
}

/// What serde takes, section by section: the parser and the list of keys are made of one definition, and
/// this compares the list with what the parser itself reports.
#[test]
fn the_list_of_keys_is_what_the_parser_takes() {
    let listed = |section: &str| -> BTreeSet<String> {
        reference().names(section).into_iter().map(str::to_owned).collect()
    };
    let sections: BTreeSet<String> =
        reference().sections.iter().map(|section| section.path.clone()).collect();
    let taken = |section: &str, fields: &[&str]| {
        let is_section = |field: &&&str| sections.contains(&key::path(section, field));
        let fields: BTreeSet<String> = fields
            .iter()
            .filter(|field| !is_section(field))
            .map(|field| (*field).to_owned())
            .collect();
        assert_eq!(fields, listed(section), "[{section}]");
        fields.len()
    };
    let mut keys = taken("", probe::fields::<Scenario>());
    keys += taken("demands", probe::fields::<Demands>());
    keys += taken("shape", probe::fields::<Shape>());
    keys += taken("acts", probe::fields::<Acts>());
    keys += taken("measure", probe::fields::<Measure>());
    keys += taken("workload", probe::fields::<Workload>());
    keys += taken("faults", probe::fields::<Faults>());
    keys += taken("clocks", probe::fields::<ClockBounds>());
    keys += taken("disks", probe::fields::<DiskBounds>());
    keys += taken("network", probe::fields::<NetworkBounds>());
    keys += taken("constants", probe::fields::<ConstantsPatch>());
    keys += taken("rules", probe::fields::<RulesPatch>());
    keys += taken("restart", probe::fields::<Restart>());
    keys += taken("restart.constants", probe::fields::<ConstantsPatch>());
    keys += taken("fault", probe::fields::<Directed>());
    keys += taken("plan", probe::fields::<Episode>());
    keys += taken("plan.aim", probe::fields::<Aim>());
    assert_eq!(keys, reference().keys.len(), "no section was passed over");
}

#[test]
fn every_key_is_explained_and_its_example_is_right() {
    for key in &reference().keys {
        let path = key.path();
        assert!(key.sentence.len() > 12 && key.sentence.ends_with('.'), "{path}: {}", key.sentence);
        let name = match (key.section.as_str(), reference().is_repeated(&key.section)) {
            ("", _) => String::new(),
            ("plan.aim", _) => continue,
            (section, false) => format!("[{section}]\n"),
            (section, true) => format!("[[{section}]]\n"),
        };
        let about = if path == "about" { "" } else { "about = \"x\"\n" };
        let text = if name.is_empty() {
            format!("{about}{}\n", key.example())
        } else {
            format!("{about}{name}{}\n", key.example())
        };
        // Others of the same section may be missing; nothing is wrong with the example.
        for error in Document::read("x.toml", &text).err().into_iter().flatten() {
            assert!(error.what.starts_with("must be there"), "{error}");
        }
    }
}

/// README.md has a scenario to begin with.
#[test]
fn the_example_for_beginners_is_right() {
    let readme = include_str!("../../../../README.md");
    let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let example = blocks.into_iter().find(|block| block.contains("[[fault]]")).unwrap();
    let Examined { scenario, warnings } = Scenario::examine("README.md", example).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(scenario.fault.len(), 1);
}

/// The page is what `sim scenario --keys` prints; `UPDATE=1` rewrites it.
#[test]
fn the_page_of_keys_is_what_is_printed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/KEYS.md");
    let page = reference().page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "scenarios/KEYS.md is old: `UPDATE=1 just sim-test` rewrites it");
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
