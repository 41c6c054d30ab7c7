//! Three masters as processes: what users see when the leader dies, stands still, or loses its
//! disk.

use crate::cluster::{CONFIG, Server, assert_same, free_port, noise};
use crate::command::{Ended, leasehold, run, start, until};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::Command;
use tempfile::TempDir;

const MIB: usize = 1 << 20;

pub struct Masters {
    pub dir: TempDir,
    pub addresses: Vec<String>,
    pub masters: Vec<Server>,
    _chunkservers: Vec<Server>,
}

impl Masters {
    pub fn start() -> Masters {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(dir.path().join("leasehold.toml"), CONFIG).unwrap();
        let addresses: Vec<String> = (0..3).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let mut cluster =
            Masters { dir, addresses, masters: Vec::new(), _chunkservers: Vec::new() };
        for index in 0..3 {
            let mut master = cluster.master(index, true);
            master.start();
            cluster.masters.push(master);
        }
        let (dir, masters) = (cluster.dir.path(), cluster.addresses.join(","));
        for n in 1..=3 {
            let name = format!("chunkserver-{n}");
            let more = ["--master", &masters, "--rack", &n.to_string()];
            let mut server = Server::new(dir, &name, dir.join(&name), &more);
            server.start();
            cluster._chunkservers.push(server);
        }
        until("all chunkservers are heard", || {
            let ended = cluster.run(&["status", "--json"]);
            let status: Value = serde_json::from_str(ended.well().text()).unwrap();
            status["servers_alive"] == 3 && status["safe_mode"] == false
        });
        cluster
    }

    fn master(&self, index: usize, bootstrap: bool) -> Server {
        let name = format!("master-{}", index + 1);
        let peers: Vec<String> =
            self.addresses.iter().zip(1..).map(|(a, n)| format!("{n}@{a}")).collect();
        let (node, peers) = ((index + 1).to_string(), peers.join(","));
        let mut more = vec!["--node", &node, "--listen", &self.addresses[index], "--peer", &peers];
        more.extend(bootstrap.then_some("--bootstrap"));
        Server::new(self.dir.path(), &name, self.dir.path().join(&name), &more)
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = leasehold();
        command.args(words).args(["--master", &self.addresses.join(","), "--config"]);
        command.arg(self.dir.path().join("leasehold.toml"));
        command
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        run(&mut self.command(words))
    }

    /// With the address of one master.
    pub fn run_at(&self, address: &str, words: &[&str]) -> Ended {
        let mut command = leasehold();
        command.args(words).args(["--master", address, "--config"]);
        run(command.arg(self.dir.path().join("leasehold.toml")))
    }

    pub fn list(&self) -> Value {
        let ended = self.run(&["master", "list", "--json"]).well();
        serde_json::from_str(ended.text()).unwrap()
    }

    /// The index of the master that leads, waited for; not this one.
    pub fn leader(&self, not: Option<usize>) -> usize {
        let mut found = None;
        until("a master leads", || {
            let list = self.list();
            let leads = |at: &usize| list[*at]["role"] == "leader" && Some(*at) != not;
            found = (0..3).find(leads);
            found.is_some()
        });
        found.unwrap()
    }
}

#[test]
fn a_put_and_many_changes_outlive_two_leaders() {
    let mut cluster = Masters::start();
    let bytes = noise(5, 14 * MIB);
    let words = ["put", "--chunk-size", "4MiB", "-", "/file", "--timeout=90s"];
    let mut put = start(&mut cluster.command(&words), false);
    put.stdin().write_all(&bytes[..6 * MIB]).unwrap();
    let first = cluster.leader(None);
    cluster.masters[first].kill();
    put.stdin().write_all(&bytes[6 * MIB..]).unwrap();
    put.end().well();
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);

    cluster.masters[first].start();
    cluster.run(&["mkdir", "/d"]).well();
    for n in 0..60 {
        if n == 20 {
            let second = cluster.leader(None);
            cluster.masters[second].kill();
            cluster.masters[second].start();
        }
        // Made once: a second time it would be there already, and mkdir would say so.
        cluster.run(&["mkdir", &format!("/d/{n:02}")]).well();
    }
    let listed = cluster.run(&["ls", "/d"]).well();
    assert_eq!(listed.text().lines().count(), 60, "{}", listed.text());
    cluster.run(&["fsck", "--wait", "60s"]).well();
    for master in &mut cluster.masters {
        master.runs();
        assert_eq!(master.stop(), Some(0), "{}", master.log());
    }
}

#[test]
fn a_leader_that_stood_still_follows_and_deposes_nobody() {
    let cluster = Masters::start();
    let old = cluster.leader(None);
    cluster.masters[old].signal(Signal::STOP);
    let new = cluster.leader(Some(old));
    cluster.run(&["mkdir", "/while"]).well();
    let term = cluster.list()[new]["term"].clone();
    cluster.masters[old].signal(Signal::CONT);
    until("it follows", || cluster.list()[old]["role"] == "follower");
    cluster.run(&["mkdir", "/after"]).well();
    let list = cluster.list();
    assert_eq!((&list[new]["role"], &list[new]["term"]), (&"leader".into(), &term), "{list}");
    let listed = cluster.run(&["ls", "/"]).well();
    assert_eq!(listed.text(), "after\nwhile\n");
}

#[test]
fn a_new_cluster_is_made_by_its_own_masters() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (listen, peers) = ("127.0.0.1:0", "1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3");
    let mut command = leasehold();
    command.args(["master", "--node", "4", "--listen", listen, "--peer", peers, "--bootstrap"]);
    run(command.arg("--data-dir").arg(dir.path())).fails(2, "this master (n4)");
}

/// A wiped master forgot its votes: it is nobody until it is removed and added, and then has all.
#[test]
fn a_wiped_master_is_removed_and_added() {
    let mut cluster = Masters::start();
    cluster.run(&["mkdir", "/kept"]).well();
    cluster.run(&["master", "snapshot"]).well();
    // Named by a file, or by the command line: the same masters.
    let file = cluster.dir.path().join("masters.toml");
    fs::write(&file, format!("masters = {:?}\n{CONFIG}", cluster.addresses)).unwrap();
    let ended = run(leasehold().args(["status", "--json", "--config"]).arg(&file)).well();
    let status: Value = serde_json::from_str(ended.text()).unwrap();
    assert_eq!(status["masters"].as_array().map(Vec::len), Some(3), "{status}");
    let lost = (cluster.leader(None) + 1) % 3;
    cluster.masters[lost].kill();
    fs::remove_dir_all(&cluster.masters[lost].data_dir).unwrap();
    cluster.masters[lost] = cluster.master(lost, false);
    cluster.masters[lost].start();
    until("it says that it knows nothing", || {
        let list = cluster.list();
        list[lost]["role"] == "learner" && list[lost]["applied"].is_null()
    });
    let number = (lost + 1).to_string();
    let named = format!("{number}@{}", cluster.addresses[lost]);
    cluster.run(&["master", "add", &named]).fails(1, "remove it first");
    cluster.run(&["master", "remove", &number]).well();
    cluster.run(&["master", "add", &named]).well();
    let list = cluster.list();
    assert_eq!(list[lost]["role"], "follower", "it votes when it has caught up: {list}");
    until("it has applied all", || {
        let list = cluster.list();
        let leads = (0..3).find(|at| list[*at]["role"] == "leader");
        let of = |at: usize| list[at]["applied"].clone();
        leads.is_some_and(|leader| of(leader) == of(lost))
    });
    // It counts again: the cluster continues without one of the others.
    let other = (0..3).find(|at| *at != lost && *at != cluster.leader(None)).unwrap();
    cluster.masters[other].kill();
    cluster.run(&["mkdir", "/after"]).well();
    assert_eq!(cluster.run(&["ls", "/"]).well().text(), "after\nkept\n");
}
