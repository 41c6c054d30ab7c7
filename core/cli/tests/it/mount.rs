//! A mounted cluster: real programs' system calls, by the kernel.

use crate::cluster::{Cluster, noise};
use crate::command::{run, until};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A cluster's directory on this machine; unmounted when it is dropped.
struct Mount {
    at: PathBuf,
    _dir: tempfile::TempDir,
}

impl Mount {
    /// None where FUSE cannot be used: only the superuser of a machine with `/dev/fuse` can.
    fn of(cluster: &Cluster, options: &str) -> Option<Mount> {
        let root = fs::metadata("/proc/self").is_ok_and(|of| of.uid() == 0) && may_administer();
        if !root || File::options().read(true).write(true).open("/dev/fuse").is_err() {
            eprintln!("skipped: mounting needs the superuser and /dev/fuse");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("mnt");
        fs::create_dir(&at).unwrap();
        let options = format!("replicas=2,{options}");
        let mounted = cluster.run(&["mount", "-o", &options, at.to_str().unwrap()]);
        let may_not = ["Operation not permitted", "fusermount"];
        if may_not.iter().any(|why| mounted.stderr.contains(why)) {
            eprintln!("skipped: this superuser may not mount: {}", mounted.stderr);
            return None;
        }
        mounted.well();
        Some(Mount { at, _dir: dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(&self.at));
    }
}

/// Has this process CAP_SYS_ADMIN, which a container's superuser may lack?
fn may_administer() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    effective.unwrap_or(0) >> 21 & 1 == 1
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn programs_find_a_file_system() {
    let cluster = Cluster::start(3);
    let Some(mount) = Mount::of(&cluster, "chunk=65536") else { return };
    let (file, bytes) = (mount.path("file"), noise(7, 200_000));
    fs::write(&file, &bytes).unwrap();
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(cluster.run(&["cat", "/file"]).well().stdout, bytes, "as the commands see it");

    // Links, modes, owners.
    fs::hard_link(&file, mount.path("other")).unwrap();
    symlink("file", mount.path("link")).unwrap();
    assert_eq!(fs::metadata(mount.path("other")).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(mount.path("link")).unwrap().len(), 200_000);
    assert_eq!(fs::read_link(mount.path("link")).unwrap(), Path::new("file"));
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&file, Some(7), Some(8)).unwrap();
    let found = fs::metadata(mount.path("other")).unwrap();
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o640, 7, 8));
    assert!(cluster.run(&["ls", "-l", "/"]).well().text().contains("-rw-r-----  2     7     8"));

    // A hole, and a cut.
    let mut open = OpenOptions::new().read(true).write(true).open(&file).unwrap();
    open.set_len(100_000).unwrap();
    open.write_all_at(b"far", 1 << 40).unwrap();
    assert_eq!(open.metadata().unwrap().len(), (1 << 40) + 3);
    let mut tail = [1; 10];
    open.read_exact_at(&mut tail, 99_995).unwrap();
    assert_eq!(tail[..5], bytes[99_995..100_000]);
    assert_eq!(tail[5..], [0; 5], "what was cut reads as zeros");

    // Removed while it is open, and still written and read.
    fs::remove_file(&file).unwrap();
    fs::remove_file(mount.path("other")).unwrap();
    open.set_len(4).unwrap();
    open.seek(SeekFrom::End(0)).unwrap();
    open.write_all(b"more").unwrap();
    open.seek(SeekFrom::Start(4)).unwrap();
    let mut rest = String::new();
    open.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "more");
    assert_eq!(open.metadata().unwrap().nlink(), 0);
    assert!(fs::metadata(mount.path("link")).is_err(), "it leads nowhere");
}

#[test]
fn directories_hold_any_name_and_many() {
    let cluster = Cluster::start(3);
    let Some(mount) = Mount::of(&cluster, "attr_timeout=1,entry_timeout=1") else { return };
    let directory = mount.path("d");
    fs::create_dir(&directory).unwrap();
    let mut made: Vec<String> = (0..500).map(|number| format!("name {number}")).collect();
    made.extend(["ä\n\\".to_owned(), "n".repeat(255)]);
    for name in &made {
        File::create(directory.join(name)).unwrap();
    }
    made.sort();
    assert_eq!(names(&directory), made);
    let odd = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\x01" as &[u8]);
    let odd = directory.join::<&std::ffi::OsStr>(odd);
    fs::write(&odd, "odd").unwrap();
    assert_eq!(fs::read(&odd).unwrap(), b"odd");
    cluster.run(&["rm", "-r", "/d/sub"]).fails(1, "No such file");
    fs::create_dir(directory.join("sub")).unwrap();
    fs::write(directory.join("sub").join(odd.file_name().unwrap()), "odd").unwrap();
    cluster.run(&["rm", "-r", "/d/sub"]).well();
    fs::remove_file(&odd).unwrap();
    let too_long = File::create(directory.join("n".repeat(256))).unwrap_err();
    assert_eq!(too_long.raw_os_error(), Some(36), "ENAMETOOLONG");
    let moved = mount.path("moved");
    fs::rename(&directory, &moved).unwrap();
    assert_eq!(fs::remove_dir(&moved).unwrap_err().raw_os_error(), Some(39), "ENOTEMPTY");
    fs::remove_dir_all(&moved).unwrap();
    assert_eq!(names(&mount.at), Vec::<String>::new());
}

/// Counts to `times` in a file, in turns with others that do so under this lock.
fn count(mount: PathBuf, times: u32) -> impl FnOnce() + Send + 'static {
    move || {
        let file = OpenOptions::new().read(true).write(true).open(mount).unwrap();
        for _ in 0..times {
            file.lock().unwrap();
            let mut number = [0; 4];
            file.read_exact_at(&mut number, 0).unwrap();
            let next = u32::from_le_bytes(number) + 1;
            file.write_all_at(&next.to_le_bytes(), 0).unwrap();
            file.unlock().unwrap();
        }
    }
}

/// Locks are the cluster's: two mounts count together, and what a mount has locked is free again when it
/// is gone.
#[test]
fn locks_hold_between_mounts() {
    let cluster = Cluster::start(3);
    let Some(one) = Mount::of(&cluster, "") else { return };
    let Some(other) = Mount::of(&cluster, "") else { return };
    fs::write(one.path("n"), 0_u32.to_le_bytes()).unwrap();
    let counters = [&one, &other].map(|mount| std::thread::spawn(count(mount.path("n"), 40)));
    counters.into_iter().for_each(|counter| counter.join().unwrap());
    assert_eq!(fs::read(other.path("n")).unwrap(), 80_u32.to_le_bytes());

    // Closed without being unlocked.
    let (held, wanted) = (File::open(one.path("n")).unwrap(), File::open(other.path("n")).unwrap());
    held.lock_shared().unwrap();
    wanted.try_lock_shared().expect("beside another shared lock");
    assert!(wanted.try_lock().is_err(), "but no exclusive one");
    drop(held);
    wanted.lock().unwrap();
    assert!(File::open(one.path("n")).unwrap().try_lock_shared().is_err());

    // A mount whose locks are this machine's sees none of the others'.
    let Some(local) = Mount::of(&cluster, "local_lock=all") else { return };
    File::open(local.path("n")).unwrap().try_lock().expect("nobody here has it");
}

/// A program notices a pause at most when a chunkserver dies.
#[test]
fn a_killed_chunkserver_is_a_pause() {
    let mut cluster = Cluster::start(3);
    let Some(mount) = Mount::of(&cluster, "") else { return };
    let (path, bytes) = (mount.path("file"), noise(9, 3 << 20));
    let mut file = File::create(&path).unwrap();
    file.write_all(&bytes[..1 << 20]).unwrap();
    cluster.chunkservers[0].kill();
    file.write_all(&bytes[1 << 20..]).unwrap();
    file.sync_all().unwrap();
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_cannot_be_mounted_is_said() {
    let cluster = Cluster::start(1);
    cluster.run(&["mount", "-o", "bogus", "/mnt"]).fails(2, "-o bogus: no such option");
    let Some(mount) = Mount::of(&cluster, "ro") else { return };
    let refused = File::create(mount.path("x")).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(30), "EROFS");
    let nowhere = mount.path("nowhere");
    cluster.run(&["mount", nowhere.to_str().unwrap()]).fails(1, "cannot be mounted");
    run(Command::new("umount").arg(&mount.at)).well();
    until("the mount is gone", || {
        !fs::read_to_string("/proc/mounts").unwrap().contains(mount.at.to_str().unwrap())
    });
}
