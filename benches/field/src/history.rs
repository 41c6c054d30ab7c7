//! What the clients of a replay did, and whether a file system could have answered so.
//!
//! Every operation and both its times are of one process, so that its one clock orders them and no bound
//! on the difference of clocks is needed.

use leasehold_checker::linearizability::{Object, Timed, Verdict, check};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Steps of the search for one cell at the most.
const STEPS_MAX: u64 = 2_000_000;

/// One operation, a line of a history file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Since the process began, in nanoseconds.
    pub invoked_ns: u64,
    /// Likewise; none if it failed, and may or may not have taken effect.
    pub returned_ns: Option<u64>,
    /// What, with its answer.
    #[serde(flatten)]
    pub done: Done,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Done {
    /// A cell of a shared file got this value, which no other write has.
    Write {
        /// File and cell.
        cell: u32,
        /// The value.
        value: u64,
    },
    /// A cell was read.
    Read {
        /// File and cell.
        cell: u32,
        /// What was there; none if the read failed.
        value: Option<u64>,
    },
    /// A cell was read, and its bytes are of two writes.
    Torn {
        /// File and cell.
        cell: u32,
    },
    /// A new file was stored.
    Put {
        /// Its name.
        path: String,
    },
    /// A stored file was read at the end.
    Fetched {
        /// Its name.
        path: String,
        /// Are its bytes those that were put?
        same: bool,
    },
    /// A record was appended to the shared log.
    Append {
        /// The record.
        value: u64,
        /// Where it is, if that is known.
        offset: Option<u64>,
    },
    /// The shared log was read at the end: where each record is.
    Log {
        /// Record and offset, in the order of the file.
        records: Vec<(u64, u64)>,
    },
}

/// What is wrong with a history, and how much of it there was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// Operations by kind: all, and those that were acknowledged.
    pub counts: BTreeMap<&'static str, (u64, u64)>,
    /// Sentences, each a violation.
    pub violations: Vec<String>,
    /// Cells whose search was given up.
    pub undecided: u64,
    /// The longest time of an operation that was acknowledged, in milliseconds.
    pub longest_ms: u64,
}

/// Judges a whole history.
pub fn judge(history: &[Record]) -> Judged {
    let mut judged = Judged::default();
    for record in history {
        let (name, _) = kind(&record.done);
        let count = judged.counts.entry(name).or_default();
        count.0 += 1;
        if let Some(returned) = record.returned_ns {
            count.1 += 1;
            let took_ms = returned.saturating_sub(record.invoked_ns) / 1_000_000;
            judged.longest_ms = judged.longest_ms.max(took_ms);
        }
    }
    cells(history, &mut judged);
    files(history, &mut judged);
    log(history, &mut judged);
    judged
}

fn kind(done: &Done) -> (&'static str, Option<u32>) {
    match done {
        Done::Write { cell, .. } => ("write", Some(*cell)),
        Done::Read { cell, .. } => ("read", Some(*cell)),
        Done::Torn { cell } => ("torn", Some(*cell)),
        Done::Put { .. } => ("put", None),
        Done::Fetched { .. } => ("fetched", None),
        Done::Append { .. } => ("append", None),
        Done::Log { .. } => ("log", None),
    }
}

/// Each cell is a register that begins with zero.
fn cells(history: &[Record], judged: &mut Judged) {
    let mut by_cell: BTreeMap<u32, Vec<Timed<CellOp>>> = BTreeMap::new();
    for record in history {
        let Record { invoked_ns, returned_ns, .. } = *record;
        let (cell, op) = match record.done {
            Done::Write { cell, value } => (cell, CellOp::Write(value)),
            // A read that failed says nothing.
            Done::Read { cell, value: Some(value) } => (cell, CellOp::Read(value)),
            Done::Torn { cell } => {
                judged.violations.push(format!("cell {cell}: a read met bytes of two writes"));
                continue;
            }
            _ => continue,
        };
        by_cell.entry(cell).or_default().push(Timed { invoked_ns, returned_ns, op });
    }
    for (cell, ops) in &by_cell {
        match check(Register(0), ops, STEPS_MAX) {
            Verdict::Linearizable => {}
            Verdict::Undecided => judged.undecided += 1,
            Verdict::Violated { stuck } => {
                let Timed { invoked_ns, returned_ns, op } = &ops[stuck];
                judged.violations.push(format!(
                    "cell {cell}: no order explains {op:?}, from {invoked_ns} to {returned_ns:?} ns"
                ));
            }
        }
    }
}

/// What was acknowledged is there, and is what was put.
fn files(history: &[Record], judged: &mut Judged) {
    let mut found: BTreeMap<&str, bool> = BTreeMap::new();
    for record in history {
        if let Done::Fetched { path, same } = &record.done {
            found.insert(path, *same && record.returned_ns.is_some());
        }
    }
    for record in history.iter().filter(|record| record.returned_ns.is_some()) {
        let Done::Put { path } = &record.done else { continue };
        match found.get(path.as_str()) {
            Some(true) => {}
            Some(false) => judged.violations.push(format!("{path}: not what was put, or not read")),
            None => judged.violations.push(format!("{path}: never read at the end")),
        }
    }
}

/// Each acknowledged record is in the log once and at its offset; no record is there twice or unknown.
fn log(history: &[Record], judged: &mut Judged) {
    let appended: BTreeMap<u64, (bool, Option<u64>)> = history
        .iter()
        .filter_map(|record| match record.done {
            Done::Append { value, offset } => Some((value, (record.returned_ns.is_some(), offset))),
            _ => None,
        })
        .collect();
    let last = history.iter().rev().find_map(|record| match &record.done {
        Done::Log { records } if record.returned_ns.is_some() => Some(records),
        _ => None,
    });
    let Some(records) = last else {
        if appended.values().any(|(acknowledged, _)| *acknowledged) {
            judged.violations.push("the log was never read at the end".to_owned());
        }
        return;
    };
    let mut seen = BTreeSet::new();
    for (value, at) in records {
        if !seen.insert(*value) {
            judged.violations.push(format!("record {value} is in the log twice"));
        }
        match appended.get(value) {
            None => judged.violations.push(format!("record {value} at {at} was never appended")),
            Some((true, Some(offset))) if offset != at => judged
                .violations
                .push(format!("record {value} is at {at}, and was acknowledged at {offset}")),
            Some(_) => {}
        }
    }
    for (value, (acknowledged, _)) in &appended {
        if *acknowledged && !seen.contains(value) {
            judged
                .violations
                .push(format!("record {value} was acknowledged and is not in the log"));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CellOp {
    Write(u64),
    Read(u64),
}

struct Register(u64);

impl Object for Register {
    type Op = CellOp;
    type Undo = u64;
    type Key = u64;

    fn apply(&mut self, op: &CellOp) -> Option<u64> {
        match *op {
            CellOp::Write(value) => Some(std::mem::replace(&mut self.0, value)),
            CellOp::Read(value) => (value == self.0).then_some(value),
        }
    }

    fn undo(&mut self, undo: u64) {
        self.0 = undo;
    }

    fn changes(op: &CellOp) -> bool {
        matches!(op, CellOp::Write(_))
    }

    fn key(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(from: u64, to: Option<u64>, done: Done) -> Record {
        Record { invoked_ns: from, returned_ns: to, done, error: None }
    }
    fn write(from: u64, to: Option<u64>, value: u64) -> Record {
        record(from, to, Done::Write { cell: 3, value })
    }
    fn read(from: u64, to: u64, value: u64) -> Record {
        record(from, Some(to), Done::Read { cell: 3, value: Some(value) })
    }

    #[test]
    fn a_stale_read_is_a_violation_and_a_concurrent_one_is_none() {
        let good = [
            write(0, Some(1), 7),
            read(2, 3, 7),
            write(4, Some(9), 8),
            read(5, 6, 7),
            read(10, 11, 8),
        ];
        assert_eq!(judge(&good).violations, Vec::<String>::new());
        let stale = [write(0, Some(1), 7), write(2, Some(3), 8), read(4, 5, 7)];
        assert_eq!(judge(&stale).violations.len(), 1);
    }

    #[test]
    fn a_write_of_unknown_end_may_take_effect_later_or_never_and_not_be_undone() {
        let open = write(0, None, 7);
        assert!(judge(&[open.clone(), read(5, 6, 0), read(7, 8, 7)]).violations.is_empty());
        assert_eq!(judge(&[open, read(5, 6, 7), read(7, 8, 0)]).violations.len(), 1);
    }

    #[test]
    fn acknowledged_files_and_records_are_there_once() {
        let put = |to| record(0, to, Done::Put { path: "/a".into() });
        let fetched = |same| record(5, Some(6), Done::Fetched { path: "/a".into(), same });
        assert!(judge(&[put(Some(1)), fetched(true)]).violations.is_empty());
        assert!(judge(&[put(None)]).violations.is_empty(), "it was never acknowledged");
        assert_eq!(judge(&[put(Some(1)), fetched(false)]).violations.len(), 1);
        assert_eq!(judge(&[put(Some(1))]).violations.len(), 1);

        let append = |to, value, offset| record(0, to, Done::Append { value, offset });
        let log = |records| record(9, Some(10), Done::Log { records });
        let acknowledged = || append(Some(1), 5, Some(0));
        assert!(
            judge(&[acknowledged(), append(None, 6, None), log(vec![(5, 0)])])
                .violations
                .is_empty()
        );
        for records in [vec![], vec![(5, 0), (5, 8)], vec![(5, 8)], vec![(5, 0), (9, 8)]] {
            let judged = judge(&[acknowledged(), log(records.clone())]);
            assert!(!judged.violations.is_empty(), "{records:?}");
        }
        assert_eq!(judge(&[acknowledged()]).violations.len(), 1, "the log was never read");
    }

    #[test]
    fn a_line_reads_back() {
        let record = record(1, None, Done::Append { value: 4, offset: None });
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), record);
    }
}
