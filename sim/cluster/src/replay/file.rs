//! A recording as a file: a line that says so, then a frame for each entry, `[length][crc][body]`, both
//! numbers of four bytes, little-endian; the body as postcard has it.

use super::encoding::EncodedEntry;
use super::recording::Recording;
use leasehold_wire::crc32c;
use std::io::{self, Read, Write};

/// The first line. Another layout gets another number.
const HEAD: &[u8] = b"leasehold recording 1\n";
/// The first line of the same layout under its old name.
const OLD_HEAD: &[u8] = b"leasehold tape 1\n";
/// No entry is larger: a checkpoint of a simulated master is far below it.
const ENTRY_BYTES_MAX: u32 = 256 << 20;

/// Why a file is not read as a recording.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum RecordingError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "it does not begin with `leasehold recording 1`: `sim run --record FILE` writes such files"
    )]
    NotARecording,
    #[error("entry {number} is cut short or damaged")]
    Damaged { number: usize },
    #[error("entry {number} does not decode: another build wrote it, with other messages")]
    Malformed { number: usize },
}

impl Recording {
    /// Writes everything.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(HEAD)?;
        for entry in &self.0 {
            let body = postcard::to_allocvec(&EncodedEntry::of(entry)).expect("plain data encodes");
            let length = u32::try_from(body.len()).expect("an entry is far below 4 GiB");
            out.write_all(&length.to_le_bytes())?;
            out.write_all(&crc32c(&body).to_le_bytes())?;
            out.write_all(&body)?;
        }
        out.flush()
    }

    /// Reads everything. Effects come back as their digests and texts.
    ///
    /// # Errors
    /// If it is not a recording, is damaged, or is of another build's messages.
    pub fn read(from: &mut impl Read) -> Result<Recording, RecordingError> {
        head(from)?;
        let mut recording = Recording::default();
        while let Some(body) = frame(from, recording.0.len() + 1)? {
            let number = recording.0.len() + 1;
            let word: Option<EncodedEntry> = postcard::from_bytes(&body).ok();
            let entry =
                word.and_then(EncodedEntry::entry).ok_or(RecordingError::Malformed { number })?;
            recording.0.push(entry);
        }
        Ok(recording)
    }
}

/// Reads the first line.
fn head(from: &mut impl Read) -> Result<(), RecordingError> {
    let mut head = [0; HEAD.len()];
    let (first, rest) = head.split_at_mut(OLD_HEAD.len());
    from.read_exact(first).map_err(|_| RecordingError::NotARecording)?;
    if first == OLD_HEAD {
        return Ok(());
    }
    from.read_exact(rest).map_err(|_| RecordingError::NotARecording)?;
    if head == HEAD { Ok(()) } else { Err(RecordingError::NotARecording) }
}

/// The next frame's body; none at the end of the file.
fn frame(from: &mut impl Read, number: usize) -> Result<Option<Vec<u8>>, RecordingError> {
    let damaged = || RecordingError::Damaged { number };
    let mut numbers = [0; 8];
    let first = from.read(&mut numbers)?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(&mut numbers[first..]).map_err(|_| damaged())?;
    let [a, b, c, d, rest @ ..] = numbers;
    let (length, crc) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(rest));
    if length > ENTRY_BYTES_MAX {
        return Err(damaged());
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body).map_err(|_| damaged())?;
    if crc32c(&body) == crc { Ok(Some(body)) } else { Err(damaged()) }
}
