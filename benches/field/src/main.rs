//! The binary `field`: the same binaries on machines. It rolls a package out over OpenSSH, starts and
//! stops a cluster, upgrades it host by host, breaks it on purpose and collects what happened; and it makes
//! such machines on this one, for a trial.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a tool of real machines: files, clocks and threads"
)]

mod faults;
mod history;
mod inventory;
mod lab;
mod load;
mod remote;
mod report;
mod schedule;
mod verbs;

use clap::{Args, Parser, Subcommand};
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Leasehold on machines, over OpenSSH.
#[derive(Debug, Parser)]
#[command(
    name = "field",
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
Five hosts on this machine, and a cluster on them (as root):
  field lab up -n 5
  field check target/lab/inventory.toml
  field put target/lab/inventory.toml --package target/package/leasehold_*.deb
  field start target/lab/inventory.toml --init
  field exec target/lab/inventory.toml -- leasehold status
  field lab down
The same on other machines, with an inventory of your own: benches/field/README.md.
Exit codes: 0 done, 1 failed, 2 wrong usage."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Results as JSON on stdout, and no progress
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Hosts on this machine, for a trial
    Lab {
        #[command(subcommand)]
        verb: LabVerb,
        /// Where everything of the lab is kept
        #[arg(long, global = true, default_value = "target/lab")]
        dir: PathBuf,
    },
    /// Look whether the hosts have what a cluster and its faults need; change nothing
    Check(On),
    /// Install a package, and write the configuration of every server
    Put {
        #[command(flatten)]
        on: On,
        /// The package, as `just package` makes it
        #[arg(long, value_name = "FILE")]
        package: PathBuf,
        /// Configure the constants of a simulated run, for `field replay`
        #[arg(long, value_name = "FILE")]
        schedule: Option<PathBuf>,
    },
    /// Start every server, and wait until all are heard
    Start {
        #[command(flatten)]
        on: On,
        /// Begin a new cluster first: every directory that is not begun yet
        #[arg(long)]
        init: bool,
    },
    /// Stop every server
    Stop(On),
    /// Units and cluster at a glance
    Status(On),
    /// Run a command on a host, with LEASEHOLD_MASTER set
    Exec {
        #[command(flatten)]
        on: On,
        /// Which host; a client's, or else the first master's, if not said
        #[arg(long)]
        host: Option<String>,
        /// Give up after so many seconds
        #[arg(long, default_value_t = 300)]
        timeout_s: u64,
        /// The command
        #[arg(required = true, last = true)]
        command: Vec<String>,
    },
    /// Break a host on purpose, for a while
    Fault {
        #[command(flatten)]
        on: On,
        /// What to do
        #[arg(value_enum)]
        kind: faults::Kind,
        /// To which host
        #[arg(long)]
        host: String,
        /// Between it and these hosts only
        #[arg(long, value_name = "HOST")]
        peer: Vec<String>,
        /// For how long
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        for_s: u64,
        /// How many packets of a million are lost, for loss
        #[arg(long, default_value_t = 50_000)]
        ppm: u32,
    },
    /// Do the faults of a simulated run to the hosts, under load, and judge what clients saw
    Replay {
        #[command(flatten)]
        on: On,
        /// As `sim run --schedule FILE` writes it
        #[arg(long, value_name = "FILE")]
        schedule: PathBuf,
        /// How many clients; as many as the run had, if not said
        #[arg(long)]
        clients: Option<u64>,
        /// Where to; a directory below reports/out/field if not said
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Use a cluster through the client library and write down what happened
    #[command(hide = true)]
    Load(load::LoadArguments),
    /// Install another version host by host, while the cluster serves; go back where that fails
    Upgrade {
        #[command(flatten)]
        on: On,
        /// The new package; without it, the servers are only restarted
        #[arg(long, value_name = "FILE")]
        package: Option<PathBuf>,
        /// How long a host may take until the cluster is whole again
        #[arg(long, value_name = "SECONDS", default_value_t = 120)]
        patience_s: u64,
    },
    /// Fetch logs, configurations and facts of every host into a directory
    Collect {
        #[command(flatten)]
        on: On,
        /// Where to; a new directory below reports/out/field if not said
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Delete the cluster's data and configuration; without --id, only say what would be deleted
    Wipe {
        #[command(flatten)]
        on: On,
        /// The cluster's id, as the inventory has it
        #[arg(long)]
        id: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum LabVerb {
    /// Boot hosts, and write inventory.toml
    Up {
        /// How many
        #[arg(short = 'n', long, default_value_t = 3)]
        hosts: u8,
        /// How many of them have a master: 1, 3 or 5
        #[arg(long, default_value_t = 1)]
        masters: u8,
        /// Those with a master have no chunkserver
        #[arg(long)]
        dedicated_masters: bool,
        /// Size of each host's disk
        #[arg(long, default_value_t = 2048)]
        disk_mib: u32,
    },
    /// Stop the hosts, and remove everything but the cached root file system
    Down,
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct On {
    /// Inventory file (TOML)
    pub inventory: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let report = Report::new(arguments.json);
    match run(&arguments.verb, &report) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("field: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb, report: &Report) -> anyhow::Result<u8> {
    match verb {
        Verb::Lab { verb, dir } => {
            let lab = lab::Lab::new(dir)?;
            match verb {
                LabVerb::Up { hosts, masters, dedicated_masters, disk_mib } => {
                    let path = lab.up(*hosts, *masters, *dedicated_masters, *disk_mib, report)?;
                    let shown = path.display().to_string();
                    report.result(&shown, &serde_json::json!({ "inventory": shown }));
                }
                LabVerb::Down => lab.down(report)?,
            }
            Ok(0)
        }
        Verb::Check(on) => verbs::check::check(on, report),
        Verb::Put { on, package, schedule } => {
            verbs::put::put(on, package, schedule.as_deref(), report)
        }
        Verb::Start { on, init } => verbs::service::start(on, *init, report),
        Verb::Stop(on) => verbs::service::stop(on, report),
        Verb::Status(on) => verbs::service::status(on, report),
        Verb::Exec { on, host, timeout_s, command } => {
            verbs::exec(on, host.as_deref(), Duration::from_secs(*timeout_s), command)
        }
        Verb::Fault { on, kind, host, peer, for_s, ppm } => {
            verbs::fault(on, *kind, host, peer, Duration::from_secs(*for_s), *ppm, report)
        }
        Verb::Replay { on, schedule, clients, out } => {
            verbs::replay::replay(on, schedule, *clients, out.as_deref(), report)
        }
        Verb::Load(arguments) => load::load(arguments),
        Verb::Upgrade { on, package, patience_s } => {
            let patience = Duration::from_secs(*patience_s);
            verbs::upgrade::upgrade(on, package.as_deref(), patience, report)
        }
        Verb::Collect { on, out } => verbs::collect::collect(on, out.as_deref(), report),
        Verb::Wipe { on, id } => verbs::wipe::wipe(on, id.as_deref(), report),
    }
}
