//! Tells the master machine whether it leads.

use super::device::LogHandle;
use super::options::Timing;
use super::runtime::Tasks;
use super::types::Types;
use leasehold_proto::{Input, Leadership, NodeId};
use openraft::metrics::RaftServerMetrics;
use openraft::rt::{AsyncRuntime, Instant, Select2, WatchReceiver};
use openraft::{RaftMetrics, ServerState};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// A leader that a quorum has not heard for so many election timeouts tells its machine that it
/// does not lead: nothing that it would propose can commit, and clients are sent elsewhere.
const UNHEARD_MAX: u32 = 2;

/// The term in which the machine learnt that it leads.
#[derive(Clone, Default)]
pub(super) struct AnnouncedTerm(Arc<Mutex<Option<u64>>>);

impl AnnouncedTerm {
    pub fn leads(&self) -> bool {
        self.term().is_some()
    }

    fn term(&self) -> Option<u64> {
        *self.0.lock().expect("nothing panics while it holds a number")
    }

    fn set(&self, term: Option<u64>) {
        *self.0.lock().expect("nothing panics while it holds a number") = term;
    }
}

/// Watches the library.
pub(super) struct Watcher {
    pub raft: LogHandle,
    pub inbox: mpsc::Sender<Input>,
    pub timing: Timing,
    pub announced: AnnouncedTerm,
    pub leader: Option<NodeId>,
    /// A term that this master leads, and the last entry that its log had when that was seen.
    pub pending: Option<(u64, Option<u64>)>,
}

/// What is worth knowing of the library's state.
struct Seen {
    leads: bool,
    term: u64,
    leader: Option<NodeId>,
    last: Option<u64>,
    applied: Option<u64>,
    ended: Option<String>,
}

/// Who leads, as far as the library knows: it publishes that by itself, and then with all else.
#[derive(PartialEq, Eq)]
struct Role(ServerState, Option<u64>);

impl Role {
    fn of(server: &RaftServerMetrics<Types>) -> Self {
        Role(server.state, server.current_leader)
    }

    fn in_all(metrics: &RaftMetrics<Types>) -> Self {
        Role(metrics.state, metrics.current_leader)
    }
}

impl Watcher {
    /// Watches until the library ends; returns why, if it was not stopped.
    ///
    /// Most of what the library publishes changes with every entry and every answer. Who leads
    /// seldom does, and only a leader that is not announced to the machine waits for entries.
    pub async fn watch(mut self) -> Option<String> {
        let (mut metrics, mut server) = (self.raft.metrics(), self.raft.server_metrics());
        loop {
            let role = Role::of(&server.borrow_and_update());
            let (seen, current) = {
                let metrics = metrics.borrow_and_update();
                (self.look(&metrics), role == Role::in_all(&metrics))
            };
            if seen.ended.is_some() {
                return seen.ended;
            }
            if self.act(&seen).await.is_err() {
                return None;
            }
            let patience = Tasks::sleep(self.timing.heartbeat);
            let settled = current && (!seen.leads || self.announced.term() == Some(seen.term));
            let changed = if settled {
                Tasks::select2(server.changed(), patience).await
            } else {
                Tasks::select2(metrics.changed(), patience).await
            };
            match changed {
                Select2::First(Err(_)) => return self.look(&metrics.borrow_watched()).ended,
                Select2::First(Ok(())) | Select2::Second(()) => {}
            }
        }
    }

    fn look(&self, metrics: &RaftMetrics<Types>) -> Seen {
        let patience = self.timing.election_max * UNHEARD_MAX;
        let acked = metrics.last_quorum_acked.as_ref();
        let unheard = acked.is_some_and(|at| at.elapsed() > patience);
        let leads = metrics.state == ServerState::Leader && !unheard;
        Seen {
            leads,
            term: metrics.current_term,
            leader: metrics.current_leader.filter(|leader| *leader != metrics.id).map(NodeId),
            last: metrics.last_log_index,
            applied: metrics.last_applied.map(|id| id.index),
            ended: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }

    /// The machine learns that it leads once all is applied that was in the log before: what it
    /// takes for its own `NewLeader` is then not one of an earlier life's under the same number.
    async fn act(&mut self, seen: &Seen) -> Result<(), mpsc::error::SendError<Input>> {
        if !seen.leads {
            self.pending = None;
            if self.announced.leads() || self.leader != seen.leader {
                self.announced.set(None);
                self.leader = seen.leader;
                return self.tell(Leadership::Follower { leader: seen.leader }).await;
            }
            return Ok(());
        }
        if self.announced.term() == Some(seen.term) {
            return Ok(());
        }
        let (_, last) = *match &mut self.pending {
            Some(pending) if pending.0 == seen.term => pending,
            pending => pending.insert((seen.term, seen.last)),
        };
        if seen.applied < last {
            return Ok(());
        }
        if self.announced.leads() {
            self.tell(Leadership::Follower { leader: None }).await?;
        }
        self.announced.set(Some(seen.term));
        self.leader = None;
        self.tell(Leadership::Leader).await
    }

    async fn tell(&self, leadership: Leadership) -> Result<(), mpsc::error::SendError<Input>> {
        self.inbox.send(Input::Leadership(leadership)).await
    }
}
