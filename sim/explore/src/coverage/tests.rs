//! Marks are hit by the state that their sentence names, and by nothing less.

use super::*;
use leasehold_proto::message::{data, removal};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Envelope, Epoch, Event, Incarnation, Member, Message, MutationKind,
    OpId, Payload, Refusal, SafeModeEnd,
};

const MASTER: NodeId = NodeId(1);
const SERVER: NodeId = NodeId(101);
const CLIENT: NodeId = NodeId(10_001);
const CHUNK: ChunkHandle = ChunkHandle(7);

fn deliver(message: Message) -> Input {
    Input::Deliver(Envelope { from: CLIENT, to: SERVER, message })
}

fn send(message: Message) -> Effect {
    Effect::Send(Envelope { from: SERVER, to: CLIENT, message })
}

fn op(number: u64) -> OpId {
    OpId { client: CLIENT, number }
}

fn mutate(number: u64) -> Input {
    deliver(Message::Data(data::Request::Mutate(data::Mutate {
        op: op(number),
        acked_below: 0,
        chunk: CHUNK,
        version: ChunkVersion(1),
        exactly: false,
        kind: MutationKind::Write,
        offset: 0,
        payload: Payload::default(),
    })))
}

fn mutated(number: u64, result: Result<leasehold_proto::Extent, Refusal>) -> Effect {
    send(Message::DataReply(data::Reply::Mutated(data::Mutated {
        op: op(number),
        chunk: CHUNK,
        result,
    })))
}

fn lease_taken(until: u64) -> Effect {
    Effect::Observe(Event::LeaseTaken {
        chunk: CHUNK,
        version: ChunkVersion(1),
        until: Time(until),
    })
}

fn lease_ended() -> Effect {
    Effect::Observe(Event::LeaseEnded { chunk: CHUNK, version: ChunkVersion(1) })
}

fn configured(version: u64, nodes: &[u64]) -> Effect {
    let members = nodes
        .iter()
        .map(|node| Member { node: NodeId(*node), incarnation: Incarnation(1) })
        .collect();
    let (base, version) = (ChunkVersion(version - 1), ChunkVersion(version));
    Effect::Observe(Event::Configured { chunk: CHUNK, base, version, members })
}

fn change_began(version: u64) -> Effect {
    let version = ChunkVersion(version);
    Effect::Observe(Event::ChangeBegan { chunk: CHUNK, version, why: "test" })
}

fn has(coverage: &Coverage, mark: Mark) -> bool {
    coverage.summary().contains_key(mark.name())
}

#[test]
fn there_are_enough_and_each_has_a_name_and_a_sentence_of_its_own() {
    assert!(Mark::ALL.len() >= 30, "{}", Mark::ALL.len());
    for (at, mark) in Mark::ALL.iter().enumerate() {
        assert_eq!(Mark::named(mark.name()), Some(*mark));
        assert!(mark.sentence().ends_with('.'), "{}", mark.sentence());
        assert!(Mark::ALL[at + 1..].iter().all(|other| other.sentence() != mark.sentence()));
    }
}

#[test]
fn a_lease_that_runs_out_is_told_from_one_that_is_given_up() {
    for (ends_at, owes, expected) in [
        (50, false, vec![Mark::LeaseEndedByPrepare]),
        (50, true, vec![Mark::LeaseEndedByPrepare, Mark::DeposedWithWritesInFlight]),
        (100, true, vec![Mark::LeaseExpiredDuringWrite]),
        (100, false, vec![]),
        (600_000_101, false, vec![Mark::LeaseFoundExpiredLate]),
    ] {
        let mut coverage = Coverage::default();
        coverage.effect(SERVER, Time(0), &lease_taken(100));
        if owes {
            coverage.input(SERVER, Time(1), &mutate(1));
        }
        coverage.effect(SERVER, Time(ends_at), &lease_ended());
        let ends = [
            Mark::LeaseEndedByPrepare,
            Mark::DeposedWithWritesInFlight,
            Mark::LeaseExpiredDuringWrite,
            Mark::LeaseFoundExpiredLate,
        ];
        let found: Vec<Mark> = ends.into_iter().filter(|mark| has(&coverage, *mark)).collect();
        assert_eq!(found, expected, "ends at {ends_at}, owes {owes}");
    }
}

#[test]
fn an_answered_write_is_in_flight_no_more() {
    let mut coverage = Coverage::default();
    coverage.effect(SERVER, Time(0), &lease_taken(100));
    coverage.input(SERVER, Time(1), &mutate(1));
    coverage.effect(SERVER, Time(2), &mutated(1, Err(Refusal::Busy)));
    coverage.crashed(SERVER);
    assert!(has(&coverage, Mark::PrimaryCrashedUnderLease));
    assert!(!has(&coverage, Mark::PrimaryCrashedWithWritesInFlight));
    assert!(has(&coverage, Mark::WriteRefusedBusy));
}

#[test]
fn a_retry_is_answered_from_the_table_only_if_it_was_applied_before() {
    let applied = |number| {
        Effect::Observe(Event::Applied {
            chunk: CHUNK,
            version: ChunkVersion(1),
            sequence: leasehold_proto::Sequence(number),
            op: op(number),
            kind: MutationKind::Write,
            extent: leasehold_proto::Extent::new(0, 1),
            crc: 0,
        })
    };
    let extent = leasehold_proto::Extent::new(0, 1);
    let mut coverage = Coverage::default();
    coverage.input(SERVER, Time(1), &mutate(1));
    coverage.effect(SERVER, Time(1), &applied(1));
    coverage.effect(SERVER, Time(2), &mutated(1, Ok(extent)));
    assert!(!has(&coverage, Mark::RetryMetTheTable));
    coverage.input(SERVER, Time(3), &mutate(1));
    assert!(has(&coverage, Mark::RetryMetTheTable));
    assert!(!has(&coverage, Mark::RetryAnsweredFromTheTable));
    coverage.effect(SERVER, Time(4), &mutated(1, Ok(extent)));
    assert!(has(&coverage, Mark::RetryAnsweredFromTheTable));
}

#[test]
fn a_change_during_recovery_is_one_before_all_members_adopted() {
    for adopted in [false, true] {
        let mut coverage = Coverage::default();
        coverage.effect(MASTER, Time(0), &configured(1, &[101, 102]));
        coverage.effect(MASTER, Time(0), &configured(2, &[101, 102]));
        if adopted {
            for node in [101, 102] {
                let event = Event::Adopted {
                    chunk: CHUNK,
                    version: ChunkVersion(2),
                    sequence: leasehold_proto::Sequence(0),
                    length: 0,
                    stored_bytes: 0,
                    ops: Vec::new(),
                    primary: node == 101,
                };
                coverage.effect(NodeId(node), Time(0), &Effect::Observe(event));
            }
        }
        coverage.effect(MASTER, Time(1), &change_began(3));
        assert_eq!(has(&coverage, Mark::ReconfiguredDuringRecovery), !adopted);
    }
}

#[test]
fn promises_that_are_passed_over_and_members_that_come_and_go() {
    let mut coverage = Coverage::default();
    coverage.effect(MASTER, Time(0), &configured(1, &[101, 102]));
    let promised = Event::Promised { chunk: CHUNK, version: ChunkVersion(2) };
    coverage.effect(SERVER, Time(0), &Effect::Observe(promised));
    assert!(!has(&coverage, Mark::PromiseWithoutCommit));
    coverage.effect(MASTER, Time(0), &configured(3, &[101]));
    for mark in [Mark::PromiseWithoutCommit, Mark::MemberConfiguredOut, Mark::LastCopy] {
        assert!(has(&coverage, mark), "{mark:?}");
    }
    assert!(has(&coverage, Mark::SamePrimaryWentOn));
    assert!(!has(&coverage, Mark::LearnerConfiguredIn));
    let before = coverage.summary();
    coverage.effect(MASTER, Time(0), &configured(3, &[101]));
    assert_eq!(coverage.summary(), before, "a log told again is no news");
    coverage.effect(MASTER, Time(0), &configured(4, &[103, 101]));
    assert!(has(&coverage, Mark::LearnerConfiguredIn));
}

#[test]
fn safe_mode_counts_only_with_something_to_report() {
    let led = Effect::Observe(Event::LeaderBegan { epoch: Epoch(1) });
    let by = |why| Effect::Observe(Event::SafeModeEnded { why });
    let ended = by(SafeModeEnd::Waited);
    let mut coverage = Coverage::default();
    coverage.effect(MASTER, Time(0), &led);
    coverage.effect(MASTER, Time(0), &by(SafeModeEnd::Reported));
    assert!(!has(&coverage, Mark::SafeModeWithUnreportedChunks));
    assert!(!has(&coverage, Mark::SafeModeEndedByTime));
    coverage.effect(MASTER, Time(0), &configured(1, &[101]));
    assert!(!has(&coverage, Mark::ConfiguredInSafeMode));
    coverage.effect(MASTER, Time(0), &change_began(2));
    coverage.crashed(MASTER);
    assert!(has(&coverage, Mark::MasterCrashedDuringChange));
    coverage.effect(MASTER, Time(0), &led);
    coverage.effect(MASTER, Time(0), &configured(2, &[101]));
    assert!(has(&coverage, Mark::ConfiguredInSafeMode));
    coverage.effect(MASTER, Time(0), &ended);
    assert!(has(&coverage, Mark::SafeModeWithUnreportedChunks));
    assert!(has(&coverage, Mark::SafeModeEndedByTime));
}

#[test]
fn a_master_that_takes_a_snapshot_and_one_that_ends_or_comes_back_are_seen() {
    let mut coverage = Coverage::default();
    let state = Box::new(leasehold_proto::MasterState::new(8));
    coverage.input(MASTER, Time(0), &Input::Wake);
    assert!(coverage.summary().is_empty());
    coverage.input(MASTER, Time(0), &Input::Installed { state });
    assert!(has(&coverage, Mark::SnapshotInstalled));
    assert!(!has(&coverage, Mark::MasterEndedByItsDisk) && !has(&coverage, Mark::MasterReplaced));
    coverage.master_ended_by_its_disk();
    coverage.master_replaced();
    assert!(has(&coverage, Mark::MasterEndedByItsDisk) && has(&coverage, Mark::MasterReplaced));
}

#[test]
fn an_order_that_changes_nothing_was_refused() {
    let order = || {
        let reason = leasehold_proto::message::DeleteReason::Excluded(ChunkVersion(1));
        deliver(Message::Removal(removal::Order::Delete(removal::DeleteReplica {
            chunk: CHUNK,
            reason,
        })))
    };
    let delete = Effect::Io {
        io: leasehold_proto::IoId(1),
        op: leasehold_proto::ReplicaChange::Delete { chunk: CHUNK }.into(),
    };
    let mut coverage = Coverage::default();
    coverage.input(SERVER, Time(0), &order());
    coverage.effect(SERVER, Time(0), &delete);
    coverage.input(SERVER, Time(0), &Input::Wake);
    assert!(!has(&coverage, Mark::DeleteRefused));
    coverage.input(SERVER, Time(0), &order());
    coverage.input(SERVER, Time(0), &Input::Wake);
    assert!(has(&coverage, Mark::DeleteRefused));
}
