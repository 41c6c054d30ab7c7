//! What is claimed about a paper, before anything is run: sentences, each with a tolerance and with
//! what would refute it.

use crate::published::Published;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// `claim.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The paper's short name and figure, as a heading.
    pub title: String,
    /// Authors, title, where and when.
    pub source: String,
    /// What the figure or table answers.
    pub question: String,
    /// What was simulated instead of what the authors had.
    pub setup: String,
    /// The formula, in words a reader can calculate with.
    pub formula: String,
    /// One sentence for the index, known before the run: what is compared.
    pub compares: String,
    /// Whether the claim is made in order to be contradicted: a published sentence that its own numbers
    /// do not bear out.
    #[serde(default)]
    pub expect_refuted: bool,
    /// Seeds of each simulated row.
    #[serde(default = "twenty")]
    pub seeds: u64,
    /// Of the reduced form.
    #[serde(default)]
    pub reduced: Reduced,
    /// How the plot looks.
    pub plot: PlotOf,
    /// What must hold.
    pub statement: Vec<Statement>,
}

fn twenty() -> u64 {
    20
}

/// The form that is run with the tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reduced {
    /// Seeds of each simulated row.
    pub seeds: u64,
    /// Of each series, every so many rows from the first on.
    pub every: usize,
}

impl Default for Reduced {
    fn default() -> Self {
        Reduced { seeds: 3, every: 3 }
    }
}

/// What the plot shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlotOf {
    /// `curve`: x against y. `rows`: a line for each row of the table.
    pub kind: Kind,
    /// The label of the x axis of a curve; of rows, what is measured.
    pub x: String,
    /// The label of the y axis of a curve.
    #[serde(default)]
    pub y: String,
    /// Values span orders of magnitude.
    #[serde(default)]
    pub log: bool,
    /// Only these series; without it, all.
    #[serde(default)]
    pub series: Vec<String>,
}

/// Which kind of plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// x against y.
    Curve,
    /// A line for each row.
    Rows,
}

/// Which column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// What was published.
    Paper,
    /// What the formula gives.
    Formula,
    /// The median over the seeds.
    Simulation,
}

impl Column {
    /// As the claim calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::Paper => "paper",
            Column::Formula => "formula",
            Column::Simulation => "simulation",
        }
    }
}

/// One sentence that the run can contradict.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The sentence.
    pub says: String,
    /// The column that it is about.
    pub of: Column,
    /// The column that it is compared with.
    pub against: Column,
    /// Of these series; without it, of all.
    #[serde(default)]
    pub series: Vec<String>,
    /// Of rows with an x of at least this.
    #[serde(default = "least")]
    pub x_min: f64,
    /// Of rows with an x of at most this.
    #[serde(default = "most")]
    pub x_max: f64,
    /// Relative deviation of every row up to which it holds.
    #[serde(default)]
    pub within: Option<f64>,
    /// Relative deviation of any row above which it is refuted, whatever the shape.
    #[serde(default)]
    pub refuted_above: Option<f64>,
    /// A difference of this much, in the unit, counts as none.
    #[serde(default)]
    pub floor: f64,
    /// A claim that the columns differ: every row by at least this factor.
    #[serde(default)]
    pub apart: Option<f64>,
}

fn least() -> f64 {
    f64::NEG_INFINITY
}

fn most() -> f64 {
    f64::INFINITY
}

impl Statement {
    /// Whether it is about this row.
    #[must_use]
    pub fn covers(&self, row: &Published) -> bool {
        let named = self.series.is_empty() || self.series.contains(&row.series);
        named && (self.x_min..=self.x_max).contains(&row.x)
    }
}

/// Reads `claim.toml`.
///
/// # Errors
/// If it is no such claim, or a sentence in it could not be contradicted.
pub fn parse(text: &str) -> Result<Claim> {
    let claim: Claim = toml::from_str(text).context("claim.toml")?;
    ensure!(!claim.statement.is_empty(), "claim.toml states nothing");
    ensure!(claim.seeds >= 20, "claim.toml: seeds must be at least 20");
    for statement in &claim.statement {
        let bounds = match (statement.within, statement.refuted_above, statement.apart) {
            (Some(within), Some(refuted), None) => 0.0 <= within && within < refuted,
            (None, None, Some(factor)) => factor > 1.0,
            _ => false,
        };
        ensure!(
            bounds && statement.of != statement.against,
            "claim.toml: `{}` needs two columns, and `within` below `refuted_above`, or `apart`",
            statement.says
        );
    }
    Ok(claim)
}
