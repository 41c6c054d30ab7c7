//! A history of reads and writes of ranges, cut into registers.
//!
//! Each chunk is cut at every place where a write begins or ends; what lies between two cuts is
//! one register. Workloads that write whole cells get one register per cell.

use crate::history::{Call, Ending, History, Operated};
use crate::linearizability::RegisterOp;
use leasehold_proto::{Extent, FileId, ReadMode};
use std::collections::{BTreeMap, BTreeSet};

/// A chunk, as clients name it.
pub type Place = (FileId, u64);

/// One register and what was done to it.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// Its operations.
    pub ops: Vec<RegisterOp>,
    /// Where each stands in the history.
    pub origin: Vec<usize>,
    values: BTreeMap<Vec<u8>, u32>,
}

/// Everything that writes to one chunk or reads it strongly: its place in the history and in the
/// chunk.
#[derive(Default)]
struct Chunk {
    writes: Vec<(usize, Extent)>,
    reads: Vec<(usize, Extent)>,
}

/// Every register that was read strongly at least once, by chunk and extent.
pub fn registers(history: &History) -> BTreeMap<(Place, Extent), Register> {
    let mut registers = BTreeMap::new();
    for (place, chunk) in chunks(history) {
        for (extent, register) in cut(history.operations(), &chunk) {
            if register.ops.iter().any(|op| !op.write) {
                registers.insert((place, extent), register);
            }
        }
    }
    registers
}

fn chunks(history: &History) -> BTreeMap<Place, Chunk> {
    let mut chunks: BTreeMap<Place, Chunk> = BTreeMap::new();
    let mut lost: Vec<(usize, FileId)> = Vec::new();
    for (at, operated) in history.operations().iter().enumerate() {
        match (&operated.call, operated.ending) {
            (_, Ending::Failed) => {}
            (Call::Write { file, index, extent, .. }, _) => {
                chunks.entry((*file, *index)).or_default().writes.push((at, *extent));
            }
            (Call::Append { file, .. }, Ending::Done { index, extent }) => {
                chunks.entry((*file, index)).or_default().writes.push((at, extent));
            }
            (Call::Append { file, .. }, Ending::Open) => lost.push((at, *file)),
            (Call::Read { mode: ReadMode::Strong, file, index, extent }, Ending::Done { .. }) => {
                chunks.entry((*file, *index)).or_default().reads.push((at, *extent));
            }
            (Call::Read { .. }, _) => {}
        }
    }
    for (at, file) in lost {
        find_lost(history.operations(), at, file, &mut chunks);
    }
    chunks
}

/// An append of unknown end took effect where strong reads show its record, if anywhere.
fn find_lost(all: &[Operated], at: usize, file: FileId, chunks: &mut BTreeMap<Place, Chunk>) {
    let record = &all[at].bytes;
    let (from, to) = ((file, 0), (file, u64::MAX));
    for chunk in chunks.range_mut(from..=to).map(|(_, chunk)| chunk) {
        let shown = chunk.reads.iter().find_map(|(read, extent)| {
            Some(extent.offset + position(&all[*read].bytes, record)? as u64)
        });
        if let Some(offset) = shown {
            chunk.writes.push((at, Extent::new(offset, record.len() as u64)));
        }
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn cut(all: &[Operated], chunk: &Chunk) -> BTreeMap<Extent, Register> {
    let ends = chunk.writes.iter().flat_map(|(_, extent)| [extent.offset, extent.end()]);
    let cuts: BTreeSet<u64> = ends.collect();
    let mut registers: BTreeMap<Extent, Register> = BTreeMap::new();
    for (at, extent) in &chunk.writes {
        for piece in pieces(&cuts, *extent) {
            registers.entry(piece).or_default().add(all, *at, *extent, piece, true);
        }
    }
    for (at, extent) in &chunk.reads {
        for piece in pieces(&cuts, *extent) {
            if let Some(register) = registers.get_mut(&piece) {
                register.add(all, *at, *extent, piece, false);
            }
        }
    }
    registers
}

/// The registers that lie wholly in a range.
fn pieces(cuts: &BTreeSet<u64>, range: Extent) -> Vec<Extent> {
    let inside: Vec<u64> = cuts.range(range.offset..=range.end()).copied().collect();
    inside.windows(2).map(|ends| Extent::new(ends[0], ends[1] - ends[0])).collect()
}

impl Register {
    fn add(&mut self, all: &[Operated], at: usize, extent: Extent, piece: Extent, write: bool) {
        let Operated { invoked_ns, returned_ns, ref bytes, ending, .. } = all[at];
        let start = (piece.offset - extent.offset) as usize;
        let end = start + piece.length as usize;
        // Bytes beyond the end of the chunk read as zero.
        let mut value = bytes.get(start..end.min(bytes.len())).unwrap_or_default().to_vec();
        value.resize(piece.length as usize, 0);
        let returned_ns = returned_ns.filter(|_| ending != Ending::Open);
        let value = self.value(value);
        self.ops.push(RegisterOp { invoked_ns, returned_ns, write, value });
        self.origin.push(at);
    }

    fn value(&mut self, bytes: Vec<u8>) -> u32 {
        if bytes.iter().all(|byte| *byte == 0) {
            return 0;
        }
        let next = self.values.len() as u32 + 1;
        *self.values.entry(bytes).or_insert(next)
    }
}
