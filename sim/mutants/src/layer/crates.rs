//! Tests of crates, by cargo.

use super::{Bench, Layer, Panic, Verdict, listen};
use crate::child::{End, Said};
use anyhow::Result;

/// The store and the masters' logs over a disk that fails in every way, at random, and over files
/// that were damaged.
pub const CRASHES: [&str; 10] = [
    "test",
    "-p",
    "leasehold-store",
    "--test",
    "it",
    "--",
    "crash::",
    "bad_input::",
    "master_log::",
    "raft_log::",
];

/// The crates that ship, the command line aside.
pub const CORE: [&str; 9] = [
    "test",
    "-p",
    "leasehold-proto",
    "-p",
    "leasehold-wire",
    "-p",
    "leasehold-store",
    "-p",
    "leasehold-node",
];

/// Runs the tests; the first that fails kills.
pub fn judge(bench: &Bench<'_>, command: &[&str]) -> Result<Verdict> {
    let mut command = Layer::Tests.cargo(bench, command);
    let (mut passed, mut failed, mut panic) = (0, None, Panic::default());
    let (end, _) = listen(bench, &mut command, String::new(), |said| {
        let (Said::Out(line) | Said::Err(line)) = said;
        match (result(line), &failed) {
            (Some((_, true)), _) => passed += 1,
            (Some((test, false)), None) => failed = Some(test.to_owned()),
            _ => panic.hear(said),
        }
        None
    })?;
    Ok(match (failed, end) {
        (Some(test), _) => Verdict::killed(test, panic.told().unwrap_or_default(), passed + 1),
        (None, End::Exited(status)) if status.success() => Verdict::survived(passed),
        (None, End::Exited(status)) => Verdict::killed("exit", status.to_string(), passed),
        (None, _) => Verdict::out_of_time(passed),
    })
}

/// `test name ... ok`
fn result(line: &str) -> Option<(&str, bool)> {
    let (test, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match result {
        "ok" => Some((test, true)),
        "FAILED" => Some((test, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        assert_eq!(result("test crash::a ... ok"), Some(("crash::a", true)));
        assert_eq!(result("test crash::b ... FAILED"), Some(("crash::b", false)));
        assert_eq!(result("test crash::c ... ignored"), None);
        assert_eq!(result("test result: FAILED. 3 passed"), None);
    }
}
