//! The start of a configuration: its primary rolls forward what it has, and every other member
//! becomes like it.
//!
//! The primary never truncates itself. A member re-copies every range that it or the primary
//! touched after the last sequence that it knows committed, takes the primary's length and
//! operation table in the same atomic I/O, and thereby acknowledges every sequence it took
//! (PacificA, §3.2, with the bytes of overwrites in place of a log).

use super::live::{Live, Role};
use super::primary::Primary;
use super::read::{ReadBytes, ReadFor, ReadJob};
use super::replica::{Replica, Then};
use crate::event::Event;
use crate::ids::{ChunkVersion, NodeId, OpId, Sequence};
use crate::io::ReplicaData;
use crate::message::{configure, pipeline, reconcile};
use crate::payload::fit;
use crate::ranges::Ranges;
use crate::refusal::Refusal;
use crate::replica::{ReplicaChange, ReplicaRecord, counts_as_whole};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// More than this does not fit one message; such a member is copied as a learner.
const RECONCILE_BYTES_MAX: u64 = 32 << 20;

impl<'a> Replica<'a> {
    /// The configuration of which this node is primary is committed.
    pub fn on_configured(&mut self, message: configure::Activate) -> Then {
        let configure::Activate { chunk, version, incarnation, members } = message;
        let node = self.cx.node;
        let for_me = incarnation == self.incarnation && members.first() == Some(&node);
        let Some(record) = self.record else { return Then::Nothing };
        let whole = counts_as_whole(self.cx.rules(), record.learner);
        if !for_me || !whole || self.fence() != version || record.promised != version {
            return Then::Nothing;
        }
        self.touch();
        let again = self.live.primary().is_some_and(|primary| primary.version() == version);
        if self.live.is_changing() || again {
            return Then::Nothing;
        }
        let chain = members.into_iter().filter(|member| *member != node).collect();
        // Nothing but this node orders under this version, whatever was pushed here.
        self.live.queue.clear();
        self.live.role = Role::Primary(Primary::new(version, chain, self.cx.now).into());
        if record.applied_version == version {
            // A first configuration: the promise that made the replica made it of this version.
            self.on_adopted(version);
            return Then::Progress;
        }
        self.write(ReplicaChange::Adopt { chunk, version });
        Then::Nothing
    }

    /// Primary: its own state is durably that of the version; the members are to become like it.
    pub fn on_adopted(&mut self, version: ChunkVersion) {
        self.observe_adopted(version, true);
        self.live.health.is_the_state();
        let (chunk, now) = (self.chunk, self.cx.now);
        let Some(primary) = self.live.primary_mut() else { return };
        if primary.version() != version || !primary.adopt(now) {
            return;
        }
        for member in primary.peers.chain() {
            self.cx.send(*member, reconcile::RangesRequest { chunk, version });
        }
        self.begin_if_ready();
    }

    fn observe_adopted(&mut self, version: ChunkVersion, primary: bool) {
        let chunk = self.chunk;
        let Some(ReplicaRecord { image, .. }) = self.record else { return };
        let ops: Vec<(OpId, Sequence)> = image.ops.iter().map(|(op, d)| (op, d.sequence)).collect();
        self.cx.observe(Event::Adopted {
            chunk,
            version,
            sequence: image.sequence,
            length: image.length,
            stored_bytes: image.written.bytes(),
            ops,
            primary,
        });
    }

    /// Member: says what it touched after what it knows committed.
    pub fn on_ranges_request(&mut self, from: NodeId, request: reconcile::RangesRequest) {
        let reconcile::RangesRequest { chunk, version } = request;
        let ReplicaRecord { applied_version, image, .. } = match self.check_reconcile(version) {
            Ok(record) => record,
            Err(refusal) => {
                let refused = pipeline::PushRefused { chunk, version, refusal };
                return self.cx.send(from, refused);
            }
        };
        if *applied_version == version {
            // All members of a first configuration begin with the same content, none.
            let sequence = image.sequence;
            return self.cx.send(from, reconcile::Installed { chunk, version, sequence });
        }
        let (committed, touched) = (image.committed, image.touched_after(image.committed));
        self.cx.send(from, reconcile::RangesReply { chunk, version, committed, touched });
    }

    /// Is this replica to become like the primary of `version`? Gives its record.
    fn check_reconcile(&self, version: ChunkVersion) -> Result<&'a ReplicaRecord, Refusal> {
        let promised = self.fence();
        if self.service.is_stopped() {
            return Err(Refusal::DiskFailed);
        }
        let Some(record) = self.record else { return Err(Refusal::Stale { promised }) };
        let whole = counts_as_whole(self.cx.rules(), record.learner);
        if promised != version || record.promised != version || !whole {
            return Err(Refusal::Stale { promised });
        }
        Ok(record)
    }

    /// Primary: reads what the member must have, or sends it at once if that is nothing.
    pub fn on_ranges(&mut self, from: NodeId, message: reconcile::RangesReply) -> Then {
        let reconcile::RangesReply { chunk: _, version, committed, touched } = message;
        let both = self.cx.rules().reconcile_both_sides;
        let Some(record) = self.record else { return Then::Nothing };
        let own = if both { record.image.touched_after(committed) } else { Vec::new() };
        let mut ranges = Ranges::of(touched.into_iter().chain(own));
        ranges.clip(record.image.length);
        self.touch();
        let Some(primary) = self.live.primary_mut() else { return Then::Nothing };
        if primary.version() != version || !primary.leads() {
            return Then::Nothing;
        }
        // With too much for one message it stays unreconciled, is reported as stalled, and comes
        // back as a learner.
        let fits = ranges.bytes() <= RECONCILE_BYTES_MAX;
        if !primary.peers.begin_sending(from, fits, self.cx.now) {
            return Then::Nothing;
        }
        let reader = ReadFor::Reconcile { member: from, version };
        self.live.reads.push(ReadJob::inner(reader, ranges.extents()));
        Then::Progress
    }

    /// Primary: the bytes are read, and the member is sent them with the rest of the state; or
    /// they cannot be read, and it is asked again until the master has found another primary.
    pub fn send_reconcile(
        &mut self,
        member: NodeId,
        version: ChunkVersion,
        result: Result<ReadBytes, Refusal>,
    ) {
        let chunk = self.chunk;
        let Some(primary) = self.live.primary_mut() else { return };
        let Ok(ReadBytes { pieces, payload, .. }) = result else {
            primary.peers.end_sending(member);
            return;
        };
        let over = primary.version() != version || primary.is_retired();
        let Some(record) = self.record.filter(|_| !over) else { return };
        if primary.peers.end_sending(member) {
            let image = Box::new(record.image.clone());
            let install = reconcile::Install { chunk, version, image, pieces, payload };
            self.cx.send(member, install);
        }
    }

    /// Member: takes the primary's state.
    pub fn on_install(&mut self, from: NodeId, message: reconcile::Install) {
        let reconcile::Install { chunk, version, image, pieces, payload } = message;
        let Ok(record) = self.check_reconcile(version) else { return };
        if !image.is_sound(&record.spec) || !fit(&pieces, image.length, &payload) {
            return;
        }
        let done = record.applied_version == version;
        self.touch();
        if done || self.live.is_busy() || self.live.health.is_incomplete() {
            // The primary asks again.
            return;
        }
        self.live.role = Role::Member;
        self.live.queue.set_pushed_by(from);
        let change = ReplicaChange::Reconcile { chunk, version, image };
        self.write_bytes(change, ReplicaData::pieces(pieces, payload));
    }

    /// Member: it is durably like the primary.
    pub fn on_installed(&mut self, version: ChunkVersion) {
        self.observe_adopted(version, false);
        let Some(record) = self.record else { return };
        let (chunk, sequence) = (self.chunk, record.image.sequence);
        if let (Some(primary), true) = (self.live.queue.pushed_by(), self.fence() == version) {
            self.cx.send(primary, reconcile::Installed { chunk, version, sequence });
        }
    }

    /// Primary: a member is like this node; when all are, mutations may begin.
    pub fn on_reconciled(&mut self, from: NodeId, message: reconcile::Installed) -> Then {
        let reconcile::Installed { chunk: _, version, sequence } = message;
        let now = self.cx.now;
        let Some(primary) = self.live.primary_mut() else { return Then::Nothing };
        if primary.version() != version || primary.is_retired() {
            return Then::Nothing;
        }
        if !primary.peers.on_reconciled(from, sequence, now) {
            return Then::Nothing;
        }
        self.begin_if_ready();
        Then::Progress
    }

    fn begin_if_ready(&mut self) {
        self.touch();
        let Replica { chunk, record: Some(record), live, cx, .. } = self else { return };
        let Live { role: Role::Primary(primary), queue, .. } = &mut **live else { return };
        if primary.begin(&record.image) {
            let (version, sequence) = (primary.version(), primary.order.committed());
            queue.set_committed(sequence);
            cx.observe(Event::Committed { chunk: *chunk, version, sequence });
        }
    }
}
