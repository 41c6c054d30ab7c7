//! A server's directory is the one that was begun for it: not the mount point of a disk that is
//! missing, not a copy, not another server's.

use crate::cluster::Cluster;
use crate::command::{run, until};
use std::fs;
use std::process::Command;

#[test]
fn a_disk_that_is_not_mounted_is_no_new_server() {
    let mut cluster = Cluster::start(2);
    cluster.run_with(&["put", "--replicas", "2", "-", "/file"], b"hello\n").well();
    let away = cluster.dir.path().join("unplugged");
    let place = cluster.chunkservers[0].data_dir.clone();
    cluster.chunkservers[0].kill();
    fs::rename(&place, &away).unwrap();
    fs::create_dir(&place).unwrap();
    for flag in [&[][..], &["--adopt"]] {
        let ended = run(&mut cluster.chunkservers[0].command_in(&place, flag));
        ended.fails(1, "If its disk should be mounted here, mount it");
    }
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "the mount point stays as it is");
    fs::remove_dir(&place).unwrap();
    fs::rename(&away, &place).unwrap();
    cluster.chunkservers[0].start();
    cluster.wait_until_heard(2);
    let status = cluster.run(&["status", "--json"]).well();
    let status: serde_json::Value = serde_json::from_str(status.text()).unwrap();
    assert_eq!(status["servers"].as_array().map(Vec::len), Some(2), "{status}");
    assert_eq!(cluster.run(&["cat", "/file"]).well().text(), "hello\n");
}

#[test]
fn a_masters_missing_disk_is_no_new_cluster() {
    let mut cluster = Cluster::start(1);
    cluster.run(&["mkdir", "/kept"]).well();
    let place = cluster.master.data_dir.clone();
    cluster.master.kill();
    let away = cluster.dir.path().join("unplugged");
    fs::rename(&place, &away).unwrap();
    run(&mut cluster.master.command_in(&place, &[]))
        .fails(1, "no master was begun in this directory");
    assert!(!place.exists());
    fs::rename(&away, &place).unwrap();
    run(&mut cluster.master.command_in(&place, &["--init"])).fails(1, "leave --init out");
    cluster.master.start();
    assert_eq!(cluster.run(&["ls", "/"]).well().text(), "kept\n");
}

#[test]
fn a_copy_does_not_put_its_original_out_of_service() {
    let mut cluster = Cluster::start(1);
    cluster.run_with(&["put", "--replicas", "1", "-", "/file"], b"hello\n").well();
    let original = cluster.chunkservers[0].data_dir.clone();
    let copy = cluster.dir.path().join("copy");
    let copied = Command::new("cp").arg("-a").args([&original, &copy]).status().unwrap();
    assert!(copied.success());
    let of_copy = |flag: &[&str]| run(&mut cluster.chunkservers[0].command_in(&copy, flag));
    of_copy(&[]).fails(1, "start this one once with --adopt");
    of_copy(&["--init"]).fails(1, "leave --init out");
    cluster.all_run();
    assert_eq!(cluster.run(&["cat", "/file"]).well().text(), "hello\n");
    // The original is given up: its copy is the server from now on, with every byte.
    cluster.chunkservers[0].kill();
    fs::remove_dir_all(&original).unwrap();
    fs::rename(&copy, &original).unwrap();
    run(&mut cluster.chunkservers[0].command_in(&original, &[]))
        .fails(1, "a copy of a chunkserver's");
    let mut adopting = cluster.chunkservers[0].command_in(&original, &["--adopt"]).spawn().unwrap();
    cluster.wait_until_heard(1);
    assert_eq!(cluster.run(&["cat", "/file"]).well().text(), "hello\n");
    adopting.kill().unwrap();
    adopting.wait().unwrap();
    cluster.chunkservers[0].start();
    cluster.wait_until_heard(1);
}

#[test]
fn a_directory_belongs_to_one_role() {
    let mut cluster = Cluster::start(1);
    let of_chunkserver = cluster.chunkservers[0].data_dir.clone();
    cluster.chunkservers[0].kill();
    cluster.master.kill();
    let mut command = cluster.master.command_in(&of_chunkserver, &[]);
    run(&mut command).fails(1, "a chunkserver's, and not a master's directory");
}

#[test]
fn a_master_on_an_older_copy_says_so() {
    let mut cluster = Cluster::start(1);
    cluster.run(&["mkdir", "/first"]).well();
    cluster.master.kill();
    let place = cluster.master.data_dir.clone();
    let older = cluster.dir.path().join("older");
    let copied = Command::new("cp").arg("-a").args([&place, &older]).status().unwrap();
    assert!(copied.success());
    cluster.master.start();
    cluster.run_with(&["put", "--replicas", "1", "-", "/second"], b"hello\n").well();
    cluster.master.kill();
    fs::rename(&place, cluster.dir.path().join("newest")).unwrap();
    fs::rename(&older, &place).unwrap();
    run(&mut cluster.master.command_in(&place, &[])).fails(1, "--adopt");
    let mut adopting = cluster.master.command_in(&place, &["--adopt"]).spawn().unwrap();
    until("the alarm is raised", || {
        let ended = cluster.run(&["status", "--json", "--timeout", "2s"]);
        let status: Option<serde_json::Value> = serde_json::from_str(ended.text()).ok();
        status.is_some_and(|status| status["alarm"] == true)
    });
    let page = cluster.run(&["status"]).well();
    assert!(page.text().contains("an older copy"), "{}", page.text());
    adopting.kill().unwrap();
    adopting.wait().unwrap();
    // Nothing was deleted: the newest directory has all of it.
    fs::rename(&place, cluster.dir.path().join("older")).unwrap();
    fs::rename(cluster.dir.path().join("newest"), &place).unwrap();
    cluster.master.start();
    cluster.wait_until_heard(1);
    assert_eq!(cluster.run(&["cat", "/second"]).well().text(), "hello\n");
}
