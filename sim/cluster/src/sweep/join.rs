//! The tables of shards as one: each run once.

use super::report::Outcome;
use super::table::{Key, Row};
use std::collections::BTreeMap;

/// Rows of several tables, each run once, in the order of scenarios, settings and seeds.
#[derive(Clone, Debug, Default)]
pub struct Joined {
    /// What is kept.
    pub rows: Vec<Row>,
    /// Rows that were left out, since another one has the same run.
    pub doubled: u64,
    /// Runs of which two rows say something else: both, the kept one first. A run is a function of
    /// its build, its scenario and its seed, so one of the machines is wrong, or one of the builds.
    pub contradictions: Vec<(Row, Row)>,
}

/// Puts tables together. Of two rows of one run the one is kept that came to an end; of two that did,
/// the first.
#[must_use]
pub fn join(tables: impl IntoIterator<Item = Vec<Row>>) -> Joined {
    let mut runs: BTreeMap<Key, Row> = BTreeMap::new();
    let mut joined = Joined::default();
    for row in tables.into_iter().flatten() {
        let Some(known) = runs.get_mut(&row.key()) else {
            runs.insert(row.key(), row);
            continue;
        };
        joined.doubled += 1;
        match (ended(known), ended(&row)) {
            (false, true) => *known = row,
            (true, true) if says(known) != says(&row) => {
                joined.contradictions.push((known.clone(), row));
            }
            // What the machine was busy with decides how a run fails to end.
            (true | false, _) => {}
        }
    }
    joined.rows = runs.into_values().collect();
    let place = |row: &Row| (row.scenario.clone(), row.set.clone(), row.key());
    joined.rows.sort_by_cached_key(place);
    joined
}

fn ended(row: &Row) -> bool {
    !matches!(row.outcome(), Some(Outcome::Died | Outcome::Hung) | None)
}

fn says(row: &Row) -> (&str, &str, &str) {
    (&row.fingerprint, &row.outcome, &row.invariant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Provenance;
    use crate::scenario::Scenario;
    use crate::sweep::Report;

    fn row(scenario: &str, seed: u64, outcome: Outcome, fingerprint: &str) -> Row {
        let mut report = Report::died(String::new());
        (report.outcome, report.fingerprint) = (outcome, fingerprint.to_owned());
        let from = Provenance::of(scenario, &Scenario::standard(), seed);
        Row::new(&from, scenario, "", &report, false)
    }

    fn seeds(joined: &Joined) -> Vec<(&str, u64)> {
        joined.rows.iter().map(|row| (row.scenario.as_str(), row.seed)).collect()
    }

    #[test]
    fn each_run_is_kept_once_and_in_order() {
        let ok = |scenario, seed| row(scenario, seed, Outcome::Ok, "f");
        let joined = join([vec![ok("b", 1), ok("a", 10)], vec![ok("a", 2), ok("b", 1)]]);
        assert_eq!(seeds(&joined), [("a", 2), ("a", 10), ("b", 1)]);
        assert_eq!((joined.doubled, joined.contradictions.len()), (1, 0));
    }

    #[test]
    fn a_run_that_ended_is_kept_before_one_that_did_not() {
        let hung = || row("a", 1, Outcome::Hung, "");
        let ended = || row("a", 1, Outcome::Ok, "f");
        for tables in [[vec![hung()], vec![ended()]], [vec![ended()], vec![hung()]]] {
            let joined = join(tables);
            assert_eq!(joined.rows, [ended()]);
            assert_eq!((joined.doubled, joined.contradictions.len()), (1, 0));
        }
    }

    #[test]
    fn rows_of_one_run_that_differ_are_shown() {
        let tables = [vec![row("a", 1, Outcome::Ok, "f")], vec![row("a", 1, Outcome::Ok, "g")]];
        let joined = join(tables);
        assert_eq!(seeds(&joined), [("a", 1)]);
        let [(one, other)] = &joined.contradictions[..] else { panic!("one run has two rows") };
        assert_eq!((one.fingerprint.as_str(), other.fingerprint.as_str()), ("f", "g"));
    }
}
