//! One line for each fact, as short as it can be understood.

use crate::cluster::{Cluster, Happening};
use crate::fair::name;
use leasehold_proto::machine::Operation;
use leasehold_proto::message::DeleteReason;
use leasehold_proto::metadata::{FileKind, MetadataAnswer};
use leasehold_proto::{Event, Member, NodeId, OpError, OpId, Outcome};
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
    /// What clients are told.
    Answers,
    /// ... and the events of a chunk's life.
    Main,
    /// ... and every promise, mutation and log entry.
    All,
}

/// The line of a happening, if it is worth one at this level of detail.
#[must_use]
pub fn line(cluster: &Cluster, happening: &Happening, detail: Detail) -> Option<String> {
    match happening {
        Happening::Event { node, event } if rank(event) <= detail => {
            Some(format!("{} {}", name(cluster, *node), self::event(cluster, event)))
        }
        Happening::Event { .. } | Happening::Invoked { .. } => None,
        Happening::Responded { node, id, result } => {
            Some(format!("{} {id} = {}", name(cluster, *node), answer(cluster, result)))
        }
        Happening::Acknowledged { .. }
        | Happening::Durable { .. }
        | Happening::Started { .. }
        | Happening::Crashed { .. }
        | Happening::Destroyed { .. } => None,
    }
}

fn rank(event: &Event) -> Detail {
    match event {
        Event::EntryApplied { .. }
        | Event::Promised { .. }
        | Event::Applied { .. }
        | Event::Committed { .. }
        | Event::LeaseGranted { .. }
        | Event::Recovered { .. }
        | Event::Retried { .. }
        | Event::ReadServed { .. } => Detail::All,
        _ => Detail::Main,
    }
}

fn event(cluster: &Cluster, event: &Event) -> String {
    let who = |node: &NodeId| name(cluster, *node);
    match event {
        Event::LeaderBegan { epoch } => format!("leads in epoch {epoch}"),
        Event::EntryApplied { index, took_effect } => {
            format!("applied {index}{}", if *took_effect { "" } else { " (no effect)" })
        }
        Event::Configured { chunk, base, version, members } => {
            let base = if base.0 == 0 { String::new() } else { format!(" after {base}") };
            format!("configured {chunk} {version}{base}: {}", members_of(cluster, members))
        }
        Event::Freed { chunk, base } => format!("freed {chunk} at {base}"),
        Event::LeaseGranted { chunk, version, to, until: _ } => {
            format!("granted {chunk} {version} to {}", who(to))
        }
        Event::ChangeBegan { chunk, version, why } => {
            format!("begins {chunk} {version}: {why}")
        }
        Event::RepairBegan { chunk, version, to } => {
            format!("orders a copy of {chunk} {version} to {}", who(to))
        }
        Event::RepairEnded { chunk, to, done } => {
            let how = if *done { "ended" } else { "was given up" };
            format!("copy of {chunk} to {} {how}", who(to))
        }
        Event::ServerJoined { node, rejoined } => {
            format!("{} {}", if *rejoined { "rejoined" } else { "joined" }, who(node))
        }
        Event::ServerDead { node } => format!("counts {} as dead", who(node)),
        Event::SafeModeEnded => "ended safe mode".into(),
        Event::LogLost { chunk } => format!("has lost its log: {chunk} was never made here"),
        Event::Recovered { chunk, promised, applied_version, sequence } => {
            format!("found {chunk}: promised {promised}, applied {applied_version} {sequence}")
        }
        Event::Promised { chunk, version } => format!("promised {chunk} {version}"),
        Event::LeaseTaken { chunk, version, until: _ } => {
            format!("is primary of {chunk} {version}")
        }
        Event::LeaseEnded { chunk, version } => {
            format!("is not primary of {chunk} {version} any more")
        }
        Event::Adopted { chunk, version, sequence, length, ops: _, primary } => {
            let role = if *primary { " as primary" } else { "" };
            format!("adopted {chunk} {version}{role} at {sequence}, {length} B")
        }
        Event::Applied { chunk, version, sequence, op, kind, extent, crc: _ } => {
            let (kind, op) = (format!("{kind:?}").to_lowercase(), op_name(cluster, *op));
            format!("applied {chunk} {version} {sequence}: {op} {kind} {extent:?}")
        }
        Event::Committed { chunk, version, sequence } => {
            format!("committed {chunk} {version} up to {sequence}")
        }
        Event::Acknowledged { chunk, version: _, sequence, op, extent } => {
            format!("acknowledged {} at {chunk} {sequence} {extent:?}", op_name(cluster, *op))
        }
        Event::ReadServed { chunk, version, op, extent, mode } => {
            let (mode, op) = (format!("{mode:?}").to_lowercase(), op_name(cluster, *op));
            format!("served {op} {mode} {chunk} {version} {extent:?}")
        }
        Event::LearnerComplete { chunk, version, sequence } => {
            format!("has the whole of {chunk} {version} at {sequence}")
        }
        Event::ReplicaDeleted { chunk, reason } => match reason {
            DeleteReason::Excluded(version) => {
                format!("deleted {chunk}: not in {version}")
            }
            DeleteReason::Freed(version) => format!("deleted {chunk}: freed at {version}"),
        },
        Event::ReplicaQuarantined { chunk } => format!("set {chunk} aside"),
        Event::CorruptRead { chunk } => format!("met rot in {chunk}"),
        Event::DiskFailed => "has a failed disk".into(),
        Event::ProtocolError { chunk, sequence } => {
            format!("met another content for {chunk} {sequence}")
        }
        Event::Retried { op, why } => format!("retries {}: {why}", op_name(cluster, *op)),
    }
}

fn members_of(cluster: &Cluster, members: &[Member]) -> String {
    let names: Vec<String> = members.iter().map(|member| name(cluster, member.node)).collect();
    names.join(" ")
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
        Err(error) => format!("error: {error}"),
    }
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

fn metadata(cluster: &Cluster, answer: &MetadataAnswer) -> String {
    match answer {
        MetadataAnswer::File(info) => match info.kind {
            FileKind::Directory => format!("directory {}", info.file),
            FileKind::File(_) => format!("file {}, {} chunks", info.file, info.chunks),
        },
        MetadataAnswer::Done => "ok".into(),
        MetadataAnswer::List { entries, more } => {
            let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
            format!("[{}]{}", names.join(" "), if *more { " ..." } else { "" })
        }
        MetadataAnswer::Chunk(chunk) => format!("chunk {chunk}"),
        MetadataAnswer::Location(at) => {
            let members: Vec<String> = at.members.iter().map(|m| name(cluster, *m)).collect();
            format!("{} {} on {}", at.chunk, at.version, members.join(" "))
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
    }
}

/// What a client's owner asked for, in the words of a script.
#[must_use]
pub fn operation(op: &Operation) -> String {
    match op {
        Operation::Change(change) => kind(change).to_lowercase(),
        Operation::Query(query) => kind(query).to_lowercase(),
        Operation::Write { index, offset, payload, .. } => {
            format!("write {index}:{offset} {}", text(&payload.data))
        }
        Operation::Append { payload, .. } => format!("append {}", text(&payload.data)),
        Operation::Read { index, extent, .. } => format!("read {index}:{extent:?}"),
    }
}
