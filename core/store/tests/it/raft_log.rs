//! A replicated master's log under power failures, rot and a full disk.

use crate::mishaps::Trial;
use leasehold_proto::IoFault;
use leasehold_store::mem::Mishap;
use leasehold_store::raft_log::{Mark, RaftChange, Recovered, Snapshot};
use leasehold_store::{
    Disk, MasterLog, MasterLogOptions, MemDisk, RaftLog, RaftLogOptions, StoreError,
};

const BATCHES: u64 = 40;
const BIRTH: u64 = 0x77;

fn options() -> RaftLogOptions {
    RaftLogOptions { log_bytes: 2_048, birth: BIRTH }
}

fn append(index: u64, term: u64) -> RaftChange {
    RaftChange::Append { index, entry: format!("entry {index} of term {term}").into_bytes() }
}

fn mark(index: u64) -> Mark {
    Mark { index, id: format!("id {index}").into_bytes() }
}

fn snapshot(index: u64) -> Snapshot {
    let (meta, state) = (format!("meta {index}").into_bytes(), vec![index as u8; 100]);
    Snapshot { index, meta, state }
}

/// What a log is to hold: the naive model.
fn change(model: &mut Recovered, change: &RaftChange) {
    match change {
        RaftChange::Append { index, entry } => {
            model.entries.insert(*index, entry.clone());
        }
        RaftChange::CutFrom { index } => {
            model.entries.split_off(index);
        }
        RaftChange::Purge(mark) => {
            model.entries = model.entries.split_off(&(mark.index + 1));
            model.purged = Some(mark.clone());
        }
        RaftChange::Vote(vote) => model.vote = Some(vote.clone()),
    }
}

/// The next batch of a follower whose leaders come and go.
fn batch(model: &Recovered, number: u64, purgeable: Option<u64>) -> Vec<RaftChange> {
    let first = model.purged.as_ref().map_or(0, |mark| mark.index + 1);
    let next = model.entries.keys().next_back().map_or(first, |last| last + 1);
    let mut changes: Vec<RaftChange> = match number % 7 {
        3 => vec![RaftChange::Vote(format!("vote of term {number}").into_bytes())],
        5 if next > first + 2 => vec![RaftChange::CutFrom { index: next - 2 }],
        6 => match purgeable.filter(|upto| *upto >= first) {
            Some(upto) => vec![RaftChange::Purge(mark(upto))],
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    let next =
        if matches!(changes.first(), Some(RaftChange::CutFrom { .. })) { next - 2 } else { next };
    changes.extend((next..=next + number % 3).map(|index| append(index, number)));
    changes
}

/// What a run left: every state that a later open may find.
struct Ran {
    possible: Vec<Recovered>,
}

fn run(disk: &MemDisk) -> Ran {
    let new = Recovered { birth: BIRTH, ..Recovered::default() };
    let Ok((mut log, found)) = RaftLog::open(disk.clone(), &options()) else {
        return Ran { possible: vec![new] };
    };
    assert_eq!(found, new);
    let mut model = found;
    for number in 0..BATCHES {
        let changes = batch(&model, number, log.purgeable());
        let mut possible = vec![model.clone()];
        for one in &changes {
            change(&mut model, one);
            possible.push(model.clone());
        }
        if log.write(&changes).is_err() {
            return Ran { possible };
        }
        if number % 9 == 8 {
            let last = *model.entries.keys().next_back().expect("batches append");
            let before = model.clone();
            model.snapshot = Some(snapshot(last - 1));
            if log.save_snapshot(&snapshot(last - 1)).is_err() {
                return Ran { possible: vec![before, model] };
            }
        }
    }
    Ran { possible: vec![model] }
}

fn reopen(disk: &MemDisk) -> Result<Recovered, StoreError> {
    RaftLog::open(disk.clone(), &RaftLogOptions { birth: 1, ..options() }).map(|(_, found)| found)
}

fn judge(disk: &MemDisk, ran: &Ran, torn: u64) -> Result<(), String> {
    disk.power_cycle(torn);
    let mut first = reopen(disk).map_err(|error| format!("open: {error}"))?;
    disk.power_cycle(0);
    let again = reopen(disk).map_err(|error| format!("second open: {error}"))?;
    if first != again {
        return Err(format!("a later open finds {again:?}, not {first:?}"));
    }
    // A run that ended before its first record was durable left a new disk.
    if first == (Recovered { birth: 1, ..Recovered::default() }) {
        first.birth = BIRTH;
    }
    match ran.possible.contains(&first) {
        true => Ok(()),
        false => Err(format!("found {first:?}, possible are {:?}", ran.possible)),
    }
}

fn enumerate(mishap: Mishap, prepare: fn(&MemDisk)) -> Result<u64, String> {
    Trial { mishap, torn: &[0, 1, 2, 3, 4, 5], prepare }.everywhere(run, judge)
}

#[test]
fn power_loss_at_every_operation() {
    let points = enumerate(Mishap::PowerLoss, |_| ()).unwrap_or_else(|why| panic!("{why}"));
    assert!(points > 150, "only {points} operations were places of a power failure");
}

#[test]
fn failure_at_every_operation() {
    enumerate(Mishap::Fails, |_| ()).unwrap_or_else(|why| panic!("{why}"));
    enumerate(Mishap::NoSpace, |_| ()).unwrap_or_else(|why| panic!("{why}"));
}

/// A vote that is reported before it is durable could be given twice.
#[test]
fn a_lying_disk_is_found_out() {
    assert!(enumerate(Mishap::PowerLoss, MemDisk::lie_about_syncs).is_err());
}

#[test]
fn a_batch_shares_a_sync_and_old_generations_go() {
    let disk = MemDisk::new();
    let (mut log, _) = RaftLog::open(disk.clone(), &options()).unwrap();
    let before = log.written();
    log.write(&(0..20).map(|index| append(index, 1)).collect::<Vec<_>>()).unwrap();
    assert_eq!(log.written().entries - before.entries, 20);
    assert_eq!(log.written().syncs - before.syncs, 1);
    assert_eq!(log.purgeable(), None, "one snapshot may rot");
    log.save_snapshot(&snapshot(5)).unwrap();
    assert_eq!(log.purgeable(), None);
    for index in 20..200 {
        log.write(&[append(index, 1)]).unwrap();
        if index % 20 == 0 {
            log.save_snapshot(&snapshot(index)).unwrap();
            let upto = log.purgeable().unwrap();
            log.write(&[RaftChange::Purge(mark(upto))]).unwrap();
        }
    }
    assert!(log.generations() < 8, "{} generations", log.generations());
    let found = reopen(&disk).unwrap();
    assert_eq!(found.purged, Some(mark(160)));
    assert_eq!(found.entries.keys().copied().collect::<Vec<_>>(), (161..200).collect::<Vec<_>>());
    assert_eq!(found.snapshot, Some(snapshot(180)));
}

fn filled() -> (MemDisk, Recovered) {
    let disk = MemDisk::new();
    run(&disk);
    let found = reopen(&disk).unwrap();
    (disk, found)
}

#[test]
fn a_rotten_snapshot_costs_nothing() {
    let (disk, found) = filled();
    let names = disk.list("snapshot").unwrap();
    assert_eq!(names.len(), 2);
    let newest = format!("snapshot/{}", names[1]);
    disk.flip(&newest, 50);
    let older = reopen(&disk).unwrap();
    assert!(older.snapshot.as_ref().unwrap().index < found.snapshot.as_ref().unwrap().index);
    assert_eq!((older.entries, older.vote), (found.entries, found.vote));
    disk.flip(&format!("snapshot/{}", names[0]), 50);
    let error = reopen(&disk).expect_err("no snapshot is left, and the log was purged");
    assert!(matches!(error, StoreError::Corrupt { name, .. } if name == newest));
}

/// Bytes from which a later record knew that they were durable are never cut away: the error
/// names the file and the place, and a peer has what is lost.
#[test]
fn a_rotten_record_is_refused_and_a_torn_tail_is_cut() {
    let disk = MemDisk::new();
    let (mut log, _) = RaftLog::open(disk.clone(), &options()).unwrap();
    log.write(&[RaftChange::Vote(b"for 2 in term 1".to_vec())]).unwrap();
    for index in 0..4 {
        log.write(&[append(index, 1)]).unwrap();
    }
    let name = "raft/0000000000000001.log";
    let bytes = disk.bytes(name).unwrap();
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut places = Vec::new();
    let mut at = 512;
    while bytes[at..].starts_with(b"LHRC") {
        places.push(at as u64);
        at += (48 + number(at + 4) + number(at + 32)).next_multiple_of(16);
    }
    assert_eq!(places.len(), 6, "a base, a vote, four entries");
    for place in &places[..5] {
        for byte in [0, 9, 20, 30, 41, 49] {
            let rotten = disk.fork();
            rotten.flip(name, place + byte);
            match reopen(&rotten) {
                Err(StoreError::Corrupt { name: found, offset, .. }) => {
                    assert_eq!((found.as_str(), offset), (name, *place));
                }
                other => panic!("it was durable, and is {other:?}"),
            }
        }
    }
    let torn = disk.fork();
    torn.flip(name, places[5] + 50);
    let cut = reopen(&torn).unwrap();
    assert_eq!(cut.entries.len(), 3);
    assert_eq!(cut.vote.as_deref(), Some(b"for 2 in term 1".as_slice()));
    torn.flip(name, places[5] + 50);
    assert_eq!(reopen(&torn).unwrap(), cut, "what was cut does not come back");
}

/// A snapshot from a peer may be far above the last entry.
#[test]
fn an_installed_snapshot_replaces_the_log() {
    let disk = MemDisk::new();
    let (mut log, _) = RaftLog::open(disk.clone(), &options()).unwrap();
    log.write(&[append(0, 1), append(1, 1)]).unwrap();
    log.save_snapshot(&snapshot(100)).unwrap();
    // The power may fail between the two: the entries are then of no use and do no harm.
    assert_eq!(reopen(&disk.fork()).unwrap().snapshot, Some(snapshot(100)));
    log.write(&[RaftChange::Purge(mark(100)), append(101, 2)]).unwrap();
    let found = reopen(&disk).unwrap();
    assert_eq!(found.entries.keys().copied().collect::<Vec<_>>(), [101]);
    assert_eq!((found.purged, found.snapshot), (Some(mark(100)), Some(snapshot(100))));
}

#[test]
fn a_wiped_disk_is_another_one_and_a_lone_log_is_refused() {
    let (disk, found) = filled();
    assert_eq!(found.birth, BIRTH, "the options name a new disk only");
    assert_eq!(reopen(&MemDisk::new()).unwrap().birth, 1);
    let lone = MemDisk::new();
    MasterLog::open(lone.clone(), MasterLogOptions::default()).unwrap();
    assert!(matches!(reopen(&lone), Err(StoreError::Missing { .. })));
    let error = MasterLog::open(disk, MasterLogOptions::default()).err();
    assert!(matches!(error, Some(StoreError::Missing { .. })), "{error:?}");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = MemDisk::new();
    let (mut log, _) = RaftLog::open(disk.clone(), &options()).unwrap();
    disk.limit(Some(0));
    let mut next = 0;
    let refused = loop {
        match log.write(&[append(next, 1)]) {
            Ok(()) => next += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!((refused, next > 5), (IoFault::NoSpace, true));
    assert_eq!(log.save_snapshot(&snapshot(next - 1)), Err(IoFault::NoSpace));
    disk.limit(None);
    log.write(&[append(next, 1)]).unwrap();
    log.save_snapshot(&snapshot(next)).unwrap();
    drop(log);
    assert_eq!(reopen(&disk).unwrap().entries.len() as u64, next + 1);
}
