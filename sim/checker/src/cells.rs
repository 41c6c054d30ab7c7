//! A row of registers that are read and written together: a chunk, cut where writes begin and end.

use crate::linearizability::{Object, Timed};
use leasehold_proto::mix;
use std::collections::BTreeMap;

/// One read or write. Values are names: in one cell, equal numbers are equal contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellsOp {
    /// It wrote these values; otherwise it read them.
    pub write: bool,
    /// The first cell.
    pub first: usize,
    /// One for each cell from there on.
    pub values: Vec<u32>,
}

/// The cells. All begin with zero.
#[derive(Clone, Debug)]
pub struct Cells {
    values: Vec<u32>,
    key: u128,
    /// By cell and value, what is still to come; empty if nobody looked ahead.
    ahead: Vec<BTreeMap<u32, Ahead>>,
}

/// How often a value will yet be written and read.
#[derive(Clone, Copy, Debug, Default)]
struct Ahead {
    writes: u32,
    reads: u32,
}

impl Cells {
    /// So many, all zero.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Cells { values: vec![0; count], key: 0, ahead: Vec::new() }
    }

    /// So many, that know what will be done to them: nothing is written over a value that somebody
    /// has yet to read and nobody will write again. A search that goes there would come back only
    /// much later.
    #[must_use]
    pub fn looking_ahead(count: usize, ops: &[Timed<CellsOp>]) -> Self {
        let mut cells = Cells { ahead: vec![BTreeMap::new(); count], ..Cells::new(count) };
        for timed in ops.iter().filter(|timed| timed.op.write || timed.returned_ns.is_some()) {
            cells.expect(&timed.op, |count| *count += 1);
        }
        cells
    }

    fn expect(&mut self, op: &CellsOp, change: impl Fn(&mut u32)) {
        if self.ahead.is_empty() {
            return;
        }
        for (cell, value) in (op.first..).zip(&op.values) {
            let ahead = self.ahead[cell].entry(*value).or_default();
            change(if op.write { &mut ahead.writes } else { &mut ahead.reads });
        }
    }

    /// Whether what is in a cell is still wanted there.
    fn is_awaited(&self, cell: usize) -> bool {
        let ahead = self.ahead.get(cell).and_then(|ahead| ahead.get(&self.values[cell]));
        ahead.is_some_and(|ahead| ahead.reads > 0 && ahead.writes == 0)
    }

    fn set(&mut self, cell: usize, value: u32) -> u32 {
        let before = std::mem::replace(&mut self.values[cell], value);
        self.key ^= mixed(cell, before) ^ mixed(cell, value);
        before
    }
}

/// What an operation replaced, and the operation.
#[derive(Clone, Debug)]
pub struct Undo {
    op: CellsOp,
    before: Vec<u32>,
}

impl Object for Cells {
    type Op = CellsOp;
    type Undo = Undo;
    /// 128 bits of what the cells hold. States are a few million at the most, so that two of them
    /// share a name in one of 10²⁵ runs.
    type Key = u128;

    fn apply(&mut self, op: &CellsOp) -> Option<Undo> {
        let mut cells = op.first..op.first + op.values.len();
        let before = if op.write {
            let replaced = |(cell, value): (usize, &u32)| self.values[cell] != *value;
            let mut written = cells.clone().zip(&op.values);
            if written.any(|(cell, value)| replaced((cell, value)) && self.is_awaited(cell)) {
                return None;
            }
            cells.zip(&op.values).map(|(cell, value)| self.set(cell, *value)).collect()
        } else if cells.all(|cell| self.values[cell] == op.values[cell - op.first]) {
            Vec::new()
        } else {
            return None;
        };
        self.expect(op, |count| *count -= 1);
        Some(Undo { op: op.clone(), before })
    }

    fn undo(&mut self, undo: Undo) {
        for (cell, value) in (undo.op.first..).zip(undo.before) {
            self.set(cell, value);
        }
        self.expect(&undo.op, |count| *count += 1);
    }

    fn changes(op: &CellsOp) -> bool {
        op.write
    }

    fn key(&self) -> u128 {
        self.key
    }
}

/// 128 well spread bits of a cell and its value; none for zero.
fn mixed(cell: usize, value: u32) -> u128 {
    if value == 0 {
        return 0;
    }
    let seed = (cell as u64) << 32 | u64::from(value);
    u128::from(spread(seed)) << 64 | u128::from(spread(!seed))
}

/// One draw of SplitMix64 from the state `word`.
pub(crate) fn spread(word: u64) -> u64 {
    mix::finalise(word.wrapping_add(mix::GAMMA))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_undone_leaves_no_trace() {
        let mut cells = Cells::new(3);
        let write = |first, values: &[u32]| CellsOp { write: true, first, values: values.into() };
        let one = cells.apply(&write(0, &[1, 2])).unwrap();
        let key = cells.key();
        let other = cells.apply(&write(1, &[3, 3])).unwrap();
        assert_ne!(cells.key(), key);
        let read = CellsOp { write: false, first: 0, values: vec![1, 3, 3] };
        assert!(cells.apply(&read).is_some());
        cells.undo(other);
        assert_eq!(cells.key(), key);
        assert!(cells.apply(&read).is_none());
        cells.undo(one);
        assert_eq!((cells.key(), &cells.values[..]), (0, &[0, 0, 0][..]));
    }
}
