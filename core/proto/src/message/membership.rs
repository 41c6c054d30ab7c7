//! Membership: registration, heartbeats and replica reports of chunkservers.

use super::ReplicaState;
use crate::agreed::Agreed;
use crate::ids::{ChunkHandle, ConstantsVersion, Epoch, Incarnation, Rack, Session};
use crate::room::Room;
use alloc::boxed::Box;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Chunkserver → master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// See [`Register`].
    Register(Register),
    /// See [`Heartbeat`].
    Heartbeat(Heartbeat),
    /// See [`Report`].
    Report(Report),
}

/// Master → chunkserver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// See [`Registered`].
    Registered(Registered),
    /// See [`RegisterRefused`].
    Refused(RegisterRefused),
    /// See [`RegisterAgain`].
    RegisterAgain(RegisterAgain),
    /// See [`ConstantsChanged`].
    ConstantsChanged(ConstantsChanged),
    /// See [`ReportAck`].
    ReportAck(ReportAck),
}

/// Chunkserver → master: here I am, in a new life or to a new leader.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Register {
    /// This life.
    pub incarnation: Incarnation,
    /// This process.
    pub session: Session,
    /// Failure domain.
    pub rack: Rack,
    /// What its disk has.
    pub room: Room,
}

/// Chunkserver → master, every heartbeat interval.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Heartbeat {
    /// This life.
    pub incarnation: Incarnation,
    /// The epoch at which it registered.
    pub epoch: Epoch,
    /// What its disk has, as it was last measured.
    pub room: Room,
    /// Its disk is out of service.
    pub disk_failed: bool,
    /// The constants that it goes by.
    pub constants: ConstantsVersion,
}

/// Chunkserver → master. Repeated until acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// This life.
    pub incarnation: Incarnation,
    /// The epoch at which it registered.
    pub epoch: Epoch,
    /// Counted from 1 within the incarnation, and never back: a full report, with which every
    /// registration and every beginning again begins, has the next number too.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub number: u64,
    /// Everything that is here, or only what changed since the report before.
    pub full: bool,
    /// What is here.
    pub replicas: Vec<(ChunkHandle, ReplicaState)>,
    /// What is not here any more (incremental reports only).
    pub gone: Vec<ChunkHandle>,
}

/// Master → chunkserver: you are known; a full report, please.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Registered {
    /// The leader's epoch.
    pub epoch: Epoch,
    /// Whom it answers.
    pub incarnation: Incarnation,
    /// The cluster's constants: the server acts under no others.
    pub agreed: Box<Agreed>,
}

/// Master → chunkserver: the cluster's constants changed since the version of its heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConstantsChanged {
    /// The leader's epoch.
    pub epoch: Epoch,
    /// Whom it answers.
    pub incarnation: Incarnation,
    /// The cluster's constants.
    pub agreed: Box<Agreed>,
}

/// Master → chunkserver: this life is over (a higher one, or another process, registered).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegisterRefused {
    /// Whom it answers.
    pub incarnation: Incarnation,
}

/// Master → chunkserver: I do not know you, register.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegisterAgain {
    /// The leader's epoch.
    pub epoch: Epoch,
}

/// Master → chunkserver: reports up to this number are taken in. At 0 one is missing, and the
/// next must be full.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReportAck {
    /// Whom it answers.
    pub incarnation: Incarnation,
    /// The leader's epoch.
    pub epoch: Epoch,
    /// The last one.
    #[serde(deserialize_with = "crate::ids::counted")]
    pub number: u64,
}
