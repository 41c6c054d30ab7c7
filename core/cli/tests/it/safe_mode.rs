//! `safe-mode`, and what `status` says of it.

use crate::cluster::Cluster;
use crate::command::until;
use serde_json::Value;

fn json(cluster: &Cluster, words: &[&str]) -> Value {
    serde_json::from_str(cluster.run(words).well().text()).unwrap()
}

/// The rack of the one server that holds a replica. Racks are numbered as the servers are.
fn holder(cluster: &Cluster) -> Option<usize> {
    let status = json(cluster, &["status", "--json"]);
    let servers = status["servers"].as_array().unwrap();
    let holder = servers.iter().find(|server| server["replicas"] == 1)?;
    usize::try_from(holder["rack"].as_u64()?).ok()
}

#[test]
fn a_lost_chunk_is_named_and_safe_mode_is_left_by_order() {
    let mut cluster = Cluster::start(3);
    cluster.run(&["mkdir", "/d"]).well();
    cluster.run_with(&["put", "--replicas", "1", "-", "/d/alone"], b"12345").well();
    until("the replica is reported", || holder(&cluster).is_some());
    let holder = holder(&cluster).unwrap();
    assert_eq!(json(&cluster, &["safe-mode", "status", "--json"])["safe_mode"], false);

    // As long as the test may take on any machine.
    cluster.run(&["constants", "set", "safe_mode_max=1h"]).well();
    cluster.chunkservers[holder - 1].kill();
    cluster.master.kill();
    cluster.master.start();
    let waits = || json(&cluster, &["safe-mode", "status", "--json"])["waits_for"].clone();
    until("the other two reported", || {
        let waits = waits();
        waits["silent_servers"].as_array().is_some_and(|silent| silent.len() == 1)
            && waits["reporting_servers"].as_array().is_some_and(Vec::is_empty)
    });
    let waits = waits();
    assert_eq!((&waits["chunks"], &waits["unreported"]), (&1.into(), &1.into()), "{waits}");
    assert_eq!(waits["first_unreported"][0]["path"], "/d/alone");
    assert_eq!(waits["first_unreported"][0]["members"], waits["silent_servers"]);
    assert!(waits["ends_within_ms"].as_u64().unwrap() <= 3_600_000, "{waits}");
    assert_eq!(json(&cluster, &["status", "--json"])["safe_mode_waits_for"]["unreported"], 1);
    let page = cluster.run(&["status"]).well();
    assert!(page.text().contains("c1: /d/alone, chunk 0, on n"), "{}", page.text());

    let left = cluster.run(&["safe-mode", "leave"]).well();
    assert!(left.text().starts_with("left safe mode; 1 of 1 chunks"), "{}", left.text());
    assert_eq!(json(&cluster, &["safe-mode", "leave", "--json"])["left"], false);
    assert_eq!(cluster.run(&["safe-mode", "status"]).well().text(), "safe mode is off\n");
    assert_eq!(json(&cluster, &["status", "--json"])["safe_mode"], false);

    cluster.chunkservers[holder - 1].start();
    cluster.wait_until_heard(3);
    assert_eq!(cluster.run(&["cat", "/d/alone"]).well().text(), "12345");
}
