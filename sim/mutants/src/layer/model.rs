//! The small models, each searched to its end, and every state of theirs healed.

use super::{Bench, Layer, Panic, Verdict, is_violation, listen, named};
use crate::child::{End, Said};
use anyhow::Result;
use std::process::Command;

/// Searches until something is violated.
pub fn judge(bench: &Bench<'_>) -> Result<Verdict> {
    let mut command = Command::new(Layer::Model.program(bench, "model"));
    command.args(["--size", "small", "--heal", "--threads", &bench.effort.jobs.to_string()]);
    bench.models.iter().for_each(|model| {
        command.args(["--model", model]);
    });
    let (mut searched, mut panic) = (0, Panic::default());
    let (end, verdict) = listen(bench, &mut command, String::new(), |said| {
        panic.hear(said);
        let Said::Out(line) = said else { return None };
        if is_violation(line) {
            return Some(Verdict::killed(named(line), line.as_str(), searched));
        }
        searched += u64::from(is_row(line));
        None
    })?;
    Ok(match (verdict, panic.told(), end) {
        (Some(verdict), _, _) => verdict,
        (None, Some(what), _) => Verdict::killed("assertion", what, searched + 1),
        (None, None, End::Exited(status)) if status.success() => Verdict::survived(searched),
        (None, None, End::Exited(status)) => Verdict::killed("exit", status.to_string(), searched),
        (None, None, _) => Verdict::out_of_time(searched),
    })
}

/// A model's row: its name, the invariants that it is about, then states, generated, depth.
fn is_row(line: &str) -> bool {
    let numbers = line.split_whitespace().skip(2).filter(|word| word.parse::<u64>().is_ok());
    numbers.count() >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_violations_are_told_apart() {
        let row = "lease            I1 I2          43933     710093     24       4.1    171894";
        assert!(is_row(row) && !is_violation(row));
        assert!(is_violation("I1 lease exclusivity: n2 and n3 believe"));
        assert!(is_violation("assertion a promise is kept"));
        assert!(!is_violation("I am a comment") && !is_violation("# violates I1"));
        assert!(!is_row("model             about         states  generated"));
    }
}
