//! `sim report` and `sim compare`: from tables to figures.

use crate::args::{CompareArgs, ReportArgs};
use anyhow::{Context, Result, ensure};
use leasehold_sim::figures::{
    CONFIDENCE, Comparison, Drawn, Figures, Page, Source, Variant, again, alike, finding, interval,
    number, paired, plots, seeds, sentence, variants,
};
use leasehold_sim::nouns::count;
use leasehold_sim::sweep::{Row, join, read_rows};
use leasehold_trace::{note, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Variants at the most that are compared with each other.
const COMPARED_MAX: usize = 60;

/// Prints figures of some tables, and writes their page.
pub fn report(args: &ReportArgs) -> Result<ExitCode> {
    let (mut rows, mut sources) = (Vec::new(), Vec::new());
    for path in &args.tables {
        let (own, source) = read(path)?;
        rows.push(own);
        sources.push(source);
    }
    let joined = join(rows);
    if joined.doubled > 0 {
        note!("{} left out: another row has the same run", count(joined.doubled, "row"));
    }
    let all = variants(&joined.rows);
    let figures: Vec<Figures> = all.iter().map(Figures::of).collect();
    let alike = match all.len() <= COMPARED_MAX {
        true => alike(&all, &|at| figures[at].name()),
        false => Vec::new(),
    };
    let plots = plots(&all, &figures);
    let page = Page { sources: &sources, variants: &figures, alike: &alike, plots: &plots };
    let path = args.html.clone().unwrap_or_else(|| args.tables[0].with_extension("report.html"));
    write(&path, &page.html())?;
    if let Some(folder) = &args.svg {
        write_plots(folder, &plots)?;
    }
    if args.json {
        say!("{}", serde_json::to_string(&page)?);
    } else {
        text(&page);
        say!("page         {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn text(page: &Page<'_>) {
    for of in page.variants {
        let outcomes: Vec<String> =
            of.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        say!("{}: {}", of.name(), outcomes.join(", "));
        let rate = of.operations_per_s.as_ref().map_or("-".to_owned(), interval);
        let recovery = of.recovery_ms.as_ref().map_or("-".to_owned(), interval);
        say!("  {rate} operations a simulated second; recovery {recovery} ms");
        for kind in of.kinds.iter().filter(|kind| kind.acknowledged > 0) {
            let of = |name| kind.quantiles_ms.get(name).map_or("-".to_owned(), interval);
            say!(
                "  {:<20} {:>8}  p50 {:<24} p99 {:<30} max {} ms",
                kind.kind,
                kind.acknowledged,
                of("p50"),
                of("p99"),
                number(kind.max_ms)
            );
        }
    }
    let (shown, undecided): (Vec<_>, Vec<_>) = page.alike.iter().partition(|pair| pair.is_shown());
    for pair in shown {
        let seeds = count(pair.seeds as u64, "common seed");
        say!("ALIKE        {} and {}, {seeds}: {}", pair.one, pair.other, sentence(pair));
    }
    if !undecided.is_empty() {
        let pairs = count(undecided.len() as u64, "pair");
        say!(
            "UNDECIDED    {pairs} of variants: no difference found, and more than 10 % is not excluded"
        );
    }
    for source in page.sources {
        source.builds.iter().for_each(|build| say!("build        {build}"));
        source.commands.iter().for_each(|command| say!("again        {command}"));
    }
}

/// Prints what differs between two tables, and writes its page.
pub fn compare(args: &CompareArgs) -> Result<ExitCode> {
    let (rows_a, a) = read(&args.a)?;
    let (rows_b, b) = read(&args.b)?;
    let (rows_a, rows_b) = (join([rows_a]).rows, join([rows_b]).rows);
    let (of_a, of_b) = (variants(&rows_a), variants(&rows_b));
    let (pairs, without_partner) = partners(&of_a, &of_b);
    ensure!(
        !pairs.is_empty(),
        "no scenario with the same settings is in both tables; a table of one variant is compared with \
         any other of one variant"
    );
    let pairs = pairs
        .into_iter()
        .map(|(one, other)| (name(one), name(other), paired(one, other, CONFIDENCE)))
        .collect();
    let comparison = Comparison { a, b, pairs, without_partner };
    let path = args.html.clone().unwrap_or_else(|| args.b.with_extension("compare.html"));
    write(&path, &comparison.html())?;
    if args.json {
        say!("{}", serde_json::to_string(&comparison)?);
    } else {
        compared(&comparison);
        say!("page         {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn compared(comparison: &Comparison) {
    for (one, other, paired) in &comparison.pairs {
        say!("{one}{}", if one == other { String::new() } else { format!(" and {other}") });
        say!("  {}", seeds(paired));
        for of in &paired.differences {
            let percent =
                of.percent().map_or(String::new(), |percent| format!(" ({percent:+.1} %)"));
            say!(
                "  {:<44} {:>9} {:>9}  {}{percent}: {}",
                of.figure,
                number(of.a),
                number(of.b),
                interval(&of.difference),
                finding(of)
            );
        }
    }
    for name in &comparison.without_partner {
        say!("without a partner: {name}");
    }
    for build in comparison.a.builds.union(&comparison.b.builds) {
        say!("build        {build}");
    }
}

/// The variants of both tables that are the same scenario with the same settings, or the only one of
/// each; and the names of the others.
fn partners<'a, 'b>(
    a: &'b [Variant<'a>],
    b: &'b [Variant<'a>],
) -> (Vec<(&'b Variant<'a>, &'b Variant<'a>)>, Vec<String>) {
    if let ([one], [other]) = (a, b) {
        return (vec![(one, other)], Vec::new());
    }
    let same = |one: &Variant<'_>, other: &Variant<'_>| {
        (one.scenario, one.set) == (other.scenario, other.set)
    };
    let partner = |one: &'b Variant<'a>| Some((one, b.iter().find(|other| same(one, other))?));
    let pairs: Vec<_> = a.iter().filter_map(partner).collect();
    let alone = |list: &'b [Variant<'a>], others: &'b [Variant<'a>]| {
        let without = list.iter().filter(move |one| !others.iter().any(|other| same(one, other)));
        without.map(name).collect::<Vec<_>>()
    };
    let without = [alone(a, b), alone(b, a)].concat();
    (pairs, without)
}

fn name(of: &Variant<'_>) -> String {
    format!("{} {}", of.scenario.trim_start_matches("scenarios/"), of.set).trim_end().to_owned()
}

fn read(path: &Path) -> Result<(Vec<Row>, Source)> {
    let rows = read_rows(path)?;
    ensure!(!rows.is_empty(), "{}: it has no rows", path.display());
    let source = Source {
        table: path.display().to_string(),
        rows: rows.len(),
        builds: rows.iter().map(Row::build).collect(),
        commands: again(&variants(&rows)),
    };
    Ok((rows, source))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let name = || path.display().to_string();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(name)?;
    }
    fs::write(path, text).with_context(name)
}

fn write_plots(folder: &Path, plots: &[Drawn]) -> Result<()> {
    for plot in plots {
        let path: PathBuf = folder.join(&plot.name);
        write(&path, &plot.svg)?;
    }
    Ok(())
}
