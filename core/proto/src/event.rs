//! What observers see: facts about the protocol, typed, for checkers, traces and counters.

use crate::agreed::{Setting, Sides};
use crate::attributes::Caller;
use crate::ids::{
    ChunkHandle, ChunkVersion, ClientSession, ConstantsVersion, Epoch, FileId, Incarnation,
    LogIndex, NodeId, OpId, Rack, RequestId, Sequence,
};
use crate::locks::LockKind;
use crate::log::Member;
use crate::machine::{OpError, Operation, Outcome};
use crate::message::{DeleteReason, ReadMode};
use crate::payload::Extent;
use crate::replica::MutationKind;
use crate::tables::Holder;
use crate::time::Time;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What a master's log should have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LostLog {
    /// A chunkserver has this chunk, which is at or above the allocator.
    Chunk(ChunkHandle),
    /// A chunkserver was registered in this epoch, which is above that of a leader that leads.
    Epoch(Epoch),
}

/// Why safe mode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SafeModeEnd {
    /// Enough was reported.
    Reported,
    /// It had lasted for `safe_mode_max`, and no report was on its way.
    Waited,
    /// An operator ordered it.
    Ordered,
}

/// A fact, told by the node where it became true, in the step in which it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // fields are named as in `Message`
pub enum Event {
    // Master.
    /// A master leads, and has applied its own `NewLeader` entry.
    LeaderBegan { epoch: Epoch },
    /// A committed entry was applied; `took_effect` is false if it was refused there.
    EntryApplied { index: LogIndex, took_effect: bool },
    /// A file got a chunk, which has no configuration yet.
    ChunkMade {
        chunk: ChunkHandle,
        file: FileId,
        index: u64,
        /// Wanted of it.
        replicas: u8,
        /// Its size when full.
        chunk_bytes: u64,
    },
    /// A file went to the trash.
    Trashed { file: FileId },
    /// A file was truncated, and this chunk is no part of it any more.
    GivenUp { chunk: ChunkHandle },
    /// A file was taken out of the trash.
    Restored { file: FileId },
    /// An operator wants a file in the trash to be reclaimed without delay.
    TrashEmptied { file: FileId },
    /// A file in the trash, and with it its last chunk, is no more.
    Purged { file: FileId },
    /// A configuration took effect.
    Configured {
        chunk: ChunkHandle,
        base: ChunkVersion,
        version: ChunkVersion,
        members: Vec<Member>,
    },
    /// A chunk is no more.
    Freed { chunk: ChunkHandle, base: ChunkVersion },
    /// A step of a change of the cluster's constants took effect; a leader's first ones are none.
    ConstantsChanged { version: ConstantsVersion, sides: Box<Sides> },
    /// A lease was granted; the granter keeps away until `until` of its own clock.
    LeaseGranted { chunk: ChunkHandle, version: ChunkVersion, to: NodeId, until: Time },
    /// A configuration change began.
    ChangeBegan { chunk: ChunkHandle, version: ChunkVersion, why: &'static str },
    /// Servers are asked to be the first members of a chunk: some for the first time, and those that
    /// were asked before and are still heard.
    Placed { chunk: ChunkHandle, servers: Vec<NodeId> },
    /// A copy was ordered.
    RepairBegan { chunk: ChunkHandle, version: ChunkVersion, to: NodeId },
    /// A copy ended: its learner was configured, or it was given up.
    RepairEnded { chunk: ChunkHandle, to: NodeId, done: bool },
    /// A chunkserver's life was registered.
    ServerJoined { node: NodeId, incarnation: Incarnation, rack: Rack, rejoined: bool },
    /// A chunkserver that was silent for too long is heard again, in the same life.
    ServerHeard { node: NodeId },
    /// A chunkserver was silent for too long, or its disk failed.
    ServerDead { node: NodeId },
    /// What a chunkserver's disk has free, as far as the leader knows: when it is first heard of, and when
    /// it doubles or halves. None of it after a replica found no room there, until there is more.
    ServerRoom { node: NodeId, free_bytes: u64 },
    /// No server has room for another replica of this chunk, of which `bytes` are to be stored; of the
    /// first such chunk, until there is room again.
    NoRoom { chunk: ChunkHandle, bytes: u64 },
    /// A file in the trash is reclaimed before its time, since there is no room for this chunk.
    TrashGaveWay { file: FileId, chunk: ChunkHandle },
    /// Repair and deletion may begin.
    SafeModeEnded { why: SafeModeEnd },
    /// A chunkserver knows of what this master's log never said: the log is an older one, or lost
    /// its end. Once a leadership.
    LogLost { proof: LostLog },

    /// A client's session is no more, and its locks are free.
    SessionEnded { session: ClientSession },

    // Chunkserver.
    /// A replica as it was found at start.
    Recovered {
        chunk: ChunkHandle,
        promised: ChunkVersion,
        applied_version: ChunkVersion,
        sequence: Sequence,
    },
    /// A promise was answered for (and is durable, by the rule).
    Promised { chunk: ChunkHandle, version: ChunkVersion },
    /// From here the node believes that it is primary, while its own clock is below `until`.
    LeaseTaken { chunk: ChunkHandle, version: ChunkVersion, until: Time },
    /// It believes so no longer.
    LeaseEnded { chunk: ChunkHandle, version: ChunkVersion },
    /// `applied_version` moved: the replica holds the state of `version` up to `sequence`.
    Adopted {
        chunk: ChunkHandle,
        version: ChunkVersion,
        sequence: Sequence,
        length: u64,
        /// ... without holes: what a copy carries.
        stored_bytes: u64,
        /// The operations in its table, with the sequence of each.
        ops: Vec<(OpId, Sequence)>,
        /// The new primary's own, or taken over from it.
        primary: bool,
    },
    /// A mutation became durable here.
    Applied {
        chunk: ChunkHandle,
        version: ChunkVersion,
        sequence: Sequence,
        op: OpId,
        kind: MutationKind,
        extent: Extent,
        crc: u32,
    },
    /// The primary knows that every member has everything up to `sequence`.
    Committed { chunk: ChunkHandle, version: ChunkVersion, sequence: Sequence },
    /// The primary answered a mutation.
    Acknowledged {
        chunk: ChunkHandle,
        version: ChunkVersion,
        sequence: Sequence,
        op: OpId,
        extent: Extent,
    },
    /// A read was answered with bytes.
    ReadServed {
        chunk: ChunkHandle,
        version: ChunkVersion,
        op: OpId,
        extent: Extent,
        mode: ReadMode,
    },
    /// A learner holds the whole chunk.
    LearnerComplete { chunk: ChunkHandle, version: ChunkVersion, sequence: Sequence },
    /// A replica was removed by order.
    ReplicaDeleted { chunk: ChunkHandle, reason: DeleteReason },
    /// An unknown replica was set aside.
    ReplicaQuarantined { chunk: ChunkHandle },
    /// A replica that was set aside is removed: its retention is over.
    QuarantineEnded { chunk: ChunkHandle },
    /// A block did not fit its checksum.
    CorruptRead { chunk: ChunkHandle },
    /// The disk has no room for what is to be written; of the first such change, until there is more.
    DiskFull { chunk: ChunkHandle, free_bytes: u64 },
    /// The disk is out of service.
    DiskFailed,
    /// A later process of the same disk is registered: this one serves no more.
    Superseded,
    /// A message broke the protocol: the same place in the order with other content.
    ProtocolError { chunk: ChunkHandle, sequence: Sequence },

    // Master or chunkserver.
    /// The process was configured with another value than the cluster's, on purpose or because its disk
    /// depends on it: it does not serve.
    ConstantsRefused { own: Setting, cluster: Setting },

    // Client.
    /// An operation repeats itself.
    Retried { op: OpId, why: &'static str },
    /// A piece of a file call began: an operation that the machine requests of itself.
    PieceBegan { call: RequestId, piece: RequestId, caller: Box<Caller>, op: Box<Operation> },
    /// ... and ended.
    PieceEnded { piece: RequestId, result: Box<Result<Outcome, OpError>> },
    /// From here the client believes in its session, while its own clock is below `until`.
    SessionHeld { session: ClientSession, until: Time },
    /// It believes so no longer: its locks are gone.
    SessionLost { session: ClientSession },
    /// It believes to hold this lock, for as long as it believes in its session.
    LockTaken { file: FileId, holder: Holder, range: Extent, kind: LockKind },
    /// It is about to unlock this: from here on it does not believe in it.
    LockGivenUp { file: FileId, holder: Holder, range: Extent },
    /// A mutation of a file of which the session has an exclusive lock is sent.
    SentUnderLock {
        op: OpId,
        session: ClientSession,
        file: FileId,
        chunk: ChunkHandle,
        version: ChunkVersion,
    },
    /// A message arrived that answers nothing and that no client expects.
    Unsolicited { from: NodeId },
}
