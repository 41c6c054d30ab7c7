//! Calls: a client's change of the namespace or query, and the master's reply.

use crate::attributes::Caller;
use crate::ids::OpId;
use crate::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use crate::refusal::Refusal;
use alloc::boxed::Box;
use serde::{Deserialize, Serialize};

/// What a client wants from the master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MasterRequest {
    /// A logged change.
    Change(MetadataChange),
    /// A query.
    Query(MetadataQuery),
}

/// Client → master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// The operation; a retry carries the same.
    pub op: OpId,
    /// The client has a definitive answer to each of its operations below this number.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub acked_below: u64,
    /// Who calls, and when.
    pub caller: Box<Caller>,
    /// What.
    pub request: MasterRequest,
}

/// Master → client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reply {
    /// Which operation this answers.
    pub op: OpId,
    /// The answer.
    pub answer: Result<MetadataAnswer, Refusal>,
}
