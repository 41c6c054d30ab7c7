//! Comparisons side by side: the product's put and get beside the barest program that moves the
//! same bytes over the same loopback to the same disk.
//!
//! `compare` is the one that people run; it starts every other subcommand as a process of its
//! own, so that each hop has its own memory and its own CPU account, as the product's servers do.
// This package measures a real machine: sockets, files, threads and the clock are its subject.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod compare;
mod ground;
mod leaders;
mod metadata;
mod policy;
mod process;
mod product;
mod reads;
mod relay;
mod report;
mod scale;
mod sender;
mod window;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "leasehold-bench", about, version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: compare::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put and get beside a bare relay and a bare file sender, with medians (the default)
    Compare(compare::Options),
    /// Creates and stats a second against one master and three, beside the bare consensus library
    Metadata(metadata::Options),
    /// A large put and a thousand creates a second while leaders are killed and stopped
    Leaders(leaders::Options),
    /// What a strong read costs, with leases confirmed and without
    Reads(reads::Options),
    /// Memory per file and chunk, and the time to start, of a master with a large namespace
    Scale(scale::Options),
    /// Writes a large namespace (started by `scale`)
    #[command(hide = true)]
    ScaleMake(scale::MakeOptions),
    /// One metadata load (started by `metadata`)
    #[command(hide = true)]
    MetadataLoad(metadata::load::LoadOptions),
    /// One member of the bare consensus library (started by `metadata`)
    #[command(hide = true)]
    MetadataBare(metadata::bare::MemberOptions),
    /// One hop of the bare relay (started by `compare`)
    #[command(hide = true)]
    RelayHop(relay::HopOptions),
    /// The client of the bare relay (started by `compare`)
    #[command(hide = true)]
    RelayClient(relay::ClientOptions),
    /// The bare file sender (started by `compare`)
    #[command(hide = true)]
    SendServer(sender::ServerOptions),
    /// The client of the bare file sender (started by `compare`)
    #[command(hide = true)]
    SendClient(sender::ClientOptions),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        None => compare::run(&arguments.compare),
        Some(Command::Compare(options)) => compare::run(&options),
        Some(Command::Leaders(options)) => leaders::run(&options),
        Some(Command::Metadata(options)) => metadata::run(&options),
        Some(Command::MetadataLoad(options)) => metadata::load::client(&options),
        Some(Command::MetadataBare(options)) => metadata::bare::member(&options),
        Some(Command::Reads(options)) => reads::run(&options),
        Some(Command::Scale(options)) => scale::run(&options),
        Some(Command::ScaleMake(options)) => scale::make(&options),
        Some(Command::RelayHop(options)) => relay::hop(&options),
        Some(Command::RelayClient(options)) => relay::client(&options),
        Some(Command::SendServer(options)) => sender::serve(&options),
        Some(Command::SendClient(options)) => sender::fetch(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("leasehold-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
