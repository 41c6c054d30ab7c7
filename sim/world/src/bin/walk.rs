//! `walk [--seed N] [--seeds COUNT] [--steps M] [--targeted-partitions] [--without RULE]
//! [--given CONSTANT=VALUE] [--out DIR] [--csv FILE]`: random walks, or those about leases; FILE gets
//! how many steps a second. Exit codes: 0 nothing was violated, 1 something was (its
//! actions are in DIR), 2 a wrong argument.

use leasehold_proto::{Constants, Rules};
use leasehold_world::renamed::renamed_name;
use leasehold_world::script::{rule, set_constant};
use leasehold_world::show;
use leasehold_world::walk::{Drawn, Walk, replay, shrink, walk};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;

/// A shorter run is looked for in this many replays at the most.
const REPLAYS_MAX: u32 = 400;

/// ... for so many of the seeds that failed.
const SHRUNK_MAX: u64 = 5;

thread_local! {
    /// Where a machine's assertion failed last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Arguments {
    seed: u64,
    seeds: u64,
    steps: u64,
    targeted: bool,
    rules: Rules,
    /// Constants that the machines are given, and the judges are not.
    given: Vec<(String, String)>,
    out: String,
    csv: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!(
                "{what}\nusage: walk [--seed N] [--seeds COUNT] [--steps M] [--targeted-partitions] \
                 [--without RULE] [--given CONSTANT=VALUE] [--out DIR] [--csv FILE]"
            );
            return ExitCode::from(2);
        }
    };
    // A machine's assertion is caught and told below, with its seed.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        PLACE.with(|last| *last.borrow_mut() = place);
    }));
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    #[allow(clippy::disallowed_types)] // A summary for people; nothing depends on it.
    let began = std::time::Instant::now();
    let (mut steps, mut failed) = (0, 0);
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let draw = if arguments.targeted { Drawn::targeted } else { Drawn::new };
        let mut drawn = draw(seed, arguments.rules);
        for (name, value) in &arguments.given {
            let shape = &mut drawn.shape;
            let given = shape.given.get_or_insert_with(|| Box::new(shape.constants.clone()));
            set_constant(given, name, value).expect("tried when it was read");
        }
        if arguments.seeds == 1 {
            println!("seed {seed}: {drawn}");
        }
        let walk = walk(drawn, arguments.steps);
        steps += walk.world.steps();
        for (invariant, count) in walk.world.judge().counts() {
            *counts.entry(invariant).or_default() += count;
        }
        if arguments.seeds == 1 {
            let seconds = walk.world.cluster().now() / 1_000_000_000;
            println!(
                "{} steps, {seconds} s of cluster time, {} requests, {} answered well",
                walk.world.steps(),
                walk.requests,
                walk.succeeded,
            );
        }
        if walk.violation().is_some() {
            failed += 1;
            tell(&walk, &arguments, failed <= SHRUNK_MAX);
        }
    }
    let rate = u128::from(steps) * 1_000 / began.elapsed().as_millis().max(1);
    println!(
        "{} walks, {steps} steps ({rate} a second), {failed} violations; looked at {counts:?}",
        arguments.seeds,
    );
    if let Some(path) = &arguments.csv {
        let row = format!("walks,steps,steps_a_second\n{},{steps},{rate}\n", arguments.seeds);
        if let Err(error) = std::fs::write(path, row) {
            eprintln!("{path}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::from(u8::from(failed > 0))
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        seed: 1,
        seeds: 1,
        steps: 3_000,
        targeted: false,
        rules: Rules::default(),
        given: Vec::new(),
        out: "reports/out".into(),
        csv: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--targeted-partitions" {
            arguments.targeted = true;
            continue;
        }
        if let Some(new) = renamed_name("walk option", &word) {
            return Err(format!("the option {word} was renamed to {new}"));
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{word} {value}: not a number"));
        match word.as_str() {
            "--seed" => arguments.seed = number()?,
            "--seeds" => arguments.seeds = number()?,
            "--steps" => arguments.steps = number()?,
            "--out" => arguments.out = value,
            "--csv" => arguments.csv = Some(value),
            "--without" => *rule(&mut arguments.rules, &value)? = false,
            "--given" => {
                let (name, value) = value.split_once('=').ok_or("--given needs NAME=VALUE")?;
                set_constant(&mut Constants::default(), name, value)?;
                arguments.given.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(format!("there is no option {word}")),
        }
    }
    Ok(arguments)
}

/// Prints what did not hold, and leaves the shortest list of actions found that ends there.
fn tell(walk: &Walk, arguments: &Arguments, shrinks: bool) {
    let seed = walk.drawn.seed;
    let violation = walk.violation().expect("the caller looked");
    println!("seed {seed}: {}", violation.brief());
    if violation.invariant == "assertion" {
        PLACE.with(|place| println!("  at {}", place.borrow()));
    }
    let family = if walk.drawn.targeted { " --targeted-partitions" } else { "" };
    let given: String =
        arguments.given.iter().map(|(name, value)| format!(" --given {name}={value}")).collect();
    println!("  replay: walk --seed {seed} --steps {}{family}{given}", arguments.steps);
    if !shrinks {
        return;
    }
    let short = shrink(&walk.drawn.shape, &walk.actions, REPLAYS_MAX);
    let mut world = replay(&walk.drawn.shape, &short);
    let mut text = format!("{}\n{}\n", walk.drawn, violation.brief());
    for action in &short {
        let _ = writeln!(text, "{action:?}");
    }
    text.push_str("\nwhat happened:\n");
    let trace = world.take_trace();
    for moment in &trace {
        if let Some(line) = show::line(world.cluster(), &moment.observation, show::Detail::All) {
            let _ = writeln!(text, "{:>12} {line}", moment.true_ns / 1_000_000);
        }
    }
    let family = if walk.drawn.targeted { "-targeted" } else { "" };
    let path = format!("{}/walk-{seed}{family}.txt", arguments.out);
    let written =
        std::fs::create_dir_all(&arguments.out).and_then(|()| std::fs::write(&path, text));
    match written {
        Ok(()) => {
            println!("  {} of {} actions are enough: {path}", short.len(), walk.actions.len())
        }
        Err(error) => println!("  {path}: {error}"),
    }
}
