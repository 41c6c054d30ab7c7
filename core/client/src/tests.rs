//! The library over a cluster of one map: every chunk at its place, and answers out of order.

use super::*;
use bytes::Bytes;
use leasehold_proto::{Extent, FileId, Payload};
use leasehold_wire::crc32c;
use std::collections::{BTreeMap, BTreeSet};

const CHUNK: u64 = 32;
const SPEC: FileSpec = FileSpec { chunk_bytes: CHUNK, replicas: 1, sync: SyncPolicy::Durable };

fn constants() -> Constants {
    Constants { mutation_bytes_max: 8, inflight_bytes_max: 24, ..Constants::default() }
}

/// One file, and a driver that answers a gathered handful at a time, last first.
struct Fake {
    settler: Settler,
    chunks: BTreeMap<u64, Vec<u8>>,
    in_flight_max: usize,
    /// Chunks of the writes that were on their way together.
    together: BTreeSet<Vec<u64>>,
    fail_writes_at: Option<(u64, u64)>,
}

impl Fake {
    fn start() -> (Client, tokio::task::JoinHandle<Fake>) {
        Fake::failing(None)
    }

    fn failing(at: Option<(u64, u64)>) -> (Client, tokio::task::JoinHandle<Fake>) {
        let (inbox, requests) = mpsc::channel(64);
        let (answers, settler) = answers();
        let fake = Fake {
            settler,
            chunks: BTreeMap::new(),
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
                Input::Request { op: Operation::Write { index, .. }, .. } => Some(*index),
                _ => None,
            });
            self.together.insert(writes.collect());
            for input in batch.into_iter().rev() {
                let Input::Request { id, op } = input else { panic!("only requests: {input:?}") };
                let answer = self.answer(op);
                self.settler.settle(id, answer);
            }
        }
        self
    }

    fn answer(&mut self, op: Operation) -> Answer {
        match op {
            Operation::Change(MetadataChange::Create { .. })
            | Operation::Query(MetadataQuery::Stat { .. } | MetadataQuery::StatFile { .. }) => {
                Ok(Outcome::Metadata(MetadataAnswer::File(self.info())))
            }
            Operation::Query(MetadataQuery::List { after, .. }) => Ok(self.page(after)),
            Operation::Write { index, offset, payload, .. } => {
                assert_eq!(payload.crc, crc32c(&payload.data));
                if self.fail_writes_at == Some((index, offset)) {
                    return Err(OpError::Refused(Refusal::Lost));
                }
                Ok(self.write(index, offset, &payload.data))
            }
            Operation::Read { index, extent, .. } => self.read(index, extent),
            Operation::Append { payload, .. } => {
                let last = self.chunks.len().max(1) as u64 - 1;
                let at = self.chunks.get(&last).map_or(0, Vec::len) as u64;
                Ok(self.write(last, at, &payload.data))
            }
            other => panic!("not played here: {other:?}"),
        }
    }

    fn info(&self) -> FileInfo {
        let chunks = self.chunks.len() as u64;
        FileInfo {
            file: FileId(7),
            kind: FileKind::File(SPEC),
            chunks,
            mtime_ms: 0,
            length_reported: 0,
        }
    }

    fn page(&self, after: Option<String>) -> Outcome {
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let rest = names.into_iter().filter(|name| after.as_ref().is_none_or(|a| name > a));
        let entries: Vec<_> = rest.map(|name| (name, self.info())).collect();
        let more = entries.len() > 2;
        Outcome::Metadata(MetadataAnswer::List {
            entries: entries[..entries.len().min(2)].to_vec(),
            more,
        })
    }

    fn write(&mut self, index: u64, offset: u64, data: &[u8]) -> Outcome {
        for before in 0..=index {
            self.chunks.entry(before).or_default();
        }
        let chunk = self.chunks.get_mut(&index).unwrap();
        let (start, end) = (offset as usize, offset as usize + data.len());
        chunk.resize(chunk.len().max(end), 0);
        chunk[start..end].copy_from_slice(data);
        Outcome::Written { index, extent: Extent::new(offset, data.len() as u64) }
    }

    fn read(&self, index: u64, extent: Extent) -> Answer {
        let Some(chunk) = self.chunks.get(&index) else {
            return Err(OpError::Refused(Refusal::NotFound));
        };
        let end = extent.below(chunk.len() as u64).end().min(chunk.len() as u64) as usize;
        let start = (extent.offset as usize).min(end);
        let data = Bytes::copy_from_slice(&chunk[start..end]);
        let crc = crc32c(&data);
        Ok(Outcome::Read { payload: Payload::new(data, crc), chunk_length: chunk.len() as u64 })
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
    let fake = running.await.unwrap();
    assert!(fake.in_flight_max >= 3, "pieces travel together: {}", fake.in_flight_max);
    assert!(fake.in_flight_max <= 3, "no more than the window: {}", fake.in_flight_max);
    for chunks in fake.together {
        assert!(chunks.windows(2).all(|two| two[0] == two[1]), "one chunk at a time: {chunks:?}");
    }
}

#[tokio::test]
async fn a_stream_of_odd_buffers_is_the_same_stream() {
    let (client, _running) = Fake::start();
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
}

#[tokio::test]
async fn a_failed_piece_fails_the_stream_where_it_stands() {
    let (client, _running) = Fake::failing(Some((1, 8)));
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

// Issue: "the operation had no effect" was said of a write whose first pieces had been written.
#[tokio::test]
async fn an_error_is_about_the_whole_call() {
    let (client, _running) = Fake::failing(Some((1, 8)));
    let file = client.create("/f", SPEC).await.unwrap();
    let several = file.write(0, pattern(64)).await.unwrap_err();
    assert!(several.maybe_took_effect(), "{several}");
    assert_eq!(several.refusal(), None, "a refusal is said of a call without effect");
    let text = "/f: Connection timed out (every replica was lost); \
                the operation may have taken effect";
    assert_eq!(several.to_string(), text);
    let only = file.write(CHUNK + 8, pattern(8)).await.unwrap_err();
    assert_eq!(only.refusal(), Some(&Refusal::Lost), "one piece is one operation");
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
    assert!(running.await.unwrap().chunks.is_empty(), "no piece was written");
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
