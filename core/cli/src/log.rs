//! The log: stderr, one line an event, for people.

use crate::arguments::{Arguments, Command, LogFormat};
use crate::failure::Failure;
use crate::output::shown;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use tracing_subscriber::EnvFilter;

/// Starts logging as `--log` or RUST_LOG ask; servers say what an operator cares about by
/// default, client commands only what is wrong.
pub fn start(arguments: &Arguments) -> Result<(), Failure> {
    let default = match arguments.command {
        // The consensus library tells every step of its own; its warnings are worth a look.
        Command::Master(_) | Command::Chunkserver(_) => "info,openraft=warn",
        _ => "error",
    };
    let wanted = arguments.log.as_deref().filter(|text| !text.is_empty()).unwrap_or(default);
    let filter = EnvFilter::try_new(wanted)
        .map_err(|error| Failure::Usage(format!("--log {wanted:?}: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(|| Patient);
    match arguments.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Says a line on stderr, if anybody can hear it. Names in it command no terminal.
pub fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(Patient, "{}", shown(&line.to_string()));
}

/// stderr that never fails: a full disk under the log, or a closed pipe, is no reason for a server
/// to end.
struct Patient;

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}
