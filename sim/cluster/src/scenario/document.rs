//! A scenario's text, read by the list of keys: every value in the unit of its key, and where it is said.

use super::error::{ScenarioError, nearest};
use super::key::{Form, Key, path};
use super::reference::{Reference, reference};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Where something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1; none of a value that is on no line.
    pub line: Option<usize>,
    /// As it is said; none of a section.
    pub value: Option<String>,
}

/// A text that was read: all its keys are keys, and their values are of the right kind and size.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub file: String,
    /// Numbers in the units of their keys.
    pub table: Table,
    /// Of every key and section that is said: `shape.clients`, `plan.0.kind`, `shape`.
    pub places: BTreeMap<String, Place>,
}

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// Everything that is wrong with single keys, in the order of the lines.
    pub fn read(file: &str, text: &str) -> Result<Self, Vec<ScenarioError>> {
        let mut reader = Reader {
            file,
            text,
            places: BTreeMap::new(),
            errors: Vec::new(),
            reference: reference(),
        };
        let table = match DeTable::parse(text) {
            Ok(root) => reader.table("", "", root.get_ref()),
            Err(error) => {
                reader.not_toml(&error);
                Table::new()
            }
        };
        let Reader { places, mut errors, .. } = reader;
        errors.sort_by_key(|error| error.line);
        match errors.is_empty() {
            true => Ok(Document { file: file.to_owned(), table, places }),
            false => Err(errors),
        }
    }

    /// The same of a text that was made of a scenario: its lines are those of no file, and only these
    /// keys were said.
    pub fn of_values(mut self, said: impl Fn(&str) -> bool) -> Self {
        self.places.retain(|path, _| said(path));
        self.places.values_mut().for_each(|place| place.line = None);
        self
    }

    /// Whether a key, or anything of a section, is said.
    pub fn says(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// An error at the first of these keys that is said.
    pub fn error(&self, keys: &[String], what: String) -> ScenarioError {
        let said = keys.iter().find_map(|key| Some((key, self.places.get(key)?)));
        let (key, place) =
            said.map_or((keys.first(), None), |(key, place)| (Some(key), Some(place)));
        ScenarioError {
            file: self.file.clone(),
            line: place.and_then(|place| place.line),
            key: key.map_or(String::new(), |key| label(key)),
            value: place.and_then(|place| place.value.clone()),
            what,
        }
    }
}

/// How people are shown a path: `[shape] clients`, `[[plan]] number 1: kind`.
pub(super) fn label(path: &str) -> String {
    let (sections, name) = path.rsplit_once('.').unwrap_or(("", path));
    if reference().section(path).is_some() {
        return if reference().is_repeated(path) {
            format!("[[{path}]]")
        } else {
            format!("[{path}]")
        };
    }
    let mut parts = sections.splitn(3, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(""), ..) | (None, ..) => name.to_owned(),
        (Some(list), Some(number), within) if number.parse::<usize>().is_ok() => {
            let number = number.parse::<usize>().unwrap_or(0) + 1;
            let within = within.map_or(String::new(), |within| format!("{within}."));
            format!("[[{list}]] number {number}: {within}{name}")
        }
        (Some(list), None, _) if name.parse::<usize>().is_ok() => {
            format!("[[{list}]] number {}", name.parse::<usize>().unwrap_or(0) + 1)
        }
        _ => format!("[{sections}] {name}"),
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    places: BTreeMap<String, Place>,
    errors: Vec<ScenarioError>,
    reference: &'static Reference,
}

impl Reader<'_> {
    /// Reads a section, which is at `at` of this document and at `section` of the list of keys.
    fn table(&mut self, section: &str, at: &str, table: &DeTable<'_>) -> Table {
        let mut read = Table::new();
        for (name, value) in table.iter() {
            let (key, inner) = (name.get_ref().as_ref(), path(section, name.get_ref()));
            let here = path(at, key);
            let line = self.line(name.span());
            if self.reference.section(&inner).is_some() {
                self.places.insert(here.clone(), Place { line: Some(line), value: None });
                read.extend(
                    self.section(&inner, &here, value).map(|value| (key.to_owned(), value)),
                );
            } else if let Some(known) = self.reference.key(&inner) {
                let text = self.shown(value);
                let place = Place { line: Some(line), value: Some(text) };
                self.places.insert(here.clone(), place);
                match convert(known, value.get_ref()) {
                    Ok(value) => drop(read.insert(key.to_owned(), value)),
                    Err(what) => self.wrong(&here, what),
                }
            } else {
                let place = Place { line: Some(line), value: self.simple(value) };
                self.places.insert(here.clone(), place);
                let what = match value.get_ref().is_table() {
                    true => self.unknown_section(&inner),
                    false => self.unknown(section, key),
                };
                self.wrong(&here, what);
            }
        }
        self.lacks(section, at, &read);
        read
    }

    fn section(&mut self, section: &str, at: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match (self.reference.is_repeated(section), value.get_ref()) {
            (false, DeValue::Table(table)) => Some(Value::Table(self.table(section, at, table))),
            (true, DeValue::Array(all)) => {
                let mut read = Vec::new();
                for (number, one) in all.iter().enumerate() {
                    let here = format!("{at}.{number}");
                    let line = Some(self.line(one.span()));
                    self.places.insert(here.clone(), Place { line, value: None });
                    match one.get_ref() {
                        DeValue::Table(table) => {
                            read.push(Value::Table(self.table(section, &here, table)));
                        }
                        _ => self.wrong(&here, format!("must be a section [[{section}]]")),
                    }
                }
                Some(Value::Array(read))
            }
            (repeated, _) => {
                if let Some(place) = self.places.get_mut(at) {
                    place.value = Some(self.text[value.span()].to_owned());
                }
                let section =
                    if repeated { format!("[[{section}]]") } else { format!("[{section}]") };
                self.wrong(at, format!("must be a section, {section}, with keys below it"));
                None
            }
        }
    }

    /// Keys that have to be there and are not.
    fn lacks(&mut self, section: &str, at: &str, read: &Table) {
        let required = self.reference.required(section);
        for key in required.filter(|key| !read.contains_key(key.name)) {
            let here = path(at, key.name);
            if self.places.contains_key(&here) {
                continue;
            }
            let what = format!("must be there: {}", lowered(&key.sentence));
            let line = self.places.get(at).and_then(|place| place.line);
            let (line, value) = (line.or(Some(1)), None);
            self.errors.push(ScenarioError {
                file: self.file.to_owned(),
                line,
                key: label(&here),
                value,
                what,
            });
        }
    }

    fn unknown(&self, section: &str, key: &str) -> String {
        let known = self.reference.names(section);
        let elsewhere = self.reference.sections_of(key).find(|other| *other != section);
        match (nearest(key, known.iter().copied()), elsewhere) {
            (_, Some("")) => format!("unknown key; `{key}` belongs to the head of the file"),
            (_, Some(other)) => format!("unknown key; `{key}` belongs to [{other}]"),
            (Some(near), None) => format!("unknown key; did you mean `{near}`?"),
            (None, None) => {
                let place = if section.is_empty() { "a scenario" } else { section };
                format!("unknown key; `sim scenario --keys` lists those of {place}")
            }
        }
    }

    fn unknown_section(&self, section: &str) -> String {
        let known = self.reference.sections.iter().map(|known| known.path.as_str());
        match nearest(section, known) {
            Some(near) => format!("unknown section; did you mean [{near}]?"),
            None => "unknown section; `sim scenario --keys` lists them".to_owned(),
        }
    }

    fn wrong(&mut self, at: &str, what: String) {
        let place = self.places.get(at);
        self.errors.push(ScenarioError {
            file: self.file.to_owned(),
            line: place.and_then(|place| place.line),
            key: label(at),
            value: place.and_then(|place| place.value.clone()),
            what,
        });
    }

    fn not_toml(&mut self, error: &toml::de::Error) {
        let start = error.span().map_or(0, |span| span.start.min(self.text.len()));
        let line = self.line(start..start);
        let what = format!("no TOML: {}", error.message().trim());
        let said = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let (key, value) = match said.split_once('=') {
            Some((key, value)) => (key.trim().to_owned(), Some(value.trim().to_owned())),
            None => (said.to_owned(), None),
        };
        let (file, line) = (self.file.to_owned(), Some(line));
        self.errors.push(ScenarioError { file, line, key, value, what });
    }

    fn line(&self, span: Range<usize>) -> usize {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    fn shown(&self, value: &Spanned<DeValue<'_>>) -> String {
        self.text
            .get(value.span())
            .unwrap_or_default()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// A value that fits a line; tables have their own lines.
    fn simple(&self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        (!value.get_ref().is_table()).then(|| self.shown(value))
    }
}

fn lowered(sentence: &str) -> String {
    let mut letters = sentence.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str()).trim_end_matches('.').to_owned()
}

/// A value as its key wants it, or what would be right.
fn convert(key: &Key, value: &DeValue<'_>) -> Result<Value, String> {
    let wrong = || format!("must be {}", key.wanted());
    match (&key.form, value) {
        (Form::Flag, DeValue::Boolean(flag)) => Ok(Value::Boolean(*flag)),
        (Form::Number, value) => number(key, value).map(Value::Integer),
        (Form::Span, DeValue::Array(ends)) if ends.len() == 2 => {
            let ends = (number(key, ends[0].get_ref())?, number(key, ends[1].get_ref())?);
            span(key, ends)
        }
        (Form::Span, DeValue::Array(_)) => Err(wrong()),
        (Form::Span, value) => number(key, value).map(Value::Integer),
        (Form::Text, DeValue::String(text)) => Ok(Value::String(text.clone().into_owned())),
        (Form::Word(words), DeValue::String(text)) => match words.contains(&text.as_ref()) {
            true => Ok(Value::String(text.clone().into_owned())),
            false => {
                let near = nearest(text, words.iter().copied());
                let near = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
                Err(format!("{}{near}", wrong()))
            }
        },
        (Form::Texts, DeValue::Array(texts)) => {
            let text = |value: &Spanned<DeValue<'_>>| {
                value.get_ref().as_str().map(|text| Value::String(text.to_owned()))
            };
            let texts: Option<Vec<Value>> = texts.iter().map(text).collect();
            texts.filter(|texts| !texts.is_empty()).map(Value::Array).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

fn span(key: &Key, (least, most): (i64, i64)) -> Result<Value, String> {
    if least > most {
        let show = |number: i64| key.unit().show(number.unsigned_abs());
        let (least, most) = (show(least), show(most));
        return Err(format!(
            "the least, {least}, is above the most, {most}; write [{most}, {least}]"
        ));
    }
    Ok(Value::Array(vec![Value::Integer(least), Value::Integer(most)]))
}

fn number(key: &Key, value: &DeValue<'_>) -> Result<i64, String> {
    let unit = key.unit();
    let said = match value {
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(text) => unit.parse(text).map(i128::from),
        _ => None,
    };
    let bare = matches!(value, DeValue::Integer(_)) && key.names_no_unit();
    let Some(said) = said.filter(|_| !bare) else {
        return Err(match bare {
            true => "has no unit; write it as \"8s\" or \"500ms\"".to_owned(),
            false => format!("must be {}", key.wanted()),
        });
    };
    let (least, most) = key.range;
    if said < i128::from(least) || said > i128::from(most) {
        return Err(format!("must be from {} to {}", unit.show(least), unit.show(most)));
    }
    i64::try_from(said).map_err(|_| format!("must be {}", key.wanted()))
}
