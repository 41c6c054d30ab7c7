//! The cluster's constants by name, so that a file and a flag can set each of them.
//!
//! The names and types come from `Constants` itself, through serde: a constant that is added
//! there can be set here without another line.

use crate::units::{human_duration, human_size, parse_duration, parse_size};
use leasehold_proto::Constants;
use serde_json::{Map, Value};
use std::time::Duration;

/// Constants under construction.
#[derive(Clone, Debug)]
pub struct Table(Map<String, Value>);

impl Default for Table {
    fn default() -> Self {
        let value = serde_json::to_value(Constants::default());
        match value.expect("constants are plain data") {
            Value::Object(map) => Table(map),
            other => unreachable!("constants are a struct, not {other}"),
        }
    }
}

impl Table {
    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Sets one from text: `12s` for a duration, `4MiB` or a number for bytes, `true` or `false`,
    /// a number otherwise.
    /// The error says what would be right. `None` if there is no such key.
    pub fn set(&mut self, key: &str, text: &str) -> Option<Result<(), String>> {
        let slot = self.0.get_mut(key)?;
        let parsed = if slot.is_object() {
            parse_duration(text).map(duration_value)
        } else if slot.is_boolean() {
            text.parse::<bool>()
                .map(Value::from)
                .map_err(|_| format!("{text:?} is neither true nor false"))
        } else if is_size(key) {
            parse_size(text).map(Value::from)
        } else {
            let number = text.parse::<u64>().map(Value::from);
            number.map_err(|_| format!("{text:?} is not a whole number"))
        };
        Some(parsed.map(|value| *slot = value))
    }

    /// The value of a key as a person would write it.
    pub fn show(&self, key: &str) -> Option<String> {
        let value = self.0.get(key)?;
        let span = serde_json::from_value::<Duration>(value.clone());
        Some(match (span, value.as_u64()) {
            (Ok(span), _) => human_duration(span),
            (_, Some(bytes)) if is_size(key) => human_size(bytes),
            _ => value.to_string(),
        })
    }

    /// The value of a key as the configuration file takes it.
    pub fn toml(&self, key: &str) -> Option<String> {
        let value = self.0.get(key)?;
        let span = serde_json::from_value::<Duration>(value.clone());
        Some(span.map_or_else(|_| value.to_string(), |span| format!("{:?}", human_duration(span))))
    }

    /// All of them; the error names the key that does not fit its type (a number above 32 bits).
    pub fn build(&self) -> Result<Constants, String> {
        let built = serde_json::from_value(Value::Object(self.0.clone()));
        built.map_err(|error| match self.0.iter().find(|(key, value)| !fits(key, value)) {
            Some((key, value)) => format!("{key}: {value} is more than it can be, {}", u32::MAX),
            None => error.to_string(),
        })
    }
}

/// Can this key alone have this value?
fn fits(key: &str, value: &Value) -> bool {
    let mut table = Table::default();
    table.0.insert(key.to_owned(), value.clone());
    serde_json::from_value::<Constants>(Value::Object(table.0)).is_ok()
}

fn is_size(key: &str) -> bool {
    key.contains("bytes")
}

fn duration_value(span: Duration) -> Value {
    serde_json::to_value(span).expect("a duration is plain data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untouched_it_builds_the_defaults() {
        assert_eq!(Table::default().build(), Ok(Constants::default()));
    }

    #[test]
    fn each_kind_is_set_from_its_own_spelling() {
        let mut table = Table::default();
        assert_eq!(table.set("lease_duration", "20s"), Some(Ok(())));
        assert_eq!(table.set("mutation_bytes_max", "1MiB"), Some(Ok(())));
        assert_eq!(table.set("repairs_max", "3"), Some(Ok(())));
        assert_eq!(table.set("confirm_reads", "false"), Some(Ok(())));
        assert!(matches!(table.set("confirm_reads", "no"), Some(Err(_))));
        let built = table.build().expect("all fit");
        assert_eq!(built.lease_duration, Duration::from_secs(20));
        assert_eq!(built.mutation_bytes_max, 1 << 20);
        assert_eq!(built.repairs_max, 3);
        assert!(!built.confirm_reads);
        assert_eq!(table.show("lease_duration").as_deref(), Some("20s"));
        assert_eq!(table.show("mutation_bytes_max").as_deref(), Some("1.0 MiB"));
    }

    #[test]
    fn wrong_values_and_keys_are_told_apart() {
        let mut table = Table::default();
        assert!(matches!(table.set("lease_duration", "20"), Some(Err(_))));
        assert!(matches!(table.set("repairs_max", "many"), Some(Err(_))));
        assert_eq!(table.set("lease_duraton", "20s"), None);
        assert_eq!(table.set("rules", "none"), None, "no binary offers the ablation switches");
        assert_eq!(table.set("repairs_max", "5000000000"), Some(Ok(())));
        assert!(table.build().is_err(), "above 32 bits");
    }
}
