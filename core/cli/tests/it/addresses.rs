//! Where servers are: what they announce, what clients find, and what is said of an address at which
//! nobody is.

use crate::cluster::{CONFIG, Cluster, Server, free_port};
use crate::command::{Ended, leasehold, run, until};
use crate::masters::Masters;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use tempfile::TempDir;

fn json(ended: Ended) -> Value {
    serde_json::from_str(ended.well().text()).unwrap()
}

/// The address of any one master is enough, whichever leads, also after the leader is gone, for
/// clients and for chunkservers.
#[test]
fn one_address_of_three_is_enough() {
    let mut cluster = Masters::start();
    for one in cluster.addresses.clone() {
        let status = json(cluster.run_at(&one, &["status", "--json"]));
        assert_eq!(status["masters"].as_array().map(Vec::len), Some(3), "{status}");
        cluster.run_at(&one, &["mkdir", "-p", "/d"]).well();
        let listed = json(cluster.run_at(&one, &["master", "list", "--json"]));
        assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
        cluster.run_at(&one, &["fsck"]).well();
    }
    let leader = cluster.leader(None);
    let follower = cluster.addresses[(leader + 1) % 3].clone();
    let dir = cluster.dir.path();
    let more = ["--master", &follower, "--rack", "4"];
    let mut fourth = Server::new(dir, "chunkserver-4", dir.join("chunkserver-4"), &more);
    fourth.start();
    until("the fourth is heard", || {
        json(cluster.run_at(&follower, &["status", "--json"]))["servers_alive"] == 4
    });
    cluster.masters[leader].kill();
    cluster.run_at(&follower, &["mkdir", "/after"]).well();
    let gone = cluster.addresses[leader].clone();
    let both = format!("{gone},{follower}");
    assert_eq!(cluster.run_at(&both, &["ls"]).well().text(), "after\nd\n");
    cluster.run_at(&gone, &["ls", "--timeout", "1s"]).fails(1, "Connection refused (tried for 1s)");
}

#[test]
fn a_wildcard_is_nothing_to_announce_and_nothing_to_dial() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = dir.path().to_str().unwrap();
    for words in [
        &["cluster", "--host", "0.0.0.0", "--dir", data][..],
        &["cluster", "--host", "::", "--dir", data],
        &["master", "--listen", "0.0.0.0:0", "--data-dir", data],
        &["chunkserver", "--listen", "[::]:0", "--data-dir", data],
    ] {
        run(leasehold().args(words)).fails(2, "--advertise HOST");
    }
    for words in [
        &["ls", "--master", "0.0.0.0:7400"][..],
        &["chunkserver", "--master", "0.0.0.0:7400", "--data-dir", data],
        &["master", "--peer", "1@0.0.0.0:7400", "--data-dir", data],
        &["master", "--advertise", "0.0.0.0:7400", "--data-dir", data],
    ] {
        run(leasehold().args(words)).fails(2, "nobody can dial it");
    }
    run(leasehold().args(["ls", "--master", "127.0.0.1:0"])).fails(2, "nobody can dial it");
}

/// What is announced is what others dial, whatever a server is bound to.
#[test]
fn an_advertised_address_is_what_others_are_told() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(dir.path().join("leasehold.toml"), CONFIG).unwrap();
    let port = free_port();
    let (listen, named) = (format!("0.0.0.0:{port}"), format!("localhost:{port}"));
    let more = ["--listen", &listen, "--advertise", &named];
    let mut master = Server::new(dir.path(), "master", dir.path().join("master"), &more);
    master.start();
    let port = free_port();
    let (listen, other) = (format!("0.0.0.0:{port}"), format!("127.0.0.2:{port}"));
    let more = ["--master", &named, "--listen", &listen, "--advertise", &other];
    let mut server = Server::new(dir.path(), "chunkserver", dir.path().join("chunk"), &more);
    server.start();
    let client = |words: &[&str]| run(leasehold().args(words).args(["--master", &named]));
    until("the chunkserver is heard", || json(client(&["status", "--json"]))["servers_alive"] == 1);
    client(&["put", "--replicas", "1", "/proc/self/status", "/f"]).well();
    assert!(server.log().contains(&format!("announced={other}")), "{}", server.log());
}

/// Which address, and whether it was refused or says nothing.
#[test]
fn an_address_where_nobody_is_is_named_with_the_reason() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let ls = |master: &str| run(leasehold().args(["ls", "--timeout", "4s", "--master", master]));
    ls(&nobody).fails(1, &format!("leasehold: ls: {nobody}: Connection refused (tried for 4s)"));
    ls(&silent).fails(1, &format!("{silent}: the peer did not say Hello in time"));
    let both = ls(&format!("{nobody},{silent}"));
    both.fails(1, &format!("no master answers: {nobody}: Connection refused; {silent}: "));

    let mut cluster = Cluster::start(1);
    let chunkserver = &cluster.chunkservers[0];
    let log = chunkserver.log();
    let address = log.split(" announced=").nth(1).unwrap().split_whitespace().next().unwrap();
    ls(address).fails(1, &format!("{address}: a chunkserver listens there, not a master"));

    // A chunkserver that is heard and cannot be dialled: the error says where it was looked for.
    cluster.chunkservers[0].kill();
    let (dir, master) = (cluster.dir.path(), cluster.address());
    let more = ["--master", master, "--advertise", &nobody];
    let mut lost = Server::new(dir, "chunkserver-9", dir.join("chunkserver-9"), &more);
    lost.start();
    until("it is heard", || {
        let status = json(cluster.run(&["status", "--json"]));
        status["servers"].as_array().is_some_and(|all| all.len() == 2)
            && status["servers_alive"] == 1
    });
    let put = ["put", "--timeout", "3s", "/proc/self/status", "/f"];
    cluster.run(&put).fails(1, &format!("at {nobody}: Connection refused"));
}
