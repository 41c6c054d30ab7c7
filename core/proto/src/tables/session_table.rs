//! The session table, for exactly-once changes of the namespace: what the master remembers of each
//! client.

use crate::ids::{LogIndex, NodeId, OpId};
use crate::metadata::MetadataAnswer;
use crate::refusal::Refusal;
use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

/// Answers kept for one client at the most. A client has as many only if it never learns the
/// answer to an old operation while it starts thousands of new ones.
const ANSWERS_MAX: usize = 4_096;

/// What the master remembers of one client, to answer a retry with the first answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ClientSession {
    /// It has a definitive answer to each of its operations below this number.
    acked_below: u64,
    /// When it last changed something.
    last: LogIndex,
    /// Answers at or above the watermark.
    answers: BTreeMap<u64, Result<MetadataAnswer, Refusal>>,
}

/// The answers that clients may ask for again, of a bounded number of clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionTable {
    /// By client.
    sessions: BTreeMap<NodeId, ClientSession>,
    /// Bound of `sessions`.
    sessions_max: u32,
    /// Above the number of every operation that was forgotten with its session (see `OpTable`).
    forgotten_below: u64,
    /// Whether repeated changes are answered from `sessions`: they are, except in an ablation. Not
    /// a part of what is kept; whoever opens a state sets it.
    #[serde(skip, default = "always")]
    answers_retries: bool,
}

fn always() -> bool {
    true
}

impl SessionTable {
    pub(super) fn new(sessions_max: u32) -> Self {
        let sessions = BTreeMap::new();
        SessionTable { sessions, sessions_max, forgotten_below: 0, answers_retries: true }
    }

    /// The bound that the cluster agreed on, before any client is remembered.
    pub(super) fn set_max(&mut self, sessions_max: u32) {
        assert!(self.sessions.is_empty(), "the bound is set by the first entry of a log");
        self.sessions_max = sessions_max;
    }

    /// How many clients are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// True if no client is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The clients that are remembered.
    pub fn clients(&self) -> impl Iterator<Item = NodeId> {
        self.sessions.keys().copied()
    }

    /// The numbers of a client's operations whose answers are remembered.
    pub fn remembered(&self, client: NodeId) -> impl Iterator<Item = u64> {
        let session = self.sessions.get(&client);
        session.into_iter().flat_map(|session| session.answers.keys().copied())
    }

    pub(super) fn set_answers_retries(&mut self, answers_retries: bool) {
        self.answers_retries = answers_retries;
    }

    pub(super) fn answers_retries(&self) -> bool {
        self.answers_retries
    }

    pub(super) fn clear(&mut self) {
        self.sessions.clear();
    }

    /// A client asks for a change: the answer without running it, if it is not to be run.
    pub(super) fn recall(
        &mut self,
        op: OpId,
        acked_below: u64,
        now: LogIndex,
    ) -> Option<Result<MetadataAnswer, Refusal>> {
        if self.sessions.contains_key(&op.client) {
            // A retry is a sign of life, and its watermark counts.
            self.session(op.client, acked_below, now);
        }
        self.first_answer(op).filter(|_| self.answers_retries)
    }

    /// Keeps the answer of a change that was run. A refusal is remembered like any other answer: the
    /// retry of a refused change must not succeed after its client may have acted on the refusal.
    pub(super) fn remember(
        &mut self,
        op: OpId,
        acked_below: u64,
        now: LogIndex,
        answer: Result<MetadataAnswer, Refusal>,
    ) {
        self.session(op.client, acked_below, now).answers.insert(op.number, answer);
    }

    fn first_answer(&self, op: OpId) -> Option<Result<MetadataAnswer, Refusal>> {
        if let Some(session) = self.sessions.get(&op.client) {
            if op.number < session.acked_below {
                return Some(Err(Refusal::Forgotten));
            }
            if let Some(first) = session.answers.get(&op.number) {
                return Some(first.clone());
            }
            if session.answers.len() >= ANSWERS_MAX {
                // Not remembered, so that a retry can still run.
                return Some(Err(Refusal::Busy));
            }
        }
        // A client that is known may have been forgotten in between (see `OpTable`).
        let below = self.forgotten_below;
        (op.number < below).then_some(Err(Refusal::PerhapsForgotten { below }))
    }

    /// The client's session with the watermark taken in; makes room for a new one.
    fn session(&mut self, client: NodeId, acked_below: u64, now: LogIndex) -> &mut ClientSession {
        if !self.sessions.contains_key(&client) && self.sessions.len() >= self.sessions_max as usize
        {
            self.evict();
        }
        let session = self.sessions.entry(client).or_default();
        session.last = now;
        if acked_below > session.acked_below {
            session.acked_below = acked_below;
            session.answers = session.answers.split_off(&acked_below);
        }
        session
    }

    /// Forgets the client that was silent for longest, and that anything below its numbers is
    /// remembered.
    fn evict(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(id, session)| (session.last, **id));
        let oldest = oldest.map(|(id, _)| *id);
        let Some(gone) = oldest.and_then(|oldest| self.sessions.remove(&oldest)) else { return };
        let highest = gone.answers.keys().next_back().map_or(0, |number| number + 1);
        self.forgotten_below = self.forgotten_below.max(gone.acked_below).max(highest);
    }

    pub(super) fn assert_invariants(&self) {
        assert!(self.sessions.len() <= self.sessions_max.max(1) as usize, "sessions are bounded");
    }
}
