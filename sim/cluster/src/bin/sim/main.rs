//! The binary `sim`: a seeded cluster under madsim, from the command line.

#[cfg(madsim)]
mod again;
#[cfg(madsim)]
mod args;
#[cfg(madsim)]
mod bench;
#[cfg(madsim)]
mod exit;
#[cfg(madsim)]
mod failover;
#[cfg(madsim)]
mod figures;
#[cfg(madsim)]
mod history;
#[cfg(madsim)]
mod join;
#[cfg(madsim)]
mod negatives;
#[cfg(madsim)]
mod program;
#[cfg(madsim)]
mod replay;
#[cfg(madsim)]
mod report;
#[cfg(madsim)]
mod run;
#[cfg(madsim)]
mod scenario;
#[cfg(madsim)]
mod shrink;
#[cfg(madsim)]
mod stream;
#[cfg(madsim)]
mod sweep;
#[cfg(madsim)]
mod traces;
#[cfg(madsim)]
mod twice;
#[cfg(madsim)]
mod work;

/// A simulation is one thread that makes and drops small things: a tenth of its time by the
/// system's allocator. No address reaches a run.
#[cfg(madsim)]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    use args::{Args, Command};
    use clap::Parser;
    let result = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Twice(args) => twice::twice(&args),
        Command::Sweep(args) => sweep::sweep(&args),
        Command::Join(args) => join::join(&args),
        Command::Report(args) => figures::report(&args),
        Command::Again(args) => again::again(&args),
        Command::Compare(args) => figures::compare(&args),
        Command::Shrink(args) => shrink::shrink(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Negatives(args) => negatives::negatives(&args),
        Command::Failover(args) => failover::failover(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Scenario(args) => scenario::scenario(&args),
        Command::Work => work::work(),
    };
    result.unwrap_or_else(|error| {
        leasehold_trace::note!("sim: {error:#}");
        std::process::ExitCode::from(2)
    })
}

#[cfg(not(madsim))]
fn main() -> std::process::ExitCode {
    leasehold_trace::note!(
        "sim: built without simulation; `just sim --seed 42` builds and runs it with"
    );
    std::process::ExitCode::from(2)
}
