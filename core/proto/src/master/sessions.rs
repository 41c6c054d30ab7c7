//! Exactly-once for changes of the namespace: what the master remembers of each client.

use super::state::{Applied, ClientSession, MasterState};
use crate::ids::{NodeId, OpId};
use crate::metadata::MetadataChange;
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
        let session = self.session(op.client, acked_below);
        let known = if op.number < session.acked_below {
            Some(Err(Refusal::Forgotten))
        } else if let Some(first) = session.answers.get(&op.number) {
            Some(first.clone())
        } else if session.answers.len() >= ANSWERS_MAX {
            // Not remembered, so that a retry can still run.
            Some(Err(Refusal::Busy))
        } else {
            None
        };
        if let Some(answer) = known {
            return Applied::Changed { op, answer, new_chunk: None, trashed: None };
        }
        let changed = self.change(change);
        // A refusal is remembered like any other answer: the retry of a refused change must not
        // succeed after its client may have acted on the refusal.
        let answer = changed.answer;
        let session = self.sessions.get_mut(&op.client).expect("made or found above");
        session.answers.insert(op.number, answer.clone());
        Applied::Changed { op, answer, new_chunk: changed.new_chunk, trashed: changed.trashed }
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

    /// Forgets the client that was silent for longest: its operations timed out long ago.
    fn evict_session(&mut self) {
        let oldest = self.sessions.iter().min_by_key(|(id, session)| (session.last, **id));
        if let Some(oldest) = oldest.map(|(id, _)| *id) {
            self.sessions.remove(&oldest);
        }
    }
}
