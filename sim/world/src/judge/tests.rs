//! Each judgement from above can be red: a run that is true is fixture with one lie in it.

use super::{Judge, Violation};
use crate::action::Action;
use crate::fair::{self, Holds};
use crate::names;
use crate::observation::Observation;
use crate::payload::payload;
use crate::shape::Shape;
use crate::world::World;
use leasehold_proto::machine::Operation;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Event, Extent, FileId, IoOp, Mutation, MutationKind, NodeId, OpId,
    Outcome, ReadMode, ReplicaChange, ReplicaData, RequestId, Sequence, SyncPolicy,
};

const FILE: FileId = FileId(2);
const FIRST: ChunkHandle = ChunkHandle(1);
const SECOND: ChunkHandle = ChunkHandle(2);
const CHUNK_BYTES: u64 = 1_024;

/// A file of two chunks on three servers, the first with `one` in it and the second with `two`.
struct Fixture {
    world: World,
    judge: Judge,
    requests: u64,
}

impl Fixture {
    fn begin() -> Self {
        let world = World::new(Shape::default());
        let judge = world.judge().clone().from_above();
        let mut fixture = Fixture { world, judge, requests: 0 };
        fixture.run(1_000);
        let spec = FileSpec { chunk_bytes: CHUNK_BYTES, replicas: 3, sync: SyncPolicy::Durable };
        fixture.request(Operation::Change(MetadataChange::Create {
            path: "/f".into(),
            spec,
            mode: 0o644,
        }));
        fixture.write(0, b"one");
        // Only a sealed chunk is followed by another.
        fixture.append(&[b'-'; 250]);
        fixture.append(&[b'-'; 250]);
        fixture.append(&[b'-'; 250]);
        fixture.append(&[b'-'; 250]);
        fixture.append(&[b'-'; 250]);
        fixture.write(1, b"two");
        let state = fixture.world.cluster().namespace().unwrap();
        assert_eq!(state.chunks_of(FILE), [FIRST, SECOND]);
        fixture.judge = fixture.world.judge().clone().from_above();
        fixture
    }

    fn run(&mut self, ms: u64) {
        let end = self.world.cluster().now() + ms * 1_000_000;
        while let Some(action) = fair::next(self.world.cluster(), &Holds::none(), end) {
            self.world.apply(action).unwrap();
        }
        assert_eq!(self.world.violation(), None);
    }

    fn request(&mut self, op: Operation) {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.world.apply(Action::Request(names::client(1), id, Box::default(), op)).unwrap();
        self.run(100);
    }

    fn write(&mut self, index: u64, bytes: &'static [u8]) {
        let payload = payload(bytes);
        self.request(Operation::Write { file: FILE, index, offset: 0, payload });
    }

    fn append(&mut self, bytes: &[u8]) {
        let payload = payload(bytes.to_vec());
        self.request(Operation::Append { file: FILE, chunk_bytes: CHUNK_BYTES, payload });
    }

    fn hear(&mut self, what: Observation) -> Result<(), Violation> {
        self.judge.observe(self.world.cluster(), &what)
    }

    fn ask(&mut self, index: u64, mode: ReadMode) {
        let op = Operation::Read { file: FILE, index, extent: Extent::new(0, 3), mode };
        let (node, id) = (names::client(2), RequestId(1));
        self.hear(Observation::Invoked { node, id, caller: Box::default(), op }).unwrap();
    }

    fn answer(&mut self, bytes: &'static [u8]) -> Result<(), Violation> {
        let result = Ok(Outcome::Read { payload: payload(bytes), chunk_length: CHUNK_BYTES });
        self.hear(Observation::Responded { node: names::client(2), id: RequestId(1), result })
    }

    fn event(&mut self, node: NodeId, event: Event) -> Result<(), Violation> {
        self.hear(Observation::Event { node, event })
    }

    fn freed(&mut self, chunk: ChunkHandle) {
        self.event(names::master(1), Event::Freed { chunk, base: ChunkVersion(1) }).unwrap();
    }

    fn durable(&mut self, node: NodeId, op: IoOp) -> Result<(), Violation> {
        self.hear(Observation::Durable { node, op })
    }

    fn primary(&self) -> NodeId {
        let state = self.world.cluster().namespace().unwrap();
        state.chunks()[FIRST].config.as_ref().unwrap().members[0].node
    }
}

fn invariant(found: Result<(), Violation>) -> Option<&'static str> {
    found.err().map(|violation| violation.invariant)
}

#[test]
fn a_read_of_one_chunk_does_not_show_the_bytes_of_another() {
    for mode in [ReadMode::Strong, ReadMode::Relaxed] {
        for (index, own, others) in [(0, b"one", b"two"), (1, b"two", b"one")] {
            let mut fixture = Fixture::begin();
            fixture.ask(index, mode);
            assert_eq!(invariant(fixture.answer(others)), Some("I11"), "{mode:?} of {index}");
            fixture.ask(index, mode);
            assert_eq!(invariant(fixture.answer(own)), None, "{mode:?} of {index}");
        }
    }
}

#[test]
fn a_read_across_a_free_is_judged_by_the_chunk_that_it_named() {
    let mut fixture = Fixture::begin();
    fixture.ask(0, ReadMode::Strong);
    fixture.freed(FIRST);
    assert_eq!(invariant(fixture.answer(b"one")), None, "it began before");
    fixture.ask(0, ReadMode::Relaxed);
    assert_eq!(invariant(fixture.answer(b"two")), Some("I11"), "no chunk moves up");
    fixture.ask(0, ReadMode::Relaxed);
    assert_eq!(invariant(fixture.answer(b"one")), None, "a member that was not reached");
    fixture.ask(0, ReadMode::Strong);
    assert_eq!(invariant(fixture.answer(b"one")), Some("I6"), "its leases were over");
    fixture.ask(1, ReadMode::Strong);
    assert_eq!(invariant(fixture.answer(b"two")), None, "the other chunk is still there");
}

#[test]
fn a_place_without_a_chunk_has_no_bytes() {
    let mut fixture = Fixture::begin();
    fixture.ask(7, ReadMode::Relaxed);
    assert_eq!(invariant(fixture.answer(b"one")), Some("I11"));
    fixture.ask(7, ReadMode::Relaxed);
    assert_eq!(invariant(fixture.answer(b"\0\0\0")), None);
}

#[test]
fn a_chunk_takes_what_was_asked_for_its_own_place_only() {
    for (bytes, expected) in [(b"one", None), (b"two", Some("I11"))] {
        let mut fixture = Fixture::begin();
        let (node, last) = (fixture.primary(), fixture.last());
        let mutation = |bytes: &[u8]| Mutation {
            op: OpId { client: names::client(2), number: 9 },
            acked_below: 0,
            kind: MutationKind::Write,
            extent: Extent::new(0, bytes.len() as u64),
            crc: payload(bytes.to_vec()).crc,
        };
        let change = ReplicaChange::Apply {
            chunk: FIRST,
            version: ChunkVersion(1),
            first: last.next(),
            mutations: vec![mutation(bytes)],
            committed: last,
        };
        let data = ReplicaData::Mutations(vec![payload(bytes.to_vec())]);
        let op = IoOp::Replica(change, data);
        assert_eq!(invariant(fixture.durable(node, op)), expected, "{bytes:?}");
    }
}

#[test]
fn a_mutation_ends_within_its_chunk_and_a_record_is_a_quarter_of_it() {
    let told = Fixture::begin();
    let (node, last) = (told.primary(), told.last());
    let quarter = CHUNK_BYTES / 4;
    for (kind, extent, bound) in [
        (MutationKind::Write, Extent::new(CHUNK_BYTES - 1, 2), true),
        (MutationKind::Append, Extent::new(0, quarter + 1), true),
        (MutationKind::Write, Extent::new(CHUNK_BYTES - 2, 2), false),
        (MutationKind::Append, Extent::new(CHUNK_BYTES - quarter, quarter), false),
    ] {
        let bytes = vec![b'x'; usize::try_from(extent.length).unwrap()];
        let op = OpId { client: names::client(1), number: 99 };
        let crc = payload(bytes.clone()).crc;
        let mutation = Mutation { op, acked_below: 0, kind, extent, crc };
        let change = ReplicaChange::Apply {
            chunk: FIRST,
            version: ChunkVersion(1),
            first: last.next(),
            mutations: vec![mutation],
            committed: last,
        };
        let data = ReplicaData::Mutations(vec![payload(bytes)]);
        let found = invariant(told.clone().durable(node, IoOp::Replica(change, data)));
        // What fits was not requested either, which is the next thing that is judged.
        assert_eq!(found, Some(if bound { "I22" } else { "I11" }), "{kind:?} {extent:?}");
    }
}

impl Fixture {
    fn last(&self) -> Sequence {
        let disk = &self.world.cluster().node(self.primary()).disk;
        disk.replicas().live[&FIRST].image.sequence
    }
}

#[test]
fn a_member_gives_nothing_up_whichever_master_runs() {
    let mut fixture = Fixture::begin();
    let member = fixture.primary();
    for change in [
        ReplicaChange::Delete { chunk: FIRST },
        ReplicaChange::Quarantine { chunk: FIRST },
        ReplicaChange::StartLearner {
            chunk: FIRST,
            promised: ChunkVersion(2),
            spec: fixture.world.cluster().node(member).disk.replicas().live[&FIRST].spec,
        },
    ] {
        assert_eq!(invariant(fixture.clone().durable(member, change.into())), Some("I7"));
    }
    fixture.world.apply(Action::Crash(names::master(1))).unwrap();
    let gone = IoOp::from(ReplicaChange::Delete { chunk: FIRST });
    assert_eq!(invariant(fixture.clone().durable(member, gone.clone())), Some("I7"));
    fixture.freed(FIRST);
    assert_eq!(invariant(fixture.durable(member, gone)), None, "who said so need not run");
}

impl Clone for Fixture {
    fn clone(&self) -> Self {
        let Fixture { world, judge, requests } = self;
        Fixture { world: world.clone(), judge: judge.clone(), requests: *requests }
    }
}
