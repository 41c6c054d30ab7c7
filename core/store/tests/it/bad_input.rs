//! Files that rotted, belong to another program, version or configuration: each gets its own
//! error, and nothing is repaired by guessing.

use crate::workload::{BLOCK_BYTES, CHUNK_BYTES, Model, Workload, options, payload};
use leasehold_proto::{
    ChunkHandle, ChunkSpec, ChunkVersion, Extent, Incarnation, IoFault, IoId, IoOp, IoOutput,
    Mutation, MutationKind, NodeId, OpId, ReplicaChange, ReplicaData, Rules, Sequence, SyncPolicy,
};
use leasehold_store::{ChunkStore, Disk, Identity, MemDisk, StoreError, StoreOptions};

const CHUNK: ChunkHandle = ChunkHandle(1);
const JOURNAL: &str = "journal/0000000000000001.log";

fn open(disk: &MemDisk) -> Result<ChunkStore<MemDisk>, StoreError> {
    ChunkStore::open(disk.clone(), options()).map(|(store, _)| store)
}

fn one(store: &mut ChunkStore<MemDisk>, op: IoOp) -> Result<IoOutput, IoFault> {
    store.execute(vec![(IoId(1), op)]).remove(0).1
}

fn create() -> IoOp {
    let spec = ChunkSpec { chunk_bytes: CHUNK_BYTES, sync: SyncPolicy::Durable };
    ReplicaChange::Promise { chunk: CHUNK, version: ChunkVersion(1), create: Some(spec) }.into()
}

fn append(sequence: u64, extent: Extent) -> IoOp {
    let payload = payload(vec![7; extent.length as usize]);
    let op = OpId { client: NodeId(5), number: sequence };
    let kind = MutationKind::Write;
    let mutation = Mutation { op, acked_below: 0, kind, extent, crc: payload.crc };
    let change = ReplicaChange::Apply {
        chunk: CHUNK,
        version: ChunkVersion(1),
        first: Sequence(sequence),
        mutations: vec![mutation],
        committed: Sequence(0),
    };
    IoOp::Replica(change, ReplicaData::Mutations(vec![payload]))
}

fn read(offset: u64, length: u64) -> IoOp {
    IoOp::Read { chunk: CHUNK, pieces: vec![Extent::new(offset, length)] }
}

/// A chunk of four blocks, the last one half written.
fn filled() -> (MemDisk, ChunkStore<MemDisk>) {
    let disk = MemDisk::new();
    let mut store = open(&disk).unwrap();
    one(&mut store, create()).unwrap();
    one(&mut store, append(1, Extent::new(0, 2 * BLOCK_BYTES))).unwrap();
    one(&mut store, append(2, Extent::new(2 * BLOCK_BYTES, BLOCK_BYTES + 300))).unwrap();
    (disk, store)
}

fn data_file(disk: &MemDisk) -> String {
    format!("chunks/{}", disk.list("chunks").unwrap()[0])
}

#[test]
fn a_rotten_block_is_never_returned() {
    let (disk, mut store) = filled();
    disk.flip(&data_file(&disk), BLOCK_BYTES + 5);
    let blocks = vec![Extent::new(BLOCK_BYTES, BLOCK_BYTES)];
    assert_eq!(one(&mut store, read(0, 1_100)), Err(IoFault::Corrupt { blocks: blocks.clone() }));
    // Whole blocks are what a copy reads: whoever takes them has no older checksum.
    let whole = one(&mut store, read(0, 2 * BLOCK_BYTES));
    assert_eq!(whole, Err(IoFault::Corrupt { blocks: blocks.clone() }));
    assert!(matches!(one(&mut store, read(0, BLOCK_BYTES)), Ok(IoOutput::Read(_))));
    assert_eq!(store.verify(), [(CHUNK, blocks.clone())]);
    // Writing a part of it would hide the rot behind a fresh checksum.
    let part = append(3, Extent::new(BLOCK_BYTES + 100, 10));
    assert_eq!(one(&mut store, part), Err(IoFault::Corrupt { blocks }));
    assert!(!store.failed());
    // Writing it whole is as good as new.
    one(&mut store, append(3, Extent::new(BLOCK_BYTES, BLOCK_BYTES))).unwrap();
    assert_eq!(store.verify(), []);
}

/// A read error condemns the blocks that it hits, not the server.
#[test]
fn an_unreadable_sector_is_a_corrupt_block() {
    let (disk, mut store) = filled();
    disk.make_unreadable(&data_file(&disk), 0..512);
    let blocks = vec![Extent::new(0, BLOCK_BYTES)];
    let result = one(&mut store, read(0, 3 * BLOCK_BYTES));
    assert_eq!(result, Err(IoFault::Corrupt { blocks: blocks.clone() }));
    assert_eq!(store.verify(), [(CHUNK, blocks)]);
    assert!(matches!(one(&mut store, read(BLOCK_BYTES, 99)), Ok(IoOutput::Read(_))));
}

#[test]
fn a_lost_data_file_is_corrupt_blocks() {
    let (disk, store) = filled();
    drop(store);
    disk.remove(&data_file(&disk)).unwrap();
    let mut store = open(&disk).unwrap();
    assert!(matches!(one(&mut store, read(0, 10)), Err(IoFault::Corrupt { .. })));
}

#[test]
fn checksums_can_be_left_out_in_an_ablation() {
    let (disk, store) = filled();
    drop(store);
    disk.flip(&data_file(&disk), 5);
    let rules = Rules { verify_checksums: false, ..Rules::default() };
    let options = StoreOptions { rules, ..options() };
    let (mut store, _) = ChunkStore::open(disk, options).unwrap();
    assert!(matches!(one(&mut store, read(0, 10)), Ok(IoOutput::Read(_))));
    assert_eq!(store.verify().len(), 1);
}

/// In the middle of what was durable a bad record is refused; at the end it is a torn tail.
#[test]
fn a_rotten_journal_is_refused_and_a_torn_tail_is_cut() {
    let (disk, store) = filled();
    drop(store);
    let bytes = disk.bytes(JOURNAL).unwrap();
    let records: Vec<u64> = (512..bytes.len())
        .step_by(16)
        .filter(|&at| bytes[at..].starts_with(b"LHRC"))
        .map(|at| at as u64)
        .collect();
    assert_eq!(records.len(), 3);
    for &at in &records[..2] {
        for byte in [1, 5, 17, 25, 33, 49] {
            let rotten = disk.fork();
            rotten.flip(JOURNAL, at + byte);
            let refused = open(&rotten).map(|_| ()).expect_err("it was durable");
            assert_eq!(
                refused,
                StoreError::Corrupt {
                    name: JOURNAL.to_owned(),
                    offset: at,
                    why: "a bad record below what was durable: corruption, not a torn tail",
                }
            );
        }
    }
    disk.flip(JOURNAL, records[2] + 49);
    let (_, replicas) = ChunkStore::open(disk.clone(), options()).unwrap();
    assert_eq!(replicas.live[&CHUNK].image.sequence, Sequence(1));
}

/// Once a newer generation says where this one ends, none of its records is a tail.
#[test]
fn the_last_record_of_an_older_generation_is_no_tail() {
    let (disk, store) = filled();
    drop(store);
    drop(open(&disk).unwrap());
    let bytes = disk.bytes(JOURNAL).unwrap();
    let last = (512..bytes.len()).step_by(16).rfind(|&at| bytes[at..].starts_with(b"LHRC"));
    disk.flip(JOURNAL, last.unwrap() as u64 + 49);
    assert!(matches!(open(&disk), Err(StoreError::Corrupt { .. })));
}

/// Every file of a store that has run for a while, with its version changed.
#[test]
fn another_format_version_is_refused() {
    let disk = MemDisk::new();
    Identity::load_or_create(&disk, || 9).unwrap();
    let mut store = open(&disk).unwrap();
    let (mut model, mut workload) = (Model::new(), Workload::new(1, SyncPolicy::Durable));
    for _ in 0..60 {
        let batch = workload.batch(&model, true);
        batch.iter().for_each(|(_, op)| model.apply(op));
        store.execute(batch);
    }
    drop(store);
    let meta = format!("meta/{}", disk.list("meta").unwrap()[0]);
    let journal = disk.list("journal").unwrap().remove(0);
    for name in ["identity".to_owned(), meta, format!("journal/{journal}")] {
        let disk = disk.fork();
        let mut bytes = disk.bytes(&name).unwrap();
        bytes[12] = 9;
        disk.put(&name, &bytes);
        let refused = match name.as_str() {
            "identity" => Identity::load_or_create(&disk, || 0).map(|_| ()),
            _ => open(&disk).map(|_| ()),
        };
        assert_eq!(refused, Err(StoreError::Version { name, found: 9, expected: 6 }));
    }
}

#[test]
fn another_block_size_is_refused() {
    let (disk, store) = filled();
    drop(store);
    let options = StoreOptions { block_bytes: 2_048, ..options() };
    let refused = ChunkStore::open(disk, options).map(|_| ()).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("block_bytes = 1024, the configuration says 2048"), "{text}");
}

#[test]
fn a_foreign_file_is_refused() {
    let disk = MemDisk::new();
    disk.create_dir("journal").unwrap();
    disk.put(JOURNAL, &[0xa5; 4_096]);
    assert!(matches!(open(&disk), Err(StoreError::Corrupt { offset: 0, .. })));
    disk.put(JOURNAL, b"LEASE");
    assert!(matches!(open(&disk), Err(StoreError::Corrupt { offset: 0, .. })));
}

#[test]
fn every_start_is_a_new_life() {
    let disk = MemDisk::new();
    let identity = |disk: &MemDisk| Identity::load_or_create(disk, || 77).unwrap();
    let life = |n| Identity { node: NodeId(77), incarnation: Incarnation(n) };
    assert_eq!(Identity::load(&disk).unwrap(), None);
    assert_eq!(identity(&disk), life(1));
    disk.power_cycle(0);
    assert_eq!(Identity::load_or_create(&disk, || 1).unwrap(), life(2));
    assert_eq!(Identity::load(&disk).unwrap(), Some(life(2)));
}

/// However a start is cut short, the next life that is returned was never returned before.
#[test]
fn no_life_is_lived_twice() {
    for at in 0..12 {
        for torn in 0..6 {
            let disk = MemDisk::new();
            let first = Identity::load_or_create(&disk, || 3).unwrap();
            disk.arm(disk.operations() + at, leasehold_store::mem::Mishap::PowerLoss);
            let second = Identity::load_or_create(&disk, || 4).ok();
            disk.power_cycle(torn);
            let third = Identity::load_or_create(&disk, || 5).unwrap();
            assert_eq!(third.node, first.node);
            assert!(third.incarnation > second.unwrap_or(first).incarnation);
        }
    }
}

#[test]
fn a_journal_without_an_identity_is_refused() {
    let (disk, store) = filled();
    drop(store);
    let refused = Identity::load_or_create(&disk, || 1);
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
}
