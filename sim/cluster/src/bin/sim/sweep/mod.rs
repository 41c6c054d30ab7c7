//! `sim sweep`: many seeds on all cores, a process per worker.

mod canary;
pub mod files;
mod interrupt;
mod json;
mod keep;
mod print;
mod progress;
mod tally;

use crate::args::SweepArgs;
use crate::exit;
use crate::work::{Answer, Order, REPLAY, Seat};
use anyhow::{Context, Result, bail};
use interrupt::again;
use leasehold_sim::nouns::count;
use leasehold_sim::provenance::Build;
use leasehold_sim::scenario::Scenario;
use leasehold_sim::sweep::{Grid, Job, Key, Report, Table, Variant, jobs};
use leasehold_trace::note;
use progress::Progress;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;
use tally::Tally;

pub use interrupt::Interrupt;

/// Everything that a sweep is to do.
struct Sweep {
    variants: Vec<Variant>,
    hashes: Vec<String>,
    jobs: Vec<Job>,
    build: Build,
    table: PathBuf,
    /// Wall time that one run may take.
    limit: Duration,
    /// Failing runs that are kept are made small, too.
    shrink: bool,
}

/// Runs the seeds of a range; exit 1 if one fails, 3 if a scenario saw too little.
pub fn sweep(args: &SweepArgs) -> Result<ExitCode> {
    let mut sweep = Sweep::of(args)?;
    let mut tally = Tally::new(open(args)?, sweep.variants.len());
    if args.resume {
        sweep.leave_out_done(&mut tally);
        let left = count(sweep.jobs.len() as u64, "run");
        note!("{}: {}; {left} to make", args.table.display(), tally.found.sentences().join("; "));
    }
    let interrupt = Interrupt::listen()?;
    let canary = canary::sings(sweep.limit, &interrupt)?;
    sweep.run(args, &mut tally, &interrupt).with_context(|| format!("to continue: {}", again()))?;
    // Which of them are kept and listed does not depend on which worker was faster.
    tally.failures.sort_by_key(|failure| (failure.job.variant, failure.job.seed));
    keep::artefacts(&sweep, &tally, &interrupt)?;
    files::beside(&args.table, &tally.totals)?;
    if let Some((signal, code)) = interrupt.signal() {
        let made: u64 = tally.totals.variants.iter().map(|sum| sum.runs).sum();
        let all = count(sweep.jobs.len() as u64 + tally.found.resumed, "run");
        let table = args.table.display();
        note!(
            "interrupted by {signal}: {made} of {all} are in {table}; to continue:\n  {}",
            again()
        );
        return Ok(ExitCode::from(code));
    }
    if args.json {
        json::print(args, &sweep, &tally, &canary);
    } else {
        print::text(args, &sweep, &tally, &canary);
    }
    let shown = args.shard.count > 1 || print::never_shown(&sweep, &tally).is_empty();
    let good = tally.failures.is_empty() && tally.unlike.is_empty() && canary.is_ok() && shown;
    if !good {
        return Ok(ExitCode::FAILURE);
    }
    let saw_enough = print::low_coverage(&sweep, &tally, args.low_coverage_max).is_empty();
    Ok(if saw_enough { ExitCode::SUCCESS } else { exit::low_coverage() })
}

/// The table, new, or with what a sweep that is resumed has left there. A table without `--resume` is
/// refused: its runs would be in it twice.
fn open(args: &SweepArgs) -> Result<Table> {
    let path = &args.table;
    let there = std::fs::metadata(path).is_ok_and(|there| there.is_file());
    if there && args.force {
        std::fs::remove_file(path).with_context(|| path.display().to_string())?;
    }
    let table = Table::open(path)?;
    if !args.resume && !table.rows().is_empty() {
        let rows = count(table.rows().len() as u64, "row");
        bail!(
            "{}: it has {rows}; --resume makes the runs that it lacks, --force begins it anew",
            path.display()
        );
    }
    Ok(table)
}

impl Sweep {
    fn of(args: &SweepArgs) -> Result<Self> {
        let points = points(args)?;
        let mut variants = Vec::new();
        for (name, scenario) in scenarios(args)? {
            for point in &points {
                let set: Vec<String> = point.iter().map(|(k, v)| format!("{k}={v}")).collect();
                let scenario = scenario.with(point).with_context(|| name.clone())?;
                variants.push(Variant { name: name.clone(), set: set.join(" "), scenario });
            }
        }
        let hashes: Vec<String> = variants.iter().map(Variant::hash).collect();
        if hashes.iter().collect::<BTreeSet<_>>().len() < hashes.len() {
            bail!("two of the scenarios are the same once --set is applied");
        }
        let jobs = jobs(&hashes, args.seeds.clone(), args.shard);
        Ok(Sweep {
            variants,
            hashes,
            jobs,
            build: Build::this(),
            table: args.table.clone(),
            limit: Duration::from_secs(args.limit_s),
            shrink: args.shrink,
        })
    }

    fn key(&self, job: &Job) -> Key {
        let config = self.hashes[job.variant].clone();
        Key { sources: self.build.sources.clone(), config, seed: job.seed }
    }

    /// What the table has already counts, and is not done again.
    fn leave_out_done(&mut self, tally: &mut Tally) {
        let done = tally.resume(self);
        let mut jobs = std::mem::take(&mut self.jobs);
        jobs.retain(|job| !done.contains(&self.key(job)));
        self.jobs = jobs;
    }

    fn run(&self, args: &SweepArgs, tally: &mut Tally, interrupt: &Interrupt) -> Result<()> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = args.jobs.unwrap_or(cores).clamp(1, self.jobs.len().max(1));
        let progress = Progress::of(self.jobs.len() as u64);
        let (next, tally) = (Mutex::new(self.jobs.iter()), Mutex::new(tally));
        let failed: Vec<anyhow::Error> = std::thread::scope(|scope| {
            let one = || {
                let mut seat = Seat::new(self.limit, interrupt);
                loop {
                    let job = next.lock().expect("taking a job does not panic").next();
                    let Some(job) = job.filter(|_| !interrupt.is_set()) else { return Ok(()) };
                    let Some((report, unlike)) = self.carry_out(job, &mut seat, interrupt)? else {
                        return Ok(());
                    };
                    let mut tally = tally.lock().expect("adding up does not panic");
                    tally.add(self, job, report, unlike, &progress)?;
                    progress.made();
                }
            };
            let threads: Vec<_> = (0..workers).map(|_| scope.spawn(one)).collect();
            scope.spawn(|| progress.lines(Duration::from_secs(args.progress_s)));
            let ends = threads.into_iter().map(|thread| thread.join().expect("no thread panics"));
            let failed = ends.filter_map(Result::err).collect();
            progress.end();
            failed
        });
        failed.into_iter().next().map_or(Ok(()), Err)
    }

    /// Runs a job, and once more in a new process if it is one of those; that one's fingerprint,
    /// if it is another. The second run's inputs are replayed too, and what differs is its report.
    /// Nothing if a signal came first.
    fn carry_out(
        &self,
        job: &Job,
        seat: &mut Seat<'_>,
        interrupt: &Interrupt,
    ) -> Result<Option<(Report, Option<String>)>> {
        let order = self.order(job);
        let report = match seat.ask(&order)? {
            Answer::Report(report) => *report,
            Answer::Died(why) => return Ok(Some((Report::died(why), None))),
            Answer::Hung => return Ok(Some((Report::hung(self.limit.as_secs()), None))),
            Answer::Interrupted => return Ok(None),
        };
        if !job.twice {
            return Ok(Some((report, None)));
        }
        let order = Order { replayed: true, ..order };
        let other = match Seat::new(self.limit, interrupt).ask(&order)? {
            Answer::Report(again) if again.invariant.as_deref() == Some(REPLAY) => {
                return Ok(Some((*again, None)));
            }
            Answer::Report(again) => again.fingerprint,
            Answer::Died(why) => why,
            Answer::Hung => "the second run hung".to_owned(),
            Answer::Interrupted => return Ok(None),
        };
        let unlike = other != report.fingerprint;
        Ok(Some((report, unlike.then_some(other))))
    }

    fn order(&self, job: &Job) -> Order {
        let variant = &self.variants[job.variant];
        let scenario = variant.scenario.to_toml();
        Order { name: variant.name.clone(), scenario, seed: job.seed, replayed: false }
    }
}

/// What is set, each combination once.
fn points(args: &SweepArgs) -> Result<Vec<Vec<(String, String)>>> {
    let mut grid = Grid::parse(&args.set).map_err(anyhow::Error::msg).context("--set")?;
    for path in &args.set_file {
        let name = || format!("--set-file {}", path.display());
        let text = std::fs::read_to_string(path).with_context(name)?;
        grid.add_lines(&text).map_err(anyhow::Error::msg).with_context(name)?;
    }
    Ok(grid.points())
}

/// The scenarios of some files, and of all files in some folders; the one that leaves everything to
/// the seed, if it is requested.
fn scenarios(args: &SweepArgs) -> Result<Vec<(String, Scenario)>> {
    let swarm = match args.swarm {
        true => Some((swarm_name(args.masters), crate::args::swarm(args.masters)?)),
        false => None,
    };
    if args.scenario.is_empty() {
        let standard = || ("scenarios/fast/default.toml".to_owned(), Scenario::standard());
        return Ok(vec![swarm.unwrap_or_else(standard)]);
    }
    let mut all = Vec::new();
    for path in &args.scenario {
        if path.is_dir() {
            all.extend(folder_of_scenarios(path)?);
        } else {
            all.push(load(path)?);
        }
    }
    all.extend(swarm);
    Ok(all)
}

/// What a table calls the scenario that leaves everything, or everything but the masters, to the seed.
fn swarm_name(masters: Option<u64>) -> String {
    masters.map_or("swarm".to_owned(), |masters| format!("swarm --masters {masters}"))
}

/// Reads all scenarios in a folder, in the order of their names.
pub fn folder_of_scenarios(folder: &Path) -> Result<Vec<(String, Scenario)>> {
    let mut files = Vec::new();
    for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        files.extend(file.extension().is_some_and(|end| end == "toml").then_some(file));
    }
    if files.is_empty() {
        bail!("{}: no scenario is there", folder.display());
    }
    files.sort();
    files.iter().map(|file| load(file)).collect()
}

/// Reads a scenario, and names it as it was given.
pub fn load(path: &Path) -> Result<(String, Scenario)> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| leasehold_trace::renamed::explained(path, error))
        .with_context(|| name.clone())?;
    let scenario = Scenario::parse(&name, &text)?;
    Ok((name, scenario))
}
