//! The byte-level disk under every format of this crate: the only thing that a simulated disk or
//! an operating system has to be.

use std::ops::Range;

/// Room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// That may be written yet, by this process.
    pub free_bytes: u64,
    /// That the file system has in all.
    pub size_bytes: u64,
}

/// How the world failed a disk operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// There is no such file.
    #[error("{name}: no such file")]
    NotFound {
        /// Which.
        name: String,
    },
    /// The file exists where a new one was wanted.
    #[error("{name}: file exists")]
    Exists {
        /// Which.
        name: String,
    },
    /// No room; nothing is known of what was written.
    #[error("{name}: no space left on device")]
    NoSpace {
        /// Which.
        name: String,
    },
    /// Anything else; `what` is the operating system's or the simulator's word.
    #[error("{name}: {what}")]
    Failed {
        /// Which.
        name: String,
        /// What happened.
        what: String,
    },
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must exist.
    Existing,
    /// Made empty if it does not exist.
    Create,
}

/// A directory on a disk, with files and one level of folders below it. Names are relative,
/// `folder/file`.
///
/// What POSIX promises and no more: a write is durable after `sync_data` of its file; a new,
/// renamed or removed name is durable after `sync_dir` of its folder; before that, after a power
/// failure, each sector of each write may be there or not, in any order. `sync_data` that fails
/// says nothing about what was written, and must not be tried again.
pub trait Disk {
    /// An open file.
    type File;

    /// Opens a file for reading and writing.
    fn open(&self, name: &str, how: Open) -> Result<Self::File, DiskError>;

    /// Reads up to `buf.len()` bytes at `offset`; fewer only at the end of the file.
    fn read_at(&self, file: &Self::File, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError>;

    /// Writes all of `data`, growing the file if need be.
    fn write_at(&self, file: &Self::File, offset: u64, data: &[u8]) -> Result<(), DiskError>;

    /// The file's length in bytes.
    fn len(&self, file: &Self::File) -> Result<u64, DiskError>;

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, file: &Self::File, len: u64) -> Result<(), DiskError>;

    /// Reserves room for these bytes without changing the length that readers see, where the system can;
    /// a hint.
    fn reserve(&self, file: &Self::File, bytes: Range<u64>) -> Result<(), DiskError>;

    /// Bytes that the file occupies on the disk: its holes occupy none, and what is reserved does.
    fn allocated(&self, file: &Self::File) -> Result<u64, DiskError>;

    /// What the file system has.
    fn space(&self) -> Result<Space, DiskError>;

    /// Makes the file's bytes and length durable.
    fn sync_data(&self, file: &Self::File) -> Result<(), DiskError>;

    /// Renames atomically, replacing what is there.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a file.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    /// Makes a folder; no error if it exists.
    fn create_dir(&self, folder: &str) -> Result<(), DiskError>;

    /// The names in a folder ("" for the top), sorted, without the folder's own name.
    fn list(&self, folder: &str) -> Result<Vec<String>, DiskError>;

    /// Makes a folder's names durable ("" for the top).
    fn sync_dir(&self, folder: &str) -> Result<(), DiskError>;
}

/// A disk that several owners share.
impl<D: Disk> Disk for std::sync::Arc<D> {
    type File = D::File;

    fn open(&self, name: &str, how: Open) -> Result<Self::File, DiskError> {
        (**self).open(name, how)
    }
    fn read_at(&self, file: &Self::File, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        (**self).read_at(file, offset, buf)
    }
    fn write_at(&self, file: &Self::File, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        (**self).write_at(file, offset, data)
    }
    fn len(&self, file: &Self::File) -> Result<u64, DiskError> {
        (**self).len(file)
    }
    fn set_len(&self, file: &Self::File, len: u64) -> Result<(), DiskError> {
        (**self).set_len(file, len)
    }
    fn reserve(&self, file: &Self::File, bytes: Range<u64>) -> Result<(), DiskError> {
        (**self).reserve(file, bytes)
    }
    fn allocated(&self, file: &Self::File) -> Result<u64, DiskError> {
        (**self).allocated(file)
    }
    fn space(&self) -> Result<Space, DiskError> {
        (**self).space()
    }
    fn sync_data(&self, file: &Self::File) -> Result<(), DiskError> {
        (**self).sync_data(file)
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        (**self).rename(from, to)
    }
    fn remove(&self, name: &str) -> Result<(), DiskError> {
        (**self).remove(name)
    }
    fn create_dir(&self, folder: &str) -> Result<(), DiskError> {
        (**self).create_dir(folder)
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, DiskError> {
        (**self).list(folder)
    }
    fn sync_dir(&self, folder: &str) -> Result<(), DiskError> {
        (**self).sync_dir(folder)
    }
}
