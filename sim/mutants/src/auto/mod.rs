//! Mutants that are made from the source of `core/proto` by rule, and compiled once.
//!
//! The sites are found with `syn`, and mutations are put around the original text at its bytes, each
//! behind `mutant_switch::active(ID)`. An id is a digest of file, function, rule and texts, so that it
//! names the same mutant while lines move. What does not compile is found in the compiler's errors
//! and left out, round after round.
//!
//! Left alone, by rule: tests and the testbed, `const fn`, constants and statics, macros and what is
//! inside of them; `impl` blocks of Debug, Display, Error, Hash, Serialize, Deserialize and Default
//! (how values are shown, hashed by models and encoded, and what an operator may choose); functions
//! that check a configuration (no layer has a bad one); calls and bodies whose names begin with
//! `observe` or `assert`, `event.rs` and `kind.rs` (what is reported to judges, and judges itself).
//!
//! The sample is uniform over all sites that compile: each site has a random number of its own, drawn
//! from the seed and its id, and the smallest are taken. A larger sample therefore contains a smaller
//! one, and a change of the core keeps most of a sample.
//!
//! Suggested order: `site`, `facts`, `finder`, `weave`, `build`, `judge`, `report`, `interval`.

mod site;
mod facts;
mod finder;
mod weave;
mod build;
mod judge;
mod guidance;
mod report;
mod interval;

use crate::layer::Layer;
use crate::tree::{self, Tree};
use anyhow::{Result, ensure};
use clap::Args;
use judge::{Efforts, Judge};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use report::{Equivalents, Ledger, Row};
use site::Site;
use std::path::PathBuf;

/// What `--auto` takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mutants made by rule (--auto)")]
pub struct AutoArgs {
    /// Make mutants from the source of core/proto by rule, and compile them once. Left alone are
    /// tests, const fn, macros, Debug, Display, Error, Hash, Default and serde impls, checks of a
    /// configuration, and what only observers and assertions see
    #[arg(long)]
    pub auto: bool,
    /// How many mutants, uniform over the sites that compile
    #[arg(long, value_name = "N", default_value_t = 300, requires = "auto")]
    sample: usize,
    /// Which of them
    #[arg(long, value_name = "N", default_value_t = 1, requires = "auto")]
    seed: u64,
    /// Print the diff of a mutant and stop
    #[arg(long, value_name = "ID", requires = "auto")]
    show: Option<String>,
    /// Keep the rows that are in the file already and were judged of the same tree with the same
    /// efforts
    #[arg(long, requires = "auto")]
    resume: bool,
    /// Judge by walks alone, without a guide and with one, and print how many walks each took
    #[arg(long, requires = "auto")]
    guided_against_random: bool,
    /// ... from so many first seeds
    #[arg(long, value_name = "N", default_value_t = 1, requires = "guided_against_random")]
    guided_repeats: u64,
    /// Print the result as JSON
    #[arg(long, requires = "auto")]
    json: bool,
    #[command(flatten)]
    efforts: Efforts,
    /// Where the rows of --auto go
    #[arg(long, value_name = "FILE", default_value = "reports/out/mutants-auto.csv")]
    auto_csv: PathBuf,
}

/// The campaign. Exit code 0: it was carried out, whatever survived.
pub fn run(args: &AutoArgs, only: &[String], list: bool) -> Result<bool> {
    let root = tree::root()?;
    let sources = build::sources(&root)?;
    let sites = build::sites(&sources)?;
    if let Some(id) = &args.show {
        let site = named(&sites, id)?;
        print!("{}", report::diff(site, &sources[&site.file]));
        return Ok(true);
    }
    if list {
        sites.iter().for_each(|site| {
            println!("{} {}:{} {}", site.name(), site.file, site.line, site.key())
        });
        return Ok(true);
    }
    let equivalents = Equivalents::load(&root, &sites)?;
    let mut order: Vec<&Site> = sites.iter().collect();
    order.sort_by_key(|site| (priority(args.seed, site.id), site.id));
    let chosen: Vec<&Site> = only.iter().map(|id| named(&sites, id)).collect::<Result<_>>()?;
    let wanted = if chosen.is_empty() { args.sample } else { chosen.len() };
    let order = if chosen.is_empty() { order } else { chosen };
    let target = root.join("target/mutants/auto");
    let mut tree = Tree::at(&root, "target/mutants/auto/tree")?;
    let say = |text: &str| eprintln!("{text}");
    let (alive, dropped) =
        build::compile(&root, &mut tree, &target, &sources, &order, wanted, &say)?;
    eprintln!(
        "{} sites; {} mutants compile, {} do not and are left out",
        sites.len(),
        alive.len(),
        dropped.len()
    );
    if args.guided_against_random {
        let judge = Judge::build_for(&[Layer::Walk], tree.folder(), &target, &args.efforts)?;
        let table = guidance::compare(&judge, &alive, args.guided_repeats)?;
        print!("{table}");
        return Ok(true);
    }
    let mut judge = Judge::build(tree.folder(), &target, &args.efforts)?;
    judge.control()?;
    let mut ledger = Ledger::open(&args.auto_csv, args.resume)?;
    let digest = tree.digest()?;
    let mut rows = Vec::new();
    for (at, site) in alive.iter().enumerate() {
        let known = ledger.find(&digest, &judge.effort(), &site.name());
        let row = match known {
            Some(row) => row,
            None => {
                let found = judge.judge(site.id)?;
                let argued = equivalents.argument(&site.key());
                let row = Row::new(&digest, &judge.effort(), site, found, argued);
                ledger.append(&row)?;
                row
            }
        };
        eprintln!("{}/{} {row}", at + 1, alive.len());
        rows.push(row);
    }
    match args.json {
        true => println!("{}", report::json(&rows, sites.len(), dropped.len())),
        false => print!("{}", report::table(&rows, sites.len(), dropped.len())),
    }
    Ok(true)
}

fn named<'a>(sites: &'a [Site], id: &str) -> Result<&'a Site> {
    let found = sites.iter().find(|site| site.name() == id);
    ensure!(found.is_some(), "there is no mutant {id} in this tree; `--auto --list` lists them");
    Ok(found.expect("looked at above"))
}

/// A site's own random number.
fn priority(seed: u64, id: u32) -> u64 {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..12].copy_from_slice(&id.to_le_bytes());
    ChaCha8Rng::from_seed(bytes).next_u64()
}

#[cfg(test)]
mod tests;
