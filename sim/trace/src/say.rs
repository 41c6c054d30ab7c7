//! Text for a person who may have stopped reading: `... | head` is no failure of a command, whose exit code
//! says what it found.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line. A closed pipe is passed over; anything else that keeps text from a person is
/// told on the other stream.
pub fn line(text: Arguments<'_>) {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            note_line(format_args!("stdout: {error}"));
        }
        Ok(()) | Err(_) => {}
    }
}

/// Prints a line on standard error. Where it cannot be written there is no one to read it.
pub fn note_line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// `println!` that outlives its reader.
#[macro_export]
macro_rules! say {
    () => {
        $crate::say::line(format_args!(""))
    };
    ($($text:tt)*) => {
        $crate::say::line(format_args!($($text)*))
    };
}

/// `eprintln!` that outlives its reader.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => {
        $crate::say::note_line(format_args!($($text)*))
    };
}
