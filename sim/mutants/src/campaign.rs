//! Every mutant through every layer that can see it.

use crate::child::children_cpu_s;
use crate::layer::{Bench, Effort, Layer, Outcome};
use crate::ledger::{Key, Ledger, Row};
use crate::mutant::Mutant;
use crate::tree::{Sum, Tree};
use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
#[allow(clippy::disallowed_types)] // what it costs is for people
use std::time::{Duration, Instant};

/// So many times as many walks about leases as others, where a mutant is about fencing.
const TARGETED_TIMES: u64 = 4;
/// Seeds of two repetitions are so far apart.
const SEEDS_APART: u64 = 1_000_000;

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// CPU seconds of a layer.
    pub budget_s: u64,
    /// Walks.
    pub walks: u64,
    /// Seeds of each scenario.
    pub seeds: u64,
    /// Repetitions of layers that draw.
    pub repeat: u64,
    /// Cores.
    pub jobs: usize,
    /// CPU seconds of all layers for all mutants, builds included; none: as many as it takes.
    pub total_s: Option<u64>,
    /// Nothing is tried that is not known.
    pub known: bool,
}

/// What became of one mutant, or of the tree without one.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its name.
    pub name: String,
    /// Nothing is to be found: this is the unmodified tree.
    pub control: bool,
    /// The invariant or layer that is expected to notice.
    pub caught_by: String,
    /// Why nothing notices, if that is known.
    pub explained: Option<String>,
    /// It is about leases, a split brain or fencing: the model and dice are both to find it.
    pub fencing: bool,
    /// What each layer said, in order.
    pub rows: Vec<Row>,
}

impl Judged {
    /// What kills it, its own unit tests aside.
    pub fn kills(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.outcome == Outcome::Killed && row.layer != Layer::Tests)
    }

    /// A mutant is killed or explained; the control is not blamed.
    pub fn is_fine(&self) -> bool {
        let blamed = self.rows.iter().any(|row| row.outcome == Outcome::Killed);
        match self.control {
            true => !blamed,
            false => self.explained.is_some() || self.kills().next().is_some(),
        }
    }
}

/// A tree, a ledger, and the layers to run.
pub struct Campaign {
    tree: Tree,
    target: PathBuf,
    digest: String,
    ledger: Ledger,
    layers: Vec<Layer>,
    limits: Limits,
    /// CPU seconds that this campaign took so far.
    spent_s: f64,
    bar: ProgressBar,
}

impl Campaign {
    /// Brings the copy up to date and opens the ledger.
    pub fn begin(root: &Path, csv: &Path, mut layers: Vec<Layer>, limits: Limits) -> Result<Self> {
        layers.sort_unstable();
        layers.dedup();
        let tree = Tree::open(root)?;
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        bar.set_style(style.expect("the template is one"));
        bar.enable_steady_tick(Duration::from_millis(200));
        let (target, digest) = (root.join("target/mutants"), tree.digest()?);
        let ledger = Ledger::open(csv)?;
        Ok(Campaign { tree, target, digest, ledger, layers, limits, spent_s: 0.0, bar })
    }

    /// The tree without a patch, in every scenario that a mutant names: whoever blames it cannot
    /// be believed.
    pub fn control(&mut self, mutants: &[Mutant]) -> Result<Judged> {
        let name = "(none)".to_owned();
        let apt: BTreeSet<&String> = mutants.iter().flat_map(|m| &m.scenarios).collect();
        let apt: Vec<String> = apt.into_iter().cloned().collect();
        let mut rows = Vec::new();
        for layer in self.layers.clone() {
            rows.extend(self.ask(layer, None, &apt)?);
        }
        let (caught_by, explained) = (String::new(), None);
        let judged = Judged { name, control: true, caught_by, explained, fencing: false, rows };
        let blamed = judged.rows.iter().find(|row| row.outcome == Outcome::Killed);
        if let Some(row) = blamed {
            self.say(&format!("{} blames the tree without a patch: {}", row.layer, row.says));
        }
        Ok(judged)
    }

    /// One mutant through the layers that can see it.
    pub fn mutant(&mut self, mutant: &Mutant, until_killed: bool) -> Result<Judged> {
        let mut judged = Judged {
            name: mutant.name.clone(),
            control: false,
            caught_by: mutant.caught_by.clone(),
            explained: mutant.explained.clone(),
            fencing: mutant.fencing,
            rows: Vec::new(),
        };
        let layers: Vec<Layer> =
            self.layers.iter().copied().filter(|layer| layer.sees(mutant)).collect();
        ensure!(!mutant.files.is_empty(), "it changes nothing");
        for layer in layers {
            judged.rows.extend(self.ask(layer, Some(mutant), &mutant.scenarios)?);
            if until_killed && judged.kills().next().is_some() {
                break;
            }
        }
        Ok(judged)
    }

    /// Asks a layer, as often as is wanted, and writes down what it said; what it said before
    /// counts.
    fn ask(&mut self, layer: Layer, mutant: Option<&Mutant>, apt: &[String]) -> Result<Vec<Row>> {
        let repetitions = if layer.draws() { self.limits.repeat } else { 1 };
        let (mut rows, mut built) = (Vec::new(), false);
        for repetition in 0..repetitions {
            let key = self.key(layer, mutant, apt, repetition);
            let known = match self.limits.known {
                true => self.ledger.find_in_any_tree(&key),
                false => self.ledger.find(&key),
            };
            if let Some(known) = known {
                rows.push(known.clone());
                continue;
            }
            if self.limits.known || self.is_spent() {
                break;
            }
            // One build serves all repetitions, and is counted with the first.
            let build_cpu_s = match std::mem::replace(&mut built, true) {
                true => 0.0,
                false => self.build(layer, mutant)?,
            };
            let fencing = mutant.is_none_or(|mutant| mutant.fencing);
            let row = self.judge(layer, fencing, apt, key, build_cpu_s)?;
            self.ledger.append(&row)?;
            self.spent_s += row.cpu_s + row.build_cpu_s;
            rows.push(row);
        }
        Ok(rows)
    }

    /// Has this campaign taken all that it may? What is not run then is run by the next.
    pub fn is_spent(&self) -> bool {
        self.limits.total_s.is_some_and(|total_s| self.spent_s >= total_s as f64)
    }

    /// Of the tree without a patch the scenarios are all that verdicts may differ in.
    fn key(&self, layer: Layer, mutant: Option<&Mutant>, apt: &[String], repetition: u64) -> Key {
        let apt = if layer == Layer::Sim { apt.join(" ") } else { String::new() };
        let mut patch = Sum::default();
        patch.add(mutant.map_or(&apt, |mutant| &mutant.essence).as_bytes());
        let name = mutant.map_or("(none)", |mutant| &mutant.name).to_owned();
        Key { tree: self.digest.clone(), mutant: name, patch: patch.hex(), layer, repetition }
    }

    /// CPU seconds that the build took.
    fn build(&mut self, layer: Layer, mutant: Option<&Mutant>) -> Result<f64> {
        let name = mutant.map_or("(none)", |mutant| &mutant.name);
        self.bar.set_message(format!("{name}: building for {layer}"));
        self.tree.set(mutant.map(|mutant| mutant.path.as_path()))?;
        let before = children_cpu_s()?;
        layer.build(&self.bench(0, false))?;
        Ok(children_cpu_s()? - before)
    }

    #[allow(clippy::disallowed_types)]
    fn judge(
        &self,
        layer: Layer,
        fencing: bool,
        apt: &[String],
        key: Key,
        build_cpu_s: f64,
    ) -> Result<Row> {
        self.bar.set_message(format!("{}: {layer}", key.mutant));
        let (began, before) = (Instant::now(), children_cpu_s()?);
        let verdict = layer.judge(&self.bench(key.repetition, fencing), apt)?;
        let cpu_s = children_cpu_s()? - before;
        let row = Row::new(key, verdict, cpu_s, build_cpu_s, began.elapsed().as_secs_f64());
        self.say(&row.to_string());
        Ok(row)
    }

    /// Who breaks a lease or a fence is looked for longest where those are what breaks, and so is who
    /// blames the tree as it is.
    fn bench(&self, repetition: u64, fencing: bool) -> Bench<'_> {
        let Limits { budget_s, walks, seeds, jobs, .. } = self.limits;
        let first_seed = 1 + repetition * SEEDS_APART;
        let targeted = if fencing { TARGETED_TIMES * walks } else { walks };
        let effort = Effort { budget_s, walks, targeted, seeds, first_seed, jobs };
        let (tree, target) = (self.tree.folder(), self.target.as_path());
        Bench { tree, target, effort, switch: None, models: &[] }
    }

    /// Above the progress line, or alone where there is none.
    fn say(&self, words: &str) {
        if self.bar.is_hidden() { eprintln!("{words}") } else { self.bar.println(words) }
    }
}

impl Drop for Campaign {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
