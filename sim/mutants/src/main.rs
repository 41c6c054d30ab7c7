//! `mutants`: applies one seeded bug at a time, and reports which layer of the testbed detects it.
//! Exit codes: 0 every mutant was killed or is explained, 1 one is not or the unpatched tree was
//! blamed, 2 the question itself was wrong (a patch that does not apply, a tree that does not build).
//!
//! Suggested order: `mutant` (a patch and its header), `tree` (the scratch copy), `layer` (who
//! looks for bugs, and how), `child` (a process with a limit), `campaign` (all of it in order),
//! `ledger` (what is known already), `table` (what a person reads); and `auto`: mutants made by rule.

mod auto;
#[path = "../../cluster/src/fnv.rs"]
mod fnv;
mod mutant;
#[path = "../../trace/src/renamed.rs"]
#[allow(dead_code, reason = "the other commands answer for more than files")]
mod renamed;
mod tree;
mod layer;
mod child;
mod campaign;
mod ledger;
mod table;

use anyhow::{Context, Result, ensure};
use campaign::{Campaign, Limits};
use clap::Parser;
use layer::Layer;
use mutant::Mutant;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Applies one seeded bug at a time, and reports which layer of the testbed detects it.
#[derive(Parser)]
#[command(name = "mutants", version, max_term_width = 100)]
struct Args {
    /// Only these mutants, by name; without it, all of scenarios/mutants
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these layers
    #[arg(long, value_name = "LAYER", value_delimiter = ',')]
    layers: Vec<Layer>,
    /// CPU seconds that a layer may take for one mutant, its build aside
    #[arg(long, value_name = "N", default_value_t = 120)]
    budget_s: u64,
    /// Random walks at the most: with all faults, and as many about leases (four times as many for a
    /// mutant about fencing)
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    walks: u64,
    /// Seeds of each scenario at the most
    #[arg(long, value_name = "N", default_value_t = 40)]
    seeds: u64,
    /// Times that walks and simulated seeds are tried, each time with others
    #[arg(long, value_name = "N", default_value_t = 1)]
    repeat: u64,
    /// CPU seconds of everything, builds included; what has not run by then is left for the next run
    #[arg(long, value_name = "N", default_value_t = 7_200)]
    total_s: u64,
    /// As many CPU seconds in all as it takes
    #[arg(long, conflicts_with = "total_s")]
    full: bool,
    /// Cores for builds and for the model
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Go on to the next mutant as soon as one layer has killed this one
    #[arg(long)]
    until_killed: bool,
    /// Where each layer's verdict is kept; what is there already, of the same tree and patch, is
    /// not done again
    #[arg(long, value_name = "FILE", default_value = "reports/out/mutants.csv")]
    csv: PathBuf,
    /// Try nothing: print what the ledger knows of these patches, in this tree or in an earlier one
    #[arg(long)]
    known: bool,
    /// List the mutants and stop
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    auto: auto::AutoArgs,
}

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(fine) => ExitCode::from(u8::from(!fine)),
        Err(error) => {
            eprintln!("mutants: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<bool> {
    if args.auto.auto {
        return auto::run(&args.auto, &args.only, args.list);
    }
    let root = tree::root()?;
    let mutants = mutant::load(&root.join("scenarios/mutants"), &args.only)?;
    if args.list {
        mutants.iter().for_each(|mutant| println!("{:<36} {}", mutant.name, mutant.breaks));
        return Ok(true);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let limits = Limits {
        budget_s: args.budget_s,
        walks: args.walks,
        seeds: args.seeds,
        repeat: args.repeat.max(1),
        jobs: args.jobs.unwrap_or(cores),
        total_s: (!args.full).then_some(args.total_s),
        known: args.known,
    };
    let layers = if args.layers.is_empty() { Layer::ALL.to_vec() } else { args.layers };
    let mut campaign = Campaign::begin(&root, &args.csv, layers, limits)?;
    let control = campaign.control(&mutants).context("the tree without a patch")?;
    // First whether anybody sees it; then, if there is budget left, who else, and first of all of
    // those that the model and dice are both to find.
    let mut order: Vec<(&Mutant, bool)> = mutants.iter().map(|mutant| (mutant, true)).collect();
    if !args.until_killed {
        let (fencing, other): (Vec<_>, Vec<_>) = mutants.iter().partition(|mutant| mutant.fencing);
        order.extend(fencing.into_iter().chain(other).map(|mutant| (mutant, false)));
    }
    let (mut verdicts, mut broken) = (BTreeMap::new(), BTreeMap::new());
    for (mutant, until_killed) in order {
        if broken.contains_key(&mutant.name) {
            continue;
        }
        // One that does not apply or build says nothing of the others.
        match campaign.mutant(mutant, until_killed) {
            Ok(judged) => drop(verdicts.insert(&mutant.name, judged)),
            Err(error) => drop(broken.insert(&mutant.name, error)),
        }
    }
    let verdicts: Vec<_> = [control].into_iter().chain(verdicts.into_values()).collect();
    print!("{}", table::of(&verdicts));
    if campaign.is_spent() {
        println!("the CPU seconds were spent before all layers ran: the next run continues");
    }
    for (name, error) in &broken {
        eprintln!("mutants: {name}: {error:#}");
    }
    ensure!(broken.is_empty(), "{} mutants were not run, see above", broken.len());
    Ok(verdicts.iter().all(campaign::Judged::is_fine))
}
