//! Without faults, the store reads as the naive model does.

use crate::workload::{CHUNK_BYTES, Dice, Model, Workload, options, read_all};
use leasehold_proto::{ChunkHandle, Extent, IoId, IoOp, IoOutput, SyncPolicy};
use leasehold_store::{ChunkStore, MemDisk};

fn compare(store: &mut ChunkStore<MemDisk>, model: &Model, dice: &mut Dice) {
    for (&chunk, bytes) in &model.bytes {
        let mut pieces = vec![Extent::new(0, CHUNK_BYTES)];
        for _ in 0..dice.below(3) {
            let offset = dice.below(CHUNK_BYTES);
            pieces.push(Extent::new(offset, dice.below(CHUNK_BYTES - offset + 1)));
        }
        let wanted: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| &bytes[piece.offset as usize..piece.end() as usize])
            .copied()
            .collect();
        let results = store.execute(vec![(IoId(0), IoOp::Read { chunk, pieces })]);
        match &results[0].1 {
            Ok(IoOutput::Read(read)) => {
                assert_eq!(read.data, wanted, "{chunk}");
                assert_eq!(read.crc, crc_fast::crc32_iscsi(&wanted));
            }
            other => panic!("{chunk}: {other:?}"),
        }
    }
}

fn run(seed: u64, sync: SyncPolicy) {
    let disk = MemDisk::new();
    let (mut store, _) = ChunkStore::open(disk.clone(), options()).unwrap();
    let (mut model, mut workload) = (Model::new(), Workload::new(seed, sync));
    for step in 0..120 {
        let batch = workload.batch(&model, true);
        batch.iter().for_each(|(_, op)| model.apply(op));
        let asked: Vec<IoId> = batch.iter().map(|(io, _)| *io).collect();
        let results = store.execute(batch);
        assert!(results.iter().all(|(_, r)| *r == Ok(IoOutput::Done)), "seed {seed}: {results:?}");
        assert_eq!(results.iter().map(|(io, _)| *io).collect::<Vec<_>>(), asked);
        compare(&mut store, &model, &mut workload.dice);
        assert_eq!(store.verify(), []);
        if step % 40 == 39 {
            drop(store);
            let (reopened, replicas) = ChunkStore::open(disk.clone(), options()).unwrap();
            store = reopened;
            assert_eq!(replicas, model.replicas, "seed {seed}, step {step}");
            forget_learners(&mut model);
            compare(&mut store, &model, &mut workload.dice);
        }
    }
}

/// A copy under way is void after a restart: nothing of it counts as written.
fn forget_learners(model: &mut Model) {
    for (chunk, record) in &model.replicas.live {
        if record.learner {
            model.bytes.get_mut(chunk).unwrap().fill(0);
        }
    }
}

#[test]
fn reads_are_those_of_the_model() {
    for seed in 0..60 {
        run(seed, SyncPolicy::Durable);
        run(seed, SyncPolicy::PageCache);
    }
}

/// The journal stays bounded although it is much smaller than what passes through it.
#[test]
fn old_generations_go() {
    let disk = MemDisk::new();
    let (mut store, _) = ChunkStore::open(disk.clone(), options()).unwrap();
    let (mut model, mut workload) = (Model::new(), Workload::new(5, SyncPolicy::Durable));
    let mut most = 0;
    for _ in 0..600 {
        let batch = workload.batch(&model, true);
        batch.iter().for_each(|(_, op)| model.apply(op));
        store.execute(batch);
        let names = leasehold_store::Disk::list(&disk, "journal").unwrap();
        most = most.max(names.len());
    }
    assert!(most <= 6, "{most} files in the journal");
    assert!(store.used_bytes() <= 3 * (CHUNK_BYTES + 1_024));
}

/// One more file than may be open, each still readable.
#[test]
fn closed_files_are_opened_again() {
    let disk = MemDisk::new();
    let (mut store, _) = ChunkStore::open(disk, options()).unwrap();
    let mut model = Model::new();
    let mut workload = Workload::new(1, SyncPolicy::Durable);
    for _ in 0..30 {
        let batch = workload.batch(&model, true);
        batch.iter().for_each(|(_, op)| model.apply(op));
        store.execute(batch);
    }
    for round in 0..3 {
        for &chunk in model.bytes.keys() {
            let result = store.execute(vec![(IoId(round), read_all(chunk))]).remove(0).1;
            assert!(matches!(result, Ok(IoOutput::Read(_))), "{chunk}: {result:?}");
        }
    }
    let unknown = store.execute(vec![(IoId(9), read_all(ChunkHandle(99)))]).remove(0).1;
    assert!(unknown.is_err());
}
