//! A disk without room: a small file system of its own for every chunkserver.

use crate::cluster::{Cluster, assert_same, noise};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A mounted tmpfs; unmounted when it goes.
struct Small(TempDir);

impl Small {
    /// None where this process may not mount.
    fn mount(mib: u32) -> Option<Small> {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let size = format!("size={mib}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "leasehold-test"])
            .arg(dir.path())
            .output();
        mount.is_ok_and(|output| output.status.success()).then_some(Small(dir))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let disks: Option<Vec<Small>> = (0..3).map(|_| Small::mount(32)).collect();
    let Some(disks) = disks else {
        eprintln!("SKIPPED: this process may not mount a tmpfs, so no disk can be made full");
        return;
    };
    let place = |dir: &Path, name: &str| -> PathBuf {
        let number = name.strip_prefix("chunkserver-").and_then(|n| n.parse::<usize>().ok());
        number.map_or_else(|| dir.join(name), |n| disks[n - 1].0.path().join("data"))
    };
    let mut cluster = Cluster::start_in(3, place);
    let before = noise(1, 5 << 20);
    cluster.run_with(&["put", "-", "/before"], &before).well();

    let too_much = noise(2, 48 << 20);
    let put = ["put", "--chunk-size", "4MiB", "--timeout", "10s", "-", "/too-much"];
    let failed = cluster.run_with(&put, &too_much).fails(1, "/too-much: ");
    let said = ["No space left on device", "no chunkserver can take a replica"];
    assert!(said.iter().any(|text| failed.stderr.contains(text)), "{}", failed.stderr);

    cluster.all_run();
    assert_same(&cluster.run(&["cat", "/before"]).well().stdout, &before);
    let names = cluster.run(&["ls"]).well();
    assert!(!names.text().lines().any(|name| name == "too-much"), "{}", names.text());
    // The servers hold their files below the mount points: stop them before these go.
    drop(cluster);
    drop(disks);
}

/// Something else fills the disk of one of four servers: new files get their replicas on the three others,
/// within seconds, and the full one is not asked again and again.
#[test]
fn a_disk_that_something_else_fills_is_left_alone() {
    let Some(small) = Small::mount(48) else {
        eprintln!("SKIPPED: this process may not mount a tmpfs, so no disk can be made full");
        return;
    };
    let place = |dir: &Path, name: &str| match name {
        "chunkserver-2" => small.0.path().join("data"),
        _ => dir.join(name),
    };
    let cluster = Cluster::start_in(4, place);
    fill(&small.0.path().join("something-else"));
    // Its next heartbeat says so.
    std::thread::sleep(Duration::from_secs(2));
    for n in 0..8 {
        let to = format!("/file-{n}");
        cluster.run_with(&["put", "-", &to], &noise(n, 1 << 20)).well();
    }
    cluster.run(&["fsck", "--wait", "20s"]).well();
    let status = cluster.run(&["status", "--json"]).well();
    let status: serde_json::Value = serde_json::from_str(status.text()).unwrap();
    assert_eq!(status["chunks_under_target"], 0);
    let servers = status["servers"].as_array().unwrap();
    let on_full: u64 = servers
        .iter()
        .filter(|server| server["free_bytes"].as_u64().unwrap() < 1 << 20)
        .map(|server| server["replicas"].as_u64().unwrap())
        .sum();
    assert_eq!(on_full, 0, "{status:#}");
    drop(cluster);
    drop(small);
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    let block = vec![7; 64 << 10];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    while std::io::Write::write_all(&mut file, &block[..512]).is_ok() {}
}

/// Deleted files come back from the trash, once, and where they were; and their room is given back.
#[test]
fn the_trash_is_listed_restored_and_emptied() {
    let cluster = Cluster::start(3);
    let content = noise(3, 1 << 20);
    for path in ["/a", "/b"] {
        cluster.run_with(&["put", "-", path], &content).well();
        cluster.run(&["rm", path]).well();
    }
    let listed = cluster.run(&["trash", "list", "--json"]).well();
    let listed: serde_json::Value = serde_json::from_str(listed.text()).unwrap();
    let paths: Vec<&str> =
        listed.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/a", "/b"]);
    cluster.run_with(&["put", "-", "/a"], b"another").well();
    cluster.run(&["trash", "restore", "/a"]).fails(1, "something is there");
    cluster.run(&["trash", "restore", "/a", "--to", "/back"]).well();
    assert_same(&cluster.run(&["cat", "/back"]).well().stdout, &content);
    cluster.run(&["trash", "restore", "/a"]).fails(1, "not in the trash");
    cluster.run(&["trash", "empty", "/b"]).well();
    let emptied = Instant::now();
    while cluster.run(&["trash", "list"]).well().text().trim() != "the trash is empty" {
        assert!(emptied.elapsed() < Duration::from_secs(60), "it is not reclaimed");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// A chunk that no server could ever hold is refused before anything is stored.
#[test]
fn a_chunk_larger_than_every_disk_is_refused() {
    let cluster = Cluster::start(3);
    let put = ["put", "--chunk-size", "1TiB", "-", "/giant"];
    let failed = cluster.run_with(&put, b"z").fails(1, "/giant");
    assert!(failed.stderr.contains("choose a smaller chunk size"), "{}", failed.stderr);
}
