//! How servers start and stop.

use crate::cluster::Cluster;
use crate::command::{leasehold, run};

#[test]
fn sigterm_stops_every_server_cleanly() {
    let mut cluster = Cluster::start(3);
    cluster.run_with(&["put", "-", "/file"], b"hello\n").well();
    for server in cluster.chunkservers.iter_mut().chain([&mut cluster.master]) {
        assert_eq!(server.stop(), Some(0), "{}", server.log());
        let log = server.log();
        assert!(log.contains("stopping") && log.contains("SIGTERM"), "{log}");
        assert!(log.trim_end().ends_with("stopped"), "{log}");
    }
    for server in cluster.chunkservers.iter_mut().chain([&mut cluster.master]) {
        server.start();
    }
    assert_eq!(cluster.run(&["cat", "/file"]).well().text(), "hello\n");
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let mut cluster = Cluster::start(1);
    for server in [&cluster.chunkservers[0], &cluster.master] {
        let data_dir = server.data_dir.to_str().unwrap();
        run(&mut server.command()).fails(1, data_dir);
    }
    cluster.all_run();
    cluster.wait_until_heard(1);
}

#[test]
fn an_address_that_is_taken() {
    let cluster = Cluster::start(0);
    let data = cluster.dir.path().join("other");
    let mut command = leasehold();
    command.args(["master", "--init", "--listen", cluster.address(), "--data-dir"]).arg(data);
    run(&mut command).fails(1, cluster.address());
}

#[test]
fn a_cluster_that_is_not_there_is_said_so() {
    let address = format!("127.0.0.1:{}", crate::cluster::free_port());
    let mut command = leasehold();
    command.args(["ls", "--timeout", "1s", "--master", &address]);
    run(&mut command)
        .fails(1, &format!("leasehold: ls: {address}: Connection refused (tried for 1s)"));
}
