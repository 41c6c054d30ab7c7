//! One line for each fact, as short as it can be understood.

use crate::cluster::Cluster;
use crate::fair::name;
use crate::observation::Observation;
use crate::tracer::Names;
use leasehold_proto::Lock;
use leasehold_proto::machine::Operation;
use leasehold_proto::metadata::{FileInfo, FileKind, MetadataAnswer, SafeModeStatus};
use leasehold_proto::tables::Holder;
use leasehold_proto::{Event, FileCall, FileOutcome, Name, NodeId, OpError, OpId, Outcome, Part};
pub use leasehold_trace::message_name;
use leasehold_trace::words::{bytes_of, sentence};
use std::fmt::Debug;

/// The name of a variant: the word up to the first space or brace of its debug form.
#[must_use]
pub fn kind<T: Debug>(value: &T) -> String {
    struct Head(String);
    impl std::fmt::Write for Head {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            let word = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
            self.0.push_str(word);
            if word.len() < text.len() { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let mut head = Head(String::new());
    // The error ends the formatting as soon as the name is complete.
    let _ = std::fmt::write(&mut head, format_args!("{value:?}"));
    head.0
}

/// How much of a run to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What clients learn.
    Answers,
    /// ... and the events of a chunk's life.
    Main,
    /// ... and every promise, mutation and log entry.
    All,
}

/// The line of a observation, if it is worth one at this level of detail.
#[must_use]
pub fn line(cluster: &Cluster, observation: &Observation, detail: Detail) -> Option<String> {
    match observation {
        Observation::Event { node, event } if rank(event) <= detail => {
            let names = Names { masters: cluster.shape().masters };
            Some(format!("{} {}", name(cluster, *node), sentence(&names, event)))
        }
        Observation::Event { .. } | Observation::Invoked { .. } => None,
        Observation::Responded { node, id, result } => {
            Some(format!("{} {id} = {}", name(cluster, *node), answer(cluster, result)))
        }
        Observation::Acknowledged { .. }
        | Observation::Durable { .. }
        | Observation::Started { .. }
        | Observation::Crashed { .. }
        | Observation::ClockStopped { .. }
        | Observation::Destroyed { .. } => None,
    }
}

fn rank(event: &Event) -> Detail {
    match event {
        Event::EntryApplied { .. }
        | Event::ChunkMade { .. }
        | Event::Trashed { .. }
        | Event::GivenUp { .. }
        | Event::Purged { .. }
        | Event::Restored { .. }
        | Event::TrashEmptied { .. }
        | Event::Placed { .. }
        | Event::ServerRoom { .. }
        | Event::ServerHeard { .. }
        | Event::Promised { .. }
        | Event::Applied { .. }
        | Event::Committed { .. }
        | Event::LeaseGranted { .. }
        | Event::Recovered { .. }
        | Event::Retried { .. }
        | Event::PieceBegan { .. }
        | Event::PieceEnded { .. }
        | Event::Unsolicited { .. }
        | Event::SessionHeld { .. }
        | Event::SentUnderLock { .. }
        | Event::ReadServed { .. } => Detail::All,
        _ => Detail::Main,
    }
}

/// An operation, as `a#7`.
#[must_use]
pub fn op_name(cluster: &Cluster, op: OpId) -> String {
    format!("{}#{}", name(cluster, op.client), op.number)
}

/// How an operation ended.
#[must_use]
pub fn answer(cluster: &Cluster, result: &Result<Outcome, OpError>) -> String {
    match result {
        Ok(Outcome::Metadata(answer)) => metadata(cluster, answer),
        Ok(Outcome::Written { index, extent }) => format!("ok, chunk {index} at {extent:?}"),
        Ok(Outcome::Read { payload, chunk_length }) => {
            format!("{} of {chunk_length} B", text(&payload.data))
        }
        Ok(Outcome::File(outcome)) => file(cluster, outcome),
        Err(error) => format!("error: {error}"),
    }
}

fn file(cluster: &Cluster, outcome: &FileOutcome) -> String {
    match outcome {
        FileOutcome::Opened { info, .. } => metadata(cluster, &MetadataAnswer::File(info.clone())),
        FileOutcome::Read(parts) => text(&bytes(parts)),
        FileOutcome::Written { length } => format!("ok, {length} B"),
        FileOutcome::Appended { at } => format!("ok, at {at}"),
        FileOutcome::Length(length) => format!("{length} B"),
        FileOutcome::Conflict(lock) => conflict(lock.as_ref()),
        FileOutcome::Truncated | FileOutcome::Closed | FileOutcome::Locked => "ok".into(),
    }
}

fn conflict(lock: Option<&Lock<Holder>>) -> String {
    match lock {
        None => "nothing conflicts".into(),
        Some(Lock { holder, range, kind }) => {
            let kind = format!("{kind:?}").to_lowercase();
            format!("{kind} {} of {} of {}", bytes_of(range), holder.owner, holder.session)
        }
    }
}

fn bytes(parts: &[Part]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Data(payload) => all.extend_from_slice(&payload.data),
            Part::Zeros(length) => {
                let length = usize::try_from(*length).expect("a script reads what fits memory");
                all.resize(all.len() + length, 0);
            }
        }
    }
    all
}

/// Bytes as text; long runs of one byte are counted.
#[must_use]
pub fn text(data: &[u8]) -> String {
    let mut out = String::from("\"");
    let mut rest = data;
    while let Some(&first) = rest.first() {
        let run = rest.iter().take_while(|byte| **byte == first).count();
        let shown = first.escape_ascii().to_string();
        if run > 8 {
            out.push_str(&format!("{shown}*{run} "));
        } else {
            out.push_str(&shown.repeat(run));
        }
        rest = &rest[run..];
    }
    let mut out = out.trim_end().to_string();
    out.push('"');
    out
}

fn inode(info: &FileInfo) -> String {
    match info.kind {
        FileKind::Directory => format!("directory {}", info.file),
        FileKind::File(_) => format!("file {}, {} chunks", info.file, info.chunks),
        FileKind::Symlink => format!("symlink {}", info.file),
        FileKind::Fifo => format!("pipe {}", info.file),
        FileKind::Socket => format!("socket {}", info.file),
        FileKind::CharDevice(_) | FileKind::BlockDevice(_) => format!("device {}", info.file),
    }
}

/// The mode, the owner and the number of names, where they are not those of what the superuser makes.
fn unusual(info: &FileInfo) -> String {
    let of = &info.attributes;
    let is_directory = info.kind == FileKind::Directory;
    let usual = match info.kind {
        FileKind::Directory => 0o755,
        FileKind::Symlink => 0o777,
        _ => 0o644,
    };
    let mut text = String::new();
    if of.mode != usual {
        text += &format!(", mode {:o}", of.mode);
    }
    if (of.uid, of.gid) != (0, 0) {
        text += &format!(", owner {}:{}", of.uid, of.gid);
    }
    if of.links != 1 && !is_directory {
        text += &format!(", {} names", of.links);
    }
    text
}

fn metadata(cluster: &Cluster, answer: &MetadataAnswer) -> String {
    match answer {
        MetadataAnswer::File(info) => format!("{}{}", inode(info), unusual(info)),
        MetadataAnswer::Done => "ok".into(),
        MetadataAnswer::Session { session, .. } => format!("session {session}"),
        MetadataAnswer::Renewed(_) => "renewed".into(),
        MetadataAnswer::Conflict(lock) => conflict(lock.as_ref()),
        MetadataAnswer::Bytes(bytes) => format!("\"{}\"", Name::from(&**bytes)),
        MetadataAnswer::Xattrs(names) => {
            let names: Vec<String> = names.iter().map(Name::to_string).collect();
            format!("[{}]", names.join(" "))
        }
        MetadataAnswer::List { entries, more } => {
            let names: Vec<String> = entries.iter().map(|(name, _)| name.to_string()).collect();
            format!("[{}]{}", names.join(" "), if *more { " ..." } else { "" })
        }
        MetadataAnswer::Chunk(chunk) => format!("chunk {chunk}"),
        MetadataAnswer::Location(at) => {
            let members: Vec<String> = at.members.iter().map(|m| name(cluster, *m)).collect();
            format!("{} {} on {}", at.chunk, at.version, members.join(" "))
        }
        MetadataAnswer::Trash { entries, .. } => {
            let all: Vec<String> =
                entries.iter().map(|e| format!("{} was {}", e.info.file, e.path)).collect();
            format!("trash: {}", all.join(", "))
        }
        MetadataAnswer::Chunks { chunks, .. } => format!("{} chunks", chunks.len()),
        MetadataAnswer::Status(status) => format!(
            "{} files, {} chunks, {} under target, {} unavailable, {} trashed{}{}",
            status.files,
            status.chunks,
            status.chunks_under_target,
            status.chunks_unavailable,
            status.trashed,
            if status.safe_mode { ", safe mode" } else { "" },
            if status.alarm { ", ALARM" } else { "" },
        ),
        MetadataAnswer::Constants(constants) => format!(
            "{}{}{}",
            constants.version,
            if constants.changes_from.is_some() { ", changing" } else { "" },
            behind(cluster, &constants.behind),
        ),
        MetadataAnswer::Truncated { chunks, epoch, behind } => {
            format!("{chunks} chunks, {} of them behind, epoch {epoch}", behind.len())
        }
        MetadataAnswer::SafeMode(None) => "not in safe mode".into(),
        MetadataAnswer::SafeMode(Some(waits)) => safe_mode(cluster, waits),
    }
}

fn behind(cluster: &Cluster, servers: &[NodeId]) -> String {
    let names: Vec<String> = servers.iter().map(|node| name(cluster, *node)).collect();
    if names.is_empty() { String::new() } else { format!(", {} behind", names.join(" ")) }
}

fn safe_mode(cluster: &Cluster, waits: &SafeModeStatus) -> String {
    let names = |nodes: &[NodeId]| {
        let names: Vec<String> = nodes.iter().map(|node| name(cluster, *node)).collect();
        if names.is_empty() { "none".into() } else { names.join(" ") }
    };
    let chunks = waits
        .first_unreported
        .iter()
        .map(|at| format!(", {} of {} on {}", at.chunk, at.file, names(&at.members)));
    format!(
        "safe mode: {} of {} chunks unreported ({} may be), silent: {}, reporting: {}, ends within \
         {:.1?}{}",
        waits.unreported,
        waits.chunks,
        waits.unreported_max,
        names(&waits.silent_servers),
        names(&waits.reporting_servers),
        waits.ends_within,
        chunks.collect::<String>(),
    )
}

/// What a client's owner asked of a file, in the words of a script.
#[must_use]
pub fn file_call(call: &FileCall) -> String {
    match call {
        FileCall::Open { path } => format!("open {path}"),
        FileCall::Create { path, .. } => format!("create {path}"),
        FileCall::Read { offset, length, .. } => format!("read {offset}+{length}"),
        FileCall::Write { offset, pieces, .. } => {
            let data: Vec<u8> = pieces.iter().flat_map(|piece| piece.data.to_vec()).collect();
            format!("write {offset} {}", text(&data))
        }
        FileCall::Append { payload, .. } => format!("append {}", text(&payload.data)),
        FileCall::Length { .. } => "length".into(),
        FileCall::Truncate { length, .. } => format!("truncate {length}"),
        FileCall::Lock { range, kind: None, .. } => format!("unlock {}", bytes_of(range)),
        FileCall::Lock { range, kind: Some(kind), .. } | FileCall::Conflict { range, kind, .. } => {
            format!("lock {} {}", bytes_of(range), self::kind(kind).to_lowercase())
        }
        FileCall::Close { .. } => "close".into(),
    }
}

/// What a client's owner requested, in the words of a script.
#[must_use]
pub fn operation(op: &Operation) -> String {
    match op {
        Operation::Change(change) => kind(change).to_lowercase(),
        Operation::Query(query) => kind(query).to_lowercase(),
        Operation::Write { index, offset, payload, .. } => {
            format!("write {index}:{offset} {}", text(&payload.data))
        }
        Operation::Append { payload, .. } => format!("append {}", text(&payload.data)),
        Operation::Cut { index, length, .. } => format!("cut {index} to {length}"),
        Operation::Retire { chunk, .. } => format!("retire {chunk}"),
        Operation::Lock { range, kind: None, .. } => format!("unlock {}", bytes_of(range)),
        Operation::Lock { range, kind: Some(kind), .. }
        | Operation::Conflict { range, kind, .. } => {
            format!("lock {} {}", bytes_of(range), self::kind(kind).to_lowercase())
        }
        Operation::Read { index, extent, .. } => format!("read {index}:{extent:?}"),
    }
}
