//! What is known already: a row for every layer that judged a mutant.

use crate::layer::{Layer, Outcome, Verdict};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

/// Of what a layer said, so much is kept.
const SAYS_CHARS_MAX: usize = 300;

/// What makes two verdicts the same: the second need not be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Of the tree without the patch.
    pub tree: String,
    /// The mutant's name.
    pub mutant: String,
    /// Of the patch.
    pub patch: String,
    /// Who was asked.
    pub layer: Layer,
    /// For which time, from 0.
    pub repetition: u64,
}

/// A verdict and what it cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are those of the columns
pub struct Row {
    pub tree: String,
    pub mutant: String,
    pub patch: String,
    pub layer: Layer,
    pub repetition: u64,
    pub outcome: Outcome,
    pub by: String,
    pub tried: u64,
    pub cpu_s: f64,
    pub build_cpu_s: f64,
    pub wall_s: f64,
    pub says: String,
}

impl Row {
    /// Of a verdict.
    pub fn new(key: Key, verdict: Verdict, cpu_s: f64, build_cpu_s: f64, wall_s: f64) -> Self {
        let Key { tree, mutant, patch, layer, repetition } = key;
        let Verdict { outcome, by, says, tried } = verdict;
        let says = says.chars().take(SAYS_CHARS_MAX).collect();
        let hundredths = |seconds: f64| (seconds * 100.0).round() / 100.0;
        let (cpu_s, build_cpu_s) = (hundredths(cpu_s), hundredths(build_cpu_s));
        let wall_s = hundredths(wall_s);
        Row {
            tree,
            mutant,
            patch,
            layer,
            repetition,
            outcome,
            by,
            tried,
            cpu_s,
            build_cpu_s,
            wall_s,
            says,
        }
    }

    fn is(&self, key: &Key) -> bool {
        (&self.tree, &self.mutant, &self.patch) == (&key.tree, &key.mutant, &key.patch)
            && (self.layer, self.repetition) == (key.layer, key.repetition)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { mutant, layer, by, tried, cpu_s, says, .. } = self;
        match self.outcome {
            Outcome::Killed => {
                write!(f, "{mutant}: {layer} kills it by {by} after {tried}, {cpu_s} s: {says}")
            }
            Outcome::Survived => write!(f, "{mutant}: {layer} sees nothing in {tried}, {cpu_s} s"),
            Outcome::OutOfTime => {
                write!(f, "{mutant}: {layer} sees nothing until its time is up, {cpu_s} s")
            }
        }
    }
}

/// The file.
pub struct Ledger {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Ledger {
    /// Reads what is there, or begins anew.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let mut rows = Vec::new();
        if path.exists() {
            let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
            for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
                rows.push(row.with_context(|| path.display().to_string())?);
            }
        }
        Ok(Ledger { path: path.to_owned(), rows })
    }

    /// The verdict that is known.
    pub fn find(&self, key: &Key) -> Option<&Row> {
        self.rows.iter().find(|row| row.is(key))
    }

    /// The last verdict on this patch, whatever the rest of the tree was.
    pub fn find_in_any_tree(&self, key: &Key) -> Option<&Row> {
        self.rows.iter().rev().find(|row| row.is(&Key { tree: row.tree.clone(), ..key.clone() }))
    }

    /// Adds one: it is in the file when this returns.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        let begins = !self.path.exists();
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path)?;
        let mut writer = csv::WriterBuilder::new().has_headers(begins).from_writer(file);
        writer.serialize(row)?;
        writer.flush()?;
        self.rows.push(row.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(mutant: &str, patch: &str) -> Key {
        let (tree, mutant, patch) = ("t".to_owned(), mutant.to_owned(), patch.to_owned());
        Key { tree, mutant, patch, layer: Layer::Walk, repetition: 0 }
    }

    #[test]
    fn what_was_judged_is_known_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out/mutants.csv");
        let says = "seed 3: I3, \"quoted\"\nand a second line".to_owned();
        let verdict = Verdict { outcome: Outcome::Killed, by: "I3".to_owned(), says, tried: 3 };
        let mut ledger = Ledger::open(&path).unwrap();
        let one = Row::new(key("a", "1"), verdict.clone(), 1.234, 5.0, 9.0);
        let two = Row::new(key("b", "1"), verdict, 0.5, 0.0, 0.5);
        ledger.append(&one).unwrap();
        ledger.append(&two).unwrap();
        let again = Ledger::open(&path).unwrap();
        assert_eq!(again.find(&key("a", "1")), Some(&one));
        assert_eq!(again.find(&key("b", "1")).map(|row| row.cpu_s), Some(0.5));
        assert_eq!(again.find(&key("a", "2")), None, "another patch is another mutant");
        let elsewhere = Key { tree: "u".to_owned(), ..key("a", "1") };
        assert_eq!(again.find(&elsewhere), None);
        assert_eq!(again.find_in_any_tree(&elsewhere), Some(&one));
    }
}
