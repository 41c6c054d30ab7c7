//! What a scenario file may say: one list of keys, made of the very definitions that the parser fills.
//! A section is defined by [`section!`], which gives its structure, its defaults and its keys.

use super::span::Span;
use super::units::Unit;
use toml::Value;

/// One key of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// Where it is: `shape` for `[shape]`, `restart.constants`, nothing for the head of the file.
    pub section: String,
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub form: Form,
    /// The least and the most that a number of it may be, both included.
    pub range: (u64, u64),
    /// What it says, in a sentence.
    pub sentence: String,
    /// What holds if it is left out.
    pub default: Default,
}

/// What a value looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`.
    Flag,
    /// A number.
    Number,
    /// A number, or two of them between which a seed draws.
    Span,
    /// Any text.
    Text,
    /// One of these words.
    Word(Vec<&'static str>),
    /// A list of texts.
    Texts,
}

/// What holds if a key is left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Default {
    /// It has to be there.
    Required,
    /// This value.
    Is(Value),
    /// There is none: what holds then is in the key's sentence.
    None,
}

/// A type that a key's value has.
pub(crate) trait Setting {
    /// Adds the key, whose form is not known yet, to a list; or the keys of a section within.
    fn list(key: Key, to: &mut Vec<Key>);
}

/// A section of a file.
pub(crate) trait Section {
    /// Whether there may be several, each as `[[section]]`.
    const REPEATED: bool = false;

    /// Adds its keys.
    fn list(section: &str, to: &mut Vec<Key>);
}

impl<T: Section> Section for Option<T> {
    const REPEATED: bool = T::REPEATED;

    fn list(section: &str, to: &mut Vec<Key>) {
        T::list(section, to);
    }
}

impl<T: Section> Section for Vec<T> {
    const REPEATED: bool = true;

    fn list(section: &str, to: &mut Vec<Key>) {
        T::list(section, to);
    }
}

macro_rules! forms {
    ($($type:ty => $form:expr),+ $(,)?) => {
        $(impl Setting for $type {
            fn list(key: Key, to: &mut Vec<Key>) {
                to.push(Key { form: $form, ..key });
            }
        })+
    };
}

forms! {
    bool => Form::Flag,
    u32 => Form::Number,
    u64 => Form::Number,
    usize => Form::Number,
    Span => Form::Span,
    String => Form::Text,
    Vec<String> => Form::Texts,
}

impl<T: Setting> Setting for Option<T> {
    fn list(key: Key, to: &mut Vec<Key>) {
        T::list(key, to);
    }
}

impl Key {
    /// One whose form is not known yet.
    pub(crate) fn new(section: &str, name: &'static str, docs: &str, default: Default) -> Self {
        Key {
            section: section.to_owned(),
            name,
            form: Form::Flag,
            range: Unit::of(name).range(),
            sentence: docs.split_whitespace().collect::<Vec<_>>().join(" "),
            default,
        }
    }

    /// The same with other limits.
    pub(crate) fn within(self, range: &[std::ops::RangeInclusive<u64>]) -> Self {
        let range = range.first().map_or(self.range, |range| (*range.start(), *range.end()));
        Key { range, ..self }
    }

    /// What its numbers count.
    #[must_use]
    pub fn unit(&self) -> Unit {
        Unit::of(self.name)
    }

    /// Where it is in a scenario: `shape.clients`.
    #[must_use]
    pub fn path(&self) -> String {
        path(&self.section, self.name)
    }

    /// Whether it is a duration whose name does not say in which unit: a bare number could be any.
    pub(super) fn names_no_unit(&self) -> bool {
        matches!(self.name, "at" | "lasts")
    }

    /// What its value may look like.
    pub(super) fn wanted(&self) -> String {
        match &self.form {
            Form::Flag => "true or false".to_owned(),
            Form::Number => self.unit().wanted().to_owned(),
            Form::Span => format!("{}, or two of them as [least, most]", self.unit().wanted()),
            Form::Text => "a text in quotes".to_owned(),
            Form::Word(words) if words.len() > 12 => {
                format!("one of \"{}\"", words.join("\", \""))
            }
            Form::Word(words) => format!("\"{}\"", words.join("\" or \"")),
            Form::Texts => "a list of texts, such as [\"chunkserver-1\"]".to_owned(),
        }
    }
}

/// Where a key is in a scenario.
pub(super) fn path(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// A default as a value; none if it is said by leaving the key out.
pub(super) fn default<T: serde::Serialize>(value: T) -> Default {
    Value::try_from(value).map_or(Default::None, Default::Is)
}

/// A section all of whose keys may be left out: each with its sentence, its type, its default, and the
/// limits of its numbers if they are not those of its unit.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)*)])?
                $key:ident: $type:ty = $default:expr $(, $range:expr)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $doc])+ $(#[serde($($serde)*)])? pub $key: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $($key: $default,)+ }
            }
        }

        impl $crate::scenario::key::Section for $name {
            fn list(section: &str, to: &mut Vec<$crate::scenario::key::Key>) {
                use $crate::scenario::key::{Key, Setting, default};
                $({
                    let value: $type = $default;
                    let docs = concat!($($doc),+);
                    let key = Key::new(section, stringify!($key), docs, default(&value));
                    <$type as Setting>::list(key.within(&[$($range)?]), to);
                })+
            }
        }
    };
}

/// A section that is left out or said: keys without a default are required, those in brackets optional.
macro_rules! entry {
    (
        $(#[$about:meta])+
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $(#[serde($($serde:tt)*)])?
                $key:ident: $type:ty $(= $default:expr)? $(, $range:expr)?;
            )+
        }
    ) => {
        $(#[$about])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ $(#[serde($($serde)*)])? pub $key: $type,)+
        }

        impl $crate::scenario::key::Section for $name {
            fn list(section: &str, to: &mut Vec<$crate::scenario::key::Key>) {
                use $crate::scenario::key::{Default, Key, Setting};
                $({
                    let docs = concat!($($doc),+);
                    let defaults: &[Default] = &[$($default)?];
                    let default = defaults.first().cloned().unwrap_or(Default::Required);
                    let key = Key::new(section, stringify!($key), docs, default);
                    <$type as Setting>::list(key.within(&[$($range)?]), to);
                })+
            }
        }
    };
}

/// A setting that is one word of a few.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $(impl $crate::scenario::key::Setting for $type {
            fn list(
                key: $crate::scenario::key::Key,
                to: &mut Vec<$crate::scenario::key::Key>,
            ) {
                let words = $crate::scenario::probe::variants::<$type>().to_vec();
                let form = $crate::scenario::key::Form::Word(words);
                to.push($crate::scenario::key::Key { form, ..key });
            }
        })+
    };
}

pub(crate) use entry;
pub(super) use section;
pub(crate) use words;
