//! A read of a range: pieces in order, several of them under way.

use super::{Ending, Place, info_of};
use crate::config::Constants;
use crate::file::{Cut, FileOutcome, Part, Piece};
use crate::ids::FileId;
use crate::machine::{OpError, Operation, Outcome};
use crate::message::ReadMode;
use crate::metadata::MetadataQuery;
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Bytes under way at the most: several times what a fast network holds on its way, and little
/// enough that they are still in a processor's cache when they are consumed.
const WINDOW_BYTES: u64 = 4 << 20;

/// Reads a range in order, until its end or the file's. The first piece that is short says which it
/// is: the master knows whether another chunk follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Read {
    file: FileId,
    cut: Cut,
    mode: ReadMode,
    window_bytes: u64,
    /// Where the next piece begins, in the file.
    position: u64,
    /// Bytes that no piece was begun for.
    left: u64,
    slots: VecDeque<Slot>,
    slots_bytes: u64,
    parts: Vec<Part>,
    result: Option<Result<(), OpError>>,
}

/// A piece, until it is its turn.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    piece: Piece,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// The read with this number is under way.
    Reading(u64),
    /// It gave this: fewer bytes than the piece has at the end of a chunk.
    Got(Payload),
    /// It gave too little, and the question with this number is under way.
    Asking(u64, Payload),
    Failed(OpError),
}

impl Read {
    pub fn new(place: Place, length: u64, mode: ReadMode, constants: &Constants) -> Self {
        let Place { file, cut, offset } = place;
        Read {
            file,
            cut,
            mode,
            window_bytes: u64::from(constants.inflight_bytes_max).min(WINDOW_BYTES),
            position: offset,
            left: length.min(u64::MAX - offset),
            slots: VecDeque::new(),
            slots_bytes: 0,
            parts: Vec::new(),
            result: None,
        }
    }

    pub fn next(&mut self, number: u64) -> Option<Operation> {
        if self.result.is_some() {
            return None;
        }
        self.ask(number).or_else(|| self.read_ahead(number))
    }

    /// The question what a short piece means.
    fn ask(&mut self, number: u64) -> Option<Operation> {
        let first = self.slots.front_mut()?;
        let Stage::Got(data) = &first.stage else { return None };
        first.stage = Stage::Asking(number, data.clone());
        Some(Operation::Query(MetadataQuery::StatFile { file: self.file }))
    }

    fn read_ahead(&mut self, number: u64) -> Option<Operation> {
        let piece = self.cut.piece(self.position, self.left);
        let full = self.slots_bytes + piece.length > self.window_bytes;
        if piece.length == 0 || (full && !self.slots.is_empty()) {
            return None;
        }
        let Piece { index, offset, length } = piece;
        self.position += length;
        self.left -= length;
        self.slots_bytes += length;
        self.slots.push_back(Slot { piece, stage: Stage::Reading(number) });
        let (file, extent, mode) = (self.file, Extent::new(offset, length), self.mode);
        Some(Operation::Read { file, index, extent, mode })
    }

    pub fn on_piece(&mut self, number: u64, result: Ending) {
        let waits = |slot: &&mut Slot| match slot.stage {
            Stage::Reading(waits) | Stage::Asking(waits, _) => waits == number,
            Stage::Got(_) | Stage::Failed(_) => false,
        };
        let Some(slot) = self.slots.iter_mut().find(waits) else { return };
        if let Stage::Asking(_, data) = &slot.stage {
            let data = data.clone();
            self.on_info(data, result);
        } else {
            slot.stage = match result {
                Ok(Outcome::Read { payload, .. }) => Stage::Got(payload),
                Ok(other) => unreachable!("Read is answered with bytes, not {other:?}"),
                // Beyond the last chunk there is nothing to read; that the file itself is gone, the
                // master says when it is asked for its end.
                Err(OpError::Refused(Refusal::NotFound)) => Stage::Got(Payload::default()),
                Err(error) => Stage::Failed(error),
            };
        }
        self.take_turns();
    }

    /// The master said how many chunks there are: the first piece is a hole's, or the file's last.
    fn on_info(&mut self, data: Payload, result: Ending) {
        let piece = self.pop_first();
        match info_of(result) {
            Ok(info) => {
                let missing = piece.length - data.len();
                self.push(Part::Data(data));
                if piece.index + 1 < info.chunks {
                    self.push(Part::Zeros(missing));
                } else {
                    self.result = Some(Ok(()));
                }
            }
            Err(error) => self.result = Some(Err(error)),
        }
    }

    /// Takes what is complete from the front.
    fn take_turns(&mut self) {
        while let (None, Some(first)) = (&self.result, self.slots.front()) {
            match &first.stage {
                Stage::Got(payload) if payload.len() == first.piece.length => {
                    let part = Part::Data(payload.clone());
                    self.pop_first();
                    self.push(part);
                }
                Stage::Failed(error) => self.result = Some(Err(error.clone())),
                Stage::Got(_) | Stage::Reading(_) | Stage::Asking(..) => return,
            }
        }
    }

    fn pop_first(&mut self) -> Piece {
        let first = self.slots.pop_front().expect("the caller has just looked at it");
        self.slots_bytes -= first.piece.length;
        first.piece
    }

    fn push(&mut self, part: Part) {
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        if self.result.is_none() && (self.left > 0 || !self.slots.is_empty()) {
            return None;
        }
        let result = self.result.take().unwrap_or(Ok(()));
        Some(result.map(|()| FileOutcome::Read(core::mem::take(&mut self.parts))))
    }
}
