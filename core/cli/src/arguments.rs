//! The command line, and the help that teaches it.

mod mount;
mod operators;
mod servers;
mod transfer;

use crate::units::{parse_duration, parse_size};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
pub use mount::{MountArguments, of_process};
pub use operators::{
    ConstantsArguments, ConstantsCommand, SafeModeCommand, ServerCommand, TrashCommand,
    TrashEmptyArguments, TrashRestoreArguments,
};
pub use servers::{
    BeginArguments, ChunkserverArguments, ClusterArguments, MasterArguments, MasterCommand,
    ServerArguments,
};
use std::path::PathBuf;
use std::time::Duration;
pub use transfer::{AppendArguments, CatArguments, GetArguments, PutArguments};

/// Leasehold, a distributed file system that was tested before it was run.
#[derive(Debug, Parser)]
#[command(
    name = "leasehold",
    version = env!("LEASEHOLD_VERSION"),
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "\
A cluster on this machine, and a file in it:
  leasehold cluster --dir /tmp/demo &
  export LEASEHOLD_MASTER=127.0.0.1:7400
  leasehold put notes.txt /notes.txt
  leasehold ls -l /
  leasehold cat /notes.txt
  leasehold fsck

Exit codes: 0 done, 1 failed, 2 wrong usage (nothing was done). A server also ends with 3 when its
disk is out of service, and with 4 when another process took its place: no restart helps then."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What to log on stderr: a level, or module=level, comma-separated
    #[arg(long, global = true, value_name = "FILTER", env = "RUST_LOG", hide_env_values = true)]
    pub log: Option<String>,
    /// How to log: a line for people, or one JSON object a line
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        env = "LEASEHOLD_LOG_FORMAT",
        hide_default_value = true,
        hide_env_values = true
    )]
    pub log_format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// For programs: time, level, target, message and fields
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve as the master: the namespace and where every chunk is
    #[command(after_help = "\
Example:
  leasehold master --listen 127.0.0.1:7400 --data-dir /var/lib/leasehold/master --init
--init belongs to the first start on a directory and to no other; SIGTERM stops the server cleanly.
For a service, begin the directory once, and start it without --init from then on:
  leasehold master --config /etc/leasehold/master.toml --init --no-serve
One of three, each started in this way with its own number, address and directory:
  leasehold master --node 1 --listen 10.0.0.1:7400 --data-dir /var/lib/leasehold/master --init \
      --peer 1@10.0.0.1:7400 --peer 2@10.0.0.2:7400 --peer 3@10.0.0.3:7400 --bootstrap
--bootstrap belongs to --init, on every master of a new cluster: a later start does not need it, and a
master whose disk was replaced is begun without it, and added with `leasehold master add`.")]
    Master(MasterArguments),
    /// Serve chunks
    #[command(after_help = "\
Example:
  leasehold chunkserver --master 127.0.0.1:7400 --listen 127.0.0.1:7401 \\
      --data-dir /srv/disk1 --rack 1 --capacity 2TiB --init
--init belongs to the first start on a directory and to no other: later, a disk that is not mounted
must not come up as a new server. A directory belongs to one process at a time, and a copy of one is
refused.")]
    Chunkserver(ChunkserverArguments),
    /// Start a whole cluster on this machine, for development; Ctrl-C stops it
    #[command(after_help = "\
Examples:
  leasehold cluster                                   # in ./leasehold-data, from port 7400
  leasehold cluster --dir /tmp/x --chunkservers 5 --base-port 9000
Started again on the same directory, it serves the files that are there.")]
    Cluster(ClusterArguments),
    /// Store a local file
    #[command(after_help = "\
Examples:
  leasehold put video.mkv /films/                     # /films/video.mkv
  tar c src | leasehold put - /backup/src.tar
  leasehold put --sync page-cache --replicas 2 scratch.bin /scratch.bin
The file appears under its name when all of it is stored, never before.")]
    Put(PutArguments),
    /// Fetch a file
    #[command(after_help = "\
Examples:
  leasehold get /films/video.mkv                      # ./video.mkv
  leasehold get /backup/src.tar - | tar x
The local file appears under its name when all of it is there, never before.")]
    Get(GetArguments),
    /// Write files to stdout, one after another
    Cat(CatArguments),
    /// Append records to a file, each exactly once and whole
    #[command(after_help = "\
Examples:
  echo started | leasehold append /log                # stdin as one record
  journalctl -f | leasehold append --lines --create /log
A record is at most 1 MiB and at most a quarter of the file's chunk size, and is never cut: one that
does not fit into the rest of a chunk goes into the next, and the rest is filled with zero bytes. A
text file of more than one chunk has such bytes in it; `leasehold cat /log | tr -d '\\0'` leaves
them out. What is to be stored byte for byte is stored with put.")]
    Append(AppendArguments),
    /// List a directory
    Ls(LsArguments),
    /// Say what is known of a file or directory
    Stat(StatArguments),
    /// Make files shorter or longer
    #[command(after_help = "\
Examples:
  leasehold truncate -s 0 /log                        # empty it
  leasehold truncate -s 1TiB /disk.img                # as large as that, and no byte stored
What is behind the new end is gone at once, and is not in the trash. What was not there reads as zeros.
A file that does not exist is made, unless --no-create says otherwise.")]
    Truncate(TruncateArguments),
    /// Make directories
    Mkdir(MkdirArguments),
    /// Rename files or directories, or move them into a directory
    Mv(MvArguments),
    /// Remove files; they stay in the trash for a while
    Rm(RmArguments),
    /// Deleted files, as long as they are kept: list them, take them back, or give their room back
    #[command(
        subcommand,
        after_help = "\
Examples:
  leasehold trash list                                # what is kept, for how long, under which path
  leasehold trash restore /films/video.mkv            # back to where it was
  leasehold trash restore f12 --to /video.mkv         # one of several that had the same path
  leasehold trash empty f12                           # its room is given back now
  leasehold trash empty --all
A file that rm, mv or put --force took away is kept for trash_retention (`leasehold constants`). When no \
chunkserver has room for what is to be stored, the oldest one gives way before that. Restoring replaces \
nothing unless --force says so."
    )]
    Trash(TrashCommand),
    /// Remove what interrupted puts left: files with names like .x.partial-HOST-PID-RANDOM
    #[command(after_help = "\
Examples:
  leasehold sweep --dry-run --older-than 0s           # every unfinished file, and whose it is
  leasehold sweep                                     # remove those begun a day ago or earlier
A put that ends, also by Ctrl-C, SIGTERM or SIGHUP, removes its own unfinished file; one that is \
killed with SIGKILL cannot. Removed files are in the trash for a while. A put that still runs after \
its file was swept fails and says so; those of this machine that still run are left alone.")]
    Sweep(SweepArguments),
    /// Mount the cluster as a file system of this machine, by FUSE
    #[command(after_help = mount::HELP)]
    Mount(MountArguments),
    /// Check every chunk: its replicas, versions and checksums; or a stopped master's directory
    #[command(after_help = "\
Prints HEALTHY and exits with 0, or lists what is wrong and exits with 1.
Examples:
  leasehold fsck --wait 60s                           # after a server came back
  leasehold fsck --metadata /var/lib/leasehold/master # would a master start on this?")]
    Fsck(FsckArguments),
    /// The cluster at a glance
    Status(StatusArguments),
    /// Say that a chunkserver is gone for good
    #[command(
        subcommand,
        after_help = "\
Example:
  leasehold server forget n10519829103               # as `leasehold status` names it
Only a server that is not heard is forgotten, and it is back when it registers again. Its replicas \
are replaced in any case; forgetting it takes it off the list."
    )]
    Server(ServerCommand),
    /// What a new leader waits for before it repairs and deletes; or have it not wait
    #[command(
        subcommand,
        after_help = "\
Examples:
  leasehold safe-mode status                          # which chunks are unreported
  leasehold safe-mode leave                           # their servers are known to be lost
A master that begins to lead copies and deletes no replica until enough is reported, or until \
safe_mode_max has passed. To leave earlier costs copies that were not needed, and no replica."
    )]
    SafeMode(SafeModeCommand),
    /// Write what the package contains and clap can make: man pages, completions of shells
    #[command(hide = true)]
    Docs(DocsArguments),
    /// Show the cluster's constants, change them, or list every constant that a process has
    #[command(after_help = "\
Examples:
  leasehold constants                                 # values, version, who still goes by others
  leasehold constants set lease_duration=20s          # waits until it holds everywhere
  leasehold constants list --set lease_duration=20s   # as a configuration file takes them
Constants on which agreement or safety rests are the cluster's: the first master logs those that it \
was configured with, and every process takes them from there. A change has two steps, so that a lease \
is short for its holder before it is short for its granter, and long for its granter first; it takes as \
long as the longer lease. A process that is configured with another value, by a file or by --set, is \
refused with both values. Block size and the bounds of what clients send are fixed when the cluster is \
made; operation_timeout, backoff_* and the lengths of queues are each process's own.")]
    Constants(ConstantsArguments),
}

impl Command {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        match self {
            Command::Master(_) => "master",
            Command::Chunkserver(_) => "chunkserver",
            Command::Cluster(_) => "cluster",
            Command::Put(_) => "put",
            Command::Get(_) => "get",
            Command::Cat(_) => "cat",
            Command::Append(_) => "append",
            Command::Ls(_) => "ls",
            Command::Stat(_) => "stat",
            Command::Mkdir(_) => "mkdir",
            Command::Mv(_) => "mv",
            Command::Truncate(_) => "truncate",
            Command::Rm(_) => "rm",
            Command::Trash(_) => "trash",
            Command::Sweep(_) => "sweep",
            Command::Mount(_) => "mount",
            Command::Fsck(_) => "fsck",
            Command::Status(_) => "status",
            Command::Server(_) => "server",
            Command::SafeMode(_) => "safe-mode",
            Command::Constants(_) => "constants",
            Command::Docs(_) => "docs",
        }
    }
}

/// What every command that reads a configuration takes.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "LEASEHOLD_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set one key of the configuration, for example lease_duration=20s
    #[arg(long = "set", value_name = "KEY=VALUE", action = ArgAction::Append)]
    pub sets: Vec<String>,
}

/// What every client command takes.
#[derive(Debug, Args)]
pub struct ClientArguments {
    /// Address of a master, or of several, comma-separated: any one of them names the others
    #[arg(long, value_name = "HOST:PORT", env = "LEASEHOLD_MASTER", value_delimiter = ',')]
    pub master: Vec<String>,
    /// Give up on an operation after this long [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub timeout: Option<Duration>,
    /// The configuration.
    #[command(flatten)]
    pub config: ConfigArguments,
}

/// When a mutation counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sync {
    /// Acknowledged after fsync on every replica that the chunk has
    Durable,
    /// Acknowledged when every replica's operating system has it
    PageCache,
}

/// What is fixed about a file when it is made.
#[derive(Clone, Copy, Debug, Args)]
pub struct SpecArguments {
    /// Replicas of each chunk, at most 16
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub replicas: u8,
    /// Size of a chunk, at most 1 TiB
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_chunk_size)]
    pub chunk_size: u64,
    /// When bytes count as stored
    #[arg(long, value_enum, default_value = "durable")]
    pub sync: Sync,
}

/// `ls`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct LsArguments {
    /// Paths in the cluster
    #[arg(default_value = "/")]
    pub paths: Vec<String>,
    /// With replicas, sync policy, size and time
    #[arg(short, long)]
    pub long: bool,
    /// Sizes with units, as 1.5 GiB
    #[arg(short = 'h', long)]
    pub human_readable: bool,
    /// As JSON, sizes exact
    #[arg(long)]
    pub json: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `stat`.
#[derive(Debug, Args)]
pub struct StatArguments {
    /// Paths in the cluster
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `truncate`.
#[derive(Debug, Args)]
pub struct TruncateArguments {
    /// Paths in the cluster
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// How long to make each: 4096, 64KiB, 1.5GiB (powers of 1024) or 1GB (powers of 1000)
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size)]
    pub size: u64,
    /// Make no file that does not exist, and say nothing of it
    #[arg(short = 'c', long)]
    pub no_create: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `mkdir`.
#[derive(Debug, Args)]
pub struct MkdirArguments {
    /// Paths in the cluster
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// Make parents too; no error if the directory is there
    #[arg(short, long)]
    pub parents: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `mv`.
#[derive(Debug, Args)]
pub struct MvArguments {
    /// What to move, and last, where to
    #[arg(required = true, num_args = 2.., value_names = ["FROM", "TO"])]
    pub paths: Vec<String>,
    /// Replace nothing: a file that is there is an error, also one that appears meanwhile
    #[arg(short, long)]
    pub no_clobber: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `rm`.
#[derive(Debug, Args)]
pub struct RmArguments {
    /// Paths in the cluster
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// Directories too, with everything in them
    #[arg(short, long)]
    pub recursive: bool,
    /// No error for what is not there
    #[arg(short, long)]
    pub force: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `sweep`.
#[derive(Debug, Args)]
pub struct SweepArguments {
    /// Directories in the cluster, with everything below them
    #[arg(default_value = "/")]
    pub paths: Vec<String>,
    /// Only what was begun so long ago
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = parse_duration)]
    pub older_than: Duration,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `docs`.
#[derive(Debug, Args)]
pub struct DocsArguments {
    /// Which of them
    #[arg(value_enum)]
    pub kind: DocsKind,
    /// Where to write them
    pub dir: PathBuf,
}

/// What clap can make of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DocsKind {
    /// A page for the program and one for each command
    Man,
    /// bash, fish and zsh
    Completions,
}

/// `fsck`.
#[derive(Debug, Args)]
pub struct FsckArguments {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// Wait up to this long until every chunk is at its target
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    pub wait: Option<Duration>,
    /// Believe the servers' reports: read no replica
    #[arg(long)]
    pub no_read: bool,
    /// Check a stopped master's data directory instead, without a server; nothing in it is changed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["wait", "no_read"])]
    pub metadata: Option<PathBuf>,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// As JSON
    #[arg(long)]
    pub json: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// A chunk that no file can have is refused before anything is asked of a cluster.
fn parse_chunk_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        bytes @ 1..=CHUNK_BYTES_MAX => Ok(bytes),
        _ => Err("a chunk has between 1 byte and 1 TiB".to_owned()),
    }
}

const CHUNK_BYTES_MAX: u64 = 1 << 40;

/// A server that offers nothing would be counted as one that can take replicas.
pub fn parse_capacity(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err("a server that offers no byte is of no use".to_owned()),
        bytes => Ok(bytes),
    }
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let timeout = parse_duration(text)?;
    if timeout.is_zero() { Err("nothing is done in no time".to_owned()) } else { Ok(timeout) }
}

/// A duration, or a bare number of seconds.
fn parse_wait(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).or_else(|_| parse_duration(text))
}

#[cfg(test)]
mod tests;
