//! The commands that make the rows of a table again.

use super::settings::{axes, pairs};
use super::variant::Variant;
use std::collections::{BTreeMap, BTreeSet};

/// A command for each scenario, with the seeds and settings that its rows have.
#[must_use]
pub fn again(variants: &[Variant<'_>]) -> Vec<String> {
    let mut scenarios: BTreeMap<&str, Vec<Variant<'_>>> = BTreeMap::new();
    for variant in variants {
        scenarios.entry(variant.scenario).or_default().push(variant.clone());
    }
    scenarios.iter().map(|(scenario, variants)| command(scenario, variants)).collect()
}

fn command(scenario: &str, variants: &[Variant<'_>]) -> String {
    let seeds: BTreeSet<u64> =
        variants.iter().flat_map(|variant| variant.rows.keys().copied()).collect();
    let (first, last) = (seeds.first().copied().unwrap_or(0), seeds.last().copied().unwrap_or(0));
    let what = match scenario {
        swarm if swarm.starts_with("swarm") => format!("--{swarm}"),
        file => format!("--scenario {file}"),
    };
    let mut words = vec![format!("just sweep {what} --seeds {first}..{}", last + 1)];
    words.extend(settings(variants));
    words.join(" ")
}

/// What was set: keys that kept their value, and the axes of those that did not.
fn settings(variants: &[Variant<'_>]) -> Vec<String> {
    let axes = axes(variants);
    let moving: BTreeSet<&String> = axes.iter().flat_map(|axis| &axis.keys).collect();
    let first = variants.first().map_or(Vec::new(), |variant| pairs(variant.set));
    let still = first.iter().filter(|(key, _)| !moving.contains(&(*key).to_owned()));
    let mut all: Vec<String> = still.map(|(key, value)| format!("--set '{key}={value}'")).collect();
    for axis in &axes {
        let columns: Vec<Vec<&str>> =
            axis.values.iter().map(|value| value.split("; ").collect()).collect();
        let column = |(at, key): (usize, &String)| {
            let values: Vec<&str> = columns.iter().filter_map(|row| row.get(at).copied()).collect();
            format!("{key}={}", values.join(","))
        };
        let columns: Vec<String> = axis.keys.iter().enumerate().map(column).collect();
        all.push(format!("--set '{}'", columns.join(";")));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::{Build, Provenance};
    use crate::scenario::Scenario;
    use crate::sweep::{Report, Row};

    #[test]
    fn a_command_has_the_seeds_and_settings_of_the_rows() {
        let from = Provenance::of("a.toml", &Scenario::standard(), 4);
        let row = Row::new(&from, "", "", &Report::died(String::new()), false);
        let of = |set| Variant {
            scenario: "a.toml",
            set,
            build: Build::this(),
            rows: [(4, &row), (9, &row)].into(),
        };
        let all = [of("k=1 a=2s b=500ms"), of("k=1 a=4s b=1s")];
        assert_eq!(
            again(&all),
            ["just sweep --scenario a.toml --seeds 4..10 --set 'k=1' --set 'a=2s,4s;b=500ms,1s'"]
        );
        let swarm = Variant { scenario: "swarm", ..of("") };
        assert_eq!(again(std::slice::from_ref(&swarm)), ["just sweep --swarm --seeds 4..10"]);
        let three = Variant { scenario: "swarm --masters 3", ..swarm };
        assert_eq!(again(&[three]), ["just sweep --swarm --masters 3 --seeds 4..10"]);
    }
}
