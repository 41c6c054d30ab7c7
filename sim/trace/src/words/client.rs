//! What clients request and learn.

use leasehold_proto::metadata::{
    FileInfo, FileKind, MetadataAnswer, MetadataChange, MetadataQuery,
};
use leasehold_proto::{
    FileCall, FileId, FileOutcome, OpError, Operation, Outcome, Part, Payload, ReadMode, Setting,
};

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
        FileOutcome::Closed => "closed".into(),
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
