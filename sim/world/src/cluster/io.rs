//! I/O: how operations of a node's disk and of the log device become durable and end, and what room a
//! disk has.

use super::{Cluster, Impossible};
use crate::action::Failure;
use crate::node::PendingIo;
use crate::observation::{Observation, Seen};
use leasehold_proto::{Input, IoFault, IoId, IoOp, IoOutput, LogOp, NodeId, ProposeOutcome};
use std::sync::Arc;

impl Cluster {
    pub(super) fn pending(&mut self, node: NodeId, io: IoId) -> Result<&mut PendingIo, Impossible> {
        self.node_mut(node)?.io.get_mut(&io).ok_or("no such I/O is in flight")
    }

    pub(super) fn fill(
        &mut self,
        id: NodeId,
        free: Option<u64>,
        seen: &mut Seen,
    ) -> Result<(), Impossible> {
        let shape = Arc::clone(&self.shape);
        if shape.server_ids().all(|server| server != id) {
            return Err("only chunkservers have disks for replicas");
        }
        self.node_mut(id)?.disk.fill(free, &shape.constants);
        self.measure(id, seen);
        Ok(())
    }

    /// A server's disk is measured, where that is not without a bound for ever.
    pub(super) fn measure(&mut self, id: NodeId, seen: &mut Seen) {
        let node = self.node(id);
        if node.runs() && node.chunkserver().is_some() {
            let room = node.disk.room(&self.shape.constants);
            self.step(id, Input::Room(room), seen);
        }
    }

    fn lacks_room(&self, node: NodeId, op: &IoOp) -> bool {
        self.node(node).disk.lacks_room_for(op, &self.shape.constants)
    }

    pub(super) fn persist(
        &mut self,
        node: NodeId,
        io: IoId,
        seen: &mut Seen,
    ) -> Result<(), Impossible> {
        let leads = self.log.leader() == Some(node);
        let pending = self.pending(node, io)?;
        if pending.persisted {
            return Err("it is durable already");
        }
        let op = pending.op.clone();
        if self.lacks_room(node, &op) {
            return Err("the disk has no room for it");
        }
        let pending = self.pending(node, io)?;
        match op {
            IoOp::Log(LogOp::Propose { entry }) => {
                if !leads {
                    return Err("only the leader's proposals commit");
                }
                pending.persisted = true;
                let index = Arc::make_mut(&mut self.log).commit(entry);
                self.pending(node, io)?.index = Some(index);
            }
            IoOp::Log(LogOp::Confirm) | IoOp::Read { .. } => {
                return Err("it leaves nothing behind");
            }
            op => {
                pending.persisted = true;
                let constants = self.shape.constants.clone();
                let result = self.node_mut(node)?.disk.perform(&op, &constants);
                result.expect("only reads find rot");
                seen.push(Observation::Durable { node, op });
            }
        }
        Ok(())
    }

    pub(super) fn complete(
        &mut self,
        node: NodeId,
        io: IoId,
        seen: &mut Seen,
    ) -> Result<(), Impossible> {
        self.running(node)?;
        let leads = self.log.leader() == Some(node);
        let pending = self.pending(node, io)?.clone();
        let result = match &pending.op {
            IoOp::Log(LogOp::Propose { .. }) if !pending.persisted && !leads => {
                Ok(IoOutput::Proposed(ProposeOutcome::Rejected))
            }
            IoOp::Log(LogOp::Propose { .. }) => {
                if !pending.persisted {
                    self.persist(node, io, seen)?;
                }
                let index = self.pending(node, io)?.index.expect("it is committed");
                while self.node(node).learned < index {
                    self.learn(node, seen)?;
                }
                Ok(IoOutput::Proposed(ProposeOutcome::Committed(index)))
            }
            IoOp::Log(LogOp::Confirm) if pending.led || leads => Ok(IoOutput::Confirmed),
            IoOp::Log(LogOp::Confirm) => Err(IoFault::NotLeader),
            IoOp::Read { .. } => {
                let constants = self.shape.constants.clone();
                self.node_mut(node)?.disk.perform(&pending.op, &constants)
            }
            op if !pending.persisted && self.lacks_room(node, op) => Err(IoFault::NoSpace),
            _ => {
                if !pending.persisted {
                    self.persist(node, io, seen)?;
                }
                Ok(IoOutput::Done)
            }
        };
        self.node_mut(node)?.io.remove(&io);
        self.step(node, Input::IoDone { io, result }, seen);
        if self.node(node).disk.is_limited() && pending.op.chunk().is_some() {
            self.measure(node, seen);
        }
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        node: NodeId,
        io: IoId,
        failure: Failure,
        seen: &mut Seen,
    ) -> Result<(), Impossible> {
        self.running(node)?;
        let pending = self.pending(node, io)?.clone();
        let result = match (&pending.op, failure) {
            (IoOp::Log(LogOp::Propose { entry }), Failure::Unknown) => {
                Arc::make_mut(&mut self.log).forsake(entry.clone());
                Ok(IoOutput::Proposed(ProposeOutcome::Unknown))
            }
            (IoOp::Log(LogOp::Propose { .. }) | IoOp::Log(LogOp::Confirm), _) => {
                return Err("the log device fails a proposal only by an unknown outcome");
            }
            (_, Failure::Unknown) => return Err("only a proposal's outcome is unknown"),
            (_, _) if pending.persisted => return Err("it is durable already"),
            (_, Failure::NoSpace) => Err(IoFault::NoSpace),
            (_, Failure::DiskFailed) => Err(IoFault::DiskFailed),
        };
        self.node_mut(node)?.io.remove(&io);
        self.step(node, Input::IoDone { io, result }, seen);
        Ok(())
    }
}
