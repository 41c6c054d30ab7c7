//! What must hold, and the finding that it did not.

use std::fmt;

/// A sentence that holds in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Invariant {
    /// As DESIGN.md numbers it: `I1`.
    pub id: &'static str,
    /// In two or three words.
    pub name: &'static str,
    /// What holds.
    pub sentence: &'static str,
    /// Who said so first.
    pub source: &'static str,
}

impl Invariant {
    /// The finding that it does not hold.
    #[must_use]
    pub fn broken(&self, true_ns: u64, detail: String) -> Violation {
        let Invariant { id, name, sentence, .. } = *self;
        Violation { invariant: id, name, sentence, true_ns, detail }
    }
}

/// A time or a span of true time, to the nanosecond: leases overlap by as little.
#[must_use]
pub fn seconds(true_ns: u64) -> String {
    format!("{}.{:09} s", true_ns / 1_000_000_000, true_ns % 1_000_000_000)
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its number: `I1`.
    pub invariant: &'static str,
    /// In two or three words.
    pub name: &'static str,
    /// What should have held.
    pub sentence: &'static str,
    /// When it was found, in nanoseconds of true time.
    pub true_ns: u64,
    /// What was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { invariant, name, sentence, true_ns, detail } = self;
        let (seconds, micros) = (true_ns / 1_000_000_000, true_ns % 1_000_000_000 / 1_000);
        write!(f, "{invariant} {name} violated at {seconds}.{micros:06}s: {detail} ({sentence})")
    }
}

impl std::error::Error for Violation {}
