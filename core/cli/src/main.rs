//! The binary `leasehold`: both servers, the client's commands, fsck, and a cluster for
//! development. What it adds to the libraries is arguments, configuration, messages and exit
//! codes.

mod arguments;
mod cluster;
mod constants;
mod docs;
mod entropy;
mod failure;
mod fsck;
mod listing;
mod log;
mod masters;
mod monitor;
mod mount;
mod namespace;
mod output;
mod partial;
mod path;
mod paths;
mod tree;
mod safe_mode;
mod seeds;
mod servers;
mod session;
mod settings;
mod signals;
mod status;
mod supervisor;
mod sweep;
mod transfer;
mod trash;
mod units;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::{Failure, Outcome};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(arguments::of_process(std::env::args_os()));
    if let Command::Mount(mount) = &arguments.command
        && !mount.foreground
    {
        return match mount::in_background(mount) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.tell(arguments.command.name()),
        };
    }
    let outcome = log::start(&arguments).and_then(|()| {
        let runtime = Runtime::new().map_err(|error| Failure::about("runtime", error))?;
        let outcome = runtime.block_on(run(&arguments.command));
        // A thread that still waits for stdin must not keep us.
        runtime.shutdown_timeout(Duration::from_millis(100));
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(arguments.command.name()),
    }
}

async fn run(command: &Command) -> Outcome {
    match command {
        Command::Master(arguments) => servers::master(arguments).await,
        Command::Chunkserver(arguments) => servers::chunkserver(arguments).await,
        Command::Cluster(arguments) => cluster::cluster(arguments).await,
        Command::Put(arguments) => transfer::put(arguments).await,
        Command::Get(arguments) => transfer::get(arguments).await,
        Command::Cat(arguments) => transfer::cat(arguments).await,
        Command::Append(arguments) => transfer::append(arguments).await,
        Command::Ls(arguments) => listing::ls(arguments).await,
        Command::Stat(arguments) => listing::stat(arguments).await,
        Command::Truncate(arguments) => namespace::truncate(arguments).await,
        Command::Mkdir(arguments) => namespace::mkdir(arguments).await,
        Command::Mv(arguments) => namespace::mv(arguments).await,
        Command::Rm(arguments) => namespace::rm(arguments).await,
        Command::Trash(command) => trash::trash(command).await,
        Command::Sweep(arguments) => sweep::sweep(arguments).await,
        Command::Mount(arguments) => mount::mount(arguments).await,
        Command::Fsck(arguments) => fsck::fsck(arguments).await,
        Command::Status(arguments) => status::status(arguments).await,
        Command::Server(command) => status::server(command).await,
        Command::SafeMode(command) => safe_mode::safe_mode(command).await,
        Command::Docs(arguments) => docs::docs(arguments),
        Command::Constants(arguments) => constants::constants(arguments).await,
    }
}
