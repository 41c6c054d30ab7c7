//! I18: what is nearest to being lost is copied first.

use crate::fleet::Fleet;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, Event, NodeId};
use std::collections::BTreeMap;

/// I18.
pub const INVARIANT: Invariant = Invariant {
    id: "I18",
    name: "repair in order of danger",
    sentence: "of the copies that a master begins at one time, those of chunks with fewer good \
               replicas come first, and those of files in the trash last",
    source: "GFS §4.3: re-replication is prioritised by how far a chunk is from its goal, and live \
             files come before recently deleted ones",
};

/// The copy that each master began last: when, of which chunk, and how many good replicas it had. A
/// copy begins only when every member of the configuration is good, so its members are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairInOrderOfDanger {
    last: BTreeMap<NodeId, (u64, ChunkHandle, (bool, usize))>,
}

impl RepairInOrderOfDanger {
    /// Takes in what happened, `fleet` being as it was before; true if there was something to judge.
    ///
    /// At one instant a master knows the same of both, and had the choice. What it knew earlier, or
    /// whether a budget kept the other waiting, is not seen from outside.
    pub fn observe(&mut self, fleet: &Fleet, seen: &Seen<'_>) -> Result<bool, Violation> {
        let Event::RepairBegan { chunk, version, .. } = seen.event else { return Ok(false) };
        let members = fleet.members(*chunk, *version);
        let (Some(members), Some(trashed)) = (members, fleet.is_trashed(seen.node, *chunk)) else {
            self.last.remove(&seen.node);
            return Ok(false);
        };
        let good = (trashed, members.len());
        let last = self.last.insert(seen.node, (seen.true_ns, *chunk, good));
        let Some((_, before, had)) = last.filter(|(at, _, _)| *at == seen.true_ns) else {
            return Ok(false);
        };
        if had <= good {
            return Ok(true);
        }
        let of = |(trashed, good): (bool, usize)| match trashed {
            true => format!("in the trash, with {good} good replicas"),
            false => format!("with {good} good replicas"),
        };
        let detail = format!(
            "{} begins a copy of {before}, {}, before one of {chunk}, {}",
            seen.node,
            of(had),
            of(good)
        );
        Err(INVARIANT.broken(seen.true_ns, detail))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;
    use leasehold_proto::{ChunkHandle, Event, FileId, NodeId};

    fn of(chunk: ChunkHandle, event: Event) -> Event {
        match event {
            Event::Configured { base, version, members, .. } => {
                Event::Configured { chunk, base, version, members }
            }
            Event::RepairBegan { version, to, .. } => Event::RepairBegan { chunk, version, to },
            other => panic!("{other:?} is not about a chunk"),
        }
    }

    /// Both chunks have two replicas.
    fn run_of_two(other: ChunkHandle) -> Run {
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run.good(MASTER, of(other, configured(0, 1, &[S1, S2])));
        run
    }

    #[test]
    fn the_last_copy_goes_before_another() {
        let other = ChunkHandle(6);
        let mut run = Run::new();
        run.good(MASTER, configured(0, 1, &[S1]));
        run.good(MASTER, of(other, configured(0, 1, &[S1, S2])));
        let mut later = run.clone();
        let mut rightly = run.clone();
        run.good(MASTER, of(other, repair_began(1, S3)));
        assert_eq!(run.bad(MASTER, repair_began(1, S3)).invariant, "I18");
        rightly.good(MASTER, repair_began(1, S3));
        rightly.good(MASTER, of(other, repair_began(1, S3)));
        let mut deleted = run_of_two(other);
        let (file, chunk_bytes) = (FileId(9), 4_096);
        let made = Event::ChunkMade { chunk: CHUNK, file, index: 0, replicas: 3, chunk_bytes };
        deleted.good(MASTER, made);
        let mut unaware = deleted.clone();
        deleted.good(MASTER, Event::Trashed { file: FileId(9) });
        let mut trash_first = deleted.clone();
        deleted.good(MASTER, of(other, repair_began(1, S3)));
        deleted.good(MASTER, repair_began(1, S3));
        trash_first.good(MASTER, repair_began(1, S3));
        let wrong = trash_first.bad(MASTER, of(other, repair_began(1, S3)));
        assert_eq!(wrong.invariant, "I18");
        // Whether this leader knows that the file is in the trash is not seen.
        unaware.good(NodeId(2), Event::Trashed { file: FileId(9) });
        unaware.good(MASTER, repair_began(1, S3));
        unaware.good(MASTER, of(other, repair_began(1, S3)));
        // A deposed leader counts the members that it knows of.
        let mut deposed = run_of_two(other);
        deposed.good(NodeId(2), configured(1, 2, &[S2]));
        deposed.good(MASTER, of(other, repair_began(1, S3)));
        deposed.good(MASTER, repair_began(1, S3));
        later.at(10).good(MASTER, of(other, repair_began(1, S3)));
        later.at(20).good(MASTER, repair_began(1, S3));
    }
}
