//! The source of a copy: the primary hands a learner everything, while mutations go on.
//!
//! What is left to copy starts as all that was ever written to the chunk, without its holes, and every
//! mutation that goes to the disk puts its bytes back into it. After the Prepare nothing is added any more; what is left then is
//! copied, and with the last bytes goes the image: the learner is as good as its source. The set
//! is volatile: a restart of the source voids its copies.
//!
//! If the same copy could begin twice, each time with a new set, a learner that took bytes of the
//! first beginning and the rest of the second would miss what was written between the two. So the
//! source gives every beginning an identity, which each request after the opening one repeats and
//! each reply carries; and an opening request begins a copy only if it is newer than the one that
//! opened the copy under way, so that a delayed or repeated one does nothing.

use super::read::{ReadBytes, ReadFor, ReadJob};
use super::replica::{Replica, Then};
use crate::ids::{ChunkVersion, CopyId, Incarnation, NodeId};
use crate::message::CopyEnd;
use crate::message::copy;
use crate::payload::Extent;
use crate::ranges::Ranges;
use crate::refusal::Refusal;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// One copy under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct CopySource {
    id: CopyId,
    /// The request that opened it: the learner's incarnation and the step. A learner's opening
    /// requests are ordered by the two.
    opened_by: (Incarnation, u64),
    /// What the learner does not have.
    left: Ranges,
    /// The step answered last, or being read.
    step: Option<u64>,
    /// What that step holds. A step that is asked for again is answered with the same pieces and
    /// no others: the learner takes one of the answers, and which one is not known here.
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

/// Numbers the copies that begin at this source, counted in this life of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct CopyIds {
    last: u64,
}

impl CopyIds {
    fn begin(&mut self, life: Incarnation) -> CopyId {
        self.last += 1;
        CopyId { life, number: self.last }
    }
}

/// The copies that a primary is the source of, by learner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Copies {
    by_learner: BTreeMap<NodeId, CopySource>,
}

impl Copies {
    pub fn is_empty(&self) -> bool {
        self.by_learner.is_empty()
    }

    /// These bytes go to the disk: copies under way must copy them again. From here on a read of
    /// them waits for the change, so that a step that takes them out of the set reads them changed.
    pub fn on_written(&mut self, extents: Vec<Extent>) {
        for copy in self.by_learner.values_mut() {
            for extent in &extents {
                copy.left.insert(*extent);
            }
        }
    }
}

impl Replica<'_> {
    pub fn on_copy_request(&mut self, from: NodeId, request: copy::Request) -> Then {
        let copy::Request { chunk, incarnation, version, copy, step, prepared } = request;
        let may = self.may_copy(from, version, copy, (incarnation, step));
        let bytes_max = u64::from(self.cx.constants.copy_step_bytes_max);
        let (length, chunk_bytes) =
            self.record.map_or((0, 0), |record| (record.image.length, record.spec.chunk_bytes));
        // What is on its way to the disk belongs to the chunk already: the read waits for it.
        let end = if self.live.is_changing() { chunk_bytes } else { length };
        let Some(primary) = self.live.primary_mut().filter(|_| may) else {
            self.cx.send(from, copy::Void { chunk, incarnation, step });
            return Then::Nothing;
        };
        primary.use_at(self.cx.now);
        self.touched.insert(chunk);
        let Some(copy) = primary.copies.by_learner.get_mut(&from) else { return Then::Nothing };
        if copy.reading {
            return Then::Nothing;
        }
        copy.prepared = prepared;
        if copy.step != Some(step) {
            copy.step = Some(step);
            // What is behind the end now is left: the learner may have bytes there from before a cut, and
            // they are zeros if the chunk grows again.
            let behind = copy.left.split_off(end);
            copy.pieces = copy.left.take(bytes_max);
            behind.extents().into_iter().for_each(|extent| copy.left.insert(extent));
        }
        copy.reading = true;
        let extents = copy.pieces.clone();
        let reader = ReadFor::Copy { learner: from, copy: copy.id, step };
        self.live.reads.push(ReadJob::inner(reader, extents));
        Then::Progress
    }

    /// Does this request belong to the copy under way, or may it open a new one? A new one replaces
    /// the learner's earlier copy; requests that opened that one, or older ones, are void from then
    /// on.
    fn may_copy(
        &mut self,
        from: NodeId,
        version: ChunkVersion,
        copy: Option<CopyId>,
        opened_by: (Incarnation, u64),
    ) -> bool {
        let Some(record) = self.record else { return false };
        let chunk_bytes = record.spec.chunk_bytes;
        let written = record.image.written.extents().iter().copied();
        if self.live.health.is_corrupt() {
            return false;
        }
        let at_disk = self.live.slot.extents().to_vec();
        let Some(primary) = self.live.primary_mut() else { return false };
        if primary.version() != version || !primary.can_be_copied() {
            return false;
        }
        let known = primary.copies.by_learner.get(&from);
        let (_, step) = opened_by;
        if let Some(id) = copy {
            return known.is_some_and(|known| known.id == id && known.goes_on_at(step));
        }
        if let Some(known) = known.filter(|known| opened_by <= known.opened_by) {
            return opened_by == known.opened_by && known.step == Some(step);
        }
        if primary.is_retired() {
            return false;
        }
        let mut left = Ranges::of(at_disk.into_iter().chain(written));
        left.clip(chunk_bytes);
        let id = self.copy_ids.begin(self.incarnation);
        primary.copies.by_learner.insert(from, CopySource::new(id, opened_by, left));
        true
    }

    /// The bytes of a step are read, or cannot be read: then the copy is void.
    pub fn send_copy(
        &mut self,
        learner: NodeId,
        id: CopyId,
        step: u64,
        result: Result<ReadBytes, Refusal>,
    ) {
        let (chunk, fence, changing) = (self.chunk, self.fence(), self.live.is_changing());
        let Some(record) = self.record else { return };
        let drained = !changing && record.promised == fence;
        let Some(primary) = self.live.primary_mut() else { return };
        let stopped = fence > primary.version() && drained;
        let copies = &mut primary.copies.by_learner;
        let Some(copy) = copies.get_mut(&learner).filter(|copy| copy.id == id) else { return };
        let (incarnation, _) = copy.opened_by;
        let Ok(ReadBytes { pieces, payload, .. }) = result else {
            copies.remove(&learner);
            return self.cx.send(learner, copy::Void { chunk, incarnation, step });
        };
        if copy.step != Some(step) {
            return;
        }
        copy.reading = false;
        // A cut came before the read, so that it was short: what it lacks is sent as zeros if the chunk
        // grows again.
        if pieces != copy.pieces {
            copy.pieces.iter().for_each(|extent| copy.left.insert(*extent));
        }
        let prepared = copy.prepared == Some(fence) && stopped;
        let left_bytes = copy.left.bytes_below(record.image.length);
        let done = prepared && left_bytes == 0;
        let (version, image) = (record.applied_version, &record.image);
        let end = done.then(|| Box::new(CopyEnd { version, image: Box::new(image.clone()) }));
        let copy = id;
        let answer =
            copy::Step { chunk, incarnation, copy, step, pieces, left_bytes, end, payload };
        self.cx.send(learner, answer);
    }
}
