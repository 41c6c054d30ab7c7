//! What operators see and do: versions, dead servers, full clusters, failed disks.

use crate::cluster::{Cluster, Server, noise};
use crate::command::{Started, leasehold, run, start, until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;
use std::process::Command;

fn status(cluster: &Cluster) -> Value {
    serde_json::from_str(cluster.run(&["status", "--json"]).well().text()).unwrap()
}

#[test]
fn the_version_names_the_commit() {
    let version = run(leasehold().arg("--version")).well();
    let text = version.text();
    let commit = text.split_once("(commit ").unwrap().1.split([',', ')']).next().unwrap();
    let known = Command::new("git").args(["cat-file", "-e", commit]).output();
    let known = known.is_ok_and(|output| output.status.success());
    assert!(known || commit == "unknown", "{text}");
}

/// A server that is gone for good is not shown for good.
#[test]
fn a_dead_server_is_shown_with_its_age_and_forgotten_on_demand() {
    let mut cluster = Cluster::start(2);
    let listed = status(&cluster);
    let names: Vec<String> = listed["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| server["server"].as_str().unwrap().to_owned())
        .collect();
    cluster.run(&["server", "forget", &names[0]]).fails(1, "is heard: stop it before");
    cluster.run(&["server", "forget", "n7"]).fails(1, "n7: no such server ever registered");
    cluster.chunkservers[1].kill();
    until("it is dead", || status(&cluster)["servers_alive"] == 1);
    let page = cluster.run(&["status"]).well();
    assert!(
        page.text().contains("DEAD") && page.text().contains("not heard for"),
        "{}",
        page.text()
    );
    let dead = status(&cluster);
    let dead = dead["servers"].as_array().unwrap().iter().find(|s| s["alive"] == false).unwrap();
    cluster.run(&["server", "forget", dead["server"].as_str().unwrap()]).well();
    assert_eq!(status(&cluster)["servers"].as_array().unwrap().len(), 1);
    cluster.master.kill();
    cluster.master.start();
    cluster.wait_until_heard(1);
    assert_eq!(status(&cluster)["servers"].as_array().unwrap().len(), 1, "it is in the log");
    cluster.chunkservers[1].start();
    until("it is back", || status(&cluster)["servers"].as_array().unwrap().len() == 2);
}

/// What cannot fit is refused before it is sent.
#[test]
fn a_put_that_cannot_fit_is_refused_at_once() {
    let mut cluster = Cluster::start(0);
    let dir = cluster.dir.path().to_owned();
    let address = cluster.address().to_owned();
    let more = ["--master", &address, "--capacity", "4MiB"];
    let mut server = Server::new(&dir, "chunkserver-1", dir.join("chunkserver-1"), &more);
    server.start();
    cluster.chunkservers.push(server);
    cluster.wait_until_heard(1);
    let local = dir.join("local");
    std::fs::write(&local, noise(1, 6 << 20)).unwrap();
    let begun = std::time::Instant::now();
    let put = ["put", "--replicas", "1", local.to_str().unwrap(), "/big"];
    cluster.run(&put).fails(1, "/big: No space left on device: 6.0 MiB are to be stored");
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    assert_eq!(cluster.run(&["ls"]).well().text(), "");
}

/// Started again so that a file that may not grow is an error and no signal.
fn restarted(server: &mut Server) -> Started {
    server.stop();
    let usual = server.command();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(usual.get_program());
    start(command.args(usual.get_args()), false)
}

/// From here on no write of this process succeeds (EFBIG).
fn spoil_disk_of(server: &Started) {
    let pid = Pid::from_raw(i32::try_from(server.child.id()).unwrap());
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(pid, Resource::Fsize, none).unwrap();
}

/// A disk that fails is named with the file and the operating system's reason. What runs on it ends, with
/// a code of its own: a supervisor sees it.
#[test]
fn a_failed_disk_is_named_and_a_master_on_it_ends() {
    let mut cluster = Cluster::start(1);
    let chunkserver = restarted(&mut cluster.chunkservers[0]);
    // Served by the new process: it has opened its directory.
    cluster.run(&["put", "--replicas", "1", "/proc/self/status", "/before"]).well();
    spoil_disk_of(&chunkserver);
    cluster.run(&["put", "--timeout", "4s", "/proc/self/status", "/f"]).fails(1, "/f: ");
    let ended = chunkserver.end().fails(3, "the disk is out of service");
    let data = cluster.chunkservers[0].data_dir.to_str().unwrap();
    assert!(ended.stderr.contains("File too large"), "{}", ended.stderr);
    assert!(ended.stderr.contains(data), "{}", ended.stderr);

    let master = restarted(&mut cluster.master);
    until("it leads", || cluster.run(&["ls"]).code == Some(0));
    spoil_disk_of(&master);
    cluster.run(&["mkdir", "--timeout", "3s", "/d"]).fails(1, "/d: ");
    let ended = master.end().fails(3, "File too large");
    let data = cluster.master.data_dir.to_str().unwrap();
    assert!(ended.stderr.contains(data) && ended.stderr.contains("the process ends"));
}
