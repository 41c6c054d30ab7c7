//! What the clients of a run requested and were told, and whether what they read fits that.
//!
//! This judges from outside: it knows no version, no sequence and no member, only operations with
//! the true times at which they were invoked and answered. A read must show a write that could be
//! the last one before it; a record acknowledged occurs once, any other at most once.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use leasehold_checker::violation::seconds;
use leasehold_checker::{Contents, Violation};
use std::collections::BTreeMap;

/// Who wrote something: a client, and the number of its operation. No two operations of a run
/// have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Author {
    /// The client's number.
    pub client: u64,
    /// Counted from 1 by the client.
    pub number: u64,
}

impl Author {
    /// What this author writes, `length` bytes of it: 28 at the least.
    #[must_use]
    pub fn write(self, length: usize) -> Bytes {
        Contents::make(self.client, self.number, length)
    }

    /// The author of the contents that begin here, and their length, if they are whole.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Author, usize)> {
        let Contents { client, number, length } = Contents::parse(bytes)?;
        Some((Author { client, number }, length))
    }
}

/// How an operation ended, as far as its client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It took effect.
    Acknowledged,
    /// It did not, and never will.
    Refused,
    /// Nobody knows.
    Unknown,
}

/// A cell of a file: whole cells are written, so that each is a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Number of the file in the workload.
    pub file: u64,
    /// First byte, in the file.
    pub offset: u64,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    author: Author,
    invoked_ns: u64,
    /// With an end, its effect lies between the two times.
    returned_ns: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    file: u64,
    len: usize,
    /// Where it was acknowledged, in the file.
    at: Option<u64>,
    ending: Option<Ending>,
}

/// What is wrong, by the invariant that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// As DESIGN.md numbers it.
    pub invariant: &'static str,
    /// Its sentence.
    pub sentence: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Wrong {
    /// The violation that it is, found at a time.
    #[must_use]
    pub fn at(self, true_ns: u64) -> Violation {
        let Wrong { invariant, sentence, detail } = self;
        let name = leasehold_checker::invariants::invariant(invariant).map_or("", |i| i.name);
        Violation { invariant, name, sentence, true_ns, detail }
    }
}

impl From<Violation> for Wrong {
    fn from(violation: Violation) -> Self {
        let Violation { invariant, sentence, detail, .. } = violation;
        Wrong { invariant, sentence, detail }
    }
}

/// I4's sentence.
pub const DURABILITY: &str = "acknowledged bytes are read back after faults end";
/// I6's sentence.
pub const STRONG_READS: &str = "a strong read shows the last write before it";
/// I8's sentence.
pub const EXACTLY_ONCE: &str =
    "every append acknowledged once stands once; one never acknowledged stands at most once";
/// I11's sentence.
pub const NO_CORRUPTION: &str = "no read returns bytes that no client ever wrote there";

/// The ledger of one run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    writes: BTreeMap<Cell, Vec<Write>>,
    records: BTreeMap<Author, Record>,
    reads_judged: u64,
}

impl Ledger {
    /// A client begins to write a cell.
    pub fn write_invoked(&mut self, cell: Cell, author: Author, now_ns: u64) {
        let write = Write { author, invoked_ns: now_ns, returned_ns: None };
        self.writes.entry(cell).or_default().push(write);
    }

    /// ... and is told how that ended.
    pub fn write_returned(&mut self, cell: Cell, author: Author, ending: Ending, now_ns: u64) {
        let writes = self.writes.entry(cell).or_default();
        match ending {
            Ending::Refused => writes.retain(|write| write.author != author),
            Ending::Unknown => {}
            Ending::Acknowledged => {
                let written = writes.iter_mut().find(|write| write.author == author);
                written.expect("what returns was invoked").returned_ns = Some(now_ns);
            }
        }
    }

    /// A client begins to append a record.
    pub fn append_invoked(&mut self, file: u64, author: Author, len: usize) {
        self.records.insert(author, Record { file, len, at: None, ending: None });
    }

    /// ... and is told where it is, if it does.
    pub fn append_returned(&mut self, author: Author, ending: Ending, at: Option<u64>) {
        let record = self.records.get_mut(&author).expect("what returns was invoked");
        (record.ending, record.at) = (Some(ending), at);
    }

    /// How many reads of a cell or a record were judged.
    #[must_use]
    pub fn reads_judged(&self) -> u64 {
        self.reads_judged
    }

    /// Records acknowledged before now, with their places: something to read back.
    pub fn acknowledged(&self, file: u64) -> impl Iterator<Item = (Author, u64, usize)> {
        let records = self.records.iter().filter(move |(_, record)| record.file == file);
        records.filter_map(|(author, record)| Some((*author, record.at?, record.len)))
    }

    /// Judges what a read of one whole cell gave; missing bytes are beyond the end of the file.
    /// A strong read is judged by the times at which it was invoked and returned.
    pub fn read_cell(
        &mut self,
        cell: Cell,
        bytes: &[u8],
        strong: Option<(u64, u64)>,
    ) -> Result<(), Wrong> {
        self.reads_judged += 1;
        let author = match author_of(bytes) {
            Ok(author) => author,
            Err(detail) => return wrong("I11", NO_CORRUPTION, format!("{cell:?}: {detail}")),
        };
        let writes = self.writes.get(&cell).map_or(&[][..], Vec::as_slice);
        let shown = writes.iter().find(|write| Some(write.author) == author);
        if let (Some(author), None) = (author, shown) {
            let detail = format!("{cell:?} holds {author:?}, who never wrote there");
            return wrong("I11", NO_CORRUPTION, detail);
        }
        let Some((invoked_ns, returned_ns)) = strong else { return Ok(()) };
        if let Some(shown) = shown.filter(|shown| shown.invoked_ns > returned_ns) {
            let detail = format!("{cell:?} shows {shown:?}, after a read that ended before");
            return wrong("I6", STRONG_READS, detail);
        }
        // Overwritten: another write began after the shown one was over, and was itself over
        // before the read began. An unknown end never excludes anything.
        let over = match shown {
            None => 0,
            Some(Write { returned_ns: Some(over), .. }) => *over,
            Some(Write { returned_ns: None, .. }) => return Ok(()),
        };
        let newer = writes.iter().find(|newer| {
            newer.returned_ns.is_some_and(|end| end < invoked_ns) && newer.invoked_ns >= over
        });
        let Some(newer) = newer.filter(|newer| Some(newer.author) != author) else { return Ok(()) };
        let invoked = seconds(invoked_ns);
        let detail = format!("{cell:?} shows {shown:?} after {newer:?}, read at {invoked}");
        wrong("I6", STRONG_READS, detail)
    }

    /// Judges what a strong read gave at the place of a record that was acknowledged before.
    pub fn read_record(&mut self, author: Author, bytes: &[u8]) -> Result<(), Wrong> {
        self.reads_judged += 1;
        match Author::read(bytes) {
            Some((found, len)) if found == author && len == bytes.len() => Ok(()),
            found => {
                let detail = format!("in the place of the record of {author:?} is {found:?}");
                wrong("I6", "a strong read shows every record acknowledged before it", detail)
            }
        }
    }

    /// Judges all bytes of a file of cells after faults ended.
    pub fn read_back_cells(
        &mut self,
        file: u64,
        bytes: &[u8],
        cell_bytes: u64,
    ) -> Result<(), Wrong> {
        let cells: Vec<Cell> =
            self.writes.keys().filter(|cell| cell.file == file).copied().collect();
        for cell in cells {
            let start = (cell.offset as usize).min(bytes.len());
            let end = ((cell.offset + cell_bytes) as usize).min(bytes.len());
            self.read_cell(cell, &bytes[start..end], Some((u64::MAX, u64::MAX))).map_err(
                |wrong| match wrong.invariant {
                    "I6" => Wrong { invariant: "I4", sentence: DURABILITY, ..wrong },
                    _ => wrong,
                },
            )?;
        }
        Ok(())
    }

    /// Judges all bytes of a file of records after faults ended.
    pub fn read_back_records(&mut self, file: u64, bytes: &[u8]) -> Result<(), Wrong> {
        let found = scan(bytes).or_else(|at| {
            let detail = format!("file {file}, byte {at}: neither a whole record nor zero");
            wrong("I11", NO_CORRUPTION, detail)
        })?;
        let mut places: BTreeMap<Author, Vec<u64>> = BTreeMap::new();
        for (at, author) in found {
            places.entry(author).or_default().push(at as u64);
        }
        for (author, places) in &places {
            if self.records.get(author).is_none_or(|record| record.file != file) {
                let detail = format!("file {file} holds {author:?}, who never appended to it");
                return wrong("I11", NO_CORRUPTION, detail);
            }
            if places.len() > 1 {
                let detail = format!("file {file} holds the record of {author:?} at {places:?}");
                return wrong("I8", EXACTLY_ONCE, detail);
            }
        }
        for (author, at, _) in self.acknowledged(file) {
            let found = places.get(&author).map_or(&[][..], Vec::as_slice);
            if found != [at] {
                let detail = format!(
                    "file {file}: {author:?} was acknowledged at {at}, stands at {found:?}"
                );
                let found_none = found.is_empty();
                return if found_none {
                    wrong("I4", DURABILITY, detail)
                } else {
                    wrong("I8", EXACTLY_ONCE, detail)
                };
            }
        }
        self.refused_stand_nowhere(file, &places)
    }

    fn refused_stand_nowhere(
        &self,
        file: u64,
        places: &BTreeMap<Author, Vec<u64>>,
    ) -> Result<(), Wrong> {
        let mut refused = self.records.iter().filter(|(author, record)| {
            record.ending == Some(Ending::Refused) && places.contains_key(author)
        });
        match refused.next() {
            None => Ok(()),
            Some((author, _)) => {
                let detail =
                    format!("file {file} holds the record of {author:?}, refused for good");
                wrong("I8", EXACTLY_ONCE, detail)
            }
        }
    }
}

/// Every record in a stretch of bytes, with its place; an error is the first place that holds
/// neither a whole record nor a zero.
fn scan(bytes: &[u8]) -> Result<Vec<(usize, Author)>, usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == 0 {
            at += 1;
            continue;
        }
        let (author, length) = Author::read(&bytes[at..]).ok_or(at)?;
        found.push((at, author));
        at += length;
    }
    Ok(found)
}

/// Nobody, for zeros.
fn author_of(bytes: &[u8]) -> Result<Option<Author>, String> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    match Author::read(bytes) {
        Some((author, len)) if len == bytes.len() => Ok(Some(author)),
        Some((author, len)) => Err(format!("{len} bytes of {author:?}, {} read", bytes.len())),
        None => Err(format!("{} bytes that nobody wrote", bytes.len())),
    }
}

fn wrong<T>(invariant: &'static str, sentence: &'static str, detail: String) -> Result<T, Wrong> {
    Err(Wrong { invariant, sentence, detail })
}
