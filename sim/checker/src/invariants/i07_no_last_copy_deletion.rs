//! I7: garbage collection removes garbage only.

use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::message::DeleteReason;
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// I7.
pub const INVARIANT: Invariant = Invariant {
    id: "I7",
    name: "no last-copy deletion",
    sentence: "garbage collection and reconciliation never lower a live chunk's good replicas \
               below its target",
    source: "GFS §4.4; HDFS-15963 and its kin",
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Chunk {
    version: ChunkVersion,
    members: BTreeSet<NodeId>,
    freed: bool,
}

/// The committed configuration of every chunk. Only its members are good replicas: what is not in
/// it may have missed a mutation, and removing that lowers nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoLastCopyDeletion {
    chunks: BTreeMap<ChunkHandle, Chunk>,
}

impl NoLastCopyDeletion {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        let judged = match seen.event {
            Event::Configured { chunk, version, members, .. } => {
                let known = self.chunks.entry(*chunk).or_default();
                if *version > known.version {
                    known.version = *version;
                    known.members = members.iter().map(|member| member.node).collect();
                }
                return Ok(false);
            }
            Event::Freed { chunk, .. } => {
                self.chunks.entry(*chunk).or_default().freed = true;
                return Ok(false);
            }
            Event::ReplicaDeleted { chunk, reason } => self
                .removed(*chunk, seen.node, "deletes")
                .and_then(|()| self.named(*chunk, *reason)),
            Event::ReplicaQuarantined { chunk } => self.removed(*chunk, seen.node, "sets aside"),
            _ => return Ok(false),
        };
        judged.map(|()| true).map_err(|detail| INVARIANT.broken(seen.true_ns, detail))
    }

    fn removed(&self, chunk: ChunkHandle, node: NodeId, does: &str) -> Result<(), String> {
        let known = self.chunks.get(&chunk).filter(|known| !known.freed);
        match known.filter(|known| known.members.contains(&node)) {
            None => Ok(()),
            Some(Chunk { version, members, .. }) => Err(format!(
                "{node} {does} its replica of {chunk}, and is one of {} members of {version}",
                members.len()
            )),
        }
    }

    fn named(&self, chunk: ChunkHandle, reason: DeleteReason) -> Result<(), String> {
        let known = self.chunks.get(&chunk);
        match reason {
            DeleteReason::Freed(version) if !known.is_some_and(|known| known.freed) => {
                Err(format!("a replica of {chunk} is deleted as freed at {version}; it is not"))
            }
            DeleteReason::Excluded(version)
                if known.is_none_or(|known| known.version < version) =>
            {
                Err(format!(
                    "a replica of {chunk} is deleted for {version}, which is not committed"
                ))
            }
            DeleteReason::Freed(_) | DeleteReason::Excluded(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn a_members_replica_is_not_garbage() {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        assert_eq!(run.bad(S1, deleted(1)).invariant, "I7");
        assert_eq!(run.bad(S2, quarantined()).invariant, "I7");
        assert_eq!(run.bad(S3, deleted(2)).invariant, "I7");
        assert_eq!(run.bad(S3, deleted_as_freed(1)).invariant, "I7");
    }

    #[test]
    fn what_was_configured_out_or_freed_is() {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.good(MASTER, configured(1, 2, &[S2]));
        run.good(S1, deleted(2));
        run.good(MASTER, freed(2));
        run.good(S2, deleted_as_freed(2));
    }
}
