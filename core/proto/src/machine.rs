//! The boundary: one alphabet in, one alphabet out, and no other door.

use crate::attributes::Caller;
use crate::event::Event;
use crate::file::{FileCall, FileOutcome};
use crate::ids::{ChunkHandle, FileId, IoId, LockOwner, LogIndex, RequestId};
use crate::io::{IoOp, IoResult};
use crate::locks::LockKind;
use crate::log::LogEntry;
use crate::message::{Envelope, ReadMode};
use crate::metadata::{MetadataAnswer, MetadataChange, MetadataQuery};
use crate::payload::{Extent, Payload};
use crate::refusal::Refusal;
use crate::room::Room;
use crate::tables::MasterState;
use crate::time::{Deadline, Time};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// A role of the protocol as a pure state machine.
pub trait StateMachine: Sized {
    /// What it is told at start.
    type Config;
    /// What survives a crash.
    type Durable;

    /// Begins a life from what the last one left.
    fn recover(config: &Self::Config, durable: Self::Durable, now: Time, out: &mut Effects)
    -> Self;

    /// Takes one input. Total: never fails, never blocks. `now` is read after the input was taken
    /// from the inbox and never goes back.
    fn step(&mut self, now: Time, input: Input, out: &mut Effects);

    /// When and why it next wants a `Wake`; derived from its state.
    fn next_deadline(&self) -> Option<Deadline>;

    /// Checks what must hold between two steps; ends every step.
    ///
    /// # Panics
    /// If something does not hold: then we are wrong, not the world.
    fn assert_invariants(&self);
}

/// Whether this master leads, as its consensus device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leadership {
    /// It may propose.
    Leader,
    /// It may not; somebody else perhaps may.
    Follower {
        /// Who, if known.
        leader: Option<crate::ids::NodeId>,
    },
}

/// Everything that can happen to a machine. Also the trace line, the script verb, the model's
/// action and the debugger's step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A message arrived.
    Deliver(Envelope),
    /// Time passed. Correctness never waits for it: every step first settles what is due.
    Wake,
    /// An I/O ended.
    IoDone {
        /// Which.
        io: IoId,
        /// How.
        result: IoResult,
    },
    /// Clients: the owner wants something.
    Request {
        /// Chosen by the owner, not used before.
        id: RequestId,
        /// Who calls, and when.
        caller: Box<Caller>,
        /// What.
        op: Operation,
    },
    /// Clients: the owner wants something of a file as a whole, whatever its chunks are.
    File {
        /// Chosen by the owner, not used before, neither here nor in a `Request`.
        id: RequestId,
        /// Who calls, and when.
        caller: Box<Caller>,
        /// What.
        call: FileCall,
    },
    /// Chunkservers: what the disk has, measured now. Given when it changed.
    Room(Room),
    /// Masters: the log's next entry is committed.
    Committed {
        /// Its place.
        index: LogIndex,
        /// The entry.
        entry: LogEntry,
    },
    /// Masters: leadership changed.
    Leadership(Leadership),
    /// Masters that follow: a checkpoint of another master stands in for the log up to
    /// `state.applied`, part of which was not here.
    Installed {
        /// What the log up to there amounts to.
        state: Box<MasterState>,
    },
}

/// Everything that a machine can want. Effects carry no order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Say something.
    Send(Envelope),
    /// Do something to the disk or the log; ends in an `IoDone`.
    Io {
        /// Names it.
        io: IoId,
        /// What.
        op: IoOp,
    },
    /// Clients: the answer to a request.
    Respond {
        /// Which.
        id: RequestId,
        /// How it ended.
        result: Result<Outcome, OpError>,
    },
    /// A fact for observers.
    Observe(Event),
}

/// Where a step's effects go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effects(pub Vec<Effect>);

impl Effects {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Effects::default()
    }

    /// Adds one.
    pub fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    /// Adds a fact for observers.
    pub fn observe(&mut self, event: Event) {
        self.0.push(Effect::Observe(event));
    }

    /// Takes all, leaving none.
    pub fn drain(&mut self) -> impl Iterator<Item = Effect> + '_ {
        self.0.drain(..)
    }
}

/// An operation on one chunk or at a master. File calls ([`FileCall`]) are carried out in such pieces;
/// an owner that addresses chunks requests them directly.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A logged change of the namespace (the machine makes `AddChunk` by itself).
    Change(MetadataChange),
    /// A question about the namespace or the cluster.
    Query(MetadataQuery),
    /// Write inside one chunk; makes it if there is none.
    Write {
        /// To which file.
        file: FileId,
        /// To which of its chunks.
        index: u64,
        /// Where in the chunk.
        offset: u64,
        /// At most `mutation_bytes_max`.
        payload: Payload,
    },
    /// Give one chunk a length, as a step of a truncation; makes it if there is none. Refused with
    /// `Overtaken` if the chunk was cut or filled under a later epoch.
    Cut {
        /// Of which file.
        file: FileId,
        /// Which of its chunks.
        index: u64,
        /// Its length from here on, in bytes.
        length: u64,
        /// The file's truncation epoch in which this was decided.
        epoch: u64,
    },
    /// Empty one chunk for good, as a step of a truncation. Refused with `Retired` if that was done
    /// before, and with `NotFound` if the file does not refer to the chunk.
    Retire {
        /// Of which file.
        file: FileId,
        /// In which slot.
        index: u64,
        /// The chunk.
        chunk: ChunkHandle,
    },
    /// Append one record, exactly once, at an offset that the primary chooses.
    Append {
        /// To which file.
        file: FileId,
        /// The file's chunk size, as `Stat` told it.
        chunk_bytes: u64,
        /// At most `mutation_bytes_max` and a quarter of the chunk.
        payload: Payload,
    },
    /// Lock or unlock a range of a file, under the session of this client: that begins with the first lock.
    /// Refused with `Locked` if another holds what does not allow it.
    Lock {
        /// Which file.
        file: FileId,
        /// For whom, within this client.
        owner: LockOwner,
        /// Which bytes.
        range: Extent,
        /// How; none to unlock.
        kind: Option<LockKind>,
    },
    /// Find the lock that does not allow one.
    Conflict {
        /// Of which file.
        file: FileId,
        /// For whom it would be.
        owner: LockOwner,
        /// Which bytes.
        range: Extent,
        /// How.
        kind: LockKind,
        /// Answered when there is none.
        wait: bool,
    },
    /// Read inside one chunk.
    Read {
        /// Of which file.
        file: FileId,
        /// Of which of its chunks.
        index: u64,
        /// What; an empty one asks for the chunk's length only.
        extent: Extent,
        /// How.
        mode: ReadMode,
    },
}

/// How an operation ended well.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Change, Query, Lock, Conflict.
    Metadata(MetadataAnswer),
    /// Write, Append: where in which chunk. Cut, Retire: nothing, at its new end.
    Written {
        /// The chunk's index.
        index: u64,
        /// Where in the chunk.
        extent: Extent,
    },
    /// Read.
    Read {
        /// Fewer bytes than asked if the chunk ends before.
        payload: Payload,
        /// The chunk's length.
        chunk_length: u64,
    },
    /// A file call.
    File(FileOutcome),
}

/// How an operation ended otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OpError {
    /// Refused for good; it had no effect.
    Refused(Refusal),
    /// No answer in time.
    TimedOut {
        /// It may have taken effect, or may yet.
        maybe: bool,
        /// What stood in the way last, if anybody said.
        last: Option<Refusal>,
    },
    /// A file call of several pieces stopped where one of them failed.
    Partly {
        /// Bytes from its beginning on that took effect. Those behind may have, or may yet.
        done: u64,
        /// What stood in the way last, if anybody said.
        last: Option<Refusal>,
    },
}

impl OpError {
    /// True if the operation may have taken effect although it failed.
    #[must_use]
    pub fn may_have_effect(&self) -> bool {
        match self {
            OpError::Refused(_) => false,
            OpError::TimedOut { maybe, .. } => *maybe,
            OpError::Partly { .. } => true,
        }
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpError::Refused(refusal) => write!(f, "{refusal}"),
            OpError::TimedOut { maybe, last } => {
                f.write_str("Connection timed out")?;
                if let Some(last) = last {
                    write!(f, " ({last})")?;
                }
                f.write_str(if *maybe {
                    "; the operation may have taken effect"
                } else {
                    "; the operation had no effect"
                })
            }
            OpError::Partly { done, last } => {
                write!(f, "stopped after {done} bytes")?;
                if let Some(last) = last {
                    write!(f, " ({last})")?;
                }
                f.write_str("; what follows them may have been written")
            }
        }
    }
}

impl core::error::Error for OpError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every input and effect is moved some ten times on its way through a node.
    #[test]
    fn what_is_moved_often_is_small() {
        assert!(size_of::<Input>() <= 144, "an input has {} bytes", size_of::<Input>());
        assert!(size_of::<Effect>() <= 144, "an effect has {} bytes", size_of::<Effect>());
    }
}
