//! The verdict: each sentence of the claim against the table, and the worst of them.

use crate::claim::{Claim, Statement};
use crate::table::{Row, Table};
use anyhow::{Result, ensure};
use std::fmt;

/// How a claim came out. The worse one is the greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Every row is within the tolerance.
    Reproduced,
    /// Some row is beyond the tolerance, none beyond what would refute, and the rows rise and fall
    /// alike.
    ShapeOnly,
    /// Some row is beyond what would refute, or the rows do not rise and fall alike.
    Refuted,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Reproduced => "REPRODUCED",
            Verdict::ShapeOnly => "SHAPE ONLY",
            Verdict::Refuted => "REFUTED",
        })
    }
}

/// How one sentence came out.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The sentence.
    pub statement: Statement,
    /// Its verdict.
    pub verdict: Verdict,
    /// Rows that have both columns.
    pub rows: usize,
    /// The largest relative deviation, signed, and its row.
    pub worst: (f64, String),
    /// The median of the deviations' absolute values.
    pub median: f64,
    /// Pairs of rows that rise or fall alike in both columns, of those that differ in both.
    pub alike: (usize, usize),
}

/// Judges a table. In the reduced form a sentence may have no row left; one at least has.
///
/// # Errors
/// If a sentence compares nothing: a claim that no row could contradict is none.
pub fn judge(claim: &Claim, table: &Table, reduced: bool) -> Result<(Verdict, Vec<Judged>)> {
    let mut all = Vec::new();
    for statement in &claim.statement {
        match judged(statement, &table.rows) {
            Some(judged) => all.push(judged),
            None => ensure!(reduced, "`{}` compares nothing", statement.says),
        }
    }
    let worst = all.iter().map(|judged| judged.verdict).max();
    let verdict = worst.ok_or_else(|| anyhow::anyhow!("no sentence of the claim has a row"))?;
    Ok((verdict, all))
}

fn judged(statement: &Statement, rows: &[Row]) -> Option<Judged> {
    let pairs: Vec<(&Row, f64, f64)> = rows
        .iter()
        .filter(|row| statement.covers(&row.published))
        .filter_map(|row| Some((row, row.value(statement.of)?, row.value(statement.against)?)))
        .collect();
    let deviations: Vec<f64> =
        pairs.iter().map(|(_, of, against)| deviation(*of, *against, statement.floor)).collect();
    let named =
        |at: usize| format!("{}, {}", pairs[at].0.published.series, pairs[at].0.published.name());
    // Of a claim that columns differ, the row that differs least is the one that may contradict it.
    let key = |at: &usize| match statement.apart {
        None => deviations[*at].abs(),
        Some(_) => -factor(pairs[*at].1, pairs[*at].2),
    };
    let worst = (0..pairs.len()).max_by(|a, b| key(a).total_cmp(&key(b)))?;
    let alike = alike(&pairs);
    let mut sorted: Vec<f64> = deviations.iter().map(|deviation| deviation.abs()).collect();
    sorted.sort_by(f64::total_cmp);
    let largest = deviations[worst].abs();
    let verdict = match (statement.apart, statement.within, statement.refuted_above) {
        (Some(apart), _, _) if factor(pairs[worst].1, pairs[worst].2) >= apart => {
            Verdict::Reproduced
        }
        (None, Some(within), _) if largest <= within => Verdict::Reproduced,
        (None, _, Some(refuted)) if largest <= refuted && is_shape(alike) => Verdict::ShapeOnly,
        _ => Verdict::Refuted,
    };
    Some(Judged {
        statement: statement.clone(),
        verdict,
        rows: pairs.len(),
        worst: (deviations[worst], named(worst)),
        median: sorted[sorted.len() / 2],
        alike,
    })
}

/// Whether at most one pair in twenty rises in one column and falls in the other.
fn is_shape((same, all): (usize, usize)) -> bool {
    20 * (all - same) <= all
}

/// Relative to the column that is compared with; nothing below the floor.
fn deviation(of: f64, against: f64, floor: f64) -> f64 {
    let difference = of - against;
    match () {
        () if difference.abs() <= floor => 0.0,
        () if against == 0.0 => f64::INFINITY.copysign(difference),
        () => difference / against.abs(),
    }
}

/// By how much the larger of two exceeds the other.
fn factor(one: f64, other: f64) -> f64 {
    let (small, large) = (one.abs().min(other.abs()), one.abs().max(other.abs()));
    if small == 0.0 { f64::INFINITY } else { large / small }
}

/// Pairs of rows of one series that differ in both columns by more than the paper's resolution and
/// by two hundredths, and how many of them differ the same way.
fn alike(pairs: &[(&Row, f64, f64)]) -> (usize, usize) {
    let (mut same, mut all) = (0, 0);
    for (at, (row, of, against)) in pairs.iter().enumerate() {
        for (other, other_of, other_against) in &pairs[..at] {
            let of_one_series = row.published.series == other.published.series;
            let blur = row.published.resolution.max(other.published.resolution);
            let differ =
                |one: f64, two: f64| (one - two).abs() > blur.max(0.02 * one.abs().max(two.abs()));
            if of_one_series && differ(*of, *other_of) && differ(*against, *other_against) {
                all += 1;
                same += usize::from((of > other_of) == (against > other_against));
            }
        }
    }
    (same, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Column;
    use crate::paper::Figure;
    use crate::published::Published;
    use crate::table::Simulated;

    fn rows(pairs: &[(f64, f64)]) -> Vec<Row> {
        let row = |(at, (paper, formula)): (usize, &(f64, f64))| Row {
            published: Published {
                series: "s".to_owned(),
                x: at as f64,
                label: String::new(),
                y: Some(*paper),
                unit: String::new(),
                how: "text".to_owned(),
                page: "1".to_owned(),
                resolution: 0.0,
            },
            formula: Figure::Value(*formula),
            simulated: Simulated::Absent("not here"),
        };
        pairs.iter().enumerate().map(row).collect()
    }

    fn statement() -> Statement {
        Statement {
            says: "they are the same".to_owned(),
            of: Column::Formula,
            against: Column::Paper,
            series: Vec::new(),
            x_min: f64::NEG_INFINITY,
            x_max: f64::INFINITY,
            within: Some(0.1),
            refuted_above: Some(0.5),
            floor: 0.0,
            apart: None,
        }
    }

    fn verdict(statement: &Statement, pairs: &[(f64, f64)]) -> Option<Verdict> {
        judged(statement, &rows(pairs)).map(|judged| judged.verdict)
    }

    #[test]
    fn the_worst_row_decides() {
        let good = [(1.0, 1.05), (2.0, 1.9), (4.0, 4.0)];
        assert_eq!(verdict(&statement(), &good), Some(Verdict::Reproduced));
        let apart = [(1.0, 1.05), (2.0, 2.6), (4.0, 4.0)];
        assert_eq!(verdict(&statement(), &apart), Some(Verdict::ShapeOnly));
        let beyond = [(1.0, 1.05), (2.0, 3.1), (4.0, 4.0)];
        assert_eq!(verdict(&statement(), &beyond), Some(Verdict::Refuted));
        assert_eq!(verdict(&statement(), &[]), None, "nothing compared is nothing shown");
    }

    #[test]
    fn what_rises_in_one_column_and_falls_in_the_other_has_not_the_shape() {
        let crossed = [(1.0, 1.4), (1.2, 1.0), (4.0, 4.0)];
        assert_eq!(verdict(&statement(), &crossed), Some(Verdict::Refuted));
    }

    #[test]
    fn a_claim_that_columns_differ_is_contradicted_by_the_row_that_differs_least() {
        let differ =
            Statement { apart: Some(3.0), within: None, refuted_above: None, ..statement() };
        assert_eq!(verdict(&differ, &[(1.0, 4.0), (9.0, 1.0)]), Some(Verdict::Reproduced));
        assert_eq!(verdict(&differ, &[(1.0, 4.0), (9.0, 8.0)]), Some(Verdict::Refuted));
    }

    #[test]
    fn a_floor_is_what_cannot_be_read() {
        let fine = Statement { floor: 0.5, ..statement() };
        assert_eq!(verdict(&fine, &[(0.1, 0.5)]), Some(Verdict::Reproduced));
        assert_eq!(verdict(&statement(), &[(0.0, 0.5)]), Some(Verdict::Refuted));
    }
}
