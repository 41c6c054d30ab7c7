//! Locking a range: tried, and if another holds it and the call waits, tried again when it is free.

use super::Ending;
use crate::file::FileOutcome;
use crate::ids::{FileId, LockOwner};
use crate::locks::LockKind;
use crate::machine::{OpError, Operation, Outcome};
use crate::metadata::MetadataAnswer;
use crate::payload::Extent;
use crate::refusal::Refusal;

/// What a lock call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Target {
    pub file: FileId,
    pub owner: LockOwner,
    pub range: Extent,
    /// None: unlock.
    pub kind: Option<LockKind>,
}

/// Sets or clears a lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SetLock {
    target: Target,
    wait: bool,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// To be tried, or being tried.
    Try {
        begun: bool,
    },
    /// Another holds it.
    Wait {
        begun: bool,
    },
    Ended(Result<FileOutcome, OpError>),
}

impl SetLock {
    pub fn new(target: Target, wait: bool) -> Self {
        SetLock { target, wait, stage: Stage::Try { begun: false } }
    }

    pub fn next(&mut self) -> Option<Operation> {
        let Target { file, owner, range, kind } = self.target;
        match &mut self.stage {
            Stage::Try { begun } if !*begun => {
                *begun = true;
                Some(Operation::Lock { file, owner, range, kind })
            }
            Stage::Wait { begun } if !*begun => {
                *begun = true;
                let kind = kind.expect("an unlock is never refused so");
                Some(Operation::Conflict { file, owner, range, kind, wait: true })
            }
            Stage::Try { .. } | Stage::Wait { .. } | Stage::Ended(_) => None,
        }
    }

    pub fn on_piece(&mut self, result: Ending) {
        self.stage = match (&self.stage, result) {
            (Stage::Try { .. }, Err(OpError::Refused(Refusal::Locked))) if self.wait => {
                Stage::Wait { begun: false }
            }
            (Stage::Try { .. }, result) => Stage::Ended(result.map(|_| FileOutcome::Locked)),
            // However long it lasts.
            (Stage::Wait { .. }, Ok(_) | Err(OpError::TimedOut { .. })) => {
                Stage::Try { begun: false }
            }
            (Stage::Wait { .. } | Stage::Ended(_), Err(error)) => Stage::Ended(Err(error)),
            (Stage::Ended(_), Ok(_)) => unreachable!("no piece is under way"),
        };
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        match &self.stage {
            Stage::Ended(result) => Some(result.clone()),
            Stage::Try { .. } | Stage::Wait { .. } => None,
        }
    }
}

/// Finds out which lock does not allow one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FindConflict {
    op: Option<Operation>,
    result: Option<Result<FileOutcome, OpError>>,
}

impl FindConflict {
    pub fn new(target: Target) -> Self {
        let Target { file, owner, range, kind } = target;
        let kind = kind.expect("an unlock conflicts with nothing");
        let op = Some(Operation::Conflict { file, owner, range, kind, wait: false });
        FindConflict { op, result: None }
    }

    pub fn next(&mut self) -> Option<Operation> {
        self.op.take()
    }

    pub fn on_piece(&mut self, result: Ending) {
        self.result = Some(result.map(|outcome| match outcome {
            Outcome::Metadata(MetadataAnswer::Conflict(lock)) => FileOutcome::Conflict(lock),
            other => unreachable!("Conflict is answered with a lock, not {other:?}"),
        }));
    }

    pub fn take_result(&mut self) -> Option<Result<FileOutcome, OpError>> {
        self.result.take()
    }
}
