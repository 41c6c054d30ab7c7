//! The file that a sweep writes: a row for every run, appended as soon as the run is over.

use super::kinds;
use super::report::{Outcome, Report, histogram};
use crate::provenance::{Build, Provenance};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What makes two runs the same: they need not be done twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// A hash of the build's sources.
    pub sources: String,
    /// The scenario's values.
    pub config: String,
    /// The seed.
    pub seed: u64,
}

/// One run, as a line of CSV: all that a sweep adds up, so that one that is resumed tells the same.
/// Lists are `name=count`, separated by semicolons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are those of the columns
pub struct Row {
    /// For people: `sources` is what identifies a build.
    pub commit: String,
    pub sources: String,
    pub config: String,
    pub scenario: String,
    pub set: String,
    /// Rules of the protocol that were not in force.
    pub without: String,
    /// Constants of the protocol that the scenario, or its seed, sets.
    pub constants: String,
    pub seed: u64,
    pub outcome: String,
    pub invariant: String,
    pub virtual_s: f64,
    pub wall_s: f64,
    pub events: u64,
    pub operations: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
    /// Empty if the run did not converge.
    pub recovery_ms: Option<u64>,
    pub fingerprint: String,
    /// Run in a second process too, with the same fingerprint.
    pub twice: bool,
    pub faults: String,
    pub coverage: String,
    /// Pairs of what came while what was going on, by number.
    #[serde(default)]
    pub pairs: String,
    /// How the requests of the grammar ended.
    #[serde(default)]
    pub shares: String,
    /// What was wrong, or seen too little of, in words.
    pub why: String,
    /// How operations ended, by kind: `append acknowledged=7;append refused=1`.
    pub endings: String,
    /// What operations took in this run, by kind: `append mean=1;append p50=1`.
    pub kinds_us: String,
    /// By kind, microseconds and how many operations took so long: `append:96=1,104=2;read:8=1`. Of
    /// 32 values in a doubling; each stands for those up to the next.
    pub latencies_us: String,
    /// Which fault met which operation.
    pub matrix: String,
}

impl Row {
    /// The row of a run.
    #[must_use]
    pub fn new(from: &Provenance, config: &str, set: &str, report: &Report, twice: bool) -> Self {
        let seconds = |ns: u64| (ns / 1_000_000) as f64 / 1e3;
        let latencies = report.latencies();
        Row {
            commit: from.build.commit.clone(),
            sources: from.build.sources.clone(),
            config: config.to_owned(),
            scenario: from.scenario.clone(),
            set: set.to_owned(),
            without: from.rules_left_out.join(";"),
            constants: listed(&from.constants),
            seed: from.seed,
            outcome: report.outcome.name().to_owned(),
            invariant: report.invariant.clone().unwrap_or_default(),
            virtual_s: seconds(report.virtual_ns),
            wall_s: seconds(report.wall_ns),
            events: report.events,
            operations: report.operations,
            p50_us: latencies.value_at_quantile(0.5),
            p99_us: latencies.value_at_quantile(0.99),
            max_us: latencies.max(),
            recovery_ms: report.recovery_ms,
            fingerprint: report.fingerprint.clone(),
            twice,
            faults: listed(&report.faults),
            coverage: listed(&report.coverage),
            pairs: listed(&report.pairs),
            shares: listed(&report.shares),
            why: cut(&report.detail.lines().collect::<Vec<_>>().join("; ")),
            endings: listed(&report.endings),
            kinds_us: listed(&kinds::in_run(&report.latency_us)),
            latencies_us: kinds::text(&report.latency_us),
            matrix: listed(&report.matrix),
        }
    }

    /// What the run was.
    #[must_use]
    pub fn key(&self) -> Key {
        Key { sources: self.sources.clone(), config: self.config.clone(), seed: self.seed }
    }

    /// Which build made it.
    #[must_use]
    pub fn build(&self) -> Build {
        Build { commit: self.commit.clone(), sources: self.sources.clone() }
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        Outcome::named(&self.outcome)
    }

    /// The marks that it reached.
    #[must_use]
    pub fn marks(&self) -> BTreeMap<String, u64> {
        unlisted(&self.coverage)
    }

    /// The pairs that it met, by number.
    #[must_use]
    pub fn pairs(&self) -> BTreeMap<String, u64> {
        unlisted(&self.pairs)
    }

    /// How its requests of the grammar ended.
    #[must_use]
    pub fn shares(&self) -> BTreeMap<String, u64> {
        unlisted(&self.shares)
    }

    /// Latencies of its operations.
    #[must_use]
    pub fn latencies(&self) -> Histogram<u64> {
        histogram(self.by_kind().into_values().flatten())
    }

    /// Latencies of its operations by kind, as coarse as the table has them.
    #[must_use]
    pub fn by_kind(&self) -> BTreeMap<String, Vec<(u64, u64)>> {
        kinds::parse(&self.latencies_us)
    }

    /// What operations took in this run, by kind and figure: `append p99`.
    #[must_use]
    pub fn kinds(&self) -> BTreeMap<String, u64> {
        unlisted(&self.kinds_us)
    }

    /// How its operations ended, by kind and ending.
    #[must_use]
    pub fn ended(&self) -> BTreeMap<String, u64> {
        unlisted(&self.endings)
    }

    /// Which fault met which operation, with how often.
    #[must_use]
    pub fn met(&self) -> BTreeMap<String, u64> {
        unlisted(&self.matrix)
    }

    /// The faults that it had.
    #[must_use]
    pub fn fault_counts(&self) -> BTreeMap<String, u64> {
        unlisted(&self.faults)
    }
}

/// Characters of the text of one row.
const WHY_CHARS_MAX: usize = 500;

fn cut(text: &str) -> String {
    match text.char_indices().nth(WHY_CHARS_MAX) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

fn listed(counts: &BTreeMap<impl fmt::Display, impl fmt::Display>) -> String {
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
    words.join(";")
}

fn unlisted<N: FromStr + Ord>(text: &str) -> BTreeMap<N, u64> {
    let pairs = text.split(';').filter_map(|word| word.split_once('='));
    pairs.filter_map(|(name, count)| Some((name.parse().ok()?, count.parse().ok()?))).collect()
}

/// Why a table cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say it
pub enum TableError {
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "{path}: not a sweep's table of this version; name another file. Its first line should be\n{expected}"
    )]
    OtherHeader { path: PathBuf, expected: String },
    #[error("{path}: not a file: rows are appended to it, and read from it")]
    NotAFile { path: PathBuf },
    #[error("{path}:{line}: not a row: {error}")]
    BadRow { path: PathBuf, line: usize, error: csv::Error },
}

/// The rows of a file, which is left as it is. A last line that was cut short is none.
///
/// # Errors
/// If it cannot be read, or is not such a table.
pub fn read_rows(path: &Path) -> Result<Vec<Row>, TableError> {
    let failed = |error| TableError::Io { path: path.to_owned(), error };
    let mut text = fs::read_to_string(path).map_err(failed)?;
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    check_header(path, &text)?;
    read(path, &text)
}

/// Writes rows as a file of their own: completely, or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write_rows(path: &Path, rows: &[Row]) -> Result<(), TableError> {
    let failed = |error| TableError::Io { path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let part = path.with_extension("csv.part");
    let text = header() + &lines(rows, false);
    fs::write(&part, text).and_then(|()| fs::rename(&part, path)).map_err(failed)
}

fn check_header(path: &Path, text: &str) -> Result<(), TableError> {
    if text.lines().next() == Some(header().trim_end()) {
        return Ok(());
    }
    let expected = header().trim_end().to_owned();
    Err(TableError::OtherHeader { path: path.to_owned(), expected })
}

/// The file, open for appending.
pub struct Table {
    path: PathBuf,
    file: Box<dyn Write + Send>,
    rows: Vec<Row>,
}

impl Table {
    /// Opens a table, or begins one, and reads the rows that are there. A last line that was cut
    /// short, by the end of a process or of the disk, is taken away.
    ///
    /// # Errors
    /// If the file cannot be written, or is not such a table.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let failed = |error| TableError::Io { path: path.to_owned(), error };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(TableError::NotAFile { path: path.to_owned() });
        }
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(path).map_err(failed)?;
        let mut text = fs::read_to_string(path).map_err(failed)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            file.set_len(whole as u64).map_err(failed)?;
            text.truncate(whole);
        }
        if text.is_empty() {
            file.write_all(header().as_bytes()).map_err(failed)?;
        } else {
            check_header(path, &text)?;
        }
        let rows = read(path, &text)?;
        Ok(Table { path: path.to_owned(), file: Box::new(file), rows })
    }

    /// The runs that are there already.
    #[must_use]
    pub fn done(&self) -> BTreeSet<Key> {
        self.rows.iter().map(Row::key).collect()
    }

    /// All rows, in the order in which they came.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds a row: it is in the file when this returns, by one write, so that several processes
    /// may append to one file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn append(&mut self, row: Row) -> Result<(), TableError> {
        let line = lines(std::slice::from_ref(&row), false);
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|error| TableError::Io { path: self.path.clone(), error })?;
        self.rows.push(row);
        Ok(())
    }
}

fn read(path: &Path, text: &str) -> Result<Vec<Row>, TableError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.deserialize().enumerate();
    let bad = |(at, row): (usize, Result<Row, csv::Error>)| {
        row.map_err(|error| TableError::BadRow { path: path.to_owned(), line: at + 2, error })
    };
    rows.map(bad).collect()
}

fn header() -> String {
    let empty = Report::died(String::new());
    let with_row = lines(&[Row::new(&nothing(), "", "", &empty, false)], true);
    with_row.lines().next().map(|line| format!("{line}\n")).expect("a header comes first")
}

/// No build, no scenario.
fn nothing() -> Provenance {
    Provenance {
        build: Build { commit: String::new(), sources: String::new() },
        scenario: String::new(),
        seed: 0,
        rules_left_out: Vec::new(),
        constants: BTreeMap::new(),
    }
}

fn lines(rows: &[Row], header: bool) -> String {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).expect("a row is flat, and memory takes it");
    }
    let bytes = writer.into_inner().expect("memory takes it");
    String::from_utf8(bytes).expect("what was text is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seed: u64) -> Row {
        let from =
            Provenance { scenario: "scenarios/fast/default.toml".to_owned(), seed, ..nothing() };
        let mut report = Report::died("gone, with a \"quote\"\nand a line".to_owned());
        report.coverage = [("last-copy".to_owned(), 3), ("push-twice".to_owned(), 1)].into();
        report.latency_us.insert("read".to_owned(), vec![(1_000, 9)]);
        Row::new(&from, "def", "shape.clients=[1, 2]", &report, seed == 1)
    }

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("leasehold-table-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn rows_are_there_when_the_table_is_opened_again() {
        let path = scratch("again.csv");
        let mut table = Table::open(&path).unwrap();
        table.append(row(1)).unwrap();
        table.append(row(2)).unwrap();
        let again = Table::open(&path).unwrap();
        assert_eq!(again.rows(), [row(1), row(2)]);
        assert!(again.done().contains(&row(2).key()));
        assert!(!again.done().contains(&row(3).key()));
        assert_eq!(row(1).marks()["last-copy"], 3);
        assert_eq!(row(1).outcome(), Some(Outcome::Died));
        assert_eq!(again.rows()[0].why, "gone, with a \"quote\"; and a line");
        assert_eq!((row(1).latencies().len(), row(1).latencies().max()), (9, 992));
    }

    #[test]
    fn a_row_has_a_bound_whatever_the_run_was() {
        let mut report = Report::died("x".repeat(100_000));
        report.latency_us.insert("read".to_owned(), (1..20_000).map(|n| (n * 37, 1)).collect());
        let row = Row::new(&nothing(), "def", "", &report, false);
        let bytes = lines(std::slice::from_ref(&row), false).len();
        assert!(bytes < 8_000, "{bytes}");
        assert_eq!(row.latencies().len(), 19_999, "none is left out");
        assert!(row.latencies().max() >= 730_000);
    }

    #[test]
    fn what_is_no_file_is_no_table() {
        for path in ["/dev/full", "/dev/zero", "/tmp"] {
            let error = Table::open(Path::new(path)).err().unwrap().to_string();
            assert!(error.contains("not a file"), "{error}");
        }
    }

    #[test]
    fn a_line_that_was_cut_short_is_taken_away() {
        let path = scratch("short.csv");
        let mut table = Table::open(&path).unwrap();
        table.append(row(1)).unwrap();
        table.append(row(2)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        let mut again = Table::open(&path).unwrap();
        assert_eq!(again.rows(), [row(1)]);
        again.append(row(3)).unwrap();
        assert_eq!(Table::open(&path).unwrap().rows(), [row(1), row(3)]);
    }

    #[test]
    fn another_header_is_refused() {
        let path = scratch("other.csv");
        fs::write(&path, "a,b\n1,2\n").unwrap();
        let error = Table::open(&path).err().unwrap().to_string();
        assert!(error.contains("not a sweep's table"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a,b\n1,2\n", "nothing was changed");
    }
}
