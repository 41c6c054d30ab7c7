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
