//! Where figures come from: the build, and what was run. Every file that a run or a sweep leaves says it.

use crate::scenario::Scenario;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A build of this program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Build {
    /// What was checked out when it was built; `-dirty` if its sources were others, `-unchecked` if
    /// there was no checkout to compare them with. For people: it identifies nothing.
    pub commit: String,
    /// A hash of all sources that reach a simulated run, names and bytes. Two builds of equal
    /// sources are one build, in whichever folder, by whichever profile.
    pub sources: String,
}

impl Build {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        Build { commit: COMMIT.to_owned(), sources: SOURCES.to_owned() }
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "commit {}, sources {}", self.commit, self.sources)
    }
}

const COMMIT: &str = env!("LEASEHOLD_SIM_COMMIT");
const SOURCES: &str = env!("LEASEHOLD_SIM_SOURCES");

/// Of `--version`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("LEASEHOLD_SIM_COMMIT"),
    ", sources ",
    env!("LEASEHOLD_SIM_SOURCES"),
    ")"
);

/// What was run, by which build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The build.
    #[serde(flatten)]
    pub build: Build,
    /// The scenario's file, or what is there for it.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Rules of the protocol that were not in force.
    pub rules_left_out: Vec<String>,
    /// Constants of the protocol that the scenario, or its seed, sets.
    pub constants: BTreeMap<String, String>,
}

impl Provenance {
    /// Of one seed of a scenario, by this build.
    #[must_use]
    pub fn of(name: &str, scenario: &Scenario, seed: u64) -> Self {
        let drawn = scenario.of(crate::seed::Seed(seed));
        Provenance {
            build: Build::this(),
            scenario: name.to_owned(),
            seed,
            rules_left_out: left_out(&drawn),
            constants: section(&drawn, "constants"),
        }
    }

    /// For people, on one line.
    #[must_use]
    pub fn line(&self) -> String {
        let listed = |list: Vec<String>| match &list[..] {
            [] => "none".to_owned(),
            list => list.join(" "),
        };
        let constants = self.constants.iter().map(|(key, value)| format!("{key}={value}"));
        format!(
            "{}; scenario {}, seed {}; rules left out: {}; constants set: {}",
            self.build,
            self.scenario,
            self.seed,
            listed(self.rules_left_out.clone()),
            listed(constants.collect())
        )
    }

    /// As an object of JSON on one line.
    ///
    /// # Panics
    /// Never: it is plain data.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("plain data has a text")
    }
}

fn left_out(scenario: &Scenario) -> Vec<String> {
    let rules = section(scenario, "rules").into_iter();
    rules.filter(|(_, on)| on == "false").map(|(rule, _)| rule).collect()
}

/// What a section of a scenario sets.
fn section(scenario: &Scenario, name: &str) -> BTreeMap<String, String> {
    let table = scenario.to_table();
    let section = table.get(name).and_then(toml::Value::as_table);
    let entries = section.into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), value.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_and_what_is_set_is_in_it() {
        let text = "about = \"x\"\n[rules]\nrepair = false\nkeep_deleted = true\n[constants]\n\
                    lease_duration_ms = 4000\n";
        let scenario = Scenario::parse("x.toml", text).unwrap();
        let provenance = Provenance::of("x.toml", &scenario, 7);
        assert_eq!(provenance.rules_left_out, ["repair"]);
        assert_eq!(provenance.constants["lease_duration_ms"], "4000");
        let line = provenance.line();
        assert!(
            line.ends_with("seed 7; rules left out: repair; constants set: lease_duration_ms=4000")
        );
        assert!(line.starts_with(&format!("commit {COMMIT}, sources {SOURCES};")), "{line}");
        let again: Provenance = serde_json::from_str(&provenance.json()).unwrap();
        assert_eq!(again, provenance);
    }

    #[test]
    fn a_swarm_seed_sets_what_it_draws() {
        let of = |seed| Provenance::of("swarm", &Scenario::swarm(), seed).constants;
        assert!(of(1).contains_key("lease_duration_ms"));
        assert_ne!(of(1), of(2));
    }
}
