//! I6 and I11: what reads may return.
//!
//! The order of a chunk's mutations is known, so a strong read is linearizable exactly if its
//! bytes are those after some mutation that lies between the last one acknowledged or shown before
//! the read was asked and the last one there is. Of several such the first is taken: that leaves
//! later reads the most room, so a run that is refused could not have been explained otherwise.
//!
//! Which chunk a file and an index name, the log says: a chunk is made for one place, and a freed chunk
//! leaves none that moves up. After a truncation another chunk may be made for the place. So a read is
//! judged by the chunks that were made for its place, from the one that was there when it was requested
//! on, whatever any master knows of them by then.

use super::past::Past;
use super::{Violation, violation};
use leasehold_proto::message::ReadMode;
use leasehold_proto::{ChunkHandle, Extent, FileId, Sequence};
use std::collections::BTreeMap;

/// A read that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OpenRead {
    pub file: FileId,
    pub index: u64,
    pub extent: Extent,
    pub mode: ReadMode,
    /// The chunk was freed before this was asked.
    pub gone: bool,
    /// So many chunks were in its place before the last one there was when this was asked.
    pub before: usize,
    /// By chunk, what it must see at least.
    pub floor: BTreeMap<ChunkHandle, Sequence>,
}

/// Judges the bytes that a read of a place returned that never held a chunk.
pub(super) fn of_nothing(read: &OpenRead, data: &[u8]) -> Result<(), Violation> {
    let OpenRead { file, index, .. } = read;
    if data.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    let what = format!("{file} has no chunk {index}, and bytes of it were read");
    Err(violation("I11", what))
}

/// Judges the bytes that a read returned, of this chunk, which may be `gone`: freed before the read was
/// requested.
pub(super) fn judge(
    chunk: ChunkHandle,
    past: &mut Past,
    read: &OpenRead,
    gone: bool,
    data: &[u8],
) -> Result<(), Violation> {
    if let Some(at) = past.foreign(read.extent.offset, data) {
        return Err(violation("I11", format!("byte {at} of {chunk} was read and never written")));
    }
    if read.mode == ReadMode::Relaxed {
        return Ok(());
    }
    if gone {
        let what = format!("{chunk} was read after it was freed");
        return Err(violation("I6", what));
    }
    if read.extent.length == 0 {
        return Ok(());
    }
    let floor = read.floor.get(&chunk).copied().unwrap_or_default();
    let places = (floor.0..=past.last().0).map(Sequence);
    match places.into_iter().find(|at| past.image(read.extent, *at) == data) {
        Some(at) => {
            past.shown = past.shown.max(at);
            Ok(())
        }
        None => Err(violation(
            "I6",
            format!(
                "{} of {chunk} {:?} is its state at no point from {floor} on",
                crate::show::text(data),
                read.extent,
            ),
        )),
    }
}
