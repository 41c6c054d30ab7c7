//! One mutant through the layers, the cheap ones first, until one of them kills it.

use super::site::SELF_TEST;
use super::weave::ENVIRONMENT;
use crate::child::children_cpu_s;
use crate::layer::{ANOTHER_TEXT, Bench, Effort, Layer, Outcome, Verdict, with_guidance};
use anyhow::{Result, ensure};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::{Path, PathBuf};

/// What a layer of a mutant may take beyond what it takes without one.
const TIMES: f64 = 4.0;
/// ... and at the least, in CPU seconds.
const LEAST_S: u64 = 8;
/// A script takes milliseconds.
const SCRIPT_S: u64 = 5;
/// A mutant that never stops to allocate does not take the machine with it.
const MEMORY_MAX: u64 = 6 << 30;

/// How much each layer tries, by count: a verdict does not depend on the machine.
#[derive(Args, Clone, Debug)]
pub struct Efforts {
    /// Walks of each kind, before the models
    #[arg(long, value_name = "N", default_value_t = 200)]
    auto_walks: u64,
    /// Small models that are searched and healed
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "incarnations,replaced-primary,stale-entry,append-retry,chain,full-disk,stale-recovery,learner,restarted-learner,deposed-leader,reconfiguration,garbage"
    )]
    auto_models: Vec<String>,
    /// Scenarios, below scenarios/
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "fast/default,restart/power,fast/metadata_churn,fast/masters_three"
    )]
    auto_scenarios: Vec<String>,
    /// Seeds of each scenario
    #[arg(long, value_name = "N", default_value_t = 4)]
    auto_seeds: u64,
    /// Further walks of each kind, after everything else
    #[arg(long, value_name = "N", default_value_t = 1_500)]
    auto_more_walks: u64,
    /// A script of which only the text differs does not end the search: what else kills the mutant is
    /// named, and the text only if nothing does
    #[arg(long, requires = "auto")]
    past_text: bool,
}

/// First seeds of two repetitions are so far apart.
const SEEDS_APART: u64 = 1_000_000;

/// A layer at one effort.
#[derive(Clone, Copy, Debug)]
struct Stage {
    name: &'static str,
    layer: Layer,
    walks: u64,
    first_seed: u64,
    /// CPU seconds without a mutant.
    usual_s: f64,
}

/// What became of a mutant.
pub struct Found {
    /// The layer that killed it; empty: none.
    pub layer: String,
    /// What it said.
    pub verdict: Verdict,
    /// CPU seconds of all layers.
    pub cpu_s: f64,
}

/// The programs, and what they are asked.
pub struct Judge {
    tree: PathBuf,
    target: PathBuf,
    efforts: Efforts,
    stages: Vec<Stage>,
}

impl Judge {
    /// Builds the programs of all layers once.
    pub fn build(tree: &Path, target: &Path, efforts: &Efforts) -> Result<Self> {
        Judge::build_for(&[Layer::Walk, Layer::Model, Layer::Sim], tree, target, efforts)
    }

    /// Builds the programs of some layers.
    pub fn build_for(
        layers: &[Layer],
        tree: &Path,
        target: &Path,
        efforts: &Efforts,
    ) -> Result<Self> {
        let stage =
            |name, layer, walks, first_seed| Stage { name, layer, walks, first_seed, usual_s: 0.0 };
        let (first, more) = (efforts.auto_walks, efforts.auto_more_walks);
        let stages = vec![
            stage("scripts", Layer::Scripts, 0, 1),
            stage("walk", Layer::Walk, first, 1),
            stage("model", Layer::Model, 0, 1),
            stage("sim", Layer::Sim, 0, 1),
            stage("more_walks", Layer::Walk, more, 1 + first),
        ];
        let (tree, target) = (tree.to_owned(), target.to_owned());
        let judge = Judge { tree, target, efforts: efforts.clone(), stages };
        for layer in layers {
            eprintln!("building for {layer}");
            layer.build(&judge.bench(&judge.stages[0], 0, 0))?;
        }
        let mut limit: Rlimit = getrlimit(Resource::As);
        limit.current = Some(limit.maximum.map_or(MEMORY_MAX, |most| most.min(MEMORY_MAX)));
        setrlimit(Resource::As, limit)?;
        Ok(judge)
    }

    /// What verdicts depend on beside tree and mutant.
    pub fn effort(&self) -> String {
        let Efforts {
            auto_walks,
            auto_models,
            auto_scenarios,
            auto_seeds,
            auto_more_walks,
            past_text,
        } = &self.efforts;
        let past = if *past_text { " past text" } else { "" };
        format!(
            "{auto_walks} {} {} {auto_seeds} {auto_more_walks}{past}",
            auto_models.join("+"),
            auto_scenarios.join("+")
        )
    }

    /// No layer blames the core while no mutant is active, and each notices that the switch works.
    pub fn control(&mut self) -> Result<()> {
        for at in 0..self.stages.len() {
            let stage = self.stages[at];
            let before = children_cpu_s()?;
            let verdict = self.ask(&stage, 0, 3_600)?;
            self.stages[at].usual_s = children_cpu_s()? - before;
            let Verdict { outcome, by, says, .. } = verdict;
            ensure!(
                outcome == Outcome::Survived,
                "{} blames the core without a mutant: {outcome:?} {by} {says}",
                stage.name
            );
            let verdict = self.ask(&stage, SELF_TEST, 60)?;
            ensure!(
                verdict.outcome == Outcome::Killed,
                "the switch does not work in {}",
                stage.name
            );
            eprintln!(
                "control: {} is green in {:.1} CPU s, and red by the test of the switch",
                stage.name, self.stages[at].usual_s
            );
        }
        Ok(())
    }

    /// The first layer that kills it. More time than a layer may take kills too, but not in a model:
    /// a search of more states proves nothing.
    pub fn judge(&self, mutant: u32) -> Result<Found> {
        let before = children_cpu_s()?;
        let (mut layer, mut verdict, mut by_text) = (String::new(), None, None);
        for stage in &self.stages {
            let limit_s = match stage.layer {
                Layer::Scripts => SCRIPT_S,
                _ => LEAST_S + (TIMES * stage.usual_s) as u64,
            };
            let mut found = self.ask(stage, mutant, limit_s)?;
            if found.outcome == Outcome::OutOfTime && stage.layer != Layer::Model {
                (found.outcome, found.by) = (Outcome::Killed, "timeout".to_owned());
            }
            if self.efforts.past_text && found.by == ANOTHER_TEXT {
                by_text = Some(found);
                continue;
            }
            let killed = found.outcome == Outcome::Killed;
            verdict = Some(found);
            if killed {
                layer = stage.name.to_owned();
                break;
            }
        }
        if layer.is_empty() && by_text.is_some() {
            (layer, verdict) = (Layer::Scripts.to_string(), by_text);
        }
        let verdict = verdict.expect("there is a layer");
        Ok(Found { layer, verdict, cpu_s: children_cpu_s()? - before })
    }

    /// Walks with a guide or without, as many of each kind as the efforts say. `repetition` chooses the
    /// first seed.
    pub fn walks(&self, mutant: u32, guided: bool, repetition: u64) -> Result<Verdict> {
        let stage = self.stages.iter().find(|stage| stage.name == "walk");
        let mut stage = *stage.expect("it is among them");
        stage.first_seed += repetition * SEEDS_APART;
        // A walk takes hundredths of a second, and one that finds something is shrunk.
        let limit_s = LEAST_S + stage.walks / 5;
        with_guidance(&self.bench(&stage, mutant, limit_s), guided)
    }

    fn ask(&self, stage: &Stage, mutant: u32, limit_s: u64) -> Result<Verdict> {
        stage.layer.judge(&self.bench(stage, mutant, limit_s), &self.efforts.auto_scenarios)
    }

    fn bench(&self, stage: &Stage, mutant: u32, budget_s: u64) -> Bench<'_> {
        let Stage { walks, first_seed, .. } = *stage;
        let seeds = self.efforts.auto_seeds;
        let effort = Effort { budget_s, walks, targeted: walks, seeds, first_seed, jobs: 2 };
        let switch = Some((ENVIRONMENT, format!("{mutant:x}")));
        let (tree, target) = (self.tree.as_path(), self.target.as_path());
        Bench { tree, target, effort, switch, models: &self.efforts.auto_models }
    }
}
