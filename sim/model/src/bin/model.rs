//! `model`: searches the models and prints what each cost, or the shortest run to a violation.
//! Exit codes: 0 nothing violated, 1 a violation, 2 a bad command.

use anyhow::{Context, bail};
use clap::{Parser, ValueEnum};
use leasehold_model::models::{ALL, Named, Size};
use leasehold_model::{Effort, Explored, Space, search, story};
use leasehold_proto::Rules;
use leasehold_world::script::rule;
use stateright::Model;
use std::process::ExitCode;
#[allow(clippy::disallowed_types)] // how long a search took is for people
use std::time::{Duration, Instant};

/// Searches every run of a model, within its bounds.
#[derive(Debug, Parser)]
#[command(name = "model")]
struct Arguments {
    /// How large.
    #[arg(long, value_enum, default_value = "small")]
    size: SizeName,
    /// Only these models, whatever the size; without it, those that fit the size.
    #[arg(long)]
    model: Vec<String>,
    /// Leave a rule of the protocol out, and print the shortest run to a violation as a script.
    #[arg(long, value_name = "RULE")]
    without: Vec<String>,
    /// Threads. A search for a violation has one, so that the run it finds is a shortest one.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Give a model up after so many seconds, and say so.
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    /// Tell states apart by every number as it is, and leave no step out.
    #[arg(long)]
    unreduced: bool,
    /// Serve stateright's explorer of one model on this address of this machine.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "3000")]
    explore: Option<u16>,
    /// List the models.
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SizeName {
    Small,
    Medium,
    Large,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("model: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[allow(clippy::disallowed_types)]
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let (models, rules, size) = (chosen(arguments)?, rules(arguments)?, size(arguments.size));
    if arguments.list {
        for model in models {
            println!(
                "{:<16} {:<12} {}",
                model.name,
                model.about,
                (model.space)(size, rules).bounds
            );
        }
        return Ok(true);
    }
    if let Some(port) = arguments.explore {
        let [model] = models[..] else { bail!("--explore needs one --model") };
        return explore(space(&model, size, rules, arguments), port);
    }
    println!("{HEAD}");
    let mut fine = true;
    for model in models {
        let space = space(&model, size, rules, arguments);
        let began = Instant::now();
        let explored = search(space.clone(), effort(arguments));
        println!("{}", row(&model, &space, &explored, (began.elapsed(), effort(arguments))));
        if let Some(found) = &explored.found {
            fine = false;
            let title = format!("A shortest run of the model `{}`, {size}.", model.name);
            let golden = story::script(&space, found, &title).context("telling the run")?;
            println!("\n{}\n{}", found.violation, golden.text);
        }
    }
    Ok(fine)
}

fn chosen(arguments: &Arguments) -> anyhow::Result<Vec<Named>> {
    let named = |name: &String| {
        let names: Vec<&str> = ALL.iter().map(|model| model.name).collect();
        let model = ALL.iter().find(|model| model.name == name);
        model.copied().with_context(|| format!("no model `{name}`; there are {}", names.join(", ")))
    };
    if arguments.model.is_empty() {
        let size = size(arguments.size);
        return Ok(ALL.iter().filter(|model| model.from <= size).copied().collect());
    }
    arguments.model.iter().map(named).collect()
}

fn rules(arguments: &Arguments) -> anyhow::Result<Rules> {
    let mut rules = Rules::default();
    for name in &arguments.without {
        *rule(&mut rules, name).map_err(anyhow::Error::msg)? = false;
    }
    Ok(rules)
}

fn size(name: SizeName) -> Size {
    match name {
        SizeName::Small => Size::Small,
        SizeName::Medium => Size::Medium,
        SizeName::Large => Size::Large,
    }
}

fn space(model: &Named, size: Size, rules: Rules, arguments: &Arguments) -> Space {
    let space = (model.space)(size, rules);
    if arguments.unreduced { space.unreduced() } else { space }
}

fn effort(arguments: &Arguments) -> Effort {
    let threads = if arguments.without.is_empty() { arguments.threads.max(1) } else { 1 };
    let patience = arguments.patience.map(Duration::from_secs);
    Effort { threads, patience, depth: None }
}

fn explore(space: Space, port: u16) -> anyhow::Result<bool> {
    println!("exploring on http://127.0.0.1:{port}/");
    space.checker().serve(("127.0.0.1", port));
    Ok(true)
}

const HEAD: &str = "model             about         states  generated  depth   seconds  states/s  \
                    peak MiB  complete  bounds";

fn row(
    model: &Named,
    space: &Space,
    explored: &Explored,
    (took, effort): (Duration, Effort),
) -> String {
    let given_up = effort.patience.is_some_and(|patience| took >= patience);
    let seconds = took.as_secs_f64();
    let rate = explored.generated as f64 / seconds.max(1e-9);
    format!(
        "{:<16} {:<9} {:>10} {:>10} {:>6} {seconds:>9.1} {rate:>9.0} {:>9} {:>9}  {}",
        model.name,
        model.about,
        explored.states,
        explored.generated,
        explored.depth,
        peak_mib().map_or("?".into(), |mib| mib.to_string()),
        if explored.complete && !given_up { "yes" } else { "no" },
        space.bounds,
    )
}

/// The most memory that this process had so far, where the system says so.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_024)
}
