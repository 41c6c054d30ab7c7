//! I19: what is set aside stays for as long as was said, and goes then.

use crate::finals::Finals;
use crate::fleet::Fleet;
use crate::seen::Seen;
use crate::spans::{longest, nanos, shortest};
use crate::violation::{Invariant, Violation, seconds};
use leasehold_proto::{ChunkHandle, Constants, Event, FileId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// I19.
pub const INVARIANT: Invariant = Invariant {
    id: "I19",
    name: "retention",
    sentence: "a deleted file is not reclaimed before trash_retention is over, unless no server has \
               room for a chunk of a file that has a name; nor is a replica in quarantine removed \
               before quarantine_retention is over, by clocks that drift within bounds; and when \
               faults have ended, neither stays for long after",
    source: "GFS §4.4.1: three days in the trash; HDFS fs.trash.interval",
};

/// Since when what is in the trash or in quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    files: BTreeMap<ChunkHandle, FileId>,
    /// True times; the first telling counts.
    trashed: BTreeMap<FileId, u64>,
    /// Of those, which need not stay.
    gave_way: BTreeSet<FileId>,
    /// By server and chunk.
    aside: BTreeMap<(NodeId, ChunkHandle), u64>,
    /// When a master or a server last came or went: retention may be counted anew from there, and
    /// what is due may wait.
    unrest_ns: u64,
}

impl Retention {
    /// Takes in what happened; true if there was something to judge.
    ///
    /// `fleet` is as it was before; what an entry of the log does may be reported before (`repeats`).
    pub fn observe(
        &mut self,
        fleet: &Fleet,
        constants: &Constants,
        repeats: bool,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
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
            Event::Trashed { .. } | Event::Restored { .. } | Event::TrashEmptied { .. }
                if repeats =>
            {
                return Ok(false);
            }
            Event::Trashed { file } => {
                self.trashed.entry(*file).or_insert(now);
                return Ok(false);
            }
            Event::Restored { file } => {
                self.trashed.remove(file);
                self.gave_way.remove(file);
                return Ok(false);
            }
            // Logged, by a client's order.
            Event::TrashEmptied { file } => {
                self.gave_way.insert(*file);
                return Ok(false);
            }
            Event::TrashGaveWay { file, chunk } => {
                return self.gives_way(fleet, constants, seen, (*file, *chunk));
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
                let since = self.files.get(chunk).and_then(|file| self.stays_since(*file));
                (since, constants.trash_retention, format!("{chunk} is freed"))
            }
            Event::Purged { file } => {
                (self.stays_since(*file), constants.trash_retention, format!("{file} is purged"))
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

    /// Since when a file has to stay in the trash.
    fn stays_since(&self, file: FileId) -> Option<u64> {
        let stays = !self.gave_way.contains(&file);
        self.trashed.get(&file).copied().filter(|_| stays)
    }

    /// A file that has a name comes first, where there is room for one of the two only.
    fn gives_way(
        &mut self,
        fleet: &Fleet,
        constants: &Constants,
        seen: &Seen<'_>,
        (file, chunk): (FileId, ChunkHandle),
    ) -> Result<bool, Violation> {
        self.gave_way.insert(file);
        // A deposed leader may not know of it yet.
        let wanted = fleet.is_trashed(seen.node, chunk) != Some(true);
        let mut eligible = fleet.eligible(seen.node, chunk, constants);
        let roomy = eligible.find(|node| !fleet.is_chosen(chunk, *node));
        let why = match roomy {
            Some(server) => format!("{server} has room for it"),
            None if !wanted => "its file is in the trash itself".to_owned(),
            None => return Ok(true),
        };
        let detail = format!("{file} gives way to {chunk}, and {why}");
        Err(INVARIANT.broken(seen.true_ns, detail))
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
    use leasehold_proto::{ChunkHandle, Event, FileId, LogIndex, NodeId};

    const HOUR: u64 = 3_600_000_000_000;
    const OTHER: ChunkHandle = ChunkHandle(CHUNK.0 + 1);

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

    /// One of four servers has room that the three others lack.
    fn short_of_room(free_bytes: u64) -> Run {
        let mut run = trashed();
        for (server, rack) in [(S1, 1), (S2, 2), (S3, 3)] {
            run.good(MASTER, joined_in(server, 1, rack));
            run.good(MASTER, Event::ServerRoom { node: server, free_bytes: 10 });
        }
        let (chunk, file) = (OTHER, FileId(FILE.0 + 1));
        run.good(MASTER, Event::ChunkMade { chunk, file, index: 0, replicas: 3, chunk_bytes: 64 });
        run.good(MASTER, Event::ServerRoom { node: S3, free_bytes });
        run
    }

    #[test]
    fn the_trash_gives_way_where_there_is_no_room() {
        let gave_way = Event::TrashGaveWay { file: FILE, chunk: OTHER };
        let mut run = short_of_room(100);
        run.good(MASTER, gave_way.clone());
        run.at(HOUR * 3 / 2).good(MASTER, freed(1));
        assert_eq!(short_of_room(1 << 40).bad(MASTER, gave_way.clone()).invariant, "I19");
        let mut dead = short_of_room(1 << 40);
        dead.good(MASTER, Event::ServerDead { node: S3 });
        dead.good(MASTER, gave_way);
        let for_trash = Event::TrashGaveWay { file: FILE, chunk: CHUNK };
        assert_eq!(short_of_room(100).bad(MASTER, for_trash).invariant, "I19");
    }

    /// A master that is behind reports a deletion after the file was restored and deleted again.
    #[test]
    fn what_a_late_master_reports_is_no_news() {
        let run = |second_deletion_ns: u64| {
            let entry = |index| Event::EntryApplied { index: LogIndex(index), took_effect: true };
            let facts = [
                Event::Trashed { file: FILE },
                Event::Restored { file: FILE },
                Event::Trashed { file: FILE },
            ];
            let mut run = Run::new();
            run.good(MASTER, chunk_made());
            for (at, index) in [(HOUR / 4, 1), (HOUR / 2, 2), (second_deletion_ns, 3)] {
                run.at(at).good(MASTER, entry(index));
                run.good(MASTER, facts[index as usize - 1].clone());
            }
            for (fact, index) in facts.into_iter().zip(1..) {
                run.at(HOUR * 3 / 2).good(NodeId(MASTER.0 + 1), entry(index));
                run.good(NodeId(MASTER.0 + 1), fact);
            }
            run.at(HOUR * 2);
            run
        };
        run(HOUR).good(MASTER, Event::Purged { file: FILE });
        let early = run(HOUR * 5 / 4).bad(MASTER, Event::Purged { file: FILE });
        assert_eq!(early.invariant, "I19", "the second deletion counts, not the first");
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
