//! A write of a range: pieces of one chunk at a time, within a window.

use super::{Ending, Place};
use crate::config::Constants;
use crate::file::{FileOutcome, Piece, check_range};
use crate::ids::FileId;
use crate::machine::{OpError, Operation};
use crate::payload::Payload;
use crate::refusal::Refusal;
use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Writes the pieces of a range in order.
///
/// Pieces of a chunk are begun only when every piece of the chunk before is acknowledged: a file
/// that grows has no chunk after an unfinished one, whenever the writer dies. After a failure no
/// further piece is begun, and the call ends when none is under way: its claim is then about all
/// of it, and nothing of it takes effect later that this client would still have sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    file: FileId,
    /// Bytes of the whole call.
    length: u64,
    /// Pieces under way at the most, in bytes.
    window_bytes: u64,
    /// Where the next piece begins, counted from the call's first byte.
    at: u64,
    left: VecDeque<(Piece, Payload)>,
    /// By number.
    under_way: BTreeMap<u64, UnderWay>,
    under_way_bytes: u64,
    /// Pieces that took effect or may have.
    effects: u64,
    /// The first piece of the range that failed: where it begins, and how it ended.
    failed: Option<(u64, OpError)>,
    begun: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    at: u64,
    index: u64,
    length: u64,
}

impl Write {
    /// Refuses what is not cut as the file is.
    pub fn new(
        place: Place,
        payloads: Vec<Payload>,
        constants: &Constants,
    ) -> Result<Self, Refusal> {
        let Place { file, cut, offset } = place;
        let length = payloads.iter().fold(0_u64, |sum, payload| sum.saturating_add(payload.len()));
        check_range(offset, length)?;
        let pieces: Vec<Piece> = cut.pieces(offset, length).collect();
        let lengths = pieces.iter().map(|piece| piece.length);
        if !lengths.eq(payloads.iter().map(Payload::len)) {
            let why = "the payloads of a write end where its pieces do".to_owned();
            return Err(Refusal::Invalid(why));
        }
        Ok(Write {
            file,
            length,
            // What a primary holds for one chunk, so that a lone write is never too much for it.
            window_bytes: u64::from(constants.inflight_bytes_max),
            at: 0,
            left: pieces.into_iter().zip(payloads).collect(),
            under_way: BTreeMap::new(),
            under_way_bytes: 0,
            effects: 0,
            failed: None,
            begun: 0,
        })
    }

    pub fn next(&mut self, number: u64) -> Option<Operation> {
        let (piece, _) = self.left.front()?;
        if self.failed.is_some() || self.must_wait(piece) {
            return None;
        }
        let (Piece { index, offset, length }, payload) = self.left.pop_front()?;
        self.under_way.insert(number, UnderWay { at: self.at, index, length });
        self.under_way_bytes += length;
        self.at += length;
        self.begun += 1;
        Some(Operation::Write { file: self.file, index, offset, payload })
    }

    fn must_wait(&self, next: &Piece) -> bool {
        let Some((_, first)) = self.under_way.first_key_value() else { return false };
        first.index != next.index || self.under_way_bytes + next.length > self.window_bytes
    }

    pub fn on_piece(&mut self, number: u64, result: Ending) {
        let Some(UnderWay { at, length, .. }) = self.under_way.remove(&number) else { return };
        self.under_way_bytes -= length;
        let Err(error) = result else {
            self.effects += 1;
            return;
        };
        self.effects += u64::from(error.may_have_effect());
        if self.failed.as_ref().is_none_or(|(first, _)| at < *first) {
            self.failed = Some((at, error));
        }
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        if !self.under_way.is_empty() {
            return None;
        }
        match self.failed.take() {
            None if self.left.is_empty() => Some(Ok(FileOutcome::Written { length: self.length })),
            None => None,
            Some((done, error)) => Some(Err(self.claim(done, error))),
        }
    }

    /// What the call says of itself when its first failed piece ended with `error`, `done` bytes
    /// after its beginning. "No effect" and a refusal are said only if no piece had an effect.
    fn claim(&self, done: u64, error: OpError) -> OpError {
        if self.begun == 1 || self.effects == 0 {
            return error;
        }
        let last = match error {
            OpError::Refused(refusal) => Some(refusal),
            OpError::TimedOut { last, .. } | OpError::Partly { last, .. } => last,
        };
        match done {
            0 => OpError::TimedOut { maybe: true, last },
            done => OpError::Partly { done, last },
        }
    }
}
