//! A client whose peers are the test.

mod changes;
mod endings;
mod files;
mod forgotten;
mod hostile;
mod reads;

use super::routes::Tail;
use super::*;
use crate::config::Constants;
use crate::ids::{ChunkHandle, ChunkVersion, FileId, NodeId};
use crate::message::{MasterRequest, ReadMode};
use crate::message::{call, data};
use crate::metadata::{
    FileInfo, FileKind, FileSpec, Location, MetadataAnswer, MetadataChange, MetadataQuery,
};
use crate::payload::{Extent, Payload};
use crate::replica::MutationKind;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

const ME: NodeId = NodeId(900);
const M1: NodeId = NodeId(1);
const M2: NodeId = NodeId(2);
const S1: NodeId = NodeId(11);
const S2: NodeId = NodeId(12);
const S3: NodeId = NodeId(13);
const FILE: FileId = FileId(5);

/// A client whose peers are the test.
struct Bench {
    client: Client,
    now: Time,
    sent: VecDeque<(NodeId, Message)>,
    answers: Vec<(RequestId, Result<Outcome, OpError>)>,
    retries: Vec<&'static str>,
    begun: Vec<(RequestId, Operation)>,
    ended: Vec<RequestId>,
    unsolicited: Vec<NodeId>,
    requests: u64,
}

impl Bench {
    fn new() -> Self {
        Bench::with(Constants { mutation_bytes_max: 64, ..Constants::default() })
    }

    fn with(constants: Constants) -> Self {
        let config = ClientConfig { node: ME, masters: vec![M1, M2], constants };
        let client = Client::recover(&config, (), Time(0), &mut Effects::new());
        let (sent, answers, retries) = (VecDeque::new(), Vec::new(), Vec::new());
        let (begun, ended, unsolicited) = (Vec::new(), Vec::new(), Vec::new());
        let now = Time(1_000);
        Bench { client, now, sent, answers, retries, begun, ended, unsolicited, requests: 0 }
    }

    fn step(&mut self, input: Input) {
        let mut out = Effects::new();
        self.client.step(self.now, input, &mut out);
        for effect in out.drain() {
            match effect {
                Effect::Send(envelope) => {
                    assert_eq!(envelope.from, ME);
                    self.sent.push_back((envelope.to, envelope.message));
                }
                Effect::Respond { id, result } => self.answers.push((id, result)),
                Effect::Observe(Event::Retried { why, .. }) => self.retries.push(why),
                Effect::Observe(Event::PieceBegan { piece, op, .. }) => {
                    self.begun.push((piece, *op))
                }
                Effect::Observe(Event::PieceEnded { piece, .. }) => self.ended.push(piece),
                Effect::Observe(Event::Unsolicited { from }) => self.unsolicited.push(from),
                other => panic!("a client wants nothing else: {other:?}"),
            }
        }
    }

    fn request(&mut self, op: Operation) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.step(Input::Request { caller: Box::default(), id, op });
        id
    }

    fn call(&mut self, call: FileCall) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.step(Input::File { caller: Box::default(), id, call });
        id
    }

    fn deliver(&mut self, from: NodeId, message: Message) {
        self.step(Input::Deliver(Envelope { from, to: ME, message }));
    }

    /// Wakes it at its next deadline.
    fn wake(&mut self) {
        let deadline = self.client.next_deadline().expect("something is under way");
        assert!(deadline.at > self.now, "what was due is settled");
        self.now = deadline.at;
        self.step(Input::Wake);
    }

    fn next(&mut self) -> (NodeId, Message) {
        self.sent.pop_front().expect("something was sent")
    }

    /// The next message, asked of a master.
    fn asked(&mut self) -> (NodeId, OpId, u64, MasterRequest) {
        match self.next() {
            (to, Message::Call(call::Request { op, acked_below, request, .. })) => {
                (to, op, acked_below, request)
            }
            other => panic!("a question for a master: {other:?}"),
        }
    }

    fn expect_change(&mut self, expected: &MetadataChange) -> OpId {
        match self.asked() {
            (_, op, _, MasterRequest::Change(change)) if change == *expected => op,
            other => panic!("{expected:?}, not {other:?}"),
        }
    }

    fn expect_query(&mut self, expected: &MetadataQuery) -> OpId {
        match self.asked() {
            (_, op, _, MasterRequest::Query(query)) if query == *expected => op,
            other => panic!("{expected:?}, not {other:?}"),
        }
    }

    fn expect_mutate(&mut self, expected: MutationKind, on: u64) -> (NodeId, OpId, u64) {
        match self.next() {
            (
                to,
                Message::Data(data::Request::Mutate(data::Mutate {
                    op,
                    acked_below,
                    chunk,
                    kind,
                    ..
                })),
            ) => {
                assert_eq!((kind, chunk), (expected, ChunkHandle(on)));
                (to, op, acked_below)
            }
            other => panic!("a mutation: {other:?}"),
        }
    }

    fn tell(&mut self, op: OpId, answer: Result<MetadataAnswer, Refusal>) {
        self.deliver(M1, Message::CallReply(call::Reply { op, answer }));
    }

    fn mutated(&mut self, from: NodeId, op: OpId, on: u64, result: Result<Extent, Refusal>) {
        self.deliver(
            from,
            Message::DataReply(data::Reply::Mutated(data::Mutated {
                op,
                chunk: ChunkHandle(on),
                result,
            })),
        );
    }

    /// Answers the StatFile that comes next.
    fn tell_tail(&mut self, chunks: u64) {
        let op = self.expect_query(&MetadataQuery::StatFile { file: FILE });
        let kind = FileKind::File(FileSpec::default());
        let info = FileInfo::new(FILE, kind, chunks);
        self.tell(op, Ok(MetadataAnswer::File(info)));
    }

    /// Answers the Locate that comes next: chunk `index` is `c<100 + index>`.
    fn tell_location(&mut self, index: u64, version: u64, primary: NodeId) {
        let op = self.expect_query(&locate(index, true, None));
        self.tell(op, Ok(MetadataAnswer::Location(location(index, version, primary))));
    }

    fn tell_added(&mut self, index: u64) -> OpId {
        let op = self.expect_change(&add_chunk(index, index));
        self.tell(op, Ok(MetadataAnswer::Chunk(ChunkHandle(100 + index))));
        op
    }

    fn answer(&mut self) -> Result<Outcome, OpError> {
        assert_eq!(self.answers.len(), 1, "one answer");
        self.answers.remove(0).1
    }

    fn assert_idle(&self) {
        assert_eq!(self.sent, []);
        assert_eq!(self.answers, []);
        assert_eq!(self.client.next_deadline(), None);
        assert_eq!(self.client.outstanding(), 0);
        assert_eq!(self.client.files.calls(), 0);
        assert_eq!(self.client.tasks.acked_below(), self.client.tasks.next_number());
    }
}

fn location(index: u64, version: u64, primary: NodeId) -> Location {
    Location {
        chunk: ChunkHandle(100 + index),
        version: ChunkVersion(version),
        members: vec![S1, S2, S3],
        primary: Some(primary),
        last: true,
    }
}

/// Chunk `index`, by a client that saw the last of `slots` sealed.
fn add_chunk(index: u64, slots: u64) -> MetadataChange {
    MetadataChange::AddChunk { file: FILE, index, slots, epoch: 0 }
}

fn tail(slots: u64) -> Tail {
    Tail { slots, epoch: 0, chunk_bytes: FileSpec::default().chunk_bytes }
}

fn locate(index: u64, primary: bool, stale: Option<u64>) -> MetadataQuery {
    MetadataQuery::Locate { file: FILE, index, primary, stale: stale.map(ChunkVersion) }
}

fn payload(bytes: &'static [u8]) -> Payload {
    Payload::new(Bytes::from_static(bytes), 7)
}

fn write(index: u64) -> Operation {
    Operation::Write { file: FILE, index, offset: 3, payload: payload(b"abc") }
}

fn append() -> Operation {
    Operation::Append { file: FILE, chunk_bytes: 64, payload: payload(b"abc") }
}

fn read(mode: ReadMode) -> Operation {
    Operation::Read { file: FILE, index: 0, extent: Extent::new(0, 8), mode }
}

fn delete() -> MetadataChange {
    MetadataChange::Delete { path: "/d".into(), this: None }
}

fn written(index: u64) -> Result<Outcome, OpError> {
    Ok(Outcome::Written { index, extent: Extent::new(3, 3) })
}

const EXTENT: Extent = Extent { offset: 3, length: 3 };
