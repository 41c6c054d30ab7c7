//! The library over a machine of one file: what it hands over is cut as the machine wants it, and
//! calls are answered out of order. What the machine makes of a call, its own tests say.

use super::*;
use bytes::Bytes;
use leasehold_proto::{Cut, FileId, Name, Part, Payload, file};
use leasehold_wire::crc32c;
use std::collections::BTreeSet;

const CHUNK: u64 = 32;
const SPEC: FileSpec = FileSpec { chunk_bytes: CHUNK, replicas: 1, sync: SyncPolicy::Durable };

fn constants() -> Constants {
    Constants { mutation_bytes_max: 8, inflight_bytes_max: 24, ..Constants::default() }
}

const CUT: Cut = Cut { chunk_bytes: CHUNK, piece_bytes: 8 };

/// One file, and a driver that answers a gathered handful at a time, last first.
struct Fake {
    settler: Settler,
    bytes: Vec<u8>,
    handles: BTreeSet<FileHandle>,
    in_flight_max: usize,
    /// Chunks of the writes that were on their way together.
    together: BTreeSet<Vec<u64>>,
    fail_writes_at: Option<u64>,
}

impl Fake {
    fn start() -> (Client, tokio::task::JoinHandle<Fake>) {
        Fake::failing(None)
    }

    fn failing(at: Option<u64>) -> (Client, tokio::task::JoinHandle<Fake>) {
        let (inbox, requests) = mpsc::channel(64);
        let (answers, settler) = answers();
        let fake = Fake {
            settler,
            bytes: Vec::new(),
            handles: BTreeSet::new(),
            in_flight_max: 0,
            together: BTreeSet::new(),
            fail_writes_at: at,
        };
        let running = tokio::spawn(fake.run(requests));
        (Client::over(inbox, answers, constants()), running)
    }

    async fn run(mut self, mut requests: mpsc::Receiver<Input>) -> Fake {
        while let Some(first) = requests.recv().await {
            let mut batch = vec![first];
            for _ in 0..16 {
                tokio::task::yield_now().await;
                while let Ok(more) = requests.try_recv() {
                    batch.push(more);
                }
            }
            self.in_flight_max = self.in_flight_max.max(batch.len());
            let writes = batch.iter().filter_map(|input| match input {
                Input::File { call: FileCall::Write { offset, .. }, .. } => Some(*offset / CHUNK),
                _ => None,
            });
            self.together.insert(writes.collect());
            for input in batch.into_iter().rev() {
                let (id, answer) = match input {
                    Input::Request { id, op, .. } => (id, self.operation(op)),
                    Input::File { id, call, .. } => (id, self.call(call).map(Outcome::File)),
                    other => panic!("only requests: {other:?}"),
                };
                self.settler.settle(id, answer);
            }
        }
        self
    }

    fn operation(&mut self, op: Operation) -> Answer {
        match op {
            Operation::Query(MetadataQuery::Stat { .. }) => {
                Ok(Outcome::Metadata(MetadataAnswer::File(self.info())))
            }
            Operation::Query(MetadataQuery::List { after, .. }) => Ok(self.page(after)),
            other => panic!("not played here: {other:?}"),
        }
    }

    fn call(&mut self, call: FileCall) -> Result<FileOutcome, OpError> {
        match call {
            FileCall::Create { .. } | FileCall::Open { .. } => {
                let handle = self.handles.last().map_or(FileHandle(1), |last| last.next());
                self.handles.insert(handle);
                Ok(FileOutcome::Opened { handle, info: self.info(), cut: CUT })
            }
            FileCall::Close { handle } => {
                assert!(self.handles.remove(&handle), "closed once");
                Ok(FileOutcome::Closed)
            }
            FileCall::Write { handle, offset, pieces } => self.write(handle, offset, &pieces),
            FileCall::Read { handle, offset, length, .. } => {
                assert!(self.handles.contains(&handle));
                Ok(FileOutcome::Read(self.read(offset, length)))
            }
            FileCall::Append { payload, .. } => {
                assert_eq!(payload.crc, crc32c(&payload.data));
                let at = self.bytes.len() as u64;
                self.bytes.extend_from_slice(&payload.data);
                Ok(FileOutcome::Appended { at })
            }
            FileCall::Length { .. } => Ok(FileOutcome::Length(self.bytes.len() as u64)),
            FileCall::Truncate { length, .. } => {
                self.bytes.resize(usize::try_from(length).expect("it is short"), 0);
                Ok(FileOutcome::Truncated)
            }
            FileCall::Lock { .. } => Ok(FileOutcome::Locked),
            FileCall::Conflict { .. } => Ok(FileOutcome::Conflict(None)),
        }
    }

    fn info(&self) -> FileInfo {
        let chunks = (self.bytes.len() as u64).div_ceil(CHUNK);
        FileInfo::new(FileId(7), FileKind::File(SPEC), chunks)
    }

    fn page(&self, after: Option<Name>) -> Outcome {
        let names = ["a", "b", "c", "d", "e"].map(Name::from);
        let rest = names.into_iter().filter(|name| after.as_ref().is_none_or(|a| name > a));
        let entries: Vec<_> = rest.map(|name| (name, self.info())).collect();
        let more = entries.len() > 2;
        Outcome::Metadata(MetadataAnswer::List {
            entries: entries[..entries.len().min(2)].to_vec(),
            more,
        })
    }

    fn write(
        &mut self,
        handle: FileHandle,
        offset: u64,
        pieces: &[Payload],
    ) -> Result<FileOutcome, OpError> {
        assert!(self.handles.contains(&handle));
        let length = pieces.iter().map(Payload::len).sum();
        file::check_range(offset, length).map_err(OpError::Refused)?;
        let lengths = CUT.pieces(offset, length).map(|piece| piece.length);
        assert!(lengths.eq(pieces.iter().map(Payload::len)), "cut as the file is");
        if self.fail_writes_at == Some(offset) {
            return Err(OpError::Refused(Refusal::Lost));
        }
        let mut at = offset as usize;
        for piece in pieces {
            assert_eq!(piece.crc, crc32c(&piece.data));
            let end = at + piece.data.len();
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[at..end].copy_from_slice(&piece.data);
            at = end;
        }
        Ok(FileOutcome::Written { length })
    }

    /// Every piece a part of its own, and zeros instead of pieces that hold nothing else.
    fn read(&self, offset: u64, length: u64) -> Vec<Part> {
        let end = offset.saturating_add(length).min(self.bytes.len() as u64).max(offset);
        let mut at = offset as usize;
        let parts = CUT.pieces(offset, end - offset).map(|piece| {
            let data = &self.bytes[at..at + piece.length as usize];
            at += piece.length as usize;
            if data.iter().all(|byte| *byte == 0) {
                return Part::Zeros(piece.length);
            }
            Part::Data(Payload::new(Bytes::copy_from_slice(data), crc32c(data)))
        });
        parts.collect()
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[tokio::test]
async fn what_was_written_across_chunks_is_read_back() {
    let (client, running) = Fake::start();
    let file = client.create("/f", SPEC).await.unwrap();
    let data = pattern(200);
    file.write(5, data.clone()).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 205);
    assert_eq!(file.read(5, 200).await.unwrap(), data);
    assert_eq!(file.read(31, 40).await.unwrap(), data[26..66]);
    assert_eq!(file.read(200, 1_000).await.unwrap(), data[195..], "short at the end");
    assert_eq!(file.read_relaxed(0, 6).await.unwrap()[..], [0, 0, 0, 0, 0, data[0]]);
    assert!(file.read(205, 10).await.unwrap().is_empty());
    assert!(file.read(10_000, 10).await.unwrap().is_empty());
    drop((file, client));
    assert_eq!(running.await.unwrap().in_flight_max, 1, "a call of a file is one of the machine");
}

#[tokio::test]
async fn a_stream_of_odd_buffers_is_the_same_stream() {
    let (client, running) = Fake::start();
    let file = client.create("/f", SPEC).await.unwrap();
    let data = pattern(150);
    let mut writer = file.writer(0);
    for part in data.chunks(13) {
        writer.write(Bytes::copy_from_slice(part)).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), 150);
    let mut reader = file.reader(0);
    let mut read = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        read.extend_from_slice(&piece);
    }
    assert_eq!(read, data);
    drop((file, reader, client));
    let fake = running.await.unwrap();
    assert_eq!(fake.in_flight_max, 3, "pieces travel together, no more than the window");
    for chunks in fake.together {
        assert!(chunks.windows(2).all(|two| two[0] == two[1]), "one chunk at a time: {chunks:?}");
    }
}

#[tokio::test]
async fn a_dropped_file_is_closed_before_the_next_call() {
    let (client, running) = Fake::start();
    let (first, second) =
        (client.create("/f", SPEC).await.unwrap(), client.open("/f").await.unwrap());
    let again = first.clone();
    drop(first);
    again.append("abc").await.unwrap();
    drop(again);
    assert_eq!(second.len().await.unwrap(), 3);
    drop((second, client));
    let fake = running.await.unwrap();
    assert_eq!(fake.handles, BTreeSet::from([FileHandle(2)]));
}

#[tokio::test]
async fn a_failed_piece_fails_the_stream_where_it_stands() {
    let (client, _running) = Fake::failing(Some(CHUNK + 8));
    let file = client.create("/f", SPEC).await.unwrap();
    let mut writer = file.writer(0);
    let mut outcome = Ok(());
    for part in pattern(64).chunks(8) {
        outcome = writer.write(Bytes::copy_from_slice(part)).await;
        if outcome.is_err() {
            break;
        }
    }
    let acknowledged = writer.acknowledged();
    let error = match outcome {
        Err(error) => error,
        Ok(()) => writer.finish().await.unwrap_err(),
    };
    assert_eq!(error.refusal(), Some(&Refusal::Lost));
    assert_eq!(error.to_string(), "/f: every replica was lost");
    assert!(acknowledged <= CHUNK + 8);
}

#[tokio::test]
async fn an_error_names_the_path_and_says_what_the_machine_claims() {
    let (client, _running) = Fake::failing(Some(CHUNK + 8));
    let file = client.create("/f", SPEC).await.unwrap();
    let refused = file.write(CHUNK + 8, pattern(64)).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refusal::Lost));
    assert!(!refused.maybe_took_effect(), "{refused}");
    let last = Some(Refusal::Lost);
    let partly = ClientError::of("/f", OpError::Partly { done: 40, last });
    assert!(partly.maybe_took_effect());
    assert_eq!(partly.refusal(), None, "a refusal is said of a call without effect");
    let text = "/f: stopped after 40 bytes (every replica was lost); \
                what follows them may have been written";
    assert_eq!(partly.to_string(), text);
}

#[tokio::test]
async fn what_would_end_beyond_the_last_offset_is_refused_before_its_first_step() {
    let (client, running) = Fake::start();
    let file = client.create("/f", SPEC).await.unwrap();
    for offset in [u64::MAX, u64::MAX - 10, u64::MAX - 198] {
        let error = file.write(offset, pattern(200)).await.unwrap_err();
        assert!(matches!(error.refusal(), Some(Refusal::Invalid(_))), "{error}");
    }
    let mut writer = file.writer(u64::MAX - 2);
    writer.write(pattern(1)).await.unwrap();
    assert!(writer.write(pattern(8)).await.is_err());
    assert!(file.read(u64::MAX, 10).await.unwrap().is_empty());
    drop((file, client, writer));
    assert!(running.await.unwrap().bytes.is_empty(), "no piece was written");
}

#[tokio::test]
async fn a_hole_before_a_later_chunk_reads_as_zeros() {
    let (client, _running) = Fake::start();
    let file = client.create("/f", SPEC).await.unwrap();
    file.write(0, &b"xy"[..]).await.unwrap();
    file.write(CHUNK * 2, &b"z"[..]).await.unwrap();
    let all = file.read(0, 1_000).await.unwrap();
    assert_eq!(all.len() as u64, CHUNK * 2 + 1);
    assert_eq!(&all[..3], b"xy\0");
    assert!(all[2..CHUNK as usize * 2].iter().all(|byte| *byte == 0));
    assert_eq!(all[CHUNK as usize * 2], b'z');
}

#[tokio::test]
async fn appends_say_where_they_stand() {
    let (client, _running) = Fake::start();
    let file = client.create("/f", SPEC).await.unwrap();
    assert_eq!(file.len().await.unwrap(), 0);
    assert_eq!(file.append("abc").await.unwrap(), 0);
    assert_eq!(file.append("de").await.unwrap(), 3);
    assert_eq!(&file.read(0, 100).await.unwrap()[..], b"abcde");
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let (client, _running) = Fake::start();
    let names: Vec<_> = client.list("/").await.unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_stopped_driver_is_an_error_and_not_a_hang() {
    let (client, running) = Fake::start();
    running.abort();
    let _ = running.await;
    assert_eq!(client.stat("/").await, Err(ClientError::Closed));
}
