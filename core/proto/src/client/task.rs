//! One task: a request of the owner, or a lookup that several tasks share.

use super::lookup::Lookup;
use crate::attributes::Caller;
use crate::ids::{ChunkHandle, ChunkVersion, ClientSession, NodeId, OpId, RequestId};
use crate::machine::Operation;
use crate::refusal::Refusal;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TaskId(pub u64);

/// Who gets the result of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// The owner.
    Owner(RequestId),
    /// A file call, of which it is a piece.
    Call { id: RequestId, number: u64 },
    /// This client, for its session.
    Session,
}

/// What a task is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TaskKind {
    /// An operation on a chunk or at a master.
    Request {
        origin: Origin,
        caller: Box<Caller>,
        op: Operation,
    },
    Lookup(Lookup),
}

impl TaskKind {
    /// True if the state of the cluster may change by it: then its number holds the watermark.
    pub fn changes_something(&self) -> bool {
        match self {
            TaskKind::Request { op, .. } => match op {
                Operation::Change(_)
                | Operation::Write { .. }
                | Operation::Append { .. }
                | Operation::Cut { .. }
                | Operation::Retire { .. }
                | Operation::Lock { .. } => true,
                Operation::Query(_) | Operation::Read { .. } | Operation::Conflict { .. } => false,
            },
            TaskKind::Lookup(lookup) => lookup.changes_something(),
        }
    }

    pub fn is_request(&self) -> bool {
        matches!(self, TaskKind::Request { .. })
    }
}

/// What a task waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Nothing: it is in the queue of what can go on.
    Ready,
    /// A shared lookup.
    Waiting(Lookup),
    /// The reply of a master; sent `sent` times in a row.
    Calling { to: NodeId, sent: u32 },
    /// The reply of a primary; sent `sent` times in a row.
    Mutating { to: NodeId, version: ChunkVersion, sent: u32 },
    /// The reply of a member; sent `sent` times in a row.
    Reading { to: NodeId, version: ChunkVersion, sent: u32 },
    /// The end of a backoff.
    BackingOff,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Task {
    pub kind: TaskKind,
    /// The operation's number: the same in every retry of it that might be the second to take
    /// effect.
    pub number: u64,
    /// A request ends then; a lookup ends with the last task that waits for it.
    pub ends_at: Time,
    pub stage: Stage,
    /// When its timer is set to; `NEVER` if it has none.
    pub armed: Time,
    /// Failures so far.
    pub attempt: u32,
    /// Of these, disks that were full.
    pub no_space: u32,
    /// Copies of a change that were sent, if no answer has said for good what became of them.
    pub copies: u32,
    /// The last copy was refused where it arrived: it did not take effect there.
    pub refused: bool,
    /// Chunks that were added to the file for it, as far as known.
    pub extended: u64,
    /// The last refusal that kept it from its end.
    pub last: Option<Refusal>,
    /// The place of the chunk that it is at, where it chooses one (append, extend).
    pub at: u64,
    /// Extend: the slots and the epoch under which the last chunk was seen sealed. Append: the epoch
    /// that its copies name.
    pub seen: (u64, u64),
    /// The chunk that it was sent to last.
    pub chunk: Option<ChunkHandle>,
    /// The session under which it is done: of a lock the one in which it is requested, of a mutation the
    /// one under whose lock it began.
    pub session: Option<ClientSession>,
    /// The chunk that a record has left: it was sealed.
    pub left: Option<ChunkHandle>,
    /// The lookup that it waited for and that failed.
    pub failed: Option<(Lookup, Refusal)>,
    /// Lookups: the tasks that wait for it.
    pub waiting_tasks: BTreeSet<TaskId>,
}

impl Task {
    pub fn new(kind: TaskKind, number: u64, ends_at: Time) -> Self {
        Task {
            kind,
            number,
            ends_at,
            stage: Stage::Ready,
            armed: Time::NEVER,
            attempt: 0,
            no_space: 0,
            copies: 0,
            refused: false,
            extended: 0,
            last: None,
            at: 0,
            seen: (0, 0),
            chunk: None,
            session: None,
            left: None,
            failed: None,
            waiting_tasks: BTreeSet::new(),
        }
    }

    /// The operation that it is, as a message names it.
    pub fn op(&self, client: NodeId) -> OpId {
        OpId { client, number: self.number }
    }

    /// True if it may have taken effect.
    pub fn reached(&self) -> bool {
        self.copies > 0
    }

    /// May it have taken effect in a chunk that cannot be asked any more? Not if the only copy of it
    /// was refused (of which the network may have delivered another: see `OpTable`).
    pub fn is_in_doubt(&self) -> bool {
        self.copies > 1 || (self.copies == 1 && !self.refused)
    }

    /// A definitive answer: no copy that was sent took effect, or ever will.
    pub fn forget_copies(&mut self) {
        (self.copies, self.refused, self.chunk) = (0, false, None);
    }

    /// Keeps the refusal for the person who reads the error. A full disk is a cause; refusals about
    /// who is primary, while members change because of it, do not replace it.
    pub fn note(&mut self, refusal: Option<Refusal>) {
        let routing = matches!(
            refusal,
            Some(Refusal::NotPrimary | Refusal::Stale { .. } | Refusal::Busy) | None
        );
        if !(routing && self.last == Some(Refusal::NoSpace)) {
            self.last = refusal.or(self.last.take());
        }
    }

    /// For deadlines.
    pub fn waits_for(&self) -> &'static str {
        match self.stage {
            Stage::Calling { .. } => "no answer from a master",
            Stage::Mutating { .. } => "no answer from a primary",
            Stage::Reading { .. } => "no answer to a read",
            Stage::BackingOff => "backoff",
            Stage::Waiting(_) | Stage::Ready => "operation timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FileId;

    #[test]
    fn a_full_disk_is_not_hidden_by_refusals_of_routing() {
        let kind = TaskKind::Lookup(Lookup::Seal { file: FileId(1), index: 0, epoch: 0 });
        let mut task = Task::new(kind, 1, Time::NEVER);
        for (refusal, last) in [
            (Refusal::NotPrimary, Refusal::NotPrimary),
            (Refusal::NoSpace, Refusal::NoSpace),
            (Refusal::NotPrimary, Refusal::NoSpace),
            (Refusal::Corrupt, Refusal::Corrupt),
        ] {
            task.note(Some(refusal));
            assert_eq!(task.last, Some(last));
        }
        task.note(None);
        assert_eq!(task.last, Some(Refusal::Corrupt));
    }
}
