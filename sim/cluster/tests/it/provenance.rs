//! Which sources make a build what it is.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The crates whose sources `build.rs` hashes are those that cargo links into the program.
#[test]
fn every_crate_that_reaches_a_run_is_hashed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(&root)
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let (mut reached, mut next) = (BTreeSet::new(), vec!["leasehold-sim".to_owned()]);
    while let Some(name) = next.pop() {
        let Some(package) = packages.iter().find(|package| package["name"] == name.as_str()) else {
            continue;
        };
        if !reached.insert(name) {
            continue;
        }
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let linked = dependencies.filter(|dependency| dependency["kind"] != "dev");
        next.extend(linked.map(|dependency| dependency["name"].as_str().unwrap().to_owned()));
    }
    let folder = |name: &String| {
        let package = packages.iter().find(|package| package["name"] == name.as_str()).unwrap();
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        manifest.parent().unwrap().strip_prefix(&root).unwrap().display().to_string()
    };
    let expected: BTreeSet<String> = reached.iter().map(folder).collect();
    assert!(expected.contains("core/proto") && expected.len() >= 10, "{expected:?}");
    let hashed: BTreeSet<String> =
        env!("LEASEHOLD_SIM_CRATES").split(' ').map(str::to_owned).collect();
    assert_eq!(hashed, expected);
}

/// Every report says how to cite it and which commit it is of.
#[test]
fn every_report_names_a_commit_and_how_to_cite_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let dated = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("20") && name.ends_with(".md")
    };
    let reports: Vec<_> = entries.filter(dated).collect();
    assert!(reports.len() >= 20);
    for path in reports {
        let text = std::fs::read_to_string(&path).unwrap();
        let (_, cite) = text.rsplit_once("**To cite and rerun it.**").unwrap_or_default();
        let is_commit = |word: &str| {
            word.len() >= 7
                && word.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
        };
        let commit = cite.split(|c: char| !c.is_ascii_alphanumeric()).any(is_commit);
        assert!(commit && cite.contains("CITATION.cff"), "{}", path.display());
    }
}
