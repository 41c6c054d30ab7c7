//! Calls with one piece at a time: open, create, append, length.

use super::{Ending, info_of};
use crate::file::{Cut, FileOutcome};
use crate::ids::FileId;
use crate::machine::{OpError, Operation, Outcome};
use crate::message::ReadMode;
use crate::metadata::{FileInfo, MetadataQuery};
use crate::payload::{Extent, Payload};

/// Opens a file, made before or by this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Open {
    op: Option<Operation>,
    result: Option<Result<FileInfo, OpError>>,
}

impl Open {
    pub fn new(op: Operation) -> Self {
        Open { op: Some(op), result: None }
    }

    pub fn next(&mut self) -> Option<Operation> {
        self.op.take()
    }

    pub fn on_piece(&mut self, result: Ending) {
        self.result = Some(info_of(result));
    }

    pub fn take_result(&mut self) -> Option<Result<FileInfo, OpError>> {
        self.result.take()
    }
}

/// Appends a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Append {
    cut: Cut,
    op: Option<Operation>,
    result: Option<Result<FileOutcome, OpError>>,
}

impl Append {
    pub fn new(file: FileId, cut: Cut, payload: Payload) -> Self {
        let op = Operation::Append { file, chunk_bytes: cut.chunk_bytes, payload };
        Append { cut, op: Some(op), result: None }
    }

    pub fn next(&mut self) -> Option<Operation> {
        self.op.take()
    }

    pub fn on_piece(&mut self, result: Ending) {
        self.result = Some(result.map(|outcome| match outcome {
            Outcome::Written { index, extent } => {
                FileOutcome::Appended { at: self.cut.position(index, extent.offset) }
            }
            other => unreachable!("Append is answered with a place, not {other:?}"),
        }));
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        self.result.take()
    }
}

/// Finds out how long a file is: the master knows its chunks, the last primary that chunk's length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Length {
    file: FileId,
    cut: Cut,
    next: Option<Operation>,
    /// The last chunk, once known.
    last: Option<u64>,
    result: Option<Result<FileOutcome, OpError>>,
}

impl Length {
    pub fn new(file: FileId, cut: Cut) -> Self {
        let next = Some(Operation::Query(MetadataQuery::StatFile { file }));
        Length { file, cut, next, last: None, result: None }
    }

    pub fn next(&mut self) -> Option<Operation> {
        self.next.take()
    }

    pub fn on_piece(&mut self, result: Ending) {
        match (self.last, result) {
            (Some(last), Ok(Outcome::Read { chunk_length, .. })) => {
                let length = self.cut.position(last, chunk_length);
                self.result = Some(Ok(FileOutcome::Length(length)));
            }
            (Some(_), Ok(other)) => unreachable!("Read is answered with bytes, not {other:?}"),
            (Some(_), Err(error)) => self.result = Some(Err(error)),
            (None, result) => self.on_info(info_of(result)),
        }
    }

    fn on_info(&mut self, info: Result<FileInfo, OpError>) {
        match info.map(|info| info.chunks.checked_sub(1)) {
            Ok(None) => self.result = Some(Ok(FileOutcome::Length(0))),
            Ok(Some(index)) => {
                self.last = Some(index);
                let (file, extent, mode) = (self.file, Extent::new(0, 0), ReadMode::Strong);
                self.next = Some(Operation::Read { file, index, extent, mode });
            }
            Err(error) => self.result = Some(Err(error)),
        }
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        self.result.take()
    }
}
