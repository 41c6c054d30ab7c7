//! A scenario: what a run is made of, as a TOML file says. Anything left out has its default, and
//! anything that is not a key is refused.

pub(crate) mod key;
mod units;
mod probe;
mod reference;
mod document;
mod error;
mod parts;
mod workload;
mod machines;
mod faults;
mod directed;
mod patch;
mod restart;
mod fits;
mod aimed;
mod idle;
mod explain;
mod span;
mod swarm;
mod text;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrong;

pub use directed::{Aim, Directed, Victims};
pub use error::ScenarioError;
pub use faults::{FaultKind, Faults};
pub(crate) use key::entry;
pub use key::{Form, Key};
pub use machines::{DiskBounds, NetworkBounds};
pub use parts::{Acts, ClockBounds, Demands, Measure, Shape};
pub use patch::{ConstantsPatch, RulesPatch};
pub use reference::{Reference, reference};
pub use restart::{Restart, Stop};
pub use span::Span;
pub use units::{Unit, counted};
pub use workload::{Order, Torture, Workload};

use crate::drawn::Episode;
use crate::needs::{self, Moved};
use document::Document;
use key::{Section, Setting};
use leasehold_proto::Constants;
use serde::{Deserialize, Serialize};

/// What `sim run` uses if it is given no file.
const DEFAULT: &str = include_str!("../../../../scenarios/fast/default.toml");
/// What `--swarm` stands for.
const SWARM: &str = include_str!("../../../../scenarios/fast/swarm.toml");

/// A scenario: keys at the head of a file, and sections.
macro_rules! scenario {
    (
        $(#[doc = $about:literal])+
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                #[serde($($serde:tt)*)]
                $key:ident: $type:ty $(= $default:expr)? $(, $range:expr)?;
            )+
            sections:
            $(
                $(#[doc = $section_doc:literal])+
                #[serde($($section_serde:tt)*)]
                $section:ident: $section_type:ty;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ #[serde($($serde)*)] pub $key: $type,)+
            $($(#[doc = $section_doc])+ #[serde($($section_serde)*)] pub $section: $section_type,)+
        }

        impl $name {
            /// All keys, and the sections that they are in.
            fn list(keys: &mut Vec<Key>, sections: &mut Vec<(&'static str, &'static str, bool)>) {
                $({
                    let docs = concat!($($doc),+);
                    let defaults: &[key::Default] = &[$(key::default($default))?];
                    let default = defaults.first().cloned().unwrap_or(key::Default::Required);
                    let key = Key::new("", stringify!($key), docs, default);
                    <$type as Setting>::list(key.within(&[$($range)?]), keys);
                })+
                $(
                    <$section_type as Section>::list(stringify!($section), keys);
                    let repeated = <$section_type as Section>::REPEATED;
                    sections.push((stringify!($section), concat!($($section_doc),+), repeated));
                )+
            }
        }
    };
}

scenario! {
    /// Everything about a run that the seed does not draw, and the bounds of what it draws.
    pub struct Scenario {
        /// What it is for, in a line.
        #[serde()]
        about: String;
        /// How a run is to end: without a violation, or, of a negative scenario, with a violation of this
        /// invariant for some seed.
        #[serde(default)]
        expect: Expect = Expect::Pass;
        /// Seeds that a negative scenario may take until its violation shows.
        #[serde(default = "seeds_max")]
        seeds_max: u64 = seeds_max(), 1..=1_000_000;
        /// The seed draws shape, workload, faults, clocks, disks, network and constants.
        #[serde(default)]
        swarm: bool = false;
        /// With `swarm`: so many masters (1, 3 or 5), whatever the seed would draw.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        swarm_masters: Option<u64> = None::<u64>, 1..=5;
        sections:
        /// What a run must have seen to count. Not required of a negative scenario.
        #[serde(default)]
        demands: Demands;
        /// How large the cluster is.
        #[serde(default)]
        shape: Shape;
        /// How long the two acts last: with faults, and without.
        #[serde(default)]
        acts: Acts;
        /// Over which part of the first act figures are taken; without it, none are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measure: Option<Measure>;
        /// What clients do. Files are numbered from 0: those of even number hold cells, for writes and
        /// reads, those of odd number hold records, for appends.
        #[serde(default)]
        workload: Workload;
        /// Faults that the seed draws: how often, how long, and the relative frequency of each kind.
        #[serde(default)]
        faults: Faults;
        /// How clocks differ from true time.
        #[serde(default)]
        clocks: ClockBounds;
        /// How disks behave.
        #[serde(default)]
        disks: DiskBounds;
        /// How the network behaves without faults.
        #[serde(default)]
        network: NetworkBounds;
        /// Constants of the protocol that differ from their defaults.
        #[serde(default)]
        constants: ConstantsPatch;
        /// Rules of the protocol; false: the rule is not in force.
        #[serde(default)]
        rules: RulesPatch;
        /// Whether the whole cluster is stopped in between, and begins again on its disks.
        #[serde(default)]
        restart: Restart;
        /// A fault that the scenario directs, beside those that the seed draws: what, when, for how long,
        /// to which nodes, and how strong. What is left out, the seed draws.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        fault: Vec<Directed>;
        /// A fault of a run as it was drawn, as the shrinker writes it: exactly these, and none that the
        /// seed draws. By hand, `[[fault]]` is simpler.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Vec<Episode>>;
    }
}

impl Setting for Expect {
    fn list(key: Key, to: &mut Vec<Key>) {
        let known = leasehold_checker::invariants().map(|invariant| invariant.id);
        let words = ["pass", "panic"].into_iter().chain(known).collect();
        to.push(Key { form: Form::Word(words), ..key });
    }
}

/// How a run is to end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Expect {
    /// Without a violation.
    #[default]
    Pass,
    /// With a violation of this invariant, for some seed.
    Violation(String),
}

impl From<Expect> for String {
    fn from(expect: Expect) -> String {
        match expect {
            Expect::Pass => "pass".to_owned(),
            Expect::Violation(id) => id,
        }
    }
}

impl TryFrom<String> for Expect {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        let known = leasehold_checker::invariants().map(|invariant| invariant.id);
        match word.as_str() {
            "pass" => Ok(Expect::Pass),
            id if id == "panic" || known.contains(&id) => Ok(Expect::Violation(word)),
            _ => {
                let known = known.join(", ");
                Err(format!("`{word}` is not `pass`, `panic` or an invariant: {known}"))
            }
        }
    }
}

impl Scenario {
    /// The scenario that `sim run` uses if it is given no file.
    ///
    /// # Panics
    /// Never: the file is part of the program, and a test reads it.
    #[must_use]
    pub fn standard() -> Self {
        Scenario::parse("scenarios/fast/default.toml", DEFAULT)
            .expect("the file that comes with the program is a scenario")
    }

    /// The scenario in which the seed draws everything.
    ///
    /// # Panics
    /// Never: the file is part of the program, and a test reads it.
    #[must_use]
    pub fn swarm() -> Self {
        Scenario::parse("scenarios/fast/swarm.toml", SWARM)
            .expect("the file that comes with the program is a scenario")
    }

    /// Reads a text; `name` is for the errors.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let first = |mut errors: Vec<ScenarioError>| errors.swap_remove(0);
        Scenario::examine(name, text).map(|examined| examined.scenario).map_err(first)
    }

    /// Reads a text, and looks for everything in it that has no effect.
    ///
    /// # Errors
    /// All that is wrong with it, in the order of the lines.
    pub fn examine(name: &str, text: &str) -> Result<Examined, Vec<ScenarioError>> {
        Document::read(name, text).and_then(Examined::new)
    }

    /// The protocol's constants of every run of it.
    #[must_use]
    pub fn constants(&self) -> Constants {
        let mut constants = Constants::default();
        self.constants.apply(&mut constants);
        self.rules.apply(&mut constants.rules);
        constants
    }

    /// Whether its values fit together.
    ///
    /// # Errors
    /// Says which do not, and what would.
    pub fn check(&self) -> Result<(), String> {
        let text = toml::to_string(&self.to_table()).map_err(|error| error.to_string())?;
        let first = |errors: Vec<ScenarioError>| errors[0].to_string();
        let read = Document::read("scenario", &text).map_err(first)?;
        match fits::findings(self).into_iter().next() {
            None => Ok(()),
            Some(wrong) => Err(read.of_values(|_| true).error(&wrong.keys, wrong.what).to_string()),
        }
    }

    /// What no run of it can do in its environment.
    fn beyond_means(&self) -> Vec<Finding> {
        if self.swarm {
            return Vec::new();
        }
        let short = needs::shortfalls(self, &self.constants(), Moved::least(self));
        short.into_iter().map(|short| Finding::refused(&short.keys, short.what)).collect()
    }

    /// What settings that are said have no effect, `says` being which are said.
    fn findings(&self, says: &dyn Fn(&str) -> bool) -> Vec<Finding> {
        let mut findings = fits::findings(self);
        if findings.is_empty() {
            findings.extend(aimed::findings(self));
            findings.extend(self.beyond_means());
            findings.extend(idle::findings(self, says));
        }
        findings
    }
}

/// A scenario that was read, and what is odd about it.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The scenario.
    pub scenario: Scenario,
    /// Settings that only some seeds read, and demands that no run will meet.
    pub warnings: Vec<ScenarioError>,
}

impl Examined {
    fn new(document: Document) -> Result<Self, Vec<ScenarioError>> {
        let read = Scenario::deserialize(document.table.clone());
        let scenario = read.map_err(|error| vec![document.error(&[], error.to_string())])?;
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        for Finding { level, keys, what } in scenario.findings(&|path| document.says(path)) {
            let found = document.error(&keys, what);
            match level {
                Level::Refused => errors.push(found),
                Level::Warned => warnings.push(found),
            }
        }
        errors.sort_by_key(|error| error.line);
        warnings.sort_by_key(|warning| warning.line);
        if errors.is_empty() { Ok(Examined { scenario, warnings }) } else { Err(errors) }
    }
}

/// Something about several keys of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    /// The keys that it is about: the first of them that is said is shown.
    keys: Vec<String>,
    /// Why it is wrong, and what would be right.
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// It is no scenario.
    Refused,
    /// It is one, and not what its author is likely to want.
    Warned,
}

impl Finding {
    fn refused(keys: &[&str], what: impl Into<String>) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Finding { level: Level::Refused, keys, what: what.into() }
    }

    fn warned(keys: &[&str], what: impl Into<String>) -> Self {
        Finding { level: Level::Warned, ..Finding::refused(keys, what) }
    }
}

fn seeds_max() -> u64 {
    200
}
