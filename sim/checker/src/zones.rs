//! One register whose every value is written once: is its history linearizable?
//!
//! Then each read names the write that it saw, and no search is needed (Gibbons and Korach 1997).
//! A write and its reads are a *cluster*; its *zone* lies between the first return and the last
//! call among them. Where the return comes first, the register held the value through the whole
//! zone, and no other zone of that kind may overlap it; otherwise all of the cluster's operations
//! have a moment in common, and somewhere in its zone the register can hold the value just for
//! them, unless the whole zone lies in one of the first kind.

use crate::cells::CellsOp;
use crate::linearizability::{Timed, Verdict};
use std::collections::BTreeMap;

/// A write and its reads.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    written_ns: Option<u64>,
    first_return_ns: u64,
    last_call_ns: u64,
    /// The operation that was called last.
    last: usize,
}

/// Judges a history of one cell that begins with zero. None if a value is written twice, or zero
/// is.
#[must_use]
pub fn check(ops: &[Timed<CellsOp>]) -> Option<Verdict> {
    let mut clusters: BTreeMap<u32, Cluster> = BTreeMap::new();
    for (at, timed) in ops.iter().enumerate().filter(|(_, timed)| timed.op.write) {
        let cluster = Cluster {
            written_ns: Some(timed.invoked_ns),
            first_return_ns: timed.returned_ns.map_or(u64::MAX, later_than_never),
            last_call_ns: later_than_never(timed.invoked_ns),
            last: at,
        };
        let value = timed.op.values[0];
        if value == 0 || clusters.insert(value, cluster).is_some() {
            return None;
        }
    }
    for (at, timed) in ops.iter().enumerate().filter(|(_, timed)| !timed.op.write) {
        let Some(returned_ns) = timed.returned_ns else { continue };
        // What was there before everything was written before everything.
        let first = Cluster { written_ns: None, first_return_ns: 0, last_call_ns: 0, last: at };
        let value = timed.op.values[0];
        let known = if value == 0 {
            Some(clusters.entry(0).or_insert(first))
        } else {
            clusters.get_mut(&value)
        };
        let Some(cluster) = known else { return Some(Verdict::Violated { stuck: at }) };
        if cluster.written_ns.is_some_and(|written_ns| returned_ns < written_ns) {
            return Some(Verdict::Violated { stuck: at });
        }
        cluster.first_return_ns = cluster.first_return_ns.min(later_than_never(returned_ns));
        let called_ns = later_than_never(timed.invoked_ns);
        if called_ns >= cluster.last_call_ns {
            (cluster.last_call_ns, cluster.last) = (called_ns, at);
        }
    }
    // What nobody read need not have taken effect, if nobody knows that it did.
    clusters.retain(|_, cluster| cluster.first_return_ns < u64::MAX);
    Some(verdict(clusters.values().copied().collect()))
}

/// A nanosecond later, for everything alike: zero is when the register was made.
fn later_than_never(ns: u64) -> u64 {
    ns.saturating_add(1)
}

/// No two zones of the first kind overlap, and none of the second lies in one of the first.
fn verdict(clusters: Vec<Cluster>) -> Verdict {
    let (mut held, moments): (Vec<Cluster>, Vec<Cluster>) =
        clusters.into_iter().partition(|cluster| cluster.first_return_ns < cluster.last_call_ns);
    held.sort_unstable_by_key(|cluster| cluster.first_return_ns);
    for pair in held.windows(2) {
        if pair[1].first_return_ns < pair[0].last_call_ns {
            let later = if pair[0].last_call_ns > pair[1].last_call_ns { pair[0] } else { pair[1] };
            return Verdict::Violated { stuck: later.last };
        }
    }
    for moment in moments {
        let before = held.partition_point(|zone| zone.first_return_ns < moment.last_call_ns);
        let around = before.checked_sub(1).map(|at| held[at]);
        if let Some(zone) = around.filter(|zone| moment.first_return_ns < zone.last_call_ns) {
            return Verdict::Violated { stuck: zone.last };
        }
    }
    Verdict::Linearizable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Cells, spread};
    use crate::linearizability;

    fn op(span_ns: (u64, Option<u64>), write: bool, value: u32) -> Timed<CellsOp> {
        let op = CellsOp { write, first: 0, values: vec![value] };
        Timed { invoked_ns: span_ns.0, returned_ns: span_ns.1, op }
    }

    #[test]
    fn a_value_written_twice_is_not_judged() {
        let twice = [op((0, Some(1)), true, 1), op((2, Some(3)), true, 1)];
        assert_eq!(check(&twice), None);
        assert_eq!(check(&[op((0, Some(1)), true, 0)]), None);
    }

    /// Small random histories, with some of unknown end.
    #[test]
    fn it_agrees_with_the_search() {
        let mut seed = 11_u64;
        let mut dice = |sides: u64| {
            seed = spread(seed);
            seed % sides
        };
        let (mut good, mut bad) = (0, 0);
        for _ in 0..20_000 {
            let writes = 1 + dice(4);
            let mut ops = Vec::new();
            for value in 1..=writes {
                let begin = dice(14);
                let end = (dice(5) > 0).then(|| begin + dice(8));
                ops.push(op((begin, end), true, value as u32));
            }
            for _ in 0..dice(5) {
                let begin = dice(18);
                let end = (dice(9) > 0).then(|| begin + dice(6));
                ops.push(op((begin, end), false, dice(writes + 1) as u32));
            }
            let zones = check(&ops).expect("no value is written twice");
            let ended = ops.iter().filter(|timed| timed.op.write || timed.returned_ns.is_some());
            let ended: Vec<_> = ended.cloned().collect();
            let searched = linearizability::check(Cells::new(1), &ended, 1_000_000);
            let same = std::mem::discriminant(&zones) == std::mem::discriminant(&searched);
            assert!(same, "{zones:?}, not {searched:?}: {ops:?}");
            if zones == Verdict::Linearizable { good += 1 } else { bad += 1 }
        }
        assert!(good > 2_000 && bad > 2_000, "{good} good, {bad} bad");
    }
}
