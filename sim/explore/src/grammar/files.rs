//! Files that can be written and read: those with a name, and those whose name is gone.

use super::{DataVerb, Limits, Style};
use crate::draw::Draw;
use leasehold_proto::metadata::FileSpec;
use leasehold_proto::{FileId, LockKind, LockOwner, ReadMode, Refusal};

/// Files without a name that are remembered.
const UNNAMED_MAX: usize = 4;
/// Larger chunks are not written to: their bytes would not fit memory.
const WRITTEN_CHUNK_BYTES_MAX: u64 = 1 << 26;

/// A file that some answer named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its identity.
    pub file: FileId,
    /// What is fixed about it.
    pub spec: FileSpec,
    /// Chunks that it has at least.
    pub chunks: u64,
    /// Its name is gone: it was deleted or replaced.
    pub unnamed: bool,
}

/// What is done to the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKind {
    /// Write at an offset.
    Write,
    /// Append a record.
    Append,
    /// Give the file a length: up to the offset in the chunk.
    Truncate,
    /// Read at an offset; the length only, if there is nothing to read.
    Read(ReadMode),
    /// Lock a range that begins in the chunk, or unlock it.
    Lock {
        /// For which owner.
        owner: LockOwner,
        /// How; none to unlock.
        kind: Option<LockKind>,
    },
}

/// A request for the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Which file.
    pub of: Known,
    /// What.
    pub kind: DataKind,
    /// Which of its chunks; of an append, none.
    pub index: u64,
    /// Where in the chunk, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// Files in the order in which they became known.
#[derive(Clone, Debug, Default)]
pub struct Files(Vec<Known>);

impl Files {
    /// How many have a name.
    pub fn live(&self) -> usize {
        self.0.iter().filter(|known| !known.unnamed).count()
    }

    pub fn any(&self, draw: &mut impl Draw) -> Option<Known> {
        draw.one_of(&self.0).copied()
    }

    pub fn known(&mut self, file: FileId, spec: FileSpec, chunks: u64) {
        match self.0.iter_mut().find(|known| known.file == file) {
            Some(known) => known.chunks = known.chunks.max(chunks),
            None => self.0.push(Known { file, spec, chunks, unnamed: false }),
        }
    }

    /// A file's name is gone.
    pub fn unnamed(&mut self, file: Option<FileId>) {
        let Some(file) = file else { return };
        for known in self.0.iter_mut().filter(|known| known.file == file) {
            known.unnamed = true;
        }
        let unnamed = self.0.iter().filter(|known| known.unnamed).count();
        if unnamed > UNNAMED_MAX
            && let Some(oldest) = self.0.iter().position(|known| known.unnamed)
        {
            self.0.remove(oldest);
        }
    }

    /// A file has a name again.
    pub fn named(&mut self, file: FileId) {
        for known in self.0.iter_mut().filter(|known| known.file == file) {
            known.unnamed = false;
        }
    }

    /// A file whose name is gone.
    pub fn nameless(&self, draw: &mut impl Draw) -> Option<Known> {
        let nameless: Vec<&Known> = self.0.iter().filter(|known| known.unnamed).collect();
        draw.one_of(&nameless).map(|known| **known)
    }

    pub fn is_unnamed(&self, file: FileId) -> bool {
        self.0.iter().any(|known| known.file == file && known.unnamed)
    }

    pub fn reached(&mut self, data: &Data) {
        if matches!(data.kind, DataKind::Truncate) {
            let end = data.index.saturating_add(u64::from(data.offset > 0));
            for known in self.0.iter_mut().filter(|known| known.file == data.of.file) {
                known.chunks = end;
            }
        }
        if matches!(data.kind, DataKind::Write) {
            for known in self.0.iter_mut().filter(|known| known.file == data.of.file) {
                known.chunks = known.chunks.max(data.index.saturating_add(1));
            }
        }
    }

    /// A file that is not there any more is used a few times at the most.
    pub fn refused(&mut self, data: &Data, refusal: &Refusal) {
        if *refusal == Refusal::NotFound && matches!(data.kind, DataKind::Write) {
            self.0.retain(|known| known.file != data.of.file || !known.unnamed);
        }
    }

    pub fn data(
        &self,
        verb: DataVerb,
        style: &Style,
        limits: &Limits,
        draw: &mut impl Draw,
    ) -> Option<Data> {
        let of = self.pick(style, draw)?;
        let at_limits = draw.permille(style.limits_permille);
        Some(match verb {
            DataVerb::Append => append(of, limits, at_limits, draw),
            DataVerb::Truncate => truncate(of, limits, at_limits, draw),
            DataVerb::Write => {
                let index = index(of, limits, at_limits, draw);
                let (offset, length) = range(of, limits, at_limits, draw);
                Data { of, kind: DataKind::Write, index, offset, length }
            }
            DataVerb::Read => {
                let mode = if draw.permille(800) { ReadMode::Strong } else { ReadMode::Relaxed };
                let index = index(of, limits, at_limits, draw);
                let (offset, length) = range(of, limits, at_limits, draw);
                Data { of, kind: DataKind::Read(mode), index, offset, length }
            }
        })
    }

    /// The whole of a file or a few bytes of it, for one of two owners.
    pub fn lock(&self, style: &Style, draw: &mut impl Draw) -> Option<Data> {
        let of = self.pick(style, draw)?;
        let owner = LockOwner(draw.within(1..=2));
        let kind = match draw.within(0..=9) {
            0..=3 => Some(LockKind::Exclusive),
            4 | 5 => Some(LockKind::Shared),
            _ => None,
        };
        let (offset, length) = match draw.within(0..=3) {
            0 | 1 => (0, u64::MAX),
            2 => (draw.within(0..=3) * 16, 16 * draw.within(1..=3)),
            _ => (draw.near(of.spec.chunk_bytes), draw.near(16)),
        };
        Some(Data { of, kind: DataKind::Lock { owner, kind }, index: 0, offset, length })
    }

    fn pick(&self, style: &Style, draw: &mut impl Draw) -> Option<Known> {
        let unnamed = draw.permille(style.unnamed_permille);
        let fits = |known: &&Known| known.spec.chunk_bytes <= WRITTEN_CHUNK_BYTES_MAX;
        let wanted: Vec<&Known> =
            self.0.iter().filter(fits).filter(|known| known.unnamed == unnamed).collect();
        let newest = wanted.last().filter(|_| draw.permille(style.hot_permille)).copied();
        let all: Vec<&Known> = self.0.iter().filter(fits).collect();
        let any = if wanted.is_empty() { &all } else { &wanted };
        newest.or_else(|| draw.one_of(any).copied()).copied()
    }
}

/// A chunk that is there, mostly; the next one; one that leaves a gap, or a wide one; and one that no
/// file can have.
fn index(of: Known, limits: &Limits, at_limits: bool, draw: &mut impl Draw) -> u64 {
    let last = of.chunks.max(1) - 1;
    let room = of.chunks < limits.chunks_max;
    match draw.within(0..=19) {
        0..=2 if room => of.chunks,
        3 if room && at_limits => of.chunks + draw.within(1..=2),
        // A hole costs nothing, however wide it is.
        4 if at_limits && draw.permille(100) => of.chunks.saturating_add(1_040),
        5 if at_limits && draw.permille(100) => u64::MAX - draw.within(0..=1),
        6..=9 => draw.within(0..=last),
        _ => last,
    }
}

/// A range of a chunk: aligned cells as a rule, and else with its ends at limits: of the chunk, of a
/// block, of a mutation, and one byte beyond each.
fn range(of: Known, limits: &Limits, at_limits: bool, draw: &mut impl Draw) -> (u64, u64) {
    let chunk = of.spec.chunk_bytes;
    if !at_limits {
        let cell = chunk.clamp(1, 128);
        return (draw.within(0..=(chunk / cell).max(1) - 1) * cell, cell);
    }
    let offset = match draw.within(0..=3) {
        0 => draw.near(chunk),
        1 => draw.near(limits.block_bytes),
        2 => draw.within(0..=chunk),
        _ => 0,
    };
    // Further on is another chunk, to which a call on an open file would go.
    let offset = offset.min(chunk + 1);
    let to_end = chunk.saturating_sub(offset);
    let length = match draw.within(0..=5) {
        0 => 1,
        1 => draw.near(limits.mutation_bytes_max),
        2 | 3 => draw.near(to_end),
        _ => draw.near(limits.block_bytes),
    };
    (offset, length.min(limits.mutation_bytes_max + 1))
}

/// To a place in or at the end of what there is, as a rule: of the last chunk, of the first, of any; and
/// sometimes to nothing, behind the end, or far out.
fn truncate(of: Known, limits: &Limits, at_limits: bool, draw: &mut impl Draw) -> Data {
    let last = of.chunks.max(1) - 1;
    let chunk = of.spec.chunk_bytes;
    let index = match draw.within(0..=9) {
        0 | 1 => 0,
        2..=4 => draw.within(0..=last),
        5 if of.chunks < limits.chunks_max => last + draw.within(1..=2),
        6 if at_limits && draw.permille(100) => u64::MAX / chunk - draw.within(0..=2),
        _ => last,
    };
    let offset = match draw.within(0..=5) {
        0 => 0,
        1 => chunk,
        2 if at_limits => draw.near(chunk).min(chunk),
        3 if at_limits => draw.near(limits.block_bytes).min(chunk),
        _ => draw.within(0..=chunk),
    };
    Data { of, kind: DataKind::Truncate, index, offset, length: 0 }
}

/// A record is at most a quarter of a chunk, and as long as a mutation may be.
fn append(of: Known, limits: &Limits, at_limits: bool, draw: &mut impl Draw) -> Data {
    let most = (of.spec.chunk_bytes / 4).min(limits.mutation_bytes_max);
    let length = if at_limits { draw.near(most) } else { most.clamp(1, 100) };
    Data { of, kind: DataKind::Append, index: 0, offset: 0, length }
}
