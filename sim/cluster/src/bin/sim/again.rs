//! `sim again`: runs of a table once more, by this build: the same, or what differs.

use crate::args::AgainArgs;
use crate::sweep::load;
use anyhow::{Context, Result, bail, ensure};
use leasehold_sim::failover::trial;
use leasehold_sim::figures::pairs;
use leasehold_sim::nouns::count;
use leasehold_sim::provenance::Build;
use leasehold_sim::run::{Asked, run};
use leasehold_sim::scenario::Scenario;
use leasehold_sim::seed::Seed;
use leasehold_sim::sweep::{Row, Variant, read_rows};
use leasehold_trace::{renamed, say};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

/// A row that can be made again.
enum Made {
    /// Of a sweep.
    Swept(Box<Row>),
    /// Of `sim failover`: its columns.
    Failover(BTreeMap<String, String>),
    /// Of `sim negatives` or `sim shrink`: what a seed of a scenario violates.
    Violates { scenario: String, seed: u64, invariant: String },
}

/// Makes runs of tables again; exit 1 if one differs.
pub fn again(args: &AgainArgs) -> Result<ExitCode> {
    let mut same = true;
    for path in &args.tables {
        same &= table(path, args).with_context(|| path.display().to_string())?;
    }
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(path: &Path, args: &AgainArgs) -> Result<bool> {
    let all = read(path)?;
    let from: BTreeSet<String> = all.iter().map(build).collect();
    let from = from.into_iter().collect::<Vec<_>>().join("; ");
    say!("{}: {}, made by {from}", path.display(), count(all.len() as u64, "row"));
    let step = all.len().div_ceil(args.rows).max(1);
    let chosen: Vec<&Made> = all.iter().step_by(step).collect();
    let (next, found) = (Mutex::new(chosen.iter().enumerate()), Mutex::new(BTreeMap::new()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let one = || {
            loop {
                let taken = next.lock().expect("taking one does not panic").next();
                let Some((at, made)) = taken else { return };
                let differs = made.differs();
                found.lock().expect("adding one does not panic").insert(at, differs);
            }
        };
        (0..args.jobs.unwrap_or(cores).max(1)).for_each(|_| drop(scope.spawn(one)));
    });
    let found = found.into_inner().expect("no thread panics");
    let mut different = 0_u64;
    for differs in found.into_values() {
        if let Some(what) = differs? {
            different += 1;
            say!("  DIFFERENT  {what}");
        }
    }
    let made = count(chosen.len() as u64, "row");
    let word = if different == 0 { "same".to_owned() } else { format!("{different} DIFFERENT") };
    say!("{word}: {made} made again by {}", Build::this());
    Ok(different == 0)
}

fn read(path: &Path) -> Result<Vec<Made>> {
    if let Ok(rows) = read_rows(path) {
        return Ok(rows.into_iter().map(|row| Made::Swept(Box::new(row))).collect());
    }
    let mut reader = csv::Reader::from_path(path)?;
    let rows: Vec<BTreeMap<String, String>> = reader.deserialize().collect::<Result<_, _>>()?;
    let first = rows.first().context("it has no rows")?;
    let has = |names: &[&str]| names.iter().all(|name| first.contains_key(*name));
    let invariant = ["names", "invariant"].into_iter().find(|name| first.contains_key(*name));
    match invariant {
        _ if has(&["seed", "leader_us", "change_us", "write_us"]) => {
            Ok(rows.into_iter().map(Made::Failover).collect())
        }
        Some(invariant) if has(&["scenario", "seed"]) => {
            // A row without a seed is of a scenario that showed nothing.
            let with_seed = rows.into_iter().filter(|row| !row["seed"].is_empty());
            with_seed.map(|row| violates(&row, invariant)).collect()
        }
        _ => bail!("not a table of `sim sweep`, `failover`, `negatives` or `shrink`"),
    }
}

fn violates(row: &BTreeMap<String, String>, invariant: &str) -> Result<Made> {
    let seed = row["seed"].parse().with_context(|| format!("seed `{}`", row["seed"]))?;
    let (scenario, invariant) = (row["scenario"].clone(), row[invariant].clone());
    Ok(Made::Violates { scenario, seed, invariant })
}

fn build(made: &Made) -> String {
    match made {
        Made::Swept(row) => row.build().to_string(),
        Made::Failover(row) => match (row.get("commit"), row.get("sources")) {
            (Some(commit), Some(sources)) => format!("commit {commit}, sources {sources}"),
            _ => "a build that it does not name".to_owned(),
        },
        Made::Violates { .. } => "a build that is not compared".to_owned(),
    }
}

impl Made {
    /// What is other than it was, if anything is.
    fn differs(&self) -> Result<Option<String>> {
        match self {
            Made::Swept(row) => swept(row),
            Made::Failover(row) => failover(row),
            Made::Violates { scenario, seed, invariant } => {
                let outcome = run(&scenario_of(scenario)?, Seed(*seed), Asked::default());
                let found = outcome.found.map_or("nothing", |found| found.wrong.invariant);
                let differs = found != invariant;
                Ok(differs.then(|| {
                    format!("{scenario} seed {seed} violated {invariant}, and violates {found}")
                }))
            }
        }
    }
}

fn swept(row: &Row) -> Result<Option<String>> {
    let at = format!("{} {} seed {}", row.scenario, row.set, row.seed);
    let set: Vec<(String, String)> = pairs(&row.set)
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let scenario = scenario_of(&row.scenario)?.with(&set)?;
    let variant = Variant { name: String::new(), set: String::new(), scenario };
    if variant.hash() != row.config {
        return Ok(Some(format!("{at}: the scenario has other values than it had")));
    }
    if row.fingerprint.is_empty() {
        return Ok(None); // It died or hung: there is nothing to compare.
    }
    let outcome = run(&variant.scenario, Seed(row.seed), Asked::default());
    let (was, is) = (&row.fingerprint, &outcome.summary.fingerprint);
    let invariant = outcome.found.as_ref().map_or("", |found| found.wrong.invariant);
    if was == is && invariant == row.invariant {
        return Ok(None);
    }
    let named = |invariant: &str| match invariant {
        "" => "nothing violated".to_owned(),
        id => format!("{id} violated"),
    };
    Ok(Some(format!(
        "{at}: {} became {}, fingerprint {was} became {is}",
        named(&row.invariant),
        named(invariant)
    )))
}

fn failover(row: &BTreeMap<String, String>) -> Result<Option<String>> {
    let number = |name: &str| -> Result<u64> {
        let text = row.get(name).with_context(|| format!("it has no column {name}"))?;
        text.parse().with_context(|| format!("{name} `{text}`"))
    };
    let seed = number("seed")?;
    let is = match trial(Seed(seed)) {
        Ok(measured) => measured,
        Err(why) => return Ok(Some(format!("seed {seed}: {why}"))),
    };
    let is = serde_json::to_value(&is)?;
    let object = is.as_object().context("a measured seed is an object")?;
    let mut changed = Vec::new();
    for (name, value) in object {
        let was = number(name)?;
        if value.as_u64() != Some(was) {
            changed.push(format!("{name} {was} became {value}"));
        }
    }
    Ok((!changed.is_empty()).then(|| format!("seed {seed}: {}", changed.join(", "))))
}

/// A scenario by the name that a table has for it; of an old name, the file that has it now.
fn scenario_of(name: &str) -> Result<Scenario> {
    let mut words = name.split(' ');
    if words.next() == Some("swarm") {
        let masters = words.nth(1).map(str::parse).transpose().context("--masters")?;
        return crate::args::swarm(masters);
    }
    let path = renamed::renamed(Path::new(name)).map_or_else(|| PathBuf::from(name), PathBuf::from);
    ensure!(path.exists(), "{name}: no such scenario; run it from the root of the repository");
    Ok(load(&path)?.1)
}
