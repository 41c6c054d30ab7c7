use super::*;
use crate::config::Constants;
use crate::ids::{ChunkHandle, ChunkVersion, FileId};
use crate::message::{MasterRequest, ReadMode};
use crate::metadata::{
    FileInfo, FileKind, FileSpec, Location, MetadataAnswer, MetadataChange, MetadataQuery,
};
use crate::payload::{Extent, Payload};
use crate::replica::MutationKind;
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
    requests: u64,
}

impl Bench {
    fn new() -> Self {
        let constants = Constants { mutation_bytes_max: 64, ..Constants::default() };
        let config = ClientConfig { node: ME, masters: vec![M1, M2], constants };
        let client = Client::recover(&config, (), Time(0), &mut Effects::new());
        let (sent, answers, retries) = (VecDeque::new(), Vec::new(), Vec::new());
        Bench { client, now: Time(1_000), sent, answers, retries, requests: 0 }
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
                other => panic!("a client wants nothing else: {other:?}"),
            }
        }
    }

    fn request(&mut self, op: Operation) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.step(Input::Request { id, op });
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
            (to, Message::AskMaster { op, acked_below, request }) => (to, op, acked_below, request),
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
            (to, Message::Mutate { op, acked_below, chunk, kind, .. }) => {
                assert_eq!((kind, chunk), (expected, ChunkHandle(on)));
                (to, op, acked_below)
            }
            other => panic!("a mutation: {other:?}"),
        }
    }

    fn tell(&mut self, op: OpId, answer: Result<MetadataAnswer, Refusal>) {
        self.deliver(M1, Message::TellClient { op, answer });
    }

    fn mutated(&mut self, from: NodeId, op: OpId, on: u64, result: Result<Extent, Refusal>) {
        self.deliver(from, Message::Mutated { op, chunk: ChunkHandle(on), result });
    }

    /// Answers the StatFile that comes next.
    fn tell_tail(&mut self, chunks: u64) {
        let op = self.expect_query(&MetadataQuery::StatFile { file: FILE });
        let kind = FileKind::File(FileSpec::default());
        let info = FileInfo { file: FILE, kind, chunks, mtime_ms: 0, length_reported: 0 };
        self.tell(op, Ok(MetadataAnswer::File(info)));
    }

    /// Answers the Locate that comes next: chunk `index` is `c<100 + index>`.
    fn tell_location(&mut self, index: u64, version: u64, primary: NodeId) {
        let op = self.expect_query(&locate(index, true, None));
        self.tell(op, Ok(MetadataAnswer::Location(location(index, version, primary))));
    }

    fn tell_added(&mut self, index: u64) -> OpId {
        let op = self.expect_change(&MetadataChange::AddChunk { file: FILE, index, mtime_ms: 0 });
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
        assert_eq!(self.client.session.acked_below(), self.client.session.next());
    }
}

fn location(index: u64, version: u64, primary: NodeId) -> Location {
    Location {
        chunk: ChunkHandle(100 + index),
        version: ChunkVersion(version),
        members: vec![S1, S2, S3],
        primary: Some(primary),
    }
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

fn mkdir() -> MetadataChange {
    MetadataChange::Mkdir { path: "/d".to_string(), mtime_ms: 9 }
}

fn written(index: u64) -> Result<Outcome, OpError> {
    Ok(Outcome::Written { index, extent: Extent::new(3, 3) })
}

const EXTENT: Extent = Extent { offset: 3, length: 3 };

#[test]
fn first_write_to_an_empty_file() {
    let mut bench = Bench::new();
    bench.request(write(0));
    let op = bench.expect_query(&locate(0, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    bench.tell_tail(0);
    bench.tell_added(0);
    bench.tell_location(0, 1, S1);
    let (to, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    assert_eq!(to, S1);
    bench.mutated(S1, op, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
    // The location is remembered: the next write goes straight to the primary.
    bench.request(write(0));
    bench.expect_mutate(MutationKind::Write, 100);
}

#[test]
fn a_write_past_the_end_seals_and_adds_what_is_missing() {
    let mut bench = Bench::new();
    bench.request(write(2));
    let op = bench.expect_query(&locate(2, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    bench.tell_tail(1);
    for last in [0, 1] {
        bench.tell_location(last, 1, S2);
        let (to, op, _) = bench.expect_mutate(MutationKind::Seal, 100 + last);
        bench.mutated(to, op, 100 + last, Ok(Extent::default()));
        bench.tell_added(last + 1);
    }
    bench.tell_location(2, 1, S3);
    let (to, op, _) = bench.expect_mutate(MutationKind::Write, 102);
    bench.mutated(to, op, 102, Ok(EXTENT));
    assert_eq!(bench.answer(), written(2));
    bench.assert_idle();
}

#[test]
fn a_write_to_a_file_that_is_not_there() {
    let mut bench = Bench::new();
    bench.request(write(0));
    let op = bench.expect_query(&locate(0, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    let op = bench.expect_query(&MetadataQuery::StatFile { file: FILE });
    bench.tell(op, Err(Refusal::NotFound));
    assert_eq!(bench.answer(), Err(OpError::Refused(Refusal::NotFound)));
    bench.assert_idle();
}

#[test]
fn what_several_need_is_asked_once() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.request(write(0));
    }
    bench.tell_location(0, 1, S1);
    let mut ops = BTreeSet::new();
    for _ in 0..3 {
        ops.insert(bench.expect_mutate(MutationKind::Write, 100).1);
    }
    assert_eq!(ops.len(), 3, "each has its own id");
    assert_eq!(bench.sent, []);
}

#[test]
fn a_retry_keeps_its_id() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(mkdir()));
    let first = bench.expect_change(&mkdir());
    bench.wake();
    let (to, second, ..) = bench.asked();
    assert_eq!((to, second), (M1, first), "messages get lost: the same master again");
    bench.wake();
    let (to, third, ..) = bench.asked();
    assert_eq!((to, third), (M2, first), "then another one");
    bench.deliver(M1, Message::TellClient { op: first, answer: Ok(MetadataAnswer::Done) });
    assert_eq!(bench.answer(), Ok(Outcome::Metadata(MetadataAnswer::Done)), "a late answer counts");
    bench.deliver(M2, Message::TellClient { op: first, answer: Err(Refusal::AlreadyExists) });
    bench.assert_idle();
    assert_eq!(bench.retries, ["a master is silent"; 2]);
}

#[test]
fn follows_the_leader() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(mkdir()));
    let op = bench.expect_change(&mkdir());
    bench.tell(op, Err(Refusal::NotLeader { leader: Some(M2) }));
    // A second copy of the same refusal changes nothing.
    bench.tell(op, Err(Refusal::NotLeader { leader: Some(M2) }));
    bench.wake();
    let (to, again, ..) = bench.asked();
    assert_eq!((to, again), (M2, op));
    bench.deliver(M2, Message::TellClient { op, answer: Err(Refusal::AlreadyExists) });
    assert_eq!(bench.answer(), Err(OpError::Refused(Refusal::AlreadyExists)));
    bench.request(Operation::Query(MetadataQuery::Status));
    assert_eq!(bench.asked().0, M2, "the leader is remembered");
}

#[test]
fn a_stale_location_is_looked_up_again() {
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    bench.mutated(S1, op, 100, Err(Refusal::Stale { promised: ChunkVersion(2) }));
    assert_eq!(bench.sent, [], "not at once: the cluster is busy changing");
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S2))));
    let (to, again, _) = bench.expect_mutate(MutationKind::Write, 100);
    assert_eq!((to, again), (S2, op));
    // The first primary's refusal, once more: it is not whom we wait for.
    let before = bench.client.clone();
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    assert_eq!(bench.client, before);
    bench.mutated(S2, op, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
}

#[test]
fn a_silent_primary_is_told_twice() {
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    let before = bench.now;
    bench.wake();
    assert!(bench.now.since(before) >= Duration::from_secs(1), "writes wait for disks");
    assert_eq!(bench.expect_mutate(MutationKind::Write, 100).1, op);
    bench.wake();
    assert_eq!(bench.sent, []);
    bench.wake();
    bench.expect_query(&locate(0, true, Some(1)));
    // While it asks, the answer comes after all.
    bench.mutated(S1, op, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
}

#[test]
fn an_append_moves_on_only_after_sealed() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    // Others extend the file meanwhile, and this client hears of it.
    bench.client.routes.learn_tail(FILE, 3);
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S2))));
    let (_, again, _) = bench.expect_mutate(MutationKind::Append, 100);
    assert_eq!(again, op, "it may stand in this chunk: this chunk has to say");
    bench.mutated(S2, op, 100, Err(Refusal::Sealed));
    bench.tell_tail(3);
    bench.tell_location(2, 1, S3);
    let (to, last, _) = bench.expect_mutate(MutationKind::Append, 102);
    assert_eq!((to, last), (S3, op));
    bench.mutated(S2, op, 100, Err(Refusal::Sealed));
    assert_eq!(bench.sent, [], "the chunk that was left has no say any more");
    bench.mutated(S3, op, 102, Ok(EXTENT));
    assert_eq!(bench.answer(), written(2));
    bench.assert_idle();
}

#[test]
fn an_append_adds_the_next_chunk() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    bench.mutated(S1, op, 100, Err(Refusal::Sealed));
    bench.tell_tail(1);
    let added = bench.tell_added(1);
    assert_ne!(added, op, "adding a chunk is an operation of its own");
    bench.tell_location(1, 1, S1);
    assert_eq!(bench.expect_mutate(MutationKind::Append, 101).1, op);
}

#[test]
fn a_late_sealed_while_the_chunk_is_looked_up() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.mutated(S1, op, 100, Err(Refusal::Sealed));
    // Nobody needs the location any more; its answer meets nobody.
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S2))));
    bench.tell_tail(1);
    bench.expect_change(&MetadataChange::AddChunk { file: FILE, index: 1, mtime_ms: 0 });
}

#[test]
fn an_open_add_chunk_keeps_its_place() {
    let mut bench = Bench::new();
    bench.client.routes.learn_tail(FILE, 0);
    bench.request(append());
    let add = MetadataChange::AddChunk { file: FILE, index: 0, mtime_ms: 0 };
    let op = bench.expect_change(&add);
    bench.tell(op, Err(Refusal::Busy));
    // Its number stands for chunk 0 at the master, whatever is learnt meanwhile.
    bench.client.routes.learn_tail(FILE, 2);
    bench.wake();
    assert_eq!(bench.expect_change(&add), op);
}

#[test]
fn chunks_beyond_the_end_are_not_added() {
    let mut bench = Bench::new();
    bench.client.routes.learn_tail(FILE, 3);
    bench.client.routes.seal(FILE, 2);
    bench.client.routes.seal(FILE, 0);
    let job = bench.request(write(3));
    let op = bench.expect_query(&locate(3, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    bench.tell_tail(3);
    let op = bench.expect_change(&MetadataChange::AddChunk { file: FILE, index: 3, mtime_ms: 0 });
    bench.tell(op, Err(Refusal::NotNextChunk { chunks: 1 }));
    let add = MetadataChange::AddChunk { file: FILE, index: 1, mtime_ms: 0 };
    assert_ne!(bench.expect_change(&add), op, "another place is another operation");
    assert_eq!(job, RequestId(1));
}

#[test]
fn every_operation_ends() {
    let run = |op: Operation, located: bool| {
        let mut bench = Bench::new();
        bench.request(op);
        if located {
            bench.tell_location(0, 1, S1);
        }
        let start = bench.now;
        while bench.answers.is_empty() {
            bench.wake();
        }
        assert_eq!(bench.now.since(start), bench.client.config.constants.operation_timeout);
        assert!(bench.sent.len() < 200, "bounded: {}", bench.sent.len());
        let answer = bench.answer();
        bench.sent.clear();
        bench.assert_idle();
        answer
    };
    let silent = |maybe| Err(OpError::TimedOut { maybe, last: None });
    assert_eq!(run(Operation::Change(mkdir()), false), silent(true));
    assert_eq!(run(Operation::Query(MetadataQuery::Status), false), silent(false));
    assert_eq!(run(write(0), false), silent(false), "no primary was ever found");
    assert_eq!(run(write(0), true), silent(true));
    assert_eq!(run(append(), false), silent(false));
    assert_eq!(run(read(ReadMode::Strong), true), silent(false));
}

#[test]
fn a_timeout_tells_what_stood_in_the_way() {
    let mut bench = Bench::new();
    bench.request(write(0));
    while bench.answers.is_empty() {
        while let Some((to, message)) = bench.sent.pop_front() {
            let Message::AskMaster { op, .. } = message else { panic!("no location, no write") };
            let answer = Err(Refusal::NoServers);
            bench.deliver(to, Message::TellClient { op, answer });
        }
        if bench.answers.is_empty() {
            bench.wake();
        }
    }
    let last = Some(Refusal::NoServers);
    assert_eq!(bench.answer(), Err(OpError::TimedOut { maybe: false, last }));
}

#[test]
fn refused_means_without_effect() {
    // A file that goes away under a write that was sent: nobody can say.
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Err(Refusal::NotFound));
    let last = Some(Refusal::NotFound);
    assert_eq!(bench.answer(), Err(OpError::TimedOut { maybe: true, last }));
    // A write that no primary would ever take.
    bench.request(write(1));
    bench.tell_location(1, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 101);
    let refusal = Refusal::Invalid("past the end".to_string());
    bench.mutated(S1, op, 101, Err(refusal.clone()));
    assert_eq!(bench.answer(), Err(OpError::Refused(refusal)));
    bench.assert_idle();
}

#[test]
fn a_full_cluster_is_tried_a_few_times() {
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let mut version = 1;
    while bench.answers.is_empty() {
        let (to, op, _) = bench.expect_mutate(MutationKind::Write, 100);
        bench.mutated(to, op, 100, Err(Refusal::NoSpace));
        if bench.answers.is_empty() {
            bench.wake();
            let question = bench.expect_query(&locate(0, true, Some(version)));
            version += 1;
            bench.tell(question, Ok(MetadataAnswer::Location(location(0, version, S2))));
        }
    }
    assert_eq!(version, 8);
    let last = Some(Refusal::NoSpace);
    assert_eq!(bench.answer(), Err(OpError::TimedOut { maybe: true, last }));
    bench.assert_idle();
}

#[test]
fn too_large_and_empty_are_refused_at_the_door() {
    let mut bench = Bench::new();
    let long: &'static [u8] = &[1; 65];
    let (file, chunk_bytes) = (FILE, 64);
    let refused = |bench: &mut Bench, op| {
        bench.request(op);
        let Err(OpError::Refused(refusal)) = bench.answer() else { panic!("refused") };
        bench.assert_idle();
        refusal
    };
    let op = Operation::Write { file, index: 0, offset: 0, payload: payload(long) };
    assert_eq!(refused(&mut bench, op), Refusal::TooLarge { bytes_max: 64 });
    let op = Operation::Append { file, chunk_bytes, payload: payload(&long[..17]) };
    assert_eq!(refused(&mut bench, op), Refusal::TooLarge { bytes_max: 16 });
    let op = Operation::Write { file, index: 0, offset: 0, payload: payload(b"") };
    assert!(matches!(refused(&mut bench, op), Refusal::Invalid(_)));
}

#[test]
fn the_watermark_waits_for_the_oldest_change() {
    let mut bench = Bench::new();
    let change = |bench: &mut Bench| {
        bench.request(Operation::Change(mkdir()));
        let (_, op, acked_below, _) = bench.asked();
        (op, acked_below)
    };
    let (first, below) = change(&mut bench);
    assert_eq!(below, first.number, "never above itself");
    let (second, below) = change(&mut bench);
    assert_eq!(below, first.number);
    bench.tell(second, Ok(MetadataAnswer::Done));
    let (third, below) = change(&mut bench);
    assert_eq!(below, first.number, "the first is still open");
    bench.tell(first, Ok(MetadataAnswer::Done));
    let (_, below) = change(&mut bench);
    assert_eq!(below, third.number);
}

#[test]
fn questions_do_not_hold_the_watermark() {
    let mut bench = Bench::new();
    bench.request(Operation::Query(MetadataQuery::Status));
    let (_, question, ..) = bench.asked();
    bench.request(Operation::Change(mkdir()));
    let (_, op, below, _) = bench.asked();
    assert!(question.number < op.number);
    assert_eq!(below, op.number);
}

#[test]
fn what_timed_out_is_given_up() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(mkdir()));
    let op = bench.expect_change(&mkdir());
    while bench.answers.is_empty() {
        bench.wake();
    }
    bench.sent.clear();
    bench.answers.clear();
    bench.request(Operation::Change(mkdir()));
    let (_, _, below, _) = bench.asked();
    assert!(below > op.number, "it is never sent again");
    bench.tell(op, Ok(MetadataAnswer::Done));
    assert_eq!(bench.answers, []);
}

#[test]
fn strong_reads_go_to_the_primary() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Strong));
    bench.tell_location(0, 1, S2);
    let (to, Message::Read { op, version, mode, .. }) = bench.next() else { panic!("a read") };
    assert_eq!((to, version, mode), (S2, ChunkVersion(1), ReadMode::Strong));
    let chunk = ChunkHandle(100);
    let answer = |result, bytes| Message::TellRead { op, chunk, result, payload: payload(bytes) };
    bench.deliver(S2, answer(Err(Refusal::NotPrimary), b""));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S1))));
    assert_eq!(bench.next().0, S1);
    bench.deliver(S1, answer(Ok(5), b"hello"));
    let expected = Outcome::Read { payload: payload(b"hello"), chunk_length: 5 };
    assert_eq!(bench.answer(), Ok(expected));
    bench.assert_idle();
}

#[test]
fn a_silent_primary_is_read_twice() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Strong));
    bench.tell_location(0, 1, S2);
    assert_eq!(bench.next().0, S2);
    bench.wake();
    assert_eq!(bench.next().0, S2);
    bench.wake();
    bench.wake();
    bench.expect_query(&locate(0, true, Some(1)));
}

#[test]
fn relaxed_reads_try_every_member() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Relaxed));
    let question = bench.expect_query(&locate(0, false, None));
    let nobody = Location { primary: None, ..location(0, 1, S1) };
    bench.tell(question, Ok(MetadataAnswer::Location(nobody)));
    let mut asked = BTreeSet::new();
    for refusal in [Refusal::Corrupt, Refusal::DiskFailed, Refusal::Busy] {
        let (to, Message::Read { op, chunk, .. }) = bench.next() else { panic!("a read") };
        assert!(asked.insert(to), "each member once");
        let result = Err(refusal);
        bench.deliver(to, Message::TellRead { op, chunk, result, payload: Payload::default() });
    }
    assert_eq!(asked, BTreeSet::from([S1, S2, S3]));
    bench.wake();
    assert!(matches!(bench.next().1, Message::Read { .. }), "the last one was only busy");
}

#[test]
fn clients_begin_at_different_members() {
    let first = |node: u64| {
        let mut bench = Bench::new();
        bench.client.config.node = NodeId(node);
        bench.client.routes.learn(FILE, 0, location(0, 1, S1));
        let mut out = Effects::new();
        let (id, op) = (RequestId(1), read(ReadMode::Relaxed));
        bench.client.step(bench.now, Input::Request { id, op }, &mut out);
        let Some(Effect::Send(envelope)) = out.drain().next() else { panic!("a read") };
        envelope.to
    };
    let firsts: BTreeSet<NodeId> = (0..32).map(first).collect();
    assert_eq!(firsts, BTreeSet::from([S1, S2, S3]));
}

#[test]
fn a_relaxed_read_of_a_chunk_without_members_makes_it_have_some() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Relaxed));
    let question = bench.expect_query(&locate(0, false, None));
    let empty = Location { primary: None, members: vec![], ..location(0, 0, S1) };
    bench.tell(question, Ok(MetadataAnswer::Location(empty)));
    bench.tell_location(0, 1, S1);
    assert!(matches!(bench.next().1, Message::Read { .. }));
}

#[test]
fn a_read_of_no_chunk() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Strong));
    let question = bench.expect_query(&locate(0, true, None));
    bench.tell(question, Err(Refusal::NotFound));
    assert_eq!(bench.answer(), Err(OpError::Refused(Refusal::NotFound)));
    bench.assert_idle();
}

#[test]
fn backoff_doubles_within_its_bounds() {
    let constants = Constants::default();
    let mut distinct = BTreeSet::new();
    for number in 1..50 {
        for attempt in 1..100 {
            let span = backoff::span(&constants, ME, number, attempt);
            let doubled = constants.backoff_min * 2_u32.pow((attempt - 1).min(20));
            let full = doubled.min(constants.backoff_max);
            assert!(span >= full / 2 && span <= full, "{attempt}: {span:?}");
            distinct.insert(span);
        }
    }
    assert!(distinct.len() > 4_000, "retries spread: {}", distinct.len());
}

#[test]
fn messages_for_nobody_are_ignored() {
    let mut bench = Bench::new();
    bench.request(write(0));
    let op = bench.expect_query(&locate(0, true, None));
    let before = bench.client.clone();
    let other = OpId { client: NodeId(7), number: op.number };
    bench.tell(other, Ok(MetadataAnswer::Done));
    bench.tell(OpId { client: ME, number: 99 }, Ok(MetadataAnswer::Done));
    bench.tell(op, Ok(MetadataAnswer::Done));
    bench.mutated(S1, op, 100, Ok(EXTENT));
    bench.deliver(M1, Message::RegisterAgain { epoch: crate::ids::Epoch(1) });
    assert_eq!(bench.client, before);
}

/// Peers that answer anything to anything: the client ends everything and holds its invariants.
#[test]
fn survives_peers_that_answer_anything() {
    for seed in 0..200_u64 {
        let mut bench = Bench::new();
        let mut dice = seed;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            (dice >> 33) % sides
        };
        let mut open = Vec::new();
        for _ in 0..400 {
            match roll(8) {
                0 if bench.requests < 40 => {
                    let index = roll(3);
                    let op = match roll(5) {
                        0 => Operation::Change(mkdir()),
                        1 => write(index),
                        2 => append(),
                        3 => read(ReadMode::Strong),
                        _ => read(ReadMode::Relaxed),
                    };
                    bench.request(op);
                }
                1 if bench.client.next_deadline().is_some() => bench.wake(),
                _ => {}
            }
            open.extend(bench.sent.drain(..));
            if open.is_empty() {
                continue;
            }
            // Any earlier message, so that answers come late and more than once.
            let (to, message) = open[roll(open.len() as u64) as usize].clone();
            let answer = any_answer(&message, &mut roll);
            bench.deliver(to, answer);
        }
        while bench.client.next_deadline().is_some() {
            bench.wake();
            bench.sent.clear();
        }
        assert_eq!(bench.answers.len() as u64, bench.requests, "seed {seed}: each ends once");
        let ids: BTreeSet<RequestId> = bench.answers.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids.len(), bench.answers.len(), "seed {seed}");
        bench.answers.clear();
        bench.assert_idle();
    }
}

fn any_answer(message: &Message, roll: &mut impl FnMut(u64) -> u64) -> Message {
    let refusal = match roll(10) {
        0 => Refusal::NotFound,
        1 => Refusal::NotLeader { leader: Some(M2) },
        2 => Refusal::Sealed,
        3 => Refusal::Busy,
        4 => Refusal::NotNextChunk { chunks: roll(4) },
        5 => Refusal::NoSpace,
        6 => Refusal::Forgotten,
        7 => Refusal::Lost,
        8 => Refusal::NotPrimary,
        _ => Refusal::Stale { promised: ChunkVersion(roll(5)) },
    };
    let good = roll(2) == 0;
    match message {
        Message::AskMaster { op, request, .. } => {
            let answer = match request {
                MasterRequest::Query(MetadataQuery::Locate { index, .. }) => {
                    MetadataAnswer::Location(location(*index, roll(6), S1))
                }
                MasterRequest::Query(_) => {
                    let kind = FileKind::File(FileSpec::default());
                    let chunks = roll(3);
                    let info =
                        FileInfo { file: FILE, kind, chunks, mtime_ms: 0, length_reported: 0 };
                    MetadataAnswer::File(info)
                }
                MasterRequest::Change(_) => MetadataAnswer::Chunk(ChunkHandle(100)),
            };
            Message::TellClient { op: *op, answer: if good { Ok(answer) } else { Err(refusal) } }
        }
        Message::Mutate { op, chunk, .. } => {
            let result = if good { Ok(EXTENT) } else { Err(refusal) };
            Message::Mutated { op: *op, chunk: *chunk, result }
        }
        Message::Read { op, chunk, .. } => {
            let result = if good { Ok(4) } else { Err(refusal) };
            Message::TellRead { op: *op, chunk: *chunk, result, payload: payload(b"data") }
        }
        other => panic!("a client says nothing else: {other:?}"),
    }
}
