//! Servers that die in the middle of something.

use crate::cluster::{Cluster, assert_same, noise};
use crate::command::{start, until};
use std::io::{Read, Write};

const MIB: usize = 1 << 20;
const PUT: [&str; 6] = ["put", "--chunk-size", "4MiB", "-", "/file", "--timeout=90s"];

#[test]
fn a_file_survives_a_chunkserver_killed_in_its_put_and_another_in_its_get() {
    let mut cluster = Cluster::start(3);
    let bytes = noise(1, 22 * MIB + 12_345);

    let mut put = start(&mut cluster.command(&PUT), false);
    put.stdin().write_all(&bytes[..9 * MIB]).unwrap();
    cluster.chunkservers[0].kill();
    put.stdin().write_all(&bytes[9 * MIB..]).unwrap();
    put.end().well();

    // Two members are left of each chunk: bring the third back before another one goes.
    cluster.chunkservers[0].start();
    cluster.run(&["fsck", "--wait", "60"]).well();

    let mut get = start(&mut cluster.command(&["get", "/file", "-"]), true);
    let mut stdout = get.child.stdout.take().unwrap();
    let mut found = vec![0; 9 * MIB];
    stdout.read_exact(&mut found).unwrap();
    cluster.chunkservers[1].kill();
    stdout.read_to_end(&mut found).unwrap();
    get.end().well();
    assert_same(&found, &bytes);

    until("the loss is seen", || {
        let report = cluster.run(&["fsck", "--no-read"]);
        report.code == Some(1) && report.text().contains("NOT HEALTHY")
    });

    cluster.chunkservers[1].start();
    let healthy = cluster.run(&["fsck", "--wait", "60"]).well();
    assert!(
        healthy.text().ends_with("18 replicas read, 66.0 MiB\nHEALTHY\n"),
        "{}",
        healthy.text()
    );
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);
}

#[test]
fn a_put_outlives_its_master() {
    let mut cluster = Cluster::start(3);
    let before = noise(2, 3 * MIB);
    cluster.run_with(&["put", "-", "/before"], &before).well();

    let bytes = noise(3, 14 * MIB);
    let mut put = start(&mut cluster.command(&PUT), false);
    put.stdin().write_all(&bytes[..6 * MIB]).unwrap();
    cluster.master.kill();
    cluster.master.start();
    put.stdin().write_all(&bytes[6 * MIB..]).unwrap();
    put.end().well();

    cluster.run(&["fsck", "--wait", "60"]).well();
    assert_same(&cluster.run(&["cat", "/before"]).well().stdout, &before);
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);
}

#[test]
fn what_was_acknowledged_is_there_after_everything_was_killed() {
    let mut cluster = Cluster::start(3);
    let bytes = noise(4, 5 * MIB);
    cluster.run_with(&["put", "--chunk-size", "2MiB", "-", "/file"], &bytes).well();
    cluster.run_with(&["append", "--create", "/log"], b"one\n").well();

    cluster.master.kill();
    cluster.chunkservers.iter_mut().for_each(super::cluster::Server::kill);
    cluster.master.start();
    cluster.chunkservers.iter_mut().for_each(super::cluster::Server::start);

    cluster.run_with(&["append", "/log"], b"two\n").well();
    assert_eq!(cluster.run(&["cat", "/log"]).well().text(), "one\ntwo\n");
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);
    cluster.run(&["fsck", "--wait", "60"]).well();
}
