//! A script as the place where something else begins: a search, a walk.

use super::golden::Golden;
use super::run::Runner;
use super::words::{ScriptError, Wrong};
use crate::action::Wish;
use crate::world::World;
use leasehold_proto::NodeId;
use std::fmt;

/// What a script has set up. Whoever continues from here by other means can tell in the script's
/// own words what it did: the script and those words replay the run.
pub struct Stage {
    runner: Runner,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

impl Stage {
    /// Runs a script; what it prints does not matter.
    ///
    /// # Errors
    /// If a line is no command, cannot be done there, or there is no `cluster`.
    pub fn set(script: &str) -> Result<Stage, ScriptError> {
        Stage::after(Runner::new(), script)
    }

    /// Runs a script, and counts which states it reaches: [`World::coverage`].
    ///
    /// # Errors
    /// If a line is no command, cannot be done there, or there is no `cluster`.
    pub fn covered(script: &str) -> Result<Stage, ScriptError> {
        Stage::after(Runner::new().covered(), script)
    }

    fn after(mut runner: Runner, script: &str) -> Result<Stage, ScriptError> {
        Golden::with(&mut runner, script)?;
        let (line, begun) = (script.lines().count(), runner.began().is_some());
        let stage = Stage { runner };
        begun.then_some(stage).ok_or(ScriptError { line, what: "no `cluster`".into() })
    }

    /// The world as the script left it.
    ///
    /// # Panics
    /// Never: a stage has a cluster.
    #[must_use]
    pub fn world(&self) -> &World {
        self.runner.began().expect("checked when the stage was set")
    }

    /// The number that the script's last request had; the next one has the next.
    #[must_use]
    pub fn last_request(&self) -> u64 {
        self.runner.last_request()
    }

    /// What a line like `a write /f 0 "x"` asks of whom, with the files that were opened here.
    ///
    /// # Errors
    /// If the line is nothing that a client does.
    pub fn request(&self, line: &str) -> Result<(NodeId, Wish), Wrong> {
        self.runner.as_request(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leasehold_proto::FileCall;

    #[test]
    fn a_request_is_resolved_with_what_the_script_opened() {
        let stage = Stage::set("cluster chunkservers=1\nrun 1s\na create /f replicas=1\nrun\n");
        let stage = stage.unwrap();
        assert_eq!(stage.last_request(), 1);
        assert!(matches!(
            stage.request("a append /f \"x\""),
            Ok((_, Wish::File(FileCall::Append { .. })))
        ));
        assert!(stage.request("a append /g \"x\"").unwrap_err().contains("has not opened"));
        assert!(stage.request("crash n1").unwrap_err().contains("no client"));
    }

    #[test]
    fn a_stage_needs_a_cluster() {
        assert!(Stage::set("# nothing\n").unwrap_err().what.contains("cluster"));
    }
}
