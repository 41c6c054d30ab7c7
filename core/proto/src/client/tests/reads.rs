//! Strong and relaxed reads.

use super::*;
use crate::message::data;
use alloc::boxed::Box;

#[test]
fn strong_reads_go_to_the_primary() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Strong));
    bench.tell_location(0, 1, S2);
    let (to, Message::Data(data::Request::Read(data::Read { op, version, mode, .. }))) =
        bench.next()
    else {
        panic!("a read")
    };
    assert_eq!((to, version, mode), (S2, ChunkVersion(1), ReadMode::Strong));
    let chunk = ChunkHandle(100);
    let answer = |result, bytes| {
        Message::DataReply(data::Reply::Read(data::ReadReply {
            op,
            chunk,
            result,
            payload: payload(bytes),
        }))
    };
    bench.deliver(S2, answer(Err(Refusal::NotPrimary), b""));
    bench.wake();
    let question = bench.expect_query(&locate(0, true, Some(1)));
    bench.tell(question, Ok(MetadataAnswer::Location(location(0, 2, S1))));
    assert_eq!(bench.next().0, S1);
    bench.deliver(S1, answer(Ok(5), b"hello"));
    let expected = Outcome::Read { payload: payload(b"hello"), chunk_length: 5 };
    assert_eq!(bench.answer(), Ok(expected));
    bench.assert_idle();
}

#[test]
fn a_silent_primary_is_read_twice() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Strong));
    bench.tell_location(0, 1, S2);
    assert_eq!(bench.next().0, S2);
    bench.wake();
    assert_eq!(bench.next().0, S2);
    bench.wake();
    bench.wake();
    bench.expect_query(&locate(0, true, Some(1)));
}

#[test]
fn relaxed_reads_try_every_member() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Relaxed));
    let question = bench.expect_query(&locate(0, false, None));
    let nobody = Location { primary: None, ..location(0, 1, S1) };
    bench.tell(question, Ok(MetadataAnswer::Location(nobody)));
    let mut asked = BTreeSet::new();
    for refusal in [Refusal::Corrupt, Refusal::DiskFailed, Refusal::Busy] {
        let (to, Message::Data(data::Request::Read(data::Read { op, chunk, .. }))) = bench.next()
        else {
            panic!("a read")
        };
        assert!(asked.insert(to), "each member once");
        let result = Err(refusal);
        bench.deliver(
            to,
            Message::DataReply(data::Reply::Read(data::ReadReply {
                op,
                chunk,
                result,
                payload: Payload::default(),
            })),
        );
    }
    assert_eq!(asked, BTreeSet::from([S1, S2, S3]));
    bench.wake();
    assert!(
        matches!(bench.next().1, Message::Data(data::Request::Read(data::Read { .. }))),
        "the last one was only busy"
    );
}

#[test]
fn clients_begin_at_different_members() {
    let first = |node: u64| {
        let mut bench = Bench::new();
        bench.client.config.node = NodeId(node);
        bench.client.routes.learn(FILE, 0, location(0, 1, S1), 0);
        let mut out = Effects::new();
        let (id, op) = (RequestId(1), read(ReadMode::Relaxed));
        bench.client.step(bench.now, Input::Request { caller: Box::default(), id, op }, &mut out);
        let Some(Effect::Send(envelope)) = out.drain().next() else { panic!("a read") };
        envelope.to
    };
    let firsts: BTreeSet<NodeId> = (0..32).map(first).collect();
    assert_eq!(firsts, BTreeSet::from([S1, S2, S3]));
}

#[test]
fn a_relaxed_read_of_a_chunk_without_members_makes_it_have_some() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Relaxed));
    let question = bench.expect_query(&locate(0, false, None));
    let empty = Location { primary: None, members: vec![], ..location(0, 0, S1) };
    bench.tell(question, Ok(MetadataAnswer::Location(empty)));
    bench.tell_location(0, 1, S1);
    assert!(matches!(bench.next().1, Message::Data(data::Request::Read(data::Read { .. }))));
}

#[test]
fn a_read_of_no_chunk() {
    let mut bench = Bench::new();
    bench.request(read(ReadMode::Strong));
    let question = bench.expect_query(&locate(0, true, None));
    bench.tell(question, Err(Refusal::NotFound));
    assert_eq!(bench.answer(), Err(OpError::Refused(Refusal::NotFound)));
    bench.assert_idle();
}
