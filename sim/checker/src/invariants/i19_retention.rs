//! I19: what is set aside stays for as long as was said, and goes then.

use crate::finals::Finals;
use crate::seen::Seen;
use crate::spans::{longest, nanos, shortest};
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::{ChunkHandle, Constants, Event, FileId, NodeId};
use std::collections::BTreeMap;

/// I19.
pub const INVARIANT: Invariant = Invariant {
    id: "I19",
    name: "retention",
    sentence: "a deleted file is not reclaimed before trash_retention is over, nor a replica in \
               quarantine removed before quarantine_retention is, by clocks that drift within \
               bounds; and when faults have ended, neither stays for long after",
    source: "GFS §4.4.1: three days in the trash; HDFS fs.trash.interval",
};

/// Since when what is in the trash or in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    files: BTreeMap<ChunkHandle, FileId>,
    /// True times; the first telling counts.
    trashed: BTreeMap<FileId, u64>,
    /// By server and chunk.
    aside: BTreeMap<(NodeId, ChunkHandle), u64>,
    /// When a master or a server last came or went: retention may be counted anew from there, and
    /// what is due may wait.
    unrest_ns: u64,
}

impl Retention {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, constants: &Constants, seen: &Seen<'_>) -> Result<bool, Violation> {
        let now = seen.true_ns;
        let ended = match seen.event {
            Event::ChunkMade { chunk, file, .. } => {
                self.files.insert(*chunk, *file);
                return Ok(false);
            }
            Event::GivenUp { chunk } => {
                // No file can have it back.
                self.files.remove(chunk);
                return Ok(false);
            }
            Event::Trashed { file } => {
                self.trashed.entry(*file).or_insert(now);
                return Ok(false);
            }
            Event::ReplicaQuarantined { chunk } => {
                self.aside.insert((seen.node, *chunk), now);
                return Ok(false);
            }
            Event::LeaderBegan { .. }
            | Event::ServerJoined { .. }
            | Event::ServerHeard { .. }
            | Event::ServerDead { .. } => {
                self.unrest_ns = now;
                return Ok(false);
            }
            Event::Freed { chunk, .. } => {
                let file = self.files.get(chunk);
                let since = file.and_then(|file| self.trashed.get(file)).copied();
                (since, constants.trash_retention, format!("{chunk} is freed"))
            }
            Event::Purged { file } => {
                let since = self.trashed.get(file).copied();
                (since, constants.trash_retention, format!("{file} is purged"))
            }
            Event::QuarantineEnded { chunk } => {
                let since = self.aside.remove(&(seen.node, *chunk));
                let what = format!("{} removes {chunk} from quarantine", seen.node);
                (since, constants.quarantine_retention, what)
            }
            _ => return Ok(false),
        };
        let (Some(since), retention, what) = ended else { return Ok(false) };
        if now - since >= shortest(constants, retention) {
            return Ok(true);
        }
        let (took, retention) = (seconds(now - since), seconds(nanos(retention)));
        let detail = format!("{what} after {took}, and was to stay for {retention}");
        Err(INVARIANT.broken(now, detail))
    }

    /// A disk is gone for good.
    pub fn disk_destroyed(&mut self, node: NodeId) {
        self.aside.retain(|(at, _), _| *at != node);
    }

    /// Judges what is left once everything came to rest; the number of facts judged.
    pub fn emptied(&self, constants: &Constants, finals: &Finals) -> Result<u64, Violation> {
        let mut judged = 0;
        let over = |since: u64, retention| {
            let due = since.max(self.unrest_ns) + longest(constants, retention);
            finals.true_ns > due + settling(constants)
        };
        let left = |what: String, since: u64| {
            let since = seconds(since);
            let detail = format!("{what} since {since}, and is still there");
            INVARIANT.broken(finals.true_ns, detail)
        };
        for (handle, chunk) in finals.chunks.iter().filter(|(_, chunk)| !chunk.freed) {
            let Some(since) = self.trashed.get(&chunk.file) else { continue };
            judged += 1;
            if over(*since, constants.trash_retention) {
                let what = format!("{handle} of {} is in the trash", chunk.file);
                return Err(left(what, *since));
            }
        }
        for ((node, chunk), since) in &self.aside {
            let server = finals.servers.get(node);
            if !server.is_some_and(|server| server.quarantined.contains(chunk)) {
                continue;
            }
            judged += 1;
            if over(*since, constants.quarantine_retention) {
                let what = format!("{chunk} is in quarantine at {node}");
                return Err(left(what, *since));
            }
        }
        Ok(judged)
    }
}

/// What is due goes after a change of its configuration: silent members are counted as dead, leases
/// end, members that answer late are waited for.
fn settling(constants: &Constants) -> u64 {
    let steps = constants.lease_at_granter()
        + constants.server_dead_after
        + constants.repair_stalled_after
        + constants.heartbeat_interval * 4;
    nanos(steps * 3)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::Event;

    const HOUR: u64 = 3_600_000_000_000;

    fn trashed() -> Run {
        let mut run = Run::new();
        run.good(MASTER, chunk_made());
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.at(HOUR).good(MASTER, Event::Trashed { file: FILE });
        run
    }

    #[test]
    fn the_trash_keeps_for_as_long_as_it_says() {
        assert_eq!(trashed().at(HOUR * 3 / 2).bad(MASTER, freed(1)).invariant, "I19");
        let purged = trashed().at(HOUR * 3 / 2).bad(MASTER, Event::Purged { file: FILE });
        assert_eq!(purged.invariant, "I19");
        trashed().at(HOUR * 2).good(MASTER, freed(1));
        // Another master reports it later, and that is no other deletion.
        let mut again = trashed();
        again.at(HOUR * 3 / 2).good(MASTER, Event::Trashed { file: FILE });
        again.at(HOUR * 2).good(MASTER, freed(1));
    }

    #[test]
    fn the_trash_is_emptied() {
        let run = trashed();
        let mut finals = run.finals(&[S1, S2]);
        finals.true_ns = HOUR * 2;
        run.clone().checkers.converged(&finals).unwrap();
        finals.true_ns = HOUR * 3;
        assert_eq!(run.clone().checkers.converged(&finals).unwrap_err().invariant, "I19");
        finals.chunks.get_mut(&CHUNK).unwrap().freed = true;
        run.clone().checkers.converged(&finals).unwrap();
    }

    #[test]
    fn so_does_quarantine_and_so_is_it() {
        let mut run = Run::new();
        run.at(HOUR).good(S1, quarantined());
        let ended = Event::QuarantineEnded { chunk: CHUNK };
        assert_eq!(run.clone().at(HOUR * 3 / 2).bad(S1, ended.clone()).invariant, "I19");
        run.clone().at(HOUR * 2).good(S1, ended);
        let mut finals = run.finals(&[]);
        finals.chunks.clear();
        finals.servers = [(S1, Default::default())].into();
        finals.true_ns = HOUR * 3;
        run.checkers.converged(&finals).unwrap();
        finals.servers.get_mut(&S1).unwrap().quarantined.insert(CHUNK);
        assert_eq!(run.clone().checkers.converged(&finals).unwrap_err().invariant, "I19");
        finals.true_ns = HOUR * 2;
        run.checkers.converged(&finals).unwrap();
    }
}
