//! Arguments of the commands that move bytes: `put`, `get`, `cat`, `append`.

use super::{ClientArguments, SpecArguments};
use clap::Args;
use std::path::PathBuf;

/// `put`.
#[derive(Debug, Args)]
pub struct PutArguments {
    /// Local file, `-` for stdin
    pub from: PathBuf,
    /// Path in the cluster; a directory takes the file under its own name
    pub to: String,
    /// Replace a file that is there
    #[arg(short, long)]
    pub force: bool,
    /// The file's fixed properties.
    #[command(flatten)]
    pub spec: SpecArguments,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `get`.
#[derive(Debug, Args)]
pub struct GetArguments {
    /// Path in the cluster
    pub from: String,
    /// Local file or directory, `-` for stdout
    #[arg(default_value = ".")]
    pub to: PathBuf,
    /// Replace a local file that is there
    #[arg(short, long)]
    pub force: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `cat`.
#[derive(Debug, Args)]
pub struct CatArguments {
    /// Paths in the cluster
    #[arg(required = true)]
    pub paths: Vec<String>,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// `append`.
#[derive(Debug, Args)]
pub struct AppendArguments {
    /// Path in the cluster
    pub to: String,
    /// Local file, `-` for stdin
    #[arg(default_value = "-")]
    pub from: PathBuf,
    /// Each line is a record, with its line feed; without it, all of the input is one
    #[arg(long)]
    pub lines: bool,
    /// Make the file if it is not there
    #[arg(long)]
    pub create: bool,
    /// The file's fixed properties, if it is made.
    #[command(flatten)]
    pub spec: SpecArguments,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}
