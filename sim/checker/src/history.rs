//! The requests of clients and their answers, with true times.

use crate::violation::seconds;
use bytes::Bytes;
use leasehold_proto::message::ReadMode;
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{
    Caller, ChunkHandle, Extent, FileId, LockKind, LockOwner, NodeId, OpError, Operation, Outcome,
    Refusal, RequestId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "call")]
#[allow(missing_docs)] // fields are named as in `Operation`
pub enum Call {
    /// Write inside one chunk.
    Write { file: FileId, index: u64, extent: Extent, crc: u32 },
    /// Give one chunk a length.
    Cut { file: FileId, index: u64, length: u64, epoch: u64 },
    /// Empty one chunk for good.
    Retire { file: FileId, index: u64, chunk: ChunkHandle },
    /// Append one record.
    Append { file: FileId, length: u64, crc: u32 },
    /// Read inside one chunk.
    Read { file: FileId, index: u64, extent: Extent, mode: ReadMode },
    /// Lock or, without a kind, unlock a range.
    Lock { file: FileId, owner: LockOwner, range: Extent, kind: Option<LockKind> },
    /// Find the lock that does not allow one.
    Conflict { file: FileId, owner: LockOwner, range: Extent, kind: LockKind },
    /// Change the namespace.
    Change { change: MetadataChange },
    /// Ask about it.
    Query { query: MetadataQuery },
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use {MetadataChange as Change, MetadataQuery as Query};
        match self {
            Call::Write { file, index, extent, .. } => {
                write!(f, "write to {file}, chunk {index}, bytes {extent:?}")
            }
            Call::Cut { file, index, length, epoch } => {
                write!(f, "cut of {file}, chunk {index}, to {length} B in epoch {epoch}")
            }
            Call::Retire { file, index, chunk } => {
                write!(f, "retirement of {chunk}, chunk {index} of {file}")
            }
            Call::Append { file, length, .. } => write!(f, "append {length} B to {file}"),
            Call::Read { file, index, extent, mode } => {
                let mode = format!("{mode:?}").to_lowercase();
                write!(f, "{mode} read of {file}, chunk {index}, bytes {extent:?}")
            }
            Call::Lock { file, owner, range, kind: Some(kind) } => {
                write!(f, "{kind:?} lock of {file}, bytes {range:?}, for {owner}")
            }
            Call::Lock { file, owner, range, kind: None } => {
                write!(f, "unlock of {file}, bytes {range:?}, for {owner}")
            }
            Call::Conflict { file, owner, range, kind } => {
                write!(f, "conflict with {kind:?} lock of {file}, bytes {range:?}, for {owner}")
            }
            Call::Change { change } => match change {
                Change::BeginSession => f.write_str("begin a session"),
                Change::Lock { file, holder, range, kind } => {
                    write!(f, "{kind:?} lock of {file}, bytes {range:?}, for {holder:?}")
                }
                Change::Unlock { file, holder, range } => {
                    write!(f, "unlock of {file}, bytes {range:?}, for {holder:?}")
                }
                Change::Create { path, .. } => write!(f, "create {path}"),
                Change::Mkdir { path, .. } => write!(f, "mkdir {path}"),
                Change::Rename { from, to, no_replace: true, .. } => {
                    write!(f, "rename {from} to {to}, which is new")
                }
                Change::Rename { from, to, .. } => write!(f, "rename {from} to {to}"),
                Change::Delete { path, .. } => write!(f, "delete {path}"),
                Change::MakeSpecial { path, what, .. } => write!(f, "make {what:?} {path}"),
                Change::Link { from, to } => write!(f, "link {from} to {to}"),
                Change::Exchange { from, to } => write!(f, "exchange {from} and {to}"),
                Change::SetAttributes { path, set } => write!(f, "set {set:?} of {path}"),
                Change::SetXattr { path, name, value, condition } => {
                    write!(f, "set {name} of {path} to {} B, {condition:?}", value.len())
                }
                Change::RemoveXattr { path, name } => write!(f, "remove {name} of {path}"),
                Change::Restore { file, to, .. } => write!(f, "restore {file} to {to}"),
                Change::EmptyTrash { files } => write!(f, "empty the trash of {files:?}"),
                Change::ForgetServer { node } => write!(f, "forget server {node}"),
                Change::AddChunk { file, index, .. } => write!(f, "add chunk {index} to {file}"),
                Change::Truncate { file, length, .. } => write!(f, "truncate {file} to {length}"),
                Change::SetConstants { settings } => write!(f, "set constants {settings:?}"),
            },
            Call::Query { query: Query::Stat { path } } => write!(f, "stat {path}"),
            Call::Query { query: Query::List { path, after: None } } => write!(f, "list {path}"),
            Call::Query { query: Query::List { path, after: Some(after) } } => {
                write!(f, "list {path} after {after}")
            }
            Call::Query { query } => write!(f, "{query:?}"),
        }
    }
}

/// How it ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ending")]
pub enum Ending {
    /// No answer, or one that says that the outcome is unknown: it may take effect at any time.
    Open,
    /// It had no effect.
    Failed,
    /// A master answered, well or not: see [`Operated::answer`].
    Answered,
    /// It took effect there.
    Done {
        /// The chunk's index.
        index: u64,
        /// Where in the chunk; for a read as many bytes as were returned.
        extent: Extent,
    },
}

/// One operation of a client. One line of `history.jsonl`; the bytes stay in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operated {
    /// Who.
    pub client: NodeId,
    /// As it numbered it.
    pub request: RequestId,
    /// True time, in nanoseconds.
    pub invoked_ns: u64,
    /// True time, in nanoseconds. With an end that is not open, its effect lies between the two.
    pub returned_ns: Option<u64>,
    /// The request.
    #[serde(flatten)]
    pub call: Call,
    /// Its credentials and its clock.
    #[serde(default)]
    pub caller: Caller,
    /// How it ended.
    pub ending: Ending,
    /// What a master answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Result<MetadataAnswer, Refusal>>,
    /// What was written, or was read.
    #[serde(skip)]
    pub bytes: Bytes,
}

impl Operated {
    /// The request, its client and its times, as text.
    #[must_use]
    pub fn told(&self) -> String {
        let Operated { client, request, call, .. } = self;
        let nobody = || "an end that nobody was told of".to_owned();
        let (from, to) = (seconds(self.invoked_ns), self.returned_ns.map_or_else(nobody, seconds));
        format!("`{call}` of {client}, {request}, from {from} to {to}")
    }

    /// What a master answered, in words.
    #[must_use]
    pub fn answered(&self) -> String {
        match &self.answer {
            None => "nothing".to_owned(),
            Some(Err(refusal)) => refusal.to_string(),
            Some(Ok(MetadataAnswer::Done)) => "done".to_owned(),
            Some(Ok(MetadataAnswer::File(info))) => info.file.to_string(),
            Some(Ok(MetadataAnswer::List { entries, more })) => {
                let names: Vec<String> = entries.iter().map(|(name, _)| name.to_string()).collect();
                format!("[{}{}]", names.join(" "), if *more { " ..." } else { "" })
            }
            Some(Ok(other)) => format!("{other:?}"),
        }
    }
}

/// Everything that the clients of a run did.
#[derive(Clone, Debug, Default)]
pub struct History {
    operations: Vec<Operated>,
    open: BTreeMap<(NodeId, RequestId), usize>,
    waiting: BTreeMap<(NodeId, RequestId), u64>,
    contents: BTreeMap<(u32, u64), Bytes>,
}

impl History {
    /// In order of invocation.
    #[must_use]
    pub fn operations(&self) -> &[Operated] {
        &self.operations
    }

    /// The requests, metadata included, that no answer came to, and when they were invoked.
    #[must_use]
    pub fn waiting(&self) -> &BTreeMap<(NodeId, RequestId), u64> {
        &self.waiting
    }

    /// The bytes that a client wrote with this checksum and length.
    #[must_use]
    pub fn contents(&self, crc: u32, length: u64) -> Option<&Bytes> {
        self.contents.get(&(crc, length))
    }

    /// A client begins a file call. Its pieces are operations of the history, and are judged; of the
    /// call itself only its answer is waited for.
    pub fn called(&mut self, client: NodeId, true_ns: u64, request: RequestId) {
        self.waiting.insert((client, request), true_ns);
    }

    /// A client begins; the index of its operation.
    pub fn invoked(
        &mut self,
        client: NodeId,
        true_ns: u64,
        request: RequestId,
        caller: &Caller,
        operation: &Operation,
    ) -> usize {
        self.waiting.insert((client, request), true_ns);
        let (call, bytes) = call_of(operation);
        if let Call::Write { crc, .. } | Call::Append { crc, .. } = call {
            self.contents.insert((crc, bytes.len() as u64), bytes.clone());
        }
        let (invoked_ns, returned_ns, ending, answer) = (true_ns, None, Ending::Open, None);
        let caller = caller.clone();
        let begun = Operated {
            client,
            request,
            invoked_ns,
            returned_ns,
            call,
            caller,
            ending,
            answer,
            bytes,
        };
        self.operations.push(begun);
        self.open.insert((client, request), self.operations.len() - 1);
        self.operations.len() - 1
    }

    /// ... and is answered.
    pub fn returned(
        &mut self,
        client: NodeId,
        true_ns: u64,
        request: RequestId,
        result: &Result<Outcome, OpError>,
    ) -> Option<usize> {
        self.waiting.remove(&(client, request));
        let index = self.open.remove(&(client, request))?;
        let operation = &mut self.operations[index];
        operation.returned_ns = Some(true_ns);
        operation.ending = match (result, &operation.call) {
            (Ok(Outcome::Written { index, extent }), _) => {
                Ending::Done { index: *index, extent: *extent }
            }
            (Ok(Outcome::Read { payload, .. }), Call::Read { index, extent, .. }) => {
                operation.bytes = payload.data.clone();
                let extent = Extent::new(extent.offset, payload.len());
                Ending::Done { index: *index, extent }
            }
            (Err(error), _) if error.may_have_effect() => Ending::Open,
            (Ok(Outcome::Metadata(answer)), _) => {
                operation.answer = Some(Ok(answer.clone()));
                Ending::Answered
            }
            (Err(OpError::Refused(refusal)), Call::Change { .. } | Call::Query { .. }) => {
                operation.answer = Some(Err(refusal.clone()));
                Ending::Answered
            }
            (Err(_) | Ok(Outcome::Read { .. } | Outcome::File(_)), _) => Ending::Failed,
        };
        Some(index)
    }

    /// When files were being truncated, from the first moment to the last at which a step may have
    /// taken effect. What is true of the order of records in a file holds between such spans.
    #[must_use]
    pub fn truncations(&self) -> BTreeMap<FileId, Vec<(u64, u64)>> {
        let mut spans: BTreeMap<FileId, Vec<(u64, u64)>> = BTreeMap::new();
        for operated in self.operations.iter().filter(|op| op.ending != Ending::Failed) {
            let file = match &operated.call {
                Call::Cut { file, .. } | Call::Retire { file, .. } => *file,
                Call::Change { change: MetadataChange::Truncate { file, .. } } => *file,
                Call::Write { .. }
                | Call::Append { .. }
                | Call::Read { .. }
                | Call::Lock { .. }
                | Call::Conflict { .. }
                | Call::Change { .. }
                | Call::Query { .. } => continue,
            };
            let over = operated.returned_ns.filter(|_| operated.ending != Ending::Open);
            let span = (operated.invoked_ns, over.unwrap_or(u64::MAX));
            spans.entry(file).or_default().push(span);
        }
        spans
    }

    /// A client ended: its answers are lost, and what it began may take effect.
    pub fn client_gone(&mut self, client: NodeId) {
        self.waiting.retain(|(waiting, _), _| *waiting != client);
        self.open.retain(|(open, _), _| *open != client);
    }
}

fn call_of(operation: &Operation) -> (Call, Bytes) {
    match operation {
        Operation::Change(change) => (Call::Change { change: change.clone() }, Bytes::new()),
        Operation::Query(query) => (Call::Query { query: query.clone() }, Bytes::new()),
        Operation::Write { file, index, offset, payload } => {
            let extent = Extent::new(*offset, payload.len());
            let call = Call::Write { file: *file, index: *index, extent, crc: payload.crc };
            (call, payload.data.clone())
        }
        Operation::Cut { file, index, length, epoch } => {
            let (file, index, length, epoch) = (*file, *index, *length, *epoch);
            (Call::Cut { file, index, length, epoch }, Bytes::new())
        }
        Operation::Retire { file, index, chunk } => {
            let (file, index, chunk) = (*file, *index, *chunk);
            (Call::Retire { file, index, chunk }, Bytes::new())
        }
        Operation::Append { file, payload, .. } => {
            let call = Call::Append { file: *file, length: payload.len(), crc: payload.crc };
            (call, payload.data.clone())
        }
        Operation::Lock { file, owner, range, kind } => {
            let (file, owner, range, kind) = (*file, *owner, *range, *kind);
            (Call::Lock { file, owner, range, kind }, Bytes::new())
        }
        Operation::Conflict { file, owner, range, kind, .. } => {
            let (file, owner, range, kind) = (*file, *owner, *range, *kind);
            (Call::Conflict { file, owner, range, kind }, Bytes::new())
        }
        Operation::Read { file, index, extent, mode } => {
            let call = Call::Read { file: *file, index: *index, extent: *extent, mode: *mode };
            (call, Bytes::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::history::Operated;
    use crate::testing::*;

    #[test]
    fn a_line_of_jsonl_is_read_back() {
        let mut run = Run::new();
        run.append(1, (10, 20), Some(64), &cell(1));
        run.append(2, (30, 40), None, &cell(2));
        run.read(3, (50, 60), 64, &cell(1)).unwrap();
        for operated in run.checkers.history().operations() {
            let line = serde_json::to_string(operated).unwrap();
            let mut back: Operated = serde_json::from_str(&line).unwrap();
            // The bytes stay behind.
            back.bytes = operated.bytes.clone();
            assert_eq!(back, *operated, "{line}");
        }
    }
}
