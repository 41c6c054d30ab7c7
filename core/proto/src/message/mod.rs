//! The messages that nodes exchange, by conversation. Any of them may be lost, duplicated, delayed
//! or reordered.
//!
//! Each conversation is a file, and each direction of it one variant of [`Message`]: a role matches
//! the directions that it receives, and the file behind each takes a typed message.

pub mod call;
pub mod membership;
pub mod removal;
pub mod lease;
pub mod configure;
pub mod reconcile;
pub mod copy;
pub mod data;
pub mod pipeline;

use crate::ids::{ChunkVersion, NodeId, Sequence};
use crate::payload::Payload;
use serde::{Deserialize, Serialize};

pub use call::MasterRequest;
pub use copy::CopyEnd;
pub use data::ReadMode;
pub use removal::DeleteReason;

/// A message with its sender and its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Sender.
    pub from: NodeId,
    /// Receiver.
    pub to: NodeId,
    /// Content.
    pub message: Message,
}

/// The state of one replica, as a chunkserver reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplicaState {
    /// The highest version promised.
    pub promised: ChunkVersion,
    /// The version to which it is reconciled.
    pub applied_version: ChunkVersion,
    /// Last mutation applied.
    pub sequence: Sequence,
    /// Last mutation that it knows to be on every member.
    pub committed: Sequence,
    /// In bytes.
    pub length: u64,
    /// ... without holes: what a copy of it carries.
    pub stored_bytes: u64,
    /// Its copy is under way or was cut short.
    pub learner: bool,
    /// It met a checksum error here in this life.
    pub corrupt: bool,
}

/// Everything that crosses the network. Moved often, mostly as one of its small kinds: what makes
/// others large is boxed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Client → master.
    Call(call::Request),
    /// Master → client.
    CallReply(call::Reply),
    /// Chunkserver → master.
    Membership(membership::Request),
    /// Master → chunkserver.
    MembershipReply(membership::Reply),
    /// Master → chunkserver.
    Removal(removal::Order),
    /// Chunkserver → master.
    Lease(lease::Request),
    /// Master → chunkserver.
    LeaseGrant(lease::Grant),
    /// Master → chunkserver.
    Configure(configure::Order),
    /// Chunkserver → master.
    ConfigureReply(configure::Reply),
    /// Primary → member.
    Reconcile(reconcile::Request),
    /// Member → primary.
    ReconcileReply(reconcile::Reply),
    /// Master → chunkserver.
    CopyOrder(copy::Order),
    /// Learner → source.
    Copy(copy::Request),
    /// Source → learner.
    CopyReply(copy::Reply),
    /// Learner → master.
    CopyReport(copy::Report),
    /// Client → chunkserver.
    Data(data::Request),
    /// Chunkserver → client.
    DataReply(data::Reply),
    /// Primary → member.
    Pipeline(pipeline::Order),
    /// Member → primary.
    PipelineReply(pipeline::Reply),
}

impl Message {
    /// The bulk data that travels beside it.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Message::Reconcile(reconcile::Request::Install(m)) => Some(&m.payload),
            Message::CopyReply(copy::Reply::Step(m)) => Some(&m.payload),
            Message::Data(data::Request::Mutate(m)) => Some(&m.payload),
            Message::DataReply(data::Reply::Read(m)) => Some(&m.payload),
            Message::Pipeline(pipeline::Order::Push(m)) => Some(&m.payload),
            _ => None,
        }
    }

    /// The place for the bulk data that travelled beside it.
    #[must_use]
    pub fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Message::Reconcile(reconcile::Request::Install(m)) => Some(&mut m.payload),
            Message::CopyReply(copy::Reply::Step(m)) => Some(&mut m.payload),
            Message::Data(data::Request::Mutate(m)) => Some(&mut m.payload),
            Message::DataReply(data::Reply::Read(m)) => Some(&mut m.payload),
            Message::Pipeline(pipeline::Order::Push(m)) => Some(&mut m.payload),
            _ => None,
        }
    }
}

/// Lets a message be built from its content alone, whatever direction it belongs to.
macro_rules! built_from {
    ($($content:path => $wrap:expr;)*) => {
        $(impl From<$content> for Message {
            fn from(content: $content) -> Message {
                $wrap(content)
            }
        })*
    };
}

built_from! {
    call::Request => Message::Call;
    call::Reply => Message::CallReply;
    membership::Register => |content| Message::Membership(membership::Request::Register(content));
    membership::Heartbeat => |content| Message::Membership(membership::Request::Heartbeat(content));
    membership::Report => |content| Message::Membership(membership::Request::Report(content));
    membership::Registered => |content| Message::MembershipReply(membership::Reply::Registered(content));
    membership::RegisterRefused => |content| Message::MembershipReply(membership::Reply::Refused(content));
    membership::RegisterAgain => |content| Message::MembershipReply(membership::Reply::RegisterAgain(content));
    membership::ConstantsChanged => |content| Message::MembershipReply(membership::Reply::ConstantsChanged(content));
    membership::ReportAck => |content| Message::MembershipReply(membership::Reply::ReportAck(content));
    removal::DeleteReplica => |content| Message::Removal(removal::Order::Delete(content));
    removal::QuarantineReplica => |content| Message::Removal(removal::Order::Quarantine(content));
    lease::Request => Message::Lease;
    lease::Grant => Message::LeaseGrant;
    configure::Prepare => |content| Message::Configure(configure::Order::Prepare(content));
    configure::Activate => |content| Message::Configure(configure::Order::Activate(content));
    configure::Prepared => |content| Message::ConfigureReply(configure::Reply::Prepared(content));
    configure::PrepareRefused => |content| Message::ConfigureReply(configure::Reply::Refused(content));
    configure::MemberFailed => |content| Message::ConfigureReply(configure::Reply::MemberFailed(content));
    reconcile::RangesRequest => |content| Message::Reconcile(reconcile::Request::Ranges(content));
    reconcile::Install => |content| Message::Reconcile(reconcile::Request::Install(content));
    reconcile::RangesReply => |content| Message::ReconcileReply(reconcile::Reply::Ranges(content));
    reconcile::Installed => |content| Message::ReconcileReply(reconcile::Reply::Installed(content));
    copy::Order => Message::CopyOrder;
    copy::Request => Message::Copy;
    copy::Step => |content| Message::CopyReply(copy::Reply::Step(content));
    copy::Void => |content| Message::CopyReply(copy::Reply::Void(content));
    copy::CaughtUp => |content| Message::CopyReport(copy::Report::CaughtUp(content));
    copy::Ready => |content| Message::CopyReport(copy::Report::Ready(content));
    copy::Failed => |content| Message::CopyReport(copy::Report::Failed(content));
    data::Mutate => |content| Message::Data(data::Request::Mutate(content));
    data::Read => |content| Message::Data(data::Request::Read(content));
    data::Mutated => |content| Message::DataReply(data::Reply::Mutated(content));
    data::ReadReply => |content| Message::DataReply(data::Reply::Read(content));
    pipeline::Push => |content| Message::Pipeline(pipeline::Order::Push(content));
    pipeline::ProgressRequest => |content| Message::Pipeline(pipeline::Order::Progress(content));
    pipeline::Progress => |content| Message::PipelineReply(pipeline::Reply::Progress(content));
    pipeline::PushRefused => |content| Message::PipelineReply(pipeline::Reply::Refused(content));
}
