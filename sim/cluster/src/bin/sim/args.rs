//! The command line.

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Parser, Subcommand};
use leasehold_sim::scenario::Scenario;
use std::ops::Range;
use std::path::PathBuf;

/// A whole cluster in one process: its time, network, clocks and disks are simulated, and a seed
/// decides everything that goes wrong.
#[derive(Parser)]
#[command(name = "sim", version, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Run one seed; exit 1 if an invariant is violated
    Run(RunArgs),
    /// Run one seed in two processes and compare their fingerprints
    Twice(TwiceArgs),
    /// Run many seeds, a line each and one for all
    Sweep(SweepArgs),
}

#[derive(ClapArgs)]
pub struct ScenarioArg {
    /// A scenario file; without it, scenarios/fast/default.toml as it was at build time
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
}

impl ScenarioArg {
    pub fn load(&self) -> Result<Scenario> {
        let Some(path) = &self.scenario else { return Ok(Scenario::standard()) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        Ok(Scenario::parse(&name, &text)?)
    }

    /// How to say this scenario again.
    pub fn again(&self) -> String {
        let path = self.scenario.as_ref();
        path.map_or(String::new(), |path| format!(" --scenario {}", path.display()))
    }
}

#[derive(ClapArgs)]
pub struct RunArgs {
    /// Decides everything that the scenario leaves open; a negative scenario begins with it
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub scenario: ScenarioArg,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
    /// Run the seed once more and write everything that happens into this folder
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Write 4 bytes of the fingerprint after each event to this file
    #[arg(long, value_name = "FILE", hide = true)]
    pub digests: Option<PathBuf>,
    /// Print the events of these numbers, FROM..TO
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    pub events: Option<Range<u64>>,
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
    #[command(flatten)]
    pub scenario: ScenarioArg,
    /// Seeds at the same time; without it, one per core
    #[arg(long)]
    pub jobs: Option<usize>,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is not FROM..TO, such as 0..500");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    let range = number(from)?..number(to)?;
    if range.is_empty() { Err(format!("{text} holds no number")) } else { Ok(range) }
}
