//! Each sentence is shown to hold for a legal history and to be broken by an illegal one.

use super::*;

const CELL: Cell = Cell { file: 1, offset: 0 };

fn author(number: u64) -> Author {
    Author { client: 1, number }
}

/// Writes numbered from 1, each with its time of invocation and, if acknowledged, of return.
fn ledger(writes: &[(u64, Option<u64>)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (index, (invoked, returned)) in writes.iter().enumerate() {
        let author = author(index as u64 + 1);
        ledger.write_invoked(CELL, author, *invoked);
        if let Some(returned) = returned {
            ledger.write_returned(CELL, author, Ending::Acknowledged, *returned);
        }
    }
    ledger
}

fn read(writes: &[(u64, Option<u64>)], shown: u64, at: (u64, u64)) -> Option<&'static str> {
    let bytes = if shown == 0 { vec![0; 64] } else { author(shown).write(64).to_vec() };
    ledger(writes).read_cell(CELL, &bytes, Some(at)).err().map(|wrong| wrong.invariant)
}

#[test]
fn a_strong_read_shows_a_write_that_may_be_the_last() {
    let sequential = [(1, Some(2)), (3, Some(4))];
    assert_eq!(read(&sequential, 2, (5, 6)), None);
    assert_eq!(read(&sequential, 1, (5, 6)), Some("I6"), "stale");
    assert_eq!(read(&sequential, 0, (5, 6)), Some("I6"), "lost");
    assert_eq!(read(&sequential, 1, (3, 6)), None, "the second was under way");
    assert_eq!(read(&sequential, 0, (1, 6)), None, "both were");
    let concurrent = [(1, Some(5)), (2, Some(4))];
    assert_eq!(read(&concurrent, 1, (6, 7)), None, "either may be last");
    assert_eq!(read(&concurrent, 2, (6, 7)), None);
    let open = [(1, Some(2)), (3, None)];
    assert_eq!(read(&open, 1, (9, 10)), None, "an unknown one may never take effect");
    assert_eq!(read(&open, 2, (9, 10)), None, "or it may");
    assert_eq!(read(&sequential, 2, (1, 2)), Some("I6"), "from the future");
}

#[test]
fn bytes_that_nobody_wrote_are_corruption() {
    assert_eq!(read(&[(1, Some(2))], 7, (3, 4)), Some("I11"));
    let torn = ledger(&[(1, Some(2))]).read_cell(CELL, &[9; 64], None);
    assert_eq!(torn.unwrap_err().invariant, "I11");
    let mut refused = ledger(&[(1, None)]);
    refused.write_returned(CELL, author(1), Ending::Refused, 2);
    let shown = refused.read_cell(CELL, &author(1).write(64), None);
    assert_eq!(shown.unwrap_err().invariant, "I11", "a refused write has no effect");
}

/// A cell has its place in the file, so the bytes of another chunk are nobody's here.
#[test]
fn the_bytes_of_another_chunk_are_corruption() {
    let mut ledger = ledger(&[(1, Some(2))]);
    let second = Cell { file: 1, offset: 64 << 20 };
    ledger.write_invoked(second, author(2), 1);
    ledger.write_returned(second, author(2), Ending::Acknowledged, 2);
    for strong in [None, Some((3, 4))] {
        let moved = ledger.read_cell(CELL, &author(2).write(64), strong);
        assert_eq!(moved.unwrap_err().invariant, "I11");
        assert!(ledger.read_cell(second, &author(2).write(64), strong).is_ok());
    }
}

#[test]
fn what_was_acknowledged_is_read_back() {
    let mut ledger = ledger(&[(1, Some(2)), (3, Some(4))]);
    assert!(ledger.read_back_cells(1, &author(2).write(64), 64).is_ok());
    let lost = ledger.read_back_cells(1, &author(1).write(64), 64);
    assert_eq!(lost.unwrap_err().invariant, "I4");
    let short = ledger.read_back_cells(1, &[], 64);
    assert_eq!(short.unwrap_err().invariant, "I4");
}

fn appended(file: &[u64], endings: &[(Ending, Option<u64>)]) -> Option<&'static str> {
    let mut ledger = Ledger::default();
    for (index, (ending, at)) in endings.iter().enumerate() {
        ledger.append_invoked(9, author(index as u64 + 1), 64);
        ledger.append_returned(author(index as u64 + 1), *ending, *at);
    }
    let bytes: Vec<u8> = file
        .iter()
        .flat_map(|number| match number {
            0 => vec![0; 64],
            number => author(*number).write(64).to_vec(),
        })
        .collect();
    ledger.read_back_records(9, &bytes).err().map(|wrong| wrong.invariant)
}

#[test]
fn records_stand_exactly_once() {
    use Ending::{Acknowledged, Refused, Unknown};
    let two = [(Acknowledged, Some(0)), (Acknowledged, Some(128))];
    assert_eq!(appended(&[1, 0, 2], &two), None);
    assert_eq!(appended(&[1], &two), Some("I4"), "lost");
    assert_eq!(appended(&[1, 2, 0], &two), Some("I8"), "elsewhere");
    assert_eq!(appended(&[1, 1, 2], &two), Some("I8"), "twice");
    assert_eq!(appended(&[1, 3, 2], &two), Some("I11"), "nobody's");
    assert_eq!(appended(&[1], &[(Unknown, None)]), None);
    assert_eq!(appended(&[], &[(Unknown, None)]), None);
    assert_eq!(appended(&[1, 1], &[(Unknown, None)]), Some("I8"));
    assert_eq!(appended(&[1], &[(Refused, None)]), Some("I8"));
}

#[test]
fn a_torn_record_is_corruption() {
    let mut ledger = Ledger::default();
    ledger.append_invoked(9, author(1), 64);
    let mut bytes = author(1).write(64).to_vec();
    bytes[40] ^= 1;
    assert_eq!(ledger.read_back_records(9, &bytes).unwrap_err().invariant, "I11");
}
