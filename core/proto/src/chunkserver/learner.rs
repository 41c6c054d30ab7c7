//! A learner: pulls a copy from the primary, step by step, and becomes a member when it is whole.

use super::fence::Answered;
use super::live::Role;
use super::replica::Replica;
use crate::config::Constants;
use crate::event::Event;
use crate::ids::{ChunkVersion, CopyId, Epoch, NodeId, Sequence};
use crate::io::ReplicaData;
use crate::message::CopyEnd;
use crate::message::copy;
use crate::payload::fit;
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

/// Numbers the steps of the copies that this life of the server asks for, of whatever chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CopySteps {
    last: u64,
}

impl CopySteps {
    /// The first step of another copy, with room for more steps than any copy takes.
    fn begin(&mut self) -> u64 {
        self.last += 1 << 32;
        self.last
    }
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

impl Replica<'_> {
    /// Is a copy to begin? What is here of the chunk is dropped for it.
    pub fn on_copy_order(&mut self, from: NodeId, order: copy::Order) -> bool {
        let copy::Order { chunk, epoch, version, incarnation, source, spec } = order;
        if incarnation != self.incarnation || self.service.is_stopped() || !spec.is_sound() {
            return false;
        }
        if let Some(learner) = self.live.learner_mut()
            && learner.version == version
            && learner.source == source
        {
            // A new leader takes the copy over as it stands. A delayed order of a deposed leader
            // must not take it back.
            if epoch >= learner.epoch {
                (learner.master, learner.epoch) = (from, epoch);
            }
            return false;
        }
        // The order names a committed version that this node is no member of; what is here is no
        // source for any copy. Once more is promised, the order is an old one.
        if self.fence() > version {
            let failed = copy::Failed { chunk, version, incarnation, no_space: false };
            self.cx.send(from, failed);
            return false;
        }
        self.touch();
        if self.live.is_busy() {
            return false;
        }
        self.live.queue.clear();
        self.live.fence.raise(version);
        let step = self.copy_steps.begin();
        let learner = Learner {
            master: from,
            epoch,
            version,
            source,
            copy: None,
            step,
            phase: Phase::Starting,
            acted_at: self.cx.now,
            progressed_at: self.cx.now,
            caught_up: false,
            prepared: None,
            end: None,
            left_bytes: 0,
        };
        self.live.role = Role::Learner(learner.into());
        true
    }

    fn learner(&mut self) -> Option<&mut Learner> {
        self.touch();
        self.live.learner_mut()
    }

    fn request_step(&mut self) {
        let (chunk, incarnation, now) = (self.chunk, self.incarnation, self.cx.now);
        let Some(learner) = self.learner() else { return };
        learner.phase = Phase::Asking;
        learner.acted_at = now;
        let (source, version) = (learner.source, learner.version);
        let (copy, step) = (learner.copy, learner.step);
        let prepared = learner.prepared.map(|(_, version)| version);
        let request = copy::Request { chunk, incarnation, version, copy, step, prepared };
        self.cx.send(source, request);
    }

    /// The source answered with the bytes of a step.
    pub fn on_copy_step(&mut self, from: NodeId, answer: copy::Step) {
        let copy::Step { chunk, incarnation, copy, step, pieces, left_bytes, end, payload } =
            answer;
        let (own, now, busy) = (self.incarnation, self.cx.now, self.live.is_changing());
        let sound = self.record.is_some_and(|record| {
            let end = end.as_ref().is_none_or(|end| {
                end.version <= record.promised && end.image.is_sound(&record.spec)
            });
            end && fit(&pieces, record.spec.chunk_bytes, &payload)
        });
        let Some(learner) = self.learner() else { return };
        let expected = incarnation == own
            && learner.source == from
            && learner.copy.is_none_or(|own| own == copy)
            && learner.step == step
            && learner.phase == Phase::Asking;
        if !expected || busy || !sound {
            return;
        }
        learner.copy = Some(copy);
        learner.progressed_at = now;
        learner.acted_at = now;
        learner.left_bytes = left_bytes;
        learner.end = end;
        if pieces.is_empty() {
            return self.on_step_written();
        }
        learner.phase = Phase::Writing;
        let data = ReplicaData::pieces(pieces, payload);
        self.write_bytes(ReplicaChange::CopyIn { chunk }, data);
    }

    /// What was here is dropped, and an empty copy is in its place.
    pub fn on_copy_started(&mut self) {
        self.live.health.begin_copy();
        self.request_step();
    }

    /// The image is installed: the copy is whole.
    pub fn on_copy_installed(&mut self, version: ChunkVersion, sequence: Sequence) {
        self.cx.observe(Event::LearnerComplete { chunk: self.chunk, version, sequence });
        if let Some(learner) = self.learner() {
            learner.phase = Phase::Whole;
        }
        self.report_ready();
    }

    /// A step is on the disk: the end, the next step, or a pause.
    pub fn on_step_written(&mut self) {
        let chunk = self.chunk;
        let step_bytes = u64::from(self.cx.constants.copy_step_bytes_max);
        let Some(learner) = self.learner() else { return };
        learner.step += 1;
        if let Some(end) = learner.end.take() {
            let CopyEnd { version, image } = *end;
            learner.phase = Phase::Installing;
            return self.write(ReplicaChange::Install { chunk, version, image });
        }
        let left_bytes = learner.left_bytes;
        if left_bytes == 0 {
            learner.phase = Phase::Pausing;
        }
        if left_bytes <= step_bytes && !core::mem::replace(&mut learner.caught_up, true) {
            self.report_caught_up();
        }
        if left_bytes > 0 {
            self.request_step();
        }
    }

    /// The learner answered a Prepare: what is left after it is the end.
    pub fn on_prepare_answered(&mut self, answered: &Answered) {
        let Answered { epoch, version } = *answered;
        let Some(learner) = self.learner() else { return };
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

    fn report_caught_up(&mut self) {
        let (chunk, incarnation) = (self.chunk, self.incarnation);
        let Some(learner) = self.learner() else { return };
        let (master, epoch, version) = (learner.master, learner.epoch, learner.version);
        self.cx.send(master, copy::CaughtUp { chunk, epoch, version, incarnation });
    }

    fn report_ready(&mut self) {
        let (chunk, incarnation, now) = (self.chunk, self.incarnation, self.cx.now);
        let Some(state) = self.record.map(|record| self.live.state(record)) else { return };
        let Some(learner) = self.learner() else { return };
        learner.acted_at = now;
        let Some((epoch, version)) = learner.prepared else { return };
        let master = learner.master;
        self.cx.send(master, copy::Ready { chunk, epoch, version, incarnation, state });
    }

    /// The source does not go on with the copy.
    pub fn on_copy_void(&mut self, from: NodeId, message: copy::Void) {
        let copy::Void { chunk: _, incarnation, step } = message;
        let own = incarnation == self.incarnation;
        let Some(learner) = self.live.learner_mut() else { return };
        let asked = learner.step == step && learner.phase != Phase::Whole;
        if own && learner.source == from && asked {
            self.give_up_copy(false);
        }
    }

    /// The copy cannot go on, for lack of room or another reason; the master may order another.
    pub fn give_up_copy(&mut self, no_space: bool) {
        let (chunk, incarnation) = (self.chunk, self.incarnation);
        let Some(learner) = self.learner() else { return };
        let (master, version) = (learner.master, learner.version);
        // An image on its way to the disk decides; one that found no room there does not.
        let installing = learner.phase == Phase::Installing;
        if installing && self.live.slot.is_taken() {
            return;
        }
        self.live.role = Role::Member;
        self.link.note_change(chunk);
        self.cx.send(master, copy::Failed { chunk, version, incarnation, no_space });
    }

    /// Repeats what the source or the master has not answered.
    pub fn on_learner_timer(&mut self) {
        let (now, constants) = (self.cx.now, self.cx.constants);
        let Some(learner) = self.learner() else { return };
        if now.since(learner.acted_at) < constants.retry_interval {
            return;
        }
        match learner.phase {
            Phase::Starting | Phase::Writing | Phase::Installing => {}
            Phase::Whole => {
                // A new leader knows nothing of the change that its predecessor had prepared.
                if learner.prepared.is_some_and(|(epoch, _)| epoch != learner.epoch) {
                    self.report_caught_up();
                }
                self.report_ready();
            }
            Phase::Asking | Phase::Pausing => {
                if now.since(learner.progressed_at) >= constants.repair_stalled_after {
                    return self.give_up_copy(false);
                }
                if learner.caught_up && learner.prepared.is_none() {
                    self.report_caught_up();
                }
                self.request_step();
            }
        }
    }
}
