//! The columns: kinds of messages and of I/O. Each is an exhaustive match, so that a kind that is added
//! to the protocol gets its column or does not compile.

use leasehold_proto::message::{configure, copy, data, membership, pipeline, reconcile, removal};
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Incarnation, IoOp, LogOp, Message, ReplicaChange,
};
use std::cmp::Ordering;

macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident: $($variant:ident $name:literal),* $(,)?) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // named as what they stand for
        pub enum $kind { $($variant,)* }

        impl $kind {
            /// All of them, in order.
            pub const ALL: &[$kind] = &[$($kind::$variant,)*];

            /// As summaries call it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)* }
            }
        }
    };
}
pub(super) use kinds;

kinds! {
    /// A kind of message.
    MessageKind:
    Call "Call", CallReply "CallReply",
    Register "Register", Heartbeat "Heartbeat", Report "Report",
    Registered "Registered", RegisterRefused "RegisterRefused", RegisterAgain "RegisterAgain",
    ReportAck "ReportAck", ConstantsChanged "ConstantsChanged",
    Delete "DeleteReplica", Quarantine "QuarantineReplica",
    LeaseRequest "LeaseRequest", LeaseGrant "LeaseGrant",
    Prepare "Prepare", Activate "Activate", Prepared "Prepared", PrepareRefused "PrepareRefused",
    MemberFailed "MemberFailed",
    RangesRequest "RangesRequest", Install "Install", RangesReply "RangesReply",
    Installed "Installed",
    CopyOrder "CopyOrder", CopyRequest "CopyRequest", CopyStep "CopyStep", CopyVoid "CopyVoid",
    CaughtUp "CaughtUp", CopyReady "CopyReady", CopyFailed "CopyFailed",
    Mutate "Mutate", Read "Read", Mutated "Mutated", ReadReply "ReadReply",
    Push "Push", ProgressRequest "ProgressRequest", Progress "Progress", PushRefused "PushRefused",
}

kinds! {
    /// A kind of I/O on a replica.
    IoKind:
    Promise "promise", Apply "apply", Adopt "adopt", Reconcile "reconcile",
    StartLearner "start of a copy", CopyIn "step of a copy", Install "install",
    Delete "delete", Quarantine "quarantine", Read "read",
}

kinds! {
    /// How a version or a life compares with the one that is known.
    Relation: Older "an older", Same "the same", Newer "a newer",
}

impl Relation {
    pub(super) fn of(ordering: Ordering) -> Self {
        match ordering {
            Ordering::Less => Relation::Older,
            Ordering::Equal => Relation::Same,
            Ordering::Greater => Relation::Newer,
        }
    }
}

impl IoKind {
    /// The kind of an I/O; none of the log's.
    pub fn of(op: &IoOp) -> Option<Self> {
        Some(match op {
            IoOp::Replica(change, _) => match change {
                ReplicaChange::Promise { .. } => IoKind::Promise,
                ReplicaChange::Apply { .. } => IoKind::Apply,
                ReplicaChange::Adopt { .. } => IoKind::Adopt,
                ReplicaChange::Reconcile { .. } => IoKind::Reconcile,
                ReplicaChange::StartLearner { .. } => IoKind::StartLearner,
                ReplicaChange::CopyIn { .. } => IoKind::CopyIn,
                ReplicaChange::Install { .. } => IoKind::Install,
                ReplicaChange::Delete { .. } => IoKind::Delete,
                ReplicaChange::Quarantine { .. } => IoKind::Quarantine,
            },
            IoOp::Read { .. } => IoKind::Read,
            IoOp::Log(LogOp::Propose { .. } | LogOp::Confirm) => return None,
        })
    }
}

impl MessageKind {
    /// Does a chunkserver receive it, about one chunk?
    pub fn to_chunkserver(self) -> bool {
        use MessageKind as K;
        match self {
            K::Delete | K::Quarantine | K::LeaseGrant | K::Prepare | K::Activate => true,
            K::RangesRequest | K::Install | K::RangesReply | K::Installed => true,
            K::CopyOrder | K::CopyRequest | K::CopyStep | K::CopyVoid => true,
            K::Mutate | K::Read => true,
            K::Push | K::ProgressRequest | K::Progress | K::PushRefused => true,
            K::Registered
            | K::RegisterRefused
            | K::RegisterAgain
            | K::ReportAck
            | K::ConstantsChanged => false,
            K::Call | K::CallReply | K::Register | K::Heartbeat | K::Report => false,
            K::LeaseRequest | K::Prepared | K::PrepareRefused | K::MemberFailed => false,
            K::CaughtUp | K::CopyReady | K::CopyFailed | K::Mutated | K::ReadReply => false,
        }
    }

    /// Does it name a version of its chunk?
    pub fn has_version(self) -> bool {
        use MessageKind as K;
        match self {
            K::Delete | K::LeaseRequest | K::LeaseGrant => true,
            K::Prepare | K::Activate | K::Prepared | K::PrepareRefused | K::MemberFailed => true,
            K::RangesRequest | K::Install | K::RangesReply | K::Installed => true,
            K::CopyOrder | K::CopyRequest | K::CaughtUp | K::CopyReady | K::CopyFailed => true,
            K::Mutate | K::Read => true,
            K::Push | K::ProgressRequest | K::Progress | K::PushRefused => true,
            K::CopyStep | K::CopyVoid | K::Quarantine | K::Mutated | K::ReadReply => false,
            K::Call | K::CallReply | K::Register | K::Heartbeat | K::Report => false,
            K::Registered
            | K::RegisterRefused
            | K::RegisterAgain
            | K::ReportAck
            | K::ConstantsChanged => false,
        }
    }

    /// Does it name a life of the chunkserver that sends or receives it?
    pub fn has_life(self) -> bool {
        use MessageKind as K;
        match self {
            K::LeaseRequest | K::LeaseGrant => true,
            K::Prepare | K::Activate | K::Prepared | K::PrepareRefused => true,
            K::CopyOrder | K::CopyStep | K::CopyVoid => true,
            K::CaughtUp | K::CopyReady | K::CopyFailed => true,
            // It names the sender's, who is not the one that is asked.
            K::CopyRequest => false,
            K::Delete | K::Quarantine | K::MemberFailed => false,
            K::RangesRequest | K::Install | K::RangesReply | K::Installed => false,
            K::Mutate | K::Read | K::Mutated | K::ReadReply => false,
            K::Push | K::ProgressRequest | K::Progress | K::PushRefused => false,
            // Of no chunk.
            K::Call | K::CallReply | K::Register | K::Heartbeat | K::Report => false,
            K::Registered
            | K::RegisterRefused
            | K::RegisterAgain
            | K::ReportAck
            | K::ConstantsChanged => false,
        }
    }
}

/// What a message is about. Of several chunks, the first.
pub(super) struct About {
    pub kind: MessageKind,
    pub chunk: Option<ChunkHandle>,
    pub version: Option<ChunkVersion>,
    pub life: Option<Incarnation>,
}

impl About {
    pub fn of(message: &Message) -> Self {
        let about = |kind| About { kind, chunk: None, version: None, life: None };
        let chunk = |kind, chunk: ChunkHandle| About { chunk: Some(chunk), ..about(kind) };
        let version = |kind, of: ChunkHandle, version: ChunkVersion| About {
            version: Some(version),
            ..chunk(kind, of)
        };
        let both = |kind, of: ChunkHandle, at: ChunkVersion, life: Incarnation| About {
            life: Some(life),
            ..version(kind, of, at)
        };
        use MessageKind as K;
        match message {
            Message::Call(_) => about(K::Call),
            Message::CallReply(_) => about(K::CallReply),
            Message::Membership(request) => about(match request {
                membership::Request::Register(_) => K::Register,
                membership::Request::Heartbeat(_) => K::Heartbeat,
                membership::Request::Report(_) => K::Report,
            }),
            Message::MembershipReply(reply) => about(match reply {
                membership::Reply::Registered(_) => K::Registered,
                membership::Reply::Refused(_) => K::RegisterRefused,
                membership::Reply::RegisterAgain(_) => K::RegisterAgain,
                membership::Reply::ReportAck(_) => K::ReportAck,
                membership::Reply::ConstantsChanged(_) => K::ConstantsChanged,
            }),
            Message::Removal(removal::Order::Delete(m)) => {
                let (removal::DeleteReason::Excluded(at) | removal::DeleteReason::Freed(at)) =
                    m.reason;
                version(K::Delete, m.chunk, at)
            }
            Message::Removal(removal::Order::Quarantine(m)) => chunk(K::Quarantine, m.chunk),
            Message::Lease(m) => match m.chunks.first() {
                Some((of, at)) => both(K::LeaseRequest, *of, *at, m.incarnation),
                None => about(K::LeaseRequest),
            },
            Message::LeaseGrant(m) => match m.chunks.first() {
                Some((of, at)) => both(K::LeaseGrant, *of, *at, m.incarnation),
                None => about(K::LeaseGrant),
            },
            Message::Configure(order) => match order {
                configure::Order::Prepare(m) => both(K::Prepare, m.chunk, m.version, m.incarnation),
                configure::Order::Activate(m) => {
                    both(K::Activate, m.chunk, m.version, m.incarnation)
                }
            },
            Message::ConfigureReply(reply) => match reply {
                configure::Reply::Prepared(m) => {
                    both(K::Prepared, m.chunk, m.version, m.incarnation)
                }
                configure::Reply::Refused(m) => {
                    both(K::PrepareRefused, m.chunk, m.version, m.incarnation)
                }
                configure::Reply::MemberFailed(m) => version(K::MemberFailed, m.chunk, m.version),
            },
            Message::Reconcile(request) => match request {
                reconcile::Request::Ranges(m) => version(K::RangesRequest, m.chunk, m.version),
                reconcile::Request::Install(m) => version(K::Install, m.chunk, m.version),
            },
            Message::ReconcileReply(reply) => match reply {
                reconcile::Reply::Ranges(m) => version(K::RangesReply, m.chunk, m.version),
                reconcile::Reply::Installed(m) => version(K::Installed, m.chunk, m.version),
            },
            Message::CopyOrder(m) => both(K::CopyOrder, m.chunk, m.version, m.incarnation),
            Message::Copy(m) => version(K::CopyRequest, m.chunk, m.version),
            Message::CopyReply(reply) => match reply {
                copy::Reply::Step(m) => {
                    About { life: Some(m.incarnation), ..chunk(K::CopyStep, m.chunk) }
                }
                copy::Reply::Void(m) => {
                    About { life: Some(m.incarnation), ..chunk(K::CopyVoid, m.chunk) }
                }
            },
            Message::CopyReport(report) => match report {
                copy::Report::CaughtUp(m) => both(K::CaughtUp, m.chunk, m.version, m.incarnation),
                copy::Report::Ready(m) => both(K::CopyReady, m.chunk, m.version, m.incarnation),
                copy::Report::Failed(m) => both(K::CopyFailed, m.chunk, m.version, m.incarnation),
            },
            Message::Data(request) => match request {
                data::Request::Mutate(m) => version(K::Mutate, m.chunk, m.version),
                data::Request::Read(m) => version(K::Read, m.chunk, m.version),
            },
            Message::DataReply(reply) => match reply {
                data::Reply::Mutated(m) => chunk(K::Mutated, m.chunk),
                data::Reply::Read(m) => chunk(K::ReadReply, m.chunk),
            },
            Message::Pipeline(order) => match order {
                pipeline::Order::Push(m) => version(K::Push, m.chunk, m.version),
                pipeline::Order::Progress(m) => version(K::ProgressRequest, m.chunk, m.version),
            },
            Message::PipelineReply(reply) => match reply {
                pipeline::Reply::Progress(m) => version(K::Progress, m.chunk, m.version),
                pipeline::Reply::Refused(m) => version(K::PushRefused, m.chunk, m.version),
            },
        }
    }
}
