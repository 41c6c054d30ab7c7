//! What is special to a paper: its formula, and how its simulation is read.

use crate::published::Published;
use crate::spread::Spread;
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;

/// A value, or why there cannot be one.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// In the row's unit.
    Value(f64),
    /// A sentence for the reader.
    Absent(&'static str),
}

/// What one seed showed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// In the row's unit.
    pub value: f64,
    /// Of the run, if a cluster ran.
    pub fingerprint: String,
}

/// What a simulation is given beside the row and the seed.
pub struct Inputs {
    /// `scenario.toml`, if the paper has one.
    pub scenario: Option<Scenario>,
    /// Fewer repetitions within a seed too.
    pub reduced: bool,
}

/// A paper.
pub trait Paper: Sync {
    /// The name of its folder.
    fn name(&self) -> &'static str;

    /// What the formula gives for a row.
    fn formula(&self, row: &Published) -> Figure;

    /// Why a row has no simulation, if it has none.
    fn not_simulated(&self, row: &Published) -> Option<&'static str>;

    /// Of a row that counts a population which is there already, and draws nothing: its value and the
    /// interval.
    fn observed(&self, _: &Published) -> Option<Spread> {
        None
    }

    /// What a seed shows for a row that is simulated.
    ///
    /// # Errors
    /// If the run is not one that can be read: an invariant was violated, or it measured nothing.
    fn simulate(&self, row: &Published, inputs: &Inputs, seed: Seed) -> Result<Reading, String>;
}

impl Reading {
    /// Of something that is not a cluster: the seed decides it all.
    #[must_use]
    pub fn drawn(value: f64) -> Self {
        Reading { value, fingerprint: String::new() }
    }
}

/// Runs a cluster with these changes to the paper's scenario.
///
/// # Errors
/// If an invariant was violated, or this build cannot simulate.
#[cfg(madsim)]
pub fn cluster(
    inputs: &Inputs,
    changes: &[(&str, String)],
    seed: Seed,
) -> Result<leasehold_sim::summary::Summary, String> {
    use leasehold_sim::run::{Asked, run};
    let scenario = inputs.scenario.as_ref().ok_or("the paper has no scenario.toml")?;
    let changes: Vec<(String, String)> =
        changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let scenario = scenario.with(&changes).map_err(|error| error.to_string())?;
    let outcome = run(&scenario, seed, Asked::default());
    match outcome.found {
        None => Ok(outcome.summary),
        Some(found) => Err(format!("{}: {}", found.wrong.invariant, found.wrong.detail)),
    }
}

/// Runs a cluster with these changes to the paper's scenario.
///
/// # Errors
/// Always: this build cannot simulate.
#[cfg(not(madsim))]
pub fn cluster(
    _: &Inputs,
    _: &[(&str, String)],
    _: Seed,
) -> Result<leasehold_sim::summary::Summary, String> {
    Err("built without simulation; `just paper NAME` builds and runs it with".to_owned())
}
