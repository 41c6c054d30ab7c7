//! I22: what a constant bounds stays within it.

use crate::fleet::Fleet;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::metadata::MetadataAnswer;
use leasehold_proto::{
    ChunkHandle, ChunkVersion, Constants, Event, Extent, MutationKind, NodeId, OpError, Outcome,
    Sequence,
};
use std::collections::BTreeMap;

/// I22.
pub const INVARIANT: Invariant = Invariant {
    id: "I22",
    name: "bounds",
    sentence: "no mutation or read is longer than mutation_bytes_max; a primary holds at most \
               inflight_mutations_max and inflight_bytes_max of a chunk that not all members have; a \
               leader has at most repairs_max copies under way, repairs_per_server_max of them at one \
               server, and begins no more than repair_bytes_per_second of them; a listing has at most \
               list_entries_max names",
    source: "GFS §4.3: cloning is limited for the cluster and for each chunkserver, and each throttles \
             itself; every queue, retry and batch has a bound",
};

/// What a primary applied under its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Unacknowledged {
    version: ChunkVersion,
    /// By sequence, how many bytes.
    mutations: BTreeMap<Sequence, u64>,
}

/// Bytes of copies that a leader may begin: at least what it has itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    bytes: u64,
    filled_ns: u64,
}

/// A chunk since one of its versions began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    version: ChunkVersion,
    /// At the most.
    length: u64,
    /// Bytes that are no holes, at the least.
    bytes: u64,
}

/// What is under way, as far as events say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Of primaries only.
    open: BTreeMap<(NodeId, ChunkHandle), Unacknowledged>,
    buckets: BTreeMap<NodeId, Bucket>,
    /// How much a chunk stores at the least since a version of it began.
    stored: BTreeMap<ChunkHandle, Stored>,
}

impl Bounds {
    /// Takes in what happened, `fleet` being as it was before; true if there was something to judge.
    pub fn observe(
        &mut self,
        fleet: &Fleet,
        constants: &Constants,
        seen: &Seen<'_>,
    ) -> Result<bool, Violation> {
        let longest = u64::from(constants.mutation_bytes_max);
        match seen.event {
            Event::LeaderBegan { .. } => {
                let bytes = constants.repair_bytes_per_second;
                self.buckets.insert(seen.node, Bucket { bytes, filled_ns: seen.true_ns });
                Ok(false)
            }
            Event::Adopted { chunk, version, length, stored_bytes, primary, .. } => {
                let stored = Stored { version: *version, length: *length, bytes: *stored_bytes };
                self.stored.insert(*chunk, stored);
                self.open.remove(&(seen.node, *chunk));
                if *primary {
                    let began = Unacknowledged { version: *version, mutations: BTreeMap::new() };
                    self.open.insert((seen.node, *chunk), began);
                }
                Ok(false)
            }
            Event::Committed { chunk, version, sequence } => {
                let open = self.open.get_mut(&(seen.node, *chunk));
                if let Some(open) = open.filter(|open| open.version == *version) {
                    open.mutations = open.mutations.split_off(&sequence.next());
                }
                Ok(false)
            }
            Event::Applied { chunk, version, sequence, kind, extent, .. } => {
                self.changed(*chunk, *kind, *extent);
                within(seen, "bytes of a mutation", extent.length, longest)?;
                self.applied(constants, seen, (*chunk, *version), *sequence, extent.length)
            }
            Event::ReadServed { extent, .. } => {
                within(seen, "bytes of a read", extent.length, longest)
            }
            Event::RepairBegan { chunk, version, to } => {
                let (all, there) = fleet.copies(seen.node, *chunk, *version, *to);
                within(seen, "copies under way", all, u64::from(constants.repairs_max))?;
                let per_server = u64::from(constants.repairs_per_server_max);
                within(seen, "copies at one server", there, per_server)?;
                self.bytes(constants, seen, *chunk, *version)
            }
            Event::Freed { chunk, .. } => {
                self.open.retain(|(_, of), _| of != chunk);
                self.stored.remove(chunk);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// A cut or a retirement takes at the most all bytes from there to the chunk's end.
    fn changed(&mut self, chunk: ChunkHandle, kind: MutationKind, extent: Extent) {
        let Some(stored) = self.stored.get_mut(&chunk) else { return };
        let length = match kind {
            MutationKind::Write | MutationKind::Append => stored.length.max(extent.end()),
            // What it adds is a hole.
            MutationKind::Seal => return,
            MutationKind::Cut { .. } => extent.offset,
            MutationKind::Retire => 0,
        };
        let gone = stored.length.saturating_sub(length);
        *stored = Stored { length, bytes: stored.bytes.saturating_sub(gone), ..*stored };
    }

    /// A process ended.
    pub fn node_crashed(&mut self, node: NodeId) {
        self.open.retain(|(at, _), _| *at != node);
    }

    /// A client was answered; true if there was something to judge.
    pub fn answered(
        constants: &Constants,
        true_ns: u64,
        client: NodeId,
        result: &Result<Outcome, OpError>,
    ) -> Result<bool, Violation> {
        let Ok(Outcome::Metadata(MetadataAnswer::List { entries, .. })) = result else {
            return Ok(false);
        };
        let (names, most) = (entries.len() as u64, u64::from(constants.list_entries_max));
        if names <= most {
            return Ok(true);
        }
        let detail = format!("{names} names in one answer to {client}, and at most {most} may be");
        Err(INVARIANT.broken(true_ns, detail))
    }

    fn applied(
        &mut self,
        constants: &Constants,
        seen: &Seen<'_>,
        (chunk, version): (ChunkHandle, ChunkVersion),
        sequence: Sequence,
        bytes: u64,
    ) -> Result<bool, Violation> {
        let open = self.open.get_mut(&(seen.node, chunk));
        let Some(open) = open.filter(|open| open.version == version) else { return Ok(false) };
        open.mutations.insert(sequence, bytes);
        let (count, bytes) = (open.mutations.len() as u64, open.mutations.values().sum());
        let most = u64::from(constants.inflight_mutations_max);
        within(seen, "unacknowledged mutations at a primary", count, most)?;
        let most = u64::from(constants.inflight_bytes_max);
        within(seen, "unacknowledged bytes at a primary", bytes, most)
    }

    /// A copy begins when every member of the version reported that it has it, so that the master knows
    /// of at least as many bytes as the chunk had when the version began.
    fn bytes(
        &mut self,
        constants: &Constants,
        seen: &Seen<'_>,
        chunk: ChunkHandle,
        version: ChunkVersion,
    ) -> Result<bool, Violation> {
        let rate = constants.repair_bytes_per_second;
        let Some(bucket) = self.buckets.get_mut(&seen.node) else { return Ok(false) };
        let passed = u128::from(seen.true_ns - bucket.filled_ns);
        let fast = 1_000_000 + u128::from(constants.clock_drift_ppm_max) * 4;
        let gained = u128::from(rate) * passed * fast / 1_000_000 / 1_000_000_000 + 1;
        let gained = u64::try_from(gained).unwrap_or(u64::MAX);
        bucket.bytes = rate.min(bucket.bytes.saturating_add(gained));
        bucket.filled_ns = seen.true_ns;
        let stored = self.stored.get(&chunk).filter(|stored| stored.version == version);
        let cost = stored.map_or(0, |stored| stored.bytes).min(rate);
        let left = bucket.bytes;
        bucket.bytes = bucket.bytes.saturating_sub(cost);
        within(seen, "bytes of a copy that begins", cost, left)
    }
}

fn within(seen: &Seen<'_>, what: &str, found: u64, most: u64) -> Result<bool, Violation> {
    if found <= most {
        return Ok(true);
    }
    let detail = format!("{}: {found} {what}, and at most {most} may be", seen.node);
    Err(INVARIANT.broken(seen.true_ns, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use leasehold_proto::{Epoch, SafeModeEnd};

    fn run(change: impl Fn(&mut Constants)) -> Run {
        let mut constants = Constants::default();
        change(&mut constants);
        let mut run = Run::new();
        run.checkers = crate::Checkers::new(constants);
        run.good(MASTER, Event::LeaderBegan { epoch: Epoch(1) });
        run.good(MASTER, Event::SafeModeEnded { why: SafeModeEnd::Reported });
        run.good(MASTER, configured(0, 1, &[S1, S2]));
        run
    }

    #[test]
    fn a_long_mutation_and_a_long_read_are_found() {
        let mut run = run(|c| c.mutation_bytes_max = 63);
        run.clone().good(S1, served(1, leasehold_proto::ReadMode::Relaxed));
        assert_eq!(run.bad(S2, appended(1, 1, op(1), 0)).invariant, "I22");
    }

    #[test]
    fn what_a_primary_holds_is_bounded() {
        for change in [(|c| c.inflight_mutations_max = 1) as fn(&mut Constants), |c| {
            c.inflight_bytes_max = 100
        }] {
            let mut run = run(change);
            run.good(S1, adopted(1, 0, &[], true));
            run.good(S1, appended(1, 1, op(1), 0));
            let mut committed = run.clone();
            assert_eq!(run.bad(S1, appended(1, 2, op(2), 64)).invariant, "I22");
            let (version, sequence) = (ChunkVersion(1), Sequence(1));
            committed.good(S2, appended(1, 1, op(1), 0));
            committed.good(S1, Event::Committed { chunk: CHUNK, version, sequence });
            committed.good(S1, appended(1, 2, op(2), 64));
        }
    }

    /// Another chunk of the same members.
    fn other(event: Event) -> Event {
        let chunk = ChunkHandle(CHUNK.0 + 1);
        match event {
            Event::Configured { base, version, members, .. } => {
                Event::Configured { chunk, base, version, members }
            }
            Event::RepairBegan { version, to, .. } => Event::RepairBegan { chunk, version, to },
            other => panic!("{other:?} is not needed"),
        }
    }

    #[test]
    fn copies_are_bounded() {
        for change in
            [(|c| c.repairs_max = 1) as fn(&mut Constants), |c| c.repairs_per_server_max = 1]
        {
            let mut run = run(change);
            run.good(MASTER, other(configured(0, 1, &[S1, S2])));
            run.good(MASTER, repair_began(1, S3));
            let mut ended = run.clone();
            assert_eq!(run.bad(MASTER, other(repair_began(1, S4))).invariant, "I22");
            ended.good(MASTER, repair_ended(S3, false));
            ended.good(MASTER, other(repair_began(1, S4)));
        }
    }

    #[test]
    fn bytes_of_copies_are_bounded() {
        let mut run = run(|c| c.repair_bytes_per_second = 100);
        let (version, sequence) = (ChunkVersion(1), Sequence(0));
        let (ops, primary) = (Vec::new(), false);
        let (chunk, length, stored_bytes) = (CHUNK, 200, 80);
        let adopted =
            Event::Adopted { chunk, version, sequence, length, stored_bytes, ops, primary };
        run.good(S2, adopted);
        run.good(MASTER, repair_began(1, S3));
        run.good(MASTER, repair_ended(S3, false));
        assert_eq!(run.clone().bad(MASTER, repair_began(1, S3)).invariant, "I22");
        run.at(600_000_000).good(MASTER, repair_began(1, S3));
    }
}
