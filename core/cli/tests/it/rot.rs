//! Bytes that change on a disk behind the server's back.

use crate::cluster::{Cluster, assert_same, noise};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Flips one bit of the file that holds `bytes`.
fn flip_a_bit_in(dir: &Path, bytes: &[u8]) {
    for path in files(dir) {
        let stored = fs::read(&path).unwrap();
        if let Some(at) = stored.windows(64).position(|window| window == &bytes[..64]) {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.write_all_at(&[stored[at + 10] ^ 4], at as u64 + 10).unwrap();
            return;
        }
    }
    panic!("no file below {} holds the bytes", dir.display());
}

#[test]
fn a_flipped_bit_is_found_never_returned_and_mended() {
    let mut cluster = Cluster::start(3);
    let bytes = noise(5, 400_000);
    cluster.run_with(&["put", "-", "/file"], &bytes).well();
    for server in &mut cluster.chunkservers {
        server.stop();
    }
    flip_a_bit_in(&cluster.chunkservers[1].data_dir, &bytes);
    for server in &mut cluster.chunkservers {
        server.start();
    }
    cluster.wait_until_heard(3);
    let unwell = cluster.run(&["fsck"]);
    assert_eq!(unwell.code, Some(1), "{}", unwell.text());
    assert!(unwell.text().contains("checksum"), "{}", unwell.text());
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);

    cluster.run(&["fsck", "--wait", "60"]).well();
    assert_same(&cluster.run(&["cat", "/file"]).well().stdout, &bytes);
}
