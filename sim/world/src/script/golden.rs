//! A script with what it printed, as one text.

use super::run::Runner;
use super::words::ScriptError;
use crate::tracer::Tracer;

/// What a script's commands print is indented by this much.
const INDENT: &str = "  ";

/// A script that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    /// The text as it should be: commands and comments as they stood, each command followed by
    /// what it printed.
    pub text: String,
    /// Number of the commands.
    pub commands: usize,
    /// The invariants that were violated, as printed.
    pub violations: Vec<String>,
}

impl Golden {
    /// Runs a script; what it printed before does not matter.
    ///
    /// # Errors
    /// If a line is no command, or cannot be done there.
    pub fn run(script: &str) -> Result<Golden, ScriptError> {
        Golden::with(&mut Runner::new(), script)
    }

    /// Runs a script, and records what happens in its cluster, if it has one.
    ///
    /// # Errors
    /// If a line is no command, or cannot be done there.
    pub fn traced(script: &str) -> Result<(Golden, Option<Tracer>), ScriptError> {
        let mut runner = Runner::new().traced();
        let golden = Golden::with(&mut runner, script)?;
        Ok((golden, runner.take_tracer()))
    }

    pub(super) fn with(runner: &mut Runner, script: &str) -> Result<Golden, ScriptError> {
        let mut golden = Golden { text: String::new(), commands: 0, violations: Vec::new() };
        for (place, line) in script.lines().enumerate() {
            if line.starts_with(INDENT) {
                continue;
            }
            golden.push(line.trim_end());
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what| ScriptError { line: place + 1, what };
            let printed = runner.command(line).map_err(wrong)?;
            golden.commands += 1;
            for line in printed {
                golden.push(&format!("{INDENT}{line}"));
                if line.starts_with("violation: ") {
                    golden.violations.push(line);
                }
            }
        }
        Ok(golden)
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The lines around the first difference of two texts, if they differ.
#[must_use]
pub fn difference(expected: &str, found: &str) -> Option<String> {
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    if same == expected.len() && same == found.len() {
        return None;
    }
    let mut out = format!("first difference at line {}:\n", same + 1);
    for line in &expected[same.saturating_sub(3)..same] {
        out.push_str(&format!(" {line}\n"));
    }
    for line in expected.iter().skip(same).take(6) {
        out.push_str(&format!("-{line}\n"));
    }
    for line in found.iter().skip(same).take(6) {
        out.push_str(&format!("+{line}\n"));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_both_sides() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let shown = difference("a\nb\nc\n", "a\nx\nc\n").unwrap();
        assert!(shown.contains("line 2") && shown.contains("-b") && shown.contains("+x"));
        assert!(difference("a\n", "a\nb\n").unwrap().contains("+b"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = Golden::run("# nothing\n\nclutser x=1\n").unwrap_err();
        assert_eq!(error.line, 3);
        assert!(error.what.contains("clutser"));
        let error = Golden::run("run 2s\n").unwrap_err();
        assert!(error.what.contains("begins with `cluster`"), "{error}");
    }
}
