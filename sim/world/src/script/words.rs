//! A command line cut into words, and the kinds of words that there are.

use crate::names;
use leasehold_proto::{ChunkHandle, NodeId};
use std::fmt;
use std::time::Duration;

/// A script that cannot be run: which line, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ScriptError {}

/// What is wrong with a line.
pub(super) type Wrong = String;

/// The words of one line, taken from the front.
#[derive(Debug)]
pub(super) struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub fn new(line: &'a str) -> Self {
        Words { rest: line.trim() }
    }

    /// The next word; a quoted string is one, quotes included.
    pub fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest;
        if rest.is_empty() {
            return None;
        }
        let mut quoted = false;
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                quoted ^= *c == '"';
                c.is_whitespace() && !quoted
            })
            .map_or(rest.len(), |(at, _)| at);
        self.rest = rest[end..].trim_start();
        Some(&rest[..end])
    }

    pub fn expect(&mut self, what: &str) -> Result<&'a str, Wrong> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    pub fn node(&mut self) -> Result<NodeId, Wrong> {
        node(self.expect("a node")?)
    }

    pub fn end(&mut self) -> Result<(), Wrong> {
        self.next().map_or(Ok(()), |word| Err(format!("`{word}` is one word too many")))
    }
}

pub(super) fn node(word: &str) -> Result<NodeId, Wrong> {
    names::parse(word).ok_or_else(|| format!("`{word}` is no node: m, n1, n2, a, b, ..."))
}

pub(super) fn link(word: &str) -> Result<(NodeId, NodeId), Wrong> {
    let (from, to) = word.split_once("->").ok_or_else(|| format!("`{word}` is no link: m->n1"))?;
    Ok((node(from)?, node(to)?))
}

pub(super) fn number(word: &str) -> Result<u64, Wrong> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

pub(super) fn chunk(word: &str) -> Result<ChunkHandle, Wrong> {
    let digits = word.strip_prefix('c').unwrap_or("");
    digits.parse().map(ChunkHandle).map_err(|_| format!("`{word}` is no chunk: c1"))
}

/// `250ms`, `10s`, `2m`, `1h`.
pub(super) fn span(word: &str) -> Result<Duration, Wrong> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let wrong = || format!("`{word}` is no duration: 250ms, 10s, 2m, 1h");
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    match &word[digits.len()..] {
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "m" => Ok(Duration::from_secs(count * 60)),
        "h" => Ok(Duration::from_secs(count * 3_600)),
        _ => Err(wrong()),
    }
}

/// `1000ppm`, `-1000ppm`.
pub(super) fn ppm(word: &str) -> Result<i64, Wrong> {
    let digits = word.strip_suffix("ppm").unwrap_or("");
    digits.parse().map_err(|_| format!("`{word}` is no rate: 1000ppm, -1000ppm"))
}

/// `"text"` or `x*100`: one letter so many times.
pub(super) fn data(word: &str) -> Result<Vec<u8>, Wrong> {
    if let Some(text) = word.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return Ok(text.as_bytes().to_vec());
    }
    let wrong = || format!("`{word}` is no data: \"text\" or x*100");
    let (letter, count) = word.split_once('*').ok_or_else(wrong)?;
    let count: usize = count.parse().ok().filter(|n| *n <= 1 << 20).ok_or_else(wrong)?;
    match letter.as_bytes() {
        [letter] => Ok(vec![*letter; count]),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_is_one_word() {
        let mut words = Words::new("a write /f 0 \"two words\"  end");
        let all: Vec<_> = std::iter::from_fn(|| words.next()).collect();
        assert_eq!(all, ["a", "write", "/f", "0", "\"two words\"", "end"]);
    }

    #[test]
    fn wrong_words_say_what_would_be_right() {
        assert!(span("10").unwrap_err().contains("250ms"));
        assert!(data("x*").unwrap_err().contains("x*100"));
        assert!(link("m-n1").unwrap_err().contains("m->n1"));
        assert_eq!(data("x*3"), Ok(b"xxx".to_vec()));
        assert_eq!(ppm("-20ppm"), Ok(-20));
    }
}
