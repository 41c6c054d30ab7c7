//! I8: a record occurs once.

use crate::contents::Contents;
use crate::finals::Finals;
use crate::history::{Call, Ending, History};
use crate::order::Order;
use crate::violation::{Invariant, Violation};
use leasehold_proto::replica::MutationKind;
use leasehold_proto::{ChunkHandle, FileId, OpId};
use std::collections::BTreeMap;

/// I8.
pub const INVARIANT: Invariant = Invariant {
    id: "I8",
    name: "exactly-once",
    sentence: "every append acknowledged once stands once; one never acknowledged stands at most \
               once",
    source: "GFS §3.3 promises at least once; exactly once by an operation table: Lee et al., \
             RIFL 2015",
};

/// Records by file, and where each is: the chunk's index and the offset in it.
type Standing = BTreeMap<(FileId, Contents), Vec<(u64, u64)>>;

/// Judges what is at the end; the number of records judged.
pub fn finish(order: &Order, history: &History, finals: &Finals) -> Result<u64, Violation> {
    let broken = |detail| INVARIANT.broken(finals.true_ns, detail);
    let ordered = once_in_order(order, finals).map_err(broken)?;
    let (standing, judged_chunks) = standing(finals);
    let truncations = history.truncations();
    let mut judged = ordered;
    for operated in history.operations() {
        let Call::Append { file, .. } = operated.call else { continue };
        let Some(contents) = Contents::parse(&operated.bytes) else { continue };
        let places = standing.get(&(file, contents)).map_or(&[][..], Vec::as_slice);
        judged += 1;
        match operated.ending {
            _ if places.len() > 1 => {
                let detail = format!("{file}: {contents:?} stands at {places:?}");
                return Err(broken(detail));
            }
            Ending::Done { index, extent } if judged_chunks.contains_key(&(file, index)) => {
                let later = |(_, last): &(u64, u64)| *last >= operated.invoked_ns;
                let cut = truncations.get(&file).is_some_and(|spans| spans.iter().any(later));
                if *places != [(index, extent.offset)] && !(cut && places.is_empty()) {
                    let detail = format!(
                        "{file}: {contents:?} was acknowledged at {index}/{extent:?}, and stands \
                         at {places:?}"
                    );
                    return Err(broken(detail));
                }
            }
            Ending::Failed if !places.is_empty() => {
                let detail = format!("{file}: {contents:?} was refused, and stands at {places:?}");
                return Err(broken(detail));
            }
            Ending::Open | Ending::Failed | Ending::Answered | Ending::Done { .. } => {}
        }
    }
    Ok(judged)
}

/// No append is in the order of its file's chunks twice.
fn once_in_order(order: &Order, finals: &Finals) -> Result<u64, String> {
    let mut placed: BTreeMap<OpId, ChunkHandle> = BTreeMap::new();
    for (handle, _) in finals.living() {
        let Some(order) = order.chunk(handle) else { continue };
        for (sequence, entry) in &order.entries {
            if entry.kind != MutationKind::Append {
                continue;
            }
            if let Some(other) = placed.insert(entry.op, handle) {
                let op = entry.op;
                return Err(format!("{op} is appended to {other} and, at {sequence}, to {handle}"));
            }
        }
    }
    Ok(placed.len() as u64)
}

/// Every record in the chunks that can be judged, and which chunks those are.
fn standing(finals: &Finals) -> (Standing, BTreeMap<(FileId, u64), ChunkHandle>) {
    let (mut standing, mut judged): (Standing, _) = (BTreeMap::new(), BTreeMap::new());
    for (handle, chunk) in finals.living() {
        let whole = finals.reconciled(handle, chunk).find(|(_, replica)| !replica.corrupt);
        let Some((_, replica)) = whole else { continue };
        judged.insert((chunk.file, chunk.index), handle);
        for (at, contents) in Contents::scan(&replica.bytes) {
            let places = standing.entry((chunk.file, contents)).or_default();
            places.push((chunk.index, at as u64));
        }
    }
    (standing, judged)
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    fn ended(places: &[usize], acknowledged: Option<u64>) -> Result<(), &'static str> {
        let mut run = Run::new();
        run.append(1, (10, 20), acknowledged, &cell(1));
        let mut bytes = vec![0; 512];
        for place in places {
            bytes[*place..*place + 64].copy_from_slice(&cell(1));
        }
        let mut finals = run.finals(&[S1]);
        edit(&mut finals, S1, |held| *held = bytes.clone());
        run.checkers.finish(&finals).map_err(|violation| violation.invariant)
    }

    #[test]
    fn an_acknowledged_record_stands_once() {
        assert_eq!(ended(&[64], Some(64)), Ok(()));
        assert_eq!(ended(&[], Some(64)), Err("I8"));
        assert_eq!(ended(&[128], Some(64)), Err("I8"));
        assert_eq!(ended(&[64, 128], Some(64)), Err("I8"));
    }

    #[test]
    fn any_other_at_most_once() {
        assert_eq!(ended(&[], None), Ok(()));
        assert_eq!(ended(&[64], None), Ok(()));
        assert_eq!(ended(&[64, 128], None), Err("I8"));
    }

    #[test]
    fn an_operation_is_ordered_once() {
        let mut run = Run::new();
        run.good(S1, appended(1, 1, op(1), 0));
        run.checkers.finish(&run.finals(&[S1])).unwrap();
        run.good(S1, appended(1, 2, op(1), 64));
        assert_eq!(run.checkers.finish(&run.finals(&[S1])).unwrap_err().invariant, "I8");
    }
}
