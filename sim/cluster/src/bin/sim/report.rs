//! What a person is told about a run.

use leasehold_sim::cluster::Found;
use leasehold_sim::log::Line;
use leasehold_sim::run::{Asked, Outcome, run};
use leasehold_sim::scenario::{Expect, Scenario};
use leasehold_sim::seed::Seed;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

/// Happenings before a violation that are looked at, and shown of each node.
const LOOK_BACK: u64 = 3_000;
const SHOWN_PER_NODE: usize = 8;
const SHOWN_CHARS: usize = 220;

/// Runs a seed and measures it.
#[allow(clippy::disallowed_types, reason = "the binary measures wall time, outside of any run")]
pub fn measured(scenario: &Scenario, seed: Seed, asked: Asked) -> Outcome {
    let began = std::time::Instant::now();
    let mut outcome = run(scenario, seed, asked);
    outcome.summary.wall_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    outcome
}

/// How a run compares with what its scenario expects.
pub enum Verdict {
    /// As expected.
    Good,
    /// A violation that was not expected.
    Violated,
    /// Nothing wrong, and not enough seen for that to mean something.
    Thin(String),
    /// The violation that the scenario is there to show did not show.
    NotShown,
}

/// Judges an outcome by its scenario.
pub fn verdict(scenario: &Scenario, outcome: &Outcome) -> Verdict {
    match (&scenario.expect, &outcome.found) {
        (Expect::Pass, None) => match outcome.summary.thin(&scenario.demands) {
            None => Verdict::Good,
            Some(why) => Verdict::Thin(why),
        },
        (Expect::Pass, Some(_)) => Verdict::Violated,
        (Expect::Violation(_), None) => Verdict::NotShown,
        (Expect::Violation(id), Some(found)) if found.wrong.invariant == id => Verdict::Good,
        (Expect::Violation(_), Some(_)) => Verdict::Violated,
    }
}

/// A bar for a run's progress, if somebody watches.
pub fn progress(scenario: &Scenario) -> Option<Box<dyn FnMut(u64) + Send>> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let (total_ms, mut shown) = (scenario.acts.faults_ms, 0);
    Some(Box::new(move |now_ms| {
        if now_ms >= shown + 1_000 {
            shown = now_ms;
            eprint!("\r  {:>4} of {} s simulated", now_ms / 1_000, total_ms / 1_000);
            let _ = std::io::stderr().flush();
        }
    }))
}

/// Takes the progress line away.
pub fn end_progress() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

/// The violated sentence, the last events of every node before it, and the command that shows the
/// same again.
pub fn violation(scenario: &Scenario, seed: Seed, found: &Found, again: &str) {
    let wrong = &found.wrong;
    println!("\nVIOLATED {}: {}", wrong.invariant, wrong.sentence);
    println!("  at {:.6} s, event {}", found.true_ns as f64 / 1e9, found.number);
    println!("  {}", wrong.detail);
    // A run is a function of its seed: running it once more gives the text that the first one did
    // without.
    let mut asked = Asked::default();
    asked.log.watch = Some(found.number.saturating_sub(LOOK_BACK)..=found.number);
    last_events(&run(scenario, seed, asked).lines);
    println!("\nreplay: just sim --seed {}{again}", seed.0);
}

fn last_events(lines: &[Line]) {
    let mut by_node: BTreeMap<_, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        by_node.entry(line.node).or_default().push(line);
    }
    for (node, lines) in by_node {
        println!("\n  last events at {node}:");
        for line in &lines[lines.len().saturating_sub(SHOWN_PER_NODE)..] {
            show(line);
        }
    }
}

/// One event, cut to what fits a screen.
pub fn show(line: &Line) {
    let cut: String = line.what.chars().take(SHOWN_CHARS).collect();
    let more = if cut.len() < line.what.len() { " ..." } else { "" };
    println!(
        "  {:>8} {:>12.6} s  {}  {cut}{more}",
        line.number,
        line.true_ns as f64 / 1e9,
        line.node
    );
}
