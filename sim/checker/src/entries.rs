//! Which entries of the log were reported: what an entry does is one fact, whichever master applies it
//! first, and however many apply it later.

use crate::seen::Seen;
use leasehold_proto::{Event, LogIndex, NodeId};
use std::collections::BTreeSet;

/// The entries that were applied anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    last: LogIndex,
    /// Masters whose entry, the last that each reported, was applied elsewhere before.
    late: BTreeSet<NodeId>,
}

impl Entries {
    /// Takes in what happened. A master reports an entry before what the entry does.
    pub fn observe(&mut self, seen: &Seen<'_>) {
        let Event::EntryApplied { index, .. } = seen.event else { return };
        if *index > self.last {
            self.last = *index;
            self.late.remove(&seen.node);
        } else {
            self.late.insert(seen.node);
        }
    }

    /// Did another master report before what this event says of an entry?
    pub fn repeats(&self, seen: &Seen<'_>) -> bool {
        self.late.contains(&seen.node)
    }
}
