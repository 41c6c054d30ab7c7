//! `leasehold cluster`.

use crate::cluster::signal;
use crate::command::{Started, leasehold, run, run_with, start, until};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Four free ports in a row, below those that the system hands out by itself, and other ones for
/// each test of each process.
fn base_port() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 100).unwrap() * 100;
    let free = |port: &u16| {
        (*port..*port + 4).all(|p| std::net::TcpListener::bind(("127.0.0.1", p)).is_ok())
    };
    let mut tries =
        (0..20).map(|_| 20_000 + own + 4 * NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    tries.find(free).expect("of twenty places one is free")
}

/// Starts it and returns when it has said that it is complete: all of it, since a cluster that
/// cannot say what it wants to ends.
fn cluster(dir: &Path, port: u16) -> Started {
    let mut command = leasehold();
    command.args(["cluster", "--base-port", &port.to_string(), "--dir"]).arg(dir);
    let mut started = start(&mut command, true);
    let lines = BufReader::new(started.child.stdout.take().unwrap()).lines();
    let mut lines = lines.map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.contains("1 master and 3 chunkservers"), "{first}");
    assert!(lines.any(|line| line == "Ctrl-C stops them."), "the welcome's last line");
    started
}

fn client(port: u16, words: &[&str]) -> Command {
    let mut command = leasehold();
    command.args(words).env("LEASEHOLD_MASTER", format!("127.0.0.1:{port}"));
    command
}

fn nobody_listens(port: u16) -> bool {
    (port..port + 4).all(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok())
}

#[test]
fn it_stops_cleanly_and_serves_the_same_files_again() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let port = base_port();
    let started = cluster(dir.path(), port);
    run_with(&mut client(port, &["put", "-", "/file"]), b"kept\n").well();
    signal(started.child.id(), Signal::TERM);
    started.end().well();
    assert!(nobody_listens(port), "every server has ended with it");

    let started = cluster(dir.path(), port);
    assert_eq!(run(&mut client(port, &["cat", "/file"])).well().text(), "kept\n");
    signal(started.child.id(), Signal::INT);
    started.end().well();
}

/// The process of a server of this cluster.
fn process_of(cluster: &Started, server: &str) -> Option<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let mut ids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.find(|id| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, parent) = (fields.next(), fields.next());
        let words = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let child = parent == Some(&cluster.child.id().to_string()) && state != Some("Z");
        child && words.split('\0').any(|word| word.ends_with(server))
    })
}

/// As the README says: who kills one sees the others continue, and it come back.
#[test]
fn a_killed_server_is_started_again() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let port = base_port();
    let started = cluster(dir.path(), port);
    let mut put = start(&mut client(port, &["put", "--chunk-size", "64KiB", "-", "/file"]), false);
    let bytes = vec![7; 400_000];
    put.stdin().write_all(&bytes[..200_000]).unwrap();
    let killed = process_of(&started, "chunkserver-2").unwrap();
    signal(killed, Signal::KILL);
    put.stdin().write_all(&bytes[200_000..]).unwrap();
    put.end().well();
    until("it is back", || process_of(&started, "chunkserver-2").is_some_and(|id| id != killed));
    run(&mut client(port, &["fsck", "--wait", "90s"])).well();
    assert!(run(&mut client(port, &["cat", "/file"])).well().stdout == bytes);
    signal(started.child.id(), Signal::TERM);
    let said = started.end().well().stderr;
    assert!(said.contains("chunkserver-2 ended (signal: 9"), "{said}");
}

#[test]
fn its_servers_do_not_outlive_it() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let port = base_port();
    let mut started = cluster(dir.path(), port);
    started.child.kill().unwrap();
    started.child.wait().unwrap();
    until("the servers have ended", || nobody_listens(port));
}
