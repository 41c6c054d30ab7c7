//! A learner: pulls a copy from the primary, step by step, and becomes a member when it is whole.

use super::Chunkserver;
use super::live::{Live, Role};
use crate::config::Constants;
use crate::event::Event;
use crate::ids::{ChunkHandle, ChunkVersion, CopyId, Epoch, NodeId};
use crate::io::{IoOp, ReplicaData};
use crate::machine::Effects;
use crate::message::copy;
use crate::message::{CopyEnd, Message};
use crate::replica::ReplicaChange;
use crate::time::{Deadline, Time};
use alloc::boxed::Box;

/// Where a copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// What was here is being dropped.
    Starting,
    /// A step is asked for.
    Asking,
    /// A step is being written.
    Writing,
    /// Nothing is left for the moment; ask again after a pause.
    Pausing,
    /// The image is being installed.
    Installing,
    /// Whole and durable; the master is told until it configures.
    Whole,
}

/// A copy under way, at its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Learner {
    master: NodeId,
    epoch: Epoch,
    /// Under which it copies.
    version: ChunkVersion,
    source: NodeId,
    /// The copy that the source began for it; known from the first answer on.
    copy: Option<CopyId>,
    step: u64,
    phase: Phase,
    acted_at: Time,
    progressed_at: Time,
    caught_up: bool,
    /// The Prepare that it answered: epoch and version.
    prepared: Option<(Epoch, ChunkVersion)>,
    /// What comes after the bytes of the step being written.
    end: Option<Box<CopyEnd>>,
    left_bytes: u64,
}

impl Learner {
    pub fn deadline(&self, constants: &Constants) -> Option<Deadline> {
        match self.phase {
            Phase::Starting | Phase::Writing | Phase::Installing => None,
            Phase::Asking | Phase::Pausing | Phase::Whole => {
                let at = self.acted_at + constants.retry_interval;
                Some(Deadline { at, why: "a learner asks again" })
            }
        }
    }
}

impl Chunkserver {
    pub(super) fn on_become_learner(
        &mut self,
        now: Time,
        from: NodeId,
        message: copy::Order,
        out: &mut Effects,
    ) {
        let copy::Order { chunk, epoch, version, incarnation, source, spec } = message;
        if incarnation != self.config.incarnation || self.disk_failed {
            return;
        }
        if let Some(learner) = self.live.get_mut(&chunk).and_then(Live::learner_mut)
            && learner.version == version
            && learner.source == source
        {
            // A new leader takes the copy over as it stands. A delayed order of a deposed leader
            // must not take it back.
            if epoch >= learner.epoch {
                (learner.master, learner.epoch) = (from, epoch);
            }
            return;
        }
        // The order names a committed version that this node is no member of; what is here is no
        // source for anybody. Once more is promised, the order is an old one.
        if self.fence(chunk) > version {
            return self.send(from, copy::Failed { chunk, version, incarnation }, out);
        }
        let live = self.live(chunk);
        if live.writing || live.promising.is_some() || !live.reading.is_empty() {
            return;
        }
        live.queue.clear();
        live.fence = version;
        // Room for more steps than any copy takes.
        self.last_step += 1 << 32;
        let step = self.last_step;
        self.live(chunk).role = Role::Learner(
            Learner {
                master: from,
                epoch,
                version,
                source,
                copy: None,
                step,
                phase: Phase::Starting,
                acted_at: now,
                progressed_at: now,
                caught_up: false,
                prepared: None,
                end: None,
                left_bytes: 0,
            }
            .into(),
        );
        self.end_lease(chunk, out);
        self.refuse_strong_reads(chunk, out);
        self.start_learner_io(chunk, version, spec, out);
    }

    fn learner(&mut self, chunk: ChunkHandle) -> Option<&mut Learner> {
        self.live(chunk).learner_mut()
    }

    fn ask_copy(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        let incarnation = self.config.incarnation;
        let Some(learner) = self.learner(chunk) else { return };
        learner.phase = Phase::Asking;
        learner.acted_at = now;
        let (source, version) = (learner.source, learner.version);
        let (copy, step) = (learner.copy, learner.step);
        let prepared = learner.prepared.map(|(_, version)| version);
        let ask = copy::Request { chunk, incarnation, version, copy, step, prepared };
        self.send(source, ask, out);
    }

    pub(super) fn on_tell_copy(
        &mut self,
        now: Time,
        from: NodeId,
        message: copy::Step,
        out: &mut Effects,
    ) {
        let copy::Step { chunk, incarnation, copy, step, pieces, left_bytes, end, payload } =
            message;
        let own = self.config.incarnation;
        let live = self.live(chunk);
        let busy = live.writing || live.promising.is_some();
        let Some(learner) = live.learner_mut() else { return };
        let expected = incarnation == own
            && learner.source == from
            && learner.copy.is_none_or(|own| own == copy)
            && learner.step == step
            && learner.phase == Phase::Asking;
        let bytes: u64 = pieces.iter().map(|piece| piece.length).sum();
        if !expected || busy || bytes != payload.len() {
            return;
        }
        learner.copy = Some(copy);
        learner.progressed_at = now;
        learner.acted_at = now;
        learner.left_bytes = left_bytes;
        learner.end = end;
        if pieces.is_empty() {
            return self.on_step_written(now, chunk, out);
        }
        learner.phase = Phase::Writing;
        let data = ReplicaData::pieces(pieces, payload);
        self.start_write(IoOp::Replica(ReplicaChange::CopyIn { chunk }, data), out);
    }

    pub(super) fn on_copy_written(
        &mut self,
        now: Time,
        chunk: ChunkHandle,
        change: &ReplicaChange,
        out: &mut Effects,
    ) {
        match change {
            ReplicaChange::StartLearner { .. } => {
                let live = self.live(chunk);
                (live.corrupt, live.incomplete) = (false, false);
                self.ask_copy(chunk, now, out);
            }
            ReplicaChange::CopyIn { .. } => self.on_step_written(now, chunk, out),
            ReplicaChange::Install { version, image, .. } => {
                let sequence = image.sequence;
                out.observe(Event::LearnerComplete { chunk, version: *version, sequence });
                if let Some(learner) = self.learner(chunk) {
                    learner.phase = Phase::Whole;
                }
                self.tell_ready(chunk, now, out);
            }
            _ => unreachable!("not a write of a copy"),
        }
    }

    /// A step is on the disk: the end, the next step, or a pause.
    fn on_step_written(&mut self, now: Time, chunk: ChunkHandle, out: &mut Effects) {
        let step_bytes = u64::from(self.constants().copy_step_bytes_max);
        let Some(learner) = self.learner(chunk) else { return };
        learner.step += 1;
        if let Some(end) = learner.end.take() {
            let CopyEnd { version, image } = *end;
            learner.phase = Phase::Installing;
            return self.start_write(ReplicaChange::Install { chunk, version, image }, out);
        }
        let nearly = learner.left_bytes <= step_bytes;
        if nearly && !learner.caught_up {
            learner.caught_up = true;
            self.tell_caught_up(chunk, out);
        }
        let Some(learner) = self.learner(chunk) else { return };
        if learner.left_bytes == 0 {
            learner.phase = Phase::Pausing;
        } else {
            self.ask_copy(chunk, now, out);
        }
    }

    /// The learner answered a Prepare: what is left after it is the end.
    pub(super) fn ask_end_of_copy(
        &mut self,
        chunk: ChunkHandle,
        epoch: Epoch,
        version: ChunkVersion,
    ) {
        let Some(learner) = self.learner(chunk) else { return };
        // A delayed Prepare changes nothing: neither one of the version under which the copy is made,
        // or below, nor one of a deposed leader.
        let latest = learner.prepared.is_none_or(|(e, v)| (v, e) <= (version, epoch));
        if version > learner.version && latest {
            learner.prepared = Some((epoch, version));
            if learner.phase == Phase::Pausing {
                // Asks at its next alarm, which is due at once.
                learner.acted_at = Time(0);
            }
        }
    }

    fn tell_caught_up(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let incarnation = self.config.incarnation;
        let Some(learner) = self.learner(chunk) else { return };
        let (master, epoch, version) = (learner.master, learner.epoch, learner.version);
        self.send(master, copy::CaughtUp { chunk, epoch, version, incarnation }, out);
    }

    fn tell_ready(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        let incarnation = self.config.incarnation;
        let Some(state) = self.state_of(chunk) else { return };
        let Some(learner) = self.learner(chunk) else { return };
        learner.acted_at = now;
        let Some((epoch, version)) = learner.prepared else { return };
        let master = learner.master;
        let ready = Message::CopyReport(copy::Report::Ready(copy::Ready {
            chunk,
            epoch,
            version,
            incarnation,
            state,
        }));
        self.send(master, ready, out);
    }

    pub(super) fn on_copy_void(&mut self, from: NodeId, message: copy::Void, out: &mut Effects) {
        let copy::Void { chunk, incarnation, step } = message;
        let own = incarnation == self.config.incarnation;
        let Some(learner) = self.live.get(&chunk).and_then(|live| match &live.role {
            Role::Learner(learner) => Some(learner),
            Role::Member | Role::Primary(_) => None,
        }) else {
            return;
        };
        let asked = learner.step == step && learner.phase != Phase::Whole;
        if own && learner.source == from && asked {
            self.give_up_copy(chunk, out);
        }
    }

    /// The copy cannot go on; the master may order another.
    pub(super) fn give_up_copy(&mut self, chunk: ChunkHandle, out: &mut Effects) {
        let incarnation = self.config.incarnation;
        let Some(learner) = self.learner(chunk) else { return };
        let (master, version) = (learner.master, learner.version);
        // An image on its way to the disk decides; one that found no room there does not.
        let installing = learner.phase == Phase::Installing;
        if installing && self.live(chunk).writing {
            return;
        }
        self.live(chunk).role = Role::Member;
        self.link.dirty.insert(chunk);
        self.send(master, copy::Failed { chunk, version, incarnation }, out);
    }

    pub(super) fn tend_learner(&mut self, chunk: ChunkHandle, now: Time, out: &mut Effects) {
        let constants = self.config.constants.clone();
        let Some(learner) = self.learner(chunk) else { return };
        if now.since(learner.acted_at) < constants.retry_interval {
            return;
        }
        match learner.phase {
            Phase::Starting | Phase::Writing | Phase::Installing => {}
            Phase::Whole => {
                // A new leader knows nothing of the change that its predecessor had prepared.
                if learner.prepared.is_some_and(|(epoch, _)| epoch != learner.epoch) {
                    self.tell_caught_up(chunk, out);
                }
                self.tell_ready(chunk, now, out);
            }
            Phase::Asking | Phase::Pausing => {
                if now.since(learner.progressed_at) >= constants.repair_stalled_after {
                    return self.give_up_copy(chunk, out);
                }
                if learner.caught_up && learner.prepared.is_none() {
                    self.tell_caught_up(chunk, out);
                }
                self.ask_copy(chunk, now, out);
            }
        }
    }
}
