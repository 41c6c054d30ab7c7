//! `walk [--seed N] [--seeds COUNT] [--steps M] [--targeted-partitions] [--grammar 1|2] [--guidance on|off]
//! [--without RULE] [--given CONSTANT=VALUE] [--out DIR] [--csv FILE] [--pairs FILE]`: random walks, or
//! those about leases, by the present version of the generators or by the first; guidance is drawn unless
//! it is given. Prints how requests ended and which marks and pairs were reached; the pairs that no walk
//! met go to the second FILE, or are counted. The first FILE gets how many steps a second. Exit codes: 0 nothing was violated, 1 something was (its
//! actions are in DIR), 2 a wrong argument.

use leasehold_explore::coverage::pairs::Cells;
use leasehold_explore::{Mark, Shares};
use leasehold_proto::{Constants, Rules};
use leasehold_trace::{note, say};
use leasehold_world::renamed::renamed_name;
use leasehold_world::script::{rule, set_constant};
use leasehold_world::show;
use leasehold_world::walk::{Drawn, GRAMMAR, Walk, replay, shrink, walk};
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
    grammar: u32,
    guidance: Option<bool>,
    rules: Rules,
    /// Constants that the machines are given, and the judges are not.
    given: Vec<(String, String)>,
    out: String,
    csv: Option<String>,
    pairs: Option<String>,
}

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(what) => {
            note!(
                "{what}\nusage: walk [--seed N] [--seeds COUNT] [--steps M] [--targeted-partitions] [--grammar 1|2] \
                 [--guidance on|off] [--without RULE] [--given CONSTANT=VALUE] [--out DIR] \
                 [--csv FILE] [--pairs FILE]"
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
    let (mut steps, mut failed, mut reached) = (0, 0, Reached::default());
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let draw = match (arguments.grammar, arguments.targeted) {
            (1, false) => Drawn::first,
            (1, true) => Drawn::first_targeted,
            (_, false) => Drawn::new,
            (_, true) => Drawn::targeted,
        };
        let mut drawn = draw(seed, arguments.rules);
        for (name, value) in &arguments.given {
            let shape = &mut drawn.shape;
            let given = shape.given.get_or_insert_with(|| Box::new(shape.constants.clone()));
            set_constant(given, name, value).expect("tried when it was read");
        }
        if let Some(guided) = arguments.guidance {
            drawn.guided = guided;
        }
        if arguments.seeds == 1 {
            say!("seed {seed}: {drawn}");
        }
        // The walk itself, or a judge, is at fault.
        let Ok(walk) = std::panic::catch_unwind(|| walk(drawn, arguments.steps)) else {
            PLACE.with(|place| say!("seed {seed}: the walk panicked at {}", place.borrow()));
            return ExitCode::from(101);
        };
        steps += walk.world.steps();
        reached.add(&walk);
        for (invariant, count) in walk.world.judge().counts() {
            *counts.entry(invariant).or_default() += count;
        }
        if arguments.seeds == 1 {
            let seconds = walk.world.cluster().now() / 1_000_000_000;
            say!(
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
    if arguments.grammar > 1 {
        reached.print();
    }
    let rate = u128::from(steps) * 1_000 / began.elapsed().as_millis().max(1);
    say!(
        "{} walks, {steps} steps ({rate} a second), {failed} violations; looked at {counts:?}",
        arguments.seeds,
    );
    let pairs = arguments.pairs.as_ref().map(|path| (path, std::fs::write(path, reached.text())));
    if let Some((path, Err(error))) = pairs {
        note!("{path}: {error}");
        return ExitCode::from(2);
    }
    if let Some(path) = &arguments.csv {
        let row = format!("walks,steps,steps_a_second\n{},{steps},{rate}\n", arguments.seeds);
        if let Err(error) = std::fs::write(path, row) {
            note!("{path}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::from(u8::from(failed > 0))
}

/// What all walks reached.
#[derive(Default)]
struct Reached {
    shares: Shares,
    /// By mark: in how many walks, how often.
    marks: BTreeMap<&'static str, (u64, u64)>,
    cells: Cells,
}

impl Reached {
    fn add(&mut self, walk: &Walk) {
        self.shares.add(&walk.shares);
        let Some(coverage) = &walk.coverage else { return };
        for (mark, times) in coverage.summary() {
            let (walks, all) = self.marks.entry(mark).or_default();
            (*walks, *all) = (*walks + 1, *all + times);
        }
        self.cells.add(coverage.pairs().cells());
    }

    fn print(&self) {
        say!("requests: {}", self.shares);
        let missed = Mark::ALL.iter().map(|mark| mark.name());
        let missed: Vec<_> = missed.filter(|name| !self.marks.contains_key(name)).collect();
        say!(
            "marks: {} of {}; not reached: {}",
            self.marks.len(),
            Mark::ALL.len(),
            missed.join(" ")
        );
        say!("pairs: {} of {} cells", self.cells.met(), Cells::possible());
    }

    /// The cells that no walk met, a row each, and how often each mark was reached.
    fn text(&self) -> String {
        let mut text = String::new();
        for (row, columns) in self.cells.never() {
            let _ = writeln!(text, "never: {row}: {}", columns.join(", "));
        }
        for (cell, times) in self.cells.summary() {
            let _ = writeln!(text, "{times} {cell}");
        }
        for (mark, (walks, times)) in &self.marks {
            let _ = writeln!(text, "mark {mark}: {times} times in {walks} walks");
        }
        text
    }
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments {
        seed: 1,
        seeds: 1,
        steps: 3_000,
        targeted: false,
        grammar: GRAMMAR,
        guidance: None,
        rules: Rules::default(),
        given: Vec::new(),
        out: "reports/out".into(),
        csv: None,
        pairs: None,
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
            "--grammar" => {
                let version = number()?;
                arguments.grammar = u32::try_from(version).unwrap_or(0);
                if !(1..=GRAMMAR).contains(&arguments.grammar) {
                    return Err(format!("there are grammars 1 to {GRAMMAR}"));
                }
            }
            "--out" => arguments.out = value,
            "--pairs" => arguments.pairs = Some(value),
            "--guidance" => {
                arguments.guidance = match value.as_str() {
                    "on" => Some(true),
                    "off" => Some(false),
                    _ => return Err(format!("--guidance {value}: on or off")),
                }
            }
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
    say!("seed {seed}: {}", violation.brief());
    if violation.invariant == "assertion" {
        PLACE.with(|place| say!("  at {}", place.borrow()));
    }
    let family = if walk.drawn.targeted { " --targeted-partitions" } else { "" };
    let grammar = if walk.drawn.grammar == 1 { " --grammar 1" } else { "" };
    let guidance = match arguments.guidance {
        Some(true) => " --guidance on",
        Some(false) => " --guidance off",
        None => "",
    };
    let given: String =
        arguments.given.iter().map(|(name, value)| format!(" --given {name}={value}")).collect();
    say!(
        "  replay: walk --seed {seed} --steps {}{family}{grammar}{guidance}{given}",
        arguments.steps
    );
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
            say!("  {} of {} actions are enough: {path}", short.len(), walk.actions.len())
        }
        Err(error) => say!("  {path}: {error}"),
    }
}
