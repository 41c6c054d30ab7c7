//! The master's operation log: its state is a function of the committed entries.

use crate::agreed::ClusterConstants;
use crate::attributes::Caller;
use crate::ids::{
    ChunkHandle, ChunkVersion, ConstantsVersion, Epoch, FileId, Incarnation, IoId, NodeId, OpId,
};
use crate::ids::{ClientSession, Rack, Session};
use crate::metadata::MetadataChange;
use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One entry. It takes effect, if at all, when it is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogEntry {
    /// The epoch under which it was proposed; entries of any other than the current one are
    /// ignored when applied. Zero in a `NewLeader`.
    pub epoch: Epoch,
    /// The proposer's I/O, so that it knows its own.
    pub proposal: IoId,
    /// What it does.
    pub command: Command,
}

/// A member of a configuration, in the life in which it was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Which chunkserver.
    pub node: NodeId,
    /// Which of its lives.
    pub incarnation: Incarnation,
}

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Command {
    /// A leader begins: its index becomes the epoch.
    NewLeader {
        /// Who.
        node: NodeId,
        /// Its constants: in a fresh log they become the cluster's, else they count for nothing.
        constants: Box<ClusterConstants>,
    },
    /// A chunkserver's life begins. Refused when applied if its incarnation is not above the
    /// highest one logged, or equal with another session.
    Join {
        /// Which.
        node: NodeId,
        /// Its life.
        incarnation: Incarnation,
        /// Its process.
        session: Session,
        /// Its failure domain.
        rack: Rack,
    },
    /// A client's change of the namespace.
    Change {
        /// Whose.
        op: OpId,
        /// The client has a definitive answer to each of its operations below this number.
        acked_below: u64,
        /// Who calls, and when.
        caller: Box<Caller>,
        /// What.
        change: MetadataChange,
    },
    /// A chunk's configuration `version` follows `base`.
    Configure {
        /// Which chunk.
        chunk: ChunkHandle,
        /// The version that it follows; refused when applied if that is not current.
        base: ChunkVersion,
        /// The new version.
        version: ChunkVersion,
        /// In pipeline order, the primary first.
        members: Vec<Member>,
    },
    /// A file in the trash gives a chunk up, or one did that was truncated, and the chunk is no more.
    /// Refused when applied if `base` is not current, or another layout refers to the chunk.
    Free {
        /// Which file; of a chunk that was given up before, the one that it was made for.
        file: FileId,
        /// Which chunk.
        chunk: ChunkHandle,
        /// Its last version.
        base: ChunkVersion,
    },
    /// A trashed file without chunks is no more.
    Purge {
        /// Which file.
        file: FileId,
    },
    /// The change of constants that is under way in this version is finished: no lease of the old
    /// term is left, and every chunkserver that is heard goes by the new ones.
    FinishConstants {
        /// Refused when applied if it is another.
        version: ConstantsVersion,
    },
    /// A session of a client was not renewed in time: nothing is locked for it any more, and the chunks
    /// of files that it has locked exclusively need other configurations before leases are granted.
    FenceSession {
        /// Which.
        session: ClientSession,
    },
    /// A session is no more, and its locks with it.
    EndSession {
        /// Which.
        session: ClientSession,
    },
}
