//! Exactly-once for changes of the namespace: what the master remembers of each client.

use super::state::{Applied, ClientSession, MasterState};
use crate::ids::{NodeId, OpId};
use crate::metadata::{MetadataAnswer, MetadataChange};
use crate::refusal::Refusal;

/// Answers kept for one client at the most. A client has as many only if it never learns the
/// answer to an old operation while it starts thousands of new ones.
const ANSWERS_MAX: usize = 4_096;

impl MasterState {
    /// Runs a client's change, or answers it from memory if it ran before.
    pub(super) fn apply_change(
        &mut self,
        op: OpId,
        acked_below: u64,
        change: &MetadataChange,
    ) -> Applied {
        if self.sessions.contains_key(&op.client) {
            // A retry is a sign of life, and its watermark counts.
            self.session(op.client, acked_below);
        }
        if let Some(answer) = self.first_answer(op).filter(|_| self.change_table) {
            return Applied::Changed { op, answer, new_chunk: None, trashed: None };
        }
        let changed = self.change(change);
        // A refusal is remembered like any other answer: the retry of a refused change must not
        // succeed after its client may have acted on the refusal.
        let answer = changed.answer;
        let session = self.session(op.client, acked_below);
        session.answers.insert(op.number, answer.clone());
        Applied::Changed { op, answer, new_chunk: changed.new_chunk, trashed: changed.trashed }
    }

    /// What this operation is to be told without running it, if anything.
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
    fn session(&mut self, client: NodeId, acked_below: u64) -> &mut ClientSession {
        if !self.sessions.contains_key(&client) && self.sessions.len() >= self.sessions_max as usize
        {
            self.evict_session();
        }
        let session = self.sessions.entry(client).or_default();
        session.last = self.applied;
        if acked_below > session.acked_below {
            session.acked_below = acked_below;
            session.answers = session.answers.split_off(&acked_below);
        }
        session
    }

    /// Forgets the client that was silent for longest, and that anything below its numbers is
    /// remembered.
    fn evict_session(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(id, session)| (session.last, **id));
        let oldest = oldest.map(|(id, _)| *id);
        let Some(gone) = oldest.and_then(|oldest| self.sessions.remove(&oldest)) else { return };
        let highest = gone.answers.keys().next_back().map_or(0, |number| number + 1);
        self.forgotten_below = self.forgotten_below.max(gone.acked_below).max(highest);
    }
}
