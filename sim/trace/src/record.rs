//! One thing that happened, in typed fields: a line of `trace.jsonl`.

use leasehold_proto::{ChunkHandle, ChunkVersion, IoId, NodeId, OpId, RequestId, Sequence};
use serde::Serialize;

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// A machine took an input.
    Input,
    /// It wanted something done.
    Effect,
    /// It emitted a fact.
    Event,
    /// A process started or ended, or something else from outside.
    #[default]
    Outside,
    /// Something was made to go wrong, or to go right again.
    Fault,
    /// The network lost a message, duplicated it, or could not deliver it.
    Network,
}

/// One thing that happened. A field is absent where it does not apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Record {
    /// Its number in the run, from 1. Records of the network have no number of their own: it has the
    /// number of what happened last.
    pub event: u64,
    /// True time, in nanoseconds from the start of the run.
    pub true_ns: u64,
    /// The node's own clock, in nanoseconds; absent if it has none at that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_ns: Option<u64>,
    /// Where.
    pub node: NodeId,
    /// What sort of thing.
    pub kind: RecordKind,
    /// Its name: a variant of `Input`, `Effect` or `Event`, or a fault's kind.
    pub what: &'static str,
    /// The number of the input whose step this belongs to; an input's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Deliver, Send, and records of the network: the message's verb ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'static str>,
    /// ... its sender ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<NodeId>,
    /// ... its receiver ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<NodeId>,
    /// ... and which sending it was, from 1: the same at both ends, and for both copies of a
    /// message that came twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<u64>,
    /// The chunk that it is about, if it is about one ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<ChunkHandle>,
    /// ... or all of them, if it is about several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<ChunkHandle>,
    /// The chunk's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<ChunkVersion>,
    /// The mutation's place, the last one if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Sequence>,
    /// The client's operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
    /// The request of a client's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The I/O, within one life of its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io: Option<IoId>,
    /// A lease: the true time at which it ends by the node's own clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ns: Option<u64>,
    /// A configuration's members, the primary first; a fault's victims.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeId>,
    /// Those whom a partition keeps the victims from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<NodeId>,
    /// Faults: which one of the run. The record without `ends` begins it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<u64>,
    /// The end of what began before: of a fault, a life, a copy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
    /// Something was refused, lost, or did not go well.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bad: bool,
    /// In words, without the node's name.
    pub text: String,
}

impl Record {
    /// Whether it is about a chunk, alone or among others.
    #[must_use]
    pub fn concerns(&self, chunk: ChunkHandle) -> bool {
        self.chunk == Some(chunk) || self.chunks.contains(&chunk)
    }

    /// Notes what it is about: one chunk, or several.
    pub(crate) fn about(&mut self, mut chunks: Vec<ChunkHandle>) {
        chunks.dedup();
        match chunks.as_slice() {
            [one] => self.chunk = Some(*one),
            _ => self.chunks = chunks,
        }
    }
}
