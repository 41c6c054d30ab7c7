//! I6: strong reads, writes and appends look as if they happened one after another.

use crate::cells::Cells;
use crate::chunk_history::{ChunkHistory, chunk_histories};
use crate::finals::Finals;
use crate::history::{Call, Ending, History, Operated};
use crate::invariants::i01_lease_exclusivity::LeaseExclusivity;
use crate::linearizability::{Verdict, check};
use crate::order::Order;
use crate::seen::Seen;
use crate::violation::{Invariant, Violation};
use crate::{witness, zones};
use leasehold_proto::{Event, Extent, FileId, ReadMode};
use std::collections::BTreeMap;

/// I6.
pub const INVARIANT: Invariant = Invariant {
    id: "I6",
    name: "strong reads",
    sentence: "histories of strong reads, writes and appends are linearizable per chunk, if \
               clocks drift within bounds",
    source: "Herlihy and Wing 1990; search: Wing and Gong 1993, Lowe 2017",
};

/// Steps that the search may take for one chunk, or for one cell of it.
pub const STEPS_MAX: u64 = 2_000_000;

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Operations that some order explains, and pairs of appends in order.
    pub held: u64,
    /// Chunks that the order of their mutations did not explain, so that another was searched for.
    pub searched: u64,
    /// Chunks whose search was given up.
    pub undecided: u64,
}

/// Judges one answer as it is given: a strong read is served by who believes to be primary, then,
/// at the version that the read began under. A history may forgive what this does not: it knows
/// only what clients can tell. True if there was something to judge.
pub fn served(leases: &LeaseExclusivity, seen: &Seen<'_>) -> Result<bool, Violation> {
    let Event::ReadServed { chunk, version, op, mode: ReadMode::Strong, .. } = seen.event else {
        return Ok(false);
    };
    if leases.believes(*chunk, *version, seen) {
        return Ok(true);
    }
    let detail = format!(
        "{} serves a strong read of {chunk} at {version}, {op}, and its lease on that is over",
        seen.node
    );
    Err(INVARIANT.broken(seen.true_ns, detail))
}

/// Judges a whole history. The order in which primaries reported mutations is tried first; a search
/// for another one begins where it does not fit.
pub fn finish(history: &History, order: &Order, finals: &Finals) -> Result<Judged, Violation> {
    let true_ns = finals.true_ns;
    let mut judged = Judged { held: appends_in_order(history, true_ns)?, ..Judged::default() };
    for mut chunk in chunk_histories(history, order, finals) {
        let ops = chunk.ops.len() as u64;
        if witness::explains(Cells::new(chunk.cells.len()), &chunk.ops, &chunk.witness) {
            judged.held += ops;
            continue;
        }
        judged.searched += 1;
        chunk.forget_unseen();
        match search(&chunk) {
            Searched { verdict: Verdict::Linearizable, .. } => judged.held += ops,
            Searched { verdict: Verdict::Undecided, .. } => judged.undecided += 1,
            Searched { verdict: Verdict::Violated { stuck }, extent } => {
                let operated = &history.operations()[chunk.origin[stuck]];
                let ((file, index), count) = (chunk.place, chunk.ops.len());
                let detail = format!(
                    "{file}, chunk {index}, bytes {extent:?}: no order of {count} operations \
                     explains {}",
                    operated.told()
                );
                return Err(INVARIANT.broken(operated.returned_ns.unwrap_or(true_ns), detail));
            }
        }
    }
    Ok(judged)
}

/// What a search found, and in which bytes.
struct Searched {
    verdict: Verdict,
    extent: Extent,
}

/// First cell by cell: what one cell alone shows is shown soonest, and by the fewest operations.
/// Then all cells together.
fn search(chunk: &ChunkHistory) -> Searched {
    for (at, extent) in chunk.cells.iter().enumerate() {
        let (ops, origin) = chunk.cell(at);
        let searched = || check(Cells::looking_ahead(1, &ops), &ops, STEPS_MAX);
        if let Verdict::Violated { stuck } = zones::check(&ops).unwrap_or_else(searched) {
            let verdict = Verdict::Violated { stuck: origin[stuck] };
            return Searched { verdict, extent: *extent };
        }
    }
    let begin = chunk.cells.first().map_or(0, |cell| cell.offset);
    let end = chunk.cells.last().map_or(0, Extent::end);
    let cells = Cells::looking_ahead(chunk.cells.len(), &chunk.ops);
    let verdict = check(cells, &chunk.ops, STEPS_MAX);
    Searched { verdict, extent: Extent::new(begin, end - begin) }
}

/// Index of the chunk, place in it, and the append.
type Record<'a> = (u64, Extent, &'a Operated);

/// After how many steps of truncations of its file an operation was carried out; none if it was at
/// the same time as one.
fn era(truncations: &[(u64, u64)], operated: &Operated) -> Option<usize> {
    let (begun, over) = (operated.invoked_ns, operated.returned_ns.unwrap_or(u64::MAX));
    let beside = |(first, last): &(u64, u64)| *first <= over && *last >= begun;
    let before = |(_, last): &&(u64, u64)| *last < begun;
    (!truncations.iter().any(beside)).then(|| truncations.iter().filter(before).count())
}

/// Between truncations, records do not overlap, and one that was acknowledged before another was begun is before
/// it: a chunk is appended to only once the one before it is sealed.
fn appends_in_order(history: &History, true_ns: u64) -> Result<u64, Violation> {
    let mut files: BTreeMap<(FileId, usize), Vec<Record<'_>>> = BTreeMap::new();
    let truncations = history.truncations();
    for operated in history.operations() {
        if let (Call::Append { file, .. }, Ending::Done { index, extent }) =
            (&operated.call, operated.ending)
            && let Some(era) = era(truncations.get(file).map_or(&[][..], Vec::as_slice), operated)
        {
            files.entry((*file, era)).or_default().push((index, extent, operated));
        }
    }
    let mut judged = 0;
    for ((file, _), mut records) in files {
        records.sort_by_key(|(index, extent, _)| (*index, *extent));
        // The latest begin among all records that are before this one.
        let mut begun: Option<&Operated> = None;
        for pair in records.windows(2) {
            let [(index, extent, before), (next_index, next_extent, after)] = pair else {
                continue;
            };
            judged += 1;
            begun = begun.filter(|b| b.invoked_ns > before.invoked_ns).or(Some(*before));
            let broken = |what: &str| {
                let detail = format!(
                    "{file}: the record at {next_index}/{next_extent:?} {what} the one at \
                     {index}/{extent:?}"
                );
                Err(INVARIANT.broken(true_ns, detail))
            };
            if index == next_index && extent.overlaps(next_extent) {
                return broken("overlaps");
            }
            let returned_ns = after.returned_ns.unwrap_or(u64::MAX);
            if begun.is_some_and(|begun| returned_ns < begun.invoked_ns) {
                return broken("was acknowledged before one before it was begun; it follows");
            }
        }
    }
    Ok(judged)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn a_stale_strong_read_is_found() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.write(2, (30, 40), 0, &cell(2));
        run.read(3, (50, 60), 0, &cell(2)).unwrap();
        run.finish().unwrap();
        run.read(4, (70, 80), 0, &cell(1)).unwrap();
        assert_eq!(run.finish().unwrap_err().invariant, "I6");
    }

    #[test]
    fn who_serves_a_strong_read_holds_the_lease() {
        use leasehold_proto::ReadMode::{Relaxed, Strong};
        let mut run = Run::new();
        run.at(10).good(S1, lease_taken(2, 100));
        run.at(20).good(S1, served(2, Strong));
        assert_eq!(run.at(30).bad(S2, served(2, Strong)).invariant, "I6");
        assert_eq!(run.at(40).bad(S1, served(1, Strong)).invariant, "I6");
        run.at(100).good(S1, served(2, Relaxed));
        assert_eq!(run.at(100).bad(S1, served(2, Strong)).invariant, "I6");
    }

    #[test]
    fn a_relaxed_one_is_legal() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.write(2, (30, 40), 0, &cell(2));
        run.relaxed_read(4, (70, 80), 0, &cell(1)).unwrap();
        run.finish().unwrap();
    }

    #[test]
    fn a_read_of_many_cells_is_judged_cell_by_cell() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.write(2, (30, 90), 64, &cell(2));
        let whole = [cell(1), cell(2)].concat();
        run.read(3, (40, 50), 0, &whole).unwrap();
        run.finish().unwrap();
        // The second cell was seen, so it cannot be gone.
        run.read_range(4, (60, 70), 0, 128, &cell(1)).unwrap();
        assert_eq!(run.finish().unwrap_err().invariant, "I6");
    }

    #[test]
    fn an_acknowledged_record_is_seen() {
        let mut run = Run::new();
        run.append(1, (10, 20), Some(0), &cell(1));
        run.read(2, (30, 40), 0, &cell(1)).unwrap();
        run.finish().unwrap();
        run.read_range(3, (50, 60), 0, 64, &[]).unwrap();
        assert_eq!(run.finish().unwrap_err().invariant, "I6");
    }

    #[test]
    fn a_record_of_another_chunk_is_not() {
        let mut run = Run::new();
        run.append(1, (10, 20), Some(0), &cell(1));
        run.append_to(1, 2, (30, 40), &cell(2));
        run.read(3, (50, 60), 0, &cell(1)).unwrap();
        run.finish().unwrap();
        run.read(4, (70, 80), 0, &cell(2)).unwrap();
        assert_eq!(run.finish().unwrap_err().invariant, "I6");
    }

    #[test]
    fn a_record_of_unknown_end_stays_where_it_was_seen() {
        let mut run = Run::new();
        run.append(1, (10, 20), None, &cell(1));
        run.read(2, (30, 40), 0, &[0; 64]).unwrap();
        run.read(3, (50, 60), 0, &cell(1)).unwrap();
        run.finish().unwrap();
        run.read(4, (70, 80), 0, &[0; 64]).unwrap();
        assert_eq!(run.finish().unwrap_err().invariant, "I6");
    }

    #[test]
    fn records_stand_in_the_order_of_time() {
        let mut run = Run::new();
        run.append(1, (10, 20), Some(0), &cell(1));
        run.append(2, (15, 40), Some(64), &cell(2));
        run.finish().unwrap();
        run.append(3, (50, 60), Some(128), &cell(3));
        run.finish().unwrap();
        let mut overlapping = run.clone();
        overlapping.append(4, (70, 80), Some(150), &cell(4));
        assert_eq!(overlapping.finish().unwrap_err().invariant, "I6");
        run.append(5, (70, 80), Some(256), &cell(5));
        run.append(6, (90, 95), Some(192), &cell(6));
        assert_eq!(run.finish().unwrap_err().invariant, "I6");
    }
}
