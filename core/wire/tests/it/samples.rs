//! One frame of every kind, and one message of every variant, with small telling values.

mod metadata;
mod values;

pub use metadata::{answers, changes, queries, refusals};

use bytes::Bytes;
use leasehold_proto::message::{CopyEnd, DeleteReason, MasterRequest};
use leasehold_proto::message::{
    call, configure, copy, data, lease, membership, pipeline, reconcile, removal,
};
use leasehold_proto::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use leasehold_proto::{
    Agreed, Attempt, ChunkHandle, ChunkSpec, ChunkVersion, ClusterConstants, Constants,
    ConstantsVersion, CopyId, Envelope, Epoch, Extent, FileId, Incarnation, Message, MutationKind,
    NodeId, OpId, Rack, ReadMode, Refusal, Sequence, Session, SyncPolicy,
};
use leasehold_wire::{ClusterId, Frame, Packet, Role};
use values::{caller, image, members, mutation, payload, pieces, room, state};

const CHUNK: ChunkHandle = ChunkHandle(0x11);
const VERSION: ChunkVersion = ChunkVersion(0x22);
const EPOCH: Epoch = Epoch(0x33);
const INCARNATION: Incarnation = Incarnation(0x44);
const COPY: CopyId = CopyId { life: Incarnation(0x45), number: 0x46 };
const SEQUENCE: Sequence = Sequence(0x55);
const COMMITTED: Sequence = Sequence(0x54);
const FILE: FileId = FileId(0x66);
const OP: OpId = OpId { client: NodeId(0x77), number: 0x78 };
const SPEC: ChunkSpec = ChunkSpec { chunk_bytes: 64 << 20, sync: SyncPolicy::PageCache };
const NODE: NodeId = NodeId(0xfeed_face_cafe_beef);
const CLOCK_NS: i64 = 1_794_000_000_000_000_001;

/// Every sample with its name in the file of goldens.
pub fn frames() -> Vec<(String, Frame)> {
    let mut frames = handshakes();
    frames.extend(messages().into_iter().map(|m| named(path(&m), m)));
    let change = |c: MetadataChange| (format!("Call/{}", variant(&c)), ask(c));
    frames.extend(changes().into_iter().map(change).map(|(n, m)| named(n, m)));
    let query = |q: MetadataQuery| (format!("Call/{}", variant(&q)), query(q));
    frames.extend(queries().into_iter().map(query).map(|(n, m)| named(n, m)));
    let answer = |a: MetadataAnswer| (format!("CallReply/{}", variant(&a)), tell(Ok(a)));
    frames.extend(answers().into_iter().map(answer).map(|(n, m)| named(n, m)));
    let refusal = |r: Refusal| (format!("CallReply/{}", variant(&r)), tell(Err(r)));
    frames.extend(refusals().into_iter().map(refusal).map(|(n, m)| named(n, m)));
    frames
}

/// A value's variant, as `Debug` has it.
fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split([' ', '(', '{']).next().unwrap().into()
}

/// A message's direction and variant, as `Debug` has them: `Membership.Report`.
fn path(message: &Message) -> String {
    let text = format!("{message:?}");
    let path = text.split([' ', '{']).next().expect("split gives at least one part");
    path.rsplit_once('(').map_or(path, |(path, _)| path).replace('(', ".")
}

fn named(name: String, message: Message) -> (String, Frame) {
    (format!("Envelope/{name}"), Frame::Envelope(Envelope { from: NodeId(1), to: NODE, message }))
}

fn handshakes() -> Vec<(String, Frame)> {
    let hello = |role, listen| Frame::Hello { node: NODE, role, listen, cluster: ClusterId(0xc1) };
    let v4 = Some("10.0.0.7:7000".parse().unwrap());
    let v6 = Some("[2001:db8::7]:7000".parse().unwrap());
    let named = [
        ("Hello/master-v4", hello(Role::Master, v4)),
        ("Hello/chunkserver-v6", hello(Role::Chunkserver, v6)),
        ("Hello/client", hello(Role::Client, None)),
        ("WhoIs", Frame::WhoIs { node: NODE }),
        ("HereIs/known", Frame::HereIs { node: NODE, addr: v4 }),
        ("HereIs/unknown", Frame::HereIs { node: NODE, addr: None }),
        ("Masters", Frame::Masters { masters: v4.map(|at| (NODE, at)).into_iter().collect() }),
        ("Packet/question", packet(false, b"append")),
        ("Packet/answer", packet(true, b"")),
    ];
    named.map(|(name, frame)| (name.to_string(), frame)).into()
}

fn packet(is_answer: bool, bytes: &'static [u8]) -> Frame {
    let bytes = Bytes::from_static(bytes);
    Frame::Packet(Packet { from: NodeId(1), to: NodeId(2), number: 0x99, is_answer, bytes })
}

/// Every variant of `Message`, in the order of their numbers.
pub fn messages() -> Vec<Message> {
    [client_and_master(), membership(), leases(), configuration()]
        .into_iter()
        .chain([reconciliation(), learners(), mutations(), reads()])
        .flatten()
        .collect()
}

fn client_and_master() -> Vec<Message> {
    let path = "/logs".to_string();
    vec![query(MetadataQuery::Stat { path: path.into() }), tell(Ok(MetadataAnswer::Done))]
}

fn ask(change: MetadataChange) -> Message {
    Message::Call(call::Request {
        caller: Box::new(caller()),
        op: OP,
        acked_below: 0x70,
        request: MasterRequest::Change(change),
    })
}

fn query(query: MetadataQuery) -> Message {
    Message::Call(call::Request {
        caller: Box::new(caller()),
        op: OP,
        acked_below: 0x70,
        request: MasterRequest::Query(query),
    })
}

fn tell(answer: Result<MetadataAnswer, Refusal>) -> Message {
    Message::CallReply(call::Reply { op: OP, answer })
}

fn membership() -> Vec<Message> {
    let (incarnation, epoch) = (INCARNATION, EPOCH);
    vec![
        Message::Membership(membership::Request::Register(membership::Register {
            incarnation,
            session: Session(0x99),
            rack: Rack(3),
            room: room(),
        })),
        Message::MembershipReply(membership::Reply::Registered(membership::Registered {
            epoch,
            incarnation,
            agreed: agreed(),
        })),
        Message::MembershipReply(membership::Reply::ConstantsChanged(
            membership::ConstantsChanged { epoch, incarnation, agreed: agreed() },
        )),
        Message::MembershipReply(membership::Reply::Refused(membership::RegisterRefused {
            incarnation,
        })),
        Message::Membership(membership::Request::Heartbeat(membership::Heartbeat {
            incarnation,
            epoch,
            room: room(),
            disk_failed: true,
            constants: ConstantsVersion(3),
        })),
        Message::MembershipReply(membership::Reply::RegisterAgain(membership::RegisterAgain {
            epoch,
        })),
        Message::Membership(membership::Request::Report(membership::Report {
            incarnation,
            epoch,
            number: 2,
            full: false,
            replicas: vec![(CHUNK, state())],
            gone: vec![ChunkHandle(0x12), ChunkHandle(0x13)],
        })),
        Message::MembershipReply(membership::Reply::ReportAck(membership::ReportAck {
            incarnation,
            epoch,
            number: 2,
        })),
        Message::Removal(removal::Order::Delete(removal::DeleteReplica {
            chunk: CHUNK,
            reason: DeleteReason::Excluded(VERSION),
        })),
        Message::Removal(removal::Order::Quarantine(removal::QuarantineReplica { chunk: CHUNK })),
    ]
}

fn constants() -> ClusterConstants {
    ClusterConstants::of(&Constants::default())
}

fn agreed() -> Box<Agreed> {
    Box::new(Agreed { version: ConstantsVersion(2), values: constants() })
}

fn leases() -> Vec<Message> {
    let (incarnation, attempt, chunks) = (INCARNATION, Attempt(0x88), vec![(CHUNK, VERSION)]);
    let term = constants().lease_term();
    vec![
        Message::Lease(lease::Request { incarnation, attempt, chunks: chunks.clone() }),
        Message::LeaseGrant(lease::Grant { incarnation, attempt, term, chunks }),
    ]
}

fn configuration() -> Vec<Message> {
    let (chunk, epoch, version, incarnation) = (CHUNK, EPOCH, VERSION, INCARNATION);
    vec![
        Message::Configure(configure::Order::Prepare(configure::Prepare {
            chunk,
            epoch,
            version,
            incarnation,
            create: Some(SPEC),
        })),
        Message::ConfigureReply(configure::Reply::Prepared(configure::Prepared {
            chunk,
            epoch,
            version,
            incarnation,
            state: state(),
        })),
        Message::ConfigureReply(configure::Reply::Refused(configure::PrepareRefused {
            chunk,
            epoch,
            version,
            incarnation,
            promised: Some(version.next()),
            no_space: true,
        })),
        Message::Configure(configure::Order::Activate(configure::Activate {
            chunk,
            version,
            incarnation,
            members: members(),
        })),
        Message::ConfigureReply(configure::Reply::MemberFailed(configure::MemberFailed {
            chunk,
            version,
            members: vec![NODE],
        })),
    ]
}

fn reconciliation() -> Vec<Message> {
    let (chunk, version) = (CHUNK, VERSION);
    vec![
        Message::Reconcile(reconcile::Request::Ranges(reconcile::RangesRequest { chunk, version })),
        Message::ReconcileReply(reconcile::Reply::Ranges(reconcile::RangesReply {
            chunk,
            version,
            committed: COMMITTED,
            touched: pieces(),
        })),
        Message::Reconcile(reconcile::Request::Install(reconcile::Install {
            chunk,
            version,
            image: Box::new(image()),
            pieces: pieces(),
            payload: payload(b"reconciled bytes"),
        })),
        Message::ReconcileReply(reconcile::Reply::Installed(reconcile::Installed {
            chunk,
            version,
            sequence: SEQUENCE,
        })),
    ]
}

fn learners() -> Vec<Message> {
    let (chunk, epoch, version, incarnation) = (CHUNK, EPOCH, VERSION, INCARNATION);
    let end = Some(Box::new(CopyEnd { version, image: Box::new(image()) }));
    vec![
        Message::CopyOrder(copy::Order {
            chunk,
            epoch,
            version,
            incarnation,
            source: NODE,
            spec: SPEC,
        }),
        Message::Copy(copy::Request {
            chunk,
            incarnation,
            version,
            copy: Some(COPY),
            step: 4,
            prepared: Some(version.next()),
        }),
        Message::CopyReply(copy::Reply::Step(copy::Step {
            chunk,
            incarnation,
            copy: COPY,
            step: 4,
            pieces: pieces(),
            left_bytes: 1 << 20,
            end,
            payload: payload(b"copied bytes"),
        })),
        Message::CopyReply(copy::Reply::Void(copy::Void { chunk, incarnation, step: 4 })),
        Message::CopyReport(copy::Report::CaughtUp(copy::CaughtUp {
            chunk,
            epoch,
            version,
            incarnation,
        })),
        Message::CopyReport(copy::Report::Ready(copy::Ready {
            chunk,
            epoch,
            version,
            incarnation,
            state: state(),
        })),
        Message::CopyReport(copy::Report::Failed(copy::Failed {
            chunk,
            version,
            incarnation,
            no_space: true,
        })),
    ]
}

fn mutations() -> Vec<Message> {
    let (chunk, version) = (CHUNK, VERSION);
    vec![
        Message::Data(data::Request::Mutate(data::Mutate {
            op: OP,
            acked_below: 0x70,
            chunk,
            version,
            exactly: true,
            kind: MutationKind::Append,
            offset: 0,
            payload: payload(b"a record"),
        })),
        Message::DataReply(data::Reply::Mutated(data::Mutated {
            op: OP,
            chunk,
            result: Ok(Extent::new(4096, 8)),
        })),
        Message::Pipeline(pipeline::Order::Push(pipeline::Push {
            chunk,
            version,
            sequence: SEQUENCE,
            committed: COMMITTED,
            primary: NODE,
            chain: vec![NodeId(9)],
            mutation: Box::new(mutation()),
            payload: payload(b"a record"),
        })),
        Message::Pipeline(pipeline::Order::Progress(pipeline::ProgressRequest {
            chunk,
            version,
            committed: COMMITTED,
        })),
        Message::PipelineReply(pipeline::Reply::Progress(pipeline::Progress {
            chunk,
            version,
            applied: COMMITTED,
            received: SEQUENCE,
        })),
        Message::PipelineReply(pipeline::Reply::Refused(pipeline::PushRefused {
            chunk,
            version,
            refusal: Refusal::Stale { promised: VERSION },
        })),
    ]
}

fn reads() -> Vec<Message> {
    let (extent, mode) = (Extent::new(0, 1 << 16), ReadMode::Relaxed);
    vec![
        Message::Data(data::Request::Read(data::Read {
            op: OP,
            chunk: CHUNK,
            version: VERSION,
            extent,
            mode,
        })),
        tell_read(),
    ]
}

/// The answer to a read: the message that carries most bytes.
pub fn tell_read() -> Message {
    Message::DataReply(data::Reply::Read(data::ReadReply {
        op: OP,
        chunk: CHUNK,
        result: Ok(1 << 16),
        payload: payload(b"read bytes"),
    }))
}
