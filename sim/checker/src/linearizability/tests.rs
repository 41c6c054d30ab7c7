//! Histories of one register and of a row of them.

use super::*;
use crate::cells::{Cells, CellsOp};

const STEPS_MAX: u64 = 1_000_000;

type RegisterOp = Timed<CellsOp>;

fn op(invoked_ns: u64, returned_ns: Option<u64>, write: bool, value: u32) -> RegisterOp {
    let op = CellsOp { write, first: 0, values: vec![value] };
    Timed { invoked_ns, returned_ns, op }
}

fn write(invoked_ns: u64, returned_ns: u64, value: u32) -> RegisterOp {
    op(invoked_ns, Some(returned_ns), true, value)
}

fn open(invoked_ns: u64, value: u32) -> RegisterOp {
    op(invoked_ns, None, true, value)
}

fn read(invoked_ns: u64, returned_ns: u64, value: u32) -> RegisterOp {
    op(invoked_ns, Some(returned_ns), false, value)
}

fn judged(ops: &[RegisterOp], steps_max: u64) -> Verdict {
    let verdict = check(Cells::new(1), ops, steps_max);
    let ahead = check(Cells::looking_ahead(1, ops), ops, steps_max);
    assert_eq!(std::mem::discriminant(&verdict), std::mem::discriminant(&ahead));
    verdict
}

#[test]
fn linearizable_histories_pass() {
    let good: &[&[RegisterOp]] = &[
        &[],
        &[read(0, 1, 0)],
        &[write(0, 1, 1), read(2, 3, 1)],
        &[write(0, 9, 1), read(1, 2, 0), read(3, 4, 1)],
        &[write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1)],
        &[open(0, 1), read(5, 6, 0), read(7, 8, 1)],
        &[open(0, 1), write(2, 3, 2), read(4, 5, 2), read(6, 7, 1)],
        &[open(0, 1), read(5, 6, 0), read(7, 8, 0)],
        &[write(0, 5, 1), read(5, 6, 0)],
    ];
    for history in good {
        assert_eq!(judged(history, STEPS_MAX), Verdict::Linearizable, "{history:?}");
    }
}

#[test]
fn other_histories_do_not() {
    let bad: &[(&[RegisterOp], usize)] = &[
        (&[read(0, 1, 1)], 0),
        (&[write(0, 1, 1), read(2, 3, 0)], 1),
        (&[write(0, 9, 1), read(1, 2, 1), read(3, 4, 0)], 2),
        (&[write(0, 1, 1), write(2, 3, 2), read(4, 5, 1)], 2),
        (&[write(0, 9, 1), write(0, 9, 2), read(1, 2, 2), read(3, 4, 1), read(5, 6, 2)], 4),
        (&[open(5, 1), read(1, 2, 1)], 1),
        (&[open(0, 1), read(1, 2, 1), write(3, 4, 2), read(5, 6, 2), read(7, 8, 1)], 4),
    ];
    for (history, stuck) in bad {
        assert_eq!(judged(history, STEPS_MAX), Verdict::Violated { stuck: *stuck }, "{history:?}");
    }
}

#[test]
fn cells_that_are_read_together_are_one_object() {
    let op = |times: (u64, u64), write, values: &[u32]| {
        let op = CellsOp { write, first: 0, values: values.into() };
        Timed { invoked_ns: times.0, returned_ns: Some(times.1), op }
    };
    // Each cell alone looks right; together they show half of a write.
    let torn = [op((0, 9), true, &[1, 1]), op((1, 2), false, &[1, 0])];
    assert_eq!(check(Cells::new(2), &torn, STEPS_MAX), Verdict::Violated { stuck: 1 });
    let whole = [op((0, 9), true, &[1, 1]), op((1, 2), false, &[1, 1])];
    assert_eq!(check(Cells::new(2), &whole, STEPS_MAX), Verdict::Linearizable);
}

/// Clients that are always busy, on a register that takes effect at half time.
fn busy(count: u64, clients: u64) -> Vec<RegisterOp> {
    let mut value = 0;
    let ops = (0..count).map(|n| {
        // One operation takes effect every 10 ns.
        let (begin, end) = (n * 10, n * 10 + clients * 10);
        if n % 3 == 0 {
            value += 1;
            write(begin, end, value)
        } else {
            read(begin, end, value)
        }
    });
    ops.collect()
}

#[test]
fn twenty_thousand_operations_take_a_few_steps_each() {
    let mut ops = busy(20_000, 4);
    assert_eq!(judged(&ops, 200_000), Verdict::Linearizable);
    let old = ops[10_000].op.values[0] - 100;
    ops[10_001] = read(ops[10_001].invoked_ns, ops[10_001].returned_ns.unwrap(), old);
    assert!(matches!(judged(&ops, STEPS_MAX), Verdict::Violated { .. }));
}

#[test]
fn a_search_that_is_given_up_says_so() {
    assert_eq!(judged(&busy(1_000, 4), 100), Verdict::Undecided);
}
