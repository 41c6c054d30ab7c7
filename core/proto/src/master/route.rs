//! What a leader does in a step, by what made the step: the time, a message, a committed entry. Nothing
//! else calls a concern that may call another in turn.

use super::leader::Leader;
use super::servers::Life;
use crate::ids::{ChunkHandle, NodeId};
use crate::log::Member;
use crate::message::{Message, call, copy, membership};
use crate::tables::Consequence;

impl Leader<'_> {
    /// Does what the time has made due. Nothing else in a step comes before it.
    pub fn tick(&mut self) {
        let now = self.cx.now;
        if now < self.lead.next_tick {
            return;
        }
        self.lead.next_tick = now + self.cx.constants.retry_interval;
        self.tick_servers();
        self.tick_safe_mode();
        self.tick_constants();
        self.tick_parked();
        self.tick_sessions();
        self.tick_changes();
        self.tick_activations();
        self.tick_repairs();
        self.tick_strays();
        self.tick_attention();
        self.tick_shortage();
        // Last: what is wanted has the first choice of places for changes.
        self.tick_trash();
    }

    /// This leader's own entry is applied: it acts, and its waiting times start.
    pub fn begin(&mut self) {
        self.begin_trash();
        self.on_constants_changed();
        self.end_safe_mode_if_enough();
    }

    pub fn on_message(&mut self, from: NodeId, message: Message) {
        match message {
            Message::Call(request) => self.on_call(from, request),
            Message::Membership(membership::Request::Register(m)) => self.on_register(from, m),
            Message::Membership(membership::Request::Heartbeat(m)) => self.on_heartbeat(from, m),
            Message::Membership(membership::Request::Report(m)) => self.on_report(from, m),
            Message::Lease(request) => self.on_lease_request(from, request),
            Message::ConfigureReply(reply) => self.on_configure_reply(from, reply),
            Message::CopyReport(copy::Report::CaughtUp(m)) => self.on_learner_caught_up(from, m),
            Message::CopyReport(copy::Report::Ready(m)) => self.on_learner_ready(from, m),
            Message::CopyReport(copy::Report::Failed(m)) => self.on_learner_failed(from, m),
            // For a chunkserver or a client: a confused sender's, dropped.
            Message::CallReply(_)
            | Message::MembershipReply(_)
            | Message::Removal(_)
            | Message::LeaseGrant(_)
            | Message::Configure(_)
            | Message::Reconcile(_)
            | Message::ReconcileReply(_)
            | Message::CopyOrder(_)
            | Message::Copy(_)
            | Message::CopyReply(_)
            | Message::Data(_)
            | Message::DataReply(_)
            | Message::Pipeline(_)
            | Message::PipelineReply(_) => {}
        }
    }

    /// Reacts to what its log did.
    pub fn on_consequence(&mut self, consequence: Consequence) {
        match consequence {
            Consequence::Joined { node, incarnation, rack, rejoined } => {
                let constants = self.state.constants().version();
                self.on_joined(node, Life { incarnation, rack, rejoined, constants });
            }
            Consequence::JoinRefused { node, incarnation } => {
                self.cx.send(node, membership::RegisterRefused { incarnation });
            }
            Consequence::ConstantsChanged(_) => self.on_constants_changed(),
            Consequence::ChunkMade(chunk) => self.on_new_chunk(chunk),
            Consequence::Trashed(file) => self.on_trashed(file),
            Consequence::Restored(file) => self.on_restored(file),
            Consequence::TrashEmptied(file) => self.on_trash_emptied(file),
            Consequence::Answered { op, answer } => {
                self.cx.send(op.client, call::Reply { op, answer });
            }
            Consequence::Configured { chunk, members, .. } => self.on_configured(chunk, &members),
            Consequence::Freed { chunk, base, members } => {
                self.on_freed(chunk, base, &members);
                self.answer_parked(chunk);
            }
            Consequence::SessionBegan(session) => self.on_session_began(session),
            Consequence::SessionFenced(session) => self.end_session_if_settled(session),
            Consequence::SessionEnded(session) => self.on_session_ended(session),
            Consequence::LocksChanged(file) => self.on_locks_changed(file),
            // The next round frees it.
            Consequence::GivenUp(_)
            | Consequence::LeaderBegan { .. }
            | Consequence::Released { .. }
            | Consequence::Purged(_)
            | Consequence::Ignored => {}
        }
    }

    /// A configuration took effect: its primary is activated, and requests its lease.
    fn on_configured(&mut self, chunk: ChunkHandle, members: &[Member]) {
        let ended = self.end_change(chunk);
        self.end_repair_of(chunk, members, &ended);
        self.tell_primary(chunk);
        self.answer_parked(chunk);
    }
}
