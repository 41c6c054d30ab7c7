//! Disks of masters with and without peers, as they were written and damaged in every place.

use super::*;
use crate::replicated::types::{LogId, Proposal, RaftLogEntry, SnapshotMeta, Types};
use leasehold_proto::metadata::MetadataChange;
use leasehold_proto::{
    ClusterConstants, Command, Constants, Epoch, IoId, LogEntry, LogIndex, NodeId, OpId,
};
use leasehold_store::MemDisk;
use leasehold_store::raft_log::{Mark, RaftChange, Snapshot};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::type_config::alias::LeaderIdOf;
use openraft::vote::RaftLeaderId;

/// Some records each, so that a log has several generations.
const LOG_BYTES: u64 = 1_664;
const ENTRIES: u64 = 30;

/// A leader's entry, then directories.
fn entry(number: u64) -> LogEntry {
    let command = match number {
        1 => Command::NewLeader {
            node: NodeId(1),
            constants: Box::new(ClusterConstants::of(&Constants::default())),
        },
        _ => {
            let op = OpId { client: NodeId(9), number };
            let change = MetadataChange::Mkdir { path: format!("/d{number}").into(), mode: 0o755 };
            Command::Change { caller: Box::default(), op, acked_below: number, change }
        }
    };
    LogEntry { epoch: Epoch(u64::from(number > 1)), proposal: IoId(number), command }
}

/// A lone master's disk with checkpoints at 10 and 20, and its state after the last entry.
fn lone() -> (MemDisk, MasterState) {
    let disk = MemDisk::new();
    let options = MasterLogOptions { log_bytes: LOG_BYTES, ..MasterLogOptions::default() };
    let (mut log, mut state, _) = MasterLog::open(disk.clone(), options).unwrap();
    for number in 1..=ENTRIES {
        log.append(&[entry(number)]).unwrap();
        let _ = state.apply(LogIndex(number), &entry(number));
        if [10, 20].contains(&number) {
            log.checkpoint(&state).unwrap();
        }
    }
    (disk, state)
}

fn log_id(index: u64) -> LogId {
    LogId::new(LeaderIdOf::<Types>::new(1, 1).to_committed(), index)
}

fn encode(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap()
}

/// The disk of a master with peers: snapshots at 10 and 20, the log from 11 on. The library's own
/// first entry is before ours.
fn replicated() -> (MemDisk, MasterState) {
    let disk = MemDisk::new();
    let options = RaftLogOptions { log_bytes: LOG_BYTES, birth: 7 };
    let (mut log, _) = RaftLog::open(disk.clone(), &options).unwrap();
    let mut state = MasterState::new(Constants::default().remembered_clients_max);
    log.write(&[RaftChange::Vote(b"vote".to_vec())]).unwrap();
    for index in 0..=ENTRIES {
        let payload = match index {
            0 => EntryPayload::Blank,
            _ => EntryPayload::Normal(Proposal(entry(index))),
        };
        let appended = encode(&RaftLogEntry::new(log_id(index), payload));
        log.write(&[RaftChange::Append { index, entry: appended }]).unwrap();
        if index > 0 {
            let _ = state.apply(LogIndex(index), &entry(index));
        }
        if [10, 20].contains(&index) {
            let meta = SnapshotMeta { last_log_id: Some(log_id(index)), ..SnapshotMeta::default() };
            let (meta, state) = (encode(&meta), encode(&state));
            log.save_snapshot(&Snapshot { index, meta, state }).unwrap();
        }
    }
    let mark = Mark { index: 10, id: encode(&log_id(10)) };
    log.write(&[RaftChange::Purge(mark)]).unwrap();
    (disk, state)
}

fn judge(disk: &MemDisk) -> Checked {
    let before = disk.operations();
    let checked = check(disk, &Constants::default()).unwrap();
    assert_eq!(disk.operations(), before, "nothing was changed, made or synced");
    checked
}

fn report<'a>(checked: &'a Checked, name: &str) -> &'a FileReport {
    checked.files.iter().find(|file| file.name == name).unwrap()
}

/// The newest generation that holds entries, and where its records stand.
fn newest_log(disk: &MemDisk) -> (String, Vec<u64>) {
    let checked = judge(disk);
    let holds = |file: &&FileReport| matches!(file.holds, Holds::Log(span) if span.entries > 0);
    let name = checked.files.iter().rfind(holds).unwrap().name.clone();
    let records = records(disk, &name);
    (name, records)
}

/// Where the records of a generation stand.
fn records(disk: &MemDisk, name: &str) -> Vec<u64> {
    let bytes = disk.bytes(name).unwrap();
    let places = (512..bytes.len()).step_by(16).filter(|at| bytes[*at..].starts_with(b"LHRC"));
    places.map(|at| at as u64).collect()
}

/// The newest checkpoint or snapshot.
fn newest_state(checked: &Checked) -> String {
    let is_state = |file: &&FileReport| matches!(file.holds, Holds::State { .. });
    checked.files.iter().rfind(is_state).unwrap().name.clone()
}

fn both() -> [(MemDisk, MasterState); 2] {
    [lone(), replicated()]
}

#[test]
fn a_sound_disk_gives_the_state_that_was() {
    for (disk, state) in both() {
        let checked = judge(&disk);
        assert!(checked.is_healthy(), "{checked:?}");
        let start = checked.start.as_ref().unwrap();
        assert_eq!((start.base, start.entries), (Some(20), ENTRIES - 20));
        assert_eq!(start.state, state);
        assert_eq!(start.state.counts().directories, ENTRIES);
        let spans = checked.files.iter().filter_map(|file| match file.holds {
            Holds::Log(span) => span.indices,
            Holds::State { .. } | Holds::Room | Holds::Foreign => None,
        });
        let spans: Vec<(u64, u64)> = spans.collect();
        assert!(spans.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{spans:?}");
        assert_eq!(spans.last().unwrap().1, ENTRIES);
    }
    assert_eq!(judge(&lone().0).layout, Layout::Lone);
    assert_eq!(judge(&replicated().0).layout, Layout::Replicated);
}

#[test]
fn a_torn_tail_is_told_and_is_normal() {
    let (disk, _) = lone();
    let (name, records) = newest_log(&disk);
    let last = *records.last().unwrap();
    disk.flip(&name, last + 50);
    let checked = judge(&disk);
    assert_eq!(report(&checked, &name).flaw, Some(Flaw::TornTail { at: last }));
    assert!(checked.is_healthy(), "{checked:?}");
    assert_eq!(checked.start.unwrap().state.applied(), LogIndex(ENTRIES - 1));
}

#[test]
fn a_bad_record_in_the_middle_is_found_where_it_is_and_refused() {
    for (disk, _) in both() {
        let (name, records) = newest_log(&disk);
        assert!(records.len() > 2, "{records:?}");
        for byte in [0, 9, 20, 30, 41, 50] {
            let rotten = disk.fork();
            let at = records[records.len() / 2];
            rotten.flip(&name, at + byte);
            let checked = judge(&rotten);
            let Some(Flaw::Corrupt { at: found, .. }) = report(&checked, &name).flaw else {
                panic!("byte {byte}: {checked:?}");
            };
            assert_eq!(found, at);
            let Err(Refused::Store(StoreError::Corrupt { name: refused, offset, .. })) =
                checked.start
            else {
                panic!("byte {byte}: it would start");
            };
            assert_eq!((refused, offset), (name.clone(), at));
        }
    }
}

/// A generation's header, and the last record of one that is not the newest.
#[test]
fn a_bad_place_in_an_older_generation_is_refused() {
    let (disk, _) = lone();
    let logs: Vec<String> = disk.list("log").unwrap();
    let first = format!("log/{}", logs.iter().find(|name| name.ends_with(".log")).unwrap());
    let last = *records(&disk, &first).last().unwrap();
    for at in [20, 40, last + 50] {
        let rotten = disk.fork();
        rotten.flip(&first, at);
        let checked = judge(&rotten);
        assert!(matches!(report(&checked, &first).flaw, Some(Flaw::Corrupt { .. })), "byte {at}");
        assert!(checked.start.is_err(), "byte {at}");
    }
}

#[test]
fn a_rotten_newest_state_is_told_and_the_older_one_stands_in() {
    for (disk, state) in both() {
        let newest = newest_state(&judge(&disk));
        disk.flip(&newest, 60);
        let checked = judge(&disk);
        let flaw = Flaw::Corrupt { at: 24, why: "body checksum" };
        assert_eq!(report(&checked, &newest).flaw, Some(flaw));
        assert!(!checked.is_healthy());
        let start = checked.start.unwrap();
        assert_eq!((start.base, start.state), (Some(10), state));
    }
}

#[test]
fn with_no_good_state_it_would_not_start() {
    for (disk, _) in both() {
        let states: Vec<String> = judge(&disk).files.into_iter().map(|file| file.name).collect();
        let states = states.iter().filter(|name| name.contains("point/") || name.contains("shot/"));
        states.for_each(|name| disk.flip(name, 60));
        let checked = judge(&disk);
        assert_eq!(checked.flaws().count(), 2, "{checked:?}");
        assert!(matches!(checked.start, Err(Refused::Store(StoreError::Corrupt { .. }))));
    }
}

#[test]
fn another_format_version_is_named_with_both_numbers() {
    for (disk, _) in both() {
        for name in [newest_state(&judge(&disk)), newest_log(&disk).0] {
            let disk = disk.fork();
            let mut bytes = disk.bytes(&name).unwrap();
            let expected = u32::from(bytes[12]);
            bytes[12] = 99;
            disk.put(&name, &bytes);
            let checked = judge(&disk);
            let flaw = Flaw::Version { found: 99, expected };
            assert_eq!(report(&checked, &name).flaw, Some(flaw));
            let start = checked.start.unwrap_err();
            assert!(matches!(start, Refused::Store(StoreError::Version { .. })), "{start}");
        }
    }
}

#[test]
fn a_gap_between_state_and_log_is_refused() {
    for (disk, _) in both() {
        let name = newest_log(&disk).0;
        let folder = name.split_once('/').unwrap().0;
        for log in disk.list(folder).unwrap() {
            disk.remove(&format!("{folder}/{log}")).unwrap();
        }
        let checked = judge(&disk);
        assert_eq!(checked.flaws().count(), 0);
        let start = checked.start.unwrap_err();
        assert!(matches!(start, Refused::Store(StoreError::Missing { .. })), "{start}");
    }
}

#[test]
fn a_generation_between_others_is_missed() {
    let (disk, _) = replicated();
    let logs: Vec<String> = disk.list("raft").unwrap();
    let logs: Vec<&String> = logs.iter().filter(|name| name.ends_with(".log")).collect();
    assert!(logs.len() > 2, "{logs:?}");
    disk.remove(&format!("raft/{}", logs[1])).unwrap();
    let start = judge(&disk).start.unwrap_err();
    assert!(start.to_string().starts_with(&format!("raft/{}: missing", logs[1])), "{start}");
}

#[test]
fn unfinished_files_and_room_are_nothing() {
    let (disk, state) = lone();
    disk.put("checkpoint/000000000000001e.ckpt.tmp", b"half");
    let checked = judge(&disk);
    assert_eq!(report(&checked, "checkpoint/000000000000001e.ckpt.tmp").holds, Holds::Room);
    assert_eq!(report(&checked, "log/reserve").holds, Holds::Room);
    assert!(checked.is_healthy());
    assert_eq!(checked.start.unwrap().state, state);
    disk.put("checkpoint/notes.txt", b"mine");
    let checked = judge(&disk);
    assert!(report(&checked, "checkpoint/notes.txt").flaw.is_some());
    assert!(checked.start.is_err(), "a master refuses a name that it cannot read, too");
}

/// Checksums say that bytes are as they were written, not that they make sense.
#[test]
fn a_state_that_contradicts_itself_is_refused() {
    let disk = MemDisk::new();
    let (mut log, mut state, _) =
        MasterLog::open(disk.clone(), MasterLogOptions::default()).unwrap();
    log.append(&[entry(1)]).unwrap();
    let _ = state.apply(LogIndex(1), &entry(1));
    // One byte each: index, epoch, two identities, the number of inodes, the root's identity; its mode, in
    // two, and one each of its owner, group, links, four times, extended attributes, kind, number of
    // names, parent and length of its name; then how many directories there are.
    let mut bytes = postcard::to_allocvec(&state).unwrap();
    assert_eq!(bytes[20], u8::try_from(state.counts().directories).unwrap());
    bytes[20] = 5;
    let state: MasterState = postcard::from_bytes(&bytes).unwrap();
    log.checkpoint(&state).unwrap();
    let checked = judge(&disk);
    assert_eq!(checked.flaws().count(), 0);
    let Err(Refused::State(why)) = checked.start else { panic!("{checked:?}") };
    assert!(why.contains("directories are counted"), "{why}");
}

#[test]
fn a_record_that_does_not_decode_is_found_where_it_is() {
    let (disk, _) = replicated();
    let (name, records) = newest_log(&disk);
    let disk_of_two = MemDisk::new();
    disk_of_two.put("log/0000000000000001.log", &disk.bytes(&name).unwrap());
    let checked = judge(&disk_of_two);
    assert_eq!(checked.layout, Layout::Lone);
    let flaw = &checked.files[0].flaw;
    assert!(matches!(flaw, Some(Flaw::Corrupt { at: 16, .. })), "another generation: {flaw:?}");
    let number = name.strip_prefix("raft/").unwrap();
    let disk_of_two = MemDisk::new();
    disk_of_two.put(&format!("log/{number}"), &disk.bytes(&name).unwrap());
    let checked = judge(&disk_of_two);
    let Some(Flaw::Corrupt { at, why }) = checked.files[0].flaw else { panic!("{checked:?}") };
    assert_eq!((records.contains(&at), why), (true, "a record that does not decode"));
    assert!(checked.start.is_err());
}

#[test]
fn two_logs_on_one_disk_and_none_at_all_are_refused() {
    let (disk, _) = lone();
    let (other, _) = replicated();
    let name = newest_log(&other).0;
    disk.put(&name, &other.bytes(&name).unwrap());
    let start = judge(&disk).start.unwrap_err();
    assert!(start.to_string().contains("with peers"), "{start}");
    let nobody = judge(&MemDisk::new());
    assert_eq!((nobody.layout, nobody.files.len()), (Layout::Nobody, 0));
    assert!(nobody.start.is_err());
}
