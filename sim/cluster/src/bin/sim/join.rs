//! `sim join`: the tables of shards as one.

use crate::args::JoinArgs;
use crate::sweep::files;
use anyhow::{Result, bail, ensure};
use leasehold_sim::nouns::count;
use leasehold_sim::provenance::Build;
use leasehold_sim::sweep::{Joined, Outcome, Row, Totals, join as joined, read_rows, write_rows};
use leasehold_trace::say;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Joins tables; exit 1 if two rows of one run contradict each other. Nothing is written if one of the
/// files is foreign.
pub fn join(args: &JoinArgs) -> Result<ExitCode> {
    let (paths, beside) = tables(&args.tables)?;
    let out = args.out.display();
    ensure!(!paths.contains(&args.out), "{out}: it is one of the tables");
    ensure!(args.force || !args.out.exists(), "{out}: it exists; --force writes over it");
    let mut tables = Vec::new();
    for path in &paths {
        tables.push(read_rows(path)?);
    }
    if !args.any_build {
        one_build(&paths, &tables)?;
    }
    let counts: Vec<usize> = tables.iter().map(Vec::len).collect();
    let joined = joined(tables);
    let mut totals = Totals::new(1);
    joined.rows.iter().for_each(|row| totals.add_row(0, row));
    write_rows(&args.out, &joined.rows)?;
    files::beside(&args.out, &totals)?;
    let output = Output { args, paths: &paths, counts: &counts, beside, joined: &joined };
    if args.json {
        output.json(&totals)
    } else {
        output.text(&totals)
    }
    let good = joined.contradictions.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tables among some files, each once, and how many of the others are beside one of them.
fn tables(files: &[PathBuf]) -> Result<(Vec<PathBuf>, usize)> {
    let (mut tables, mut beside): (Vec<PathBuf>, Vec<_>) = (Vec::new(), Vec::new());
    for path in files {
        match files::of_table(path) {
            Some(table) => beside.push((path, table)),
            None if tables.contains(path) => {}
            None => tables.push(path.clone()),
        }
    }
    for (path, table) in &beside {
        ensure!(
            tables.contains(table),
            "{}: it is what the rows of {} add up to; name that table",
            path.display(),
            table.display()
        );
    }
    Ok((tables, beside.len()))
}

/// All rows are of one build, or what is foreign is said.
fn one_build(paths: &[PathBuf], tables: &[Vec<Row>]) -> Result<()> {
    let mut builds: BTreeMap<&str, (&str, &Path)> = BTreeMap::new();
    for (path, rows) in paths.iter().zip(tables) {
        for row in rows {
            builds.entry(&row.sources).or_insert((&row.commit, path));
        }
    }
    if builds.len() > 1 {
        let of = |(sources, (commit, path)): (&&str, &(&str, &Path))| {
            format!("\n  commit {commit}, sources {sources}, as in {}", path.display())
        };
        let all: String = builds.iter().map(of).collect();
        bail!(
            "the tables are of {} builds; --any-build joins them all the same:{all}",
            builds.len()
        );
    }
    Ok(())
}

/// What was joined.
struct Output<'a> {
    args: &'a JoinArgs,
    paths: &'a [PathBuf],
    counts: &'a [usize],
    /// Files that were named and are beside a table.
    beside: usize,
    joined: &'a Joined,
}

impl Output<'_> {
    fn builds(&self) -> Vec<Build> {
        let builds: BTreeSet<Build> = self.joined.rows.iter().map(Row::build).collect();
        builds.into_iter().collect()
    }

    fn text(&self, totals: &Totals) {
        for (path, rows) in self.paths.iter().zip(self.counts) {
            say!("  {:>12} in {}", count(*rows as u64, "row"), path.display());
        }
        if self.beside > 0 {
            let files = count(self.beside as u64, "file");
            say!("  {files:>12} beside tables: summed up again from the rows");
        }
        let Joined { rows, doubled, contradictions } = self.joined;
        let (runs, doubled) = (count(rows.len() as u64, "run"), count(*doubled, "row"));
        say!("joined       {runs}; {doubled} had a run that another row has");
        let outcomes: Vec<String> =
            totals.variants[0].outcomes.iter().map(|(o, count)| format!("{count} {o}")).collect();
        say!("outcomes     {}", outcomes.join(", "));
        self.builds().iter().for_each(|build| say!("build        {build}"));
        say!("rows         {}", self.args.out.display());
        for (one, other) in contradictions {
            say!(
                "NOT ALIKE    {} {} seed {}: {} {} and {} {}; the first is kept",
                one.scenario,
                one.set,
                one.seed,
                one.outcome,
                one.fingerprint,
                other.outcome,
                other.fingerprint
            );
        }
    }

    fn json(&self, totals: &Totals) {
        let outcomes: BTreeMap<&str, u64> =
            Outcome::ALL.iter().map(|one| (one.name(), totals.variants[0].count(*one))).collect();
        let run = |(one, _): &(Row, Row)| serde_json::json!({ "scenario": one.scenario, "set": one.set, "seed": one.seed });
        let object = serde_json::json!({
            "rows": self.joined.rows.len(),
            "doubled": self.joined.doubled,
            "not_alike": self.joined.contradictions.iter().map(run).collect::<Vec<_>>(),
            "outcomes": outcomes,
            "builds": self.builds(),
            "table": self.args.out,
        });
        say!("{object}");
    }
}
