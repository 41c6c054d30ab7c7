//! A stream of bytes out of a file.

use crate::{ClientError, File, Pending};
use bytes::Bytes;
use leasehold_proto::ReadMode;
use std::collections::VecDeque;

/// Bytes requested ahead of the consumer: several times what a fast network holds on its way, and
/// little enough that they are still in a processor's cache when they are consumed.
const AHEAD_BYTES: u64 = 4 << 20;

/// Reads a range in order, ahead of its consumer. Memory is bounded by what is requested ahead:
/// 4 MiB or `inflight_bytes_max`, and one piece at the least.
#[derive(Debug)]
pub struct Reader {
    file: File,
    mode: ReadMode,
    /// Where the next piece begins.
    position: u64,
    /// Bytes still to be requested.
    left: u64,
    /// Reads under way, with the length of each.
    in_flight: VecDeque<(u64, Pending)>,
    in_flight_bytes: u64,
    /// A short answer was the file's last piece.
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
        let Some((length, pending)) = self.in_flight.pop_front() else { return Ok(None) };
        self.in_flight_bytes -= length;
        let data = self.file.finish_read(pending).await?;
        if (data.len() as u64) < length {
            self.ended = true;
            self.in_flight.clear();
        }
        Ok(Some(data).filter(|data| !data.is_empty()))
    }

    async fn read_ahead(&mut self) -> Result<(), ClientError> {
        while self.left > 0 {
            let length = self.file.cut().piece(self.position, self.left).length;
            let full = self.in_flight_bytes + length > self.ahead_bytes();
            if full && !self.in_flight.is_empty() {
                return Ok(());
            }
            let pending = self.file.begin_read(self.position, length, self.mode).await?;
            self.position += length;
            self.left -= length;
            self.in_flight_bytes += length;
            self.in_flight.push_back((length, pending));
        }
        Ok(())
    }

    fn ahead_bytes(&self) -> u64 {
        self.file.window_bytes().min(AHEAD_BYTES)
    }
}
