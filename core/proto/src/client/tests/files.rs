//! File calls, over a cluster of one map: every chunk at its place, and answers out of order.

use super::*;
use crate::file::{FileOutcome, Part};
use crate::ids::FileHandle;
use crate::tables::ChunkRef;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;

const CHUNK: u64 = 32;
const SPEC: FileSpec =
    FileSpec { chunk_bytes: CHUNK, replicas: 1, sync: crate::replica::SyncPolicy::Durable };

/// A client, and a cluster that answers a gathered handful of messages at a time, last first.
struct Cluster {
    bench: Bench,
    chunks: BTreeMap<u64, Vec<u8>>,
    /// Chunks of the mutations that were under way together.
    together: BTreeSet<Vec<u64>>,
    /// Mutations of these places in the file are refused.
    lost: BTreeSet<(u64, u64)>,
    /// Locate questions, by chunk.
    located: BTreeMap<u64, u32>,
    /// Retired, and not given up.
    retired: BTreeSet<u64>,
    epoch: u64,
    /// So many cuts are refused.
    overtaken: u32,
    opened: FileHandle,
}

impl Cluster {
    fn new() -> Self {
        let constants =
            Constants { mutation_bytes_max: 8, inflight_bytes_max: 24, ..Constants::default() };
        let mut cluster = Cluster {
            bench: Bench::with(constants),
            chunks: BTreeMap::new(),
            together: BTreeSet::new(),
            lost: BTreeSet::new(),
            located: BTreeMap::new(),
            retired: BTreeSet::new(),
            epoch: 0,
            overtaken: 0,
            opened: FileHandle(0),
        };
        let (path, spec) = ("/f".to_string(), SPEC);
        let created =
            cluster.run(FileCall::Create { path: path.into(), spec, mode: 0o644 }).unwrap();
        let FileOutcome::Opened { handle, info, cut } = created else { panic!("{created:?}") };
        assert_eq!((info.file, cut.chunk_bytes, cut.piece_bytes), (FILE, CHUNK, 8));
        cluster.opened = handle;
        cluster
    }

    /// Calls, and serves until the call has ended.
    fn run(&mut self, call: FileCall) -> Result<FileOutcome, OpError> {
        self.bench.call(call);
        self.serve();
        match self.bench.answer() {
            Ok(Outcome::File(outcome)) => Ok(outcome),
            Ok(other) => panic!("a file call ends otherwise: {other:?}"),
            Err(error) => Err(error),
        }
    }

    fn serve(&mut self) {
        loop {
            let batch: Vec<_> = self.bench.sent.drain(..).collect();
            if batch.is_empty() {
                return;
            }
            let mutations = batch.iter().filter_map(|(_, message)| match message {
                Message::Data(data::Request::Mutate(data::Mutate { chunk, kind, .. })) => {
                    (*kind == MutationKind::Write).then_some(chunk.0 - 100)
                }
                _ => None,
            });
            self.together.insert(mutations.collect());
            for (to, message) in batch.into_iter().rev() {
                self.answer(to, message);
            }
        }
    }

    fn answer(&mut self, to: NodeId, message: Message) {
        match message {
            Message::Call(call::Request { op, request, .. }) => {
                let answer = self.master(request);
                self.bench.tell(op, answer);
            }
            Message::Data(data::Request::Mutate(mutate)) => {
                let (op, on) = (mutate.op, mutate.chunk.0);
                let result = self.mutate(mutate);
                self.bench.mutated(to, op, on, result);
            }
            Message::Data(data::Request::Read(data::Read { op, chunk, extent, .. })) => {
                let Some(bytes) = self.chunks.get(&(chunk.0 - 100)) else {
                    let (result, payload) = (Err(Refusal::Retired), Payload::default());
                    let reply = data::ReadReply { op, chunk, result, payload };
                    return self.bench.deliver(to, Message::DataReply(data::Reply::Read(reply)));
                };
                let length = bytes.len() as u64;
                let end = extent.end().min(length);
                let range = extent.offset.min(end) as usize..end as usize;
                let payload = Payload::new(Bytes::copy_from_slice(&bytes[range]), 3);
                let reply = data::ReadReply { op, chunk, result: Ok(length), payload };
                self.bench.deliver(to, Message::DataReply(data::Reply::Read(reply)));
            }
            other => panic!("not played here: {other:?}"),
        }
    }

    fn master(&mut self, request: MasterRequest) -> Result<MetadataAnswer, Refusal> {
        match request {
            MasterRequest::Change(MetadataChange::AddChunk { index, .. }) => {
                self.chunks.entry(index).or_default();
                Ok(MetadataAnswer::Chunk(ChunkHandle(100 + index)))
            }
            MasterRequest::Change(MetadataChange::Truncate { length, retired, .. }) => {
                Ok(self.step(length, &retired))
            }
            MasterRequest::Query(MetadataQuery::Locate { index, .. }) => {
                *self.located.entry(index).or_default() += 1;
                let known = self.chunks.contains_key(&index);
                let location = MetadataAnswer::Location(location(index, 1, S1));
                known.then_some(location).ok_or(Refusal::NotFound)
            }
            MasterRequest::Query(MetadataQuery::Resolve { path }) if path != "/f" => {
                Err(Refusal::NotFound)
            }
            MasterRequest::Change(MetadataChange::Create { .. })
            | MasterRequest::Query(
                MetadataQuery::Resolve { .. } | MetadataQuery::StatFile { .. },
            ) => {
                let chunks = self.chunks.last_key_value().map_or(0, |(last, _)| last + 1);
                let kind = FileKind::File(SPEC);
                let epoch = self.epoch;
                let info = FileInfo { epoch, ..FileInfo::new(FILE, kind, chunks) };
                Ok(MetadataAnswer::File(info))
            }
            other => panic!("not played here: {other:?}"),
        }
    }

    /// Two chunks behind the cut are named at a time.
    fn step(&mut self, length: u64, retired: &[ChunkHandle]) -> MetadataAnswer {
        self.epoch += 1;
        for index in retired.iter().map(|chunk| chunk.0 - 100) {
            let there = self.chunks.remove(&index).is_some();
            let retired = self.retired.remove(&index);
            assert_eq!(there, retired, "what is given up is retired before");
        }
        let last = length.saturating_sub(1) / CHUNK;
        let behind = self.chunks.range(last + 1..).rev().take(2);
        let behind =
            behind.map(|(&index, _)| ChunkRef { index, chunk: ChunkHandle(100 + index) }).collect();
        let chunks = self.chunks.last_key_value().map_or(0, |(last, _)| last + 1);
        MetadataAnswer::Truncated { chunks, epoch: self.epoch, behind }
    }

    fn truncate(&mut self, length: u64) {
        let call = FileCall::Truncate { handle: self.opened, length };
        assert_eq!(self.run(call), Ok(FileOutcome::Truncated));
        assert_eq!(self.length(), length);
    }

    fn mutate(&mut self, mutate: data::Mutate) -> Result<Extent, Refusal> {
        let data::Mutate { chunk, kind, offset, payload, .. } = mutate;
        let index = chunk.0 - 100;
        let Some(bytes) = self.chunks.get_mut(&index) else { return Err(Refusal::Retired) };
        let start = match kind {
            MutationKind::Write => offset as usize,
            MutationKind::Append => bytes.len(),
            MutationKind::Seal => return Ok(Extent::default()),
            MutationKind::Cut { .. } if self.overtaken > 0 => {
                self.overtaken -= 1;
                return Err(Refusal::Overtaken);
            }
            MutationKind::Cut { .. } => {
                bytes.resize(offset.min(CHUNK) as usize, 0);
                return Ok(Extent::new(offset.min(CHUNK), 0));
            }
            MutationKind::Retire => {
                bytes.clear();
                self.retired.insert(index);
                return Ok(Extent::default());
            }
        };
        if self.lost.contains(&(index, start as u64)) {
            return Err(Refusal::Lost);
        }
        let end = start + payload.data.len();
        bytes.resize(bytes.len().max(end), 0);
        bytes[start..end].copy_from_slice(&payload.data);
        Ok(Extent::new(start as u64, payload.len()))
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<u64, OpError> {
        let pieces = cut(offset, bytes);
        let call = FileCall::Write { handle: self.opened, offset, pieces };
        self.run(call).map(|outcome| match outcome {
            FileOutcome::Written { length } => length,
            other => panic!("a write ends otherwise: {other:?}"),
        })
    }

    fn read(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, OpError> {
        let mode = ReadMode::Strong;
        let call = FileCall::Read { handle: self.opened, offset, length, mode };
        let outcome = self.run(call)?;
        let FileOutcome::Read(parts) = outcome else { panic!("{outcome:?}") };
        let mut all = Vec::new();
        for part in parts {
            match part {
                Part::Data(payload) => all.extend_from_slice(&payload.data),
                Part::Zeros(length) => all.resize(all.len() + length as usize, 0),
            }
        }
        Ok(all)
    }

    fn length(&mut self) -> u64 {
        let call = FileCall::Length { handle: self.opened };
        match self.run(call) {
            Ok(FileOutcome::Length(length)) => length,
            other => panic!("{other:?}"),
        }
    }
}

fn cut(offset: u64, bytes: &[u8]) -> Vec<Payload> {
    let cut = crate::Cut { chunk_bytes: CHUNK, piece_bytes: 8 };
    let mut rest = bytes;
    let pieces = cut.pieces(offset, bytes.len() as u64).map(|piece| {
        let (first, others) = rest.split_at(piece.length as usize);
        rest = others;
        Payload::new(Bytes::copy_from_slice(first), 7)
    });
    pieces.collect()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn what_was_written_across_chunks_is_read_back() {
    let mut cluster = Cluster::new();
    let data = pattern(200);
    assert_eq!(cluster.write(5, &data), Ok(200));
    assert_eq!(cluster.length(), 205);
    assert_eq!(cluster.read(5, 200).unwrap(), data);
    assert_eq!(cluster.read(31, 40).unwrap(), data[26..66]);
    assert_eq!(cluster.read(200, 1_000).unwrap(), data[195..], "short at the end");
    assert_eq!(cluster.read(200, u64::MAX).unwrap(), data[195..], "and no further");
    assert!(cluster.read(205, 10).unwrap().is_empty());
    assert!(cluster.read(10_000, 10).unwrap().is_empty());
    assert!(cluster.read(7, 0).unwrap().is_empty());
    cluster.bench.assert_idle();
}

#[test]
fn a_file_becomes_as_long_as_it_is_to_be() {
    let mut cluster = Cluster::new();
    cluster.truncate(0);
    let data = pattern(200);
    cluster.write(0, &data).unwrap();
    cluster.truncate(40);
    assert_eq!(cluster.read(0, 1_000).unwrap(), data[..40]);
    cluster.truncate(300);
    let zeros = vec![0; 260];
    assert_eq!(cluster.read(0, 1_000).unwrap(), [&data[..40], &zeros[..]].concat());
    assert_eq!(cluster.chunks.len(), 3, "the two before, and the one with the end");
    // Others fill the chunk at the cut in the same epoch, twice.
    cluster.overtaken = 2;
    cluster.truncate(64);
    cluster.truncate(1 << 50);
    cluster.truncate(0);
    assert_eq!(cluster.read(0, 1_000).unwrap(), []);
    cluster.bench.assert_idle();
}

#[test]
fn a_truncation_that_is_always_overtaken_ends() {
    let mut cluster = Cluster::new();
    cluster.write(0, b"some bytes").unwrap();
    cluster.overtaken = u32::MAX;
    let handle = cluster.opened;
    let result = cluster.run(FileCall::Truncate { handle, length: 3 });
    let unknown = OpError::TimedOut { maybe: true, last: Some(Refusal::Overtaken) };
    assert_eq!(result, Err(unknown));
    cluster.bench.assert_idle();
}

#[test]
fn a_write_has_one_window_and_is_in_one_chunk_at_a_time() {
    let mut cluster = Cluster::new();
    cluster.write(5, &pattern(200)).unwrap();
    let together = &cluster.together;
    assert_eq!(together.iter().map(Vec::len).max(), Some(3), "three pieces fill the window");
    for chunks in together {
        assert!(chunks.windows(2).all(|two| two[0] == two[1]), "one chunk at a time: {chunks:?}");
    }
}

#[test]
fn calls_that_need_the_same_chunk_share_one_question() {
    let mut cluster = Cluster::new();
    cluster.write(0, &pattern(64)).unwrap();
    cluster.bench.client.routes.forget(FILE, 0, ChunkVersion(1));
    cluster.located.clear();
    let handle = cluster.opened;
    let read = |offset| FileCall::Read { handle, offset, length: 24, mode: ReadMode::Strong };
    cluster.bench.call(read(0));
    cluster.bench.call(read(8));
    let pieces = cut(0, b"abcdefghijkl");
    cluster.bench.call(FileCall::Write { handle, offset: 0, pieces });
    cluster.serve();
    assert_eq!(cluster.located, BTreeMap::from([(0, 1)]), "eight pieces, one question");
    assert_eq!(cluster.bench.answers.len(), 3);
}

#[test]
fn observers_see_every_piece_begin_and_end() {
    let mut cluster = Cluster::new();
    (cluster.bench.begun, cluster.bench.ended) = (vec![], vec![]);
    cluster.write(28, b"0123456789").unwrap();
    let call = RequestId(cluster.bench.requests);
    let begun = core::mem::take(&mut cluster.bench.begun);
    let piece = |index, offset, bytes: &'static [u8]| Operation::Write {
        file: FILE,
        index,
        offset,
        payload: payload(bytes),
    };
    assert_eq!(
        begun,
        [(call.piece(0), piece(0, 28, b"0123")), (call.piece(1), piece(1, 0, b"456789")),]
    );
    assert_eq!(cluster.bench.ended, [call.piece(0), call.piece(1)]);
    assert!(call.piece(1).is_piece() && !call.is_piece());
}

#[test]
fn an_error_is_about_the_whole_call() {
    let mut cluster = Cluster::new();
    let lost = || Some(Refusal::Lost);
    cluster.lost.insert((1, 8));
    let partly = cluster.write(0, &pattern(96)).unwrap_err();
    assert_eq!(partly, OpError::Partly { done: CHUNK + 8, last: lost() });
    assert!(partly.may_have_effect());
    // The pieces that were under way beside it had their effect, and no further one was begun.
    assert_eq!(cluster.chunks[&1].len() as u64, CHUNK);
    assert!(!cluster.chunks.contains_key(&2));
    let first = cluster.write(CHUNK + 8, &pattern(24)).unwrap_err();
    assert_eq!(first, OpError::TimedOut { maybe: true, last: lost() });
    let only = cluster.write(CHUNK + 8, &pattern(8)).unwrap_err();
    assert_eq!(only, OpError::Refused(Refusal::Lost), "one piece is one operation");
    cluster.lost.extend([(1, 16), (1, 24)]);
    let none = cluster.write(CHUNK + 8, &pattern(24)).unwrap_err();
    assert_eq!(none, OpError::Refused(Refusal::Lost), "none of the pieces had an effect");
    cluster.bench.assert_idle();
}

#[test]
fn what_is_not_cut_as_the_file_is_refused_before_its_first_step() {
    let mut cluster = Cluster::new();
    let handle = cluster.opened;
    let mut refused = |call| {
        let error = cluster.run(call).unwrap_err();
        assert!(matches!(error, OpError::Refused(Refusal::Invalid(_))), "{error}");
    };
    for offset in [u64::MAX, u64::MAX - 10, u64::MAX - 14] {
        refused(FileCall::Write { handle, offset, pieces: cut(1, &pattern(15)) });
    }
    refused(FileCall::Write { handle, offset: 4, pieces: cut(0, &pattern(8)) });
    refused(FileCall::Write { handle, offset: 0, pieces: vec![payload(b"")] });
    refused(FileCall::Length { handle: FileHandle(77) });
    assert!(cluster.read(u64::MAX, 10).unwrap().is_empty());
    assert!(cluster.chunks.is_empty(), "no piece was written");
    assert_eq!(cluster.write(3, b""), Ok(0));
    cluster.bench.assert_idle();
}

#[test]
fn a_hole_before_a_later_chunk_reads_as_zeros() {
    let mut cluster = Cluster::new();
    cluster.write(0, b"xy").unwrap();
    cluster.write(CHUNK * 2, b"z").unwrap();
    let all = cluster.read(0, 1_000).unwrap();
    assert_eq!(all.len() as u64, CHUNK * 2 + 1);
    assert_eq!(&all[..3], b"xy\0");
    assert!(all[2..CHUNK as usize * 2].iter().all(|byte| *byte == 0));
    assert_eq!(all[CHUNK as usize * 2], b'z');
}

#[test]
fn appends_say_where_they_are_in_the_file() {
    let mut cluster = Cluster::new();
    let handle = cluster.opened;
    assert_eq!(cluster.length(), 0);
    let mut append = |bytes| cluster.run(FileCall::Append { handle, payload: payload(bytes) });
    assert_eq!(append(b"abc"), Ok(FileOutcome::Appended { at: 0 }));
    assert_eq!(append(b"de"), Ok(FileOutcome::Appended { at: 3 }));
    let longer = append(b"123456789");
    assert_eq!(longer, Err(OpError::Refused(Refusal::TooLarge { bytes_max: 8 })));
    assert_eq!(cluster.read(0, 100).unwrap(), b"abcde");
}

#[test]
fn a_handle_is_good_until_it_is_closed() {
    let mut cluster = Cluster::new();
    let open = |path: &str| FileCall::Open { path: path.into() };
    assert_eq!(cluster.run(open("/g")), Err(OpError::Refused(Refusal::NotFound)));
    let outcome = cluster.run(open("/f")).unwrap();
    let FileOutcome::Opened { handle, .. } = outcome else { panic!("{outcome:?}") };
    assert_ne!(handle, cluster.opened);
    assert_eq!(cluster.run(FileCall::Length { handle }), Ok(FileOutcome::Length(0)));
    assert_eq!(cluster.run(FileCall::Close { handle }), Ok(FileOutcome::Closed));
    assert!(cluster.run(FileCall::Length { handle }).is_err());
    assert_eq!(cluster.length(), 0, "the other handle is open");
}

#[test]
fn a_message_that_answers_nothing_arrives_and_changes_nothing() {
    let mut bench = Bench::new();
    let before = bench.client.clone();
    let op = OpId { client: S2, number: 1 };
    let request = MasterRequest::Query(MetadataQuery::Status);
    bench.deliver(
        S2,
        Message::Call(call::Request { caller: Box::default(), op, acked_below: 1, request }),
    );
    assert_eq!(bench.unsolicited, [S2]);
    assert_eq!(bench.client, before);
    bench.assert_idle();
}
