//! What is wrong with a scenario, where, and what would be right.

/// A scenario that does not make a run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// A key that is none.
    #[error("{path}:{line}: unknown key `{key}`{}", suggestion(nearest))]
    UnknownKey {
        /// Which file.
        path: String,
        /// Where, from 1.
        line: usize,
        /// What it says.
        key: String,
        /// The nearest key that there is.
        nearest: Option<String>,
    },
    /// Not TOML, or a value of another kind.
    #[error("{path}:{line}: {what}")]
    Malformed {
        /// Which file.
        path: String,
        /// Where, from 1.
        line: usize,
        /// What does not fit.
        what: String,
    },
    /// Values that exclude each other.
    #[error("{path}: {what}")]
    Contradiction {
        /// Which file.
        path: String,
        /// Which, and what would be right.
        what: String,
    },
}

impl ScenarioError {
    /// Finds the line, and the key that was probably meant.
    pub(super) fn of_toml(path: &str, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        let (path, what) = (path.to_owned(), error.message().to_owned());
        // serde's words: "unknown field `a`, expected one of `b`, `c`".
        let mut quoted = what.split('`').skip(1).step_by(2).map(str::to_owned);
        match (what.starts_with("unknown field"), quoted.next()) {
            (true, Some(key)) => {
                let nearest = quoted.min_by_key(|candidate| distance(&key, candidate));
                ScenarioError::UnknownKey { path, line, key, nearest }
            }
            _ => ScenarioError::Malformed { path, line, what },
        }
    }
}

fn suggestion(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |key| format!("; did you mean `{key}`?"))
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
