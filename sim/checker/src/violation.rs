//! What must hold, and the finding that it did not.

use serde::Serialize;
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

/// What a machine's assertion that fails violates, beside the invariants of the protocol.
pub const ASSERTION: Invariant = Invariant {
    id: "assertion",
    name: "",
    sentence: "a machine's own assertions hold",
    source: "core/proto",
};

/// A time or a span of true time, to the nanosecond: leases overlap by as little.
#[must_use]
pub fn seconds(true_ns: u64) -> String {
    format!("{} s", decimal_seconds(true_ns, 9))
}

/// Nanoseconds as seconds with at most nine decimals, cut and not rounded.
#[must_use]
pub fn decimal_seconds(ns: u64, decimals: usize) -> String {
    let whole = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    whole[..whole.len() - 9_usize.saturating_sub(decimals)].to_owned()
}

/// An invariant that did not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

impl Violation {
    /// Without its time and sentence: `I1 lease exclusivity: n1 and n2 ...`.
    #[must_use]
    pub fn brief(&self) -> String {
        match self.name {
            "" => format!("{} {}", self.invariant, self.detail),
            name => format!("{} {name}: {}", self.invariant, self.detail),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation { invariant, name, sentence, true_ns, detail } = self;
        let at = decimal_seconds(*true_ns, 6);
        write!(f, "{invariant} {name} violated at {at}s: {detail} ({sentence})")
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_cut_to_their_decimals() {
        assert_eq!(seconds(1_000_000_001), "1.000000001 s");
        let of = |decimals| decimal_seconds(12_345_678_999, decimals);
        assert_eq!(
            (of(9), of(6), of(3)),
            ("12.345678999".into(), "12.345678".into(), "12.345".into())
        );
    }
}
