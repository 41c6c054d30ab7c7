//! Arguments of the commands that serve, and of those for masters.

use super::{ClientArguments, ConfigArguments, StatusArguments, parse_capacity};
use clap::{Args, Subcommand, value_parser};
use leasehold_node::data_dir::Begin;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Masters' numbers are small; a chunkserver's is drawn at random from all 64 bits.
const NODE_MAX: u64 = 1 << 32;

/// `master`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct MasterArguments {
    /// Send a command to the running masters
    #[command(subcommand)]
    pub ask: Option<MasterCommand>,
    /// Every master's number and address, this one's included; may be given several times
    #[arg(long = "peer", value_name = "N@HOST:PORT", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Make a new cluster of these masters; only with --init, on each of them. The directory keeps it
    #[arg(long)]
    pub bootstrap: bool,
    /// Where to listen [default: 127.0.0.1:7400]
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where to keep the operation log
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The number by which others know this master [default: 1]
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=NODE_MAX))]
    pub node: Option<u64>,
    /// As every server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// What every server takes.
#[derive(Debug, Args)]
pub struct ServerArguments {
    /// Where others reach it, if not where it listens: behind a wildcard, a name, or NAT
    #[arg(long, value_name = "HOST:PORT")]
    pub advertise: Option<String>,
    /// Where a monitor reads /metrics (Prometheus) and /healthz by HTTP; no authentication
    #[arg(long, value_name = "IP:PORT")]
    pub metrics: Option<SocketAddr>,
    /// What is expected of the directory.
    #[command(flatten)]
    pub begin: BeginArguments,
    /// Stop when stdin is closed (`cluster` starts its servers so: they never outlive it)
    #[arg(long, hide = true)]
    pub until_stdin_closes: bool,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArguments,
}

/// What a server expects of its directory.
#[derive(Clone, Copy, Debug, Args)]
pub struct BeginArguments {
    /// Begin a new server in the directory, which must be empty or not there. On the first start
    /// only: later ones refuse a directory in which nothing was begun, such as the mount point of a
    /// disk that is not mounted
    #[arg(long, conflicts_with = "adopt")]
    pub init: bool,
    /// Go on with a directory that was copied or restored to this place. On one start only, and only
    /// if the one it was copied from is given up for good
    #[arg(long)]
    pub adopt: bool,
    /// Do what --init or --adopt say, and end. A service is then started without either, again and
    /// again, and never begins anything by itself
    #[arg(long)]
    pub no_serve: bool,
    /// Begin if nothing was begun (`cluster` makes and keeps whole trees)
    #[arg(long, hide = true, conflicts_with_all = ["init", "adopt"])]
    pub init_if_missing: bool,
}

impl BeginArguments {
    /// As the server takes it.
    pub fn expected(self) -> Begin {
        match self {
            BeginArguments { init: true, .. } => Begin::New,
            BeginArguments { adopt: true, .. } => Begin::Adopt,
            BeginArguments { init_if_missing: true, .. } => Begin::Either,
            BeginArguments { .. } => Begin::Existing,
        }
    }
}

/// Commands for running masters.
#[derive(Debug, Subcommand)]
pub enum MasterCommand {
    /// Show the state of each master
    List(StatusArguments),
    /// Add a master that runs on an empty disk, once it has caught up
    Add {
        /// Its number and address
        #[arg(value_name = "N@HOST:PORT")]
        new: String,
        /// The cluster.
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Remove a master, running or not
    Remove {
        /// Its number
        #[arg(value_name = "N")]
        number: u64,
        /// The cluster.
        #[command(flatten)]
        client: ClientArguments,
    },
    /// Have every master make a snapshot
    Snapshot(ClientArguments),
}

/// `chunkserver`.
#[derive(Debug, Args)]
pub struct ChunkserverArguments {
    /// Where to listen [default: 127.0.0.1, any free port]
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where to keep the chunks
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address of a master, or of several, comma-separated: any one of them names the others
    #[arg(long, value_name = "HOST:PORT", env = "LEASEHOLD_MASTER", value_delimiter = ',')]
    pub master: Vec<String>,
    /// Failure domain: two replicas of a chunk avoid sharing one [default: 0]
    #[arg(long, value_name = "N")]
    pub rack: Option<u32>,
    /// Bytes to offer [default: what it holds already, and what is free on the disk]
    #[arg(long, value_name = "SIZE", value_parser = parse_capacity)]
    pub capacity: Option<u64>,
    /// As every server.
    #[command(flatten)]
    pub server: ServerArguments,
}

/// `cluster`.
#[derive(Debug, Args)]
pub struct ClusterArguments {
    /// Where everything is kept
    #[arg(long, default_value = "leasehold-data")]
    pub dir: PathBuf,
    /// How many masters: 1, 3 or 5
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse_masters)]
    pub masters: u16,
    /// How many chunkservers, each in a rack of its own
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    pub chunkservers: u16,
    /// The first master's port; the other masters, then the chunkservers take the ones after it
    #[arg(long, value_name = "PORT", default_value_t = 7400, value_parser = value_parser!(u16).range(1..))]
    pub base_port: u16,
    /// Where to listen; 0.0.0.0 needs --advertise
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Name or address by which clients of other machines reach the servers [default: --host]
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// The configuration of every server.
    #[command(flatten)]
    pub config: ConfigArguments,
}

fn parse_masters(text: &str) -> Result<u16, String> {
    match text {
        "1" | "3" | "5" => Ok(text.parse().expect("a digit is a number")),
        _ => Err("1, 3 or 5: an even number survives no more losses than one less".to_owned()),
    }
}
