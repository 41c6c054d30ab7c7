//! What a sweep went through, read back from its rows.

use super::variant::Variant;
use std::collections::BTreeMap;

/// Keys that took several values, together: the same rows whenever one of them does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The keys.
    pub keys: Vec<String>,
    /// Of each variant, which value; the number of the value in `values`.
    pub at: Vec<usize>,
    /// The values as they were set, the smallest first: of several keys, with semicolons.
    pub values: Vec<String>,
}

impl Axis {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.keys.join("; ")
    }

    /// Where the values are on a scale: as numbers if all of the first key's are, else one after the
    /// other.
    #[must_use]
    pub fn places(&self) -> Vec<f64> {
        let first = |value: &String| number(value.split("; ").next().unwrap_or_default());
        let numbers: Option<Vec<f64>> = self.values.iter().map(first).collect();
        let apart = |numbers: &Vec<f64>| numbers.windows(2).all(|pair| pair[0] < pair[1]);
        let one_by_one = || (1..=self.values.len()).map(|place| place as f64).collect();
        numbers.filter(apart).unwrap_or_else(one_by_one)
    }

    /// What the axis of a plot is called.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let with_unit = self
            .values
            .iter()
            .all(|value| seconds(value.split("; ").next().unwrap_or("")).is_some());
        if with_unit { ", s" } else { "" }
    }
}

/// What was set, `a=1 b=[2, 3]`, as pairs.
#[must_use]
pub fn pairs(set: &str) -> Vec<(&str, &str)> {
    let is_key = |text: &str| {
        let key = text.split('=').next().unwrap_or_default();
        text.contains('=')
            && !key.is_empty()
            && key.chars().all(|c| c.is_alphanumeric() || "._".contains(c))
    };
    let mut starts: Vec<usize> = vec![0];
    starts.extend(set.match_indices(' ').map(|(at, _)| at + 1).filter(|at| is_key(&set[*at..])));
    starts.push(set.len() + 1);
    let words = starts.windows(2).map(|pair| &set[pair[0].min(set.len())..pair[1] - 1]);
    words.filter_map(|word| word.split_once('=')).collect()
}

/// The axes that some variants lie on.
#[must_use]
pub fn axes(variants: &[Variant<'_>]) -> Vec<Axis> {
    let sets: Vec<BTreeMap<&str, &str>> =
        variants.iter().map(|variant| pairs(variant.set).into_iter().collect()).collect();
    let mut keys: Vec<&str> = sets.iter().flat_map(|set| set.keys().copied()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut axes: Vec<Axis> = Vec::new();
    for key in keys {
        let of: Option<Vec<&str>> = sets.iter().map(|set| set.get(key).copied()).collect();
        let Some(of) = of else { continue };
        let mut values = of.clone();
        values.sort_by(|one, other| by_number(one, other));
        values.dedup();
        if values.len() < 2 {
            continue;
        }
        let place = |value: &&str| values.iter().position(|known| known == value);
        let at: Vec<usize> = of.iter().filter_map(place).collect();
        match axes.iter_mut().find(|axis| moves_with(&axis.at, &at)) {
            Some(axis) => {
                axis.keys.push(key.to_owned());
                for (number, value) in axis.values.iter_mut().enumerate() {
                    let variant = axis.at.iter().position(|at| *at == number);
                    let own = variant.map_or("", |variant| of[variant]);
                    *value = format!("{value}; {own}");
                }
            }
            None => axes.push(Axis {
                keys: vec![key.to_owned()],
                at,
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }),
        }
    }
    axes
}

/// Whether two keys divide the variants alike.
fn moves_with(one: &[usize], other: &[usize]) -> bool {
    let pairs: std::collections::BTreeSet<(usize, usize)> =
        one.iter().copied().zip(other.iter().copied()).collect();
    let count = |side: &[usize]| side.iter().max().map_or(0, |most| most + 1);
    pairs.len() == count(one) && pairs.len() == count(other)
}

fn by_number(one: &str, other: &str) -> std::cmp::Ordering {
    match (number(one), number(other)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => one.cmp(other),
    }
}

/// A value as a number; durations in seconds.
fn number(text: &str) -> Option<f64> {
    text.replace('_', "").parse().ok().or_else(|| seconds(text))
}

fn seconds(text: &str) -> Option<f64> {
    let text = text.trim_matches('"');
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
    let number: f64 = text[..digits].replace('_', "").parse().ok()?;
    let unit = match text[digits..].trim() {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Build;

    fn of<'a>(sets: &[&'a str]) -> Vec<Variant<'a>> {
        let variant = |set: &&'a str| Variant {
            scenario: "a.toml",
            set,
            build: Build::this(),
            rows: BTreeMap::new(),
        };
        sets.iter().map(variant).collect()
    }

    #[test]
    fn what_was_set_is_read_back() {
        assert_eq!(pairs("a.b=2s c=[1, 2] d=x"), [("a.b", "2s"), ("c", "[1, 2]"), ("d", "x")]);
        assert!(pairs("").is_empty());
    }

    #[test]
    fn keys_that_move_together_are_one_axis() {
        let sets = ["a=10s b=500ms c=1", "a=10s b=500ms c=2", "a=2s b=1s c=1", "a=2s b=1s c=2"];
        let axes = axes(&of(&sets));
        assert_eq!(axes.len(), 2);
        assert_eq!(axes[0].name(), "a; b");
        assert_eq!(axes[0].values, ["2s; 1s", "10s; 500ms"], "by their numbers");
        assert_eq!((axes[0].places(), axes[0].unit()), (vec![2.0, 10.0], ", s"));
        assert_eq!(axes[0].at, [1, 1, 0, 0]);
        assert_eq!((axes[1].values.len(), axes[1].unit()), (2, ""));
    }

    #[test]
    fn what_is_no_number_has_places_all_the_same() {
        let axes = axes(&of(&["o=random x=1", "o=sequential x=1"]));
        assert_eq!(axes.len(), 1, "what does not change is no axis");
        assert_eq!(axes[0].places(), [1.0, 2.0]);
    }
}
