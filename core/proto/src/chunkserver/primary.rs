//! The primary: orders mutations, pushes them down the chain, and acknowledges what every member
//! has (GFS §3.1 and §3.2).

use super::Chunkserver;
use super::admission::Wanted;
use super::live::{Live, Queued};
use super::read::ReadJob;
use super::source::CopySource;
use crate::config::Constants;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::machine::Effects;
use crate::message::Message;
use crate::message::{configure, data, pipeline, reconcile};
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::replica::{Mutation, MutationKind, ReplicaRecord};
use crate::time::{Deadline, Time};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// How far another member of the configuration is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub reconciled: bool,
    /// What it is being sent to reconcile, while that is being read or is on its way.
    pub sending: bool,
    pub applied: Sequence,
    pub received: Sequence,
    pub heard_at: Time,
    pub progressed_at: Time,
    pub asked_at: Time,
}

/// A mutation that is ordered and not committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct InFlight {
    pub mutation: Mutation,
    pub payload: Payload,
    pub sent_at: Time,
    /// Who wants to know, and what each asked for.
    pub waiters: Vec<(NodeId, OpId, MutationKind)>,
}

/// A primary of a committed configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Primary {
    pub version: ChunkVersion,
    /// The other members, in pipeline order.
    pub chain: Vec<NodeId>,
    pub peers: BTreeMap<NodeId, Peer>,
    /// Its own state is durably that of `version`.
    pub adopted: bool,
    /// Every member has reconciled.
    pub ready: bool,
    /// A higher version was promised: nothing is ordered or acknowledged any more, and copies
    /// under way come to their end.
    pub retired: bool,
    pub last: Sequence,
    pub committed: Sequence,
    pub committed_length: u64,
    /// The chunk's length when everything ordered is applied.
    pub tail: u64,
    /// The mutation that seals or fills the chunk, once there is one.
    pub sealed_by: Option<Sequence>,
    pub inflight: BTreeMap<Sequence, InFlight>,
    pub inflight_bytes: u64,
    pub ordered: BTreeMap<OpId, Sequence>,
    pub waiting: VecDeque<Wanted>,
    /// When it last served or was asked something.
    pub used_at: Time,
    pub lease_asked_at: Option<Time>,
    pub complained_at: Option<Time>,
    pub copies: BTreeMap<NodeId, CopySource>,
}

impl Primary {
    pub fn new(version: ChunkVersion, chain: Vec<NodeId>, now: Time) -> Self {
        let peer = Peer {
            reconciled: false,
            sending: false,
            applied: Sequence(0),
            received: Sequence(0),
            heard_at: now,
            progressed_at: now,
            asked_at: Time(0),
        };
        Primary {
            version,
            peers: chain.iter().map(|node| (*node, peer.clone())).collect(),
            chain,
            adopted: false,
            ready: false,
            retired: false,
            last: Sequence(0),
            committed: Sequence(0),
            committed_length: 0,
            tail: 0,
            sealed_by: None,
            inflight: BTreeMap::new(),
            inflight_bytes: 0,
            ordered: BTreeMap::new(),
            waiting: VecDeque::new(),
            used_at: now,
            lease_asked_at: None,
            complained_at: None,
            copies: BTreeMap::new(),
        }
    }

    /// A higher version was promised. Returns who waited in vain.
    pub fn retire(&mut self) -> Vec<(NodeId, OpId)> {
        self.retired = true;
        self.inflight_bytes = 0;
        self.ordered.clear();
        let inflight = core::mem::take(&mut self.inflight);
        let ordered = inflight.into_values().flat_map(|f| f.waiters).map(|(n, op, _)| (n, op));
        let waiting = core::mem::take(&mut self.waiting);
        ordered.chain(waiting.into_iter().map(|w| (w.client, w.op))).collect()
    }

    /// Every member has everything that this node applied before.
    pub fn begin(&mut self, record: &ReplicaRecord) {
        let image = &record.image;
        self.ready = true;
        self.last = image.sequence;
        self.committed = image.sequence;
        self.committed_length = image.length;
        self.tail = image.length;
        self.sealed_by = image.sealed.then_some(image.sequence);
    }

    /// The last mutation not committed that touches any of these bytes.
    pub fn last_overlapping(&self, extent: &Extent) -> Sequence {
        let touching = self.inflight.iter().filter(|(_, f)| f.mutation.extent.overlaps(extent));
        touching.map(|(sequence, _)| *sequence).next_back().unwrap_or_default()
    }

    pub fn has_room(&self, bytes: u64, constants: &Constants) -> bool {
        self.inflight.len() < constants.inflight_mutations_max as usize
            && (self.inflight.is_empty()
                || self.inflight_bytes + bytes <= u64::from(constants.inflight_bytes_max))
    }

    pub fn assert_invariants(&self, record: &ReplicaRecord) {
        assert!(!self.ready || self.adopted, "ready only in its own version");
        if self.ready && !self.retired {
            assert_eq!(record.applied_version, self.version, "a primary holds its version");
            assert!(self.committed <= self.last, "committed is never above ordered");
            let first = self.inflight.keys().next().copied().unwrap_or(self.last.next());
            assert_eq!(first, self.committed.next(), "what is ordered and not committed is kept");
        }
    }
}

impl Chunkserver {
    /// May this node order mutations and serve strong reads of `chunk` at `now`?
    pub(super) fn is_active(&self, chunk: ChunkHandle, now: Time) -> bool {
        let Some(primary) = self.live.get(&chunk).and_then(Live::primary) else { return false };
        let held = self.leases.held(chunk, now);
        primary.ready
            && !primary.retired
            && !self.disk_failed
            && held.is_some_and(|held| held.version == primary.version)
    }

    /// Gives a mutation its sequence number, queues it here and pushes it down the chain.
    pub(super) fn order(
        &mut self,
        now: Time,
        chunk: ChunkHandle,
        wanted: Wanted,
        kind: MutationKind,
        extent: Extent,
        out: &mut Effects,
    ) {
        let Wanted { client, op, acked_below, kind: asked, payload, .. } = wanted;
        let payload = if kind == MutationKind::Seal { Payload::default() } else { payload };
        let mutation = Mutation { op, acked_below, kind, extent, crc: payload.crc };
        let chunk_bytes = self.chunk_bytes_of(chunk);
        let primary = self.live(chunk).primary_mut().expect("an active primary");
        let sequence = primary.last.next();
        primary.last = sequence;
        primary.tail = primary.tail.max(extent.end());
        if kind == MutationKind::Seal || primary.tail == chunk_bytes {
            primary.tail = chunk_bytes;
            primary.sealed_by.get_or_insert(sequence);
        }
        primary.ordered.insert(op, sequence);
        primary.inflight_bytes += payload.len();
        if primary.inflight.is_empty() {
            // While there was nothing to say, silence meant nothing.
            for peer in primary.peers.values_mut() {
                (peer.heard_at, peer.progressed_at, peer.asked_at) = (now, now, now);
            }
        }
        let waiters = [(client, op, asked)].into();
        let (m, p) = (mutation.clone(), payload.clone());
        primary
            .inflight
            .insert(sequence, InFlight { mutation: m, payload: p, sent_at: now, waiters });
        let (version, chain) = (primary.version, primary.chain.clone());
        let queued = Queued { version, mutation, payload };
        self.live(chunk).queue.insert(sequence, queued);
        if let Some((first, rest)) = chain.split_first() {
            self.push(chunk, sequence, *first, rest.to_vec(), out);
        }
    }

    /// Sends an ordered mutation to a member, to be passed on to the rest of the chain.
    fn push(
        &mut self,
        chunk: ChunkHandle,
        sequence: Sequence,
        to: NodeId,
        chain: Vec<NodeId>,
        out: &mut Effects,
    ) {
        let node = self.config.node;
        let primary = self.live(chunk).primary_mut().expect("only a primary pushes");
        let inflight = &primary.inflight[&sequence];
        let push = Message::Pipeline(pipeline::Order::Push(pipeline::Push {
            chunk,
            version: primary.version,
            sequence,
            committed: primary.committed,
            primary: node,
            chain,
            mutation: Box::new(inflight.mutation.clone()),
            payload: inflight.payload.clone(),
        }));
        self.send(to, push, out);
    }

    /// Something was applied here or at a member: commits and acknowledges what all have.
    pub(super) fn advance_committed(&mut self, now: Time, chunk: ChunkHandle, out: &mut Effects) {
        let rules = self.rules();
        let Some(own) = self.record(chunk).map(|r| r.image.sequence) else { return };
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        if primary.retired || !primary.ready {
            return;
        }
        let others = primary.peers.values().map(|peer| peer.applied).min().unwrap_or(own);
        let upto = if rules.acknowledge_after_all { own.min(others) } else { own };
        let before = primary.committed;
        let mut answers = Vec::new();
        while primary.committed < upto {
            let sequence = primary.committed.next();
            let done = primary.inflight.remove(&sequence).expect("ordered and not committed");
            primary.committed = sequence;
            primary.inflight_bytes -= done.payload.len();
            primary.ordered.remove(&done.mutation.op);
            primary.committed_length = primary.committed_length.max(done.mutation.extent.end());
            if done.mutation.kind == MutationKind::Seal {
                primary.committed_length = primary.tail;
            }
            answers.push((sequence, done));
        }
        let (version, committed) = (primary.version, primary.committed);
        primary.used_at = now;
        if committed > before {
            self.live(chunk).committed = committed;
            out.observe(Event::Committed { chunk, version, sequence: committed });
        }
        for (sequence, done) in answers {
            self.acknowledge(chunk, version, sequence, done, out);
        }
    }

    fn acknowledge(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        sequence: Sequence,
        inflight: InFlight,
        out: &mut Effects,
    ) {
        let InFlight { mutation: Mutation { op: own, kind, extent, .. }, waiters, .. } = inflight;
        for (client, op, asked) in waiters {
            // Whoever wanted to append and got a seal, its own or another's, goes elsewhere.
            let sealed = op != own || (asked == MutationKind::Append && kind == MutationKind::Seal);
            let result = match asked {
                MutationKind::Append if sealed => Err(Refusal::Sealed),
                MutationKind::Seal if sealed => Ok(Extent::default()),
                _ => {
                    let acknowledged = Event::Acknowledged { chunk, version, sequence, op, extent };
                    out.observe(acknowledged);
                    Ok(extent)
                }
            };
            self.send(client, data::Mutated { op, chunk, result }, out);
        }
    }

    pub(super) fn on_pipeline_reply(
        &mut self,
        now: Time,
        from: NodeId,
        reply: pipeline::Reply,
        out: &mut Effects,
    ) {
        match reply {
            pipeline::Reply::Progress(m) => self.on_progress(now, from, m, out),
            pipeline::Reply::Refused(m) => self.on_push_refused(now, from, m, out),
        }
    }

    fn on_progress(
        &mut self,
        now: Time,
        from: NodeId,
        message: pipeline::Progress,
        out: &mut Effects,
    ) {
        let pipeline::Progress { chunk, version, applied, received } = message;
        let again_after = self.constants().retry_interval;
        let Some(primary) = self.live.get_mut(&chunk).and_then(Live::primary_mut) else { return };
        if primary.version != version || primary.retired {
            return;
        }
        let Some(peer) = primary.peers.get_mut(&from).filter(|peer| peer.reconciled) else {
            return;
        };
        peer.heard_at = now;
        if applied > peer.applied {
            peer.progressed_at = now;
        }
        peer.applied = peer.applied.max(applied);
        peer.received = received.max(peer.applied);
        let first = peer.received.next();
        let missing: Vec<Sequence> = primary
            .inflight
            .range(first..)
            .filter(|(_, inflight)| now.since(inflight.sent_at) >= again_after)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in missing {
            let primary = self.live(chunk).primary_mut().expect("looked at above");
            primary.inflight.get_mut(&sequence).expect("listed above").sent_at = now;
            self.push(chunk, sequence, from, Vec::new(), out);
        }
        self.advance_committed(now, chunk, out);
        self.go_on(chunk, now, out);
    }

    fn on_push_refused(
        &mut self,
        now: Time,
        from: NodeId,
        message: pipeline::PushRefused,
        out: &mut Effects,
    ) {
        let pipeline::PushRefused { chunk, version, refusal } = message;
        let Some(primary) = self.live.get(&chunk).and_then(Live::primary) else { return };
        let current = primary.version == version && !primary.retired;
        if !current || !primary.peers.contains_key(&from) {
            return;
        }
        // A promise above this version means that the master is at work: wait for its Prepare.
        if !matches!(refusal, Refusal::Stale { .. }) {
            self.complain(now, chunk, [from].into(), out);
        }
    }

    /// Tells the master which members hold the chunk up.
    fn complain(&mut self, now: Time, chunk: ChunkHandle, members: Vec<NodeId>, out: &mut Effects) {
        let again_after = self.constants().retry_interval;
        let Some(leader) = self.link.leader else { return };
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        if primary.complained_at.is_some_and(|at| now.since(at) < again_after) {
            return;
        }
        primary.complained_at = Some(now);
        let version = primary.version;
        self.send(leader, configure::MemberFailed { chunk, version, members }, out);
    }

    /// The disk here is full. A primary asks to be left out; a member tells its primary by its
    /// silence in `Progress`, and the master by its report.
    pub(super) fn report_full(
        &mut self,
        now: Time,
        chunk: ChunkHandle,
        version: ChunkVersion,
        out: &mut Effects,
    ) {
        let node = self.config.node;
        let Some(primary) = self.live(chunk).primary_mut() else {
            if let Some(leader) = self.link.leader {
                let members = [node].into();
                self.send(leader, configure::MemberFailed { chunk, version, members }, out);
            }
            return;
        };
        let refused: Vec<_> = primary.waiting.drain(..).map(|w| (w.client, w.op)).collect();
        for (client, op) in refused {
            let result = Err(Refusal::NoSpace);
            self.send(client, data::Mutated { op, chunk, result }, out);
        }
        self.complain(now, chunk, [node].into(), out);
    }

    /// Asks silent members how far they are, and reports those that hold the chunk up.
    pub(super) fn tend_primary(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        let constants = self.config.constants.clone();
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        if primary.retired || !primary.adopted {
            return;
        }
        let (version, committed, last) = (primary.version, primary.committed, primary.last);
        let mut ask = Vec::new();
        let mut failed = Vec::new();
        for (&node, peer) in &mut primary.peers {
            if peer.reconciled && (primary.inflight.is_empty() || peer.applied >= last) {
                continue;
            }
            if now.since(peer.heard_at) >= constants.member_silent_after
                || now.since(peer.progressed_at) >= constants.member_stalled_after
            {
                failed.push(node);
            }
            if now.since(peer.asked_at) >= constants.retry_interval {
                peer.asked_at = now;
                ask.push((node, peer.reconciled));
            }
        }
        for (node, reconciled) in ask {
            let question = if reconciled {
                Message::Pipeline(pipeline::Order::Progress(pipeline::ProgressRequest {
                    chunk,
                    version,
                    committed,
                }))
            } else {
                Message::Reconcile(reconcile::Request::Ranges(reconcile::RangesRequest {
                    chunk,
                    version,
                }))
            };
            self.send(node, question, out);
        }
        if !failed.is_empty() {
            self.complain(now, chunk, failed, out);
        }
    }

    pub(super) fn primary_deadline(
        &self,
        chunk: ChunkHandle,
        primary: &Primary,
        live: &Live,
        now: Time,
    ) -> Option<Deadline> {
        if primary.retired {
            return None;
        }
        let lease = self.next_lease_question(chunk, primary, live, now);
        let lease = lease.map(|at| Deadline { at, why: "a lease is to be asked for" });
        if !primary.adopted {
            return lease;
        }
        let busy = |peer: &&Peer| {
            !peer.reconciled || (!primary.inflight.is_empty() && peer.applied < primary.last)
        };
        let asked = primary.peers.values().filter(busy).map(|peer| peer.asked_at).min();
        let again = asked.map(|at| at + self.constants().retry_interval);
        let again = again.map(|at| Deadline { at, why: "a member is to be asked again" });
        Deadline::earlier(lease, again)
    }

    /// Refuses the strong reads that wait here: this node is primary no longer.
    pub(super) fn refuse_strong_reads(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let live = self.live(chunk);
        let (strong, rest): (Vec<ReadJob>, Vec<ReadJob>) =
            core::mem::take(&mut live.reads).into_iter().partition(ReadJob::is_strong);
        live.reads = rest;
        for job in strong {
            if let Some((client, op)) = job.client() {
                let result = Err(Refusal::NotPrimary);
                let payload = Payload::default();
                self.send(client, data::ReadReply { op, chunk, result, payload }, out);
            }
        }
    }
}
