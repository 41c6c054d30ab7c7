//! What a round does for changes under way: repeat, decide, and let go of what waits in vain.

use super::{Change, Stage};
use crate::ids::ChunkHandle;
use crate::master::leader::Leader;
use alloc::vec::Vec;

impl Leader<'_> {
    /// Repeats Prepares, and looks whether waiting was long enough.
    pub(in crate::master) fn tick_changes(&mut self) {
        let now = self.cx.now;
        self.free_places();
        let lead = &*self.lead;
        for chunk in lead.changes.keys().copied().collect::<Vec<_>>() {
            let change = self.change(chunk).expect("listed above");
            if change.stage == Stage::Unresolved {
                change.asked_at = now;
                let above = change.version.max(self.state.chunks()[chunk].version()).next();
                self.raise(chunk, above);
                continue;
            }
            if change.stage != Stage::Asking {
                continue;
            }
            self.place_elsewhere(chunk);
            let change = self.change(chunk).expect("listed above");
            let unplaced = change.targets.is_empty() && self.state.chunks()[chunk].config.is_none();
            self.prepare(chunk);
            self.evaluate(chunk);
            if unplaced {
                self.drop_unplaced(chunk);
            }
        }
    }

    /// A new chunk that no server can take has nothing promised: the change may end.
    fn drop_unplaced(&mut self, chunk: ChunkHandle) {
        let now = self.cx.now;
        let lead = &mut *self.lead;
        if lead.changes.get(&chunk).is_some_and(|change| change.targets.is_empty()) {
            lead.changes.remove(&chunk);
            lead.attention.add(chunk, now);
        }
    }

    /// While every place is taken, a change that no answer lets go on gives its own up after a while:
    /// the servers that it waits for may be gone for good, and other chunks must not wait for them.
    /// Nothing is forgotten by that. What was promised is reported, and the change that follows
    /// begins above it.
    fn free_places(&mut self) {
        let now = self.cx.now;
        let constants = self.cx.constants;
        let (places, patience) = (constants.changes_max as usize, constants.repair_stalled_after);
        let lead = &*self.lead;
        if lead.changes.len() < places {
            return;
        }
        let in_vain = |(chunk, change): (&ChunkHandle, &Change)| {
            let undecided = change.stage == Stage::Asking;
            let old = now.since(change.began_at) >= patience;
            (undecided && old && self.known().choose(*chunk).is_none()).then_some(*chunk)
        };
        let in_vain: Vec<ChunkHandle> = lead.changes.iter().filter_map(in_vain).collect();
        let lead = &mut *self.lead;
        for chunk in in_vain {
            lead.changes.remove(&chunk);
            lead.attention.add(chunk, now);
        }
    }

    pub(in crate::master) fn tick_activations(&mut self) {
        let now = self.cx.now;
        let again_after = self.cx.constants.retry_interval;
        let lead = &mut *self.lead;
        let due: Vec<ChunkHandle> = lead
            .activations
            .iter_mut()
            .filter(|(_, activation)| now.since(activation.told_at) >= again_after)
            .map(|(chunk, activation)| {
                activation.told_at = now;
                *chunk
            })
            .collect();
        for chunk in due {
            if self.known().usable_primary(chunk).is_some() {
                self.tell_primary(chunk);
            } else {
                self.lead.activations.remove(&chunk);
            }
        }
    }

    /// None of a new chunk's servers answered for so long that others are asked: their disks may be
    /// full, or hang, and nothing ties the chunk to them yet.
    fn place_elsewhere(&mut self, chunk: ChunkHandle) {
        let now = self.cx.now;
        let constants = self.cx.constants;
        let lead = &mut *self.lead;
        let Some(change) = lead.changes.get_mut(&chunk) else { return };
        let silent = change.answers.is_empty() && self.state.chunks()[chunk].config.is_none();
        if silent && now.since(change.asked_at) >= constants.member_silent_after {
            change.asked_at = now;
            for node in core::mem::take(&mut change.targets).into_keys() {
                lead.repairs.setbacks.note(constants, now, chunk, node);
            }
        }
    }
}
