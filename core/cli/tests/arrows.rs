//! The dependency arrows of ARCHITECTURE.md, held against the manifests: who may name whom.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use serde_json::Value;
use std::process::Command;

/// Each crate of the workspace, and the crates of the workspace that it may name in any table of
/// dependencies, those of its tests included. An arrow may skip crates that lie between.
const ARROWS: &[(&str, &[&str])] = &[
    // What ships. Nothing of it names anything below `sim/`.
    ("leasehold-proto", &[]),
    ("leasehold-wire", &["leasehold-proto"]),
    ("leasehold-store", &["leasehold-proto"]),
    ("leasehold-runtime", &["leasehold-proto", "leasehold-wire", "leasehold-store"]),
    (
        "leasehold-client",
        &["leasehold-proto", "leasehold-wire", "leasehold-store", "leasehold-runtime"],
    ),
    (
        "leasehold-node",
        &[
            "leasehold-proto",
            "leasehold-wire",
            "leasehold-store",
            "leasehold-runtime",
            // Of its tests only: see `servers_ship_without_the_client`.
            "leasehold-client",
        ],
    ),
    ("leasehold-fuse", &["leasehold-proto", "leasehold-runtime", "leasehold-client"]),
    (
        "leasehold-cli",
        &[
            "leasehold-proto",
            "leasehold-wire",
            "leasehold-store",
            "leasehold-runtime",
            "leasehold-client",
            "leasehold-fuse",
            "leasehold-node",
        ],
    ),
    // What judges it.
    ("leasehold-checker", &["leasehold-proto"]),
    ("leasehold-trace", &["leasehold-proto", "leasehold-checker"]),
    ("leasehold-explore", &["leasehold-proto"]),
    (
        "leasehold-world",
        &["leasehold-proto", "leasehold-checker", "leasehold-trace", "leasehold-explore"],
    ),
    ("leasehold-model", &["leasehold-proto", "leasehold-checker", "leasehold-world"]),
    (
        "leasehold-sim",
        &[
            "leasehold-proto",
            "leasehold-wire",
            "leasehold-store",
            "leasehold-runtime",
            "leasehold-client",
            "leasehold-node",
            "leasehold-checker",
            "leasehold-trace",
            "leasehold-explore",
        ],
    ),
    ("leasehold-mutants", &[]),
    ("leasehold-papers", &["leasehold-proto", "leasehold-trace", "leasehold-sim"]),
    (
        "leasehold-bench",
        &[
            "leasehold-proto",
            "leasehold-wire",
            "leasehold-store",
            "leasehold-runtime",
            "leasehold-client",
            "leasehold-node",
        ],
    ),
    // Reaches servers over ssh alone; its load is a client, which the checker judges.
    ("leasehold-field", &["leasehold-proto", "leasehold-client", "leasehold-checker"]),
];

/// Crates from outside that break determinism or purity where they do not belong, and who may
/// name them in what it ships. A test or a bench may use what it needs.
const RESTRICTED: &[(&str, &[&str])] = &[
    // Real tokio has no simulation: only its twin, renamed to `tokio`, is used.
    ("tokio", &[]),
    (
        "madsim-tokio",
        &[
            "leasehold-runtime",
            "leasehold-client",
            "leasehold-fuse",
            "leasehold-node",
            "leasehold-cli",
            "leasehold-sim",
            "leasehold-bench",
            "leasehold-field",
        ],
    ),
    ("madsim", &["leasehold-sim"]),
    ("openraft", &["leasehold-node"]),
    ("stateright", &["leasehold-model"]),
    // Reads source in order to mutate it.
    ("syn", &["leasehold-mutants"]),
    ("proc-macro2", &["leasehold-mutants"]),
    // Core emits typed events; they become log lines from runtime outward.
    (
        "tracing",
        &[
            "leasehold-runtime",
            "leasehold-fuse",
            "leasehold-node",
            "leasehold-cli",
            "leasehold-sim",
        ],
    ),
    // The kernel's requests.
    ("fuser", &["leasehold-fuse"]),
    ("tracing-subscriber", &["leasehold-cli", "leasehold-sim"]),
    // Entropy only in binaries; a simulation draws everything from its seed.
    ("getrandom", &["leasehold-cli", "leasehold-bench", "leasehold-field"]),
    // Arguments only in binaries.
    (
        "clap",
        &[
            "leasehold-cli",
            "leasehold-sim",
            "leasehold-world",
            "leasehold-model",
            "leasehold-mutants",
            "leasehold-papers",
            "leasehold-bench",
            "leasehold-field",
        ],
    ),
    // Errors without a type only in binaries.
    (
        "anyhow",
        &[
            "leasehold-cli",
            "leasehold-sim",
            "leasehold-world",
            "leasehold-model",
            "leasehold-mutants",
            "leasehold-papers",
            "leasehold-bench",
            "leasehold-field",
        ],
    ),
    // What a monitor reads of a server.
    ("prometheus-client", &["leasehold-node", "leasehold-cli"]),
    // System calls.
    (
        "rustix",
        &[
            "leasehold-runtime",
            "leasehold-node",
            "leasehold-cli",
            "leasehold-mutants",
            "leasehold-sim",
            "leasehold-bench",
        ],
    ),
];

/// All that the protocol may name: both without `std`.
const PROTO: (&str, &[&str]) = ("leasehold-proto", &["bytes", "serde"]);

/// A crate of the workspace, as its manifest has it.
struct Package {
    name: String,
    shipped: Vec<String>,
    for_tests: Vec<String>,
}

/// Every arrow that the tables do not allow, one sentence each.
fn forbidden(packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        let name = package.name.as_str();
        let Some(arrows) = row(ARROWS, name) else {
            found.push(format!("{name} is not in the table"));
            continue;
        };
        for to in package.shipped.iter().chain(&package.for_tests) {
            if to.starts_with("leasehold-") && !arrows.contains(&to.as_str()) {
                found.push(format!("{name} may not name {to}"));
            }
        }
        for to in &package.shipped {
            let allowed = row(RESTRICTED, to).is_none_or(|users| users.contains(&name));
            let beyond = name == PROTO.0 && !PROTO.1.contains(&to.as_str());
            if !allowed || beyond {
                found.push(format!("{name} may not name {to}"));
            }
        }
    }
    found
}

fn row(
    table: &'static [(&'static str, &'static [&'static str])],
    name: &str,
) -> Option<&'static [&'static str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, others)| *others)
}

/// The manifests, as cargo reads them.
fn workspace() -> Vec<Package> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .args(["--manifest-path", root])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(package).collect()
}

fn package(manifest: &Value) -> Package {
    let dependencies = manifest["dependencies"].as_array().unwrap();
    let named = |for_tests: bool| {
        let kept = dependencies.iter().filter(|d| (d["kind"] == "dev") == for_tests);
        kept.map(|d| d["name"].as_str().unwrap().into()).collect()
    };
    let name = manifest["name"].as_str().unwrap().into();
    Package { name, shipped: named(false), for_tests: named(true) }
}

#[test]
fn the_manifests_keep_to_the_table() {
    let found = forbidden(&workspace());
    assert!(found.is_empty(), "see ARCHITECTURE.md: {found:#?}");
}

// Servers and clients have the runtime in common and nothing else.
#[test]
fn servers_ship_without_the_client() {
    let node = workspace().into_iter().find(|p| p.name == "leasehold-node").unwrap();
    assert!(!node.shipped.iter().any(|to| to == "leasehold-client"), "{:?}", node.shipped);
}

// What only servers need stays out of a program that is a client.
#[test]
fn a_client_needs_no_consensus_library() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--prefix", "none", "-p", "leasehold-client"])
        .args(["--manifest-path", root])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.contains("leasehold-runtime"), "{tree}");
    let servers_own =
        tree.lines().filter(|l| l.starts_with("openraft") || l.starts_with("leasehold-node"));
    assert_eq!(servers_own.collect::<Vec<_>>(), Vec::<&str>::new());
}

// A crate that is renamed or removed must not leave its rights behind.
#[test]
fn the_table_names_the_crates_that_exist() {
    let mut exist: Vec<String> = workspace().into_iter().map(|p| p.name).collect();
    let mut named: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let users = ARROWS.iter().chain(RESTRICTED).flat_map(|(_, others)| *others);
    for user in users {
        assert!(named.contains(user), "{user} has no row of its own");
    }
    exist.sort();
    named.sort_unstable();
    assert_eq!(exist, named);
}

// Without this, two rows could allow each other.
#[test]
fn arrows_point_one_way() {
    for (at, (name, others)) in ARROWS.iter().enumerate() {
        for other in *others {
            let place = ARROWS.iter().position(|(n, _)| n == other).unwrap();
            assert!(place < at, "{name} names {other}, which stands below it");
        }
    }
}

#[test]
fn a_forbidden_arrow_is_reported() {
    let told = |name: &str, shipped: &[&str], for_tests: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        let (shipped, for_tests) = (owned(shipped), owned(for_tests));
        forbidden(&[Package { name: name.into(), shipped, for_tests }])
    };
    let none: Vec<String> = vec![];
    assert_eq!(told("leasehold-wire", &["leasehold-proto", "bytes"], &["rand"]), none);
    assert_eq!(
        told("leasehold-wire", &["leasehold-store"], &[]),
        ["leasehold-wire may not name leasehold-store"]
    );
    assert_eq!(
        told("leasehold-node", &[], &["leasehold-checker"]),
        ["leasehold-node may not name leasehold-checker"]
    );
    assert_eq!(
        told("leasehold-store", &["madsim-tokio"], &[]),
        ["leasehold-store may not name madsim-tokio"]
    );
    assert_eq!(told("leasehold-cli", &["tokio"], &[]), ["leasehold-cli may not name tokio"]);
    assert_eq!(
        told("leasehold-proto", &["serde", "thiserror"], &[]),
        ["leasehold-proto may not name thiserror"]
    );
    assert_eq!(told("leasehold-new", &[], &[]), ["leasehold-new is not in the table"]);
}
