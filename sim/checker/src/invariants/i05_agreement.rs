//! I5: one place in the order, one content.

use crate::finals::{Finals, ReplicaFinal};
use crate::order::OrderedMutation;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{ChunkHandle, ChunkVersion, Event, NodeId, Sequence};
use std::collections::BTreeMap;

/// I5.
pub const INVARIANT: Invariant = Invariant {
    id: "I5",
    name: "agreement",
    sentence: "members with the same applied version and sequence have the same bytes",
    source: "Schneider 1990 (state machine approach); GFS §2.7.1",
};

/// What was applied where, first come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    applied: BTreeMap<(ChunkHandle, ChunkVersion, Sequence), (NodeId, OrderedMutation)>,
}

impl Agreement {
    /// Takes in what happened; true if there was something to judge.
    pub fn observe(&mut self, seen: &Seen<'_>) -> Result<bool, Violation> {
        let Event::Applied { chunk, version, sequence, op, kind, extent, crc } = seen.event else {
            return Ok(false);
        };
        let (op, kind, extent) = (*op, *kind, *extent);
        let entry = OrderedMutation { version: *version, op, kind, extent, crc: *crc };
        let place = (*chunk, *version, *sequence);
        let (first, known) = self.applied.entry(place).or_insert((seen.node, entry));
        if *known == entry {
            return Ok(true);
        }
        let detail = format!(
            "{chunk}, {sequence} of {version}: {first} applied {known:?}, {} applied {entry:?}",
            seen.node
        );
        Err(INVARIANT.broken(seen.true_ns, detail))
    }

    /// Forgets a chunk that is no more.
    pub fn freed(&mut self, chunk: ChunkHandle) {
        let first = (chunk, ChunkVersion(0), Sequence(0));
        let last = (chunk, ChunkVersion(u64::MAX), Sequence(u64::MAX));
        let gone: Vec<_> = self.applied.range(first..=last).map(|(place, _)| *place).collect();
        for place in gone {
            self.applied.remove(&place);
        }
    }
}

/// Compares members at the end; the number of pairs compared.
pub fn finish(finals: &Finals) -> Result<u64, Violation> {
    let mut judged = 0;
    for (handle, chunk) in finals.living() {
        let mut first: BTreeMap<Sequence, (NodeId, &ReplicaFinal)> = BTreeMap::new();
        for (node, replica) in finals.reconciled(handle, chunk).filter(|(_, r)| !r.corrupt) {
            let sequence = replica.record.image.sequence;
            let (other, known) = *first.entry(sequence).or_insert((node, replica));
            if other == node {
                continue;
            }
            judged += 1;
            if let Some(what) = difference(known, replica) {
                let version = chunk.version;
                let detail =
                    format!("{handle} at {version}, {sequence}: {other} and {node} {what}");
                return Err(INVARIANT.broken(finals.true_ns, detail));
            }
        }
    }
    Ok(judged)
}

fn difference(a: &ReplicaFinal, b: &ReplicaFinal) -> Option<String> {
    let (left, right) = (&a.record.image, &b.record.image);
    if (left.length, left.end) != (right.length, right.end) {
        return Some(format!("are {} and {} bytes long", left.length, right.length));
    }
    if left.ops != right.ops {
        return Some("remember different operations".to_owned());
    }
    let length = a.bytes.len().max(b.bytes.len());
    let byte = |replica: &ReplicaFinal, at| replica.bytes.get(at).copied().unwrap_or(0);
    let at = (0..length).find(|at| byte(a, *at) != byte(b, *at))?;
    Some(format!("differ at byte {at}: {:#04x} and {:#04x}", byte(a, at), byte(b, at)))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn two_contents_in_one_place_are_found() {
        let mut run = Run::new();
        run.good(S1, applied(1, 1, op(1)));
        run.good(S2, applied(1, 1, op(1)));
        assert_eq!(run.bad(S3, applied(1, 1, op(2))).invariant, "I5");
        // Another version is another place.
        run.good(S3, applied(2, 1, op(2)));
    }

    #[test]
    fn members_that_differ_at_the_end_are_found() {
        let mut run = Run::new();
        run.written(&[S1, S2], 1, 0, 64);
        let mut finals = run.finals(&[S1, S2]);
        run.checkers.finish(&finals).unwrap();
        // Nobody acknowledged these bytes, so that only agreement is at stake.
        edit(&mut finals, S2, |bytes| bytes.push(7));
        assert_eq!(run.checkers.finish(&finals).unwrap_err().invariant, "I5");
        edit(&mut finals, S1, |bytes| bytes.extend([7, 0, 0]));
        run.checkers.finish(&finals).unwrap();
    }
}
