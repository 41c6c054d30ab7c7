//! The master's log under power failures, rot and a full disk.

use crate::mishaps::Trial;
use leasehold_proto::{
    ClusterConstants, Command, Constants, Epoch, IoFault, IoId, LogEntry, LogIndex, MasterState,
    NodeId, Rules,
};
use leasehold_store::mem::Mishap;
use leasehold_store::{Disk, MasterLog, MasterLogOptions, MemDisk, StoreError};

const STEPS: u64 = 24;

fn options() -> MasterLogOptions {
    MasterLogOptions { sessions_max: 8, log_bytes: 2_048, rules: Rules::default() }
}

fn entry(number: u64) -> LogEntry {
    let command = Command::NewLeader {
        node: NodeId(number),
        constants: Box::new(ClusterConstants::of(&Constants::default())),
    };
    LogEntry { epoch: Epoch(0), proposal: IoId(number), command }
}

/// What a log that is opened says was committed: the checkpoint's index, and the proposals after.
fn reopen(disk: &MemDisk) -> Result<(LogIndex, MasterState), StoreError> {
    let (log, mut state, entries) = MasterLog::open(disk.clone(), options())?;
    let base = state.applied();
    for (index, found) in &entries {
        assert_eq!(*index, state.applied().next());
        assert_eq!(*found, entry(index.0), "entry {index}");
        state.apply(*index, found);
    }
    assert_eq!(log.next_index(), state.applied().next());
    Ok((base, state))
}

/// Appends groups of one to three, with a checkpoint now and then. Gives how many entries were
/// reported durable, and how many were on their way when the disk failed.
fn run(disk: &MemDisk) -> (u64, u64) {
    let Ok((mut log, mut state, _)) = MasterLog::open(disk.clone(), options()) else {
        return (0, 0);
    };
    for step in 0..STEPS {
        let first = state.applied().0 + 1;
        let group: Vec<LogEntry> = (first..=first + step % 3).map(entry).collect();
        match log.append(&group) {
            Ok(index) => assert_eq!(index, LogIndex(first)),
            Err(_) => return (first - 1, group.len() as u64),
        }
        for (index, entry) in (first..).map(LogIndex).zip(&group) {
            state.apply(index, entry);
        }
        if step % 5 == 4 && log.checkpoint(&state).is_err() {
            return (state.applied().0, 0);
        }
    }
    (state.applied().0, 0)
}

fn judge(disk: &MemDisk, &(reported, in_flight): &(u64, u64), torn: u64) -> Result<(), String> {
    disk.power_cycle(torn);
    let (_, first) = reopen(disk).map_err(|error| format!("open: {error}"))?;
    let found = first.applied().0;
    if found < reported || found > reported + in_flight {
        return Err(format!("{found} entries, reported {reported}, in flight {in_flight}"));
    }
    disk.power_cycle(0);
    let (_, again) = reopen(disk).map_err(|error| format!("second open: {error}"))?;
    if first != again { Err("a later open finds something else".to_owned()) } else { Ok(()) }
}

fn enumerate(mishap: Mishap, prepare: fn(&MemDisk)) -> Result<u64, String> {
    Trial { mishap, torn: &[0, 1, 2, 3, 4, 5], prepare }.everywhere(run, judge)
}

#[test]
fn power_loss_at_every_operation() {
    let points = enumerate(Mishap::PowerLoss, |_| ()).unwrap_or_else(|why| panic!("{why}"));
    assert!(points > 80, "only {points} operations were places of a power failure");
}

#[test]
fn failure_at_every_operation() {
    enumerate(Mishap::Fails, |_| ()).unwrap_or_else(|why| panic!("{why}"));
    enumerate(Mishap::NoSpace, |_| ()).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_lying_disk_is_found_out() {
    assert!(enumerate(Mishap::PowerLoss, MemDisk::lie_about_syncs).is_err());
}

fn filled() -> MemDisk {
    let disk = MemDisk::new();
    run(&disk);
    disk
}

#[test]
fn old_log_goes_and_two_checkpoints_stay() {
    let disk = filled();
    assert_eq!(disk.list("checkpoint").unwrap().len(), 2);
    let logs = disk.list("log").unwrap();
    assert!(logs.iter().filter(|name| name.ends_with(".log")).count() <= 4, "{logs:?}");
    assert!(!logs.contains(&format!("{:016x}.log", 1)), "{logs:?}");
}

#[test]
fn a_rotten_checkpoint_costs_nothing() {
    let disk = filled();
    let (newest_base, wanted) = reopen(&disk.fork()).unwrap();
    let newest = format!("checkpoint/{}", disk.list("checkpoint").unwrap()[1]);
    disk.flip(&newest, 40);
    let (base, found) = reopen(&disk).unwrap();
    assert!(base < newest_base, "the older checkpoint is the base");
    assert_eq!(found, wanted);
    let oldest = format!("checkpoint/{}", disk.list("checkpoint").unwrap()[0]);
    disk.flip(&oldest, 40);
    assert!(matches!(reopen(&disk), Err(StoreError::Corrupt { name, .. }) if name == newest));
}

/// Bytes of the log from which a later record knew that they were durable are never cut away.
#[test]
fn a_rotten_entry_is_refused_and_a_torn_tail_is_cut() {
    let disk = MemDisk::new();
    let (mut log, ..) = MasterLog::open(disk.clone(), options()).unwrap();
    for number in 1..=4 {
        log.append(&[entry(number)]).unwrap();
    }
    let name = "log/0000000000000001.log";
    let record = |number: u64| 512 + 128 * (number - 1);
    for number in 1..=3 {
        for byte in [0, 9, 20, 30, 41, 50] {
            let rotten = disk.fork();
            rotten.flip(name, record(number) + byte);
            let error = reopen(&rotten).expect_err("it was durable");
            assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        }
    }
    let torn = disk.fork();
    torn.flip(name, record(4) + 50);
    assert_eq!(reopen(&torn).unwrap().1.applied(), LogIndex(3));
    // What was cut does not come back when the bit turns back.
    torn.flip(name, record(4) + 50);
    assert_eq!(reopen(&torn).unwrap().1.applied(), LogIndex(3));
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = MemDisk::new();
    let (mut log, mut state, _) = MasterLog::open(disk.clone(), options()).unwrap();
    disk.limit(Some(0));
    let mut next = 1;
    let refused = loop {
        match log.append(&[entry(next)]) {
            Ok(_) => {
                state.apply(LogIndex(next), &entry(next));
                next += 1;
            }
            Err(fault) => break fault,
        }
    };
    assert_eq!((refused, next > 5), (IoFault::NoSpace, true));
    assert_eq!(log.checkpoint(&state), Err(IoFault::NoSpace));
    disk.limit(None);
    assert_eq!(log.append(&[entry(next)]), Ok(LogIndex(next)));
    assert_eq!(log.checkpoint(&state), Ok(()));
    drop(log);
    assert_eq!(reopen(&disk).unwrap().1.applied(), LogIndex(next));
}

#[test]
fn a_lost_generation_is_missed() {
    let disk = MemDisk::new();
    run(&disk);
    let logs = disk.list("log").unwrap();
    let oldest = logs.iter().find(|name| name.ends_with(".log")).unwrap();
    disk.remove(&format!("log/{oldest}")).unwrap();
    // The newest checkpoint may not need it, and then nothing is lost.
    let (base, _) = reopen(&disk.fork()).unwrap();
    let newest = format!("checkpoint/{:016x}.ckpt", base.0);
    disk.flip(&newest, 40);
    let error = reopen(&disk).expect_err("the older checkpoint needs it");
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
}
