//! `model`: searches the models and prints what each cost, or the shortest run to a violation.
//! Exit codes: 0 as it should be, 1 a violation, or a negative that finds none, 2 a bad command.

mod table;

use anyhow::{Context, bail};
use clap::{Args, Parser, ValueEnum};
use leasehold_model::models::{ALL, Named, Negative, Size};
use leasehold_model::{Bounds, Effort, Explored, Reductions, Space, search, story};
use leasehold_proto::Rules;
use leasehold_world::renamed::renamed_name;
use leasehold_world::script::{difference, rule};
use leasehold_world::{note, say};
use stateright::Model;
use std::path::PathBuf;
use std::process::ExitCode;
#[allow(clippy::disallowed_types)] // how long a search took is for people
use std::time::{Duration, Instant};
use table::Row;

/// Searches every run of a model, within its bounds.
#[derive(Debug, Parser)]
#[command(name = "model")]
struct Arguments {
    /// How large.
    #[arg(long, value_enum, default_value = "small")]
    size: SizeName,
    /// Only these models; without it, all of them.
    #[arg(long)]
    model: Vec<String>,
    /// Leave a rule of the protocol out, and print the shortest run to a violation as a script.
    #[arg(long, value_name = "RULE", conflicts_with = "negatives")]
    without: Vec<String>,
    /// Search the negatives of the models: each leaves one rule out, and must end in the run that
    /// is in scenarios/scripts/found. UPDATE=1 rewrites those.
    #[arg(long)]
    negatives: bool,
    /// From every state, let the faults end and see whether the cluster converges (I10, I4).
    #[arg(long)]
    heal: bool,
    /// Threads. What is found is the same for any number.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Give a model up after so many seconds, and say so.
    #[arg(long, value_name = "SECONDS")]
    patience: Option<u64>,
    /// Give a model up when so many states are known, and say so.
    #[arg(long, value_name = "STATES")]
    states_max: Option<usize>,
    /// Look no further than this many steps.
    #[arg(long, value_name = "STEPS")]
    depth: Option<usize>,
    /// Tell states apart by every number as it is, and leave no step out.
    #[arg(long)]
    unreduced: bool,
    #[command(flatten)]
    chosen: ChosenBounds,
    /// Print how many different things each part of a state was: a model that grows shows where.
    #[arg(long)]
    parts: bool,
    /// Append a row for each search to this file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Serve stateright's explorer of one model on this port of this machine.
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "3000")]
    explore: Option<u16>,
    /// List the models.
    #[arg(long)]
    list: bool,
}

/// How often each action may happen in one run; the defaults are those of the model at that size.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bounds")]
struct ChosenBounds {
    /// Steps of true time.
    #[arg(long, value_name = "N")]
    ticks: Option<u8>,
    /// Changes of the masters' leader.
    #[arg(long, value_name = "N")]
    leads: Option<u8>,
    /// Proposals whose outcome stays unknown to their proposer.
    #[arg(long, value_name = "N")]
    unknowns: Option<u8>,
    /// Crashes, each at any boundary of an I/O.
    #[arg(long, value_name = "N")]
    crashes: Option<u8>,
    /// Disks that are full when something is written.
    #[arg(long, value_name = "N")]
    full_disks: Option<u8>,
    /// Messages that arrive a second time; no matter in models where all of them may.
    #[arg(long, value_name = "N")]
    repeats: Option<u8>,
    /// The highest version that a Prepare is made for.
    #[arg(long, value_name = "V")]
    versions: Option<u64>,
}

impl ChosenBounds {
    fn of(&self, model: Bounds) -> Bounds {
        Bounds {
            ticks: self.ticks.or(model.ticks),
            leads: self.leads.unwrap_or(model.leads),
            unknowns: self.unknowns.unwrap_or(model.unknowns),
            crashes: self.crashes.unwrap_or(model.crashes),
            full_disks: self.full_disks.unwrap_or(model.full_disks),
            repeats: self.repeats.or(model.repeats),
            version_max: self.versions.unwrap_or(model.version_max),
            ..model
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SizeName {
    Smallest,
    Small,
    Medium,
    Large,
}

/// Where the runs are that negatives find.
const FOUND: &str = "scenarios/scripts/found";

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            note!("model: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let (models, rules, size) = (chosen(arguments)?, rules(arguments)?, size(arguments.size));
    if arguments.list {
        list(&models, size);
        return Ok(true);
    }
    if let Some(port) = arguments.explore {
        let [model] = models[..] else { bail!("--explore needs one --model") };
        return explore(space(&model, size, rules, arguments), port);
    }
    say!("{}", table::HEAD);
    let mut fine = true;
    for model in models {
        if arguments.negatives {
            for negative in model.negatives {
                fine &= search_negative(&model, negative, arguments)?;
            }
        } else {
            fine &= search_model(&model, (size, rules), arguments)?;
        }
    }
    Ok(fine)
}

fn list(models: &[Named], size: Size) {
    for model in models {
        let bounds = (model.space)(size, Rules::default()).bounds;
        say!("{:<16} {:<12} {bounds}", model.name, model.about);
        for negative in model.negatives {
            say!("{:<16} {:<12} without {}", "", negative.violates, negative.without);
        }
    }
}

fn search_model(
    model: &Named,
    (size, rules): (Size, Rules),
    arguments: &Arguments,
) -> anyhow::Result<bool> {
    let space = space(model, size, rules, arguments);
    let mut row = searched(&space, arguments.heal, arguments);
    row.model = model.name.into();
    row.size = size.to_string();
    row.about = model.about.into();
    row.without = arguments.without.join(" ");
    tell(&row, arguments)?;
    let Some(found) = &row.explored.found else { return Ok(true) };
    let title = format!("A shortest run of the model `{}`, {size}.", model.name);
    let golden = story::script(&space, found, &title).context("telling the run")?;
    say!("\n{}\n{}", found.violation.brief(), golden.text);
    Ok(false)
}

/// Does a negative find its violation, by the run that is on file?
fn search_negative(
    model: &Named,
    negative: &Negative,
    arguments: &Arguments,
) -> anyhow::Result<bool> {
    let space = negative.space(model);
    let mut row = searched(&space, negative.heals, arguments);
    row.model = model.name.into();
    row.size = negative.size.to_string();
    row.about = negative.violates.into();
    row.without = negative.without.into();
    row.bounds = format!("without {}: {}", negative.without, row.bounds);
    tell(&row, arguments)?;
    let golden = match negative.told(model, &row.explored) {
        Ok(golden) => golden,
        Err(why) => {
            say!("{why}");
            return Ok(false);
        }
    };
    let path = PathBuf::from(FOUND).join(format!("{}.txt", negative.script));
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(&path, &golden.text).with_context(|| path.display().to_string())?;
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let Some(difference) = difference(&stored, &golden.text) else { return Ok(true) };
    say!("{}: {difference}", path.display());
    Ok(false)
}

#[allow(clippy::disallowed_types)]
fn searched(space: &Space, heal: bool, arguments: &Arguments) -> Row {
    let (began, worked) = (Instant::now(), table::worked());
    let patience = arguments.patience.map(Duration::from_secs);
    let enough = |states: usize| {
        patience.is_some_and(|patience| began.elapsed() >= patience)
            || arguments.states_max.is_some_and(|max| states >= max)
    };
    let (threads, depth) = (arguments.threads.max(1), arguments.depth);
    let parts = arguments.parts;
    let explored: Explored = search(space, Effort { threads, depth, heal, parts, enough: &enough });
    let mut row = Row::new(space, explored);
    row.took = began.elapsed();
    row.worked = table::worked().zip(worked).map(|(now, then)| now.saturating_sub(then));
    row
}

fn tell(row: &Row, arguments: &Arguments) -> anyhow::Result<()> {
    say!("{row}");
    for (part, count) in &row.explored.parts {
        say!("    {count:>9}  {part}");
    }
    match &arguments.csv {
        Some(path) => table::append(path, row).with_context(|| path.display().to_string()),
        None => Ok(()),
    }
}

fn chosen(arguments: &Arguments) -> anyhow::Result<Vec<Named>> {
    let named = |name: &String| {
        let names: Vec<&str> = ALL.iter().map(|model| model.name).collect();
        let model = ALL.iter().find(|model| model.name == name);
        model.copied().with_context(|| match renamed_name("model", name) {
            Some(new) => format!("the model `{name}` was renamed to `{new}`"),
            None => format!("no model `{name}`; there are {}", names.join(", ")),
        })
    };
    if arguments.model.is_empty() {
        return Ok(ALL.to_vec());
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
        SizeName::Smallest => Size::Smallest,
        SizeName::Small => Size::Small,
        SizeName::Medium => Size::Medium,
        SizeName::Large => Size::Large,
    }
}

fn space(model: &Named, size: Size, rules: Rules, arguments: &Arguments) -> Space {
    let space = (model.space)(size, rules);
    let bounds = arguments.chosen.of(space.bounds.clone());
    let space = space.within(bounds);
    if arguments.unreduced { space.reduced(Reductions::NONE) } else { space }
}

fn explore(space: Space, port: u16) -> anyhow::Result<bool> {
    say!("exploring on http://127.0.0.1:{port}/");
    space.checker().serve(("127.0.0.1", port));
    Ok(true)
}
