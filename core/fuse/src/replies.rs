//! Answers in the shape that the kernel wants.

use crate::call::{Answer, Call, STATFS_BLOCK};
use crate::locks::Conflict;
use fuser::{
    Errno, FileAttr, FileHandle, FopenFlags, Generation, ReplyAttr, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyLock, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr,
};

/// Bytes of one name at the most.
const NAME_BYTES_MAX: u32 = 255;

pub fn entry(call: &Call, found: Answer<FileAttr>, reply: ReplyEntry) {
    match found {
        Ok(found) => reply.entry(&call.shared.options.names_for, &found, Generation(0)),
        Err(error) => reply.error(error),
    }
}

pub fn attr(call: &Call, found: Answer<FileAttr>, reply: ReplyAttr) {
    match found {
        Ok(found) => reply.attr(&call.shared.options.attributes_for, &found),
        Err(error) => reply.error(error),
    }
}

pub fn done<T>(ended: Answer<T>, reply: ReplyEmpty) {
    match ended {
        Ok(_) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

pub fn opened(handle: Answer<u64>, flags: FopenFlags, reply: ReplyOpen) {
    match handle {
        Ok(handle) => reply.opened(FileHandle(handle), flags),
        Err(error) => reply.error(error),
    }
}

pub fn written(ended: Answer<()>, length: u32, reply: ReplyWrite) {
    match ended {
        Ok(()) => reply.written(length),
        Err(error) => reply.error(error),
    }
}

/// The place that was looked for.
pub fn found(offset: Answer<i64>, reply: ReplyLseek) {
    match offset {
        Ok(offset) => reply.offset(offset),
        Err(error) => reply.error(error),
    }
}

pub fn locked(lock: Answer<Conflict>, reply: ReplyLock) {
    match lock {
        Ok((start, end, kind, process)) => reply.locked(start, end, kind, process),
        Err(error) => reply.error(error),
    }
}

/// Blocks in all and free, and inodes.
pub fn room(room: Answer<(u64, u64, u64)>, reply: ReplyStatfs) {
    match room {
        Ok((all, free, files)) => {
            let (left, size) = (u64::MAX >> 16, STATFS_BLOCK);
            reply.statfs(all, free, free, files + left, left, size, NAME_BYTES_MAX, size);
        }
        Err(error) => reply.error(error),
    }
}

pub fn sized(value: Answer<Vec<u8>>, size: u32, reply: ReplyXattr) {
    match value {
        Ok(value) if size == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > size as usize => reply.error(Errno::ERANGE),
        Ok(value) => reply.data(&value),
        Err(error) => reply.error(error),
    }
}

/// The bytes that were asked for.
pub fn bytes(found: Answer<impl AsRef<[u8]>>, reply: ReplyData) {
    match found {
        Ok(found) => reply.data(found.as_ref()),
        Err(error) => reply.error(error),
    }
}
