//! The protocol: master, chunkserver and client as pure state machines.
#![no_std]

extern crate alloc;

pub mod ids;
pub mod time;
pub mod config;
pub mod payload;
pub mod ranges;
pub mod refusal;
pub mod replica;
pub mod io;
pub mod log;
pub mod metadata;
pub mod message;
pub mod lease;
pub mod event;
pub mod machine;
pub mod chunkserver;
pub mod master;
pub mod client;
#[cfg(test)]
mod testbed;

pub use chunkserver::Chunkserver;
pub use client::Client;
pub use config::{ChunkserverConfig, ClientConfig, Constants, MasterConfig, Rules};
pub use event::Event;
pub use ids::*;
pub use io::{IoFault, IoOp, IoOutput, IoResult, ProposeOutcome};
pub use log::{Command, LogEntry, Member};
pub use machine::{Effect, Effects, Input, Leadership, OpError, Operation, Outcome, StateMachine};
pub use master::{Master, MasterState};
pub use message::{Envelope, Message, ReadMode};
pub use payload::{Extent, Payload};
pub use refusal::Refusal;
pub use replica::{
    ChunkSpec, Mutation, MutationKind, ReplicaImage, ReplicaRecord, Replicas, SyncPolicy,
};
pub use time::{Deadline, Time};
