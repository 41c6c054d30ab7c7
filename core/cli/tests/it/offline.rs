//! `fsck --metadata`: the directories of masters that ran, sound and damaged.

use crate::cluster::{Cluster, Server};
use crate::command::{Ended, leasehold, run, run_with, until};
use crate::masters::Masters;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn check(dir: &Path, more: &[&str]) -> Ended {
    run(leasehold().args(["fsck", "--metadata"]).arg(dir).args(more))
}

fn check_json(dir: &Path) -> (Option<i32>, Value) {
    let ended = check(dir, &["--json"]);
    (ended.code, serde_json::from_str(ended.text()).unwrap())
}

/// The file of the log in which most records stand, and the place of one in their middle.
fn middle_of_the_log(dir: &Path) -> (PathBuf, u64) {
    let (_, json) = check_json(dir);
    let files = json["files"].as_array().unwrap().iter();
    let log =
        files.filter(|file| file["holds"] == "log").max_by_key(|file| file["records"].as_u64());
    let path = dir.join(log.unwrap()["file"].as_str().unwrap());
    let bytes = fs::read(&path).unwrap();
    let records: Vec<usize> =
        (512..bytes.len()).step_by(16).filter(|at| bytes[*at..].starts_with(b"LHRC")).collect();
    assert!(records.len() > 4, "{json}");
    (path, records[records.len() / 2] as u64)
}

fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Names, bytes and times of all files below.
fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            let changed = fs::metadata(&path).unwrap().modified().unwrap();
            found.push((path.clone(), fs::read(&path).unwrap(), changed));
        }
    }
    found.sort();
    found
}

/// Sound, then with a bad record in its middle: what fsck says is what the master then does.
#[track_caller]
fn sound_then_damaged(master: &mut Server, holds: &str, files: u64) {
    let dir = master.data_dir.clone();
    let before = everything(&dir);
    let page = check(&dir, &[]).well();
    assert!(page.text().contains(holds), "{}", page.text());
    assert!(page.text().ends_with("HEALTHY: a master would start on it\n"), "{}", page.text());
    let (code, json) = check_json(&dir);
    assert_eq!((code, &json["healthy"]), (Some(0), &true.into()), "{json}");
    assert_eq!(json["state"]["files"], files, "{json}");
    assert_eq!(everything(&dir), before, "it only looked");

    let (path, at) = middle_of_the_log(&dir);
    flip(&path, at + 50);
    let (code, json) = check_json(&dir);
    assert_eq!((code, &json["would_start"]), (Some(1), &false.into()), "{json}");
    let name = path.strip_prefix(&dir).unwrap().to_str().unwrap();
    let files = json["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["file"] == name).unwrap();
    assert_eq!((&file["flaw"]["kind"], &file["flaw"]["at"]), (&"corrupt".into(), &at.into()));
    let refused = json["refused"].as_str().unwrap();
    run(&mut master.command()).fails(1, refused);
    flip(&path, at + 50);
    master.start();
}

#[test]
fn a_lone_masters_directory_is_judged_as_the_master_judges_it() {
    let mut cluster = Cluster::start(1);
    let dir = cluster.master.data_dir.clone();
    let held = check(&dir, &[]);
    held.fails(1, "in use by process");
    for n in 0..4 {
        let words = ["put", "--replicas", "1", "-", &format!("/file-{n}")];
        cluster.run_with(&words, b"bytes").well();
    }
    cluster.master.kill();
    sound_then_damaged(&mut cluster.master, "a master without peers", 4);
    assert_eq!(cluster.run(&["ls", "/"]).well().text().lines().count(), 4);

    let chunkserver = &cluster.chunkservers[0].data_dir.clone();
    cluster.chunkservers[0].kill();
    check(chunkserver, &[]).fails(1, "no master's directory");
    check(&dir.join("nowhere"), &[]).fails(1, "nowhere");
    check(&dir, &["--wait", "5s"]).fails(2, "cannot be used with");
}

#[test]
fn each_of_three_masters_directories_is_judged_as_its_master_judges_it() {
    let mut cluster = Masters::start();
    for n in 0..4 {
        cluster.run(&["mkdir", &format!("/d{n}")]).well();
    }
    cluster.run(&["master", "snapshot"]).well();
    run_with(&mut cluster.command(&["put", "-", "/file"]), b"bytes").well();
    until("all have applied all", || {
        let list = cluster.list();
        (1..3).all(|at| list[at]["applied"] == list[0]["applied"])
            && (0..3).all(|at| list[at]["snapshot"].is_u64())
    });
    for master in &mut cluster.masters {
        master.kill();
    }
    for master in &mut cluster.masters {
        sound_then_damaged(master, "a master with peers", 1);
    }
    assert_eq!(cluster.run(&["cat", "/file"]).well().text(), "bytes");
}
