//! The log as a device: what is proposed comes back as committed, and only then takes effect.

use crate::cx::Cx;
use crate::ids::{ChunkHandle, ClientSession, Epoch, FileId, IoId, NodeId, OpId};
use crate::io::{IoOp, LogOp};
use crate::log::{Command, LogEntry};
use crate::machine::Effect;
use alloc::collections::BTreeMap;

/// What a proposal is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Proposal {
    Leader,
    Join(NodeId),
    Change(OpId),
    Configure(ChunkHandle),
    Free(ChunkHandle),
    /// A file in the trash gives up a chunk that others refer to.
    Release(FileId, ChunkHandle),
    Purge,
    Fence(ClientSession),
    End(ClientSession),
    Constants,
}

/// What this life of a master asked of its log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Log {
    last_io: IoId,
    /// What was proposed and has no answer.
    proposals: BTreeMap<IoId, Proposal>,
}

impl Log {
    pub fn new() -> Self {
        Log { last_io: IoId(0), proposals: BTreeMap::new() }
    }

    fn start(&mut self, op: LogOp, cx: &mut Cx<'_>) -> IoId {
        self.last_io = self.last_io.next();
        cx.out.push(Effect::Io { io: self.last_io, op: IoOp::Log(op) });
        self.last_io
    }

    pub fn propose(
        &mut self,
        cx: &mut Cx<'_>,
        epoch: Epoch,
        what: Proposal,
        command: Command,
    ) -> IoId {
        let proposal = self.last_io.next();
        let entry = LogEntry { epoch, proposal, command };
        let io = self.start(LogOp::Propose { entry }, cx);
        self.proposals.insert(io, what);
        io
    }

    /// Begins a confirmation that this master leads.
    pub fn confirm(&mut self, cx: &mut Cx<'_>) -> IoId {
        self.start(LogOp::Confirm, cx)
    }

    /// Is the answer to such a proposal outstanding?
    pub fn awaits(&self, what: &Proposal) -> bool {
        self.proposals.values().any(|proposal| proposal == what)
    }

    /// Is this proposal such a one, and its answer outstanding?
    pub fn awaits_at(&self, io: IoId, what: &Proposal) -> bool {
        self.proposals.get(&io) == Some(what)
    }

    /// The answer to a proposal came.
    pub fn end(&mut self, io: IoId) -> Option<Proposal> {
        self.proposals.remove(&io)
    }
}
