//! What an exit code says. `--help` lists them.

use std::process::ExitCode;

/// Of a run, or of a sweep, in which nothing is violated and too little was seen for that to mean
/// something.
const LOW_COVERAGE: u8 = 3;

/// For the end of `--help`.
pub const HELP: &str = "\
Exit codes:
  0  as expected
  1  an invariant is violated, a run died or hung, two runs of a seed differ, or a self-check failed
  2  it could not be done: a wrong argument, scenario or file, or a run that no protocol could bring to
     rest on its links and disks (cannot_run)
  3  low coverage: nothing is violated, but less was seen than the scenario's [demands] want
  130, 143  interrupted, by SIGINT or SIGTERM";

/// The code of low coverage.
pub fn low_coverage() -> ExitCode {
    ExitCode::from(LOW_COVERAGE)
}
