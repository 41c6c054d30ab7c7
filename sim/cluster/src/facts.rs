//! The facts of the protocol that a run counts, by name.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// All of them: what did not happen is zero, and not missing.
pub const FACTS: &[&str] = &[
    "leaders",
    "log entries",
    "chunks made",
    "files trashed",
    "chunks given up",
    "files restored",
    "files emptied out of the trash",
    "files purged",
    "first configurations",
    "membership changes",
    "chunks freed",
    "leases granted",
    "changes begun",
    "placements",
    "repairs begun",
    "repairs done",
    "repairs given up",
    "servers joined",
    "servers heard again",
    "servers dead",
    "rooms that halved or doubled",
    "chunks without room",
    "trash that gave way",
    "safe modes ended",
    "logs lost",
    "steps of constants",
    "configurations refused",
    "replicas recovered",
    "promises",
    "leases taken",
    "leases ended",
    "versions adopted",
    "mutations applied",
    "commits learnt",
    "mutations acknowledged",
    "reads served",
    "learners complete",
    "replicas deleted",
    "replicas quarantined",
    "quarantines ended",
    "corrupt reads",
    "disks full",
    "disks failed",
    "servers superseded",
    "protocol errors",
    "client retries",
    "pieces begun",
    "pieces ended",
    "sessions ended",
    "sessions held",
    "sessions lost",
    "locks taken",
    "locks given up",
    "mutations sent under locks",
    "messages that answered nothing",
];

/// Writes counts with every fact.
///
/// # Errors
/// Of the serializer.
pub fn with_zeros<S: Serializer>(
    counts: &BTreeMap<&'static str, u64>,
    to: S,
) -> Result<S::Ok, S::Error> {
    filled(counts, FACTS.iter().copied()).serialize(to)
}

/// Counts with every name, zero where there is none.
#[must_use]
pub fn filled<'a>(
    counts: &BTreeMap<&'a str, u64>,
    names: impl Iterator<Item = &'a str>,
) -> BTreeMap<&'a str, u64> {
    let mut all: BTreeMap<&str, u64> = names.map(|name| (name, 0)).collect();
    all.extend(counts);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list has what events count as, and nothing else.
    #[test]
    fn every_fact_is_listed() {
        let source = include_str!("cluster/watch.rs");
        let body = source.split_once("fn fact(event").unwrap().1.split_once("\n}\n").unwrap().0;
        let counted: Vec<&str> =
            body.split("=> \"").skip(1).map(|arm| arm.split('"').next().unwrap()).collect();
        assert_eq!(counted, FACTS);
    }

    #[test]
    fn what_did_not_happen_is_zero() {
        let all = filled(&[("b", 2)].into(), ["a", "b"].into_iter());
        assert_eq!(all, [("a", 0), ("b", 2)].into());
    }
}
