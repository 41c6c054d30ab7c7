//! How operations end, whatever the peers say.

use super::*;
use crate::message::{call, membership};

#[test]
fn every_operation_ends() {
    let run = |op: Operation, located: bool| {
        let mut bench = Bench::new();
        bench.request(op);
        if located {
            bench.tell_location(0, 1, S1);
        }
        let start = bench.now;
        while bench.answers.is_empty() {
            bench.wake();
        }
        assert_eq!(bench.now.since(start), bench.client.config.constants.operation_timeout);
        assert!(bench.sent.len() < 200, "bounded: {}", bench.sent.len());
        let answer = bench.answer();
        bench.sent.clear();
        bench.assert_idle();
        answer
    };
    let silent = |maybe| Err(OpError::TimedOut { maybe, last: None });
    assert_eq!(run(Operation::Change(delete()), false), silent(true));
    assert_eq!(run(Operation::Query(MetadataQuery::Status), false), silent(false));
    assert_eq!(run(write(0), false), silent(false), "no primary was ever found");
    assert_eq!(run(write(0), true), silent(true));
    assert_eq!(run(append(), false), silent(false));
    assert_eq!(run(read(ReadMode::Strong), true), silent(false));
}

#[test]
fn a_timeout_tells_what_stood_in_the_way() {
    let mut bench = Bench::new();
    bench.request(write(0));
    while bench.answers.is_empty() {
        while let Some((to, message)) = bench.sent.pop_front() {
            let Message::Call(call::Request { op, .. }) = message else {
                panic!("no location, no write")
            };
            let answer = Err(Refusal::NoServers);
            bench.deliver(to, Message::CallReply(call::Reply { op, answer }));
        }
        if bench.answers.is_empty() {
            bench.wake();
        }
    }
    let last = Some(Refusal::NoServers);
    assert_eq!(bench.answer(), Err(OpError::TimedOut { maybe: false, last }));
}

// A write far beyond the end grew the file by 795 chunks, timed out, and was said to have had no
// effect: the claim covers what was done for the operation too.
#[test]
fn chunks_that_were_added_are_an_effect() {
    let gap = |index: u64, added: bool, refusal: Option<Refusal>| {
        let mut bench = Bench::new();
        bench.request(write(index));
        let op = bench.expect_query(&locate(index, true, None));
        bench.tell(op, Err(Refusal::NotFound));
        bench.tell_tail(0);
        if added {
            let op = bench.expect_change(&add_chunk(index, 0));
            bench.tell(op, Ok(MetadataAnswer::Chunk(ChunkHandle(100 + index))));
        }
        // To where the chunk is, after it was added, and then to where the file ends.
        for refusal in refusal.into_iter().flat_map(|r| vec![r; 1 + usize::from(added)]) {
            let (_, op, _, _) = bench.asked();
            bench.tell(op, Err(refusal));
        }
        while bench.answers.is_empty() {
            bench.wake();
        }
        bench.answer()
    };
    let timed_out = |maybe, last| Err(OpError::TimedOut { maybe, last });
    let refused = Err(OpError::Refused(Refusal::NotFound));
    assert_eq!(gap(9, true, None), timed_out(true, None));
    assert_eq!(gap(9, true, Some(Refusal::NotFound)), timed_out(true, Some(Refusal::NotFound)));
    assert_eq!(gap(9, false, Some(Refusal::NotFound)), refused);
    assert_eq!(gap(0, true, Some(Refusal::NotFound)), refused, "an empty chunk at the end");
}

#[test]
fn a_chunk_that_no_file_can_hold_is_refused_before_its_first_step() {
    for index in [u64::MAX / FileSpec::default().chunk_bytes, u64::MAX] {
        let mut bench = Bench::new();
        bench.request(write(index));
        let op = bench.expect_query(&locate(index, true, None));
        bench.tell(op, Err(Refusal::NotFound));
        bench.tell_tail(0);
        let Err(OpError::Refused(Refusal::Invalid(why))) = bench.answer() else {
            panic!("it is refused")
        };
        assert!(why.contains("does not reach beyond byte"), "{why}");
        bench.assert_idle();
    }
}

#[test]
fn refused_means_without_effect() {
    // A file that goes away under a write that was sent: nobody can say.
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Err(Refusal::NotFound));
    let last = Some(Refusal::NotFound);
    assert_eq!(bench.answer(), Err(OpError::TimedOut { maybe: true, last }));
    // A write that no primary would ever take.
    bench.request(write(1));
    bench.tell_location(1, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 101);
    let refusal = Refusal::Invalid("past the end".to_string());
    bench.mutated(S1, op, 101, Err(refusal.clone()));
    assert_eq!(bench.answer(), Err(OpError::Refused(refusal)));
    bench.assert_idle();
}

#[test]
fn a_full_cluster_is_tried_a_few_times() {
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let mut version = 1;
    while bench.answers.is_empty() {
        let (to, op, _) = bench.expect_mutate(MutationKind::Write, 100);
        bench.mutated(to, op, 100, Err(Refusal::NoSpace));
        if bench.answers.is_empty() {
            bench.wake();
            let question = bench.expect_query(&locate(0, true, Some(version)));
            version += 1;
            bench.tell(question, Ok(MetadataAnswer::Location(location(0, version, S2))));
        }
    }
    assert_eq!(version, 8);
    let last = Some(Refusal::NoSpace);
    assert_eq!(bench.answer(), Err(OpError::TimedOut { maybe: true, last }));
    bench.assert_idle();
}

#[test]
fn too_large_and_empty_are_refused_at_the_door() {
    let mut bench = Bench::new();
    let long: &'static [u8] = &[1; 65];
    let (file, chunk_bytes) = (FILE, 64);
    let refused = |bench: &mut Bench, op| {
        bench.request(op);
        let Err(OpError::Refused(refusal)) = bench.answer() else { panic!("refused") };
        bench.assert_idle();
        refusal
    };
    let op = Operation::Write { file, index: 0, offset: 0, payload: payload(long) };
    assert_eq!(refused(&mut bench, op), Refusal::TooLarge { bytes_max: 64 });
    let op = Operation::Append { file, chunk_bytes, payload: payload(&long[..17]) };
    assert_eq!(refused(&mut bench, op), Refusal::TooLarge { bytes_max: 16 });
    let op = Operation::Write { file, index: 0, offset: 0, payload: payload(b"") };
    assert!(matches!(refused(&mut bench, op), Refusal::Invalid(_)));
}

#[test]
fn the_watermark_waits_for_the_oldest_change() {
    let mut bench = Bench::new();
    let change = |bench: &mut Bench| {
        bench.request(Operation::Change(delete()));
        let (_, op, acked_below, _) = bench.asked();
        (op, acked_below)
    };
    let (first, below) = change(&mut bench);
    assert_eq!(below, first.number, "never above itself");
    let (second, below) = change(&mut bench);
    assert_eq!(below, first.number);
    bench.tell(second, Ok(MetadataAnswer::Done));
    let (third, below) = change(&mut bench);
    assert_eq!(below, first.number, "the first is still open");
    bench.tell(first, Ok(MetadataAnswer::Done));
    let (_, below) = change(&mut bench);
    assert_eq!(below, third.number);
}

#[test]
fn questions_do_not_hold_the_watermark() {
    let mut bench = Bench::new();
    bench.request(Operation::Query(MetadataQuery::Status));
    let (_, question, ..) = bench.asked();
    bench.request(Operation::Change(delete()));
    let (_, op, below, _) = bench.asked();
    assert!(question.number < op.number);
    assert_eq!(below, op.number);
}

#[test]
fn what_timed_out_is_given_up() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(delete()));
    let op = bench.expect_change(&delete());
    while bench.answers.is_empty() {
        bench.wake();
    }
    bench.sent.clear();
    bench.answers.clear();
    bench.request(Operation::Change(delete()));
    let (_, _, below, _) = bench.asked();
    assert!(below > op.number, "it is never sent again");
    bench.tell(op, Ok(MetadataAnswer::Done));
    assert_eq!(bench.answers, []);
}

#[test]
fn backoff_doubles_within_its_bounds() {
    let constants = Constants::default();
    let mut distinct = BTreeSet::new();
    for number in 1..50 {
        for attempt in 1..100 {
            let span = backoff::span(&constants, ME, number, attempt);
            let doubled = constants.backoff_min * 2_u32.pow((attempt - 1).min(20));
            let full = doubled.min(constants.backoff_max);
            assert!(span >= full / 2 && span <= full, "{attempt}: {span:?}");
            distinct.insert(span);
        }
    }
    assert!(distinct.len() > 4_000, "retries spread: {}", distinct.len());
}

#[test]
fn messages_for_nobody_are_ignored() {
    let mut bench = Bench::new();
    bench.request(write(0));
    let op = bench.expect_query(&locate(0, true, None));
    let before = bench.client.clone();
    let other = OpId { client: NodeId(7), number: op.number };
    bench.tell(other, Ok(MetadataAnswer::Done));
    bench.tell(OpId { client: ME, number: 99 }, Ok(MetadataAnswer::Done));
    bench.tell(op, Ok(MetadataAnswer::Done));
    bench.mutated(S1, op, 100, Ok(EXTENT));
    bench.deliver(
        M1,
        Message::MembershipReply(membership::Reply::RegisterAgain(membership::RegisterAgain {
            epoch: crate::ids::Epoch(1),
        })),
    );
    assert_eq!(bench.client, before);
}
