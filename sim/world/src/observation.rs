//! What an observer of a cluster sees.

use leasehold_explore::Coverage;
use leasehold_proto::{
    Caller, ChunkHandle, Event, Extent, IoOp, NodeId, OpError, OpId, Operation, Outcome, RequestId,
};
use std::ops::{Deref, DerefMut};

/// Where observers' facts of a step go. With `coverage`, that sees every input and effect too.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    observations: Vec<Observation>,
    /// What counts which states were reached.
    pub coverage: Option<Box<Coverage>>,
}

impl Seen {
    /// Nothing seen yet; `coverage` counts what will be.
    #[must_use]
    pub fn covering(coverage: Option<Box<Coverage>>) -> Self {
        Seen { observations: Vec::new(), coverage }
    }
}

impl Deref for Seen {
    type Target = Vec<Observation>;

    fn deref(&self) -> &Vec<Observation> {
        &self.observations
    }
}

impl DerefMut for Seen {
    fn deref_mut(&mut self) -> &mut Vec<Observation> {
        &mut self.observations
    }
}

/// What a step lets an observer see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // fields are named as in `Event` and `Effect`
pub enum Observation {
    /// A node emitted a fact.
    Event { node: NodeId, event: Event },
    /// A client's owner made a request.
    Invoked { node: NodeId, id: RequestId, caller: Box<Caller>, op: Operation },
    /// A client's owner was answered.
    Responded { node: NodeId, id: RequestId, result: Result<Outcome, OpError> },
    /// A chunkserver acknowledged a mutation to its client.
    Acknowledged { node: NodeId, chunk: ChunkHandle, op: OpId, extent: Extent },
    /// A chunkserver's I/O changed its disk; the machine may never learn of it.
    Durable { node: NodeId, op: IoOp },
    /// A process started.
    Started { node: NodeId },
    /// A process ended.
    Crashed { node: NodeId },
    /// A node's clock stands still with it, for a while.
    ClockStopped { node: NodeId },
    /// A disk is gone for good.
    Destroyed { node: NodeId },
}

impl Observation {
    /// A piece of a file call is judged as a request of its own.
    pub(crate) fn of_piece(node: NodeId, event: &Event) -> Option<Self> {
        match event {
            Event::PieceBegan { piece, caller, op, .. } => {
                let (id, caller, op) = (*piece, caller.clone(), (**op).clone());
                Some(Observation::Invoked { node, id, caller, op })
            }
            Event::PieceEnded { piece, result } => {
                Some(Observation::Responded { node, id: *piece, result: (**result).clone() })
            }
            _ => None,
        }
    }

    /// What an entry of the log does: every master that applies it reports it again.
    pub(crate) fn is_of_the_log(&self) -> bool {
        let Observation::Event { event, .. } = self else { return false };
        matches!(
            event,
            Event::EntryApplied { .. }
                | Event::ChunkMade { .. }
                | Event::Trashed { .. }
                | Event::GivenUp { .. }
                | Event::Restored { .. }
                | Event::TrashEmptied { .. }
                | Event::Purged { .. }
                | Event::ConstantsChanged { .. }
                | Event::Configured { .. }
                | Event::Freed { .. }
        )
    }
}
