//! One file or record of each kind, byte for byte: `FORMAT.md` is about these. `UPDATE=1` rewrites
//! `goldens.txt`; a changed line means a new format version.

use crate::workload::payload;
use leasehold_proto::metadata::{FileSpec, MetadataChange};
use leasehold_proto::tables::{Consequence, Holder};
use leasehold_proto::{
    Caller, ChunkHandle, ChunkSpec, ChunkVersion, ClientSession, ClusterConstant, ClusterConstants,
    Command, Constants, ConstantsVersion, Epoch, Extent, FileId, Incarnation, IoId, IoOp, IoOutput,
    LockKind, LockOwner, LogEntry, LogIndex, Member, Mutation, MutationKind, NodeId, OpId, Rack,
    ReplicaChange, ReplicaData, ReplicaImage, Sequence, Session, Setting, SyncPolicy,
};
use leasehold_store::raft_log::{Mark, RaftChange, Snapshot};
use leasehold_store::{
    ChunkStore, Disk, Identity, MasterLog, MasterLogOptions, MemDisk, RaftLog, RaftLogOptions,
    StoreOptions,
};
use std::fmt::Write;

const GOLDENS: &str = include_str!("goldens.txt");
const CHUNK: ChunkHandle = ChunkHandle(0x11);

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn options() -> StoreOptions {
    let block_bytes = 1_024;
    StoreOptions { block_bytes, remembered_clients_max: 4, ..StoreOptions::default() }
}

fn spec() -> ChunkSpec {
    ChunkSpec { chunk_bytes: 4_096, sync: SyncPolicy::Durable }
}

fn mutation(number: u64, offset: u64, bytes: &[u8]) -> (Mutation, leasehold_proto::Payload) {
    let payload = payload(bytes.to_vec());
    let op = OpId { client: NodeId(0x22), number };
    let extent = Extent::new(offset, payload.len());
    (Mutation { op, acked_below: 1, kind: MutationKind::Write, extent, crc: payload.crc }, payload)
}

fn apply(first: u64, mutation: (Mutation, leasehold_proto::Payload)) -> IoOp {
    let (version, (mutation, payload)) = (ChunkVersion(1), mutation);
    let (first, committed) = (Sequence(first), Sequence(first - 1));
    let mutations = vec![mutation];
    let change = ReplicaChange::Apply { chunk: CHUNK, version, first, mutations, committed };
    IoOp::Replica(change, ReplicaData::Mutations(vec![payload]))
}

/// One operation of each kind that is in the journal.
fn operations() -> Vec<(&'static str, IoOp)> {
    let (chunk, version) = (CHUNK, ChunkVersion(2));
    let image = Box::new(ReplicaImage {
        sequence: Sequence(2),
        committed: Sequence(2),
        length: 6,
        ..ReplicaImage::default()
    });
    let (pieces, payload) = (vec![Extent::new(2, 4)], payload(b"WXYZ".to_vec()));
    vec![
        (
            "promise, create",
            ReplicaChange::Promise { chunk, version: ChunkVersion(1), create: Some(spec()) }.into(),
        ),
        ("apply, in place", apply(1, mutation(1, 0, b"abcdefgh"))),
        ("apply, redo", apply(2, mutation(2, 3, b"XY"))),
        ("promise", ReplicaChange::Promise { chunk, version, create: None }.into()),
        ("adopt", ReplicaChange::Adopt { chunk, version }.into()),
        (
            "reconcile",
            IoOp::Replica(
                ReplicaChange::Reconcile { chunk, version, image: image.clone() },
                ReplicaData::pieces(pieces, payload),
            ),
        ),
        ("quarantine", ReplicaChange::Quarantine { chunk }.into()),
        (
            "start learner",
            ReplicaChange::StartLearner { chunk, promised: version, spec: spec() }.into(),
        ),
        ("install", ReplicaChange::Install { chunk, version, image }.into()),
        ("delete", ReplicaChange::Delete { chunk }.into()),
    ]
}

/// The records of a generation, by the lengths in their headers.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut records = Vec::new();
    let mut at = 512;
    while bytes[at..].starts_with(b"LHRC") {
        let end = at + (48 + number(at + 4) + number(at + 32)).next_multiple_of(16);
        records.push(&bytes[at..end]);
        at = end;
    }
    records
}

fn journal(text: &mut String) {
    let disk = MemDisk::new();
    let (mut store, _) = ChunkStore::open(disk.clone(), options()).unwrap();
    let operations = operations();
    for (kind, op) in &operations {
        let results = store.execute(vec![(IoId(1), op.clone())]);
        assert_eq!(results, [(IoId(1), Ok(IoOutput::Done))], "{kind}");
    }
    let bytes = disk.bytes("journal/0000000000000001.log").unwrap();
    writeln!(text, "journal, header: {}", hex(&bytes[..48])).unwrap();
    assert!(bytes[48..512].iter().all(|&byte| byte == 0));
    let records = records(&bytes);
    assert_eq!(records.len(), operations.len());
    for ((kind, _), record) in operations.iter().zip(records) {
        writeln!(text, "journal, {kind}: {}", hex(record)).unwrap();
    }
}

fn meta(text: &mut String) {
    let disk = MemDisk::new();
    let (mut store, _) = ChunkStore::open(disk.clone(), options()).unwrap();
    for (_, op) in operations().into_iter().take(3) {
        store.execute(vec![(IoId(1), op)]);
    }
    drop(store);
    // The chunk is dirty in an older generation, so the next batch writes its meta file.
    let (mut store, _) = ChunkStore::open(disk.clone(), options()).unwrap();
    store.execute(Vec::new());
    let names = disk.list("meta").unwrap();
    assert_eq!(names, ["0000000000000011.meta"]);
    writeln!(text, "meta: {}", hex(&disk.bytes(&format!("meta/{}", names[0])).unwrap())).unwrap();
    let data = disk.list("chunks").unwrap();
    assert_eq!(data, ["0000000000000011-0000000000000001.data"]);
    let data = disk.bytes(&format!("chunks/{}", data[0])).unwrap();
    writeln!(text, "data: {}", hex(&data)).unwrap();
}

/// One of each kind. In the end there are a file with a configured chunk, and one in the trash.
fn commands() -> Vec<(&'static str, Command)> {
    let (file, chunk) = (FileId(2), ChunkHandle(1));
    let change = |number, change| {
        let op = OpId { client: NodeId(0x22), number };
        let caller = Caller { uid: 7, gid: 8, groups: [9].into(), clock_ns: 5 };
        Command::Change { op, acked_below: number, caller: Box::new(caller), change }
    };
    let create = |path: &str| MetadataChange::Create {
        path: path.into(),
        spec: FileSpec { chunk_bytes: 4_096, ..FileSpec::default() },
        mode: 0o644,
    };
    let add = |file| MetadataChange::AddChunk { file, index: 0, slots: 0, epoch: 0 };
    let member = Member { node: NodeId(0x33), incarnation: Incarnation(1) };
    let (base, version) = (ChunkVersion(0), ChunkVersion(2));
    let configure = |chunk| Command::Configure { chunk, base, version, members: vec![member] };
    let (incarnation, session) = (Incarnation(1), Session(7));
    let constants = Box::new(ClusterConstants::of(&Constants::default()));
    let holder = Holder { session: ClientSession(19), owner: LockOwner(9) };
    let (range, kind) = (Extent::new(4, 6), LockKind::Exclusive);
    let lease = Setting { constant: ClusterConstant::LeaseDuration, number: 20_000_000_000 };
    vec![
        ("new leader", Command::NewLeader { node: NodeId(1), constants }),
        ("join", Command::Join { node: member.node, incarnation, session, rack: Rack(1) }),
        ("create", change(1, create("/f"))),
        ("add chunk", change(2, add(file))),
        ("configure", configure(chunk)),
        ("mkdir", change(3, MetadataChange::Mkdir { path: "/d".into(), mode: 0o755 })),
        (
            "rename",
            change(
                4,
                MetadataChange::Rename {
                    from: "/f".into(),
                    to: "/d/g".into(),
                    this: None,
                    no_replace: true,
                },
            ),
        ),
        ("create", change(5, create("/t"))),
        ("add chunk", change(6, add(FileId(4)))),
        ("configure", configure(ChunkHandle(2))),
        (
            "add chunk",
            change(7, MetadataChange::AddChunk { file: FileId(4), index: 1, slots: 1, epoch: 0 }),
        ),
        ("delete", change(8, MetadataChange::Delete { path: "/t".into(), this: None })),
        ("free", Command::Free { file: FileId(4), chunk: ChunkHandle(2), base: version }),
        ("create", change(9, create("/u"))),
        ("delete", change(10, MetadataChange::Delete { path: "/u".into(), this: None })),
        ("purge", Command::Purge { file: FileId(5) }),
        ("set constants", change(11, MetadataChange::SetConstants { settings: vec![lease] })),
        ("finish constants", Command::FinishConstants { version: ConstantsVersion(2) }),
        ("begin session", change(12, MetadataChange::BeginSession)),
        ("lock", change(13, MetadataChange::Lock { file, holder, range, kind })),
        ("begin session", change(14, MetadataChange::BeginSession)),
        ("fence session", Command::FenceSession { session: ClientSession(21) }),
        ("end session", Command::EndSession { session: ClientSession(21) }),
    ]
}

fn master(text: &mut String) {
    let disk = MemDisk::new();
    let options = MasterLogOptions { sessions_max: 4, ..MasterLogOptions::default() };
    let (mut log, mut state, _) = MasterLog::open(disk.clone(), options).unwrap();
    for (index, (_, command)) in (1..).zip(commands()) {
        let epoch = Epoch(u64::from(index > 1));
        let entry = LogEntry { epoch, proposal: IoId(3), command };
        log.append(std::slice::from_ref(&entry)).unwrap();
        let consequences = state.apply(LogIndex(index), &entry);
        assert!(consequences.iter().all(Consequence::took_effect), "{consequences:?}");
    }
    state.assert_invariants();
    let bytes = disk.bytes("log/0000000000000001.log").unwrap();
    writeln!(text, "log, header: {}", hex(&bytes[..48])).unwrap();
    for ((kind, _), record) in commands().iter().zip(records(&bytes)) {
        writeln!(text, "log, {kind}: {}", hex(record)).unwrap();
    }
    log.checkpoint(&state).unwrap();
    let last = format!("checkpoint/{:016x}.ckpt", commands().len());
    let bytes = disk.bytes(&last).unwrap();
    writeln!(text, "checkpoint: {}", hex(&bytes)).unwrap();
}

fn replicated(text: &mut String) {
    let disk = MemDisk::new();
    let options = RaftLogOptions { birth: 0x55, ..RaftLogOptions::default() };
    let (mut log, _) = RaftLog::open(disk.clone(), &options).unwrap();
    let id = || b"id".to_vec();
    let changes = [
        ("append", RaftChange::Append { index: 0, entry: b"entry".to_vec() }),
        ("cut from", RaftChange::CutFrom { index: 1 }),
        ("purge", RaftChange::Purge(Mark { index: 0, id: id() })),
        ("vote", RaftChange::Vote(b"vote".to_vec())),
    ];
    for (_, change) in &changes {
        log.write(std::slice::from_ref(change)).unwrap();
    }
    let bytes = disk.bytes("raft/0000000000000001.log").unwrap();
    let records = records(&bytes);
    writeln!(text, "raft, base: {}", hex(records[0])).unwrap();
    for ((kind, _), record) in changes.iter().zip(&records[1..]) {
        writeln!(text, "raft, {kind}: {}", hex(record)).unwrap();
    }
    log.save_snapshot(&Snapshot { index: 0, meta: id(), state: b"state".to_vec() }).unwrap();
    let bytes = disk.bytes("snapshot/0000000000000000.snap").unwrap();
    writeln!(text, "snapshot: {}", hex(&bytes)).unwrap();
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let mut text = String::new();
    let disk = MemDisk::new();
    Identity::load_or_create(&disk, || 0x33).unwrap();
    writeln!(text, "identity: {}", hex(&disk.bytes("identity").unwrap())).unwrap();
    journal(&mut text);
    meta(&mut text);
    master(&mut text);
    replicated(&mut text);
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/goldens.txt");
        std::fs::write(path, &text).unwrap();
        return;
    }
    assert_eq!(text, GOLDENS, "UPDATE=1 rewrites tests/it/goldens.txt");
}
