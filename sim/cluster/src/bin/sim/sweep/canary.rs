//! One run that must fail in every sweep: a sweep that cannot fail shows nothing.

use super::Interrupt;
use crate::work::{Answer, Order, Seat};
use anyhow::Result;
use leasehold_sim::nouns::count;
use leasehold_sim::scenario::Scenario;
use leasehold_sim::sweep::Outcome;
use std::time::Duration;

const NAME: &str = "scenarios/negative/acknowledged_before_all.toml";
const TEXT: &str =
    include_str!("../../../../../../scenarios/negative/acknowledged_before_all.toml");

/// Runs seeds of the canary, by a worker as all others, until one shows its violation: which seed,
/// or what is wrong.
pub fn sings(limit: Duration, interrupt: &Interrupt) -> Result<Result<u64, String>> {
    let scenario = Scenario::parse(NAME, TEXT)?;
    let mut seat = Seat::new(limit, interrupt);
    for seed in 0..scenario.seeds_max {
        let order =
            Order { name: NAME.to_owned(), scenario: TEXT.to_owned(), seed, replayed: false };
        match seat.ask(&order)? {
            Answer::Report(report) if report.outcome == Outcome::Shown => return Ok(Ok(seed)),
            Answer::Report(_) => {}
            Answer::Died(why) => return Ok(Err(format!("{NAME} seed {seed}: {why}"))),
            Answer::Hung => return Ok(Err(format!("{NAME} seed {seed} hangs"))),
            Answer::Interrupted => return Ok(Err("interrupted".to_owned())),
        }
    }
    Ok(Err(format!("{NAME} violates nothing under {}", count(scenario.seeds_max, "seed"))))
}
