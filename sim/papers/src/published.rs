//! What a paper published: one row a number, and where it was found.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One row of `published.csv`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Rows of one series belong to one curve, or to one block of a table.
    pub series: String,
    /// Where on the curve; of a table, which row.
    pub x: f64,
    /// What a table calls the row; empty for a curve.
    pub label: String,
    /// The paper's number; empty if it has none here, and `how` says why.
    pub y: Option<f64>,
    /// Of the number.
    pub unit: String,
    /// `text`, `table`, `digitised`, or why there is no number.
    pub how: String,
    /// Where in the paper.
    pub page: String,
    /// The number is known to this much, in its unit.
    pub resolution: f64,
}

impl Published {
    /// How a page calls this row.
    #[must_use]
    pub fn name(&self) -> String {
        if self.label.is_empty() { format!("{}", self.x) } else { self.label.clone() }
    }
}

/// Reads `published.csv`.
///
/// # Errors
/// If it is no such table, or two rows are the same point.
pub fn parse(text: &str) -> Result<Vec<Published>> {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
    let rows: Vec<Published> =
        reader.deserialize().collect::<Result<_, _>>().context("published.csv")?;
    ensure!(!rows.is_empty(), "published.csv holds no row");
    for (at, row) in rows.iter().enumerate() {
        let twice = rows[..at].iter().any(|other| other.series == row.series && other.x == row.x);
        ensure!(!twice, "published.csv has {} at {} twice", row.series, row.x);
        ensure!(row.y.is_none_or(f64::is_finite) && row.x.is_finite(), "{row:?} is not finite");
    }
    Ok(rows)
}
