//! A scenario as text: what it says beyond the defaults, and how single values are changed.

use super::{Scenario, ScenarioError};
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
        let plain = Scenario::parse("default", "about = \"\"").expect("everything has a default");
        let mut said = self.to_table();
        prune(&mut said, &plain.to_table());
        toml::to_string(&said).expect("a table has a text")
    }

    /// What it says beyond the defaults, for people: a paragraph for each section.
    #[must_use]
    pub fn told(&self) -> String {
        let plain = Scenario::parse("default", "about = \"\"").expect("everything has a default");
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
    /// value as TOML writes it.
    ///
    /// # Errors
    /// If that is no key, no value, or the values do not fit together.
    pub fn with(&self, changes: &[(String, String)]) -> Result<Self, ScenarioError> {
        let mut table = self.to_table();
        for (path, value) in changes {
            set(&mut table, path, value).map_err(|what| ScenarioError::Contradiction {
                path: format!("{path}={value}"),
                line: None,
                what,
            })?;
        }
        let text = toml::to_string(&table).expect("a table has a text");
        let named: Vec<String> = changes.iter().map(|(p, v)| format!("{p}={v}")).collect();
        Scenario::parse(&named.join(" "), &text).map_err(ScenarioError::without_line)
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
    let value = parse_value(key, value)?;
    let mut at = table;
    for part in folder.iter().flat_map(|folder| folder.split('.')) {
        let inner = at.entry(part).or_insert_with(|| Value::Table(Table::new()));
        at = inner.as_table_mut().ok_or_else(|| format!("`{part}` is not a table"))?;
    }
    at.insert(key.to_owned(), value);
    Ok(())
}

/// TOML's own values; `2s` and `500ms` too, where a key counts milliseconds.
fn parse_value(key: &str, text: &str) -> Result<Value, String> {
    if key.ends_with("_ms") {
        let ms = |digits: &str, factor| digits.trim().parse::<i64>().ok().map(|n| n * factor);
        let of = match text.strip_suffix("ms") {
            Some(digits) => ms(digits, 1),
            None => text.strip_suffix('s').and_then(|digits| ms(digits, 1_000)),
        };
        if let Some(ms) = of {
            return Ok(Value::Integer(ms));
        }
    }
    let line = format!("value = {text}");
    let parsed = line.parse::<Table>().or_else(|_| format!("value = \"{text}\"").parse::<Table>());
    let found = parsed.ok().and_then(|mut table| table.remove("value"));
    found.ok_or_else(|| format!("`{text}` is not a value"))
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
        assert!(error("about.x", "7").contains("`about` is not a table"));
        assert!(error("shape.clients", "many").contains("a number, or [least"));
    }
}
