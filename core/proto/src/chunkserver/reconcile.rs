//! The start of a configuration: its primary rolls forward what it has, and every other member
//! becomes like it.
//!
//! The primary never truncates itself. A member re-copies every range that it or the primary
//! touched after the last sequence that it knows committed, takes the primary's length and
//! operation table in the same atomic I/O, and thereby acknowledges every sequence it took
//! (PacificA, §3.2, with the bytes of overwrites in place of a log).

use super::Chunkserver;
use super::live::{Live, Role};
use super::primary::Primary;
use super::read::{ReadFor, ReadJob};
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, NodeId, OpId, Sequence};
use crate::io::{IoOp, ReplicaData};
use crate::machine::Effects;
use crate::message::Message;
use crate::message::{configure, pipeline, reconcile};
use crate::payload::{Extent, Payload};
use crate::ranges::Ranges;
use crate::refusal::Refusal;
use crate::replica::ReplicaChange;
use crate::replica::ReplicaImage;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// More than this does not fit one message; such a member is copied as a learner.
const RECONCILE_BYTES_MAX: u64 = 32 << 20;

impl Chunkserver {
    pub(super) fn on_configured(
        &mut self,
        now: Time,
        message: configure::Activate,
        out: &mut Effects,
    ) {
        let configure::Activate { chunk, version, incarnation, members } = message;
        let node = self.config.node;
        let for_me = incarnation == self.config.incarnation && members.first() == Some(&node);
        let Some(record) = self.record(chunk) else { return };
        let complete = !record.learner || !self.rules().learner_is_complete;
        if !for_me || !complete || self.fence(chunk) != version || record.promised != version {
            return;
        }
        let live = self.live(chunk);
        let busy = live.writing || live.promising.is_some();
        if busy || live.primary().is_some_and(|primary| primary.version == version) {
            return;
        }
        let chain = members.into_iter().filter(|member| *member != node).collect();
        live.role = Role::Primary(Primary::new(version, chain, now).into());
        if self.record(chunk).is_some_and(|record| record.applied_version == version) {
            // A first configuration: the promise that made the replica made it of this version.
            self.on_adopted(now, chunk, version, out);
            return self.go_on(chunk, now, out);
        }
        self.start_write(ReplicaChange::Adopt { chunk, version }, out);
    }

    pub(super) fn on_adopted(
        &mut self,
        now: Time,
        chunk: ChunkHandle,
        version: ChunkVersion,
        out: &mut Effects,
    ) {
        self.observe_adopted(chunk, version, true, out);
        // Whatever a restart may have cost it: the master found no better copy, and this is the
        // chunk's state from here on.
        self.live(chunk).incomplete = false;
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        if primary.version != version || primary.retired {
            return;
        }
        primary.adopted = true;
        for peer in primary.peers.values_mut() {
            (peer.heard_at, peer.progressed_at, peer.asked_at) = (now, now, now);
        }
        let chain = primary.chain.clone();
        for member in chain {
            self.send(member, reconcile::RangesRequest { chunk, version }, out);
        }
        self.begin_if_ready(chunk, out);
    }

    fn observe_adopted(
        &self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        primary: bool,
        out: &mut Effects,
    ) {
        let image = &self.record(chunk).expect("adopted by a replica").image;
        let ops: Vec<(OpId, Sequence)> = image.ops.iter().map(|(op, d)| (op, d.sequence)).collect();
        let (sequence, length) = (image.sequence, image.length);
        out.observe(Event::Adopted { chunk, version, sequence, length, ops, primary });
    }

    pub(super) fn on_reconcile_request(
        &mut self,
        from: NodeId,
        request: reconcile::Request,
        out: &mut Effects,
    ) {
        match request {
            reconcile::Request::Ranges(m) => self.on_ask_reconcile(from, m, out),
            reconcile::Request::Install(m) => self.on_reconcile(from, m, out),
        }
    }

    pub(super) fn on_reconcile_reply(
        &mut self,
        now: Time,
        from: NodeId,
        reply: reconcile::Reply,
        out: &mut Effects,
    ) {
        match reply {
            reconcile::Reply::Ranges(m) => self.on_need_reconcile(now, from, m, out),
            reconcile::Reply::Installed(m) => self.on_reconciled(now, from, m, out),
        }
    }

    /// Member: says what it touched after what it knows committed.
    fn on_ask_reconcile(
        &mut self,
        from: NodeId,
        request: reconcile::RangesRequest,
        out: &mut Effects,
    ) {
        let reconcile::RangesRequest { chunk, version } = request;
        if let Err(refusal) = self.check_reconcile(chunk, version) {
            return self.send(from, pipeline::PushRefused { chunk, version, refusal }, out);
        }
        let record = self.record(chunk).expect("checked above");
        let image = &record.image;
        if record.applied_version == version {
            let done = Message::ReconcileReply(reconcile::Reply::Installed(reconcile::Installed {
                chunk,
                version,
                sequence: image.sequence,
            }));
            // All members of a first configuration begin with the same content, none.
            return self.send(from, done, out);
        }
        let (committed, touched) = (image.committed, image.touched_after(image.committed));
        self.send(from, reconcile::RangesReply { chunk, version, committed, touched }, out);
    }

    fn check_reconcile(&self, chunk: ChunkHandle, version: ChunkVersion) -> Result<(), Refusal> {
        let promised = self.fence(chunk);
        if self.disk_failed {
            return Err(Refusal::DiskFailed);
        }
        let Some(record) = self.record(chunk) else { return Err(Refusal::Stale { promised }) };
        let learner = record.learner && self.rules().learner_is_complete;
        if promised != version || record.promised != version || learner {
            return Err(Refusal::Stale { promised });
        }
        Ok(())
    }

    /// Primary: reads what the member must have, or sends it at once if that is nothing.
    fn on_need_reconcile(
        &mut self,
        now: Time,
        from: NodeId,
        message: reconcile::RangesReply,
        out: &mut Effects,
    ) {
        let reconcile::RangesReply { chunk, version, committed, touched } = message;
        let both = self.rules().reconcile_both_sides;
        let Some(record) = self.record(chunk) else { return };
        let own = if both { record.image.touched_after(committed) } else { Vec::new() };
        let mut ranges = Ranges::of(touched.into_iter().chain(own));
        ranges.clip(record.image.length);
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        if primary.version != version || primary.retired || !primary.adopted {
            return;
        }
        let Some(peer) = primary.peers.get_mut(&from) else { return };
        if peer.reconciled || peer.sending {
            return;
        }
        peer.heard_at = now;
        if ranges.bytes() > RECONCILE_BYTES_MAX {
            // It stays unreconciled, is reported as stalled, and comes back as a learner.
            return;
        }
        peer.sending = true;
        peer.asked_at = now;
        let job = ReadJob::inner(ReadFor::Reconcile { member: from, version }, ranges.extents());
        self.live(chunk).reads.push(job);
        self.go_on(chunk, now, out);
    }

    /// Primary: the bytes are read; the member takes them with the rest of the state.
    pub(super) fn send_reconcile(
        &mut self,
        chunk: ChunkHandle,
        member: NodeId,
        version: ChunkVersion,
        pieces: Vec<Extent>,
        payload: Payload,
        out: &mut Effects,
    ) {
        let image = self.record(chunk).expect("a primary has its replica").image.clone();
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        if primary.version != version || primary.retired {
            return;
        }
        if let Some(peer) = primary.peers.get_mut(&member) {
            peer.sending = false;
            let image = Box::new(image);
            let message = Message::Reconcile(reconcile::Request::Install(reconcile::Install {
                chunk,
                version,
                image,
                pieces,
                payload,
            }));
            self.send(member, message, out);
        }
    }

    /// Member: takes the primary's state.
    fn on_reconcile(&mut self, from: NodeId, message: reconcile::Install, out: &mut Effects) {
        let reconcile::Install { chunk, version, image, pieces, payload } = message;
        if self.check_reconcile(chunk, version).is_err() || !is_whole(&image, &pieces, &payload) {
            return;
        }
        let done = self.record(chunk).is_some_and(|r| r.applied_version == version);
        let live = self.live(chunk);
        let busy = live.writing || live.promising.is_some() || !live.reading.is_empty();
        if done || busy || live.incomplete {
            // The primary asks again.
            return;
        }
        live.role = Role::Member;
        live.pushed_by = Some(from);
        let change = ReplicaChange::Reconcile { chunk, version, image };
        let data = ReplicaData::pieces(pieces, payload);
        self.start_write(IoOp::Replica(change, data), out);
    }

    pub(super) fn on_reconcile_durable(
        &mut self,
        chunk: ChunkHandle,
        version: ChunkVersion,
        out: &mut Effects,
    ) {
        self.observe_adopted(chunk, version, false, out);
        let sequence = self.record(chunk).expect("reconciled just now").image.sequence;
        if let (Some(primary), true) = (self.live(chunk).pushed_by, self.fence(chunk) == version) {
            self.send(primary, reconcile::Installed { chunk, version, sequence }, out);
        }
    }

    /// Primary: a member is like this node; when all are, mutations may begin.
    fn on_reconciled(
        &mut self,
        now: Time,
        from: NodeId,
        message: reconcile::Installed,
        out: &mut Effects,
    ) {
        let reconcile::Installed { chunk, version, sequence } = message;
        let Some(primary) = self.live.get_mut(&chunk).and_then(Live::primary_mut) else { return };
        if primary.version != version || primary.retired {
            return;
        }
        let Some(peer) = primary.peers.get_mut(&from) else { return };
        if peer.reconciled {
            return;
        }
        (peer.reconciled, peer.sending) = (true, false);
        (peer.applied, peer.received) = (sequence, sequence);
        (peer.heard_at, peer.progressed_at) = (now, now);
        self.begin_if_ready(chunk, out);
        self.go_on(chunk, now, out);
    }

    fn begin_if_ready(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let record = self.record(chunk).expect("a primary has its replica").clone();
        let live = self.live(chunk);
        let Some(primary) = live.primary_mut() else { return };
        let all = primary.peers.values().all(|peer| peer.reconciled);
        if primary.ready || !primary.adopted || !all {
            return;
        }
        primary.begin(&record);
        let (version, sequence) = (primary.version, primary.committed);
        live.committed = sequence;
        out.observe(Event::Committed { chunk, version, sequence });
    }
}

/// The pieces and the bytes fit each other and the image.
fn is_whole(image: &ReplicaImage, pieces: &[Extent], payload: &Payload) -> bool {
    let bytes: u64 = pieces.iter().map(|piece| piece.length).sum();
    bytes == payload.len() && pieces.iter().all(|piece| piece.end() <= image.length)
}
