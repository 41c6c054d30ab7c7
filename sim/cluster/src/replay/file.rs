//! A recording as a file: a line that says so, a line with what was recorded and by which build, then a
//! frame for each entry, `[length][crc][body]`, both
//! numbers of four bytes, little-endian; the body as postcard has it. The last frame has the length
//! [`END`], and says how many entries there are: a file without it is not whole.

use super::encoding::EncodedEntry;
use super::recording::{RecordedEntry, Recording};
use leasehold_wire::crc32c;
use std::io::{self, Read, Write};

/// The first line. Another layout gets another number.
const HEAD: &[u8] = b"leasehold recording 3\n";
/// The layout before, which has no second line.
const HEAD_WITHOUT_ABOUT: &[u8] = b"leasehold recording 2\n";
/// Of the second line.
const ABOUT_BYTES_MAX: usize = 1 << 16;
/// How every layout begins, this one's predecessors among them.
const ANY_HEAD: &[&[u8]] = &[b"leasehold recording ", b"leasehold tape "];
/// Stands for the length of the last frame.
const END: u32 = u32::MAX;
/// No entry is larger: a checkpoint of a simulated master is far below it.
const ENTRY_BYTES_MAX: u32 = 256 << 20;

/// Why a file is not read as a recording.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum RecordingError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "it does not begin with `leasehold recording 3`: `sim run --record FILE` writes such files"
    )]
    NotARecording,
    #[error("it is a recording of another layout: another build wrote it")]
    OtherLayout,
    #[error(
        "it ends after entry {entries} of more: the run or its disk ended while it was written"
    )]
    CutShort { entries: usize },
    #[error("it continues after its end")]
    TooLong,
    #[error("entry {number} is cut short or damaged")]
    Damaged { number: usize },
    #[error("entry {number} does not decode: another build wrote it, with other messages")]
    Malformed { number: usize },
}

/// A recording that is written while it comes: memory holds one entry.
pub struct RecordingWriter {
    out: Box<dyn Write + Send>,
    entries: u64,
    /// The first error of the writer; nothing is written after it.
    failed: Option<io::Error>,
}

impl RecordingWriter {
    /// Begins a recording. `about` is what is recorded and by which build, on one line. `out` should be
    /// buffered.
    #[must_use]
    pub fn new(mut out: Box<dyn Write + Send>, about: &str) -> Self {
        let failed = write_head(&mut out, about).err();
        RecordingWriter { out, entries: 0, failed }
    }

    /// Adds an entry.
    pub fn entry(&mut self, entry: &RecordedEntry) {
        if self.failed.is_none() {
            self.failed = write_entry(&mut self.out, entry).err();
            self.entries += 1;
        }
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// The first of the writer, whenever it came.
    pub fn finish(mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => write_end(&mut self.out, self.entries),
        }
    }
}

fn write_head(out: &mut impl Write, about: &str) -> io::Result<()> {
    debug_assert!(!about.contains('\n') && about.len() < ABOUT_BYTES_MAX, "{about}");
    out.write_all(HEAD)?;
    writeln!(out, "{about}")
}

fn write_entry(out: &mut impl Write, entry: &RecordedEntry) -> io::Result<()> {
    let body = postcard::to_allocvec(&EncodedEntry::of(entry)).expect("plain data encodes");
    let length = u32::try_from(body.len()).expect("an entry is far below 4 GiB");
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&crc32c(&body).to_le_bytes())?;
    out.write_all(&body)
}

fn write_end(out: &mut impl Write, entries: u64) -> io::Result<()> {
    let body = entries.to_le_bytes();
    out.write_all(&END.to_le_bytes())?;
    out.write_all(&crc32c(&body).to_le_bytes())?;
    out.write_all(&body)?;
    out.flush()
}

impl Recording {
    /// Writes everything.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write_head(out, "")?;
        self.0.iter().try_for_each(|entry| write_entry(out, entry))?;
        write_end(out, self.0.len() as u64)
    }

    /// What a recording is of, and by which build: its second line.
    ///
    /// # Errors
    /// If it is not a recording.
    pub fn about(from: &mut impl Read) -> Result<String, RecordingError> {
        head(from)
    }

    /// Reads everything. Effects come back as their digests and texts.
    ///
    /// # Errors
    /// If it is not a recording, is damaged or not whole, or is of another build's messages.
    pub fn read(from: &mut impl Read) -> Result<Recording, RecordingError> {
        head(from)?;
        let mut recording = Recording::default();
        while let Some(body) = frame(from, recording.0.len())? {
            let number = recording.0.len() + 1;
            let encoded: Option<EncodedEntry> = postcard::from_bytes(&body).ok();
            let entry = encoded.and_then(EncodedEntry::entry);
            recording.0.push(entry.ok_or(RecordingError::Malformed { number })?);
        }
        match from.read(&mut [0])? {
            0 => Ok(recording),
            _ => Err(RecordingError::TooLong),
        }
    }
}

/// Reads the first lines; what the second one says.
fn head(from: &mut impl Read) -> Result<String, RecordingError> {
    let mut head = [0; HEAD.len()];
    let mut filled = 0;
    while filled < head.len() {
        match from.read(&mut head[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    match &head[..filled] {
        head if head == HEAD => about(from),
        head if head == HEAD_WITHOUT_ABOUT => Ok(String::new()),
        head if ANY_HEAD.iter().any(|any| head.starts_with(any)) => {
            Err(RecordingError::OtherLayout)
        }
        _ => Err(RecordingError::NotARecording),
    }
}

fn about(from: &mut impl Read) -> Result<String, RecordingError> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < ABOUT_BYTES_MAX {
        if from.read(&mut byte)? == 0 {
            return Err(RecordingError::CutShort { entries: 0 });
        }
        if byte == *b"\n" {
            return Ok(String::from_utf8_lossy(&line).into_owned());
        }
        line.push(byte[0]);
    }
    Err(RecordingError::Damaged { number: 0 })
}

/// The body of the frame after so many entries; none at the end, if it is where it says that it is.
fn frame(from: &mut impl Read, entries: usize) -> Result<Option<Vec<u8>>, RecordingError> {
    let damaged = || RecordingError::Damaged { number: entries + 1 };
    let mut numbers = [0; 8];
    let first = from.read(&mut numbers)?;
    if first == 0 {
        return Err(RecordingError::CutShort { entries });
    }
    from.read_exact(&mut numbers[first..]).map_err(|_| RecordingError::CutShort { entries })?;
    let [a, b, c, d, rest @ ..] = numbers;
    let (length, crc) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes(rest));
    let is_end = length == END;
    if !is_end && length > ENTRY_BYTES_MAX {
        return Err(damaged());
    }
    let mut body = vec![0; if is_end { 8 } else { length as usize }];
    from.read_exact(&mut body).map_err(|_| RecordingError::CutShort { entries })?;
    if crc32c(&body) != crc {
        return Err(damaged());
    }
    if !is_end {
        return Ok(Some(body));
    }
    if body == (entries as u64).to_le_bytes() { Ok(None) } else { Err(damaged()) }
}
