//! A truncation: the file becomes exactly so long.
//!
//! In steps, each of which may be the last that a client lives to take:
//! 1. The master is asked what is behind the cut. That raises the file's truncation epoch: no chunk is
//!    added any more by a client that saw the end of the file before.
//! 2. Every chunk behind the cut is retired, the last ones first. From here on its bytes are gone, and
//!    it takes none, from whatever client.
//! 3. The file gives up what was retired. Not before: a writer that knows where such a chunk is would
//!    be acknowledged for bytes that no reader finds.
//! 4. Once nothing is behind, the chunk that the cut goes through gets its length. It is the last one
//!    of the file in the epoch that the cut names; a client that adds one behind it fences it first,
//!    and the truncation begins again.
//!
//! What is left of a truncation that was broken off: chunks that are retired and still referred to.
//! They read as zeros, and a write that meets one has the file give it up.

use super::Ending;
use crate::file::{Cut, FileOutcome};
use crate::ids::{ChunkHandle, FileId};
use crate::machine::{OpError, Operation, Outcome};
use crate::metadata::{MetadataAnswer, MetadataChange};
use crate::refusal::Refusal;
use crate::tables::ChunkRef;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

/// Chunks that are being retired at a time, at the most.
const WINDOW: usize = 16;
/// A truncation that others overtake begins again so often at the most.
const OVERTAKEN_MAX: u32 = 100;

/// Truncates a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Truncate {
    file: FileId,
    cut: Cut,
    length: u64,
    stage: Stage,
    /// Retired, and not given up yet.
    retired: Vec<ChunkHandle>,
    /// Some step took effect or may have.
    effects: bool,
    overtaken: u32,
    failed: Option<OpError>,
    done: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// The master is to give up what is retired, and to say what is behind.
    Ask,
    /// Chunks are being retired: those that are left, and the pieces under way.
    Retire(VecDeque<ChunkRef>, BTreeSet<u64>),
    /// The chunk at the cut is to get its length, in this epoch.
    Cut(u64),
    /// The only piece is under way.
    Wait,
}

impl Truncate {
    pub fn new(file: FileId, cut: Cut, length: u64) -> Self {
        Truncate {
            file,
            cut,
            length,
            stage: Stage::Ask,
            retired: Vec::new(),
            effects: false,
            overtaken: 0,
            failed: None,
            done: false,
        }
    }

    pub fn next(&mut self, number: u64) -> Option<Operation> {
        if self.done || self.failed.is_some() {
            return None;
        }
        let (file, length) = (self.file, self.length);
        match &mut self.stage {
            Stage::Ask => {
                let retired = core::mem::take(&mut self.retired);
                self.stage = Stage::Wait;
                let change = MetadataChange::Truncate { file, length, retired };
                Some(Operation::Change(change))
            }
            Stage::Retire(left, under_way) if under_way.len() < WINDOW => {
                let ChunkRef { index, chunk } = left.pop_front()?;
                under_way.insert(number);
                Some(Operation::Retire { file, index, chunk })
            }
            Stage::Cut(epoch) => {
                let epoch = *epoch;
                self.stage = Stage::Wait;
                let index = self.boundary();
                let length = length - self.cut.position(index, 0);
                Some(Operation::Cut { file, index, length, epoch })
            }
            Stage::Retire(..) | Stage::Wait => None,
        }
    }

    /// The chunk that the cut goes through, or ends at.
    fn boundary(&self) -> u64 {
        self.length.saturating_sub(1) / self.cut.chunk_bytes
    }

    pub fn on_piece(&mut self, number: u64, result: Ending) {
        self.effects |= result.as_ref().map_or_else(OpError::may_have_effect, |_| true);
        let again = result.as_ref().is_err_and(|error| self.begins_again(error));
        match (&mut self.stage, result) {
            (
                Stage::Wait,
                Ok(Outcome::Metadata(MetadataAnswer::Truncated { chunks, epoch, behind })),
            ) => self.on_behind(chunks, epoch, behind),
            (Stage::Wait, Ok(Outcome::Written { .. })) => self.done = true,
            (Stage::Retire(_, under_way), result) => {
                under_way.remove(&number);
                match result {
                    Ok(_) => {}
                    Err(error) if is_gone(&error) => {}
                    Err(error) => self.failed = Some(error),
                }
                self.retire_or_ask();
            }
            (Stage::Wait, Err(_)) if again => self.stage = Stage::Ask,
            (Stage::Wait, Err(error)) => self.failed = Some(error),
            (_, result) => unreachable!("no step of a truncation ends with {result:?}"),
        }
    }

    fn on_behind(&mut self, chunks: u64, epoch: u64, behind: Vec<ChunkRef>) {
        if !behind.is_empty() {
            self.retired = behind.iter().map(|reference| reference.chunk).collect();
            self.stage = Stage::Retire(behind.into(), BTreeSet::new());
        } else if self.length == 0 && chunks == 0 {
            self.done = true;
        } else {
            self.stage = Stage::Cut(epoch);
        }
    }

    fn retire_or_ask(&mut self) {
        if let Stage::Retire(left, under_way) = &self.stage
            && left.is_empty()
            && under_way.is_empty()
        {
            self.stage = Stage::Ask;
        }
    }

    fn begins_again(&mut self, error: &OpError) -> bool {
        let refused = matches!(refusal(error), Some(Refusal::Overtaken | Refusal::Retired));
        let overtaken = refused && matches!(self.stage, Stage::Wait);
        self.overtaken += u32::from(overtaken);
        overtaken && self.overtaken <= OVERTAKEN_MAX
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        if self.done {
            return Some(Ok(FileOutcome::Truncated));
        }
        let under_way = matches!(&self.stage, Stage::Retire(_, under_way) if !under_way.is_empty());
        let error = self.failed.clone().filter(|_| !under_way)?;
        // "Refused" is said only if no step had an effect.
        Some(Err(match error {
            OpError::Refused(refusal) if self.effects => {
                OpError::TimedOut { maybe: true, last: Some(refusal) }
            }
            OpError::TimedOut { last, .. } => OpError::TimedOut { maybe: self.effects, last },
            error => error,
        }))
    }
}

/// What stood in the way.
fn refusal(error: &OpError) -> Option<&Refusal> {
    match error {
        OpError::Refused(refusal) => Some(refusal),
        OpError::TimedOut { last, .. } | OpError::Partly { last, .. } => last.as_ref(),
    }
}

/// True if the chunk is retired, by whomever, or given up, which comes after.
fn is_gone(error: &OpError) -> bool {
    matches!(refusal(error), Some(Refusal::Retired | Refusal::NotFound))
}
