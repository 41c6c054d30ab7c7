//! I6: strong reads, writes and appends look as if they happened one after another.

use crate::history::{Call, Ending, History, Operated};
use crate::linearizability::{Verdict, check};
use crate::registers::registers;
use crate::violation::{Invariant, Violation};
use leasehold_proto::{Extent, FileId};
use std::collections::BTreeMap;

/// I6.
pub const INVARIANT: Invariant = Invariant {
    id: "I6",
    name: "strong reads",
    sentence: "histories of strong reads, writes and appends are linearizable per chunk, if \
               clocks drift within bounds",
    source: "Herlihy and Wing 1990; search: Wing and Gong 1993, Lowe 2017",
};

/// Steps that the search may take for one register.
pub const STEPS_MAX: u64 = 2_000_000;

/// What was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Registers that are linearizable, and pairs of appends in order.
    pub held: u64,
    /// Registers whose search was given up.
    pub undecided: u64,
}

/// Judges a whole history.
pub fn finish(history: &History, true_ns: u64) -> Result<Judged, Violation> {
    let mut judged = Judged { held: appends_in_order(history, true_ns)?, undecided: 0 };
    for (((file, index), extent), register) in registers(history) {
        match check(&register.ops, STEPS_MAX) {
            Verdict::Linearizable => judged.held += 1,
            Verdict::Undecided => judged.undecided += 1,
            Verdict::Violated { stuck } => {
                let operated = &history.operations()[register.origin[stuck]];
                let Operated { client, request, invoked_ns, returned_ns, call, .. } = operated;
                let detail = format!(
                    "{file}, chunk {index}, bytes {extent:?}: no order of {} operations explains \
                     {call:?} of {client}, {request}, from {invoked_ns} to {returned_ns:?} ns",
                    register.ops.len(),
                );
                return Err(INVARIANT.broken(true_ns, detail));
            }
        }
    }
    Ok(judged)
}

/// Records do not overlap, and one that was acknowledged before another was begun stands before
/// it: a chunk is appended to only once the one before it is sealed.
fn appends_in_order(history: &History, true_ns: u64) -> Result<u64, Violation> {
    let mut files: BTreeMap<FileId, Vec<(u64, Extent, &Operated)>> = BTreeMap::new();
    for operated in history.operations() {
        if let (Call::Append { file, .. }, Ending::Done { index, extent }) =
            (&operated.call, operated.ending)
        {
            files.entry(*file).or_default().push((index, extent, operated));
        }
    }
    let mut judged = 0;
    for (file, mut records) in files {
        records.sort_by_key(|(index, extent, _)| (*index, *extent));
        // The latest begin among all records that stand before this one.
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
