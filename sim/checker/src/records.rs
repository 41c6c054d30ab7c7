//! The records that clients appended to one file: which of them begins, or continues, somewhere?

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Self-describing records differ in their first bytes.
const HEAD: usize = 28;
/// Bytes that are looked up at once.
const GRAM: usize = 8;
/// A record is indexed at every so many of its bytes.
const STEP: usize = 64;
/// Where a record and a read have this many bytes in common, an indexed place is among them.
const FOUND_BY_INDEX: usize = STEP - 1 + GRAM;

/// Where a gram is: the record's number and the place in it.
type Place = (usize, usize);

/// The records of one file. The place of each is the primary's choice, so it is found by its bytes.
#[derive(Clone, Debug, Default)]
pub struct Records {
    all: Vec<Bytes>,
    by_head: BTreeMap<[u8; HEAD], Vec<usize>>,
    /// Records shorter than a head.
    short: Vec<usize>,
    grams: BTreeMap<[u8; GRAM], Vec<Place>>,
}

impl Records {
    /// Adds one.
    pub fn push(&mut self, record: Bytes) {
        let number = self.all.len();
        match record.first_chunk::<HEAD>() {
            Some(head) => self.by_head.entry(*head).or_default().push(number),
            None => self.short.push(number),
        }
        for at in (0..record.len()).step_by(STEP) {
            if let Some(gram) = record[at..].first_chunk::<GRAM>() {
                self.grams.entry(*gram).or_default().push((number, at));
            }
        }
        self.all.push(record);
    }

    /// The length of the record that begins here, as far as the read goes.
    #[must_use]
    pub fn beginning(&self, bytes: &[u8]) -> usize {
        let fits = |number: &usize| fits(&self.all[*number], bytes);
        let long = match bytes.first_chunk::<HEAD>() {
            Some(head) => self.by_head.get(head).into_iter().flatten().map(fits).max(),
            None => self.by_head.values().flatten().map(fits).max(),
        };
        long.into_iter().chain(self.short.iter().map(fits)).max().unwrap_or(0)
    }

    /// The lengths, shortest first, with which some record may end (or continue) here, having begun
    /// before.
    #[must_use]
    pub fn tails(&self, bytes: &[u8]) -> Vec<usize> {
        let mut lengths = BTreeSet::new();
        if bytes.len() < FOUND_BY_INDEX {
            self.search_tails(bytes, usize::MAX, &mut lengths);
        } else {
            self.look_up_tails(bytes, &mut lengths);
            // Whatever has fewer bytes in common than the index needs is the end of a record.
            self.search_tails(bytes, FOUND_BY_INDEX - 1, &mut lengths);
        }
        lengths.into_iter().collect()
    }

    /// Tries the records that have a gram in common with the beginning of these bytes.
    fn look_up_tails(&self, bytes: &[u8], lengths: &mut BTreeSet<usize>) {
        for (at, gram) in bytes.windows(GRAM).take(STEP).enumerate() {
            let places = self.grams.get(gram).into_iter().flatten();
            for (number, place) in places.filter(|(_, place)| *place > at) {
                let fitting = fits(&self.all[*number][place - at..], bytes);
                lengths.extend((fitting > 0).then_some(fitting));
            }
        }
    }

    /// Tries the last so many bytes of every record.
    fn search_tails(&self, bytes: &[u8], last: usize, lengths: &mut BTreeSet<usize>) {
        let Some(first) = bytes.first() else { return };
        for record in &self.all {
            let from = record.len().saturating_sub(last).max(1);
            let starts = (from..record.len()).filter(|at| record[*at] == *first);
            lengths.extend(starts.map(|at| fits(&record[at..], bytes)).filter(|n| *n > 0));
        }
    }
}

/// How many bytes of `record` are shown: all that are there of both, or none.
fn fits(record: &[u8], bytes: &[u8]) -> usize {
    let upto = record.len().min(bytes.len());
    if record[..upto] == bytes[..upto] { upto } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::spread;

    /// Bytes that repeat themselves often enough to fit in several places.
    fn bytes(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = spread(state);
            (state % 3) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn the_index_finds_what_a_search_finds() {
        let mut records = Records::default();
        for number in 0..60 {
            records.push(bytes(number, 1 + (number as usize * 37) % 900).into());
        }
        let mut found = 0;
        for number in 0..60_usize {
            let record = records.all[number].clone();
            for from in [1, 7, 63, 64, 65, 200, 850].into_iter().filter(|f| *f < record.len()) {
                let read = [&record[from..], &records.all[(number + 1) % 60]].concat();
                for length in [1, 5, 70, 71, 72, 400, read.len()] {
                    let read = &read[..length.min(read.len())];
                    let mut searched = BTreeSet::new();
                    records.search_tails(read, usize::MAX, &mut searched);
                    let searched: Vec<usize> = searched.into_iter().collect();
                    assert_eq!(records.tails(read), searched, "{number} from {from}");
                    found += searched.len();
                }
            }
        }
        assert!(found > 1_000, "{found}");
    }

    #[test]
    fn a_record_is_known_by_its_beginning() {
        let mut records = Records::default();
        records.push(bytes(1, 100).into());
        records.push(bytes(2, 9).into());
        let read = [bytes(1, 100), bytes(7, 5)].concat();
        assert_eq!(records.beginning(&read), 100);
        assert_eq!(records.beginning(&read[..40]), 40);
        assert_eq!(records.beginning(&[bytes(2, 9), vec![9; 50]].concat()), 9);
        assert_eq!(records.beginning(&[9; 50]), 0);
    }
}
