//! Operation numbers and the watermark below which every answer is known.

use alloc::collections::BTreeSet;

/// Counts operations from 1 and knows which of them can still be retried.
///
/// Questions and reads are numbered by the same counter, so that a number names one thing, but do
/// not hold the watermark: nobody remembers them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Session {
    next: u64,
    /// Numbers of changes without a definitive answer that are not given up.
    unsettled: BTreeSet<u64>,
}

impl Session {
    pub fn new() -> Self {
        Session { next: 1, unsettled: BTreeSet::new() }
    }

    /// A number for something that changes nothing.
    pub fn number(&mut self) -> u64 {
        let number = self.next;
        self.next = number.checked_add(1).expect("2^64 operations take longer than a session");
        number
    }

    /// A number for a change; it holds the watermark until `settle`.
    pub fn begin(&mut self) -> u64 {
        let number = self.number();
        self.unsettled.insert(number);
        number
    }

    /// Numbers from here on are at or above `number`.
    pub fn skip_to(&mut self, number: u64) {
        self.next = self.next.max(number);
    }

    /// It is answered for good or given up: it is never sent again.
    pub fn settle(&mut self, number: u64) {
        self.unsettled.remove(&number);
    }

    /// No change below this number is ever sent again.
    pub fn acked_below(&self) -> u64 {
        self.unsettled.first().copied().unwrap_or(self.next)
    }

    pub fn next(&self) -> u64 {
        self.next
    }
}
