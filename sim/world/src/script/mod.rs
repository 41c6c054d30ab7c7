//! Scripts: a protocol fact told step by step, with what is seen.
//!
//! A line that begins at the margin is a command, a `#` a comment; indented lines are what the
//! command printed. `UPDATE=1` rewrites them. `scenarios/scripts/README.md` tells the language.

mod words;
mod command;
mod setup;
mod constant;
mod verb;
mod inode_verb;
mod run;
mod report;
mod golden;
mod stage;

pub use constant::{constants, set as set_constant};
pub use golden::{Golden, difference};
pub use setup::{rule, rules, rules_left_out};
pub use stage::Stage;
pub use words::ScriptError;
