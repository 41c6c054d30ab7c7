//! A table that turned over: what is known of an operation that it may have forgotten.

use super::*;

const BELOW: u64 = 50;

fn perhaps() -> Refusal {
    Refusal::PerhapsForgotten { below: BELOW }
}

fn unknown() -> Result<Outcome, OpError> {
    Err(OpError::TimedOut { maybe: true, last: Some(perhaps()) })
}

#[test]
fn what_was_sent_once_goes_on_under_a_higher_number() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, first, _) = bench.expect_mutate(MutationKind::Append, 100);
    bench.mutated(S1, first, 100, Err(perhaps()));
    let (_, second, acked_below) = bench.expect_mutate(MutationKind::Append, 100);
    assert!(first.number < BELOW && second.number >= BELOW);
    assert_eq!(acked_below, second.number, "the first is given up for good");
    bench.mutated(S1, first, 100, Ok(EXTENT));
    assert_eq!(bench.answers, [], "nobody waits for the first any more");
    bench.mutated(S1, second, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
}

#[test]
fn what_was_sent_twice_has_an_unknown_outcome() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    bench.wake();
    assert_eq!(bench.expect_mutate(MutationKind::Append, 100).1, op, "a silent primary");
    bench.mutated(S1, op, 100, Err(perhaps()));
    assert_eq!(bench.answer(), unknown());
    bench.assert_idle();
    // The next one begins where nothing is forgotten.
    bench.request(Operation::Change(delete()));
    assert!(bench.expect_change(&delete()).number >= BELOW);
}

#[test]
fn a_master_forgets_too() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(delete()));
    let first = bench.expect_change(&delete());
    bench.tell(first, Err(perhaps()));
    let second = bench.expect_change(&delete());
    assert!(second.number >= BELOW);
    bench.wake();
    assert_eq!(bench.expect_change(&delete()), second);
    bench.tell(second, Err(perhaps()));
    assert_eq!(bench.answer(), unknown());
}

#[test]
fn a_chunk_can_be_added_again() {
    let mut bench = Bench::new();
    bench.request(write(1));
    let question = bench.expect_query(&locate(1, true, None));
    bench.tell(question, Err(Refusal::NotFound));
    bench.tell_tail(0);
    let add = add_chunk(1, 0);
    let first = bench.expect_change(&add);
    bench.wake();
    assert_eq!(bench.expect_change(&add), first);
    bench.tell(first, Err(perhaps()));
    let second = bench.expect_change(&add);
    assert_ne!(second, first, "if it was added, the answer will say so");
    bench.tell(second, Ok(MetadataAnswer::Chunk(ChunkHandle(101))));
    bench.tell_location(1, 1, S1);
    bench.expect_mutate(MutationKind::Write, 101);
}
