//! `sim scenario`: the keys of scenarios, what one says, and what is wrong with some.

use anyhow::{Context, Result, bail};
use clap::Args;
use leasehold_sim::scenario::{Examined, Scenario, ScenarioError, reference};
use leasehold_sim::seed::Seed;
use leasehold_trace::say;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[group(required = true, multiple = false, args = ["keys", "show", "check"])]
pub struct ScenarioArgs {
    /// List every key: its section, unit, default, range, meaning and an example
    #[arg(long)]
    keys: bool,
    /// Print the scenario with every value that holds, defaults marked
    #[arg(long, value_name = "FILE")]
    show: Option<PathBuf>,
    /// Say what is wrong with these scenarios, and what their workload will do; folders stand for the
    /// scenarios in them. Exit 1 if one is wrong
    #[arg(long, value_name = "PATH", num_args = 1..)]
    check: Vec<PathBuf>,
    /// With --show: what this seed draws, of a scenario that leaves everything to it
    #[arg(long, value_name = "N", requires = "show")]
    seed: Option<u64>,
    /// As JSON: an object for each key, or for each file
    #[arg(long, conflicts_with = "show")]
    json: bool,
}

/// Does what the command line says.
pub fn scenario(args: &ScenarioArgs) -> Result<ExitCode> {
    if args.keys {
        match args.json {
            true => say!("{}", serde_json::to_string_pretty(&reference().json())?),
            false => say!("{}", reference().page().trim_end()),
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &args.show {
        let scenario = Scenario::parse(&path.display().to_string(), &read(path)?)?;
        let drawn = args.seed.map(|seed| scenario.of(Seed(seed)).into_owned());
        say!("{}", reference().show(&drawn.unwrap_or(scenario)).trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let files = files(&args.check)?;
    let mut wrong = 0;
    for path in &files {
        wrong += usize::from(!check(path, args.json)?);
    }
    if !args.json {
        say!("{} of {} scenarios are right", files.len() - wrong, files.len());
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says what there is to say of one file; false if it is no scenario.
fn check(path: &Path, as_json: bool) -> Result<bool> {
    let name = path.display().to_string();
    let examined = Scenario::examine(&name, &read(path)?);
    if as_json {
        let (errors, warnings): (&[ScenarioError], &[ScenarioError]) = match &examined {
            Ok(Examined { warnings, .. }) => (&[], warnings),
            Err(errors) => (errors, &[]),
        };
        say!("{}", json!({ "file": name, "errors": errors, "warnings": warnings }));
        return Ok(examined.is_ok());
    }
    match &examined {
        Ok(Examined { scenario, warnings }) => {
            say!("{name}\n{}", scenario.explained().trim_end());
            warnings.iter().for_each(|warning| say!("warning: {warning}"));
        }
        Err(errors) => errors.iter().for_each(|error| say!("error: {error}")),
    }
    Ok(examined.is_ok())
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path);
    text.map_err(|error| leasehold_trace::renamed::explained(path, error))
        .with_context(|| path.display().to_string())
}

/// These files, and the scenarios in these folders, in order. A claim about a paper is no scenario.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut within: Vec<PathBuf> =
            entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        within.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
        within.sort();
        if within.is_empty() {
            bail!("{}: no scenario in this folder", path.display());
        }
        files.extend(within);
    }
    Ok(files)
}
