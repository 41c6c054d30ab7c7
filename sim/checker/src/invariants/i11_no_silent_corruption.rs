//! I11: every byte that a read returns was written there by somebody.

use crate::history::{Call, Ending, History, Operated};
use crate::records::Records;
use crate::violation::{Invariant, Violation};
use crate::writes::Writes;
use bytes::Bytes;
use leasehold_proto::FileId;
use std::collections::BTreeMap;

/// I11.
pub const INVARIANT: Invariant = Invariant {
    id: "I11",
    name: "no silent corruption",
    sentence: "no read returns bytes that no client ever wrote there (zeros of holes aside)",
    source: "GFS §5.2; Bairavasundaram et al. 2008",
};

/// Writes that were invoked, by file, chunk and offset; and records, by file: the place of one is
/// the primary's choice, and a relaxed read may show one where it did not remain.
#[derive(Clone, Debug, Default)]
pub struct NoSilentCorruption {
    writes: BTreeMap<(FileId, u64), Writes>,
    records: BTreeMap<FileId, Records>,
}

impl NoSilentCorruption {
    /// Takes in what a client begins.
    pub fn invoked(&mut self, operated: &Operated) {
        let bytes = operated.bytes.clone();
        match &operated.call {
            Call::Write { file, index, extent, .. } => {
                self.writes.entry((*file, *index)).or_default().push(extent.offset, bytes);
            }
            Call::Append { file, .. } => self.records.entry(*file).or_default().push(bytes),
            // What was written across the cut may be shown up to it.
            Call::Cut { file, index, length, .. } => {
                let writes = self.writes.entry((*file, *index)).or_default();
                writes.push(*length, Bytes::new());
            }
            Call::Read { .. }
            | Call::Retire { .. }
            | Call::Lock { .. }
            | Call::Conflict { .. }
            | Call::Change { .. }
            | Call::Query { .. } => {}
        }
    }

    /// Judges what a client was told, at `history.operations()[at]`; true if that was a read.
    pub fn returned(&mut self, history: &History, at: usize) -> Result<bool, Violation> {
        let operated = &history.operations()[at];
        let Call::Read { file, index, mode, .. } = operated.call else { return Ok(false) };
        let Ending::Done { extent, .. } = operated.ending else { return Ok(false) };
        let bytes = &operated.bytes[..];
        let Err((offset, byte)) = self.explained(file, index, extent.offset, bytes) else {
            return Ok(true);
        };
        let detail = format!(
            "{file}, chunk {index}: the {mode:?} read of {extent:?} by {} shows {byte:#04x} at \
             {offset}, which nobody wrote there",
            operated.client
        );
        Err(INVARIANT.broken(operated.returned_ns.unwrap_or_default(), detail))
    }

    /// Is every byte somebody's? If not, the first that is nobody's, and where it is.
    ///
    /// A read may begin inside a record, whose end may look like the zeros of a hole. Several
    /// records can end in the same bytes, so each length that fits is tried, as long as the rest
    /// can be explained after it.
    fn explained(
        &self,
        file: FileId,
        index: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), (u64, u8)> {
        let nobodys = match self.explained_whole(file, index, offset, bytes) {
            Ok(()) => return Ok(()),
            Err(nobodys) => nobodys,
        };
        let fits = |tail: usize| {
            let rest = self.explained_whole(file, index, offset + tail as u64, &bytes[tail..]);
            rest.is_ok()
        };
        let tails = self.records.get(&file).map(|records| records.tails(bytes)).unwrap_or_default();
        if tails.into_iter().rev().any(fits) { Ok(()) } else { Err(nobodys) }
    }

    /// The same of bytes that begin where a write, a record or a hole does.
    fn explained_whole(
        &self,
        file: FileId,
        index: u64,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), (u64, u8)> {
        let (mut rest, mut at) = (bytes, offset);
        while let Some(&byte) = rest.first() {
            let known = self.known(file, index, at, rest);
            if known == 0 {
                return Err((at, byte));
            }
            rest = &rest[known..];
            at += known as u64;
        }
        Ok(())
    }

    /// How many of these bytes come from one writer, or are zeros of a hole.
    fn known(&self, file: FileId, index: u64, offset: u64, bytes: &[u8]) -> usize {
        let writes = self.writes.get(&(file, index));
        let written = writes.map_or(0, |writes| writes.longest_piece(offset, bytes));
        let recorded = || self.records.get(&file).map_or(0, |records| records.beginning(bytes));
        let known = if written == 0 { recorded() } else { written };
        match known {
            0 => bytes.iter().take_while(|byte| **byte == 0).count(),
            known => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    #[test]
    fn what_was_written_there_is_legal() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.invoke_write(2, 30, 128, &cell(2));
        run.append(3, (40, 50), None, &cell(3));
        let bytes = [cell(1), vec![0; 64], cell(2), cell(3)].concat();
        run.relaxed_read(4, (60, 70), 0, &bytes).unwrap();
        run.relaxed_read(5, (60, 70), 32, &bytes[32..160]).unwrap();
        run.relaxed_read(6, (60, 70), 200, &bytes[200..]).unwrap();
    }

    #[test]
    fn a_tail_that_several_records_share_is_explained_by_the_one_that_fits() {
        let mut run = Run::new();
        let mut ends_like_a_head = cell(4);
        ends_like_a_head[63] = cell(5)[0];
        ends_like_a_head[62] = cell(3)[63];
        run.append(1, (10, 20), None, &cell(3));
        run.append(2, (10, 20), None, &ends_like_a_head);
        run.append(3, (10, 20), None, &cell(5));
        let bytes = [&cell(3)[63..], &cell(5)[..]].concat();
        run.relaxed_read(4, (30, 40), 63, &bytes).unwrap();
    }

    #[test]
    fn a_tail_may_begin_with_zeros() {
        let mut run = Run::new();
        let mut record = cell(3);
        record[40..43].fill(0);
        run.append(1, (10, 20), None, &record);
        run.relaxed_read(2, (30, 40), 40, &record[40..]).unwrap();
    }

    #[test]
    fn anything_else_is_found() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.write(2, (10, 20), 64, &cell(2));
        let mut torn = cell(1);
        torn[63] ^= 1;
        assert_eq!(run.relaxed_read(3, (30, 40), 0, &torn).unwrap_err().invariant, "I11");
        let misdirected = run.relaxed_read(4, (30, 40), 0, &cell(2));
        assert_eq!(misdirected.unwrap_err().invariant, "I11");
        let unwritten = run.relaxed_read(5, (30, 40), 0, &cell(9));
        assert_eq!(unwritten.unwrap_err().invariant, "I11");
    }

    #[test]
    fn what_was_written_to_another_chunk_is_found() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.write_to(1, 2, (10, 20), &cell(2));
        run.relaxed_read(3, (30, 40), 0, &cell(1)).unwrap();
        let other = run.clone().relaxed_read(4, (30, 40), 0, &cell(2));
        assert_eq!(other.unwrap_err().invariant, "I11");
        assert_eq!(run.read(5, (30, 40), 0, &cell(2)).unwrap_err().invariant, "I11");
    }

    #[test]
    fn a_write_over_half_of_another_leaves_its_other_half() {
        let mut run = Run::new();
        run.write(1, (10, 20), 0, &cell(1));
        run.write(2, (30, 40), 32, &cell(2));
        let bytes = [&cell(1)[..32], &cell(2)[..]].concat();
        run.read(3, (50, 60), 0, &bytes).unwrap();
        run.finish().unwrap();
    }
}
