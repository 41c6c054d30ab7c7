//! The client commands, as people expect of `cp`, `ls` and friends.

use crate::cluster::{Cluster, assert_same, noise, signal};
use crate::command::{start, until};
use rustix::process::Signal;
use std::fs;
use std::io::Write;

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn names() {
    let cluster = Cluster::start(3);
    cluster.run(&["mkdir", "-p", "/a/b/c"]).well();
    cluster.run(&["mkdir", "-p", "/a/b/c"]).well();
    cluster.run(&["mkdir", "/a"]).fails(1, "leasehold: mkdir: /a: File exists");
    cluster.run(&["mkdir", "/x/y"]).fails(1, "leasehold: mkdir: /x/y: No such file or directory");
    cluster.run_with(&["put", "-", "/a/file"], b"12345").well();
    assert_eq!(cluster.run(&["ls", "/a"]).well().text(), "b\nfile\n");
    cluster.run(&["ls", "/x"]).fails(1, "leasehold: ls: /x: No such file or directory");

    let entries = json(cluster.run(&["ls", "--json", "/a"]).well().text());
    assert_eq!((&entries[0]["name"], &entries[0]["type"]), (&"b".into(), &"directory".into()));
    assert_eq!((&entries[1]["name"], &entries[1]["length"]), (&"file".into(), &5.into()));

    cluster.run(&["mv", "/a/file", "/a/b"]).well();
    assert_eq!(cluster.run(&["cat", "/a/b/file"]).well().text(), "12345");
    cluster.run(&["rm", "/a"]).fails(1, "/a: Is a directory");
    cluster.run(&["rm", "/a/file"]).fails(1, "/a/file: No such file or directory");
    cluster.run(&["rm", "-f", "/a/file"]).well();
    cluster.run(&["rm", "-r", "/a"]).well();
    assert_eq!(cluster.run(&["ls"]).well().text(), "");
    cluster.run(&["rm", "-r", "/"]).fails(2, "the root stays");
}

#[test]
fn put_and_get_replace_only_when_forced() {
    let cluster = Cluster::start(3);
    let local = cluster.dir.path().join("local");
    let local = local.to_str().unwrap();
    let (old, new) = (noise(1, 700_000), noise(2, 300_000));
    fs::write(local, &old).unwrap();
    cluster.run(&["put", local, "/file"]).well();
    fs::write(local, &new).unwrap();
    cluster.run(&["put", local, "/file"]).fails(1, "/file: File exists; --force replaces it");
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &old);
    cluster.run(&["get", "/file", local]).fails(1, "File exists; --force replaces it");
    assert_same(&fs::read(local).unwrap(), &new);
    cluster.run(&["put", "--force", local, "/file"]).well();
    fs::write(local, b"other").unwrap();
    cluster.run(&["get", "--force", "/file", local]).well();
    assert_same(&fs::read(local).unwrap(), &new);
    assert_eq!(cluster.run(&["ls"]).well().text(), "file\n", "no partial file is left");
    cluster.run(&["put", "/nonexistent", "/x"]).fails(1, "No such file or directory");
    cluster.run(&["put", local, "/no/dir"]).fails(1, "No such file or directory");
    cluster.run(&["get", "/x", "-"]).fails(1, "leasehold: get: /x: No such file or directory");
}

#[test]
fn into_a_directory_a_file_keeps_its_name() {
    let cluster = Cluster::start(3);
    let local = cluster.dir.path().join("notes.txt");
    fs::write(&local, b"notes").unwrap();
    cluster.run(&["mkdir", "/docs"]).well();
    cluster.run(&["put", local.to_str().unwrap(), "/docs"]).well();
    assert_eq!(cluster.run(&["cat", "/docs/notes.txt"]).well().text(), "notes");
    let into = cluster.dir.path().join("into");
    fs::create_dir(&into).unwrap();
    cluster.run(&["get", "/docs/notes.txt", into.to_str().unwrap()]).well();
    assert_eq!(fs::read(into.join("notes.txt")).unwrap(), b"notes");
    cluster.run_with(&["put", "-", "/docs"], b"x").fails(1, "say under which name");
}

#[test]
fn files_of_every_awkward_length() {
    let cluster = Cluster::start(3);
    for (n, length) in [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145].into_iter().enumerate() {
        let bytes = noise(n as u64, length);
        let path = format!("/{length}");
        cluster.run_with(&["put", "--chunk-size", "128KiB", "-", &path], &bytes).well();
        assert_same(&cluster.run(&["cat", &path]).well().stdout, &bytes);
        let stat = json(cluster.run(&["stat", "--json", &path]).well().text());
        assert_eq!(stat[0]["length"], length);
    }
    cluster.run(&["fsck"]).well();
}

#[test]
fn what_is_refused_is_said_in_the_words_of_who_asked() {
    let cluster = Cluster::start(3);
    let long = vec![b'x'; 300 << 10];
    cluster.run(&["mkdir", "/d"]).well();
    let append = ["append", "--create", "--chunk-size", "1MiB", "/d/log"];
    cluster.run_with(&append, &long).fails(1, "the input is longer than a record may be");
    assert_eq!(cluster.run(&["cat", "/d/log"]).well().stdout, b"", "no part of it was appended");
    cluster.run_with(&["put", "-", "/nowhere/file"], b"x").fails(1, "/nowhere/file: No such file");
    let ended = cluster.run_with(&["put", "--replicas", "9", "-", "/d/nine"], b"x").well();
    assert!(ended.stderr.contains("9 replicas are wanted"), "{}", ended.stderr);
    let listed = cluster.run(&["master", "list"]).well();
    assert!(listed.text().contains("serves alone"), "{}", listed.text());
    let status = cluster.run(&["status", "--json"]).well();
    let status: serde_json::Value = serde_json::from_str(status.text()).unwrap();
    let written = &status["masters"][0]["written"];
    assert!(written["syncs"].as_u64() > Some(0), "{status}");
    assert!(written["entries"].as_u64() >= written["syncs"].as_u64(), "{status}");
}

#[test]
fn appended_records_stand_in_order_over_chunks() {
    let cluster = Cluster::start(3);
    let lines: String =
        (0..200).map(|n| format!("record {n:04} {}\n", "x".repeat(1_000))).collect();
    let create = ["append", "--lines", "--create", "--chunk-size", "64KiB", "/log"];
    cluster.run_with(&create, lines.as_bytes()).well();
    let stored = cluster.run(&["cat", "/log"]).well().stdout;
    // What does not fit into a chunk goes into the next; the rest of the chunk is padded.
    let kept: Vec<u8> = stored.into_iter().filter(|byte| *byte != 0).collect();
    assert_same(&kept, lines.as_bytes());
}

#[test]
fn an_interrupted_put_leaves_nothing_and_says_so() {
    let cluster = Cluster::start(3);
    for (n, kind) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let mut put = start(&mut cluster.command(&["put", "-", "/file"]), false);
        put.stdin().write_all(&noise(n as u64, 6 << 20)).unwrap();
        until("the put has begun", || cluster.run(&["ls"]).well().text().contains(".partial-"));
        signal(put.child.id(), kind);
        let _stdin = put.child.stdin.take();
        put.end().fails(1, "nothing was stored as /file");
        assert_eq!(cluster.run(&["ls"]).well().text(), "");
    }
}
