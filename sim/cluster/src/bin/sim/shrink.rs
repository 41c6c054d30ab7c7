//! `sim shrink`: a failing seed made small.

use crate::args::ShrinkArgs;
use crate::sweep::folder_of_scenarios;
use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use leasehold_sim::nouns::count;
use leasehold_sim::provenance::Build;
use leasehold_sim::run::{Asked, run};
use leasehold_sim::scenario::{Expect, Scenario};
use leasehold_sim::seed::Seed;
use leasehold_sim::shrink::{self, Case, Found, Progress, Shrunk};
use leasehold_trace::say;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Where failures stay that were made small.
const FOUND: &str = "scenarios/found";
/// Scenarios that leave a rule out.
pub const NEGATIVE: &str = "scenarios/negative";

/// What one search cost and gave, as a row of CSV.
#[derive(Serialize)]
struct Figures {
    scenario: String,
    invariant: String,
    seed: u64,
    events_before: u64,
    events_after: u64,
    shrunk_percent: f64,
    virtual_ms_before: u64,
    virtual_ms_after: u64,
    episodes_before: usize,
    episodes_after: usize,
    clients_before: u64,
    clients_after: u64,
    servers_before: u64,
    servers_after: u64,
    runs: u64,
    wall_s: f64,
    complete: bool,
    seed_after: u64,
    commit: String,
    sources: String,
}

/// Shrinks what the command line says.
pub fn shrink(args: &ShrinkArgs) -> Result<ExitCode> {
    if args.all_negative {
        return all_negative(args);
    }
    let name = args.scenario.scenario.as_ref().map(|path| path.display().to_string());
    let standard = if args.scenario.swarm { "swarm" } else { "scenarios/fast/default.toml" };
    let name = name.unwrap_or_else(|| standard.to_owned());
    let scenario = args.scenario.load()?;
    if let Some(path) = &args.out {
        takes_a_file(path).with_context(|| format!("--out {}", path.display()))?;
    }
    let path = args.out.clone().unwrap_or_else(|| kept_as(&name, args));
    let mut kept = Kept { path, of: name.clone(), about: scenario.about.clone(), best: None };
    let (shrunk, figures) = one(args, &name, &scenario, Some(&mut kept))?;
    keep(&kept, &shrunk, &figures)?;
    Ok(ExitCode::SUCCESS)
}

/// The search takes minutes: that its result cannot be written is said before it.
fn takes_a_file(path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = !path.try_exists()?;
    fs::OpenOptions::new().append(true).create(true).open(path)?;
    if new {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// One failing seed of each negative scenario, and what their shrinking cost and gave.
fn all_negative(args: &ShrinkArgs) -> Result<ExitCode> {
    let scenarios = folder_of_scenarios(Path::new(NEGATIVE))?;
    let mut all = Vec::new();
    for (name, scenario) in &scenarios {
        match one(args, name, scenario, None) {
            Ok((_, figures)) => all.push(figures),
            Err(error) => say!("{name}: {error:#}"),
        }
    }
    if all.is_empty() {
        bail!("{NEGATIVE}: nothing was shrunk");
    }
    let median = |of: &dyn Fn(&Figures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    say!(
        "\n{} of {} scenarios shrunk; median: {:.1} % fewer events, {:.1} s",
        all.len(),
        scenarios.len(),
        median(&|figures| figures.shrunk_percent),
        median(&|figures| figures.wall_s)
    );
    Ok(ExitCode::SUCCESS)
}

fn one(
    args: &ShrinkArgs,
    name: &str,
    scenario: &Scenario,
    mut kept: Option<&mut Kept>,
) -> Result<(Shrunk, Figures)> {
    let (seed, invariant) = failing(scenario, args.seed)?;
    say!("{name}, seed {}: violates {invariant}", seed.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (watch, bar) = (Stopwatch::start(), ProgressBar::new_spinner());
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut go_on = |progress: &Progress<'_>| {
        bar.set_message(line(progress));
        if let Some(kept) = &mut kept {
            kept.on_progress(progress, seed, &invariant);
        }
        watch.seconds() < args.seconds as f64
    };
    let jobs = args.jobs.unwrap_or(cores);
    let shrunk = shrink::shrink(Case::pin(scenario, seed), &invariant, jobs, &mut go_on);
    bar.finish_and_clear();
    let shrunk = shrunk.context("a pinned run is not the run that was pinned")?;
    let figures = figures(name, &invariant, &shrunk, watch.seconds());
    print(&shrunk, &figures);
    if let Some(path) = &args.csv {
        append(path, &figures)?;
    }
    Ok((shrunk, figures))
}

/// The seed to shrink and what it violates. Of a negative scenario, the first that shows what it
/// is to show.
fn failing(scenario: &Scenario, first: u64) -> Result<(Seed, String)> {
    let violates = |seed: u64| {
        let outcome = run(scenario, Seed(seed), Asked::default());
        outcome.found.map(|found| found.wrong.invariant.to_owned())
    };
    match &scenario.expect {
        Expect::Pass => match violates(first) {
            Some(invariant) => Ok((Seed(first), invariant)),
            None => bail!("seed {first} violates nothing: there is nothing to shrink"),
        },
        Expect::Violation(id) => {
            let shows = |seed: &u64| violates(*seed).as_ref() == Some(id);
            let seed = (first..first + scenario.seeds_max).find(shows);
            let seed = seed.with_context(|| format!("no seed from {first} on violates {id}"))?;
            Ok((Seed(seed), id.clone()))
        }
    }
}

fn line(progress: &Progress<'_>) -> String {
    let (size, hit) = (progress.best.case.size(), &progress.best.hit);
    format!(
        "{:<16} {}; {}, {}, {}, {}",
        progress.pass,
        count(progress.spent.runs, "run"),
        count(hit.events, "event"),
        count(size.episodes as u64, "fault"),
        count(size.clients, "client"),
        count(size.chunkservers, "server")
    )
}

fn figures(name: &str, invariant: &str, shrunk: &Shrunk, wall_s: f64) -> Figures {
    let (before, after) = (&shrunk.before, &shrunk.after);
    let (large, small) = (before.case.size(), after.case.size());
    let build = Build::this();
    let left = after.hit.events as f64 / before.hit.events.max(1) as f64;
    Figures {
        scenario: name.to_owned(),
        invariant: invariant.to_owned(),
        seed: before.case.seed.0,
        events_before: before.hit.events,
        events_after: after.hit.events,
        shrunk_percent: tenths(100.0 * (1.0 - left)),
        virtual_ms_before: before.hit.true_ns / 1_000_000,
        virtual_ms_after: after.hit.true_ns / 1_000_000,
        episodes_before: large.episodes,
        episodes_after: small.episodes,
        clients_before: large.clients,
        clients_after: small.clients,
        servers_before: large.chunkservers,
        servers_after: small.chunkservers,
        runs: shrunk.spent.runs,
        wall_s: tenths(wall_s),
        complete: shrunk.complete,
        seed_after: after.case.seed.0,
        commit: build.commit,
        sources: build.sources,
    }
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn print(shrunk: &Shrunk, figures: &Figures) {
    let side = |word: &str, found: &Found| {
        let (size, hit) = (found.case.size(), &found.hit);
        say!(
            "  {word:<7} {:>15}, {:>9.3} s, {:>9}, {}, {}, {}",
            count(hit.events, "event"),
            hit.true_ns as f64 / 1e9,
            count(size.episodes as u64, "fault"),
            count(size.clients, "client"),
            count(size.chunkservers, "server"),
            count(size.files, "file")
        );
    };
    side("before", &shrunk.before);
    side("after", &shrunk.after);
    let end = if shrunk.complete { "nothing is left to try" } else { "time is up" };
    say!(
        "  {} % fewer events, by {} in {} s; {end}",
        figures.shrunk_percent,
        count(figures.runs, "run"),
        figures.wall_s
    );
}

/// Where the smallest run so far is kept: a search that is interrupted has lost nothing of it.
struct Kept {
    path: PathBuf,
    /// The scenario's name.
    of: String,
    about: String,
    /// Events of the run that is in the file.
    best: Option<u64>,
}

impl Kept {
    /// Keeps what is smaller than before. A file that cannot be written is said at the end, with what
    /// would have been in it.
    fn on_progress(&mut self, progress: &Progress<'_>, seed: Seed, invariant: &str) {
        let found = progress.best;
        let smaller = self.best.is_none_or(|best| found.hit.events < best);
        if smaller
            && progress.spent.runs > 1
            && write(&self.path, &self.text(found, seed, invariant)).is_ok()
        {
            self.best = Some(found.hit.events);
        }
    }

    fn text(&self, found: &Found, seed: Seed, invariant: &str) -> String {
        let about = format!(
            "{}; seed {} of {} shrunk, run with seed {}: {invariant}",
            self.about, seed.0, self.of, found.case.seed.0
        );
        format!("# Found by {}\n{}", Build::this(), found.case.to_keep(about).to_toml())
    }
}

fn kept_as(name: &str, args: &ShrinkArgs) -> PathBuf {
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    Path::new(FOUND).join(format!("{stem}-{}.toml", args.seed))
}

/// Writes the small scenario down, after reading it back and seeing it fail. Where it cannot be written,
/// it is printed: the search took minutes.
fn keep(kept: &Kept, shrunk: &Shrunk, figures: &Figures) -> Result<()> {
    let text = kept.text(&shrunk.after, shrunk.before.case.seed, &figures.invariant);
    let path = &kept.path;
    let again = Scenario::parse(&path.display().to_string(), &text)?;
    let outcome = run(&again, shrunk.after.case.seed, Asked::default());
    let same = outcome.found.is_some_and(|found| found.wrong.invariant == figures.invariant);
    if !same {
        bail!("what was written does not violate {}", figures.invariant);
    }
    if let Err(error) = write(path, &text) {
        say!("\n{text}");
        return Err(error).with_context(|| format!("{} (it is printed above)", path.display()));
    }
    say!("\nwritten: {}", path.display());
    say!("replay: just sim --seed {} --scenario {}", figures.seed_after, path.display());
    Ok(())
}

/// Under its name there is never a part of it.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension("part");
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}

fn append(path: &Path, figures: &Figures) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    let file = file.with_context(|| path.display().to_string())?;
    let headers = file.metadata()?.len() == 0;
    let mut writer = csv::WriterBuilder::new().has_headers(headers).from_writer(file);
    writer.serialize(figures)?;
    writer.flush()?;
    Ok(())
}

/// Wall time: of the search, outside of any run.
#[allow(clippy::disallowed_types, reason = "the binary measures wall time, outside of any run")]
struct Stopwatch(std::time::Instant);

#[allow(clippy::disallowed_types, reason = "the binary measures wall time, outside of any run")]
impl Stopwatch {
    fn start() -> Self {
        Stopwatch(std::time::Instant::now())
    }

    fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}
