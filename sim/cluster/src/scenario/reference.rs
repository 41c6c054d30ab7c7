//! The list of all keys of a scenario: as a page, as JSON, and beside the values of one scenario.

use super::Scenario;
use super::key::{Default, Form, Key};
use super::units::Unit;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::LazyLock;
use toml::Value;

/// All keys and sections of a scenario.
#[derive(Debug)]
pub struct Reference {
    /// In the order in which they are explained.
    pub sections: Vec<SectionInfo>,
    /// In the same order.
    pub keys: Vec<Key>,
    by_path: BTreeMap<String, usize>,
}

/// One section.
#[derive(Debug)]
pub struct SectionInfo {
    /// `shape` for `[shape]`; nothing for the head of the file.
    pub path: String,
    /// What it is about.
    pub sentence: String,
    /// Whether there may be several, each as `[[section]]`.
    pub repeated: bool,
}

/// All keys of a scenario, as the parser takes them.
#[must_use]
pub fn reference() -> &'static Reference {
    static REFERENCE: LazyLock<Reference> = LazyLock::new(Reference::new);
    &REFERENCE
}

impl Reference {
    fn new() -> Self {
        let (mut keys, mut of_parser) = (Vec::new(), Vec::new());
        Scenario::list(&mut keys, &mut of_parser);
        let mut sections: Vec<SectionInfo> = Vec::new();
        for key in &keys {
            if sections.iter().any(|section| section.path == key.section) {
                continue;
            }
            let known = of_parser.iter().find(|(name, ..)| *name == key.section);
            let (sentence, repeated) = match (known, key.section.as_str()) {
                (Some((_, sentence, repeated)), _) => (*sentence, *repeated),
                (None, "") => ("The head of the file.", false),
                (None, "restart.constants") => {
                    ("Constants that differ from the second part on.", false)
                }
                (None, _) => ("To which nodes, and how strong, if that is directed.", false),
            };
            let sentence = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
            sections.push(SectionInfo { path: key.section.clone(), sentence, repeated });
        }
        let by_path = keys.iter().enumerate().map(|(at, key)| (key.path(), at)).collect();
        Reference { sections, keys, by_path }
    }

    /// The key at a path such as `shape.clients`.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<&Key> {
        self.by_path.get(path).map(|at| &self.keys[*at])
    }

    /// The section at a path.
    #[must_use]
    pub fn section(&self, path: &str) -> Option<&SectionInfo> {
        self.sections.iter().find(|section| !path.is_empty() && section.path == path)
    }

    pub(super) fn is_repeated(&self, section: &str) -> bool {
        self.section(section).is_some_and(|section| section.repeated)
    }

    /// Names of the keys of a section, and of the sections within it.
    pub(super) fn names(&self, section: &str) -> Vec<&str> {
        self.keys.iter().filter(|key| key.section == section).map(|key| key.name).collect()
    }

    /// Sections that have a key of this name.
    pub(super) fn sections_of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let keys = self.keys.iter().filter(move |known| known.name == key);
        keys.map(|known| known.section.as_str())
    }

    pub(super) fn required<'a>(&'a self, section: &'a str) -> impl Iterator<Item = &'a Key> {
        let keys = self.keys.iter().filter(move |key| key.section == section);
        keys.filter(|key| key.default == Default::Required)
    }

    /// The page: every section with its keys.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = HEAD.to_owned();
        for section in &self.sections {
            let name = match (section.path.as_str(), section.repeated) {
                ("", _) => "The head of the file".to_owned(),
                (path, true) => format!("`[[{path}]]`"),
                (path, false) => format!("`[{path}]`"),
            };
            let _ = write!(page, "\n## {name}\n\n{}\n\n", section.sentence);
            for key in self.keys.iter().filter(|key| key.section == section.path) {
                let _ = writeln!(page, "- `{}`: {}", key.name, key.facts());
                let _ = writeln!(page, "  {} Example: `{}`", key.sentence, key.example());
            }
        }
        page
    }

    /// The same for programs: an object a key.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let of = |key: &Key| {
            let numbers = matches!(key.form, Form::Number | Form::Span);
            let words = match &key.form {
                Form::Word(words) => Some(words.clone()),
                _ => None,
            };
            json!({
                "section": key.section,
                "key": key.name,
                "form": key.form.name(),
                "words": words,
                "unit": Some(key.unit().name()).filter(|unit| numbers && !unit.is_empty()),
                "range": numbers.then_some([key.range.0, key.range.1]),
                "required": key.default == Default::Required,
                "default": match &key.default {
                    Default::Is(value) => serde_json::to_value(value).ok(),
                    Default::Required | Default::None => None,
                },
                "sentence": key.sentence,
                "example": key.example(),
            })
        };
        self.keys.iter().map(of).collect()
    }

    /// A scenario with all values that hold, those marked that it leaves to their default: a scenario
    /// again.
    #[must_use]
    pub fn show(&self, scenario: &Scenario) -> String {
        let (table, mut text) = (scenario.to_table(), String::new());
        for section in &self.sections {
            let keys = || self.keys.iter().filter(|key| key.section == section.path);
            if section.repeated {
                let entries =
                    table.get(&section.path).map(|all| (section.path.clone(), all.clone()));
                let entries: toml::Table = entries.into_iter().collect();
                if !entries.is_empty() {
                    let _ = write!(text, "\n{}", toml::to_string(&entries).expect("it has a text"));
                }
                continue;
            }
            let mut at = section.path.split('.').filter(|part| !part.is_empty());
            let said = at.try_fold(&table, |table, part| table.get(part)?.as_table());
            let plan =
                section.path.starts_with("plan") || said.is_none() && section.path == "measure";
            if plan {
                continue;
            }
            if !section.path.is_empty() {
                let _ = writeln!(text, "\n[{}]", section.path);
            }
            keys()
                .for_each(|key| text.push_str(&key.line(said.and_then(|said| said.get(key.name)))));
        }
        text
    }
}

const HEAD: &str = "# The keys of a scenario

Printed by `just scenario --keys`, from the definitions that the parser fills. `just bless` rewrites this
page, and a test compares the two.

A scenario is a TOML file. Every key but `about` may be left out. A number may carry its unit, in a
file and in `--set` alike: `\"500ms\"`, `\"2s\"`, `\"64KiB\"`, `\"100MiB/s\"`; without one it counts in the unit
that its name ends with. Where two numbers are possible, `[least, most]`, the seed draws one between
them, both included.
";

impl Form {
    /// For programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Form::Flag => "flag",
            Form::Number => "number",
            Form::Span => "number or [least, most]",
            Form::Text => "text",
            Form::Word(_) => "word",
            Form::Texts => "texts",
        }
    }
}

impl Key {
    /// Its form, unit, range and default, on a line.
    fn facts(&self) -> String {
        let unit = self.unit();
        let (least, most) = (unit.show(self.range.0), unit.show(self.range.1));
        let range = format!("{} to {}", least.trim_matches('"'), most.trim_matches('"'));
        let form = match (&self.form, unit.name()) {
            (Form::Number, "") => format!("a number, {range}"),
            (Form::Number, unit) => format!("{unit}, {range}"),
            (Form::Span, "") => format!("a number or [least, most], {range}"),
            (Form::Span, unit) => format!("{unit} or [least, most] of them, {range}"),
            (Form::Flag, _) => "true or false".to_owned(),
            (Form::Text, _) => "a text".to_owned(),
            (Form::Texts, _) => "a list of texts".to_owned(),
            (Form::Word(words), _) => format!("one of `{}`", words.join("`, `")),
        };
        match &self.default {
            Default::Required => format!("{form}; required."),
            Default::Is(value) => format!("{form}; default `{}`.", self.shown(value)),
            Default::None => format!("{form}; may be left out."),
        }
    }

    /// A line of a file that says it.
    #[must_use]
    pub fn example(&self) -> String {
        let value = match (&self.default, &self.form) {
            (_, Form::Span) => {
                let (least, most) = self.example_span();
                format!("[{}, {}]", self.unit().show(least), self.unit().show(most))
            }
            (Default::Is(value), _) => self.shown(value),
            (_, Form::Flag) => "true".to_owned(),
            (_, Form::Number) => self.unit().show(self.example_number()),
            (_, Form::Text) => format!("\"{}\"", self.example_text()),
            (_, Form::Texts) => "[\"chunkserver-1\", \"chunkserver-2\"]".to_owned(),
            (_, Form::Word(words)) => format!("\"{}\"", words.first().copied().unwrap_or_default()),
        };
        format!("{} = {value}", self.name)
    }

    fn example_span(&self) -> (u64, u64) {
        let ends = match &self.default {
            Default::Is(Value::Array(ends)) => ends.iter().filter_map(Value::as_integer).collect(),
            Default::Is(value) => Vec::from_iter(value.as_integer()),
            Default::Required | Default::None => Vec::new(),
        };
        let at = |number: usize| ends.get(number).map(|end| end.unsigned_abs());
        let least = at(0).unwrap_or(self.range.0);
        (least, at(1).unwrap_or(least * 2).clamp(least, self.range.1))
    }

    fn example_number(&self) -> u64 {
        let number = match (self.unit(), self.name) {
            (_, "at") => 8_000,
            (_, "lasts") => 3_000,
            (Unit::Milliseconds, name) if name.starts_with("ends") => 50_000,
            (Unit::Milliseconds | Unit::Microseconds, _) => 10_000,
            (Unit::Bytes, _) => 1_500,
            (Unit::BytesPerSecond, _) => 1 << 20,
            (Unit::Ppm, _) => 20_000,
            (Unit::Permille, _) => 500,
            (Unit::Count, "rack" | "chunk") => 1,
            (Unit::Count, _) => 3,
        };
        number.clamp(self.range.0, self.range.1)
    }

    fn example_text(&self) -> &'static str {
        match self.name {
            "primary_of" => "/cells/0",
            "draw" => "00000000000000ff",
            _ => "clients append while a rack loses power",
        }
    }

    /// A value in the key's unit.
    pub(super) fn shown(&self, value: &Value) -> String {
        match (&self.form, value) {
            (Form::Number | Form::Span, Value::Integer(number)) => {
                self.unit().show(number.unsigned_abs())
            }
            (Form::Span, Value::Array(ends)) => {
                let ends: Vec<String> = ends.iter().map(|end| self.shown(end)).collect();
                format!("[{}]", ends.join(", "))
            }
            (_, value) => value.to_string(),
        }
    }

    /// Its line in a file that says everything.
    fn line(&self, said: Option<&Value>) -> String {
        let default = match &self.default {
            Default::Is(value) => Some(value),
            Default::Required | Default::None => None,
        };
        match (said, default) {
            (Some(value), default) if default != Some(value) => {
                format!("{} = {}\n", self.name, self.shown(value))
            }
            (_, Some(value)) => {
                let said = format!("{} = {}", self.name, self.shown(value));
                format!("{said:<44}# default\n")
            }
            (_, None) if self.section == "restart.constants" => String::new(),
            (_, None) => format!("# {} is left out\n", self.name),
        }
    }
}
