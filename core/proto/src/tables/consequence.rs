//! What a committed entry did: the tables change, and the machine that applied it reacts to this.

use crate::ids::{ChunkHandle, ChunkVersion, ConstantsVersion, Epoch, FileId, Incarnation, IoId};
use crate::ids::{ClientSession, NodeId, OpId, Rack};
use crate::log::Member;
use crate::metadata::MetadataAnswer;
use crate::refusal::Refusal;
use alloc::vec::Vec;

/// One effect of an entry. An entry has several if a change of the namespace does more than give an
/// answer; they are in the order in which a leader reacts to them, the answer last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Consequence {
    /// The entry is of another epoch, or what it was based on has changed: nothing happened.
    Ignored,
    /// An epoch begins.
    LeaderBegan {
        /// The new epoch.
        epoch: Epoch,
        /// The master that leads in it.
        node: NodeId,
        /// The proposal of that master by which it began.
        proposal: IoId,
    },
    /// A step of a change of constants.
    ConstantsChanged(ConstantsVersion),
    /// A chunkserver's life is registered.
    Joined {
        /// The chunkserver.
        node: NodeId,
        /// Its life.
        incarnation: Incarnation,
        /// Its failure domain, as registered.
        rack: Rack,
        /// The same life was registered before.
        rejoined: bool,
    },
    /// The chunkserver's incarnation is not above the logged one: nothing happened.
    JoinRefused {
        /// The chunkserver.
        node: NodeId,
        /// The life that is refused.
        incarnation: Incarnation,
    },
    /// A chunk was made.
    ChunkMade(ChunkHandle),
    /// A file went to the trash.
    Trashed(FileId),
    /// A file was truncated, and a chunk behind the cut is no part of it any more.
    GivenUp(ChunkHandle),
    /// A file was taken out of the trash.
    Restored(FileId),
    /// A file in the trash is to be reclaimed without delay.
    TrashEmptied(FileId),
    /// A client's change ended, by itself or by the memory of its first answer.
    Answered {
        /// The client's operation.
        op: OpId,
        /// How it ended.
        answer: Result<MetadataAnswer, Refusal>,
    },
    /// A configuration took effect.
    Configured {
        /// The chunk.
        chunk: ChunkHandle,
        /// The version that it follows.
        base: ChunkVersion,
        /// Its version.
        version: ChunkVersion,
        /// Its members in pipeline order, the primary first.
        members: Vec<Member>,
    },
    /// A chunk is no more.
    Freed {
        /// The chunk.
        chunk: ChunkHandle,
        /// The version of its last configuration.
        base: ChunkVersion,
        /// The members of its last configuration.
        members: Vec<Member>,
    },
    /// A file in the trash gave up a chunk that other files refer to.
    Released {
        /// The file.
        file: FileId,
        /// The chunk.
        chunk: ChunkHandle,
    },
    /// A client's session began.
    SessionBegan(ClientSession),
    /// The locks of a file changed: who waits for one is looked at again.
    LocksChanged(FileId),
    /// Nothing is locked for a session any more, and chunks that it had locked need other
    /// configurations.
    SessionFenced(ClientSession),
    /// A session is no more.
    SessionEnded(ClientSession),
    /// A file is no more: it had no chunks, or its last one was freed.
    Purged(FileId),
}

impl Consequence {
    /// False if the entry changed nothing.
    #[must_use]
    pub fn took_effect(&self) -> bool {
        !matches!(self, Consequence::Ignored | Consequence::JoinRefused { .. })
    }
}
