//! A disk without room refuses what needs room, changes nothing, and stays in service.

use crate::workload::{CHUNK_BYTES, Model, Workload, options, read_all};
use leasehold_proto::{
    ChunkHandle, ChunkSpec, ChunkVersion, IoFault, IoId, IoOp, IoOutput, ReplicaChange, SyncPolicy,
};
use leasehold_store::mem::Mishap;
use leasehold_store::{ChunkStore, MemDisk, StoreOptions};

fn compare(store: &mut ChunkStore<MemDisk>, model: &Model, spoilt: &[ChunkHandle], what: &str) {
    for (&chunk, bytes) in model.bytes.iter().filter(|(chunk, _)| !spoilt.contains(chunk)) {
        match store.execute(vec![(IoId(0), read_all(chunk))]).remove(0).1 {
            Ok(IoOutput::Read(read)) => assert!(read.data == bytes, "{what}: {chunk}"),
            // A batch writes meta files on the side, and that may meet the mishap.
            Err(IoFault::DiskFailed) if store.failed() => return,
            other => panic!("{what}: {chunk}: {other:?}"),
        }
    }
}

/// At each operation there is once no room. Unless that takes the disk out of service, every
/// refused operation left everything as it was, now and at the next open.
#[test]
fn no_room_at_every_operation() {
    let (mut refused, mut out_of_service) = (0, 0);
    for seed in 0..8 {
        for at in 0..300 {
            let what = format!("workload {seed}, no room at operation {at}");
            let disk = MemDisk::new();
            let (mut store, _) = ChunkStore::open(disk.clone(), options()).unwrap();
            disk.arm(disk.operations() + at, Mishap::NoSpace);
            let (mut model, mut workload) =
                (Model::new(), Workload::new(seed, SyncPolicy::Durable));
            for _ in 0..30 {
                let batch = workload.batch(&model, false);
                let results = store.execute(batch.clone());
                for ((_, op), (_, result)) in batch.iter().zip(results) {
                    match result {
                        Ok(_) => model.apply(op),
                        Err(IoFault::NoSpace) => {
                            refused += 1;
                            if matches!(op, IoOp::Replica(ReplicaChange::CopyIn { .. }, _)) {
                                workload.spoilt.extend(op.chunk());
                            }
                        }
                        Err(IoFault::DiskFailed) => {}
                        Err(other) => panic!("{what}: {op:?}: {other}"),
                    }
                }
                if store.failed() {
                    break;
                }
                let spoilt: Vec<_> = workload.spoilt.iter().copied().collect();
                compare(&mut store, &model, &spoilt, &what);
            }
            if store.failed() {
                out_of_service += 1;
                continue;
            }
            drop(store);
            disk.power_cycle(0);
            let (_, replicas) = ChunkStore::open(disk, options()).unwrap();
            assert_eq!(replicas, model.replicas, "{what}");
        }
    }
    assert!(refused > 100, "only {refused} operations met the full disk");
    assert!(out_of_service < 8 * 300 / 2, "{out_of_service} stores went out of service");
}

/// A disk that stays full still takes promises, reads and deletions, over a restart too.
#[test]
fn a_full_disk_promises_and_deletes() {
    let disk = MemDisk::new();
    let options = StoreOptions { journal_bytes: 32 << 10, ..options() };
    let (mut store, _) = ChunkStore::open(disk.clone(), options.clone()).unwrap();
    let (mut model, mut workload) = (Model::new(), Workload::new(3, SyncPolicy::Durable));
    let chunk = ChunkHandle(7);
    let spec = ChunkSpec { chunk_bytes: CHUNK_BYTES, sync: SyncPolicy::Durable };
    let create =
        ReplicaChange::Promise { chunk, version: ChunkVersion(1), create: Some(spec) }.into();
    assert_eq!(store.execute(vec![(IoId(1), create)]), [(IoId(1), Ok(IoOutput::Done))]);
    disk.limit(Some(48 << 10));
    let mut full = false;
    for _ in 0..2_000 {
        let batch = workload.batch(&model, false);
        for ((_, op), (_, result)) in batch.iter().zip(store.execute(batch.clone())) {
            full |= result == Err(IoFault::NoSpace);
            match result {
                Ok(_) => model.apply(op),
                Err(_) if matches!(op, IoOp::Replica(ReplicaChange::CopyIn { .. }, _)) => {
                    workload.spoilt.extend(op.chunk())
                }
                Err(_) => {}
            }
        }
        if full {
            break;
        }
    }
    assert!(full && !store.failed());
    disk.limit(Some(0));
    let promise = |version| {
        ReplicaChange::Promise { chunk, version: ChunkVersion(version), create: None }.into()
    };
    for version in 2..10 {
        let result = store.execute(vec![(IoId(version), promise(version))]).remove(0).1;
        assert_eq!(result, Ok(IoOutput::Done), "promise {version}");
    }
    drop(store);
    let (mut store, replicas) = ChunkStore::open(disk, options).unwrap();
    assert_eq!(replicas.live[&chunk].promised, ChunkVersion(9));
    let deletes: Vec<_> = replicas
        .live
        .keys()
        .map(|&chunk| (IoId(chunk.0), ReplicaChange::Delete { chunk }.into()))
        .collect();
    let results = store.execute(deletes);
    assert!(results.iter().all(|(_, result)| *result == Ok(IoOutput::Done)), "{results:?}");
}
