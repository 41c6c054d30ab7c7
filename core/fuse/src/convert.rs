//! Attributes, identities and errors in the kernel's words.

use fuser::{Errno, FileAttr, FileType, INodeNo, Request, TimeOrNow};
use leasehold_client::{ClientError, FileInfo, FileKind, Identity, Path, Refusal, XattrCondition};
use leasehold_proto::{FileId, SetTime};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes that `stat` recommends for one read or write.
const BLOCK_BYTES: u32 = 4_096;

pub fn id(inode: INodeNo) -> FileId {
    FileId(inode.0)
}

/// A name in a directory.
pub fn path(parent: INodeNo, name: &OsStr) -> Path {
    Path::at(id(parent), name.as_bytes())
}

/// On what an extended attribute is set.
pub fn condition(flags: i32) -> Option<XattrCondition> {
    match flags {
        0 => Some(XattrCondition::Any),
        1 => Some(XattrCondition::Create),
        2 => Some(XattrCondition::Replace),
        _ => None,
    }
}

pub fn inode(file: FileId) -> INodeNo {
    INodeNo(file.0)
}

pub fn kind(kind: FileKind) -> FileType {
    match kind {
        FileKind::Directory => FileType::Directory,
        FileKind::File(_) => FileType::RegularFile,
        FileKind::Symlink => FileType::Symlink,
        FileKind::Fifo => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
        FileKind::CharDevice(_) => FileType::CharDevice,
        FileKind::BlockDevice(_) => FileType::BlockDevice,
    }
}

/// What `stat` shows of what is so long.
pub fn attributes(info: &FileInfo, length: u64) -> FileAttr {
    let of = &info.attributes;
    let size = match info.kind {
        FileKind::Directory => u64::from(BLOCK_BYTES),
        _ => length,
    };
    let rdev = match info.kind {
        FileKind::CharDevice(number) | FileKind::BlockDevice(number) => number,
        _ => 0,
    };
    FileAttr {
        ino: inode(info.file),
        size,
        blocks: size.div_ceil(512),
        atime: time(of.atime_ns),
        mtime: time(of.mtime_ns),
        ctime: time(of.ctime_ns),
        crtime: time(of.birth_ns),
        kind: kind(info.kind),
        perm: of.mode,
        nlink: of.links,
        uid: of.uid,
        gid: of.gid,
        rdev,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

fn time(ns: i64) -> SystemTime {
    let since = Duration::from_nanos(ns.unsigned_abs());
    if ns >= 0 { UNIX_EPOCH + since } else { UNIX_EPOCH - since }
}

fn nanoseconds(time: SystemTime) -> i64 {
    let ns = |since: Duration| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ns(since),
        Err(before) => -ns(before.duration()),
    }
}

pub fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(time) => SetTime::To(nanoseconds(time)),
    }
}

/// Who asks. The kernel tells user and group; further groups matter to all but the superuser, and are
/// read from the process.
pub fn identity(request: &Request, umask: u32) -> Identity {
    let (uid, gid) = (request.uid(), request.gid());
    let groups = if uid == 0 { Box::default() } else { groups(request.pid()) };
    Identity { uid, gid, groups, umask: (umask & 0o777) as u16 }
}

fn groups(pid: u32) -> Box<[u32]> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Groups:"));
    line.unwrap_or_default().split_whitespace().filter_map(|group| group.parse().ok()).collect()
}

/// What a program sees as `errno`.
pub fn errno(error: &ClientError) -> Errno {
    let Some(refusal) = error.refusal() else {
        tracing::warn!(%error, "a request failed");
        return Errno::EIO;
    };
    match refusal {
        Refusal::NotFound => Errno::ENOENT,
        Refusal::AlreadyExists => Errno::EEXIST,
        Refusal::NotADirectory => Errno::ENOTDIR,
        Refusal::IsADirectory => Errno::EISDIR,
        Refusal::DirectoryNotEmpty => Errno::ENOTEMPTY,
        Refusal::Invalid(_) => Errno::EINVAL,
        Refusal::TooLarge { .. } => Errno::EFBIG,
        Refusal::NoServers | Refusal::NoSpace | Refusal::IdentitiesExhausted => Errno::ENOSPC,
        Refusal::Busy => Errno::EAGAIN,
        Refusal::PermissionDenied => Errno::EACCES,
        Refusal::NotPermitted => Errno::EPERM,
        Refusal::SymlinkLoop => Errno::ELOOP,
        Refusal::TooManyLinks => Errno::EMLINK,
        Refusal::NameTooLong => Errno::ENAMETOOLONG,
        Refusal::NoAttribute => Errno::ENODATA,
        Refusal::AttributesTooLarge => Errno::ENOSPC,
        Refusal::NotSupported => Errno::EOPNOTSUPP,
        Refusal::Locked => Errno::EAGAIN,
        Refusal::TooManyLocks => Errno::ENOLCK,
        _ => {
            tracing::warn!(%error, "a request was refused");
            Errno::EIO
        }
    }
}
