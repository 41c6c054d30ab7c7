//! What is wrong with a scenario: in which file, on which line, of which key, with which value, and what
//! would be right.

use serde::Serialize;
use std::fmt;

/// Something that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ScenarioError {
    /// Which file, or the settings that were given beside it.
    pub file: String,
    /// Where, from 1; none of a value that is on no line.
    pub line: Option<usize>,
    /// Of which key, as `[section] key`; nothing if the text is no TOML.
    pub key: String,
    /// What it says, as the file has it.
    pub value: Option<String>,
    /// Why it is wrong, and what would be right.
    pub what: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        match (&self.value, self.key.is_empty()) {
            (_, true) => write!(f, " {}", self.what),
            (Some(value), _) => write!(f, " {} = {value}: {}", self.key, self.what),
            (None, _) => write!(f, " {}: {}", self.key, self.what),
        }
    }
}

/// The one of some names that was probably meant; nothing if none is like it.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = |known: &&str| distance(name, known);
    // Half of a name may be wrong: beyond that a suggestion only misleads.
    names.into_iter().min_by_key(far).filter(|known| far(known) * 2 <= name.len().max(known.len()))
}

/// Levenshtein's: letters to insert, remove or change.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
