//! Leases: a chunkserver's request and the master's grant (GFS §3.1).

use crate::ids::{Attempt, ChunkHandle, ChunkVersion, Incarnation};
use crate::lease::Term;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Chunkserver → master: may I be primary of these?
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Request {
    /// This life.
    pub incarnation: Incarnation,
    /// This question; only its asker knows when it was asked.
    pub attempt: Attempt,
    /// Which chunks, and the versions in which the asker is primary.
    pub chunks: Vec<(ChunkHandle, ChunkVersion)>,
}

/// Master → chunkserver. What is not in it was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// The life that asked.
    pub incarnation: Incarnation,
    /// The question that it answers.
    pub attempt: Attempt,
    /// What the holder counts with.
    pub term: Term,
    /// Which chunks, and the versions granted.
    pub chunks: Vec<(ChunkHandle, ChunkVersion)>,
}
