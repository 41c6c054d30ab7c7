//! The log: stderr, one line an event, for people.

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging as `--log` or RUST_LOG ask; servers say what an operator cares about by
/// default, client commands only what is wrong.
pub fn start(arguments: &Arguments) -> Result<(), Failure> {
    let default = match arguments.command {
        Command::Master(_) | Command::Chunkserver(_) => "info",
        _ => "error",
    };
    let wanted = arguments.log.as_deref().filter(|text| !text.is_empty()).unwrap_or(default);
    let filter = EnvFilter::try_new(wanted)
        .map_err(|error| Failure::Usage(format!("--log {wanted:?}: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}
