//! The source of a copy: the primary hands a learner everything, while mutations go on.
//!
//! What is left to copy starts as the whole chunk, and every mutation that goes to the disk puts
//! its bytes back into it. After the Prepare nothing is added any more; what is left then is
//! copied, and with the last bytes goes the image: the learner is as good as its source. The set
//! is volatile: a restart of the source voids its copies.
//!
//! If the same copy could begin twice, each time with a new set, a learner that took bytes of the
//! first beginning and the rest of the second would miss what was written between the two. So the
//! source gives every beginning an identity, which each request after the opening one repeats and
//! each reply carries; and an opening request begins a copy only if it is newer than the one that
//! opened the copy under way, so that a delayed or repeated one does nothing.

use super::Chunkserver;
use super::live::Live;
use super::read::{ReadFor, ReadJob};
use crate::ids::{ChunkHandle, ChunkVersion, CopyId, Incarnation, NodeId};
use crate::machine::Effects;
use crate::message::CopyEnd;
use crate::message::copy;
use crate::payload::{Extent, Payload};
use crate::ranges::Ranges;
use crate::replica::ReplicaChange;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// One copy under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CopySource {
    id: CopyId,
    /// The request that opened it: the learner's incarnation and the step. A learner's opening
    /// requests are ordered by the two.
    opened_by: (Incarnation, u64),
    /// What the learner does not have.
    pub left: Ranges,
    /// The step answered last, or being read.
    step: Option<u64>,
    /// What that step holds. A step that is asked for again is answered with the same pieces and
    /// no others: the learner takes one of the answers, and nobody knows which.
    pieces: Vec<Extent>,
    /// The step is being read.
    reading: bool,
    /// The learner promised this version and asks for the end.
    prepared: Option<ChunkVersion>,
}

impl CopySource {
    fn new(id: CopyId, opened_by: (Incarnation, u64), left: Ranges) -> Self {
        let (step, pieces, prepared) = (None, Vec::new(), None);
        CopySource { id, opened_by, left, step, pieces, reading: false, prepared }
    }

    /// Is this the step that was answered last, or the one after it?
    fn goes_on_at(&self, step: u64) -> bool {
        self.step.is_some_and(|last| step == last || step == last + 1)
    }
}

impl Chunkserver {
    pub(super) fn on_ask_copy(
        &mut self,
        now: Time,
        from: NodeId,
        message: copy::Request,
        out: &mut Effects,
    ) {
        let copy::Request { chunk, incarnation, version, copy, step, prepared } = message;
        if !self.may_copy(chunk, from, version, copy, (incarnation, step)) {
            return self.send(from, copy::Void { chunk, incarnation, step }, out);
        }
        let bytes_max = u64::from(self.constants().copy_step_bytes_max);
        let length = self.record(chunk).expect("checked above").image.length;
        let live = self.live(chunk);
        // What is on its way to the disk belongs to the chunk already: the read waits for it.
        let end = live.writing_extents.iter().map(Extent::end).fold(length, u64::max);
        let primary = live.primary_mut().expect("checked above");
        primary.used_at = now;
        let copy = primary.copies.get_mut(&from).expect("checked above");
        if copy.reading {
            return;
        }
        copy.left.clip(end);
        copy.prepared = prepared;
        if copy.step != Some(step) {
            copy.step = Some(step);
            copy.pieces = copy.left.take(bytes_max);
        }
        copy.reading = true;
        let extents = copy.pieces.clone();
        let reader = ReadFor::Copy { learner: from, copy: copy.id, step };
        self.live(chunk).reads.push(ReadJob::inner(reader, extents));
        self.go_on(chunk, now, out);
    }

    /// Does this request belong to the copy under way, or may it open a new one? A new one replaces
    /// the learner's earlier copy; requests that opened that one, or older ones, are void from then
    /// on.
    fn may_copy(
        &mut self,
        chunk: ChunkHandle,
        from: NodeId,
        version: ChunkVersion,
        copy: Option<CopyId>,
        (incarnation, step): (Incarnation, u64),
    ) -> bool {
        let Some(length) = self.record(chunk).map(|r| r.image.length) else { return false };
        let Some(live) = self.live.get_mut(&chunk) else { return false };
        if live.corrupt {
            return false;
        }
        let at_disk = live.writing_extents.clone();
        let Some(primary) = live.primary_mut() else { return false };
        if primary.version != version || !primary.ready {
            return false;
        }
        let known = primary.copies.get(&from);
        if let Some(id) = copy {
            return known.is_some_and(|known| known.id == id && known.goes_on_at(step));
        }
        let opened_by = (incarnation, step);
        if let Some(known) = known.filter(|known| opened_by <= known.opened_by) {
            return opened_by == known.opened_by && known.step == Some(step);
        }
        if primary.retired {
            return false;
        }
        let whole = Extent::new(0, length);
        let left = Ranges::of(at_disk.into_iter().chain([whole]));
        self.last_copy += 1;
        let id = CopyId { life: self.config.incarnation, number: self.last_copy };
        primary.copies.insert(from, CopySource::new(id, opened_by, left));
        true
    }

    /// The bytes of a step are read.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn send_copy(
        &mut self,
        chunk: ChunkHandle,
        learner: NodeId,
        id: CopyId,
        step: u64,
        pieces: Vec<Extent>,
        payload: Payload,
        out: &mut Effects,
    ) {
        let record = self.record(chunk).expect("a source has its replica").clone();
        let fence = self.fence(chunk);
        let live = self.live(chunk);
        let drained = !live.writing && live.promising.is_none() && record.promised == fence;
        let Some(primary) = live.primary_mut() else { return };
        let Some(copy) = primary.copies.get_mut(&learner) else { return };
        if copy.id != id || copy.step != Some(step) {
            return;
        }
        copy.reading = false;
        let prepared = copy.prepared == Some(fence) && fence > primary.version && drained;
        let done = prepared && copy.left.is_empty();
        let (version, image) = (record.applied_version, record.image);
        let end = done.then(|| Box::new(CopyEnd { version, image: Box::new(image) }));
        let (left_bytes, (incarnation, _)) = (copy.left.bytes(), copy.opened_by);
        let copy = id;
        let told = copy::Step { chunk, incarnation, copy, step, pieces, left_bytes, end, payload };
        self.send(learner, told, out);
    }

    /// The bytes of a step cannot be read: the copy is void.
    pub(super) fn end_copy(
        &mut self,
        chunk: ChunkHandle,
        learner: NodeId,
        id: CopyId,
        step: u64,
        out: &mut Effects,
    ) {
        let Some(primary) = self.live(chunk).primary_mut() else { return };
        let Some(copy) = primary.copies.get(&learner).filter(|copy| copy.id == id) else { return };
        let (incarnation, _) = copy.opened_by;
        primary.copies.remove(&learner);
        self.send(learner, copy::Void { chunk, incarnation, step }, out);
    }

    /// Is this I/O's chunk the source of a copy?
    pub(super) fn has_copies(live: &Live) -> bool {
        live.primary().is_some_and(|primary| !primary.retired && !primary.copies.is_empty())
    }

    /// The order to begin: drops what is here and starts an incomplete copy.
    pub(super) fn start_learner_io(
        &mut self,
        chunk: ChunkHandle,
        promised: ChunkVersion,
        spec: crate::replica::ChunkSpec,
        out: &mut Effects,
    ) {
        self.start_write(ReplicaChange::StartLearner { chunk, promised, spec }, out);
    }
}
