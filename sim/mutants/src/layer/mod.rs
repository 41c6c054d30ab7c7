//! Who looks for bugs, in order of what it costs to ask.

mod crates;
mod model;
mod scripts;
mod simulation;
mod walk;

pub use scripts::ANOTHER_TEXT;
pub use walk::with_guidance;

use crate::child::{self, End, Limit, Said};
use crate::mutant::Mutant;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The profile of every build: see the workspace's manifest.
pub const PROFILE: &str = "mutants";

/// A layer of the testbed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// World by hand: `scenarios/scripts`.
    Scripts,
    /// World by dice.
    Walk,
    /// World by exhaustion, the small models.
    Model,
    /// The store's tests of crashes and of damage.
    Crash,
    /// The full stack under simulation.
    Sim,
    /// The core's own unit tests. A kill of theirs is none of the testbed's.
    Tests,
}

/// How a layer judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It noticed.
    Killed,
    /// It went through everything and noticed nothing.
    Survived,
    /// It noticed nothing until its budget was spent.
    OutOfTime,
}

/// What a layer found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it judged.
    pub outcome: Outcome,
    /// The invariant that was violated, or what else told; empty if nothing did.
    pub by: String,
    /// What it said.
    pub says: String,
    /// Runs, scripts, models or tests that ended, the last included.
    pub tried: u64,
}

/// How much a layer may try.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// CPU seconds.
    pub budget_s: u64,
    /// Walks at the most, with every fault that there is.
    pub walks: u64,
    /// Walks about leases at the most.
    pub targeted: u64,
    /// Seeds of each scenario at the most.
    pub seeds: u64,
    /// The first seed.
    pub first_seed: u64,
    /// Cores.
    pub jobs: usize,
}

/// Where a layer works.
pub struct Bench<'a> {
    /// The copy of the project.
    pub tree: &'a Path,
    /// Where programs are built.
    pub target: &'a Path,
    /// How much may be tried.
    pub effort: Effort,
    /// The mutant that judging programs switch on, by variable and value; none: the tree as it was
    /// built.
    pub switch: Option<(&'static str, String)>,
    /// The models that are searched; none: all small ones.
    pub models: &'a [String],
}

impl Bench<'_> {
    /// Where and as which mutant a program runs.
    fn set<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some((variable, value)) = &self.switch {
            command.env(variable, value);
        }
        command.current_dir(self.tree)
    }
}

impl Layer {
    /// All of them, the cheap ones first.
    pub const ALL: [Layer; 6] =
        [Layer::Scripts, Layer::Walk, Layer::Model, Layer::Crash, Layer::Sim, Layer::Tests];

    /// Can it see what this mutant changes? World has no codec, no store and no loop.
    pub fn sees(self, mutant: &Mutant) -> bool {
        match self {
            Layer::Scripts | Layer::Walk | Layer::Model => mutant.touches("core/proto/"),
            Layer::Crash => {
                mutant.touches("core/store/") || mutant.touches("core/proto/src/replica.rs")
            }
            Layer::Sim | Layer::Tests => true,
        }
    }

    /// Does it draw what it tries, so that another try may find what this one did not?
    pub fn draws(self) -> bool {
        matches!(self, Layer::Walk | Layer::Sim)
    }

    /// Builds what it needs.
    pub fn build(self, bench: &Bench<'_>) -> Result<()> {
        let tests = [&crates::CORE[..], &["--no-run"]].concat();
        let arguments: &[&str] = match self {
            Layer::Scripts | Layer::Walk => {
                &["build", "-p", "leasehold-world", "--bin", "script", "--bin", "walk"]
            }
            Layer::Model => &["build", "-p", "leasehold-model", "--bin", "model"],
            Layer::Crash => &["test", "-p", "leasehold-store", "--test", "it", "--no-run"],
            Layer::Sim => &["build", "-p", "leasehold-sim", "--bin", "sim"],
            Layer::Tests => &tests,
        };
        let output = self.cargo(bench, arguments).output().context("cargo")?;
        if !output.status.success() {
            bail!("it does not build:\n{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Has it judge the tree; these scenarios come before the usual ones.
    pub fn judge(self, bench: &Bench<'_>, apt: &[String]) -> Result<Verdict> {
        match self {
            Layer::Scripts => scripts::judge(bench),
            Layer::Walk => walk::judge(bench),
            Layer::Model => model::judge(bench),
            Layer::Crash => crates::judge(bench, &crates::CRASHES),
            Layer::Sim => simulation::judge(bench, apt),
            Layer::Tests => crates::judge(bench, &crates::CORE),
        }
    }

    /// A command of cargo's, its name first, in the tree and in this layer's build.
    fn cargo(self, bench: &Bench<'_>, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.current_dir(bench.tree).env("CARGO_TARGET_DIR", bench.target.join(self.target()));
        if self == Layer::Sim {
            command.args(["--config", "build.rustflags=['--cfg','madsim']"]);
        }
        let (name, rest) = arguments.split_first().expect("a command of cargo's has a name");
        command.args([*name, "--locked", "--profile", PROFILE]);
        command.args(["--jobs", &bench.effort.jobs.to_string()]);
        command.args(rest);
        command
    }

    /// The two builds do not share a folder: every crate differs in them.
    fn target(self) -> &'static str {
        if self == Layer::Sim { "sim" } else { "plain" }
    }

    fn program(self, bench: &Bench<'_>, name: &str) -> PathBuf {
        bench.target.join(self.target()).join(PROFILE).join(name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Layer::Scripts => "scripts",
            Layer::Walk => "walk",
            Layer::Model => "model",
            Layer::Crash => "crash",
            Layer::Sim => "sim",
            Layer::Tests => "tests",
        })
    }
}

impl Verdict {
    fn killed(by: impl Into<String>, says: impl Into<String>, tried: u64) -> Self {
        Verdict { outcome: Outcome::Killed, by: by.into(), says: says.into(), tried }
    }

    fn survived(tried: u64) -> Self {
        let (by, says) = (String::new(), String::new());
        Verdict { outcome: Outcome::Survived, by, says, tried }
    }

    fn out_of_time(tried: u64) -> Self {
        Verdict { outcome: Outcome::OutOfTime, ..Verdict::survived(tried) }
    }
}

/// Ten seconds by the wall for one of the CPU: others work on this machine too.
fn limit(bench: &Bench<'_>) -> Limit {
    let cpu_s = bench.effort.budget_s;
    Limit { cpu_s, wall_s: cpu_s.saturating_mul(10).saturating_add(60) }
}

/// Runs a program within the budget, and hands its lines out until one of them is a verdict.
fn listen(
    bench: &Bench<'_>,
    command: &mut Command,
    input: String,
    mut each: impl FnMut(&Said) -> Option<Verdict>,
) -> Result<(End, Option<Verdict>)> {
    let mut verdict = None;
    let end = child::run(bench.set(command), input, limit(bench), |said| {
        verdict = each(&said);
        if verdict.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((end, verdict))
}

/// What a panic says: the line after the one that names its place.
#[derive(Default)]
struct Panic {
    place: Option<String>,
    said: Option<String>,
}

impl Panic {
    fn hear(&mut self, said: &Said) {
        let (Said::Out(line) | Said::Err(line)) = said;
        match (line.split_once("panicked at "), &self.place, &self.said) {
            (Some((_, place)), None, _) => {
                self.place = Some(place.trim_end_matches(':').to_owned());
            }
            (None, Some(_), None) => self.said = Some(line.trim().to_owned()),
            _ => {}
        }
    }

    /// What was said and where, if there was a panic.
    fn told(self) -> Option<String> {
        let place = self.place?;
        Some(format!("{} ({place})", self.said.unwrap_or_default()))
    }
}

/// The invariant that a sentence begins with, as `I3`; otherwise its first word.
fn named(sentence: &str) -> String {
    let first = sentence.split([' ', ':']).next().unwrap_or_default();
    first.to_owned()
}

/// `I1 lease exclusivity: ...`, or that of an assertion, alone on a line.
fn is_violation(line: &str) -> bool {
    let number = line.strip_prefix('I').and_then(|rest| rest.split(' ').next());
    number.is_some_and(|number| number.parse::<u8>().is_ok()) || line.starts_with("assertion ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place() {
        let mut panic = Panic::default();
        for line in [
            "thread 'main' (7) panicked at core/proto/src/lease.rs:3:4:",
            "a promise is kept",
            "note: run with `RUST_BACKTRACE=1`",
        ] {
            panic.hear(&Said::Err(line.to_owned()));
        }
        assert_eq!(panic.told().unwrap(), "a promise is kept (core/proto/src/lease.rs:3:4)");
        assert_eq!(Panic::default().told(), None);
    }

    #[test]
    fn a_sentence_is_known_by_its_first_word() {
        assert_eq!(named("I3 no divergence: 7 is gone"), "I3");
        assert_eq!(named("panic: no node panics"), "panic");
    }
}
