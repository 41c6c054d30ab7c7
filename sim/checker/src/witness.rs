//! Does one given order of the changes explain a history?
//!
//! Whoever ran the system often knows the order in which changes took effect: a primary numbers
//! mutations. Such an order is a witness that is verified, never believed. Given the order, what
//! changed nothing can be placed greedily: each at the first state that fits it and comes after
//! everything that was over before it began. If any placing explains the history this one does,
//! since an earlier place never forbids another one; so the time is nearly linear, and the answer
//! exact for this order.

use crate::linearizability::{Object, Timed};
use std::collections::BTreeMap;

/// Verifies that `order`, indices into `ops` of every change that took effect, explains all that
/// returned. `object` is in its first state.
#[must_use]
pub fn explains<O: Object>(object: O, ops: &[Timed<O::Op>], order: &[usize]) -> bool {
    names_every_change::<O>(ops, order)
        && follows_time(ops, order)
        && Placing::new::<O>(ops, order).run(object, ops, order)
}

/// Every change that is known to have taken effect is in the order, once.
fn names_every_change<O: Object>(ops: &[Timed<O::Op>], order: &[usize]) -> bool {
    let mut named = vec![false; ops.len()];
    for index in order {
        if std::mem::replace(&mut named[*index], true) {
            return false;
        }
    }
    let ended = |index: &usize| ops[*index].returned_ns.is_some() && O::changes(&ops[*index].op);
    (0..ops.len()).filter(ended).all(|index| named[index])
}

/// Nothing stands behind a change that began after it was over.
fn follows_time<Op>(ops: &[Timed<Op>], order: &[usize]) -> bool {
    let mut latest_begin = 0;
    order.iter().all(|index| {
        latest_begin = ops[*index].invoked_ns.max(latest_begin);
        ops[*index].returned_ns.is_none_or(|returned| returned >= latest_begin)
    })
}

/// An operation that changes nothing, and the states that time allows it to have seen: state `n`
/// is the one after `n` changes.
#[derive(Clone, Copy)]
struct Onlooker {
    index: usize,
    first: usize,
    last: usize,
}

struct Placing {
    /// By time of invocation.
    onlookers: Vec<Onlooker>,
}

impl Placing {
    fn new<O: Object>(ops: &[Timed<O::Op>], order: &[usize]) -> Self {
        let (over_by, begun_after) = (over_by(ops, order), begun_after(ops, order));
        let mut onlookers = Vec::new();
        for (index, timed) in ops.iter().enumerate() {
            let Some(returned_ns) = timed.returned_ns.filter(|_| !O::changes(&timed.op)) else {
                continue;
            };
            let first = over_by.range(..timed.invoked_ns).next_back().map_or(0, |(_, n)| *n);
            let next = begun_after.range(returned_ns.saturating_add(1)..).next();
            onlookers.push(Onlooker { index, first, last: next.map_or(order.len(), |(_, n)| *n) });
        }
        onlookers.sort_by_key(|onlooker| (ops[onlooker.index].invoked_ns, onlooker.index));
        Placing { onlookers }
    }

    fn run<O: Object>(&self, mut object: O, ops: &[Timed<O::Op>], order: &[usize]) -> bool {
        let mut coming = self.onlookers.iter().copied().peekable();
        let mut waiting: Vec<Onlooker> = Vec::new();
        for state in 0..=order.len() {
            if state > 0 && object.apply(&ops[order[state - 1]].op).is_none() {
                return false;
            }
            // A later onlooker never has an earlier first state.
            while let Some(onlooker) = coming.next_if(|onlooker| onlooker.first <= state) {
                waiting.push(onlooker);
            }
            place(&mut object, ops, &mut waiting);
            if waiting.iter().any(|onlooker| onlooker.last <= state) {
                return false;
            }
        }
        waiting.is_empty() && coming.next().is_none()
    }
}

/// Removes every onlooker that fits here and comes before none that waits longer.
fn place<O: Object>(object: &mut O, ops: &[Timed<O::Op>], waiting: &mut Vec<Onlooker>) {
    let mut earliest_end = u64::MAX;
    waiting.retain(|onlooker| {
        let timed = &ops[onlooker.index];
        if timed.invoked_ns <= earliest_end && object.apply(&timed.op).is_some() {
            return false;
        }
        earliest_end = earliest_end.min(timed.returned_ns.unwrap_or(u64::MAX));
        true
    });
}

/// By time of return, how many changes are before or at the last one that was over by then.
fn over_by<Op>(ops: &[Timed<Op>], order: &[usize]) -> BTreeMap<u64, usize> {
    let ends = order.iter().enumerate();
    let mut ends: Vec<(u64, usize)> =
        ends.filter_map(|(place, index)| Some((ops[*index].returned_ns?, place + 1))).collect();
    ends.sort_unstable();
    let mut last = 0;
    let with_maximum = ends.into_iter().map(|(returned_ns, place)| {
        last = last.max(place);
        (returned_ns, last)
    });
    with_maximum.collect()
}

/// By time of invocation, how many changes are before the first one begun then or later.
fn begun_after<Op>(ops: &[Timed<Op>], order: &[usize]) -> BTreeMap<u64, usize> {
    let begins = order.iter().enumerate();
    let mut begins: Vec<(u64, usize)> =
        begins.map(|(place, index)| (ops[*index].invoked_ns, place)).collect();
    begins.sort_unstable_by(|one, other| other.cmp(one));
    let mut first = usize::MAX;
    let with_minimum = begins.into_iter().map(|(invoked_ns, place)| {
        first = first.min(place);
        (invoked_ns, first)
    });
    with_minimum.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{Cells, CellsOp};
    use crate::linearizability::{Verdict, check};

    fn op(span_ns: (u64, Option<u64>), write: bool, value: u32) -> Timed<CellsOp> {
        let op = CellsOp { write, first: 0, values: vec![value] };
        Timed { invoked_ns: span_ns.0, returned_ns: span_ns.1, op }
    }

    fn write(begin: u64, end: u64, value: u32) -> Timed<CellsOp> {
        op((begin, Some(end)), true, value)
    }

    fn read(begin: u64, end: u64, value: u32) -> Timed<CellsOp> {
        op((begin, Some(end)), false, value)
    }

    fn explained(ops: &[Timed<CellsOp>], order: &[usize]) -> bool {
        explains(Cells::new(1), ops, order)
    }

    #[test]
    fn the_right_order_explains_and_another_does_not() {
        let ops = [write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1), read(10, 11, 1)];
        assert!(explained(&ops, &[1, 0]));
        assert!(!explained(&ops, &[0, 1]), "the last read shows 1");
        assert!(!explained(&ops, &[1]), "a change that returned is missing");
        assert!(!explained(&ops, &[1, 0, 0]), "nothing stands twice");
    }

    #[test]
    fn an_order_against_time_explains_nothing() {
        let ops = [write(0, 1, 1), write(2, 3, 2)];
        assert!(explained(&ops, &[0, 1]));
        assert!(!explained(&ops, &[1, 0]));
    }

    #[test]
    fn what_was_shown_is_not_unseen() {
        let ops = [write(0, 9, 1), read(1, 2, 1), read(3, 4, 0)];
        assert!(!explained(&ops, &[0]));
        let ops = [write(0, 9, 1), read(1, 3, 1), read(2, 4, 0)];
        assert!(explained(&ops, &[0]), "the two reads are concurrent");
    }

    #[test]
    fn an_open_change_may_be_in_the_order_or_not() {
        let ops = [op((0, None), true, 1), read(5, 6, 1), read(7, 8, 1)];
        assert!(explained(&ops, &[0]));
        assert!(!explained(&ops, &[]));
        let ops = [op((0, None), true, 1), read(5, 6, 0)];
        assert!(explained(&ops, &[]));
        assert!(explained(&ops, &[0]), "it took effect later");
    }

    /// Small random histories: some order explains one exactly if the search finds one.
    #[test]
    fn it_agrees_with_the_search_over_all_orders() {
        let mut seed = 7_u64;
        let mut dice = |sides: u64| {
            seed = crate::cells::spread(seed);
            seed % sides
        };
        let (mut good, mut bad) = (0, 0);
        for _ in 0..2_000 {
            let mut ops = Vec::new();
            for value in 1..=3 {
                let begin = dice(12);
                let end = (dice(5) > 0).then(|| begin + dice(8));
                ops.push(op((begin, end), true, value));
            }
            for _ in 0..3 {
                let begin = dice(16);
                ops.push(op((begin, Some(begin + dice(6))), false, dice(4) as u32));
            }
            let orders: &[&[usize]] = &[
                &[],
                &[0],
                &[1],
                &[2],
                &[0, 1],
                &[1, 0],
                &[0, 2],
                &[2, 0],
                &[1, 2],
                &[2, 1],
                &[0, 1, 2],
                &[0, 2, 1],
                &[1, 0, 2],
                &[1, 2, 0],
                &[2, 0, 1],
                &[2, 1, 0],
            ];
            let any = orders.iter().any(|order| explained(&ops, order));
            for cells in [Cells::new(1), Cells::looking_ahead(1, &ops)] {
                let searched = check(cells, &ops, 1_000_000) == Verdict::Linearizable;
                assert_eq!(any, searched, "{ops:?}");
            }
            if any { good += 1 } else { bad += 1 }
        }
        assert!(good > 200 && bad > 200, "{good} good, {bad} bad");
    }
}
