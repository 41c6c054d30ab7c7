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
    #[error("{path}{}: {what}", at(line))]
    Contradiction {
        /// Which file.
        path: String,
        /// Where one of the keys is said, from 1, if any is.
        line: Option<usize>,
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
            _ => ScenarioError::Malformed { path, line, what: without_types(&what) },
        }
    }

    /// The same of a text that nobody wrote: its lines mean nothing to anybody.
    pub(super) fn without_line(self) -> Self {
        let (path, what) = match self {
            ScenarioError::UnknownKey { path, key, nearest, .. } => {
                (path, format!("unknown key `{key}`{}", suggestion(&nearest)))
            }
            ScenarioError::Malformed { path, what, .. }
            | ScenarioError::Contradiction { path, what, .. } => (path, what),
        };
        ScenarioError::Contradiction { path, line: None, what }
    }

    /// Finds the line of a key that is named: `[section] key ...`.
    pub(super) fn contradiction(path: &str, text: &str, what: String) -> Self {
        let named = what.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let wanted = named.map_or("", |(section, _)| section.trim_start_matches('['));
        let mut section = "";
        let line = text.lines().position(|line| {
            let line = line.trim();
            if line.starts_with('[') {
                section = line.trim_matches(['[', ']']);
                return section == wanted && what.starts_with(&format!("{line} has"));
            }
            let key = line.split(['=', '.']).next().unwrap_or_default().trim();
            let mut words = what.split(|c: char| !c.is_alphanumeric() && c != '_');
            !key.is_empty() && (section == wanted || wanted.is_empty()) && words.any(|w| w == key)
        });
        ScenarioError::Contradiction { path: path.to_owned(), line: line.map(|at| at + 1), what }
    }
}

/// serde names the type of this program that did not fit; a person knows none of them.
fn without_types(what: &str) -> String {
    let Some((said, kind)) = what.rsplit_once("expected ") else { return what.to_owned() };
    let kind = match kind {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0",
        "f64" => "a number",
        structure if structure.starts_with("struct ") => "a section, such as [shape]",
        other => other,
    };
    format!("{said}expected {kind}")
}

fn at(line: &Option<usize>) -> String {
    line.map_or(String::new(), |line| format!(":{line}"))
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
