//! How a command ends badly, and what the shell is told.

use std::fmt;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// It was asked wrongly: arguments or configuration. Exit code 2; nothing was done.
    Usage(String),
    /// It could not be done. Exit code 1.
    Failed(String),
    /// A server's disk is out of service. Exit code 3: a restart does not help.
    DiskFailed(String),
    /// Another process took a server's place. Exit code 4: a restart does not help.
    Superseded(String),
    /// What was wrong has been printed already. Exit code 1.
    Reported,
}

impl Failure {
    /// `about` is the path or the server that it concerns.
    pub fn about(about: impl fmt::Display, why: impl fmt::Display) -> Failure {
        Failure::Failed(format!("{about}: {why}"))
    }

    /// Says it on stderr, as `cp` and `ls` do, and gives the exit code.
    pub fn tell(&self, command: &str) -> ExitCode {
        match self {
            Failure::Usage(what)
            | Failure::Failed(what)
            | Failure::DiskFailed(what)
            | Failure::Superseded(what) => {
                crate::log::say(format_args!("leasehold: {command}: {what}"));
            }
            Failure::Reported => {}
        }
        ExitCode::from(self.code())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) | Failure::Reported => 1,
            Failure::Usage(_) => 2,
            Failure::DiskFailed(_) => 3,
            Failure::Superseded(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(what)
            | Failure::Failed(what)
            | Failure::DiskFailed(what)
            | Failure::Superseded(what) => f.write_str(what),
            Failure::Reported => f.write_str("it failed, as printed"),
        }
    }
}

/// How a command ends.
pub type Outcome = Result<(), Failure>;

/// The failures of a command that continues after one, as `rm` and `ls` do.
#[derive(Debug)]
pub struct Tally {
    command: &'static str,
    failed: bool,
}

impl Tally {
    /// None so far.
    pub fn new(command: &'static str) -> Tally {
        Tally { command, failed: false }
    }

    /// Takes in how one part ended; says a failure at once. What the part gave, if it did.
    pub fn note<T>(&mut self, part: Result<T, Failure>) -> Option<T> {
        part.inspect_err(|failure| {
            failure.tell(self.command);
            self.failed = true;
        })
        .ok()
    }

    /// How the whole ended.
    pub fn outcome(self) -> Outcome {
        if self.failed { Err(Failure::Reported) } else { Ok(()) }
    }
}
