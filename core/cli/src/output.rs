//! What commands print on stdout.

use crate::failure::{Failure, Outcome};
use std::io::{ErrorKind, Write};

/// A name as a terminal may show it: what commands a terminal, or turns or hides what stands beside it,
/// is escaped. `--json` has names as they are.
pub fn shown(name: &str) -> String {
    let escaped = |c: char| match c {
        c if c.is_control() => c.escape_default().to_string(),
        // Zero width, direction marks and overrides, byte order mark.
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    name.chars().map(escaped).collect()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_commands_no_terminal() {
        assert_eq!(shown("x\u{1b}[31mred\nz é"), "x\\u{1b}[31mred\\nz é");
        assert_eq!(shown("gpj\u{202e}exe.\u{200b}"), "gpj\\u{202e}exe.\\u{200b}");
    }
}
