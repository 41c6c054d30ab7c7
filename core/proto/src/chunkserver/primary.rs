//! The primary: orders mutations, pushes them down the chain, and acknowledges what every member
//! has (GFS §3.1 and §3.2).

use super::admission::Wanted;
use super::live::{Live, Role};
use super::order::{InFlight, Order};
use super::peers::{Late, Peers, Question};
use super::replica::{Replica, Then};
use super::source::Copies;
use crate::config::Constants;
use crate::cx::Cx;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::lease::Usage;
use crate::message::{configure, data, pipeline, reconcile};
use crate::payload::Extent;
use crate::refusal::Refusal;
use crate::replica::{MutationKind, ReplicaImage, ReplicaRecord};
use crate::time::{Deadline, Time};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How far a primary is with its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Its own state is not yet durably that of the version.
    Adopting,
    /// The other members become like it.
    Reconciling,
    /// Every member has reconciled: with a lease it orders mutations.
    Active,
    /// A higher version was promised: nothing is ordered or acknowledged any more, and copies
    /// under way come to their end.
    Retired,
}

/// A primary of a committed configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Primary {
    version: ChunkVersion,
    phase: Phase,
    pub peers: Peers,
    pub order: Order,
    /// Requests that wait for a lease or for room.
    pub waiting: VecDeque<Wanted>,
    pub copies: Copies,
    /// What its lease is used for, and when it was last requested.
    pub usage: Usage,
    reported_at: Option<Time>,
}

impl Primary {
    pub fn new(version: ChunkVersion, chain: Vec<NodeId>, now: Time) -> Self {
        Primary {
            version,
            phase: Phase::Adopting,
            peers: Peers::new(chain, now),
            order: Order::default(),
            waiting: VecDeque::new(),
            copies: Copies::default(),
            usage: Usage::new(now),
            reported_at: None,
        }
    }

    pub fn version(&self) -> ChunkVersion {
        self.version
    }

    /// Every member is like it, and no higher version was promised.
    pub fn is_active(&self) -> bool {
        self.phase == Phase::Active
    }

    pub fn is_retired(&self) -> bool {
        self.phase == Phase::Retired
    }

    /// Its state is that of its version, and no higher one was promised.
    pub fn leads(&self) -> bool {
        matches!(self.phase, Phase::Reconciling | Phase::Active)
    }

    /// It began to order, perhaps in the past: a copy of it can be whole.
    pub fn can_be_copied(&self) -> bool {
        matches!(self.phase, Phase::Active | Phase::Retired)
    }

    /// Its own state is durably that of its version. False if it was retired meanwhile.
    pub fn adopt(&mut self, now: Time) -> bool {
        if self.is_retired() {
            return false;
        }
        self.phase = Phase::Reconciling;
        self.peers.restart_clocks(now);
        true
    }

    /// Begins to order if every member has everything that this node applied before.
    pub fn begin(&mut self, image: &ReplicaImage) -> bool {
        if self.phase != Phase::Reconciling || !self.peers.all_reconciled() {
            return false;
        }
        self.phase = Phase::Active;
        self.order.begin(image);
        true
    }

    /// A higher version was promised. Returns the clients that waited in vain.
    pub fn retire(&mut self) -> Vec<(NodeId, OpId)> {
        self.phase = Phase::Retired;
        let mut clients = self.order.abandon();
        clients.extend(self.waiting.drain(..).map(|wanted| (wanted.client, wanted.op)));
        clients
    }

    pub fn use_at(&mut self, now: Time) {
        self.usage.use_at(now);
    }

    /// Is there work that needs a lease, or was there lately?
    pub fn is_in_use(&self, now: Time, constants: &Constants) -> bool {
        let work = !self.waiting.is_empty() || !self.order.is_settled() || self.has_copies();
        work || self.usage.is_recent(constants, now)
    }

    fn has_copies(&self) -> bool {
        !self.is_retired() && !self.copies.is_empty()
    }

    /// When a member is to be asked again.
    fn next_question(&self, constants: &Constants) -> Option<Time> {
        let asked_at = if self.leads() { self.peers.asked_at(&self.order) } else { None };
        asked_at.map(|at| at + constants.retry_interval)
    }

    /// Sends an ordered mutation to a member, to be passed on to the rest of the chain.
    pub fn push(&self, chunk: ChunkHandle, sequence: Sequence, chain: &[NodeId], cx: &mut Cx<'_>) {
        let Some((to, rest)) = chain.split_first() else { return };
        let Some(inflight) = self.order.get(sequence) else { return };
        let push = pipeline::Push {
            chunk,
            version: self.version,
            sequence,
            committed: self.order.committed(),
            primary: cx.node,
            chain: rest.to_vec(),
            mutation: Box::new(inflight.mutation.clone()),
            payload: inflight.payload.clone(),
        };
        cx.send(*to, push);
    }

    pub fn assert_invariants(&self, record: &ReplicaRecord) {
        if self.is_active() {
            assert_eq!(record.applied_version, self.version, "a primary holds its version");
            self.order.assert_invariants();
        }
    }
}

/// Answers the clients of a mutation that every member has.
fn acknowledge(
    chunk: ChunkHandle,
    version: ChunkVersion,
    sequence: Sequence,
    done: InFlight,
    cx: &mut Cx<'_>,
) {
    let (own, kind, extent) = (done.mutation.op, done.mutation.kind, done.mutation.extent);
    for waiter in done.waiters {
        let (op, asked) = (waiter.op, waiter.asked);
        // A client that wanted to append and got a seal, its own or another's, goes elsewhere.
        let sealed = asked == MutationKind::Append && kind != MutationKind::Append;
        let result = match waiter.refusal {
            Some(refusal) => Err(refusal),
            None if sealed => Err(Refusal::Sealed),
            None if op != own => Ok(Extent::default()),
            None => {
                cx.observe(Event::Acknowledged { chunk, version, sequence, op, extent });
                Ok(extent)
            }
        };
        cx.send(waiter.client, data::Mutated { op, chunk, result });
    }
}

impl Replica<'_> {
    /// Something was applied here or at a member: commits and acknowledges what all have.
    pub fn advance_committed(&mut self) {
        let Some(own) = self.record.map(|record| record.image.sequence) else { return };
        self.touch();
        let Replica { chunk, live, cx, .. } = self;
        let Live { role: Role::Primary(primary), queue, .. } = &mut **live else { return };
        if !primary.is_active() {
            return;
        }
        let others = primary.peers.applied().unwrap_or(own);
        let upto = if cx.rules().acknowledge_after_all { own.min(others) } else { own };
        let done = primary.order.commit(upto);
        primary.use_at(cx.now);
        let (chunk, version, sequence) = (*chunk, primary.version, primary.order.committed());
        if !done.is_empty() {
            queue.set_committed(sequence);
            cx.observe(Event::Committed { chunk, version, sequence });
        }
        for (sequence, inflight) in done {
            acknowledge(chunk, version, sequence, inflight, cx);
        }
    }

    /// A member says how far it is; what it missed is sent again.
    pub fn on_progress(&mut self, from: NodeId, message: pipeline::Progress) -> Then {
        let pipeline::Progress { chunk, version, applied, received } = message;
        let (now, pause) = (self.cx.now, self.cx.constants.retry_interval);
        let Some(primary) = self.live.primary_mut() else { return Then::Nothing };
        if primary.version != version || primary.is_retired() {
            return Then::Nothing;
        }
        let received = primary.peers.on_progress(from, applied, received, now);
        let Some(received) = received else { return Then::Nothing };
        for sequence in primary.order.resend_after(received, now, pause) {
            primary.push(chunk, sequence, &[from], &mut self.cx);
        }
        self.advance_committed();
        Then::Progress
    }

    pub fn on_push_refused(&mut self, from: NodeId, message: pipeline::PushRefused) {
        let pipeline::PushRefused { chunk: _, version, refusal } = message;
        let Some(primary) = self.live.primary() else { return };
        let current = primary.version == version && !primary.is_retired();
        if !current || !primary.peers.contains(from) {
            return;
        }
        // A promise above this version means that the master is at work: wait for its Prepare.
        if !matches!(refusal, Refusal::Stale { .. }) {
            self.report_failed([from].into());
        }
    }

    /// Reports the members that block progress to the master.
    fn report_failed(&mut self, members: Vec<NodeId>) {
        let (chunk, now, pause) = (self.chunk, self.cx.now, self.cx.constants.retry_interval);
        let Some(leader) = self.link.leader() else { return };
        self.touch();
        let Some(primary) = self.live.primary_mut() else { return };
        if primary.reported_at.is_some_and(|at| now.since(at) < pause) {
            return;
        }
        primary.reported_at = Some(now);
        let version = primary.version;
        self.cx.send(leader, configure::MemberFailed { chunk, version, members });
    }

    /// The disk here is full. A primary asks to be left out; a member shows it to its primary by
    /// its silence in `Progress`, and to the master by its report.
    pub fn report_full(&mut self, version: ChunkVersion) {
        let (chunk, members) = (self.chunk, [self.cx.node].into());
        let Some(primary) = self.live.primary_mut() else {
            if let Some(leader) = self.link.leader() {
                self.cx.send(leader, configure::MemberFailed { chunk, version, members });
            }
            return;
        };
        for Wanted { client, op, .. } in primary.waiting.drain(..) {
            self.cx.send(client, data::Mutated { op, chunk, result: Err(Refusal::NoSpace) });
        }
        self.report_failed(members);
    }

    /// Asks late members how far they are, and reports those that block progress.
    pub fn on_primary_timer(&mut self) {
        let (chunk, now, constants) = (self.chunk, self.cx.now, self.cx.constants);
        let Some(primary) = self.live.primary_mut() else { return };
        if !primary.leads() {
            return;
        }
        let (version, committed) = (primary.version, primary.order.committed());
        let Late { ask, failed } = primary.peers.late(&primary.order, now, constants);
        for (node, question) in ask {
            match question {
                Question::Progress => {
                    let request = pipeline::ProgressRequest { chunk, version, committed };
                    self.cx.send(node, request);
                }
                Question::Ranges => {
                    self.cx.send(node, reconcile::RangesRequest { chunk, version });
                }
            }
        }
        if !failed.is_empty() {
            self.report_failed(failed);
        }
    }

    /// When a primary next wants attention, and why.
    pub fn primary_deadline(&self) -> Option<Deadline> {
        let primary = self.live.primary()?;
        let lease = self.lease_wanted_at();
        let lease = lease.map(|at| Deadline { at, why: "a lease is to be asked for" });
        let again = primary.next_question(self.cx.constants);
        let again = again.map(|at| Deadline { at, why: "a member is to be asked again" });
        Deadline::earlier(lease, again)
    }
}
