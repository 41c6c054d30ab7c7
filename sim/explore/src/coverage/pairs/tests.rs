//! Cells are met by what their names say.

use super::*;
use crate::coverage::{Coverage, Mark};
use leasehold_proto::message::{configure, pipeline};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Epoch, Extent, Incarnation, Member, Message, Mutation, MutationKind,
    OpId, Sequence, Time,
};

const CHUNK: ChunkHandle = ChunkHandle(7);
const MASTER: NodeId = NodeId(1);
const PRIMARY: NodeId = NodeId(101);
const MEMBER: NodeId = NodeId(102);

fn told(coverage: &mut Coverage, node: NodeId, event: Event) {
    coverage.effect(node, Time(0), &Effect::Observe(event));
}

fn member(node: NodeId) -> Member {
    Member { node, incarnation: Incarnation(1) }
}

fn configured(coverage: &mut Coverage, version: u64) {
    let (base, version) = (ChunkVersion(version - 1), ChunkVersion(version));
    let members = vec![member(PRIMARY), member(MEMBER)];
    told(coverage, MASTER, Event::Configured { chunk: CHUNK, base, version, members });
}

fn adopted(coverage: &mut Coverage, node: NodeId, version: u64, sequence: u64) {
    let (version, sequence) = (ChunkVersion(version), Sequence(sequence));
    let (ops, primary) = (Vec::new(), node == PRIMARY);
    let (length, stored_bytes) = (0, 0);
    let event =
        Event::Adopted { chunk: CHUNK, version, sequence, length, stored_bytes, ops, primary };
    told(coverage, node, event);
}

fn deliver(coverage: &mut Coverage, from: NodeId, to: NodeId, message: impl Into<Message>) {
    let message = message.into();
    coverage.input(to, Time(0), &Input::Deliver(Envelope { from, to, message }));
}

fn prepare(version: u64, incarnation: u64) -> configure::Prepare {
    configure::Prepare {
        chunk: CHUNK,
        epoch: Epoch(1),
        version: ChunkVersion(version),
        incarnation: Incarnation(incarnation),
        create: None,
    }
}

fn progress(version: u64, applied: u64) -> pipeline::Progress {
    let (version, applied) = (ChunkVersion(version), Sequence(applied));
    pipeline::Progress { chunk: CHUNK, version, applied, received: applied }
}

#[test]
fn the_phase_and_the_relation_are_those_of_the_moment() {
    let mut coverage = Coverage::default();
    configured(&mut coverage, 3);
    deliver(&mut coverage, MASTER, MEMBER, prepare(2, 0));
    adopted(&mut coverage, PRIMARY, 3, 0);
    deliver(&mut coverage, MASTER, MEMBER, prepare(4, 1));
    adopted(&mut coverage, MEMBER, 3, 0);
    deliver(&mut coverage, MEMBER, PRIMARY, progress(3, 0));
    let met = coverage.pairs().cells().summary();
    for cell in [
        "change committed, its primary not begun x Prepare of an older version",
        "change committed, its primary not begun x Prepare of the same life",
        "change committed, members behind x Prepare of a newer version",
        "change committed, members behind x Prepare of a newer life",
        "change complete x Progress of the same version",
        "replica primary without lease x Progress",
    ] {
        assert_eq!(met.get(cell), Some(&1), "{cell}: {met:?}");
    }
    assert_eq!(met.get("replica absent x Prepare"), Some(&2));
    assert_eq!(met.len(), coverage.pairs().cells().met());
}

#[test]
fn numbers_lead_back_to_their_cells() {
    let mut coverage = Coverage::default();
    configured(&mut coverage, 3);
    deliver(&mut coverage, MASTER, MEMBER, prepare(2, 0));
    let cells = coverage.pairs().cells();
    let mut sum = Cells::default();
    sum.add_numbered(&cells.numbered());
    assert_eq!(sum.summary(), cells.summary());
    let never: usize = sum.never().values().map(Vec::len).sum();
    assert_eq!(never + sum.met(), Cells::possible());
}

#[test]
fn a_message_is_as_rare_as_its_rarest_pair() {
    let mut coverage = Coverage::default();
    let message = Message::from(prepare(1, 1));
    let envelope = Envelope { from: MASTER, to: MEMBER, message };
    assert_eq!(coverage.pairs().rarity(&envelope), Some(0));
    coverage.input(MEMBER, Time(0), &Input::Deliver(envelope.clone()));
    assert_eq!(coverage.pairs().rarity(&envelope), Some(1));
    configured(&mut coverage, 1);
    assert_eq!(coverage.pairs().rarity(&envelope), Some(0), "another phase");
}

#[test]
fn a_late_acknowledgement_is_one_of_a_version_before_the_primarys() {
    let mut coverage = Coverage::default();
    let has = |coverage: &Coverage, mark: Mark| coverage.summary().contains_key(mark.name());
    adopted(&mut coverage, PRIMARY, 1, 0);
    deliver(&mut coverage, MEMBER, PRIMARY, progress(1, 5));
    adopted(&mut coverage, PRIMARY, 2, 4);
    deliver(&mut coverage, MEMBER, PRIMARY, progress(2, 4));
    assert!(!has(&coverage, Mark::LateAck));
    deliver(&mut coverage, MEMBER, PRIMARY, progress(1, 5));
    assert!(has(&coverage, Mark::LateAck) && !has(&coverage, Mark::LateAckInPipeline));
    let op = OpId { client: NodeId(10_001), number: 1 };
    let (kind, extent) = (MutationKind::Write, Extent::new(0, 1));
    let mutation = Mutation { op, acked_below: 0, kind, extent, crc: 0 };
    for sequence in [5, 6] {
        let push = pipeline::Push {
            chunk: CHUNK,
            version: ChunkVersion(2),
            sequence: Sequence(sequence),
            committed: Sequence(4),
            primary: PRIMARY,
            chain: Vec::new(),
            mutation: Box::new(mutation.clone()),
            payload: leasehold_proto::Payload::default(),
        };
        let message = Message::from(push);
        let effect = Effect::Send(Envelope { from: PRIMARY, to: MEMBER, message });
        coverage.effect(PRIMARY, Time(0), &effect);
    }
    deliver(&mut coverage, MEMBER, PRIMARY, progress(1, 4));
    assert!(has(&coverage, Mark::LateAckInPipeline) && !has(&coverage, Mark::LateAckOfMore));
    deliver(&mut coverage, MEMBER, PRIMARY, progress(1, 5));
    assert!(has(&coverage, Mark::LateAckOfMore));
}
