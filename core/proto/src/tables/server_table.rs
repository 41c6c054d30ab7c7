//! The server table: which life of each chunkserver is registered.

use crate::ids::{Incarnation, NodeId, Rack, Session};
use crate::refusal::Refusal;
use alloc::collections::{BTreeMap, BTreeSet};
use serde::{Deserialize, Serialize};

/// A chunkserver as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerRecord {
    /// The highest life registered.
    pub incarnation: Incarnation,
    /// The process of that life.
    pub session: Session,
    /// Its failure domain.
    pub rack: Rack,
}

/// Every chunkserver that ever registered. One that is forgotten keeps its record, so that a copy of its
/// disk cannot register as an earlier life of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServerTable {
    servers: BTreeMap<NodeId, ServerRecord>,
    /// Gone for good, as an operator said; registering ends it.
    forgotten: BTreeSet<NodeId>,
}

/// How a registration ended.
pub(super) enum Join {
    /// The life was not known.
    New,
    /// The same process of the same life had registered already, in this rack.
    Again(Rack),
    /// It is a copy of the disk, or a late message of a life that ended.
    Refused,
}

impl ServerTable {
    /// A chunkserver's record.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&ServerRecord> {
        self.servers.get(&node)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &ServerRecord)> {
        self.servers.iter().map(|(node, record)| (*node, record))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Did an operator say that it is gone for good?
    #[must_use]
    pub fn is_forgotten(&self, node: NodeId) -> bool {
        self.forgotten.contains(&node)
    }

    /// It is listed no more. Error: `NotFound`.
    pub(super) fn forget(&mut self, node: NodeId) -> Result<(), Refusal> {
        if !self.servers.contains_key(&node) {
            return Err(Refusal::NotFound);
        }
        self.forgotten.insert(node);
        Ok(())
    }

    /// A life is registered once. A lower incarnation, or an equal one from another process, is
    /// a copy of the disk or a late message of a life that ended.
    pub(super) fn join(&mut self, node: NodeId, record: ServerRecord) -> Join {
        if let Some(known) = self.servers.get(&node) {
            if record.incarnation < known.incarnation {
                return Join::Refused;
            }
            if record.incarnation == known.incarnation {
                if record.session != known.session {
                    return Join::Refused;
                }
                self.forgotten.remove(&node);
                return Join::Again(known.rack);
            }
        }
        self.forgotten.remove(&node);
        self.servers.insert(node, record);
        Join::New
    }
}
