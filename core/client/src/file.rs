//! An open file.

use crate::reader::Reader;
use crate::writer::Writer;
use crate::{Client, ClientError, FileKind, FileSpec, Pending};
use bytes::{Bytes, BytesMut};
use leasehold_proto::file::check_range;
use leasehold_proto::metadata::{MetadataAnswer, MetadataQuery};
use leasehold_proto::{
    Cut, Extent, FileCall, FileHandle, FileId, FileOutcome, OpError, Operation, Outcome, Part,
    Payload, ReadMode, Refusal,
};
use leasehold_wire::crc32c;
use std::sync::Arc;

/// A file by its identity: renames do not affect it, and once it is deleted and reclaimed every
/// call is refused with `NotFound`. Cheap to clone.
///
/// Each chunk is linearizable by itself; a call that spans chunks is several operations.
#[derive(Clone, Debug)]
pub struct File(Arc<Opened>);

/// What the session's machine knows under `handle`.
#[derive(Debug)]
struct Opened {
    client: Client,
    path: String,
    handle: FileHandle,
    id: FileId,
    spec: FileSpec,
    cut: Cut,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.client.close(self.handle);
    }
}

impl File {
    pub(crate) fn opened(client: Client, path: String, outcome: FileOutcome) -> Self {
        let FileOutcome::Opened { handle, info, cut } = outcome else {
            unreachable!("a file is opened by its handle, not {outcome:?}")
        };
        let FileKind::File(spec) = info.kind else {
            unreachable!("the machine opens no directory")
        };
        File(Arc::new(Opened { client, path, handle, id: info.file, spec, cut }))
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.0.id
    }

    /// What was fixed about it when it was created.
    #[must_use]
    pub fn spec(&self) -> &FileSpec {
        &self.0.spec
    }

    /// The path by which it was opened; it may have been renamed since.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// Its length in bytes, asked of the primary of its last chunk: it counts what was
    /// acknowledged and nothing else.
    ///
    /// # Errors
    /// `NotFound` once the file is reclaimed, `Lost` if its last chunk is.
    pub async fn len(&self) -> Result<u64, ClientError> {
        match self.call(FileCall::Length { handle: self.0.handle }).await? {
            FileOutcome::Length(length) => Ok(length),
            other => unreachable!("Length is answered with a length, not {other:?}"),
        }
    }

    /// Was it removed? It is in the trash then, and what is written to it goes with it.
    ///
    /// # Errors
    /// Only those of a cluster that does not answer.
    pub async fn is_removed(&self) -> Result<bool, ClientError> {
        let query = Operation::Query(MetadataQuery::StatFile { file: self.0.id });
        match self.0.client.metadata(&self.0.path, query).await {
            Ok(MetadataAnswer::File(info)) => Ok(info.is_removed()),
            Ok(other) => unreachable!("StatFile is answered with a file, not {other:?}"),
            Err(error) if error.refusal() == Some(&Refusal::NotFound) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// True if it holds no byte; asks as [`File::len`] does.
    ///
    /// # Errors
    /// As [`File::len`].
    pub async fn is_empty(&self) -> Result<bool, ClientError> {
        Ok(self.len().await? == 0)
    }

    /// Reads up to `length` bytes at `offset`; fewer only if the file ends before. Holes read as
    /// zeros. Reads at the primaries: linearizable per chunk.
    ///
    /// # Errors
    /// `NotFound` once the file is reclaimed, `Lost` if a chunk of the range is.
    pub async fn read(&self, offset: u64, length: u64) -> Result<Bytes, ClientError> {
        self.read_as(offset, length, ReadMode::Strong).await
    }

    /// As [`File::read`], at any replica: may be stale, and may show bytes that are not
    /// acknowledged yet.
    ///
    /// # Errors
    /// As [`File::read`].
    pub async fn read_relaxed(&self, offset: u64, length: u64) -> Result<Bytes, ClientError> {
        self.read_as(offset, length, ReadMode::Relaxed).await
    }

    /// Writes all of `data` at `offset`, in pieces of which several are on their way at a time;
    /// a gap left before `offset` reads as zeros.
    ///
    /// # Errors
    /// `Invalid` if it would end beyond byte 2^64 - 1; nothing is written then. The error is about
    /// the whole call: "no effect" and a refusal are said only if none of its pieces had an effect,
    /// and [`OpError::Partly`] says up to where all of them had. Otherwise the call timed out, and
    /// each of its pieces may have been written or not.
    pub async fn write(&self, offset: u64, data: impl Into<Bytes>) -> Result<(), ClientError> {
        let pending = self.begin_write(offset, data.into()).await?;
        self.finish_write(pending).await.map(drop)
    }

    /// Refuses what no file can hold, before its first step.
    pub(crate) fn check_range(&self, offset: u64, length: u64) -> Result<(), ClientError> {
        let refused = |refusal| ClientError::of(&self.0.path, OpError::Refused(refusal));
        check_range(offset, length).map_err(refused)
    }

    /// Appends one record, exactly once, at an offset that the primary chooses; the offset in
    /// the file. Records of several clients interleave whole.
    ///
    /// # Errors
    /// `TooLarge` beyond [`File::record_bytes_max`]. After a timeout
    /// the record occurs once or not at all.
    pub async fn append(&self, record: impl Into<Bytes>) -> Result<u64, ClientError> {
        let payload = payload(record.into());
        match self.call(FileCall::Append { handle: self.0.handle, payload }).await? {
            FileOutcome::Appended { at } => Ok(at),
            other => unreachable!("Append is answered with a place, not {other:?}"),
        }
    }

    /// Makes the file exactly `length` bytes long, as POSIX `ftruncate` does: what is behind vanishes,
    /// and what was not there reads as zeros and costs nothing.
    ///
    /// Chunk by chunk: a reader may meanwhile see a part of it done. One that is broken off leaves the
    /// file with zeros or with its old bytes behind the new end; the next one completes it.
    ///
    /// # Errors
    /// `NotFound` once the file is reclaimed. "No effect" is said only if nothing was taken away.
    pub async fn truncate(&self, length: u64) -> Result<(), ClientError> {
        let handle = self.0.handle;
        match self.call(FileCall::Truncate { handle, length }).await? {
            FileOutcome::Truncated => Ok(()),
            other => unreachable!("Truncate is answered with nothing, not {other:?}"),
        }
    }

    /// Bytes of a record at the most: a quarter of the chunk size, or `mutation_bytes_max`.
    #[must_use]
    pub fn record_bytes_max(&self) -> u64 {
        self.0.cut.record_bytes_max()
    }

    /// Reads from `offset` to the end as a stream, ahead of its consumer within a bounded window.
    #[must_use]
    pub fn reader(&self, offset: u64) -> Reader {
        Reader::new(self.clone(), offset, u64::MAX, ReadMode::Strong)
    }

    /// Writes from `offset` on as a stream within a bounded window.
    #[must_use]
    pub fn writer(&self, offset: u64) -> Writer {
        Writer::new(self.clone(), offset)
    }

    /// Reads one chunk of the file from a replica of the cluster's choice, verified there: for
    /// `fsck`.
    ///
    /// # Errors
    /// `NotFound` if there is no such chunk, `Corrupt` or `Lost` if no clean replica is left.
    pub async fn read_chunk_relaxed(
        &self,
        index: u64,
        extent: Extent,
    ) -> Result<(Bytes, u64), ClientError> {
        let (file, mode) = (self.0.id, ReadMode::Relaxed);
        let op = Operation::Read { file, index, extent, mode };
        match self.0.client.ask(&self.0.path, op).await? {
            Outcome::Read { payload, chunk_length } => Ok((payload.data, chunk_length)),
            other => unreachable!("Read is answered with bytes, not {other:?}"),
        }
    }

    async fn read_as(
        &self,
        offset: u64,
        length: u64,
        mode: ReadMode,
    ) -> Result<Bytes, ClientError> {
        let pending = self.begin_read(offset, length, mode).await?;
        self.finish_read(pending).await
    }

    pub(crate) async fn begin_read(
        &self,
        offset: u64,
        length: u64,
        mode: ReadMode,
    ) -> Result<Pending, ClientError> {
        let handle = self.0.handle;
        self.0.client.begin_call(FileCall::Read { handle, offset, length, mode }).await
    }

    pub(crate) async fn finish_read(&self, pending: Pending) -> Result<Bytes, ClientError> {
        match self.finish(pending).await? {
            FileOutcome::Read(parts) => Ok(joined(parts)),
            other => unreachable!("Read is answered with bytes, not {other:?}"),
        }
    }

    pub(crate) async fn begin_write(
        &self,
        offset: u64,
        mut data: Bytes,
    ) -> Result<Pending, ClientError> {
        let length = data.len() as u64;
        self.check_range(offset, length)?;
        let pieces = self.0.cut.pieces(offset, length);
        let pieces = pieces.map(|piece| payload(data.split_to(in_memory(piece.length))));
        let (handle, pieces) = (self.0.handle, pieces.collect());
        self.0.client.begin_call(FileCall::Write { handle, offset, pieces }).await
    }

    /// Bytes that were written.
    pub(crate) async fn finish_write(&self, pending: Pending) -> Result<u64, ClientError> {
        match self.finish(pending).await? {
            FileOutcome::Written { length } => Ok(length),
            other => unreachable!("Write is answered with a length, not {other:?}"),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn handle(&self) -> FileHandle {
        self.0.handle
    }

    pub(crate) async fn call(&self, call: FileCall) -> Result<FileOutcome, ClientError> {
        let pending = self.0.client.begin_call(call).await?;
        self.finish(pending).await
    }

    async fn finish(&self, pending: Pending) -> Result<FileOutcome, ClientError> {
        self.0.client.finish_call(&self.0.path, pending).await
    }

    pub(crate) fn cut(&self) -> Cut {
        self.0.cut
    }

    /// Bytes on their way at a time: what a primary holds for one chunk, so that a lone stream
    /// is never told that it is too much.
    pub(crate) fn window_bytes(&self) -> u64 {
        u64::from(self.0.client.constants().inflight_bytes_max)
    }
}

fn payload(data: Bytes) -> Payload {
    let crc = crc32c(&data);
    Payload::new(data, crc)
}

/// One buffer of all parts; a single part of bytes is handed on as it is.
fn joined(mut parts: Vec<Part>) -> Bytes {
    if let [Part::Data(payload)] = &mut parts[..] {
        return std::mem::take(&mut payload.data);
    }
    let length = parts.iter().map(Part::len).sum();
    let mut all = BytesMut::with_capacity(in_memory(length));
    for part in parts {
        match part {
            Part::Data(payload) => all.extend_from_slice(&payload.data),
            Part::Zeros(length) => all.resize(all.len() + in_memory(length), 0),
        }
    }
    all.freeze()
}

fn in_memory(length: u64) -> usize {
    usize::try_from(length).expect("what is read or written at once fits memory")
}
