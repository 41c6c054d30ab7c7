//! The inputs and effects of every node of a run.

use super::file::RecordingWriter;
use crate::fingerprint::Fingerprint;
use leasehold_proto::{
    ChunkserverConfig, ClientConfig, Effect, Input, MasterConfig, MasterState, NodeId, Replicas,
    Time,
};
use std::hash::Hasher;
use std::io;

/// What a life begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one of them begins a recording of a node")]
pub enum Beginning {
    /// A master's, with its newest checkpoint.
    Master(MasterConfig, MasterState),
    /// A chunkserver's, with what is durable of its replicas.
    Chunkserver(ChunkserverConfig, Replicas),
    /// A client's.
    Client(ClientConfig),
}

/// An effect that a machine wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// As it was.
    Live(Effect),
    /// As read from a file.
    Recorded {
        /// 64 bits over all of it.
        digest: u64,
        /// For people.
        text: String,
    },
}

/// Something that happened at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A life begins; it wants what follows up to its first input.
    Begins(Box<Beginning>),
    /// It takes an input, and wants what follows.
    Takes(Input),
    /// It wants this.
    Wants(Wanted),
}

/// What happened at which node, and when by its own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEntry {
    /// Where.
    pub node: NodeId,
    /// By the node's own clock.
    pub now: Time,
    /// What.
    pub what: What,
}

/// A whole run, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording(pub Vec<RecordedEntry>);

/// Where what is recorded of a run under way goes.
#[derive(Default)]
pub struct Recorded {
    memory: Option<Recording>,
    file: Option<RecordingWriter>,
}

impl Recorded {
    /// To memory, to a file, to both or nowhere.
    #[must_use]
    pub fn new(in_memory: bool, file: Option<RecordingWriter>) -> Self {
        Recorded { memory: in_memory.then(Recording::default), file }
    }

    /// Adds an entry, if any are wanted.
    pub fn add(&mut self, node: NodeId, now: Time, what: impl FnOnce() -> What) {
        if self.memory.is_none() && self.file.is_none() {
            return;
        }
        let entry = RecordedEntry { node, now, what: what() };
        if let Some(file) = &mut self.file {
            file.entry(&entry);
        }
        if let Some(memory) = &mut self.memory {
            memory.0.push(entry);
        }
    }

    /// Ends it: what is in memory, and how the file ended.
    pub fn finish(&mut self) -> (Option<Recording>, Option<io::Result<()>>) {
        (self.memory.take(), self.file.take().map(RecordingWriter::finish))
    }
}

impl Wanted {
    /// Is it this effect?
    #[must_use]
    pub fn is(&self, effect: &Effect) -> bool {
        match self {
            Wanted::Live(wanted) => wanted == effect,
            Wanted::Recorded { digest: recorded, .. } => *recorded == digest(effect),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Wanted::Live(effect) => format!("{effect:?}"),
            Wanted::Recorded { text, .. } => text.clone(),
        }
    }
}

/// 64 bits over an effect, its bulk data included; the same in every build.
pub(super) fn digest(effect: &Effect) -> u64 {
    let mut fingerprint = Fingerprint::default();
    fingerprint.feed(effect);
    fingerprint.finish()
}
