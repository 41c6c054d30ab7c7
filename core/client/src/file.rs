//! An open file.

use crate::reader::Reader;
use crate::span::Cut;
use crate::writer::Writer;
use crate::{Client, ClientError, FileInfo, FileSpec, finish};
use bytes::{Bytes, BytesMut};
use leasehold_proto::{Extent, FileId, OpError, Operation, Outcome, Payload, ReadMode, Refusal};
use leasehold_wire::crc32c;

/// A file by its identity: renames do not affect it, and once it is deleted and reclaimed every
/// call is refused with `NotFound`. Cheap to clone.
///
/// Each chunk is linearizable by itself; a call that spans chunks is several operations.
#[derive(Clone, Debug)]
pub struct File {
    client: Client,
    path: String,
    id: FileId,
    spec: FileSpec,
}

impl File {
    pub(crate) fn new(client: Client, path: String, id: FileId, spec: FileSpec) -> Self {
        File { client, path, id, spec }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> FileId {
        self.id
    }

    /// What was fixed about it when it was created.
    #[must_use]
    pub fn spec(&self) -> &FileSpec {
        &self.spec
    }

    /// The path by which it was opened; it may have been renamed since.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its length in bytes, asked of the primary of its last chunk: it counts what was
    /// acknowledged and nothing else.
    ///
    /// # Errors
    /// `NotFound` once the file is reclaimed, `Lost` if its last chunk is.
    pub async fn len(&self) -> Result<u64, ClientError> {
        let info = self.info().await?;
        let Some(last) = info.chunks.checked_sub(1) else { return Ok(0) };
        let length_only = Extent::new(0, 0);
        let (_, chunk_length) = self.read_piece(last, length_only, ReadMode::Strong).await?;
        Ok(self.cut().position(last, chunk_length))
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
    /// the whole call: "no effect" and a refusal are said only if none of its pieces was begun
    /// besides the one that failed. Otherwise the call timed out, and each of its pieces may have
    /// been written or not.
    pub async fn write(&self, offset: u64, data: impl Into<Bytes>) -> Result<(), ClientError> {
        let data = data.into();
        self.check_end(offset, data.len() as u64)?;
        let mut writer = self.writer(offset);
        let written = writer.write(data).await;
        let written = if written.is_ok() { writer.flush().await } else { written };
        written.map_err(|error| if writer.begun() > 1 { error.of_several() } else { error })
    }

    /// Refuses what no file can hold, before its first step.
    pub(crate) fn check_end(&self, offset: u64, length: u64) -> Result<(), ClientError> {
        if offset.checked_add(length).is_some() {
            return Ok(());
        }
        let why = format!("a file does not reach beyond byte {}", u64::MAX);
        Err(ClientError::of(&self.path, OpError::Refused(Refusal::Invalid(why))))
    }

    /// Appends one record, exactly once, at an offset that the primary chooses; the offset in
    /// the file. Records of several clients interleave whole.
    ///
    /// # Errors
    /// `TooLarge` beyond a quarter of the chunk size or `mutation_bytes_max`. After a timeout
    /// the record stands once or not at all.
    pub async fn append(&self, record: impl Into<Bytes>) -> Result<u64, ClientError> {
        let op = Operation::Append {
            file: self.id,
            chunk_bytes: self.spec.chunk_bytes,
            payload: payload(record.into()),
        };
        match self.client.ask(&self.path, op).await? {
            Outcome::Written { index, extent } => Ok(self.cut().position(index, extent.offset)),
            other => unreachable!("Append is answered with a place, not {other:?}"),
        }
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
        self.read_piece(index, extent, ReadMode::Relaxed).await
    }

    async fn read_as(
        &self,
        offset: u64,
        length: u64,
        mode: ReadMode,
    ) -> Result<Bytes, ClientError> {
        let mut reader = Reader::new(self.clone(), offset, length, mode);
        let Some(first) = reader.next().await? else { return Ok(Bytes::new()) };
        let Some(second) = reader.next().await? else { return Ok(first) };
        let mut all = BytesMut::from(first);
        all.extend_from_slice(&second);
        while let Some(piece) = reader.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    async fn read_piece(
        &self,
        index: u64,
        extent: Extent,
        mode: ReadMode,
    ) -> Result<(Bytes, u64), ClientError> {
        let pending = self.begin_read(index, extent, mode).await?;
        match finish(&self.path, pending).await? {
            Outcome::Read { payload, chunk_length } => Ok((payload.data, chunk_length)),
            other => unreachable!("Read is answered with bytes, not {other:?}"),
        }
    }

    pub(crate) async fn begin_read(
        &self,
        index: u64,
        extent: Extent,
        mode: ReadMode,
    ) -> Result<crate::Pending, ClientError> {
        self.client.begin(Operation::Read { file: self.id, index, extent, mode }).await
    }

    pub(crate) async fn begin_write(
        &self,
        index: u64,
        offset: u64,
        data: Bytes,
    ) -> Result<crate::Pending, ClientError> {
        let payload = payload(data);
        self.client.begin(Operation::Write { file: self.id, index, offset, payload }).await
    }

    /// What the master knows of it.
    pub(crate) async fn info(&self) -> Result<FileInfo, ClientError> {
        self.client.stat_file(&self.path, self.id).await
    }

    pub(crate) fn cut(&self) -> Cut {
        Cut {
            chunk_bytes: self.spec.chunk_bytes,
            piece_bytes: u64::from(self.client.constants().mutation_bytes_max),
        }
    }

    /// Bytes on their way at a time: what a primary holds for one chunk, so that a lone stream
    /// is never told that it is too much.
    pub(crate) fn window_bytes(&self) -> u64 {
        u64::from(self.client.constants().inflight_bytes_max)
    }
}

fn payload(data: Bytes) -> Payload {
    let crc = crc32c(&data);
    Payload::new(data, crc)
}
