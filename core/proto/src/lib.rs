//! The protocol: master, chunkserver and client as pure state machines.
//!
//! # A tour in ten minutes
//!
//! **The picture.** A file is cut into chunks of fixed size. A *master* keeps the namespace and
//! says which *chunkservers* hold each chunk; *clients* ask it where, and then talk to
//! chunkservers (GFS §2). One replica of each chunk is its *primary*: it orders mutations, and
//! every other member applies them in that order (GFS §3.1). What makes this provable is the rule
//! for changing who is a member, which is PacificA's (Lin et al., 2008).
//!
//! **The boundary** ([`machine`]). A machine is a value. [`StateMachine::step`] is its only door:
//! it takes the time and one [`Input`] and puts [`Effect`]s into a list. It opens no file, reads no
//! clock, draws no number. So the same code is stepped by hand in a script, exhausted by a model
//! checker, run on a simulated cluster and deployed. Effects carry no order: if B must wait until
//! A is durable, B is emitted when A's `IoDone` comes back, and every crash between two effects is
//! legal by construction.
//!
//! **What is durable** ([`replica`], [`tables`]). A chunkserver's [`Replicas`] and the
//! master's [`MasterState`] are the only things that survive a crash. Each is changed by one
//! function, `apply`, that storage, simulator and machine share.
//!
//! **A write, start to end.**
//! 1. The client ([`client`]) asks the master to `Locate` the chunk. If it has no primary, the
//!    master makes a configuration first (below) and answers then.
//! 2. The client sends `Mutate` to the primary, which checks that it may act: its replica is that
//!    of the committed configuration, all members are reconciled, and its *lease* stands.
//! 3. `chunkserver::order` gives the mutation the next [`Sequence`], queues it for its own disk
//!    and sends `Push` to the first member of the chain, which passes it on while writing it.
//! 4. Each member applies in sequence order and, when that is durable, tells the primary directly
//!    (`Progress`). When all have it, the primary answers the client.
//! 5. What a member missed, the primary sends again; a member that stays silent it reports
//!    (`MemberFailed`), and the master makes a configuration without it.
//!
//! **The lease** ([`lease`], one door). It gives what versions cannot: strong reads without a
//! round trip, and at most one node that believes it is primary. It never carries safety of
//! mutations. Holder and granter count from different ends of one request and answer, each
//! allowing for drift.
//!
//! **Constants** ([`agreed`]). What two nodes calculate with is the cluster's: the first leader logs it,
//! a registration hands it out, a grant carries its term, and a change has two steps in which each
//! side uses the careful one of two values.
//!
//! **Fencing** (`chunkserver::fence`). A replica's *promise* is durable and never withdrawn; what
//! is below it is refused. Before a configuration v' is proposed, its members promised v', their
//! mutations drained, and the old lease ended.
//!
//! **Changing a configuration** (`master::change`). Prepare, choose a primary that holds exactly
//! the last committed version, wait out the old lease, propose `Configure`; when it is committed
//! the new primary *rolls forward* what it has, and `chunkserver::reconcile` makes every other
//! member like it before anything new is ordered.
//!
//! **Repair** (`master::attention`, `master::repair`, `chunkserver::source`,
//! `chunkserver::learner`). A replica joins as a learner: it copies while mutations go on, then a
//! Prepare stops them for the last ranges, and only a whole copy is configured.
//!
//! **Exactly once.** The operation table is chunk state: it is written, copied and reconciled
//! together with the bytes, so a retry is recognised wherever it lands.
//!
//! **Ablation.** Each rule above can be left out by [`config::Rules`], in simulation only: that is
//! how one sees the run that it prevents. `scenarios/scripts/negative` shows them.
//!
//! Read next: `lease`, then `chunkserver::fence` and `chunkserver::primary`, then
//! `master::change`. The invariants are in `sim/checker`, one file each.
#![no_std]

extern crate alloc;

pub mod kind;
pub mod mix;
pub mod ids;
pub mod room;
pub mod path;
pub mod attributes;
pub mod time;
pub mod config;
pub mod agreed;
pub mod payload;
pub mod ranges;
pub mod locks;
pub mod file;
pub mod paged;
pub mod refusal;
pub mod replica;
pub mod io;
pub mod log;
pub mod members;
pub mod metadata;
pub mod message;
pub mod tables;
pub mod lease;
pub mod event;
pub mod machine;
mod cx;
pub mod chunkserver;
pub mod master;
pub mod client;
#[cfg(test)]
mod testbed;

pub use agreed::{Agreed, ClusterConstant, ClusterConstants, Setting, Sides};
pub use attributes::{Attributes, Caller, SetAttributes, SetTime, XattrCondition};
pub use chunkserver::Chunkserver;
pub use client::Client;
pub use config::{ChunkserverConfig, ClientConfig, Constants, MasterConfig, Rules};
pub use event::{Event, LostLog, SafeModeEnd};
pub use file::{Cut, FileCall, FileOutcome, Part, Piece};
pub use ids::*;
pub use io::{IoFault, IoOp, IoOutput, IoResult, LogOp, Pieces, ProposeOutcome, ReplicaData};
pub use kind::Kind;
pub use locks::{Lock, LockKind, LockSet};
pub use log::{Command, LogEntry, Member};
pub use machine::{Effect, Effects, Input, Leadership, OpError, Operation, Outcome, StateMachine};
pub use master::Master;
pub use members::Members;
pub use message::{Envelope, Message, ReadMode};
pub use path::{Name, Path};
pub use payload::{Extent, Payload};
pub use refusal::Refusal;
pub use replica::{
    ChunkEnd, ChunkSpec, Mutation, MutationKind, ReplicaChange, ReplicaImage, ReplicaRecord,
    Replicas, SyncPolicy,
};
pub use room::Room;
pub use tables::MasterState;
pub use time::{Deadline, Time};
