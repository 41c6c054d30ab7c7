//! A directory of the operating system as a [`Disk`].

#![allow(clippy::disallowed_types, reason = "this is the one place that touches files")]

use crate::data_dir::{self, DataDirError};
use leasehold_store::{Disk, DiskError, Open, Space};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Holds the directory for one process; never listed.
pub(crate) const LOCK: &str = "lock";

/// A data directory, locked for this process for as long as the value lives.
#[derive(Debug)]
pub struct OsDisk {
    root: PathBuf,
    _lock: File,
}

/// An open file with its name, for messages.
#[derive(Debug)]
pub struct OsFile {
    pub(crate) file: File,
    pub(crate) name: String,
}

impl OsDisk {
    /// Opens and locks a directory, making it if there is none. Servers open theirs by [`data_dir`].
    ///
    /// # Errors
    /// `InUse` if another process holds it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let root = root.into();
        let fail = |error| DataDirError::Io { path: root.clone(), error };
        make_durably(&root).map_err(fail)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut lock = options.open(root.join(LOCK)).map_err(fail)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(DataDirError::InUse { holder: holder_of(&mut lock), path: root });
            }
            Err(errno) => return Err(fail(errno.into())),
        }
        write_holder(&mut lock).map_err(fail)?;
        Ok(OsDisk { root, _lock: lock })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// How a change ended. One that failed takes the disk out of service: the log says at which file,
    /// and what the operating system said.
    fn changed<T>(&self, name: &str, what: &str, done: io::Result<T>) -> Result<T, DiskError> {
        named(
            name,
            done.inspect_err(|error| {
                if let DiskError::Failed { .. } = disk_error(name, error) {
                    let path = self.path(name);
                    tracing::error!(path = %path.display(), %error, "cannot {what} a file");
                }
            }),
        )
    }
}

/// Makes a directory and its missing parents, each name durable in its own parent.
fn make_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_durably(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(parent)?.sync_all(),
    }
}

pub(crate) fn holder_of(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(32).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "(unknown)".to_owned(),
    }
}

fn write_holder(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())
}

pub(crate) fn disk_error(name: &str, error: &io::Error) -> DiskError {
    let name = name.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => DiskError::NotFound { name },
        io::ErrorKind::AlreadyExists => DiskError::Exists { name },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::NoSpace { name },
        _ => DiskError::Failed { name, what: error.to_string() },
    }
}

pub(crate) fn named<T>(name: &str, result: io::Result<T>) -> Result<T, DiskError> {
    result.map_err(|error| disk_error(name, &error))
}

pub(crate) fn read_at(file: &OsFile, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.file.read_at(&mut buf[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(disk_error(&file.name, &error)),
        }
    }
    Ok(filled)
}

/// Blocks of 512 bytes, whatever those of the file system are.
pub(crate) fn allocated(file: &OsFile) -> Result<u64, DiskError> {
    named(&file.name, file.file.metadata()).map(|metadata| metadata.blocks() * 512)
}

pub(crate) fn space(root: &Path) -> Result<Space, DiskError> {
    let stat = statvfs(root).map_err(|errno| disk_error("", &errno.into()))?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Space { free_bytes: bytes(stat.f_bavail), size_bytes: bytes(stat.f_blocks) })
}

pub(crate) fn list(root: &Path, folder: &str) -> Result<Vec<String>, DiskError> {
    let mut names = Vec::new();
    for entry in named(folder, fs::read_dir(root.join(folder)))? {
        let name = named(folder, entry)?.file_name();
        // What is not UTF-8 was not made here, and nobody can request it by name.
        names.extend(name.into_string().ok());
    }
    names.retain(|name| !(folder.is_empty() && [LOCK, data_dir::MARK].contains(&name.as_str())));
    names.sort_unstable();
    Ok(names)
}

impl Disk for OsDisk {
    type File = OsFile;

    fn open(&self, name: &str, how: Open) -> Result<OsFile, DiskError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(how == Open::Create).truncate(false);
        let file = named(name, options.open(self.path(name)))?;
        Ok(OsFile { file, name: name.to_owned() })
    }

    fn read_at(&self, file: &OsFile, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        read_at(file, offset, buf)
    }

    fn write_at(&self, file: &OsFile, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        self.changed(&file.name, "write", file.file.write_all_at(data, offset))
    }

    fn len(&self, file: &OsFile) -> Result<u64, DiskError> {
        named(&file.name, file.file.metadata()).map(|metadata| metadata.len())
    }

    fn set_len(&self, file: &OsFile, len: u64) -> Result<(), DiskError> {
        self.changed(&file.name, "cut or extend", file.file.set_len(len))
    }

    fn reserve(&self, file: &OsFile, bytes: Range<u64>) -> Result<(), DiskError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = bytes.end - bytes.start;
        match fallocate(&file.file, FallocateFlags::KEEP_SIZE, bytes.start, length) {
            // A hint: some file systems have no such thing.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(errno) => self.changed(&file.name, "reserve room for", Err(errno.into())),
        }
    }

    fn allocated(&self, file: &OsFile) -> Result<u64, DiskError> {
        allocated(file)
    }

    fn space(&self) -> Result<Space, DiskError> {
        space(&self.root)
    }

    fn sync_data(&self, file: &OsFile) -> Result<(), DiskError> {
        self.changed(&file.name, "sync", file.file.sync_data())
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.changed(from, "rename", fs::rename(self.path(from), self.path(to)))
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.changed(name, "remove", fs::remove_file(self.path(name)))
    }

    fn create_dir(&self, folder: &str) -> Result<(), DiskError> {
        match fs::create_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => self.changed(folder, "make", result),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        list(&self.root, folder)
    }

    fn sync_dir(&self, folder: &str) -> Result<(), DiskError> {
        let synced = File::open(self.path(folder)).and_then(|dir| dir.sync_all());
        self.changed(folder, "sync", synced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, OsDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = OsDisk::open(dir.path().join("a/b")).unwrap();
        (dir, disk)
    }

    #[test]
    fn a_file_is_what_was_written_to_it() {
        let (_dir, disk) = disk();
        disk.create_dir("chunks").unwrap();
        disk.create_dir("chunks").unwrap();
        let file = disk.open("chunks/1", Open::Create).unwrap();
        disk.reserve(&file, 0..1 << 20).unwrap();
        assert!(disk.allocated(&file).unwrap() <= 1 << 20);
        assert!(disk.space().unwrap().size_bytes > 0);
        assert_eq!(disk.len(&file).unwrap(), 0, "reserved room is no length");
        disk.write_at(&file, 10, b"hello").unwrap();
        disk.sync_data(&file).unwrap();
        disk.sync_dir("chunks").unwrap();
        let mut buf = [1; 20];
        assert_eq!(disk.read_at(&file, 8, &mut buf).unwrap(), 7);
        assert_eq!(&buf[..7], b"\0\0hello");
        assert_eq!(disk.read_at(&file, 100, &mut buf).unwrap(), 0);
        disk.set_len(&file, 12).unwrap();
        assert_eq!(disk.len(&file).unwrap(), 12);
        disk.rename("chunks/1", "chunks/2").unwrap();
        assert_eq!(disk.list("chunks").unwrap(), ["2"]);
        assert_eq!(disk.list("").unwrap(), ["chunks"], "the lock is no file of the store");
        disk.remove("chunks/2").unwrap();
        let gone = disk.open("chunks/2", Open::Existing).unwrap_err();
        assert_eq!(gone, DiskError::NotFound { name: "chunks/2".into() });
    }

    #[test]
    fn a_second_owner_is_told_who_holds_the_directory() {
        let (_dir, disk) = disk();
        let error = OsDisk::open(&disk.root).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, DataDirError::InUse { .. }));
        assert!(text.contains(&format!("in use by process {};", std::process::id())), "{text}");
        let root = disk.root.clone();
        drop(disk);
        OsDisk::open(root).unwrap();
    }

    #[test]
    fn a_full_disk_is_told_from_a_failed_one() {
        let full = io::Error::from(Errno::NOSPC);
        assert_eq!(disk_error("x", &full), DiskError::NoSpace { name: "x".into() });
        let quota = io::Error::from(Errno::DQUOT);
        assert_eq!(disk_error("x", &quota), DiskError::NoSpace { name: "x".into() });
        let failed = disk_error("x", &io::Error::from(Errno::IO));
        assert!(matches!(failed, DiskError::Failed { .. }), "{failed:?}");
        // The kernel's own word for it, where there is such a device.
        if let Ok(file) = OpenOptions::new().write(true).open("/dev/full") {
            let (_dir, disk) = disk();
            let file = OsFile { file, name: "full".into() };
            let error = disk.write_at(&file, 0, b"x").unwrap_err();
            assert_eq!(error, DiskError::NoSpace { name: "full".into() });
        }
    }
}
