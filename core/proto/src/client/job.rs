//! One thing under way: a request of the owner, or an errand for several of them.

use super::errand::Errand;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, RequestId};
use crate::machine::Operation;
use crate::refusal::Refusal;
use crate::time::Time;
use alloc::collections::BTreeSet;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JobId(pub u64);

/// What a job is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Goal {
    Request { id: RequestId, op: Operation },
    Errand(Errand),
}

impl Goal {
    /// True if somebody else's state may change by it: then its number holds the watermark.
    pub fn changes_something(&self) -> bool {
        match self {
            Goal::Request { op, .. } => match op {
                Operation::Change(_) | Operation::Write { .. } | Operation::Append { .. } => true,
                Operation::Query(_) | Operation::Read { .. } => false,
            },
            Goal::Errand(errand) => match errand {
                Errand::Extend { .. } | Errand::Seal { .. } => true,
                Errand::Locate { .. } | Errand::Tail { .. } => false,
            },
        }
    }
}

/// What a job waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Nothing: it is in the queue of what can go on.
    Ready,
    /// Somebody does something for it.
    Waiting(Errand),
    /// A master's answer; `sent` times asked in a row.
    Asking { to: NodeId, sent: u32 },
    /// A primary's answer; `sent` times told in a row.
    Mutating { to: NodeId, version: ChunkVersion, sent: u32 },
    /// A member's answer; `sent` times asked in a row.
    Reading { to: NodeId, version: ChunkVersion, sent: u32 },
    /// The end of a backoff.
    Pausing,
}

/// One thing under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Job {
    pub goal: Goal,
    /// The operation's number: the same in every retry of it that might be the second to take
    /// effect.
    pub number: u64,
    /// A request ends then; an errand ends with the last of those who wait for it.
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
    /// What stood in its way last.
    pub last: Option<Refusal>,
    /// The place of the chunk that it is at, where it chooses one (append, extend).
    pub at: u64,
    /// The chunk that it was sent to last.
    pub chunk: Option<ChunkHandle>,
    /// The errand that could not be done for it.
    pub failed: Option<(Errand, Refusal)>,
    /// Errands: for whom.
    pub waiters: BTreeSet<JobId>,
}

impl Job {
    pub fn new(goal: Goal, number: u64, ends_at: Time) -> Self {
        Job {
            goal,
            number,
            ends_at,
            stage: Stage::Ready,
            armed: Time::NEVER,
            attempt: 0,
            no_space: 0,
            copies: 0,
            last: None,
            at: 0,
            chunk: None,
            failed: None,
            waiters: BTreeSet::new(),
        }
    }

    /// True if it may have taken effect.
    pub fn reached(&self) -> bool {
        self.copies > 0
    }

    /// Keeps what stands in its way. A full disk is a word about the world; while members come and
    /// go because of it, refusals about who is primary tell a person nothing, and do not hide it.
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
            Stage::Asking { .. } => "no answer from a master",
            Stage::Mutating { .. } => "no answer from a primary",
            Stage::Reading { .. } => "no answer to a read",
            Stage::Pausing => "backoff",
            Stage::Waiting(_) | Stage::Ready => "operation timeout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FileId;

    #[test]
    fn a_full_disk_is_not_hidden_by_words_about_routing() {
        let goal = Goal::Errand(Errand::Seal { file: FileId(1), index: 0 });
        let mut job = Job::new(goal, 1, Time::NEVER);
        for (refusal, last) in [
            (Refusal::NotPrimary, Refusal::NotPrimary),
            (Refusal::NoSpace, Refusal::NoSpace),
            (Refusal::NotPrimary, Refusal::NoSpace),
            (Refusal::Corrupt, Refusal::Corrupt),
        ] {
            job.note(Some(refusal));
            assert_eq!(job.last, Some(last));
        }
        job.note(None);
        assert_eq!(job.last, Some(Refusal::Corrupt));
    }
}
