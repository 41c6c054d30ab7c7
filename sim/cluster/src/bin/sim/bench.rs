//! `sim bench`: how fast simulated time passes.

use crate::args::BenchArgs;
use crate::report::{measured, table};
use anyhow::Result;
use leasehold_sim::drawn::Drawn;
use leasehold_sim::nouns::count;
use leasehold_sim::run::Asked;
use leasehold_sim::scenario::{Scenario, Span};
use leasehold_sim::seed::Seed;
use leasehold_trace::say;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::process::ExitCode;

/// Servers in a cluster of ten nodes: its masters, and chunkservers for the rest.
const NODES: u64 = 10;
/// Cores that seeds an hour are stated for.
const CORES: f64 = 2.0;

/// What was measured, as a row of CSV. Times are seconds; `cpu` is what the process used, which
/// other work on the machine does not change.
#[derive(Serialize)]
struct Figures {
    what: &'static str,
    seeds: u64,
    virtual_s: f64,
    wall_s: f64,
    cpu_s: f64,
    events: u64,
    virtual_over_wall: f64,
    virtual_over_cpu: f64,
    events_per_cpu_s: f64,
    seeds_an_hour_on_two_cores: f64,
}

/// Measures swarm seeds as they are, and with clusters of ten nodes.
pub fn bench(args: &BenchArgs) -> Result<ExitCode> {
    let swarm = Scenario::swarm();
    let ten_nodes = |seed| {
        let mut scenario = swarm.of(seed).into_owned();
        let masters = Drawn::draw(&scenario, seed).masters;
        scenario.shape.chunkservers = Span::of(NODES - masters);
        scenario
    };
    let rows = [
        figures("swarm", args.seeds, |seed| swarm.of(seed).into_owned()),
        figures("swarm, ten nodes", args.seeds, ten_nodes),
    ];
    for row in &rows {
        say!(
            "{:<17} {}: {:.0} s virtual in {:.1} s wall, {:.1} s of one core: {:.0} times \
             real time by the wall, {:.0} by the core; {:.0} events a second; {:.0} seeds an hour on \
             two cores",
            row.what,
            count(row.seeds, "seed"),
            row.virtual_s,
            row.wall_s,
            row.cpu_s,
            row.virtual_over_wall,
            row.virtual_over_cpu,
            row.events_per_cpu_s,
            row.seeds_an_hour_on_two_cores
        );
    }
    if let Some(path) = &args.csv {
        table(path, &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn figures(what: &'static str, seeds: u64, scenario: impl Fn(Seed) -> Scenario) -> Figures {
    let (mut virtual_ns, mut wall_ns, mut events) = (0, 0, 0);
    let began = cpu_s();
    for seed in 0..seeds {
        let outcome = measured(&scenario(Seed(seed)), Seed(seed), Asked::default());
        virtual_ns += outcome.summary.virtual_ns;
        wall_ns += outcome.summary.wall_ns;
        events += outcome.summary.events;
    }
    let cpu_s = (cpu_s() - began).max(1e-3);
    let (virtual_s, wall_s) = (virtual_ns as f64 / 1e9, (wall_ns as f64 / 1e9).max(1e-3));
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    Figures {
        what,
        seeds,
        virtual_s: hundredths(virtual_s),
        wall_s: hundredths(wall_s),
        cpu_s: hundredths(cpu_s),
        events,
        virtual_over_wall: hundredths(virtual_s / wall_s),
        virtual_over_cpu: hundredths(virtual_s / cpu_s),
        events_per_cpu_s: (events as f64 / cpu_s).round(),
        seeds_an_hour_on_two_cores: (CORES * 3_600.0 * seeds as f64 / cpu_s).round(),
    }
}

/// Seconds of a core that this process has used so far.
fn cpu_s() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
