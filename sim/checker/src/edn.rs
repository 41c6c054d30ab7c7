//! Histories as Jepsen writes them: one map a line, `{:process 0, :type :invoke, :f :write, ...}`.
//!
//! A process does one thing at a time: a client with several operations under way is several
//! processes. An operation of unknown end is `:info`, and its process does nothing after it. What
//! was never answered has an `:invoke` only.

use crate::contents::Contents;
use crate::history::{Call, Ending, History, Operated};
use crate::posix::hashed;
use leasehold_proto::metadata::{FileInfo, MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{Extent, FileId, LockKind, LockOwner, Name, NodeId, ReadMode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};

/// Writes a history, in order of time.
///
/// # Errors
/// Of the writer.
pub fn write(history: &History, out: &mut impl Write) -> io::Result<()> {
    let operations = history.operations();
    let mut points: Vec<(u64, bool, usize)> = Vec::with_capacity(operations.len() * 2);
    for (at, operated) in operations.iter().enumerate() {
        points.push((operated.invoked_ns, false, at));
        points.extend(operated.returned_ns.map(|returned_ns| (returned_ns, true, at)));
    }
    points.sort_unstable();
    let mut processes = Processes::default();
    for (index, (time, is_return, at)) in points.into_iter().enumerate() {
        let operated = &operations[at];
        let (kind, process) = match is_return {
            false => ("invoke", processes.begin(operated.client, at)),
            true => (ending(operated), processes.end(operated, at)),
        };
        let value = if is_return { returned(operated) } else { asked(operated) };
        let line = Edn::Map(vec![
            ("process", Edn::Number(process)),
            ("type", Edn::Keyword(kind)),
            ("f", Edn::Keyword(function(&operated.call))),
            ("value", value),
            ("time", Edn::Number(time)),
            ("index", Edn::Number(index as u64)),
            ("client", Edn::Text(operated.client.to_string())),
        ]);
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Who is busy with what.
#[derive(Default)]
struct Processes {
    next: u64,
    free: BTreeMap<NodeId, BTreeSet<u64>>,
    busy: BTreeMap<usize, u64>,
}

impl Processes {
    fn begin(&mut self, client: NodeId, at: usize) -> u64 {
        let free = self.free.entry(client).or_default().pop_first();
        let process = free.unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.busy.insert(at, process);
        process
    }

    fn end(&mut self, operated: &Operated, at: usize) -> u64 {
        let process = self.busy.remove(&at).expect("what returns was invoked before");
        if operated.ending != Ending::Open {
            self.free.entry(operated.client).or_default().insert(process);
        }
        process
    }
}

fn ending(operated: &Operated) -> &'static str {
    match (operated.ending, &operated.answer) {
        (Ending::Open, _) => "info",
        (Ending::Failed, _) | (Ending::Answered, Some(Err(_))) => "fail",
        (Ending::Done { .. } | Ending::Answered, _) => "ok",
    }
}

fn function(call: &Call) -> &'static str {
    match call {
        Call::Write { .. } => "write",
        Call::Append { .. } => "append",
        Call::Cut { .. } => "cut",
        Call::Retire { .. } => "retire",
        Call::Read { mode: ReadMode::Strong, .. } => "read",
        Call::Read { mode: ReadMode::Relaxed, .. } => "relaxed-read",
        Call::Lock { kind: Some(LockKind::Exclusive), .. } => "lock",
        Call::Lock { kind: Some(LockKind::Shared), .. } => "lock-shared",
        Call::Lock { kind: None, .. } => "unlock",
        Call::Conflict { .. } => "conflict",
        Call::Change { change } => match change {
            MetadataChange::BeginSession => "begin-session",
            MetadataChange::Lock { .. } => "session-lock",
            MetadataChange::Unlock { .. } => "session-unlock",
            MetadataChange::Create { .. } => "create",
            MetadataChange::Mkdir { .. } => "mkdir",
            MetadataChange::Rename { .. } => "rename",
            MetadataChange::Delete { .. } => "delete",
            MetadataChange::MakeSpecial { .. } => "make-special",
            MetadataChange::Link { .. } => "link",
            MetadataChange::Exchange { .. } => "exchange",
            MetadataChange::SetAttributes { .. } => "set-attributes",
            MetadataChange::SetXattr { .. } => "set-xattr",
            MetadataChange::RemoveXattr { .. } => "remove-xattr",
            MetadataChange::Restore { .. } => "restore",
            MetadataChange::EmptyTrash { .. } => "empty-trash",
            MetadataChange::ForgetServer { .. } => "forget-server",
            MetadataChange::AddChunk { .. } => "add-chunk",
            MetadataChange::Truncate { .. } => "truncate",
            MetadataChange::SetConstants { .. } => "set-constants",
        },
        Call::Query { query } => match query {
            MetadataQuery::Stat { .. } => "stat",
            MetadataQuery::Resolve { .. } => "resolve",
            MetadataQuery::ReadLink { .. } => "read-link",
            MetadataQuery::Xattr { .. } => "xattr",
            MetadataQuery::Xattrs { .. } => "xattrs",
            MetadataQuery::StatFile { .. } => "stat-file",
            MetadataQuery::List { .. } => "list",
            MetadataQuery::Locate { .. } => "locate",
            MetadataQuery::Trash { .. } => "trash",
            MetadataQuery::Chunks { .. } => "chunks",
            MetadataQuery::RenewSession { .. } => "renew-session",
            MetadataQuery::Conflict { .. } => "session-conflict",
            MetadataQuery::Status => "status",
            MetadataQuery::Constants => "constants",
            MetadataQuery::SafeMode => "safe-mode",
            MetadataQuery::LeaveSafeMode => "leave-safe-mode",
        },
    }
}

fn asked(operated: &Operated) -> Edn {
    let mut value = match &operated.call {
        Call::Write { file, index, extent, .. } => place(file.0, *index, *extent),
        Call::Append { file, length, .. } => {
            vec![("file", Edn::Number(file.0)), ("length", Edn::Number(*length))]
        }
        Call::Cut { file, index, length, .. } => {
            return Edn::Map(place(file.0, *index, Extent::new(*length, 0)));
        }
        Call::Retire { file, index, .. } => {
            return Edn::Map(place(file.0, *index, Extent::default()));
        }
        Call::Read { file, index, extent, .. } => return Edn::Map(place(file.0, *index, *extent)),
        Call::Lock { file, owner, range, .. } | Call::Conflict { file, owner, range, .. } => {
            return Edn::Map(lock(*file, *owner, *range));
        }
        Call::Change { change } => return Edn::Map(names(change)),
        Call::Query { query } => {
            return match query {
                MetadataQuery::Stat { path }
                | MetadataQuery::Resolve { path }
                | MetadataQuery::ReadLink { path }
                | MetadataQuery::Xattrs { path }
                | MetadataQuery::List { path, .. } => Edn::Map(vec![("path", text(path))]),
                MetadataQuery::Xattr { path, name } => {
                    Edn::Map(vec![("path", text(path)), ("name", text(name))])
                }
                MetadataQuery::StatFile { file } => Edn::Map(vec![("file", Edn::Number(file.0))]),
                MetadataQuery::Locate { .. }
                | MetadataQuery::Trash { .. }
                | MetadataQuery::Chunks { .. }
                | MetadataQuery::RenewSession { .. }
                | MetadataQuery::Conflict { .. }
                | MetadataQuery::Status
                | MetadataQuery::Constants
                | MetadataQuery::SafeMode
                | MetadataQuery::LeaveSafeMode => Edn::Nil,
            };
        }
    };
    value.extend(contents(&operated.bytes));
    Edn::Map(value)
}

fn returned(operated: &Operated) -> Edn {
    match (&operated.answer, operated.ending) {
        (Some(Err(refusal)), _) => Edn::Map(vec![("error", Edn::Text(refusal.to_string()))]),
        (Some(Ok(answer)), _) => told(answer),
        (None, Ending::Done { index, extent }) => {
            let (Call::Write { file, .. } | Call::Append { file, .. } | Call::Read { file, .. }) =
                &operated.call
            else {
                return Edn::Nil;
            };
            let mut value = place(file.0, index, extent);
            value.extend(contents(&operated.bytes));
            Edn::Map(value)
        }
        (None, Ending::Open | Ending::Failed | Ending::Answered) => asked(operated),
    }
}

fn text(written: &impl ToString) -> Edn {
    Edn::Text(written.to_string())
}

fn lock(file: FileId, owner: LockOwner, range: Extent) -> Vec<(&'static str, Edn)> {
    vec![
        ("file", Edn::Number(file.0)),
        ("owner", Edn::Number(owner.0)),
        ("offset", Edn::Number(range.offset)),
        ("length", Edn::Number(range.length)),
    ]
}

fn names(change: &MetadataChange) -> Vec<(&'static str, Edn)> {
    match change {
        MetadataChange::BeginSession => vec![],
        MetadataChange::Lock { file, holder, range, .. }
        | MetadataChange::Unlock { file, holder, range } => lock(*file, holder.owner, *range),
        MetadataChange::Create { path, .. }
        | MetadataChange::Mkdir { path, .. }
        | MetadataChange::MakeSpecial { path, .. }
        | MetadataChange::SetAttributes { path, .. }
        | MetadataChange::Delete { path, .. } => vec![("path", text(path))],
        MetadataChange::Rename { from, to, .. }
        | MetadataChange::Link { from, to }
        | MetadataChange::Exchange { from, to } => vec![("from", text(from)), ("to", text(to))],
        MetadataChange::SetXattr { path, name, .. }
        | MetadataChange::RemoveXattr { path, name } => {
            vec![("path", text(path)), ("name", text(name))]
        }
        MetadataChange::Restore { file, to, .. } => {
            vec![("file", Edn::Number(file.0)), ("to", text(to))]
        }
        MetadataChange::EmptyTrash { files } => {
            files.iter().map(|file| ("file", Edn::Number(file.0))).collect()
        }
        MetadataChange::ForgetServer { node } => vec![("server", Edn::Number(node.0))],
        MetadataChange::AddChunk { file, index, .. } => {
            vec![("file", Edn::Number(file.0)), ("chunk", Edn::Number(*index))]
        }
        MetadataChange::Truncate { file, length, .. } => {
            vec![("file", Edn::Number(file.0)), ("length", Edn::Number(*length))]
        }
        MetadataChange::SetConstants { settings } => settings
            .iter()
            .map(|setting| (setting.constant.name(), Edn::Number(setting.number)))
            .collect(),
    }
}

fn told(answer: &MetadataAnswer) -> Edn {
    match answer {
        MetadataAnswer::File(info) => Edn::Map(vec![("file", Edn::Number(info.file.0))]),
        MetadataAnswer::List { entries, more } => {
            let entry = |(name, info): &(Name, FileInfo)| {
                Edn::Vector(vec![text(name), Edn::Number(info.file.0)])
            };
            let entries = Edn::Vector(entries.iter().map(entry).collect());
            Edn::Map(vec![("entries", entries), ("more", Edn::Flag(*more))])
        }
        MetadataAnswer::Done
        | MetadataAnswer::Truncated { .. }
        | MetadataAnswer::Chunk(_)
        | MetadataAnswer::Location(_)
        | MetadataAnswer::Trash { .. }
        | MetadataAnswer::Chunks { .. }
        | MetadataAnswer::Status(_)
        | MetadataAnswer::Constants(_)
        | MetadataAnswer::SafeMode(_)
        | MetadataAnswer::Bytes(_)
        | MetadataAnswer::Session { .. }
        | MetadataAnswer::Renewed(_)
        | MetadataAnswer::Conflict(_)
        | MetadataAnswer::Xattrs(_) => Edn::Nil,
    }
}

fn place(file: u64, index: u64, extent: Extent) -> Vec<(&'static str, Edn)> {
    vec![
        ("file", Edn::Number(file)),
        ("chunk", Edn::Number(index)),
        ("offset", Edn::Number(extent.offset)),
        ("length", Edn::Number(extent.length)),
    ]
}

/// A hash that names the bytes, and, where these describe themselves, who wrote what of them:
/// client, number, length.
fn contents(bytes: &[u8]) -> Vec<(&'static str, Edn)> {
    let author = |(_, contents): &(usize, Contents)| {
        let words = [contents.client, contents.number, contents.length as u64];
        Edn::Vector(words.into_iter().map(Edn::Number).collect())
    };
    let authors = Contents::scan(bytes).iter().map(author).collect();
    let hash = Edn::Text(format!("{:032x}", hashed(&bytes)));
    vec![("hash", hash), ("contents", Edn::Vector(authors))]
}

/// As much of EDN as a history needs.
enum Edn {
    Nil,
    Flag(bool),
    Number(u64),
    Keyword(&'static str),
    Text(String),
    Vector(Vec<Edn>),
    Map(Vec<(&'static str, Edn)>),
}

impl fmt::Display for Edn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edn::Nil => f.write_str("nil"),
            Edn::Flag(flag) => write!(f, "{flag}"),
            Edn::Number(number) => write!(f, "{number}"),
            Edn::Keyword(word) => write!(f, ":{word}"),
            Edn::Text(text) => quoted(text, f),
            Edn::Vector(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Edn::Map(entries) => {
                f.write_str("{")?;
                for (at, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}:{key} {value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            letter if letter.is_control() => write!(f, "\\u{:04x}", u32::from(letter))?,
            letter => write!(f, "{letter}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests;
