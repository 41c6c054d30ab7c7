//! A stream of bytes out of a file.

use crate::span::Piece;
use crate::{ClientError, File, Pending, finish};
use bytes::{Bytes, BytesMut};
use leasehold_proto::{Extent, Outcome, ReadMode, Refusal};
use std::collections::VecDeque;

/// Bytes asked for ahead of the consumer: several times what a fast network holds on its way, and
/// little enough that they are still in a processor's cache when they are consumed.
const AHEAD_BYTES: u64 = 4 << 20;

/// Reads a range in order, ahead of its consumer. Memory is bounded by what is asked for ahead:
/// 4 MiB or `inflight_bytes_max`, and one piece at the least.
#[derive(Debug)]
pub struct Reader {
    file: File,
    mode: ReadMode,
    /// Where the next piece begins.
    position: u64,
    /// Bytes still to be asked for.
    left: u64,
    in_flight: VecDeque<(Piece, Pending)>,
    in_flight_bytes: u64,
    /// A piece that a short answer showed to lie beyond the end, or to be the last.
    ended: bool,
}

impl Reader {
    pub(crate) fn new(file: File, offset: u64, length: u64, mode: ReadMode) -> Self {
        Reader {
            file,
            mode,
            position: offset,
            left: length.min(u64::MAX - offset),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            ended: false,
        }
    }

    /// The next bytes, as one piece of at most `mutation_bytes_max`; `None` at the end of the
    /// range or of the file.
    ///
    /// # Errors
    /// `NotFound` once the file is reclaimed, `Lost` if a chunk of the range is.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        self.read_ahead().await?;
        let Some((piece, pending)) = self.in_flight.pop_front() else { return Ok(None) };
        self.in_flight_bytes -= piece.length;
        let data = self.settle(&piece, pending).await?;
        if (data.len() as u64) < piece.length {
            self.ended = true;
            self.in_flight.clear();
        }
        Ok(Some(data).filter(|data| !data.is_empty()))
    }

    async fn read_ahead(&mut self) -> Result<(), ClientError> {
        while self.left > 0 {
            let piece = self.file.cut().piece(self.position, self.left);
            let full = self.in_flight_bytes + piece.length > self.ahead_bytes();
            if full && !self.in_flight.is_empty() {
                return Ok(());
            }
            let extent = Extent::new(piece.offset, piece.length);
            let pending = self.file.begin_read(piece.index, extent, self.mode).await?;
            self.position += piece.length;
            self.left -= piece.length;
            self.in_flight_bytes += piece.length;
            self.in_flight.push_back((piece, pending));
        }
        Ok(())
    }

    fn ahead_bytes(&self) -> u64 {
        self.file.window_bytes().min(AHEAD_BYTES)
    }

    /// The piece's bytes: fewer than asked only at the end of the file.
    async fn settle(&self, piece: &Piece, pending: Pending) -> Result<Bytes, ClientError> {
        let data = match finish(self.file.path(), pending).await {
            Ok(Outcome::Read { payload, .. }) => payload.data,
            Ok(other) => unreachable!("Read is answered with bytes, not {other:?}"),
            // Beyond the last chunk there is nothing to read; that the file itself is gone, the
            // master says below.
            Err(error) if error.refusal() == Some(&Refusal::NotFound) => Bytes::new(),
            Err(error) => return Err(error),
        };
        if data.len() as u64 == piece.length {
            return Ok(data);
        }
        let info = self.file.info().await?;
        if piece.index + 1 < info.chunks {
            return Ok(zero_filled(data, piece.length));
        }
        Ok(data)
    }
}

/// A chunk that is short although another follows it has a hole at its end.
fn zero_filled(data: Bytes, length: u64) -> Bytes {
    let length = usize::try_from(length).expect("a piece fits memory");
    let mut filled = BytesMut::from(data);
    filled.resize(length, 0);
    filled.freeze()
}
