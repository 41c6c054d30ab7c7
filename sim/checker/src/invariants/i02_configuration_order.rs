//! I2: configurations one after another, and promises that stand.

use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, Incarnation, Member, NodeId};
use std::collections::BTreeMap;

/// I2.
pub const INVARIANT: Invariant = Invariant {
    id: "I2",
    name: "configuration order",
    sentence: "versions of a chunk strictly increase, each has one committed configuration, a \
               promise survives a crash, and no life of a server joins after a later one",
    source: "Lin et al., PacificA 2008, §2",
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Configurations {
    committed: BTreeMap<ChunkVersion, (ChunkVersion, Vec<Member>)>,
    freed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Replica {
    promised: ChunkVersion,
    adopted: ChunkVersion,
}

/// Every configuration, and what every replica promised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationOrder {
    chunks: BTreeMap<ChunkHandle, Configurations>,
    replicas: BTreeMap<(NodeId, ChunkHandle), Replica>,
    /// The last life of each server that a master reported since it began to lead. Another master
    /// may report the same lives later.
    lives: BTreeMap<(NodeId, NodeId), Incarnation>,
}

impl ConfigurationOrder {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        let node = seen.node;
        let judged = match seen.event {
            Event::Configured { chunk, base, version, members } => {
                self.configured(*chunk, *base, *version, members)
            }
            Event::Freed { chunk, .. } => {
                self.chunks.entry(*chunk).or_default().freed = true;
                Ok(())
            }
            Event::Recovered { chunk, promised, .. } => self.recovered(node, *chunk, *promised),
            Event::Promised { chunk, version } => {
                let replica = self.replicas.entry((node, *chunk)).or_default();
                let fenced = not_below(node, *chunk, "promises", *version, replica.promised);
                replica.promised = replica.promised.max(*version);
                fenced
            }
            Event::Adopted { chunk, version, .. } => self.adopted(node, *chunk, *version),
            Event::Applied { chunk, version, .. } => {
                let replica = self.replicas.entry((node, *chunk)).or_default();
                let fence = replica.promised.max(replica.adopted);
                not_below(node, *chunk, "applies a mutation of", *version, fence)
            }
            Event::LeaderBegan { .. } => {
                self.lives.retain(|(master, _), _| *master != node);
                return Ok(false);
            }
            Event::ServerJoined { node: server, incarnation, .. } => {
                self.joined(node, *server, *incarnation)
            }
            Event::ReplicaDeleted { chunk, .. } | Event::ReplicaQuarantined { chunk } => {
                self.replicas.remove(&(node, *chunk));
                return Ok(false);
            }
            _ => return Ok(false),
        };
        judged.map(|()| true).map_err(|detail| INVARIANT.broken(seen.true_ns, detail))
    }

    /// What was promised there is gone, and may be: a wiped disk is a new server.
    pub fn disk_destroyed(&mut self, node: NodeId) {
        self.replicas.retain(|(holder, _), _| *holder != node);
    }

    fn configured(
        &mut self,
        chunk: ChunkHandle,
        base: ChunkVersion,
        version: ChunkVersion,
        members: &[Member],
    ) -> Result<(), String> {
        let known = self.chunks.entry(chunk).or_default();
        if let Some(earlier) = known.committed.get(&version) {
            // Every master reports every entry that it applies.
            let same = earlier.0 == base && earlier.1 == members;
            let two = || {
                format!("{chunk} has two configurations of {version}: {earlier:?} and {members:?}")
            };
            return if same { Ok(()) } else { Err(two()) };
        }
        let last = known.committed.keys().next_back().copied().unwrap_or_default();
        if known.freed {
            return Err(format!("{chunk} is configured at {version} after it was freed"));
        }
        if version <= last || base != last {
            return Err(format!("{chunk} goes to {version} from {base}, but is at {last}"));
        }
        known.committed.insert(version, (base, members.to_vec()));
        Ok(())
    }

    fn recovered(
        &mut self,
        node: NodeId,
        chunk: ChunkHandle,
        promised: ChunkVersion,
    ) -> Result<(), String> {
        let replica = self.replicas.entry((node, chunk)).or_default();
        let before = replica.promised;
        replica.promised = before.max(promised);
        if promised >= before {
            return Ok(());
        }
        Err(format!(
            "{node} promised {before} of {chunk}, and after a restart knows only {promised}"
        ))
    }

    fn joined(
        &mut self,
        master: NodeId,
        server: NodeId,
        incarnation: Incarnation,
    ) -> Result<(), String> {
        let last = self.lives.entry((master, server)).or_insert(incarnation);
        if incarnation < *last {
            return Err(format!("{master} registers {incarnation} of {server} after {last}"));
        }
        *last = incarnation;
        Ok(())
    }

    fn adopted(
        &mut self,
        node: NodeId,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Result<(), String> {
        let replica = self.replicas.entry((node, chunk)).or_default();
        not_below(node, chunk, "adopts", version, replica.promised.max(replica.adopted))?;
        replica.adopted = version;
        Ok(())
    }
}

fn not_below(
    node: NodeId,
    chunk: ChunkHandle,
    does: &str,
    version: ChunkVersion,
    fence: ChunkVersion,
) -> Result<(), String> {
    if version >= fence {
        return Ok(());
    }
    Err(format!("{node} {does} {version} of {chunk} after it went to {fence}"))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::{Epoch, Event, NodeId};

    #[test]
    fn configurations_follow_each_other() {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.good(MASTER, configured(1, 3, &[S1]));
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        assert_eq!(run.bad(MASTER, configured(1, 4, &[S1])).invariant, "I2");
        assert_eq!(run.bad(MASTER, configured(3, 2, &[S1])).invariant, "I2");
        assert_eq!(run.bad(MASTER, configured(1, 3, &[S2])).invariant, "I2");
        run.good(MASTER, freed(3));
        assert_eq!(run.bad(MASTER, configured(3, 4, &[S1])).invariant, "I2");
    }

    #[test]
    fn a_promise_stands() {
        let mut run = Run::new();
        run.good(S1, promised(3));
        run.crash(S1);
        run.good(S1, recovered(3, 1));
        assert_eq!(run.bad(S1, promised(2)).invariant, "I2");
        assert_eq!(run.bad(S1, applied(2, 1, op(1))).invariant, "I2");
        assert_eq!(run.bad(S1, adopted(2, 0, &[], false)).invariant, "I2");
        run.good(S1, adopted(3, 0, &[], false));
        assert_eq!(run.bad(S1, recovered(2, 2)).invariant, "I2");
    }

    #[test]
    fn an_earlier_life_does_not_join_after_a_later_one() {
        let mut run = Run::new();
        let other = NodeId(2);
        run.good(MASTER, joined(S1, 2));
        run.good(MASTER, joined(S2, 1));
        assert_eq!(run.bad(MASTER, joined(S1, 1)).invariant, "I2");
        run.good(other, joined(S1, 1));
        run.good(MASTER, Event::LeaderBegan { epoch: Epoch(2) });
        run.good(MASTER, joined(S1, 1));
    }

    #[test]
    fn what_is_deleted_or_destroyed_promised_nothing() {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S3]));
        run.good(S1, promised(3));
        run.good(S2, promised(3));
        run.good(S1, deleted(1));
        run.good(S1, promised(1));
        run.checkers.disk_destroyed(S2);
        run.good(S2, promised(1));
    }
}
