//! The files beside a table: what its rows add up to.

use anyhow::{Context, Result};
use leasehold_sim::coverage::Mark;
use leasehold_sim::sweep::Totals;
use std::path::{Path, PathBuf};

/// What the name of a table's coverage ends with.
const COVERAGE: &str = "coverage.csv";
/// What the name of its matrix ends with.
const MATRIX: &str = "matrix.csv";

/// The table that this file is beside, by their names, if it is such a file.
pub fn of_table(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let stem = [COVERAGE, MATRIX].iter().find_map(|end| name.strip_suffix(end))?;
    Some(path.with_file_name(format!("{stem}csv")))
}

/// Writes the coverage and the matrix beside the table.
pub fn beside(table: &Path, totals: &Totals) -> Result<()> {
    let path = table.with_extension(COVERAGE);
    let mut coverage = csv::Writer::from_path(&path).with_context(|| path.display().to_string())?;
    coverage.write_record(["mark", "runs", "times", "sentence"])?;
    for mark in Mark::ALL {
        let (runs, times) = totals.coverage.get(mark.name()).copied().unwrap_or_default();
        let (runs, times) = (runs.to_string(), times.to_string());
        coverage.write_record([mark.name(), &runs, &times, mark.sentence()])?;
    }
    coverage.flush()?;
    let path = table.with_extension(MATRIX);
    let mut matrix = csv::Writer::from_path(&path).with_context(|| path.display().to_string())?;
    matrix.write_record(["fault", "path", "times"])?;
    for (cell, times) in &totals.matrix {
        let (fault, path) = cell.split_once(" @ ").unwrap_or((cell, ""));
        matrix.write_record([fault, path, &times.to_string()])?;
    }
    matrix.flush()?;
    Ok(())
}
