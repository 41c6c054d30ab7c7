//! What was done to one chunk, cut into cells.
//!
//! A chunk is cut at every place where a write begins or ends; what lies between two cuts is one
//! cell. Workloads that write whole blocks get one cell per block.

use crate::cells::CellsOp;
use crate::finals::Finals;
use crate::history::{Call, Ending, History, Operated};
use crate::linearizability::Timed;
use crate::order::{Order, OrderedMutation};
use leasehold_proto::replica::MutationKind;
use leasehold_proto::{ChunkHandle, Extent, FileId, ReadMode, Sequence};
use std::collections::{BTreeMap, BTreeSet};

/// A chunk, as clients name it.
pub type Place = (FileId, u64);

/// Everything that writes to one chunk or reads it strongly.
pub struct ChunkHistory {
    /// Which chunk.
    pub place: Place,
    /// Its cells, in order.
    pub cells: Vec<Extent>,
    /// What was done, as operations on these cells.
    pub ops: Vec<Timed<CellsOp>>,
    /// Where each is in the history.
    pub origin: Vec<usize>,
    /// The changes that took effect, indices into `ops`, as the chunk's primaries ordered them. It
    /// may be incomplete: the only holder of a mutation may have crashed before it reported.
    pub witness: Vec<usize>,
}

/// Every chunk that was read strongly at least once.
#[must_use]
pub fn chunk_histories(history: &History, order: &Order, finals: &Finals) -> Vec<ChunkHistory> {
    let ordered = Ordered::of(history, order, finals);
    let mut chunks: BTreeMap<Place, Ranges> = BTreeMap::new();
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
            (Call::Append { file, .. }, Ending::Open) => match ordered.appends.get(&at) {
                Some((place, extent)) => {
                    chunks.entry(*place).or_default().writes.push((at, *extent));
                }
                None => lost.push((at, *file)),
            },
            (Call::Read { mode: ReadMode::Strong, file, index, extent }, Ending::Done { .. }) => {
                chunks.entry((*file, *index)).or_default().reads.push((at, *extent));
            }
            (Call::Cut { file, index, length, .. }, _) => {
                chunks.entry((*file, *index)).or_default().cuts.push((at, *length));
            }
            (Call::Retire { file, index, .. }, _) => {
                chunks.entry((*file, *index)).or_default().cuts.push((at, 0));
            }
            (Call::Append { .. } | Call::Read { .. }, _) => {}
            (
                Call::Lock { .. }
                | Call::Conflict { .. }
                | Call::Change { .. }
                | Call::Query { .. },
                _,
            ) => {}
        }
    }
    for (at, file) in lost {
        find_lost(history.operations(), at, file, &mut chunks);
    }
    let read = chunks.into_iter().filter(|(_, ranges)| !ranges.reads.is_empty());
    read.map(|(place, ranges)| ranges.cut(history.operations(), place, &ordered)).collect()
}

/// What the order of mutations says of the history's operations.
#[derive(Default)]
struct Ordered {
    /// By place in the history. Chunks that follow each other in one place have rising handles.
    sequences: BTreeMap<usize, (ChunkHandle, Sequence)>,
    /// Where appends of unknown end stand.
    appends: BTreeMap<usize, (Place, Extent)>,
}

impl Ordered {
    fn of(history: &History, order: &Order, finals: &Finals) -> Self {
        let mut by_contents: BTreeMap<(u32, u64), Vec<usize>> = BTreeMap::new();
        for (at, operated) in history.operations().iter().enumerate() {
            if let Call::Write { crc, .. } | Call::Append { crc, .. } = operated.call {
                by_contents.entry((crc, operated.bytes.len() as u64)).or_default().push(at);
            }
        }
        let is_cut = |at: &usize| {
            matches!(history.operations()[*at].call, Call::Cut { .. } | Call::Retire { .. })
        };
        let cuts: Vec<usize> = (0..history.operations().len()).filter(is_cut).collect();
        let mut ordered = Ordered::default();
        for (handle, chunk) in order.chunks() {
            let candidates = |entry: &OrderedMutation| match entry.kind {
                MutationKind::Cut { .. } | MutationKind::Retire => &cuts[..],
                MutationKind::Write | MutationKind::Append | MutationKind::Seal => {
                    let known = by_contents.get(&(entry.crc, entry.extent.length));
                    known.map_or(&[][..], Vec::as_slice)
                }
            };
            ordered.add(history.operations(), handle, finals, &chunk.entries, &candidates);
        }
        ordered
    }

    fn add<'a>(
        &mut self,
        all: &[Operated],
        handle: ChunkHandle,
        finals: &Finals,
        entries: &BTreeMap<Sequence, OrderedMutation>,
        candidates: &dyn Fn(&OrderedMutation) -> &'a [usize],
    ) {
        let known = finals.chunks.get(&handle).map(|chunk| (chunk.file, chunk.index));
        let mut matched: Vec<(usize, Sequence, Extent)> = Vec::new();
        for (sequence, entry) in entries {
            let fits = |at: &&usize| could_be(&all[**at], entry, handle, known);
            let mut fitting = candidates(entry).iter().filter(fits);
            if let (Some(at), None) = (fitting.next(), fitting.next()) {
                matched.push((*at, *sequence, entry.extent));
            }
        }
        // A chunk that was freed has left its place with those who wrote to it.
        let told = matched.iter().find_map(|(at, _, _)| place_of(&all[*at]));
        let Some(place) = known.or(told) else { return };
        for (at, sequence, extent) in matched {
            self.sequences.insert(at, (handle, sequence));
            if place_of(&all[at]).is_none() {
                self.appends.insert(at, (place, extent));
            }
        }
    }
}

/// The chunk that an operation is known to have changed.
fn place_of(operated: &Operated) -> Option<Place> {
    match (&operated.call, operated.ending) {
        (
            Call::Write { file, index, .. }
            | Call::Cut { file, index, .. }
            | Call::Retire { file, index, .. },
            _,
        ) => Some((*file, *index)),
        (Call::Append { file, .. }, Ending::Done { index, .. }) => Some((*file, index)),
        _ => None,
    }
}

fn could_be(
    operated: &Operated,
    entry: &OrderedMutation,
    handle: ChunkHandle,
    known: Option<Place>,
) -> bool {
    let there = match (known, place_of(operated)) {
        (Some(known), Some(place)) => known == place,
        _ => true,
    };
    let likewise = match (&operated.call, entry.kind) {
        (Call::Write { extent, .. }, MutationKind::Write) => *extent == entry.extent,
        (Call::Cut { length, epoch, .. }, MutationKind::Cut { epoch: of }) => {
            (*length, *epoch) == (entry.extent.offset, of)
        }
        (Call::Retire { chunk, .. }, MutationKind::Retire) => *chunk == handle,
        (Call::Append { file, .. }, MutationKind::Append) => {
            known.is_none_or(|known| known.0 == *file)
        }
        _ => false,
    };
    there && likewise
}

/// An append of unknown end that nobody ordered took effect where strong reads show its record, if
/// anywhere.
fn find_lost(all: &[Operated], at: usize, file: FileId, chunks: &mut BTreeMap<Place, Ranges>) {
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

/// The operations on one chunk: place in the history, range in the chunk.
#[derive(Default)]
struct Ranges {
    writes: Vec<(usize, Extent)>,
    reads: Vec<(usize, Extent)>,
    /// Everything from here on became zeros.
    cuts: Vec<(usize, u64)>,
}

impl Ranges {
    fn cut(&self, all: &[Operated], place: Place, ordered: &Ordered) -> ChunkHistory {
        let ends = self.writes.iter().flat_map(|(_, extent)| [extent.offset, extent.end()]);
        let mut ends: BTreeSet<u64> = ends.collect();
        // What lies behind every write is zeros, cut or not.
        let last = ends.last().copied().unwrap_or(0);
        ends.extend(self.cuts.iter().map(|(_, length)| *length).filter(|length| *length < last));
        let ends: Vec<u64> = ends.into_iter().collect();
        let cut =
            |(at, length): &(usize, u64)| (*at, Extent::new(*length, last.saturating_sub(*length)));
        let cuts: Vec<(usize, Extent)> = self.cuts.iter().map(cut).collect();
        let cells: Vec<Extent> =
            ends.windows(2).map(|ends| Extent::new(ends[0], ends[1] - ends[0])).collect();
        let mut names = vec![BTreeMap::new(); cells.len()];
        let mut chunk =
            ChunkHistory { place, cells, ops: Vec::new(), origin: Vec::new(), witness: Vec::new() };
        let mut ranked: Vec<((ChunkHandle, Sequence), usize)> = Vec::new();
        for (write, ranges) in [(true, &self.writes), (true, &cuts), (false, &self.reads)] {
            for (at, extent) in ranges {
                if !chunk.add(all, *at, *extent, write, &mut names) {
                    continue;
                }
                if let Some(sequence) = ordered.sequences.get(at).filter(|_| write) {
                    ranked.push((*sequence, chunk.ops.len() - 1));
                }
            }
        }
        ranked.sort_unstable();
        chunk.witness = ranked.into_iter().map(|(_, index)| index).collect();
        chunk
    }
}

/// The names of a cell's contents, from 1; zeros are zero.
type Names = BTreeMap<Vec<u8>, u32>;

impl ChunkHistory {
    /// Adds what an operation did to the cells that lie wholly in its range; false if none does.
    fn add(
        &mut self,
        all: &[Operated],
        at: usize,
        extent: Extent,
        write: bool,
        names: &mut [Names],
    ) -> bool {
        let first = self.cells.partition_point(|cell| cell.offset < extent.offset);
        let inside = self.cells[first..].iter().take_while(|cell| cell.end() <= extent.end());
        let Operated { invoked_ns, returned_ns, ref bytes, ending, .. } = all[at];
        let values = inside.zip(&mut names[first..]).map(|(cell, names)| {
            let start = (cell.offset - extent.offset) as usize;
            named(names, contents(bytes, start, cell.length as usize))
        });
        let op = CellsOp { write, first, values: values.collect() };
        if op.values.is_empty() {
            return false;
        }
        let returned_ns = returned_ns.filter(|_| ending != Ending::Open);
        self.ops.push(Timed { invoked_ns, returned_ns, op });
        self.origin.push(at);
        true
    }

    /// The history of one cell: its operations, and where each is in `ops`.
    #[must_use]
    pub fn cell(&self, cell: usize) -> (Vec<Timed<CellsOp>>, Vec<usize>) {
        let covers = |op: &CellsOp| op.first <= cell && cell < op.first + op.values.len();
        let here = self.ops.iter().enumerate().filter(|(_, timed)| covers(&timed.op));
        let alone = here.map(|(at, timed)| {
            let values = vec![timed.op.values[cell - timed.op.first]];
            let op = CellsOp { write: timed.op.write, first: 0, values };
            (Timed { op, ..*timed }, at)
        });
        alone.unzip()
    }

    /// Removes writes of unknown end of which no read shows anything: they need never have taken
    /// effect, and a search is shorter without.
    pub fn forget_unseen(&mut self) {
        let mut read: BTreeSet<(usize, u32)> = BTreeSet::new();
        for timed in self.ops.iter().filter(|timed| !timed.op.write) {
            read.extend((timed.op.first..).zip(timed.op.values.iter().copied()));
        }
        let seen = |timed: &Timed<CellsOp>| {
            let mut shown = (timed.op.first..).zip(timed.op.values.iter().copied());
            timed.returned_ns.is_some() || !timed.op.write || shown.any(|cell| read.contains(&cell))
        };
        let (ops, origin) = (std::mem::take(&mut self.ops), std::mem::take(&mut self.origin));
        let kept = ops.into_iter().zip(origin).filter(|(timed, _)| seen(timed));
        (self.ops, self.origin) = kept.unzip();
        self.witness.clear();
    }
}

/// Bytes beyond the end of the chunk read as zero.
fn contents(bytes: &[u8], start: usize, length: usize) -> Vec<u8> {
    let mut contents = bytes.get(start..).unwrap_or_default().to_vec();
    contents.resize(length, 0);
    contents
}

fn named(names: &mut Names, contents: Vec<u8>) -> u32 {
    if contents.iter().all(|byte| *byte == 0) {
        return 0;
    }
    let next = u32::try_from(names.len() + 1).expect("fewer than 2^32 contents in a run");
    *names.entry(contents).or_insert(next)
}
