//! The writes to one chunk: which of them does a read show?

use bytes::Bytes;
use std::collections::BTreeMap;

/// Bytes that are looked up at once.
const GRAM: u64 = 8;
/// A write is indexed wherever it covers a multiple of this.
const STEP: u64 = 1024;

/// A place in the chunk that is a multiple of the step, and what is there.
type Landmark = (u64, [u8; GRAM as usize]);

/// What clients wrote, or may have written, to one chunk.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// By the place where they begin.
    by_offset: BTreeMap<u64, Vec<Bytes>>,
    /// Writes that show a landmark, by where they begin and their number there.
    landmarks: BTreeMap<Landmark, Vec<(u64, usize)>>,
    longest: u64,
}

impl Writes {
    /// Adds one.
    pub fn push(&mut self, offset: u64, bytes: Bytes) {
        let here = self.by_offset.entry(offset).or_default();
        let (number, end) = (here.len(), offset + bytes.len() as u64);
        for at in (offset.next_multiple_of(STEP)..end).step_by(STEP as usize) {
            if let Some(gram) = bytes[(at - offset) as usize..].first_chunk() {
                self.landmarks.entry((at, *gram)).or_default().push((offset, number));
            }
        }
        self.longest = self.longest.max(bytes.len() as u64);
        here.push(bytes);
    }

    /// The longest piece of a write that begins here or before and fits, up to where another write
    /// begins: that one may have gone over it.
    #[must_use]
    pub fn longest_piece(&self, offset: u64, bytes: &[u8]) -> usize {
        let next = self.by_offset.range(offset + 1..).next().map_or(u64::MAX, |(at, _)| *at);
        let end = next.min(offset.saturating_add(bytes.len() as u64));
        let bytes = &bytes[..(end - offset) as usize];
        match self.look_up(offset, bytes) {
            0 => self.search(offset, bytes),
            found => found,
        }
    }

    /// Tries the writes that have the first landmark in common with these bytes. No other has more
    /// in common with them than those, if one of those fits.
    fn look_up(&self, offset: u64, bytes: &[u8]) -> usize {
        let landmark = offset.next_multiple_of(STEP);
        let there = bytes.get((landmark - offset) as usize..).and_then(<[u8]>::first_chunk);
        let Some(gram) = there else { return 0 };
        let places = self.landmarks.get(&(landmark, *gram)).into_iter().flatten();
        let before = places.filter(|(at, _)| *at <= offset);
        before
            .map(|(at, number)| piece(&self.by_offset[at][*number], offset - at, bytes))
            .max()
            .unwrap_or(0)
    }

    fn search(&self, offset: u64, bytes: &[u8]) -> usize {
        let near = self.by_offset.range(offset.saturating_sub(self.longest)..=offset);
        let pieces = near.flat_map(|(at, writes)| {
            writes.iter().map(move |write| piece(write, offset - at, bytes))
        });
        pieces.max().unwrap_or(0)
    }
}

/// How many of these bytes a write shows from one of its places on: as many as there are of both,
/// or none.
fn piece(write: &[u8], from: u64, bytes: &[u8]) -> usize {
    let Some(write) = write.get(from as usize..) else { return 0 };
    let upto = write.len().min(bytes.len());
    if write[..upto] == bytes[..upto] { upto } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::spread;

    #[test]
    fn the_index_finds_what_a_search_finds() {
        let mut state = 5;
        let mut dice = |sides: u64| {
            state = spread(state);
            state % sides
        };
        let mut writes = Writes::default();
        let mut shown: Vec<(u64, Vec<u8>)> = Vec::new();
        for _ in 0..300 {
            let (offset, length) = (dice(40) * 32, 1 + dice(500));
            let bytes: Vec<u8> = (0..length).map(|_| dice(2) as u8).collect();
            shown.push((offset, bytes.clone()));
            writes.push(offset, bytes.into());
        }
        let mut found = 0;
        for (at, bytes) in &shown {
            for from in [0, 1, 31, 32, 96, 200].into_iter().filter(|from| *from < bytes.len()) {
                let (offset, mut read) = (at + from as u64, bytes[from..].to_vec());
                read.extend([1; 40]);
                let next = writes.by_offset.range(offset + 1..).next().map(|(next, _)| *next);
                let upto = next.map_or(read.len(), |next| (next - offset) as usize);
                let searched = writes.search(offset, &read[..upto.min(read.len())]);
                assert_eq!(writes.longest_piece(offset, &read), searched, "{offset}");
                found += usize::from(searched > 0);
            }
        }
        assert!(found > 1_000, "{found}");
    }
}
