//! Writes, appends and changes of the namespace.

use super::*;
use crate::message::call;

#[test]
fn first_write_to_an_empty_file() {
    let mut bench = Bench::new();
    bench.request(write(0));
    let op = bench.expect_query(&locate(0, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    bench.tell_tail(0);
    bench.tell_added(0);
    bench.tell_location(0, 1, S1);
    let (to, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    assert_eq!(to, S1);
    bench.mutated(S1, op, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
    // The location is remembered: the next write goes straight to the primary.
    bench.request(write(0));
    bench.expect_mutate(MutationKind::Write, 100);
}

#[test]
fn a_write_past_the_end_seals_the_last_chunk_and_adds_its_own() {
    let mut bench = Bench::new();
    bench.request(write(2));
    let op = bench.expect_query(&locate(2, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    bench.tell_tail(1);
    bench.tell_location(0, 1, S2);
    let (to, op, _) = bench.expect_mutate(MutationKind::Seal, 100);
    bench.mutated(to, op, 100, Ok(Extent::default()));
    let op = bench.expect_change(&add_chunk(2, 1));
    bench.tell(op, Ok(MetadataAnswer::Chunk(ChunkHandle(102))));
    bench.tell_location(2, 1, S3);
    let (to, op, _) = bench.expect_mutate(MutationKind::Write, 102);
    bench.mutated(to, op, 102, Ok(EXTENT));
    assert_eq!(bench.answer(), written(2));
    bench.assert_idle();
}

#[test]
fn a_write_to_a_file_that_is_not_there() {
    let mut bench = Bench::new();
    bench.request(write(0));
    let op = bench.expect_query(&locate(0, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    let op = bench.expect_query(&MetadataQuery::StatFile { file: FILE });
    bench.tell(op, Err(Refusal::NotFound));
    assert_eq!(bench.answer(), Err(OpError::Refused(Refusal::NotFound)));
    bench.assert_idle();
}

#[test]
fn what_several_need_is_asked_once() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.request(write(0));
    }
    bench.tell_location(0, 1, S1);
    let mut ops = BTreeSet::new();
    for _ in 0..3 {
        ops.insert(bench.expect_mutate(MutationKind::Write, 100).1);
    }
    assert_eq!(ops.len(), 3, "each has its own id");
    assert_eq!(bench.sent, []);
}

#[test]
fn a_retry_keeps_its_id() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(delete()));
    let first = bench.expect_change(&delete());
    bench.wake();
    let (to, second, ..) = bench.asked();
    assert_eq!((to, second), (M1, first), "messages get lost: the same master again");
    bench.wake();
    let (to, third, ..) = bench.asked();
    assert_eq!((to, third), (M2, first), "then another one");
    bench.deliver(
        M1,
        Message::CallReply(call::Reply { op: first, answer: Ok(MetadataAnswer::Done) }),
    );
    assert_eq!(bench.answer(), Ok(Outcome::Metadata(MetadataAnswer::Done)), "a late answer counts");
    bench.deliver(
        M2,
        Message::CallReply(call::Reply { op: first, answer: Err(Refusal::AlreadyExists) }),
    );
    bench.assert_idle();
    assert_eq!(bench.retries, ["a master is silent"; 2]);
}

#[test]
fn follows_the_leader() {
    let mut bench = Bench::new();
    bench.request(Operation::Change(delete()));
    let op = bench.expect_change(&delete());
    bench.tell(op, Err(Refusal::NotLeader { leader: Some(M2) }));
    // A second copy of the same refusal changes nothing.
    bench.tell(op, Err(Refusal::NotLeader { leader: Some(M2) }));
    bench.wake();
    let (to, again, ..) = bench.asked();
    assert_eq!((to, again), (M2, op));
    bench.deliver(M2, Message::CallReply(call::Reply { op, answer: Err(Refusal::AlreadyExists) }));
    assert_eq!(bench.answer(), Err(OpError::Refused(Refusal::AlreadyExists)));
    bench.request(Operation::Query(MetadataQuery::Status));
    assert_eq!(bench.asked().0, M2, "the leader is remembered");
}

#[test]
fn a_stale_location_is_looked_up_again() {
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    bench.mutated(S1, op, 100, Err(Refusal::Stale { promised: ChunkVersion(2) }));
    assert_eq!(bench.sent, [], "not at once: the cluster is busy changing");
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S2))));
    let (to, again, _) = bench.expect_mutate(MutationKind::Write, 100);
    assert_eq!((to, again), (S2, op));
    // The first primary's refusal, once more: it is not whom we wait for.
    let before = bench.client.clone();
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    assert_eq!(bench.client, before);
    bench.mutated(S2, op, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
}

#[test]
fn a_silent_primary_is_told_twice() {
    let mut bench = Bench::new();
    bench.request(write(0));
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Write, 100);
    let before = bench.now;
    bench.wake();
    assert!(bench.now.since(before) >= Duration::from_secs(1), "writes wait for disks");
    assert_eq!(bench.expect_mutate(MutationKind::Write, 100).1, op);
    bench.wake();
    assert_eq!(bench.sent, []);
    bench.wake();
    bench.expect_query(&locate(0, true, Some(1)));
    // While it asks, the answer comes after all.
    bench.mutated(S1, op, 100, Ok(EXTENT));
    assert_eq!(bench.answer(), written(0));
    bench.assert_idle();
}

#[test]
fn an_append_moves_on_only_after_sealed() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    // Others extend the file meanwhile, and this client hears of it.
    bench.client.routes.learn_tail(FILE, tail(3));
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S2))));
    let (_, again, _) = bench.expect_mutate(MutationKind::Append, 100);
    assert_eq!(again, op, "it may stand in this chunk: this chunk has to say");
    bench.mutated(S2, op, 100, Err(Refusal::Sealed));
    bench.tell_tail(3);
    bench.tell_location(2, 1, S3);
    let (to, last, _) = bench.expect_mutate(MutationKind::Append, 102);
    assert_eq!((to, last), (S3, op));
    bench.mutated(S2, op, 100, Err(Refusal::Sealed));
    assert_eq!(bench.sent, [], "the chunk that was left has no say any more");
    bench.mutated(S3, op, 102, Ok(EXTENT));
    assert_eq!(bench.answer(), written(2));
    bench.assert_idle();
}

#[test]
fn an_append_adds_the_next_chunk() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    bench.mutated(S1, op, 100, Err(Refusal::Sealed));
    bench.tell_tail(1);
    let added = bench.tell_added(1);
    assert_ne!(added, op, "adding a chunk is an operation of its own");
    bench.tell_location(1, 1, S1);
    assert_eq!(bench.expect_mutate(MutationKind::Append, 101).1, op);
}

#[test]
fn a_late_sealed_while_the_chunk_is_looked_up() {
    let mut bench = Bench::new();
    bench.request(append());
    bench.tell_tail(1);
    bench.tell_location(0, 1, S1);
    let (_, op, _) = bench.expect_mutate(MutationKind::Append, 100);
    bench.mutated(S1, op, 100, Err(Refusal::NotPrimary));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.mutated(S1, op, 100, Err(Refusal::Sealed));
    // Nobody needs the location any more; its answer meets nobody.
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S2))));
    bench.tell_tail(1);
    bench.expect_change(&add_chunk(1, 1));
}

#[test]
fn an_open_add_chunk_keeps_its_place() {
    let mut bench = Bench::new();
    bench.client.routes.learn_tail(FILE, tail(0));
    bench.request(append());
    let add = add_chunk(0, 0);
    let op = bench.expect_change(&add);
    bench.tell(op, Err(Refusal::Busy));
    // Its number stands for chunk 0 at the master, whatever is learnt meanwhile.
    bench.client.routes.learn_tail(FILE, tail(2));
    bench.wake();
    assert_eq!(bench.expect_change(&add), op);
}

#[test]
fn a_chunk_is_added_behind_the_end_that_was_seen() {
    let mut bench = Bench::new();
    bench.client.routes.learn_tail(FILE, tail(3));
    bench.client.routes.seal(FILE, 2);
    bench.client.routes.seal(FILE, 0);
    let id = bench.request(write(3));
    let op = bench.expect_query(&locate(3, true, None));
    bench.tell(op, Err(Refusal::NotFound));
    bench.tell_tail(3);
    let op = bench.expect_change(&add_chunk(3, 3));
    bench.tell(op, Err(Refusal::NotNextChunk { chunks: 1 }));
    let again = bench.expect_query(&locate(3, true, None));
    bench.tell(again, Err(Refusal::NotFound));
    bench.tell_tail(1);
    assert_ne!(bench.expect_change(&add_chunk(3, 1)), op, "another end is another operation");
    assert_eq!(id, RequestId(1));
}
