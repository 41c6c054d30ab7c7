//! Arguments of the commands for operators: constants, servers, safe mode, the trash.

use super::{ClientArguments, ConfigArguments, StatusArguments};
use clap::{Args, Subcommand};
use leasehold_proto::NodeId;

/// `constants`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ConstantsArguments {
    /// What to do, if not to show them.
    #[command(subcommand)]
    pub command: Option<ConstantsCommand>,
    /// The cluster, and how to show it.
    #[command(flatten)]
    pub show: StatusArguments,
}

/// What else there is to do about constants.
#[derive(Debug, Subcommand)]
pub enum ConstantsCommand {
    /// Change constants of the cluster; wait until every chunkserver that is heard goes by them
    Set {
        /// What is to change, and to what: 250ms, 12s, 1h for a time, 4MiB for bytes
        #[arg(value_name = "NAME=VALUE", required = true)]
        settings: Vec<String>,
        /// The cluster.
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Print every constant of a process as a configuration file takes it
    List(ConfigArguments),
}

/// `server`.
#[derive(Debug, Subcommand)]
pub enum ServerCommand {
    /// Take servers that are not heard off the list
    Forget {
        /// As `leasehold status` names them
        #[arg(required = true, value_name = "SERVER", value_parser = parse_node)]
        servers: Vec<NodeId>,
        /// The cluster.
        #[command(flatten)]
        client: ClientArguments,
    },
}

/// `safe-mode`.
#[derive(Debug, Subcommand)]
pub enum SafeModeCommand {
    /// Say whether the leader is in safe mode, and what it waits for
    Status(StatusArguments),
    /// End it for this leader
    Leave(StatusArguments),
}

/// `trash`.
#[derive(Debug, Subcommand)]
pub enum TrashCommand {
    /// What is in the trash, under which path it was, and for how long it is kept
    List(StatusArguments),
    /// Take a file out of the trash
    Restore(TrashRestoreArguments),
    /// Reclaim files now
    Empty(TrashEmptyArguments),
}

/// `trash restore`.
#[derive(Debug, Args)]
pub struct TrashRestoreArguments {
    /// The path that it had, or its name in `leasehold trash list`, such as f12
    pub file: String,
    /// Under another path than it had
    #[arg(long, value_name = "PATH")]
    pub to: Option<String>,
    /// Replace a file that is there by now; that one goes to the trash
    #[arg(short, long)]
    pub force: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `trash empty`.
#[derive(Debug, Args)]
pub struct TrashEmptyArguments {
    /// The paths that they had, or their names in `leasehold trash list`
    #[arg(required_unless_present = "all", value_name = "FILE")]
    pub files: Vec<String>,
    /// Everything that is in the trash now
    #[arg(long, conflicts_with = "files")]
    pub all: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

fn parse_node(text: &str) -> Result<NodeId, String> {
    let number = text.strip_prefix('n').unwrap_or(text).parse();
    number.map(NodeId).map_err(|_| "a server's name is like n7".to_owned())
}
