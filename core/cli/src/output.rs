//! What commands print on stdout.

use crate::failure::{Failure, Outcome};
use std::io::{ErrorKind, Write};

/// Prints a page, with a line feed at its end if it has any text. A reader that has gone away
/// (`leasehold ls | head -1`) ends the command quietly.
pub fn print(page: impl AsRef<str>) -> Outcome {
    let page = page.as_ref().trim_end_matches('\n');
    if page.is_empty() {
        return Ok(());
    }
    match writeln!(std::io::stdout().lock(), "{page}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::Reported),
        other => other.map_err(|error| Failure::about("stdout", error)),
    }
}
