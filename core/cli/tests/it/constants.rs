//! Constants of a cluster of processes: one that insists on others is refused, and a change reaches all.

use crate::cluster::{Cluster, Server};
use crate::command::run;

/// The instance that showed the kind: a chunkserver with a lease of ten minutes beside two of the
/// cluster's.
#[test]
fn a_server_that_insists_on_another_lease_ends_with_both_values() {
    let cluster = Cluster::start(1);
    let more = ["--master", cluster.address(), "--set", "lease_duration=10m"];
    let data_dir = cluster.dir.path().join("other");
    let mut other = Server::new(cluster.dir.path(), "chunkserver-9", data_dir, &more);
    other.start();
    assert_eq!(other.ends(), Some(2), "{}", other.log());
    let log = other.log();
    assert!(
        log.contains("lease_duration = 600s is configured here, and the cluster has 2s"),
        "{log}"
    );
    let client = ["ls", "/", "--set", "lease_duration=10m"];
    cluster
        .run(&client)
        .fails(2, "lease_duration = 600s is configured here, and the cluster has 2s");
}

#[test]
fn a_master_that_insists_on_another_lease_than_its_log_has_ends() {
    let mut cluster = Cluster::start(1);
    cluster.master.stop();
    let mut command = cluster.master.command();
    command.args(["--set", "trash_retention=3s"]);
    run(&mut command)
        .fails(2, "trash_retention = 3s is configured here, and the cluster has 3600s");
    cluster.master.start();
    cluster.wait_until_heard(1);
}

#[test]
fn a_change_is_refused_with_a_reason_or_reaches_every_server() {
    let mut cluster = Cluster::start(2);
    cluster
        .run(&["constants", "set", "lease_duration=1ms"])
        .fails(1, "at least two heartbeat_interval");
    cluster.run(&["constants", "set", "block_bytes=4KiB"]).fails(1, "block_bytes is fixed");
    cluster.run(&["constants", "set", "operation_timeout=1s"]).fails(2, "each process's own");
    cluster.chunkservers[1].kill();
    let ended = cluster.run(&["constants", "set", "lease_duration=3s"]).well();
    assert!(ended.text().contains("k3 holds everywhere"), "{}", ended.text());
    let shown = || {
        let ended = cluster.run(&["constants", "--json"]).well();
        serde_json::from_str::<serde_json::Value>(ended.text()).unwrap()
    };
    let json = shown();
    assert_eq!(json["constants"]["lease_duration"]["value"], 3_000_000_000_u64);
    assert_eq!((&json["version"], &json["changing"]), (&3.into(), &false.into()));
    // Its configuration still insists on the old one.
    cluster.chunkservers[1].start();
    assert_eq!(cluster.chunkservers[1].ends(), Some(2));
    cluster.run(&["constants", "set", "lease_duration=2s"]).well();
    cluster.chunkservers[1].start();
    cluster.wait_until_heard(2);
}
