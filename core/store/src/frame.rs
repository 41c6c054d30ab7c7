//! One generation of an appended log, as bytes: its header, its records, and the rule that tells
//! a torn tail from corruption.
//!
//! Each record carries the offset up to which the generation was known durable when the record
//! was written. A bad record below any later record's durable offset was durable once: that is
//! corruption, and is refused. Any other bad record is where the tail begins.

use crate::error::StoreError;
use crate::sealed::{self, JOURNAL, check_preamble, crc, preamble, u32_at, u64_at};

/// Where the first record of a generation is. A sector of its own for the header: no append
/// ever rewrites it.
pub(crate) const FIRST_RECORD: u64 = 512;
/// Records are at multiples of this.
pub(crate) const ALIGNMENT: usize = 16;
const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"LHRC");
pub(crate) const RECORD_HEADER_BYTES: usize = 48;

/// What is at the start of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GenerationHeader {
    /// Counted up from 1, never reused.
    pub generation: u64,
    /// The number of its first record.
    pub first_lsn: u64,
    /// How many bytes of the generation before it belong to the log; what follows there was cut.
    pub previous_end: u64,
    /// The checksum block of a chunkserver's journal; zero in a master's log.
    pub block_bytes: u32,
}

impl GenerationHeader {
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = preamble(JOURNAL).to_vec();
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.first_lsn.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&self.block_bytes.to_le_bytes());
        bytes.extend_from_slice(&crc(&bytes).to_le_bytes());
        bytes.resize(FIRST_RECORD as usize, 0);
        bytes
    }

    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        check_preamble(name, bytes, JOURNAL)?;
        if bytes.len() < FIRST_RECORD as usize || crc(&bytes[..44]) != u32_at(bytes, 44) {
            return Err(StoreError::corrupt(name, 0, "generation header"));
        }
        Ok(GenerationHeader {
            generation: u64_at(bytes, 16),
            first_lsn: u64_at(bytes, 24),
            previous_end: u64_at(bytes, 32),
            block_bytes: u32_at(bytes, 40),
        })
    }
}

/// One record, where it is in its generation's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Counted over all generations, without a gap.
    pub lsn: u64,
    /// Where it is.
    pub at: u64,
    /// The encoded change.
    pub body: &'a [u8],
    /// Bulk bytes beside it.
    pub payload: &'a [u8],
}

/// Bytes that a record occupies.
pub(crate) fn record_bytes(body: usize, payload: usize) -> usize {
    (RECORD_HEADER_BYTES + body + payload).next_multiple_of(ALIGNMENT)
}

/// Appends a record to `out`; `durable` is the generation's durable offset as known now.
pub(crate) fn write_record(
    out: &mut Vec<u8>,
    generation: u64,
    durable: u64,
    lsn: u64,
    body: &[u8],
    payload: &[&[u8]],
) {
    let start = out.len();
    let payload_bytes = payload.iter().map(|piece| piece.len()).sum::<usize>();
    out.reserve(record_bytes(body.len(), payload_bytes));
    out.extend_from_slice(&RECORD_MAGIC.to_le_bytes());
    out.extend_from_slice(&length(body.len()).to_le_bytes());
    out.extend_from_slice(&generation.to_le_bytes());
    out.extend_from_slice(&lsn.to_le_bytes());
    out.extend_from_slice(&durable.to_le_bytes());
    out.extend_from_slice(&length(payload_bytes).to_le_bytes());
    out.extend_from_slice(&[0; 12]);
    out.extend_from_slice(body);
    for piece in payload {
        out.extend_from_slice(piece);
    }
    let content = crc(&out[start + RECORD_HEADER_BYTES..]);
    out[start + 36..start + 40].copy_from_slice(&content.to_le_bytes());
    let header = crc(&out[start..start + 40]);
    out[start + 40..start + 44].copy_from_slice(&header.to_le_bytes());
    out.resize(start + record_bytes(body.len(), payload_bytes), 0);
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a record is far below 4 GiB: mutations are at most 16 MiB")
}

/// What one generation holds.
#[derive(Debug)]
pub(crate) struct Scanned<'a> {
    /// Its good records, up to the first bad one.
    pub records: Vec<Record<'a>>,
    /// Where they end.
    pub end: u64,
    /// Why the generation is refused: they end before what was durable.
    pub refused: Option<StoreError>,
}

/// The records of one generation, and where they end.
///
/// `end` is where the next generation says that this one ends; without it, this is the newest,
/// and may have a torn tail.
pub(crate) fn scan<'a>(
    name: &str,
    bytes: &'a [u8],
    header: &GenerationHeader,
    end: Option<u64>,
) -> Scanned<'a> {
    let mut records = Vec::new();
    let mut at = FIRST_RECORD as usize;
    let mut lsn = header.first_lsn;
    while end.is_none_or(|end| (at as u64) < end) {
        let Some((record, next)) = record_at(bytes, at, header.generation, lsn) else { break };
        records.push(record);
        (at, lsn) = (next, lsn + 1);
    }
    let refused = match end {
        Some(end) if end == at as u64 => None,
        Some(_) => Some(StoreError::corrupt(name, at as u64, "record checksum")),
        None => refuse_if_durable(name, bytes, at, header.generation).err(),
    };
    Scanned { records, end: at as u64, refused }
}

/// True if a record was begun where the good ones end, and is not whole: what a crash in the middle
/// of a write leaves. A write of which no sector arrived leaves nothing to see.
pub(crate) fn is_torn(bytes: &[u8], end: u64, generation: u64) -> bool {
    let end = end as usize;
    let begun = bytes
        .get(end..end + RECORD_HEADER_BYTES)
        .is_some_and(|header| u32_at(header, 0) == RECORD_MAGIC && u64_at(header, 8) == generation);
    begun || headers_from(bytes, end, generation).next().is_some()
}

fn record_at(bytes: &[u8], at: usize, generation: u64, lsn: u64) -> Option<(Record<'_>, usize)> {
    let header = valid_header(bytes, at, generation)?;
    if u64_at(header, 16) != lsn {
        return None;
    }
    let body = u32_at(header, 4) as usize;
    let payload = u32_at(header, 32) as usize;
    let start = at + RECORD_HEADER_BYTES;
    let content = bytes.get(start..start.checked_add(body)?.checked_add(payload)?)?;
    if crc(content) != u32_at(header, 36) {
        return None;
    }
    let (body, payload) = content.split_at(body);
    let record = Record { lsn, at: at as u64, body, payload };
    Some((record, at + record_bytes(body.len(), payload.len())))
}

fn valid_header(bytes: &[u8], at: usize, generation: u64) -> Option<&[u8]> {
    let header = bytes.get(at..at + RECORD_HEADER_BYTES)?;
    let valid = u32_at(header, 0) == RECORD_MAGIC
        && u64_at(header, 8) == generation
        && crc(&header[..40]) == u32_at(header, 40);
    valid.then_some(header)
}

/// Every record header of this generation from here on, wherever it stands.
fn headers_from(bytes: &[u8], at: usize, generation: u64) -> impl Iterator<Item = &[u8]> {
    (at..bytes.len()).step_by(ALIGNMENT).filter_map(move |at| valid_header(bytes, at, generation))
}

/// The record at `at` is bad. It is the tail unless a later one knew it to be durable. Framing is
/// lost, so every place where a record could stand is looked at.
fn refuse_if_durable(
    name: &str,
    bytes: &[u8],
    at: usize,
    generation: u64,
) -> Result<(), StoreError> {
    let mut known = headers_from(bytes, at, generation).map(|header| u64_at(header, 24));
    if known.any(|durable| durable > at as u64) {
        let why = "a bad record below what was durable: corruption, not a torn tail";
        return Err(StoreError::corrupt(name, at as u64, why));
    }
    Ok(())
}

/// The file of a generation, inside its folder.
pub(crate) fn generation_name(folder: &str, generation: u64) -> String {
    sealed::join(folder, &format!("{generation:016x}.log"))
}
