//! The values inside of samples.

use super::{CHUNK, CLOCK_NS, COMMITTED, FILE, INCARNATION, NODE, OP, SEQUENCE, SPEC, VERSION};
use bytes::Bytes;
use leasehold_proto::message::ReplicaState;
use leasehold_proto::metadata::{
    ChunkStatus, ClusterStatus, FileInfo, FileKind, FileSpec, ReplicaStatus, SafeModeStatus,
    ServerStatus, UnreportedChunk,
};
use leasehold_proto::{
    Attributes, Caller, Extent, Mutation, MutationKind, NodeId, OpId, Payload, Rack, ReplicaImage,
    Room,
};
use leasehold_wire::crc32c;
use std::time::Duration;

pub(super) fn members() -> Vec<NodeId> {
    vec![NODE, NodeId(9)]
}

pub(super) fn pieces() -> Vec<Extent> {
    vec![Extent::new(0, 12), Extent::new(1 << 20, 4)]
}

pub(super) fn payload(bytes: &'static [u8]) -> Payload {
    Payload::new(Bytes::from_static(bytes), crc32c(bytes))
}

pub(super) fn state() -> ReplicaState {
    ReplicaState {
        promised: VERSION.next(),
        applied_version: VERSION,
        sequence: SEQUENCE,
        committed: COMMITTED,
        length: 1 << 16,
        stored_bytes: 1 << 15,
        learner: true,
        corrupt: false,
    }
}

pub(super) fn room() -> Room {
    Room { used_bytes: 1 << 30, free_bytes: 1 << 31, size_bytes: 1 << 40 }
}

pub(super) fn mutation() -> Mutation {
    Mutation {
        op: OP,
        acked_below: 0x70,
        kind: MutationKind::Append,
        extent: Extent::new(4096, 8),
        crc: crc32c(b"a record"),
    }
}

fn cut() -> Mutation {
    let op = OpId { number: OP.number + 1, ..OP };
    let (kind, extent) = (MutationKind::Cut { epoch: 4 }, Extent::new(4100, 0));
    Mutation { op, kind, extent, crc: 0, ..mutation() }
}

/// An image with an operation table, made as the product makes one.
pub(super) fn image() -> ReplicaImage {
    let mut image =
        ReplicaImage { sequence: COMMITTED, committed: COMMITTED, ..Default::default() };
    image.apply(&SPEC, VERSION, SEQUENCE, &mutation(), 8);
    image.apply(&SPEC, VERSION, SEQUENCE.next(), &cut(), 8);
    image
}

pub(super) fn caller() -> Caller {
    Caller { uid: 1_000, gid: 100, groups: [4, 27].into(), clock_ns: CLOCK_NS }
}

pub(super) fn file_info() -> FileInfo {
    FileInfo {
        file: FILE,
        kind: FileKind::File(FileSpec::default()),
        chunks: 3,
        epoch: 4,
        attributes: Attributes::new(&caller(), 0o640, 2),
        length_reported: Some(150 << 20),
    }
}

pub(super) fn chunk_status() -> ChunkStatus {
    let (node, applied_version, length) = (NODE, VERSION, 1 << 16);
    let (member, alive, corrupt) = (true, true, false);
    ChunkStatus {
        chunk: CHUNK,
        file: FILE,
        index: 2,
        version: VERSION,
        primary: Some(NODE),
        leased: true,
        target: 3,
        replicas: vec![ReplicaStatus { node, member, alive, corrupt, applied_version, length }],
    }
}

pub(super) fn cluster_status() -> ClusterStatus {
    ClusterStatus {
        servers: vec![ServerStatus {
            node: NODE,
            incarnation: INCARNATION,
            rack: Rack(3),
            alive: true,
            silent_for: Some(Duration::from_millis(250)),
            replicas: 17,
            used_bytes: 1 << 30,
            free_bytes: 1 << 31,
            capacity_bytes: 1 << 40,
        }],
        files: 5,
        directories: 2,
        trashed: 1,
        chunks: 17,
        chunks_under_target: 4,
        chunks_unavailable: 1,
        leases: 3,
        changes: 2,
        repairs: 1,
        safe_mode: false,
        alarm: true,
    }
}

pub(super) fn safe_mode_status() -> SafeModeStatus {
    SafeModeStatus {
        chunks: 17,
        unreported: 1,
        unreported_max: 0,
        first_unreported: vec![UnreportedChunk {
            chunk: CHUNK,
            file: FILE,
            index: 2,
            members: members(),
        }],
        silent_servers: vec![NODE],
        reporting_servers: vec![NodeId(9)],
        ends_within: Duration::from_millis(29_500),
    }
}
