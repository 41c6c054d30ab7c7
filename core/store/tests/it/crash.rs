//! The power goes at every disk operation of a workload, and what was not synced is torn in
//! several ways; then everything that was reported durable is there, and what was in flight is
//! there whole or not at all.

use crate::mishaps::Trial;
use crate::workload::{Model, Workload, options, read_all};
use leasehold_proto::{ChunkHandle, IoId, IoOp, IoOutput, ReplicaRecord, Replicas, SyncPolicy};
use leasehold_store::mem::Mishap;
use leasehold_store::{ChunkStore, MemDisk};
use std::collections::BTreeMap;

const BATCHES: usize = 25;

/// One chunk as an observer sees it. A learner's bytes count for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    live: Option<ReplicaRecord>,
    quarantined: bool,
    bytes: Option<Vec<u8>>,
}

fn has_bytes(replicas: &Replicas, chunk: ChunkHandle) -> bool {
    replicas.live.get(&chunk).is_some_and(|record| !record.learner)
}

fn seen_in_model(model: &Model, chunk: ChunkHandle) -> Seen {
    Seen {
        live: model.replicas.live.get(&chunk).cloned(),
        quarantined: model.replicas.quarantined.contains(&chunk),
        bytes: has_bytes(&model.replicas, chunk).then(|| model.bytes[&chunk].clone()),
    }
}

type Everything = BTreeMap<ChunkHandle, Seen>;

fn reopen(disk: &MemDisk) -> Result<Everything, String> {
    let (mut store, replicas) =
        ChunkStore::open(disk.clone(), options()).map_err(|error| format!("open: {error}"))?;
    (1..=3).map(ChunkHandle).map(|chunk| Ok((chunk, see(&mut store, &replicas, chunk)?))).collect()
}

fn see(
    store: &mut ChunkStore<MemDisk>,
    replicas: &Replicas,
    chunk: ChunkHandle,
) -> Result<Seen, String> {
    let mut bytes = None;
    if has_bytes(replicas, chunk) {
        match store.execute(vec![(IoId(0), read_all(chunk))]).remove(0).1 {
            Ok(IoOutput::Read(read)) => bytes = Some(read.data.to_vec()),
            other => return Err(format!("{chunk} does not read: {other:?}")),
        }
    }
    let live = replicas.live.get(&chunk).cloned();
    Ok(Seen { live, quarantined: replicas.quarantined.contains(&chunk), bytes })
}

/// Where a run stood when the disk failed: what was reported, and what was on its way.
struct Stopped {
    reported: Model,
    in_flight: Vec<IoOp>,
}

/// Runs a workload until the disk fails or the workload ends.
fn run(disk: &MemDisk, seed: u64, sync: SyncPolicy) -> Stopped {
    let mut reported = Model::new();
    let mut workload = Workload::new(seed, sync);
    let Ok((mut store, _)) = ChunkStore::open(disk.clone(), options()) else {
        return Stopped { reported, in_flight: Vec::new() };
    };
    for _ in 0..BATCHES {
        let batch = workload.batch(&reported, true);
        let results = store.execute(batch.clone());
        if results.iter().any(|(_, result)| result.is_err()) {
            let in_flight = batch.into_iter().map(|(_, op)| op).collect();
            return Stopped { reported, in_flight };
        }
        batch.iter().for_each(|(_, op)| reported.apply(op));
        if store.failed() {
            break;
        }
    }
    Stopped { reported, in_flight: Vec::new() }
}

/// Each chunk is as reported, or with the first few of its operations that were on their way.
fn check(found: &Everything, stopped: &Stopped) -> Result<(), String> {
    for (&chunk, seen) in found {
        let mut model = stopped.reported.clone();
        let mut possible = vec![seen_in_model(&model, chunk)];
        for op in stopped.in_flight.iter().filter(|op| op.chunk() == Some(chunk)) {
            model.apply(op);
            possible.push(seen_in_model(&model, chunk));
        }
        if !possible.contains(seen) {
            return Err(format!("{chunk}: found {seen:?}\nwanted one of {possible:?}"));
        }
    }
    Ok(())
}

/// After a power failure: what is found is allowed, and is found again by every later open, also
/// if the power fails right after the first.
fn judge(disk: &MemDisk, stopped: &Stopped, torn: u64) -> Result<(), String> {
    disk.power_cycle(torn);
    let first = reopen(disk)?;
    check(&first, stopped)?;
    let again = reopen(&disk.fork())?;
    disk.power_cycle(0);
    let after_power = reopen(disk)?;
    if first != again || first != after_power {
        return Err("a later open finds something else".to_owned());
    }
    Ok(())
}

/// Every operation of a workload as the place of a mishap. Gives how many there were.
fn enumerate(seed: u64, sync: SyncPolicy, trial: &Trial<'_>) -> Result<u64, String> {
    let found = trial.everywhere(|disk| run(disk, seed, sync), judge);
    found.map_err(|why| format!("workload {seed}, {why}"))
}

fn trial(mishap: Mishap, torn: &[u64]) -> Trial<'_> {
    Trial { mishap, torn, prepare: |_| () }
}

#[test]
fn power_loss_at_every_operation() {
    let mut points = 0;
    for seed in 0..12 {
        points += enumerate(seed, SyncPolicy::Durable, &trial(Mishap::PowerLoss, &[0, 1, 2, 3]))
            .unwrap_or_else(|why| panic!("{why}"));
    }
    assert!(points > 1_000, "only {points} operations were places of a power failure");
}

#[test]
fn failure_at_every_operation() {
    for seed in 20..26 {
        enumerate(seed, SyncPolicy::Durable, &trial(Mishap::Fails, &[0, 1, 2]))
            .unwrap_or_else(|why| panic!("{why}"));
    }
}

/// What the operating system has survives the death of the process, under either policy.
#[test]
fn a_killed_process_loses_nothing_of_the_page_cache() {
    for seed in 30..36 {
        enumerate(seed, SyncPolicy::PageCache, &trial(Mishap::PowerLoss, &[1]))
            .unwrap_or_else(|why| panic!("{why}"));
    }
}

/// The checker can fail: a disk that only says that it synced is found out.
#[test]
fn a_lying_disk_is_found_out() {
    let lying = Trial { prepare: MemDisk::lie_about_syncs, ..trial(Mishap::PowerLoss, &[0]) };
    let found = enumerate(0, SyncPolicy::Durable, &lying);
    assert!(found.is_err(), "nothing was missed although nothing was synced");
}

/// Under `page-cache` a power failure may take bytes, but never a promise, and never gives bytes
/// that fit no checksum.
#[test]
fn a_promise_outlives_power_loss_under_page_cache() {
    for seed in 40..60 {
        for at in 0..400 {
            let disk = MemDisk::new();
            disk.arm(at, Mishap::PowerLoss);
            let stopped = run(&disk, seed, SyncPolicy::PageCache);
            disk.power_cycle(at + 2);
            let (_, replicas) = ChunkStore::open(disk, options()).unwrap();
            for (chunk, record) in &stopped.reported.replicas.live {
                if stopped.in_flight.iter().any(|op| op.chunk() == Some(*chunk)) {
                    continue;
                }
                let found = replicas.live.get(chunk).map(|found| found.promised);
                assert_eq!(found, Some(record.promised), "seed {seed}, at {at}, {chunk}");
            }
        }
    }
}

/// As above, for longer: `just test-long`.
#[test]
#[ignore = "four hundred workloads take minutes: `just test-long`"]
fn power_loss_in_many_workloads() {
    for seed in 1_000..1_400 {
        let torn = [0, 1, 2, 3, seed, !seed];
        enumerate(seed, SyncPolicy::Durable, &trial(Mishap::PowerLoss, &torn))
            .unwrap_or_else(|why| panic!("{why}"));
    }
}
