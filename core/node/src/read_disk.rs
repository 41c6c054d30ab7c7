//! A directory of the operating system that is only looked at: nothing in it is made, changed or
//! locked against other readers.

#![allow(clippy::disallowed_types, reason = "it touches files, as OsDisk does")]

use crate::data_dir::DataDirError;
use crate::os_disk::{LOCK, OsFile, allocated, disk_error, holder_of, list, named, read_at, space};
use leasehold_store::{Disk, DiskError, Open, Space};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// A data directory for reading. No server starts on it while this lives, unless it was copied
/// without its lock.
#[derive(Debug)]
pub struct ReadDisk {
    root: PathBuf,
    _lock: Option<File>,
}

impl ReadDisk {
    /// Opens a data directory that no server holds.
    ///
    /// # Errors
    /// `InUse` if a server holds it: its files change while they are read.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let root = root.into();
        let fail = |error| DataDirError::Io { path: root.clone(), error };
        fs::read_dir(&root).map_err(fail)?;
        let mut lock = match File::open(root.join(LOCK)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(ReadDisk { root, _lock: None });
            }
            Err(error) => return Err(fail(error)),
        };
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(ReadDisk { root, _lock: Some(lock) }),
            Err(Errno::WOULDBLOCK) => {
                Err(DataDirError::InUse { holder: holder_of(&mut lock), path: root })
            }
            Err(errno) => Err(fail(errno.into())),
        }
    }
}

fn refused<T>(name: &str) -> Result<T, DiskError> {
    Err(DiskError::Failed { name: name.to_owned(), what: "opened for reading only".to_owned() })
}

impl Disk for ReadDisk {
    type File = OsFile;

    fn open(&self, name: &str, how: Open) -> Result<OsFile, DiskError> {
        match how {
            Open::Create => refused(name),
            Open::Existing => {
                let file = named(name, File::open(self.root.join(name)))?;
                Ok(OsFile { file, name: name.to_owned() })
            }
        }
    }

    fn read_at(&self, file: &OsFile, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        read_at(file, offset, buf)
    }

    fn write_at(&self, file: &OsFile, _: u64, _: &[u8]) -> Result<(), DiskError> {
        refused(&file.name)
    }

    fn len(&self, file: &OsFile) -> Result<u64, DiskError> {
        let metadata = file.file.metadata().map_err(|error| disk_error(&file.name, &error));
        metadata.map(|metadata| metadata.len())
    }

    fn set_len(&self, file: &OsFile, _: u64) -> Result<(), DiskError> {
        refused(&file.name)
    }

    fn allocated(&self, file: &OsFile) -> Result<u64, DiskError> {
        allocated(file)
    }

    fn space(&self) -> Result<Space, DiskError> {
        space(&self.root)
    }

    fn reserve(&self, file: &OsFile, _: Range<u64>) -> Result<(), DiskError> {
        refused(&file.name)
    }

    fn sync_data(&self, file: &OsFile) -> Result<(), DiskError> {
        refused(&file.name)
    }

    fn rename(&self, from: &str, _: &str) -> Result<(), DiskError> {
        refused(from)
    }

    fn remove(&self, name: &str) -> Result<(), DiskError> {
        refused(name)
    }

    fn create_dir(&self, folder: &str) -> Result<(), DiskError> {
        refused(folder)
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        list(&self.root, folder)
    }

    fn sync_dir(&self, folder: &str) -> Result<(), DiskError> {
        refused(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os_disk::OsDisk;

    #[test]
    fn it_reads_what_is_there_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("log")).unwrap();
        fs::write(dir.path().join("log/1"), b"hello").unwrap();
        let disk = ReadDisk::open(dir.path()).unwrap();
        let file = disk.open("log/1", Open::Existing).unwrap();
        let mut buf = [0; 9];
        assert_eq!((disk.read_at(&file, 1, &mut buf).unwrap(), &buf[..4]), (4, &b"ello"[..]));
        assert_eq!(disk.list("log").unwrap(), ["1"]);
        assert!(disk.write_at(&file, 0, b"x").is_err());
        assert!(disk.set_len(&file, 0).is_err());
        assert!(disk.open("log/2", Open::Create).is_err());
        assert!(disk.remove("log/1").is_err());
        assert!(disk.rename("log/1", "log/2").is_err());
        assert!(disk.create_dir("new").is_err());
        assert_eq!(fs::read(dir.path().join("log/1")).unwrap(), b"hello");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "not even a lock was made");
    }

    #[test]
    fn a_directory_in_use_is_refused_and_a_server_waits_for_the_reader() {
        let dir = tempfile::tempdir().unwrap();
        let server = OsDisk::open(dir.path()).unwrap();
        let error = ReadDisk::open(dir.path()).unwrap_err();
        assert!(matches!(error, DataDirError::InUse { .. }), "{error}");
        drop(server);
        let readers = (ReadDisk::open(dir.path()).unwrap(), ReadDisk::open(dir.path()).unwrap());
        assert!(OsDisk::open(dir.path()).is_err());
        drop(readers);
        OsDisk::open(dir.path()).unwrap();
        assert!(ReadDisk::open(dir.path().join("nowhere")).is_err());
    }
}
