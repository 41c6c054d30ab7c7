//! The command line.

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Parser, Subcommand};
use leasehold_sim::provenance::VERSION;
use leasehold_sim::scenario::Scenario;
use leasehold_sim::sweep::Shard;
use std::ops::Range;
use std::path::PathBuf;

/// A whole cluster in one process: its time, network, clocks and disks are simulated, and a seed
/// decides everything that goes wrong.
#[derive(Parser)]
#[command(name = "sim", version = VERSION, max_term_width = 100, after_help = crate::exit::HELP)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run one seed; exit 1 if an invariant is violated, 3 if too little was seen
    #[command(after_help = crate::exit::HELP)]
    Run(RunArgs),
    /// Run one seed in two processes and compare their fingerprints
    Twice(TwiceArgs),
    /// Run many seeds of some scenarios, a row each; exit 1 if one fails, 3 if a scenario saw too
    /// little
    #[command(after_help = crate::exit::HELP)]
    Sweep(SweepArgs),
    /// Put the tables of shards together, no run twice; exit 1 if two of them contradict each other
    Join(JoinArgs),
    /// Figures of tables: percentiles by kind of operation with intervals over seeds, plots over the
    /// settings of the sweep, variants that did alike; as text and as a page
    Report(ReportArgs),
    /// Make runs of tables again, by this build: "same", or what differs; exit 1 if something does
    Again(AgainArgs),
    /// What differs between two tables, paired by seed: "before and after my change"
    Compare(CompareArgs),
    /// Make a failing seed small while it violates the same invariant
    Shrink(ShrinkArgs),
    /// Feed a recording to machines of this build, and compare their effects; exit 1 at the
    /// first difference
    Replay(ReplayArgs),
    /// Run every negative scenario until a seed shows what it names; exit 1 if one does not
    Negatives(NegativesArgs),
    /// Measure how long clients are held up when the leader of three masters loses power; exit 1 if
    /// the 99th percentile is over 3 s
    Failover(FailoverArgs),
    /// Measure how fast simulated time passes under swarm faults
    Bench(BenchArgs),
    /// List the keys of scenarios, show what one says, or say what is wrong with some
    Scenario(crate::scenario::ScenarioArgs),
    /// Run the orders on standard input: a worker of a sweep
    #[command(hide = true)]
    Work,
}

#[derive(ClapArgs)]
pub struct ScenarioArg {
    /// A scenario file; without it, scenarios/fast/default.toml as it was at build time
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// The seed draws everything: shape, constants, workload, faults
    #[arg(long, conflicts_with = "scenario")]
    pub swarm: bool,
    /// ... but the number of masters: 1, 3 or 5
    #[arg(long, value_name = "N", requires = "swarm")]
    pub masters: Option<u64>,
}

impl ScenarioArg {
    pub fn load(&self) -> Result<Scenario> {
        if self.swarm {
            return swarm(self.masters);
        }
        let Some(path) = &self.scenario else { return Ok(Scenario::standard()) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| leasehold_trace::renamed::explained(path, error))
            .with_context(|| name.clone())?;
        let examined = Scenario::examine(&name, &text).map_err(|mut all| all.swap_remove(0))?;
        examined.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        Ok(examined.scenario)
    }

    /// How to say this scenario again.
    pub fn again(&self) -> String {
        let path = self.scenario.as_ref();
        let masters = self.masters.map_or(String::new(), |masters| format!(" --masters {masters}"));
        let swarm = if self.swarm { format!(" --swarm{masters}") } else { String::new() };
        path.map_or(swarm, |path| format!(" --scenario {}", path.display()))
    }
}

/// The scenario in which the seed draws everything, or everything but the number of masters.
pub fn swarm(masters: Option<u64>) -> Result<Scenario> {
    let swarm = Scenario { swarm_masters: masters, ..Scenario::swarm() };
    swarm.check().map_err(anyhow::Error::msg).context("--masters")?;
    Ok(swarm)
}

#[derive(ClapArgs)]
pub struct RunArgs {
    /// Decides everything that the scenario leaves open; a negative scenario begins with it
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub scenario: ScenarioArg,
    /// Print how the run ended, and its summary, as one JSON object on a line; nothing else goes to
    /// standard output
    #[arg(long)]
    pub json: bool,
    /// Run the seed once more and write trace.html, trace.perfetto.json and trace.jsonl into this
    /// folder: what happened, as a page, for ui.perfetto.dev, and as a record a line
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Of these seconds only; without it, the page shows the last 60,000 records
    #[arg(long, value_name = "FROM..TO", value_parser = seconds, requires = "trace")]
    pub window: Option<Range<u64>>,
    /// Write history.jsonl and history.edn into this folder: clients' requests and answers, an
    /// operation a line, and as Jepsen has it
    #[arg(long, value_name = "DIR")]
    pub history: Option<PathBuf>,
    /// Write what every node was given and what it wanted to this file, for `sim replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Write a record a line to this file while the run is under way: of a run that never ends, too.
    /// What is older than the last 128 MiB or so goes; FILE.old has the older half
    #[arg(long, value_name = "FILE", conflicts_with = "trace")]
    pub stream: Option<PathBuf>,
    /// Write what went wrong, as it happened, to this file, for `field replay`
    #[arg(long, value_name = "FILE")]
    pub schedule: Option<PathBuf>,
    /// Write 4 bytes of the fingerprint after each event to this file
    #[arg(long, value_name = "FILE", hide = true)]
    pub digests: Option<PathBuf>,
    /// Print the events of these numbers, FROM..TO
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    pub events: Option<Range<u64>>,
}

#[derive(ClapArgs)]
pub struct ReplayArgs {
    /// A file that `sim run --record` wrote, with this build or with another
    #[arg(value_name = "FILE")]
    pub recording: PathBuf,
}

#[derive(ClapArgs)]
pub struct TwiceArgs {
    /// The seed
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub scenario: ScenarioArg,
    /// Another build of this program, to compare with: debug and release agree too
    #[arg(long, value_name = "PROGRAM")]
    pub against: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub struct SweepArgs {
    /// Which seeds, the second excluded
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    pub seeds: Range<u64>,
    /// Scenario files, or folders of them; without one, the standard scenario
    #[arg(long, value_name = "PATH")]
    pub scenario: Vec<PathBuf>,
    /// Each seed draws everything: shape, constants, workload, faults
    #[arg(long)]
    pub swarm: bool,
    /// ... but the number of masters: 1, 3 or 5
    #[arg(long, value_name = "N", requires = "swarm")]
    pub masters: Option<u64>,
    /// Go through these values, such as `constants.lease_duration_ms=2s,4s`; each one that is
    /// given multiplies the runs. `a=2s,4s;b=500ms,1s` sets both keys together: two points, not four
    #[arg(long, value_name = "KEY=VALUE,...")]
    pub set: Vec<String>,
    /// Go through the lines of a file, such as `a=2s; b=500ms`: each is a point
    #[arg(long, value_name = "FILE")]
    pub set_file: Vec<PathBuf>,
    /// Runs at the same time, each in a process of its own; without it, one per core
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Only the i-th of n parts, i from 0; each has its share of every scenario
    #[arg(long, value_name = "i/n", value_parser = Shard::parse, default_value = "0/1")]
    pub shard: Shard,
    /// Where the rows go, one per run
    #[arg(long, value_name = "FILE", default_value = "reports/out/sweep.csv")]
    pub table: PathBuf,
    /// Leave out the runs that the table has already, by the same build with the same values
    #[arg(long)]
    pub resume: bool,
    /// Begin a table anew that has rows
    #[arg(long, conflicts_with = "resume")]
    pub force: bool,
    /// A run that takes longer, by the wall clock, is ended and counts as hung
    #[arg(long, value_name = "SECONDS", default_value_t = 600,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub limit_s: u64,
    /// Without a terminal, says how far it is every so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub progress_s: u64,
    /// A scenario of which more than this share of the runs saw too little ends the sweep with exit
    /// code 3
    #[arg(long, value_name = "PERCENT", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(..=100))]
    pub low_coverage_max: u64,
    /// Make the failing runs that are kept small, a minute each
    #[arg(long)]
    pub shrink: bool,
    /// Print what it showed as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct JoinArgs {
    /// Tables of sweeps by one build; the coverage and the matrix beside them may be among the names,
    /// and are summed up again from the rows
    #[arg(value_name = "TABLE", required = true)]
    pub tables: Vec<PathBuf>,
    /// Where all rows go; coverage and matrix are written beside it
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    pub force: bool,
    /// Take tables of different builds
    #[arg(long)]
    pub any_build: bool,
    /// Print what was joined as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct ReportArgs {
    /// Tables of sweeps
    #[arg(value_name = "TABLE", required = true)]
    pub tables: Vec<PathBuf>,
    /// Where the page goes; without it, beside the first table, as NAME.report.html
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write the plots into this folder, too
    #[arg(long, value_name = "DIR")]
    pub svg: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct AgainArgs {
    /// Tables of `sweep`, `failover`, `negatives` or `shrink`
    #[arg(value_name = "TABLE", required = true)]
    pub tables: Vec<PathBuf>,
    /// So many rows of each, at the most, spread over the table
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = jobs)]
    pub rows: usize,
    /// Runs at the same time; without it, one per core
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
}

#[derive(ClapArgs)]
pub struct CompareArgs {
    /// The table before
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The table after: differences are B less A
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Where the page goes; without it, beside B, as NAME.compare.html
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the differences as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(ClapArgs)]
pub struct ShrinkArgs {
    /// The failing seed; of a negative scenario, the seed to begin looking from
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub scenario: ScenarioArg,
    /// Where the small scenario goes; without it, a name under scenarios/found
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Runs at the same time; without it, one per core. The result does not depend on it
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Ends the search after this long
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub seconds: u64,
    /// Shrinks one failing seed of every scenario in scenarios/negative, and keeps none
    #[arg(long, conflicts_with_all = ["scenario", "out"])]
    pub all_negative: bool,
    /// Appends what it cost and gave to this CSV file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub struct NegativesArgs {
    /// Scenarios at the same time; without it, one per core
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Writes a row for each scenario into this CSV file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub struct FailoverArgs {
    /// Which seeds, the second excluded
    #[arg(long, value_name = "FROM..TO", value_parser = range, default_value = "0..100")]
    pub seeds: Range<u64>,
    /// Seeds at the same time; without it, one per core
    #[arg(long, value_name = "N", value_parser = jobs)]
    pub jobs: Option<usize>,
    /// Writes a row for each seed into this CSV file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Writes how many seeds were through after which time into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

#[derive(ClapArgs)]
pub struct BenchArgs {
    /// Seeds of each kind
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub seeds: u64,
    /// Writes a row for each kind into this CSV file
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

/// Nanoseconds of a span that is given in seconds.
fn seconds(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is not FROM..TO in seconds, such as 8.5..10");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let nanos = |text: &str| {
        let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..1e9).contains(seconds));
        seconds.map(|seconds| (seconds * 1e9) as u64).ok_or_else(wrong)
    };
    let range = nanos(from)?..nanos(to)?;
    if range.is_empty() {
        Err(format!("{text} ends before it begins: it has no time in it"))
    } else {
        Ok(range)
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    let count = text.parse::<usize>().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("`{text}` is not a number of runs, 1 at the least"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is not FROM..TO, such as 0..500");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let range = number(from)?..number(to)?;
    if range.is_empty() {
        Err(format!("{text} has no seed in it: the second number is excluded"))
    } else {
        Ok(range)
    }
}
