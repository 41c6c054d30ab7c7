//! I3: what was acknowledged is in every later primary's state.

use crate::order::Order;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, Event, OpId, Sequence};

/// I3.
pub const INVARIANT: Invariant = Invariant {
    id: "I3",
    name: "no divergence",
    sentence: "an acknowledged mutation is in the state of every later configuration's primary, \
               whatever the clocks do",
    source: "Lin et al., PacificA 2008, §2.2 (prepared-list invariant)",
};

/// Judges a primary that is activated. Operation tables forget what a client knows to be done, so
/// a missing entry says nothing and a place in the order says all.
pub fn observe(order: &Order, seen: &Seen<'_>) -> Result<bool, Violation> {
    let judged = match seen.event {
        Event::Adopted { chunk, version, sequence, ops, primary: true, .. } => {
            let latest = order.chunk(*chunk).map(|order| order.version).unwrap_or_default();
            // A primary that was paused while others succeeded it is activated under a superseded
            // configuration: it is no member of a later one, and its members have promised more.
            if *version < latest {
                return Ok(false);
            }
            adopted(order, *chunk, *sequence, ops)
        }
        Event::Acknowledged { chunk, sequence, op, .. } => {
            acknowledged(order, *chunk, *sequence, *op)
        }
        _ => return Ok(false),
    };
    let broken = |what| INVARIANT.broken(seen.true_ns, format!("{}: {what}", seen.node));
    judged.map(|()| true).map_err(broken)
}

fn adopted(
    order: &Order,
    chunk: ChunkHandle,
    sequence: Sequence,
    ops: &[(OpId, Sequence)],
) -> Result<(), String> {
    let Some(order) = order.chunk(chunk) else { return Ok(()) };
    if let Some((lost, op)) = order.acknowledged.range(sequence.next()..).next() {
        return Err(format!(
            "the new primary of {chunk} has everything up to {sequence}, but {op} was \
             acknowledged at {lost}"
        ));
    }
    for (op, at) in ops {
        if let Some(other) = order.acknowledged.get(at).filter(|other| *other != op) {
            return Err(format!(
                "the new primary of {chunk} has {op} at {at}, where {other} was acknowledged"
            ));
        }
    }
    Ok(())
}

fn acknowledged(
    order: &Order,
    chunk: ChunkHandle,
    sequence: Sequence,
    op: OpId,
) -> Result<(), String> {
    let Some(order) = order.chunk(chunk) else { return Ok(()) };
    if let Some(other) = order.acknowledged.get(&sequence).filter(|other| **other != op) {
        return Err(format!(
            "{op} of {chunk} is acknowledged at {sequence}, where {other} was acknowledged before"
        ));
    }
    match order.entries.get(&sequence) {
        Some(entry) if entry.op != op => Err(format!(
            "{op} of {chunk} is acknowledged at {sequence}, where {} stands in the order",
            entry.op
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    fn acknowledged_once() -> Run {
        let mut run = Run::new();
        run.good(S1, adopted(1, 0, &[], true));
        run.good(S1, applied(1, 1, op(1)));
        run.good(S1, acknowledged(1, 1, op(1)));
        run
    }

    #[test]
    fn a_primary_without_it_is_found() {
        let found = acknowledged_once().bad(S2, adopted(2, 0, &[], true));
        assert_eq!(found.invariant, "I3");
    }

    #[test]
    fn so_is_one_with_another_in_its_place() {
        let found = acknowledged_once().bad(S2, adopted(2, 1, &[(op(2), 1)], true));
        assert_eq!(found.invariant, "I3");
        let found = acknowledged_once().bad(S1, acknowledged(1, 1, op(2)));
        assert_eq!(found.invariant, "I3");
    }

    #[test]
    fn one_that_slept_through_its_successor_is_none_of_a_later_configuration() {
        let mut run = acknowledged_once();
        run.good(S1, adopted(3, 1, &[(op(1), 1)], true));
        run.good(S2, adopted(2, 0, &[], true));
    }

    #[test]
    fn one_that_has_it_is_legal() {
        acknowledged_once().good(S2, adopted(2, 1, &[(op(1), 1)], true));
        // The client knows its answer, and the table has forgotten it.
        acknowledged_once().good(S2, adopted(2, 3, &[(op(9), 3)], true));
    }
}
