//! Answers in the shape that the kernel wants.

use crate::call::{Answer, Call};
use fuser::{
    Errno, FileAttr, Generation, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyXattr,
};

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
