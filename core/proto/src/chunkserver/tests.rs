//! The protocol's main roads, walked once; faults and their combinations are the simulators'.

use crate::event::Event;
use crate::ids::NodeId;
use crate::payload::Extent;
use crate::refusal::Refusal;
use crate::replica::MutationKind::{Append, Seal, Write};
use crate::testbed::{Testbed, small};
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_write_is_on_every_member_and_is_read_back() {
    let mut bed = Testbed::new(3, small());
    let (file, chunk) = bed.file("/a", 8_192);
    let op = bed.op();
    assert_eq!(bed.mutate(file, op, Write, 100, b"hello"), Ok(Extent::new(100, 5)));
    assert_eq!(bed.read(file, Extent::new(98, 100)), b"\0\0hello");
    bed.assert_agreement(chunk);
    assert_eq!(bed.locate(file).members.len(), 3);
}

#[test]
fn a_retry_is_answered_and_not_repeated() {
    let mut bed = Testbed::new(3, small());
    let (file, _) = bed.file("/a", 8_192);
    let op = bed.op();
    assert_eq!(bed.mutate(file, op, Append, 0, b"one"), Ok(Extent::new(0, 3)));
    bed.inbox.clear();
    assert_eq!(bed.mutate(file, op, Append, 0, b"one"), Ok(Extent::new(0, 3)));
    assert_eq!(bed.read(file, Extent::new(0, 100)), b"one");
}

#[test]
fn a_record_that_does_not_fit_seals_the_chunk() {
    let mut bed = Testbed::new(3, small());
    let (file, chunk) = bed.file("/a", 512);
    let op = bed.op();
    assert!(bed.mutate(file, op, Append, 0, &[1; 400]).is_ok());
    let op = bed.op();
    assert_eq!(bed.mutate(file, op, Append, 0, &[2; 200]), Err(Refusal::Sealed));
    let op = bed.op();
    assert_eq!(bed.mutate(file, op, Append, 0, &[3; 1]), Err(Refusal::Sealed));
    let op = bed.op();
    assert_eq!(bed.mutate(file, op, Seal, 0, &[]), Ok(Extent::default()));
    assert_eq!(bed.read(file, Extent::new(400, 112)), [0; 112]);
    bed.assert_agreement(chunk);
}

#[test]
fn a_dead_member_is_configured_out_and_replaced() {
    let mut bed = Testbed::new(4, small());
    let (file, chunk) = bed.file("/a", 8_192);
    let op = bed.op();
    bed.mutate(file, op, Write, 0, &[7; 3_000]).unwrap();
    let victim = *bed.locate(file).members.last().unwrap();
    bed.crash(victim);
    let op = bed.op();
    assert!(bed.mutate(file, op, Write, 10, b"after").is_ok());
    bed.run(SECOND * 20);
    let at = bed.locate(file);
    assert_eq!(at.members.len(), 3);
    assert!(!at.members.contains(&victim));
    bed.assert_agreement(chunk);
    assert_eq!(&bed.read(file, Extent::new(8, 8)), b"\x07\x07after\x07");
    bed.restart(victim);
    bed.run(SECOND * 5);
    let deleted = |(node, event): &(NodeId, Event)| {
        *node == victim && matches!(event, Event::ReplicaDeleted { .. })
    };
    assert!(bed.events.iter().any(deleted), "the replica left behind is removed");
}

#[test]
fn a_restarted_primary_gets_a_new_version() {
    let mut bed = Testbed::new(3, small());
    let (file, chunk) = bed.file("/a", 8_192);
    let op = bed.op();
    bed.mutate(file, op, Write, 0, b"one").unwrap();
    let before = bed.locate(file);
    let primary = before.primary.unwrap();
    bed.crash(primary);
    bed.restart(primary);
    bed.run(SECOND);
    let op = bed.op();
    bed.mutate(file, op, Write, 3, b"two").unwrap();
    let after = bed.locate(file);
    assert!(after.version > before.version);
    assert_eq!(after.members.len(), 3);
    assert_eq!(bed.read(file, Extent::new(0, 10)), b"onetwo");
    bed.assert_agreement(chunk);
}

#[test]
fn a_dead_primary_is_replaced_after_its_lease() {
    let mut bed = Testbed::new(3, small());
    let (file, chunk) = bed.file("/a", 8_192);
    let op = bed.op();
    bed.mutate(file, op, Write, 0, b"one").unwrap();
    let primary = bed.locate(file).primary.unwrap();
    bed.crash(primary);
    let op = bed.op();
    bed.mutate(file, op, Write, 3, b"two").unwrap();
    assert_ne!(bed.locate(file).primary, Some(primary));
    assert_eq!(bed.read(file, Extent::new(0, 10)), b"onetwo");
    bed.restart(primary);
    bed.run(SECOND * 20);
    assert_eq!(bed.locate(file).members.len(), 3);
    bed.assert_agreement(chunk);
}

#[test]
fn an_idle_primary_asks_again_without_a_new_version() {
    let mut bed = Testbed::new(3, small());
    let (file, _) = bed.file("/a", 8_192);
    let op = bed.op();
    bed.mutate(file, op, Write, 0, b"one").unwrap();
    let version = bed.locate(file).version;
    bed.run(SECOND * 60);
    assert!(
        bed.server(
            bed.master().state().chunks().iter().next().unwrap().1.config.as_ref().unwrap().members
                [0]
            .node
        )
        .believes_primary(bed.now)
        .is_empty()
    );
    let op = bed.op();
    bed.mutate(file, op, Write, 3, b"two").unwrap();
    assert_eq!(bed.locate(file).version, version);
}

#[test]
fn a_deleted_file_is_reclaimed_after_its_retention() {
    let mut constants = small();
    constants.trash_retention = SECOND * 5;
    let mut bed = Testbed::new(3, constants);
    let (file, chunk) = bed.file("/a", 8_192);
    let op = bed.op();
    bed.mutate(file, op, Write, 0, b"one").unwrap();
    bed.change(crate::metadata::MetadataChange::Delete { path: "/a".into(), this: None });
    let op = bed.op();
    bed.mutate(file, op, Write, 0, b"two").unwrap();
    bed.run(SECOND * 30);
    assert!(!bed.master().state().chunks().contains(chunk));
    for node in 101..=103 {
        assert!(bed.server(NodeId(node)).replicas().live.is_empty());
    }
}
