//! The binary `papers`: published tables beside a formula and a simulation.

use anyhow::{Context, Result, bail};
use clap::Parser;
use leasehold_papers::draw;
use leasehold_papers::folder::Folder;
use leasehold_papers::page::{self, Provenance, Report};
use leasehold_papers::paper::Paper;
use leasehold_papers::papers;
use leasehold_papers::table;
use leasehold_papers::verdict::{self, Verdict};
use leasehold_sim::provenance::Build;
use leasehold_trace::{note, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs papers, and writes a page, a table and a plot of each; exit 1 if one is refuted, or is not
/// although its claim expects it.
#[derive(Parser)]
#[command(name = "papers", version, max_term_width = 100)]
struct Args {
    /// Which; without one, all
    names: Vec<String>,
    /// Fewer rows and seeds, within a minute each, into reports/out/papers
    #[arg(long)]
    reduced: bool,
    /// Where the papers' folders are
    #[arg(long, value_name = "DIR", default_value = "scenarios/papers")]
    from: PathBuf,
    /// Where pages go; without it, reports/papers
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Seeds at the same time; without it, one per core
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            note!("papers: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    let to = match (&args.to, args.reduced) {
        (Some(to), _) => to.clone(),
        (None, true) => PathBuf::from("reports/out/papers"),
        (None, false) => PathBuf::from("reports/papers"),
    };
    fs::create_dir_all(&to).with_context(|| to.display().to_string())?;
    let chosen = chosen(&args.names)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (build, jobs) = (Build::this(), args.jobs.unwrap_or(cores));
    let mut unexpected = false;
    for paper in chosen {
        unexpected |= !one(paper, args, &to, &build, jobs)?;
    }
    index(&to)?;
    Ok(if unexpected { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn chosen(names: &[String]) -> Result<Vec<&'static dyn Paper>> {
    for name in names {
        if !papers::ALL.iter().any(|paper| paper.name() == name) {
            let known: Vec<&str> = papers::ALL.iter().map(|paper| paper.name()).collect();
            bail!("no paper is called `{name}`; there are: {}", known.join(", "));
        }
    }
    let wanted = |paper: &&&dyn Paper| names.is_empty() || names.iter().any(|n| n == paper.name());
    Ok(papers::ALL.iter().filter(wanted).copied().collect())
}

/// Runs a paper; whether it is refuted if, and only if, its claim expects that.
#[allow(clippy::disallowed_types, reason = "the binary measures wall time, outside of any run")]
fn one(paper: &dyn Paper, args: &Args, to: &Path, build: &Build, jobs: usize) -> Result<bool> {
    let (name, began) = (paper.name(), std::time::Instant::now());
    let folder = Folder::read(&args.from.join(name))?;
    let table = table::fill(paper, &folder, args.reduced, jobs)?;
    let (verdict, judged) = verdict::judge(&folder.claim, &table, args.reduced)?;
    let wall_s = began.elapsed().as_secs_f64();
    let from = Provenance { build: build.clone(), wall_s, reduced: args.reduced };
    let report =
        Report { name, folder: &folder, table: &table, verdict, judged: &judged, from: &from };
    write(&to.join(format!("{name}.md")), &report.markdown())?;
    write(&to.join(format!("{name}.csv")), &report.csv()?)?;
    write(&to.join(format!("{name}.svg")), &draw::svg(&folder.claim, &table))?;
    say!(
        "{verdict:<11} {name} ({} readings, {wall_s:.1} s, {})",
        table.readings,
        table.fingerprint
    );
    for judged in judged.iter().filter(|judged| judged.verdict != Verdict::Reproduced) {
        say!(
            "  {}: {} ({:+.3} at {})",
            judged.verdict,
            judged.statement.says,
            judged.worst.0,
            judged.worst.1
        );
    }
    Ok((verdict == Verdict::Refuted) == folder.claim.expect_refuted)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// The front door, from every page that is there: a run of one paper keeps the others' lines.
fn index(to: &Path) -> Result<()> {
    let mut text = String::from(include_str!("../index.md"));
    for paper in papers::ALL {
        let page = fs::read_to_string(to.join(format!("{}.md", paper.name())));
        let line = page.ok().and_then(|page| page::index_line(paper.name(), &page));
        text.extend(line);
    }
    write(&to.join("README.md"), &text)
}
