//! A disk without room: a small file system of its own for every chunkserver.

use crate::cluster::{Cluster, assert_same, noise};
use std::path::{Path, PathBuf};
use std::process::Command;
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
