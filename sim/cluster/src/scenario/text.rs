//! A scenario as text: what it says beyond the defaults, and how single values are changed.

use super::document::{Document, label};
use super::key::path;
use super::{Examined, Level, Scenario, ScenarioError};
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::{Table, Value};

/// Where a line for people ends at the latest.
const COLUMNS: usize = 100;

impl Scenario {
    /// As a file would say it, without what is said by default. Reading it gives an equal one.
    ///
    /// # Panics
    /// Never: every field has a form in TOML, and a test writes all scenarios of the repository.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let plain = Scenario::plain();
        let mut said = self.to_table();
        prune(&mut said, &plain.to_table());
        toml::to_string(&said).expect("a table has a text")
    }

    /// What it says beyond the defaults, for people: a paragraph for each section.
    #[must_use]
    pub fn told(&self) -> String {
        let plain = Scenario::plain();
        let mut said = self.to_table();
        prune(&mut said, &plain.to_table());
        let sections = said.iter().filter_map(|(name, value)| Some((name, value.as_table()?)));
        let paragraphs: Vec<String> =
            sections.map(|(name, section)| paragraph(name, section)).collect();
        paragraphs.join("\n")
    }

    /// Every value, defaults included: scenarios that are equal have equal tables.
    ///
    /// # Panics
    /// Never, see [`Scenario::to_toml`].
    #[must_use]
    pub fn to_table(&self) -> Table {
        Table::try_from(self).expect("a scenario is a table")
    }

    /// This scenario with some values replaced: `path` is like `constants.lease_duration_ms`, the
    /// value as TOML writes it, or a bare `2s` or `64KiB`.
    ///
    /// # Errors
    /// If that is no key, no value, or the values do not fit together.
    pub fn with(&self, changes: &[(String, String)]) -> Result<Self, ScenarioError> {
        let (plain, mut table) = (Scenario::plain().to_table(), self.to_table());
        let mut said = BTreeSet::new();
        differing("", &table, &plain, &mut said);
        let named: Vec<String> = changes.iter().map(|(p, v)| format!("--set {p}={v}")).collect();
        for (path, value) in changes {
            set(&mut table, path, value).map_err(|what| ScenarioError {
                file: format!("--set {path}={value}"),
                line: None,
                key: label(path),
                value: Some(value.clone()),
                what,
            })?;
            let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
            said.extend(ends.map(|end| path[..end].to_owned()));
        }
        let text = toml::to_string(&table).expect("a table has a text");
        let first = |mut errors: Vec<ScenarioError>| {
            let mut first = errors.swap_remove(0);
            // Its lines are those of no file.
            first.line = None;
            first
        };
        let document = Document::read(&named.join(" "), &text).map_err(first)?;
        let document = document.of_values(|path| said.contains(path));
        Examined::new(document).map(|examined| examined.scenario).map_err(first)
    }

    /// This scenario without settings that nothing reads: it runs as this one does. What seeds drew, and
    /// what the shrinker took away, leaves some.
    #[must_use]
    pub fn tidied(&self) -> Scenario {
        let (mut tidied, plain) = (self.clone(), Scenario::plain().to_table());
        // Each round takes one away; there are fewer keys than this.
        for _ in 0..200 {
            let (table, mut said) = (tidied.to_table(), BTreeSet::new());
            differing("", &table, &plain, &mut said);
            let findings = tidied.findings(&|path| said.contains(path));
            let refused = findings.iter().find(|finding| finding.level == Level::Refused);
            let key =
                refused.and_then(|finding| finding.keys.iter().find(|key| said.contains(*key)));
            match key.and_then(|key| tidied.without(key, table, &plain)) {
                Some(next) if next != tidied => tidied = next,
                _ => break,
            }
        }
        tidied
    }

    /// The same with a key as it is by default, or without an entry of the plan. Appends for which there
    /// is no file are the writes that they are carried out as.
    fn without(&self, key: &str, mut table: Table, plain: &Table) -> Option<Scenario> {
        let mut parts = key.split('.');
        let (section, name) = (parts.next()?, parts.next());
        if matches!(key, "workload.append" | "workload.files") {
            let mut folded = self.clone();
            folded.workload.write += std::mem::take(&mut folded.workload.append);
            return Some(folded);
        }
        if section == "plan" {
            let mut fewer = self.clone();
            fewer.plan.as_mut()?.remove(name?.parse().ok()?);
            return Some(fewer);
        }
        match name {
            None => drop(table.remove(section)),
            Some(name) => {
                let default = plain.get(section).and_then(|section| section.get(name));
                let keys = table.get_mut(section)?.as_table_mut()?;
                keys.remove(name);
                keys.extend(default.map(|value| (name.to_owned(), value.clone())));
            }
        }
        // A fault of the plan says its draw, and one that is directed its times, as text.
        let text = toml::to_string(&table).ok()?;
        let read = Document::read("tidied", &text).ok()?;
        Scenario::deserialize(read.table).ok()
    }

    /// The scenario that says nothing.
    fn plain() -> Scenario {
        let text = Table::from_iter([("about".to_owned(), Value::String(String::new()))]);
        Scenario::deserialize(text).expect("everything has a default")
    }
}

/// The paths at which a scenario differs from another.
fn differing(at: &str, table: &Table, plain: &Table, to: &mut BTreeSet<String>) {
    for (name, value) in table.iter().filter(|(name, value)| plain.get(*name) != Some(value)) {
        let here = path(at, name);
        match value {
            Value::Table(inner) => {
                let plain = plain.get(name).and_then(Value::as_table);
                differing(&here, inner, plain.unwrap_or(&Table::new()), to);
            }
            Value::Array(entries) => {
                for (number, entry) in entries.iter().enumerate() {
                    let here = format!("{here}.{number}");
                    if let Value::Table(entry) = entry {
                        differing(&here, entry, &Table::new(), to);
                    }
                    to.insert(here);
                }
            }
            _ => {}
        }
        to.insert(here);
    }
}

/// Removes what `default` says too, and the tables that are left empty. `about` stays.
fn prune(table: &mut Table, default: &Table) {
    table.retain(|key, value| match (value, default.get(key)) {
        (Value::Table(inner), Some(Value::Table(default))) => {
            prune(inner, default);
            !inner.is_empty()
        }
        (value, default) => default != Some(value) || key == "about",
    });
}

/// A section as `  name  key value, key value`, on as many lines as it takes.
fn paragraph(name: &str, section: &Table) -> String {
    let mut text = format!("  {name:<11}");
    let mut column = text.len();
    for (at, (key, value)) in section.iter().enumerate() {
        let word = format!("{key} {value}{}", if at + 1 == section.len() { "" } else { "," });
        if column + word.len() >= COLUMNS {
            text.push_str(&format!("\n{:13}", ""));
            column = 13;
        } else if at > 0 {
            text.push(' ');
            column += 1;
        }
        column += word.len();
        text.push_str(&word);
    }
    text
}

fn set(table: &mut Table, path: &str, value: &str) -> Result<(), String> {
    let (folder, key) = match path.rsplit_once('.') {
        Some((folder, key)) => (Some(folder), key),
        None => (None, path),
    };
    let value = parse_value(value)?;
    let mut at = table;
    for part in folder.iter().flat_map(|folder| folder.split('.')) {
        let inner = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = inner.as_table_mut().ok_or_else(|| format!("`{part}` is not a section"))?;
    }
    at.insert(key.to_owned(), value);
    Ok(())
}

/// TOML's own values, and texts without quotes: what they mean is up to the key.
fn parse_value(text: &str) -> Result<Value, String> {
    let whole = |text: &str| {
        let parsed = format!("value = {text}").parse::<Table>().ok();
        parsed.and_then(|mut table| table.remove("value"))
    };
    if let Some(value) = whole(text) {
        return Ok(value);
    }
    let list = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(list) = list.filter(|list| !list.contains(['[', ']'])) {
        return list
            .split(',')
            .map(|one| parse_value(one.trim()))
            .collect::<Result<_, _>>()
            .map(Value::Array);
    }
    whole(&format!("\"{text}\"")).ok_or_else(|| "is not a value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Span;

    fn changed(path: &str, value: &str) -> Result<Scenario, ScenarioError> {
        Scenario::standard().with(&[(path.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_text_says_only_what_differs() {
        let text = changed("shape.clients", "[1, 2]").unwrap().to_toml();
        assert!(text.contains("clients = [1, 2]"), "{text}");
        assert!(!text.contains("[acts]"), "{text}");
        assert!(text.contains("lease_duration_ms = 4000"), "{text}");
    }

    #[test]
    fn people_are_told_what_differs() {
        let told = changed("shape.clients", "[1, 2]").unwrap().told();
        assert!(told.contains("shape      clients [1, 2]"), "{told}");
        assert!(told.contains("lease_duration_ms 4000,"), "{told}");
        assert!(told.lines().all(|line| line.len() <= COLUMNS), "{told}");
    }

    #[test]
    fn values_are_changed_by_path() {
        assert_eq!(changed("shape.clients", "7").unwrap().shape.clients, Span::of(7));
        let lease = |value| changed("constants.lease_duration_ms", value).unwrap().constants;
        assert_eq!(lease("6s").lease_duration_ms, Some(6_000));
        assert_eq!(lease("6500ms").lease_duration_ms, Some(6_500));
        assert_eq!(lease("7000").lease_duration_ms, Some(7_000));
        assert!(!changed("rules.repair", "false").unwrap().constants().rules.repair);
        assert_eq!(changed("about", "other words").unwrap().about, "other words");
    }

    #[test]
    fn wrong_paths_and_values_are_refused() {
        let error = |path, value| changed(path, value).unwrap_err().to_string();
        assert!(error("shape.cleints", "7").contains("did you mean `clients`?"));
        assert!(error("about.x", "7").contains("`about` is not a section"));
    }
}
