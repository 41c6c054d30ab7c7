//! What clients request and learn.

use leasehold_proto::metadata::{
    FileInfo, FileKind, MetadataAnswer, MetadataChange, MetadataQuery,
};
use leasehold_proto::tables::Holder;
use leasehold_proto::{
    Extent, FileCall, FileId, FileOutcome, Lock, LockKind, OpError, Operation, Outcome, Part,
    Payload, ReadMode, Setting,
};
use std::fmt::Display;

/// What an owner asks of its client.
pub fn operation(op: &Operation) -> String {
    match op {
        Operation::Change(change) => self::change(change),
        Operation::Query(query) => self::query(query),
        Operation::Write { file, index, offset, payload } => {
            format!("write {} B to {file}, chunk {index}, at {offset}", payload.len())
        }
        Operation::Append { file, payload, .. } => format!("append {} B to {file}", payload.len()),
        Operation::Cut { file, index, length, .. } => {
            format!("cut chunk {index} of {file} to {length} B")
        }
        Operation::Retire { file, index, chunk } => {
            format!("retire {chunk}, chunk {index} of {file}")
        }
        Operation::Lock { file, owner, range, kind } => match kind {
            Some(kind) => lock_of(*file, *range, *kind, owner),
            None => format!("unlock {} of {file} for {owner}", bytes_of(range)),
        },
        Operation::Conflict { file, owner, range, kind, wait } => {
            let wanted = lock_of(*file, *range, *kind, owner);
            format!("{} {wanted}", if *wait { "wait for" } else { "what conflicts with" })
        }
        Operation::Read { file, index, extent, mode } => {
            let mode = mode_name(*mode);
            format!("read {extent:?} of {file}, chunk {index}, {mode}")
        }
    }
}

/// What an owner asks of an open file.
pub fn file_call(call: &FileCall) -> String {
    match call {
        FileCall::Open { path } => format!("open {path}"),
        FileCall::Create { path, .. } => format!("create and open {path}"),
        FileCall::Read { handle, offset, length, mode } => {
            format!("read {length} B of {handle} at {offset}, {}", mode_name(*mode))
        }
        FileCall::Write { handle, offset, pieces } => {
            let length: u64 = pieces.iter().map(Payload::len).sum();
            format!("write {length} B to {handle} at {offset}, in {} pieces", pieces.len())
        }
        FileCall::Append { handle, payload } => format!("append {} B to {handle}", payload.len()),
        FileCall::Length { handle } => format!("measure {handle}"),
        FileCall::Truncate { handle, length, .. } => format!("truncate {handle} to {length} B"),
        FileCall::Lock { handle, owner, range, kind: None, .. } => {
            format!("unlock {} of {handle} for {owner}", bytes_of(range))
        }
        FileCall::Lock { handle, owner, range, kind: Some(kind), wait } => {
            let waits = if *wait { ", and wait for it" } else { "" };
            let verb = lock_verb(*kind);
            format!("{verb} {} of {handle} for {owner}{waits}", bytes_of(range))
        }
        FileCall::Conflict { handle, owner, range, kind } => {
            let verb = lock_verb(*kind);
            format!("what conflicts with {verb} {} of {handle} for {owner}", bytes_of(range))
        }
        FileCall::Close { handle } => format!("close {handle}"),
    }
}

fn file_outcome(outcome: &FileOutcome) -> String {
    match outcome {
        FileOutcome::Opened { handle, info, .. } => format!("{handle} is {}", file(info)),
        FileOutcome::Read(parts) => {
            format!("{} B in {} parts", parts.iter().map(Part::len).sum::<u64>(), parts.len())
        }
        FileOutcome::Written { length } => format!("{length} B written"),
        FileOutcome::Appended { at } => format!("appended at {at}"),
        FileOutcome::Length(length) => format!("{length} B long"),
        FileOutcome::Truncated => "truncated".into(),
        FileOutcome::Locked => "locked as wanted".into(),
        FileOutcome::Conflict(lock) => conflict(lock.as_ref()),
        FileOutcome::Closed => "closed".into(),
    }
}

fn lock_verb(kind: LockKind) -> &'static str {
    match kind {
        LockKind::Shared => "lock shared",
        LockKind::Exclusive => "lock exclusively",
    }
}

fn lock_of(file: FileId, range: Extent, kind: LockKind, holder: &dyn Display) -> String {
    format!("{} {} of {file} for {holder}", lock_verb(kind), bytes_of(&range))
}

/// A range of a file, of which nobody says how long it is.
pub fn bytes_of(range: &Extent) -> String {
    match (range.offset, range.end()) {
        (0, u64::MAX) => "all".into(),
        (offset, u64::MAX) => format!("all from {offset} on"),
        _ => format!("{range:?}"),
    }
}

/// A holder of locks.
pub fn holder(holder: &Holder) -> String {
    format!("{} of {}", holder.owner, holder.session)
}

fn conflict(lock: Option<&Lock<Holder>>) -> String {
    match lock {
        None => "nothing conflicts".into(),
        Some(lock) => {
            let (range, holder) = (bytes_of(&lock.range), holder(&lock.holder));
            format!("{:?} {range} is held by {holder}", lock.kind)
        }
    }
}

/// A read's mode.
pub fn mode_name(mode: ReadMode) -> &'static str {
    match mode {
        ReadMode::Strong => "strong",
        ReadMode::Relaxed => "relaxed",
    }
}

/// A change of the namespace.
pub fn change(change: &MetadataChange) -> String {
    match change {
        MetadataChange::BeginSession => "begin a session".into(),
        MetadataChange::Lock { file, holder, range, kind } => {
            lock_of(*file, *range, *kind, &self::holder(holder))
        }
        MetadataChange::Unlock { file, holder, range } => {
            format!("unlock {} of {file} for {}", bytes_of(range), self::holder(holder))
        }
        MetadataChange::Create { path, .. } => format!("create {path}"),
        MetadataChange::Mkdir { path, .. } => format!("mkdir {path}"),
        MetadataChange::Rename { from, to, this, no_replace } => {
            let new = if *no_replace { ", which is new" } else { "" };
            format!("rename {from}{} to {to}{new}", meant(*this))
        }
        MetadataChange::Delete { path, this } => format!("delete {path}{}", meant(*this)),
        MetadataChange::MakeSpecial { path, what, .. } => format!("make {what:?} {path}"),
        MetadataChange::Link { from, to } => format!("link {from} to {to}"),
        MetadataChange::Exchange { from, to } => format!("exchange {from} and {to}"),
        MetadataChange::SetAttributes { path, .. } => format!("set attributes of {path}"),
        MetadataChange::SetXattr { path, name, .. } => format!("set {name} of {path}"),
        MetadataChange::RemoveXattr { path, name } => format!("remove {name} of {path}"),
        MetadataChange::Restore { file, to, no_replace } => {
            let new = if *no_replace { ", which is new" } else { "" };
            format!("restore {file} to {to}{new}")
        }
        MetadataChange::EmptyTrash { files } => format!("empty the trash of {files:?}"),
        MetadataChange::ForgetServer { node } => format!("forget server {node}"),
        MetadataChange::AddChunk { file, index, .. } => format!("add chunk {index} to {file}"),
        MetadataChange::Truncate { file, length: u64::MAX, retired, .. } => {
            format!("have {file} give up {retired:?}")
        }
        MetadataChange::Truncate { file, length, .. } => format!("truncate {file} to {length} B"),
        MetadataChange::SetConstants { settings } => {
            let one = |setting: &Setting| format!("{} = {setting}", setting.constant);
            let all: Vec<String> = settings.iter().map(one).collect();
            format!("set {}", all.join(", "))
        }
    }
}

/// A condition on what is at the path.
fn meant(this: Option<FileId>) -> String {
    this.map_or_else(String::new, |file| format!(" if it is {file}"))
}

/// A question about the namespace.
pub fn query(query: &MetadataQuery) -> String {
    match query {
        MetadataQuery::Stat { path } => format!("stat {path}"),
        MetadataQuery::Resolve { path } => format!("resolve {path}"),
        MetadataQuery::ReadLink { path } => format!("read link {path}"),
        MetadataQuery::Xattr { path, name } => format!("get {name} of {path}"),
        MetadataQuery::Xattrs { path } => format!("list attributes of {path}"),
        MetadataQuery::StatFile { file } => format!("stat {file}"),
        MetadataQuery::List { path, .. } => format!("list {path}"),
        MetadataQuery::Locate { file, index, primary, .. } => {
            let whom = if *primary { "the primary" } else { "the members" };
            format!("find {whom} of {file}, chunk {index}")
        }
        MetadataQuery::RenewSession { session } => format!("renew {session}"),
        MetadataQuery::Conflict { file, holder, range, kind, .. } => {
            format!("what conflicts with {}", lock_of(*file, *range, *kind, &self::holder(holder)))
        }
        MetadataQuery::Trash { .. } => "what is in the trash".into(),
        MetadataQuery::Chunks { from } => format!("list chunks from {from}"),
        MetadataQuery::Status => "tell how the cluster is".into(),
        MetadataQuery::Constants => "the constants".into(),
        MetadataQuery::SafeMode => "what safe mode waits for".into(),
        MetadataQuery::LeaveSafeMode => "leave safe mode".into(),
    }
}

/// The answer to either.
pub fn metadata(answer: &MetadataAnswer) -> String {
    match answer {
        MetadataAnswer::File(info) => file(info),
        MetadataAnswer::Done => "done".into(),
        MetadataAnswer::List { entries, .. } => format!("{} names", entries.len()),
        MetadataAnswer::Chunk(chunk) => format!("it is {chunk}"),
        MetadataAnswer::Location(at) => match at.primary {
            Some(primary) => format!("{} {}, primary {primary}", at.chunk, at.version),
            None => format!("{} {}, no primary", at.chunk, at.version),
        },
        MetadataAnswer::Trash { entries, .. } => format!("{} files in the trash", entries.len()),
        MetadataAnswer::Chunks { chunks, .. } => format!("{} chunks", chunks.len()),
        MetadataAnswer::Status(status) => {
            format!("{} chunks, {} changes under way", status.chunks, status.changes)
        }
        MetadataAnswer::Constants(constants) => format!(
            "constants {}{}",
            constants.version,
            if constants.changes_from.is_some() { ", changing" } else { "" }
        ),
        MetadataAnswer::Session { session, .. } => format!("it is {session}"),
        MetadataAnswer::Renewed(_) => "renewed".into(),
        MetadataAnswer::Conflict(lock) => conflict(lock.as_ref()),
        MetadataAnswer::Bytes(bytes) => format!("{} B", bytes.len()),
        MetadataAnswer::Xattrs(names) => format!("{} attributes", names.len()),
        MetadataAnswer::Truncated { chunks, epoch, behind } => {
            format!("{chunks} chunks in epoch {epoch}, behind the cut: {behind:?}")
        }
        MetadataAnswer::SafeMode(None) => "not in safe mode".into(),
        MetadataAnswer::SafeMode(Some(waits)) => {
            format!("safe mode: {} of {} chunks are not reported", waits.unreported, waits.chunks)
        }
    }
}

fn file(info: &FileInfo) -> String {
    match info.kind {
        FileKind::Directory => format!("directory {}", info.file),
        FileKind::File(_) => format!("file {}, {} chunks", info.file, info.chunks),
        FileKind::Symlink => format!("symbolic link {}", info.file),
        FileKind::Fifo => format!("pipe {}", info.file),
        FileKind::Socket => format!("socket {}", info.file),
        FileKind::CharDevice(_) | FileKind::BlockDevice(_) => format!("device {}", info.file),
    }
}

/// How an operation ended.
pub fn answer(result: &Result<Outcome, OpError>) -> String {
    match result {
        Ok(Outcome::Metadata(answer)) => metadata(answer),
        Ok(Outcome::Written { index, extent }) => format!("written, chunk {index} at {extent:?}"),
        Ok(Outcome::Read { payload, .. }) => {
            format!("{} B, crc {:08x}", payload.len(), payload.crc)
        }
        Ok(Outcome::File(outcome)) => file_outcome(outcome),
        Err(error) => format!("failed: {error}"),
    }
}
