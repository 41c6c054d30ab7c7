//! A stream of bytes into a file.

use crate::{ClientError, File, Pending};
use bytes::{Buf, Bytes, BytesMut};
use leasehold_proto::Piece;
use std::collections::VecDeque;

/// Writes a stream, several pieces of one chunk on their way at a time.
///
/// Memory is bounded by the window (`inflight_bytes_max`) and one piece. Pieces of a chunk are
/// begun only when every piece of the chunk before is acknowledged: a file that grows has no
/// chunk after an unfinished one, whenever the writer dies.
///
/// Nothing is acknowledged before [`Writer::finish`] returns, save what [`Writer::acknowledged`]
/// counts.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Where in the file `gathered` begins.
    position: u64,
    /// The beginning of a piece that is not complete.
    gathered: BytesMut,
    in_flight: VecDeque<(Piece, Pending)>,
    in_flight_bytes: u64,
    acknowledged: u64,
}

impl Writer {
    pub(crate) fn new(file: File, offset: u64) -> Self {
        Writer {
            file,
            position: offset,
            gathered: BytesMut::new(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            acknowledged: 0,
        }
    }

    /// Bytes from the stream's beginning on that are acknowledged without a gap.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How long the next buffer given to [`Writer::write`] should be, in bytes, so that it is
    /// passed on without a copy.
    #[must_use]
    pub fn wants(&self) -> usize {
        let at = self.position + self.gathered.len() as u64;
        usize::try_from(self.file.cut().piece(at, u64::MAX).length).expect("a piece fits memory")
    }

    /// Takes bytes; waits while the window is full.
    ///
    /// # Errors
    /// That of the first piece that failed. The stream is of no use after that: its pieces from
    /// [`Writer::acknowledged`] on may have been written or not.
    pub async fn write(&mut self, data: impl Into<Bytes>) -> Result<(), ClientError> {
        let mut data = data.into();
        while !data.is_empty() {
            let gathered = self.gathered.len() as u64;
            let whole = self.file.cut().piece(self.position, u64::MAX).length;
            let missing = usize::try_from(whole - gathered).expect("a piece fits memory");
            if data.len() < missing {
                self.gathered.extend_from_slice(&data);
                return Ok(());
            }
            let piece = if gathered == 0 {
                data.split_to(missing)
            } else {
                self.gathered.extend_from_slice(&data[..missing]);
                data.advance(missing);
                self.gathered.split().freeze()
            };
            self.begin(piece).await?;
        }
        Ok(())
    }

    /// Writes what is left and waits until everything is acknowledged; the stream's length in
    /// bytes.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub async fn finish(mut self) -> Result<u64, ClientError> {
        self.flush().await?;
        Ok(self.acknowledged)
    }

    /// Writes what is left and waits until everything is acknowledged.
    async fn flush(&mut self) -> Result<(), ClientError> {
        if !self.gathered.is_empty() {
            let rest = self.gathered.split().freeze();
            self.begin(rest).await?;
        }
        while !self.in_flight.is_empty() {
            self.settle_first().await?;
        }
        Ok(())
    }

    /// Begins one piece when there is room for it.
    async fn begin(&mut self, data: Bytes) -> Result<(), ClientError> {
        let length = data.len() as u64;
        self.file.check_range(self.position, length)?;
        let piece = self.file.cut().piece(self.position, length);
        assert_eq!(piece.length, length, "a piece never crosses its boundary");
        while self.must_wait(&piece) {
            self.settle_first().await?;
        }
        let pending = self.file.begin_write(self.position, data).await?;
        self.position += length;
        self.in_flight_bytes += length;
        self.in_flight.push_back((piece, pending));
        Ok(())
    }

    fn must_wait(&self, next: &Piece) -> bool {
        let Some((first, _)) = self.in_flight.front() else { return false };
        first.index != next.index || self.in_flight_bytes + next.length > self.file.window_bytes()
    }

    async fn settle_first(&mut self) -> Result<(), ClientError> {
        let Some((piece, pending)) = self.in_flight.pop_front() else { return Ok(()) };
        self.in_flight_bytes -= piece.length;
        self.acknowledged += self.file.finish_write(pending).await?;
        Ok(())
    }
}
