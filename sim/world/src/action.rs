//! Everything that a chooser can let happen.

use crate::net::MessageId;
use crate::node::Own;
use leasehold_proto::{Caller, ChunkHandle, FileCall, IoId, NodeId, Operation, RequestId};

/// How the world fails an I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// The disk has no room; nothing was changed.
    NoSpace,
    /// The disk is out of service.
    DiskFailed,
    /// The outcome stays unknown to the proposer: the entry may still commit.
    Unknown,
}

/// What a client's owner wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// An operation on a chunk or at a master.
    Operation(Operation),
    /// Something of a file.
    File(FileCall),
}

impl Wish {
    /// The step in which the owner says so, with these credentials.
    #[must_use]
    pub fn action(self, client: NodeId, id: RequestId, caller: Box<Caller>) -> Action {
        match self {
            Wish::Operation(op) => Action::Request(client, id, caller, op),
            Wish::File(call) => Action::Call(client, id, caller, call),
        }
    }
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A message arrives; it is lost if the receiver is down.
    Deliver(MessageId),
    /// A message is lost.
    Drop(MessageId),
    /// A message is in flight twice.
    Duplicate(MessageId),
    /// An I/O becomes durable, if it was not yet, and its asker hears of it.
    Complete(NodeId, IoId),
    /// An I/O becomes durable; its asker does not hear of it yet.
    Persist(NodeId, IoId),
    /// An I/O ends otherwise.
    Fail(NodeId, IoId, Failure),
    /// A master learns the next committed entry.
    Learn(NodeId),
    /// The log has another leader. The previous one does not learn of it.
    Lead(NodeId),
    /// A master learns that it does not lead.
    Depose(NodeId),
    /// An entry whose fate was open commits after all.
    Surface(usize),
    /// True time passes, up to here.
    AdvanceTo(u64),
    /// A node looks at its clock.
    Wake(NodeId),
    /// A process ends: its memory and its I/O in flight are gone.
    Crash(NodeId),
    /// A machine loses power: also what the operating system had not written is gone.
    PowerFail(NodeId),
    /// A process begins on what the last one left.
    Restart(NodeId),
    /// The disk of a node that is down is destroyed. A chunkserver does not come back from it.
    Destroy(NodeId),
    /// A node is paused; its clock runs.
    Pause(NodeId),
    /// A node is paused, and its clock stands still with it: a virtual machine that is stopped.
    Freeze(NodeId),
    /// It resumes.
    Resume(NodeId),
    /// The node's processes are configured with this from its next start on, whatever the cluster has.
    Configure(NodeId, Box<Own>),
    /// A node's clock jumps ahead by so many nanoseconds.
    Jump(NodeId, u64),
    /// A node's clock goes this much faster than true time from here on, in parts per million.
    Rate(NodeId, i64),
    /// A link is cut in one direction.
    Cut(NodeId, NodeId),
    /// One direction of a link is mended.
    Mend(NodeId, NodeId),
    /// Every link is mended.
    Heal,
    /// A byte on a disk decays.
    Flip(NodeId, ChunkHandle, u64),
    /// Something else fills a chunkserver's disk up to so many free bytes; or gives all of it back.
    Fill(NodeId, Option<u64>),
    /// A client's owner makes a request.
    Request(NodeId, RequestId, Box<Caller>, Operation),
    /// ... and for something of a file.
    Call(NodeId, RequestId, Box<Caller>, FileCall),
}
