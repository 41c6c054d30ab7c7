//! Bad configuration: said clearly, with exit code 2, before anything is made.

use crate::command::{leasehold, run};
use std::fs;
use tempfile::TempDir;

/// Starts a master with this configuration file; it must refuse.
fn refused(config: &str, says: &str) {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (file, data) = (dir.path().join("bad.toml"), dir.path().join("data"));
    fs::write(&file, config).unwrap();
    let mut command = leasehold();
    command.args(["master", "--listen", "127.0.0.1:0", "--config"]).arg(&file);
    command.arg("--data-dir").arg(&data);
    run(&mut command).fails(2, says);
    assert!(!data.exists(), "nothing is made before the configuration is right");
}

#[test]
fn a_lease_shorter_than_two_heartbeats() {
    refused(
        "heartbeat_interval = '1s'\nlease_duration = '1500ms'\n",
        "lease_duration must be at least two heartbeat_interval (lease_duration = 1500ms at ",
    );
}

#[test]
fn an_unknown_key() {
    refused(
        "\nheartbeet_interval = '1s'\n",
        "bad.toml:2: unknown key \"heartbeet_interval\"; did you mean \"heartbeat_interval\"?",
    );
}

#[test]
fn not_toml_at_all() {
    refused("lease_duration: 12s\n", "bad.toml:1: ");
}

#[test]
fn a_file_that_is_not_there() {
    let mut command = leasehold();
    command.args(["ls", "--config", "/nonexistent/x.toml"]);
    run(&mut command).fails(2, "/nonexistent/x.toml: No such file or directory");
}

#[test]
fn a_server_without_a_place_for_its_data() {
    run(leasehold().arg("master")).fails(2, "--data-dir");
    run(leasehold().arg("chunkserver")).fails(2, "--data-dir");
}

#[test]
fn unknown_words_are_a_usage_error() {
    run(leasehold().arg("frobnicate")).fails(2, "frobnicate");
    run(leasehold().args(["put", "only-one"])).fails(2, "<TO>");
}
