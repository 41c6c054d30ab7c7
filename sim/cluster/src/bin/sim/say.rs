//! Words to a person who may have stopped listening: `sim ... | head` is no failure.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line. A closed pipe is passed over; anything else that keeps words from a person is
/// told on the other stream.
pub fn line(words: Arguments<'_>) {
    match writeln!(std::io::stdout().lock(), "{words}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => eprintln!("sim: {error}"),
        Ok(()) | Err(_) => {}
    }
}

/// `println!` that outlives its reader.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::say::line(format_args!($($words)*))
    };
}
pub(crate) use say;
