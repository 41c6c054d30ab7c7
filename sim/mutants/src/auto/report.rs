//! What is written down of each mutant, and what a person reads.

use super::interval::wilson;
use super::judge::Found;
use super::site::{Form, Rule, Site};
use crate::layer::ANOTHER_TEXT;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

const SAYS_CHARS_MAX: usize = 200;

/// A mutant's row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names are those of the columns
pub struct Row {
    pub id: String,
    pub file: String,
    pub line: usize,
    pub function: String,
    pub rule: Rule,
    pub original: String,
    pub mutated: String,
    /// Empty: it survived.
    pub killed_by: String,
    pub by: String,
    pub seconds: f64,
    pub says: String,
    /// Why it is equivalent, if that is argued.
    pub equivalent: String,
    pub key: String,
    pub tree: String,
    pub effort: String,
}

impl Row {
    /// Of what was found.
    pub fn new(tree: &str, effort: &str, site: &Site, found: Found, argued: Option<&str>) -> Self {
        Row {
            id: site.name(),
            file: site.file.clone(),
            line: site.line,
            function: site.function.clone(),
            rule: site.rule,
            original: site.original.clone(),
            mutated: site.mutated.clone(),
            killed_by: found.layer,
            by: found.verdict.by,
            seconds: (found.cpu_s * 100.0).round() / 100.0,
            says: found.verdict.says.chars().take(SAYS_CHARS_MAX).collect(),
            equivalent: argued.unwrap_or_default().to_owned(),
            key: site.key(),
            tree: tree.to_owned(),
            effort: effort.to_owned(),
        }
    }

    fn is_killed(&self) -> bool {
        !self.killed_by.is_empty()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { id, file, line, rule, original, mutated, killed_by, by, seconds, .. } = self;
        write!(f, "{id} {file}:{line} {rule}: {original} -> {mutated}: ")?;
        match self.is_killed() {
            true => write!(f, "killed by {killed_by} ({by}), {seconds} s"),
            false => write!(f, "SURVIVED, {seconds} s"),
        }
    }
}

/// The file of rows.
pub struct Ledger {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Ledger {
    /// Begins anew, or keeps what is there.
    pub fn open(path: &Path, resume: bool) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut rows = Vec::new();
        if resume && path.exists() {
            let text = std::fs::read_to_string(path)?;
            for row in csv::Reader::from_reader(text.as_bytes()).deserialize() {
                rows.push(row.with_context(|| path.display().to_string())?);
            }
        } else if path.exists() {
            std::fs::remove_file(path)?;
        }
        Ok(Ledger { path: path.to_owned(), rows })
    }

    /// What is known of a mutant in this tree with these efforts.
    pub fn find(&self, tree: &str, effort: &str, id: &str) -> Option<Row> {
        let same = |row: &&Row| row.tree == tree && row.effort == effort && row.id == id;
        self.rows.iter().find(same).cloned()
    }

    /// Adds a row: it is in the file when this returns.
    pub fn append(&mut self, row: &Row) -> Result<()> {
        let begins = !self.path.exists();
        let file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let mut writer = csv::WriterBuilder::new().has_headers(begins).from_writer(file);
        writer.serialize(row)?;
        writer.flush()?;
        self.rows.push(row.clone());
        Ok(())
    }
}

/// Mutants that are argued to change nothing: scenarios/mutants/auto-equivalent.toml.
#[derive(Default, Deserialize)]
pub struct Equivalents {
    #[serde(default)]
    mutant: Vec<Equivalent>,
}

#[derive(Deserialize)]
struct Equivalent {
    key: String,
    argument: String,
}

impl Equivalents {
    /// Reads the file, if there is one; a key of no site is named.
    pub fn load(root: &Path, sites: &[Site]) -> Result<Self> {
        let path = root.join("scenarios/mutants/auto-equivalent.toml");
        if !path.exists() {
            return Ok(Equivalents::default());
        }
        let text = std::fs::read_to_string(&path)?;
        let all: Equivalents = toml::from_str(&text).with_context(|| path.display().to_string())?;
        for one in &all.mutant {
            ensure!(!one.argument.trim().is_empty(), "{}: no argument", one.key);
            if !sites.iter().any(|site| site.key() == one.key) {
                eprintln!("auto-equivalent.toml: no site has the key {}", one.key);
            }
        }
        Ok(all)
    }

    /// Why this one is equivalent.
    pub fn argument(&self, key: &str) -> Option<&str> {
        let one = self.mutant.iter().find(|one| one.key == key)?;
        Some(&one.argument)
    }
}

/// The lines of a mutant, as the source and the mutant have them.
pub fn diff(site: &Site, source: &str) -> String {
    let begin = source[..site.range.start].rfind('\n').map_or(0, |at| at + 1);
    let end = source[site.range.end..].find('\n').map_or(source.len(), |at| site.range.end + at);
    let before = &source[begin..site.range.start];
    let (old, after) = (&source[site.range.clone()], &source[site.range.end..end]);
    let new = match site.form {
        Form::Expression | Form::Arm | Form::Entry => site.text.clone(),
        Form::Shorthand => format!("{old}: {}", site.text),
        Form::Statement => String::new(),
        Form::Pattern => format!("{old} && false"),
    };
    let mut text = format!(
        "{} {}\n@@ {}:{} {}\n",
        site.name(),
        site.key(),
        site.file,
        site.line,
        site.function
    );
    for line in source[begin..end].lines() {
        let _ = writeln!(text, "-{line}");
    }
    for line in format!("{before}{new}{after}").lines() {
        let _ = writeln!(text, "+{line}");
    }
    text
}

/// Hits and all, by what a row is grouped by.
fn shares<'a>(
    rows: &[&'a Row],
    by: impl Fn(&'a Row) -> String,
) -> BTreeMap<String, (usize, usize)> {
    let mut shares: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let share = shares.entry(by(row)).or_default();
        share.0 += usize::from(row.is_killed());
        share.1 += 1;
    }
    shares
}

fn line(name: &str, (hits, of): (usize, usize)) -> String {
    let (from, to) = wilson(hits, of);
    let share = if of == 0 { 0.0 } else { 100.0 * hits as f64 / of as f64 };
    format!("| {name} | {hits} of {of} | {share:.1} % | {from:.1}–{to:.1} % |\n")
}

/// Who killed a mutant; a script of which only the text differs is distinguished.
fn killer(row: &Row) -> String {
    match (row.killed_by.as_str(), row.by.as_str()) {
        ("scripts", ANOTHER_TEXT) => "scripts, by their text alone".to_owned(),
        (layer, "timeout") => format!("{layer}, by timeout"),
        (layer, _) => layer.to_owned(),
    }
}

/// Kill rates with 95 % intervals, and who survived.
pub fn table(rows: &[Row], sites: usize, dropped: usize) -> String {
    let judged: Vec<&Row> = rows.iter().filter(|row| row.equivalent.is_empty()).collect();
    let killed = judged.iter().filter(|row| row.is_killed()).count();
    let mut text =
        format!("{sites} sites, {} mutants judged, {dropped} did not compile\n\n", rows.len());
    text.push_str("| | killed | share | 95 % interval |\n|---|---|---|---|\n");
    text.push_str(&line("all", (killed, judged.len())));
    let mut killers: BTreeMap<String, usize> = BTreeMap::new();
    for row in judged.iter().filter(|row| row.is_killed()) {
        *killers.entry(killer(row)).or_default() += 1;
    }
    killers.iter().for_each(|(name, hits)| text.push_str(&line(name, (*hits, judged.len()))));
    shares(&judged, |row| row.rule.to_string())
        .iter()
        .for_each(|(name, share)| text.push_str(&line(name, *share)));
    shares(&judged, |row| row.file.clone())
        .iter()
        .for_each(|(name, share)| text.push_str(&line(name, *share)));
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    let _ = writeln!(text, "\n{seconds:.0} CPU seconds to judge");
    for row in rows.iter().filter(|row| !row.is_killed() && row.equivalent.is_empty()) {
        let _ = writeln!(text, "survives: {} {}:{} {}", row.id, row.file, row.line, row.key);
    }
    for row in rows.iter().filter(|row| !row.equivalent.is_empty()) {
        let what = if row.is_killed() { "ARGUED EQUIVALENT, BUT KILLED" } else { "equivalent" };
        let _ = writeln!(text, "{what}: {} {}: {}", row.id, row.key, row.equivalent);
    }
    text
}

/// The same for programs.
pub fn json(rows: &[Row], sites: usize, dropped: usize) -> String {
    let judged: Vec<&Row> = rows.iter().filter(|row| row.equivalent.is_empty()).collect();
    let killed = judged.iter().filter(|row| row.is_killed()).count();
    let interval = wilson(killed, judged.len());
    serde_json::json!({
        "sites": sites, "not_compiled": dropped, "judged": judged.len(), "killed": killed,
        "interval_percent": [interval.0, interval.1], "rows": rows,
    })
    .to_string()
}
