//! What a table holds before a sweep goes on with it.

use super::table::{Key, Row};
use crate::nouns::count;
use crate::provenance::Build;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a table, by what they are to a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Runs of the sweep that need not be made again.
    pub resumed: u64,
    /// Further rows of these runs: none of them counts.
    pub doubled: u64,
    /// Rows of this build, of scenarios, settings or seeds that the sweep does not have.
    pub others: u64,
    /// Rows of other builds.
    pub foreign: BTreeMap<Build, u64>,
}

impl Found {
    /// Of some rows, for a sweep of `runs` by `build`.
    #[must_use]
    pub fn among(rows: &[Row], runs: &BTreeSet<Key>, build: &Build) -> Self {
        let (mut found, mut seen) = (Found::default(), BTreeSet::new());
        for row in rows {
            let key = row.key();
            if row.sources != build.sources {
                *found.foreign.entry(row.build()).or_default() += 1;
            } else if !runs.contains(&key) {
                found.others += 1;
            } else if seen.insert(key) {
                found.resumed += 1;
            } else {
                found.doubled += 1;
            }
        }
        found
    }

    /// For people: a sentence for everything that is there.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut all = vec![format!("{} are in the table already", count(self.resumed, "run"))];
        if self.doubled > 0 {
            all.push(format!(
                "{} of them doubled, and left out of the sums",
                count(self.doubled, "further row")
            ));
        }
        if self.others > 0 {
            all.push(format!(
                "{} of other scenarios, settings or seeds, left out of the sums",
                count(self.others, "row")
            ));
        }
        for (build, rows) in &self.foreign {
            all.push(format!(
                "{} foreign, of another build ({build}): their runs are made again",
                count(*rows, "row")
            ));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provenance::Provenance;
    use crate::scenario::Scenario;
    use crate::sweep::Report;

    fn row(config: &str, seed: u64, sources: Option<&str>) -> Row {
        let mut from = Provenance::of("a.toml", &Scenario::standard(), seed);
        if let Some(sources) = sources {
            from.build.sources = sources.to_owned();
        }
        Row::new(&from, config, "", &Report::died(String::new()), false)
    }

    #[test]
    fn every_row_is_one_of_four() {
        let runs = (0..3).map(|seed| row("a", seed, None).key()).collect();
        let rows = [
            row("a", 0, None),
            row("a", 1, None),
            row("a", 0, None),
            row("a", 7, None),
            row("b", 0, None),
            row("a", 2, Some("else")),
        ];
        let found = Found::among(&rows, &runs, &Build::this());
        assert_eq!((found.resumed, found.doubled, found.others), (2, 1, 2));
        assert_eq!(found.foreign.values().sum::<u64>(), 1);
        let sentences = found.sentences();
        assert_eq!(sentences.len(), 4);
        assert_eq!(sentences[0], "2 runs are in the table already");
        assert!(sentences[1].starts_with("1 further row of them doubled"), "{sentences:?}");
        assert!(sentences[3].contains("sources else): their runs are made again"), "{sentences:?}");
    }
}
