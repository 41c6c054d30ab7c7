//! Random walks through World.

use super::{Bench, Effort, Layer, Outcome, Verdict, is_violation, listen, named};
use crate::child::{End, Said};
use anyhow::{Result, bail};
use std::process::Command;

/// Walks until something is violated: with every fault that there is, then about leases.
pub fn judge(bench: &Bench<'_>) -> Result<Verdict> {
    let mut tried = 0;
    let Effort { walks, targeted, .. } = bench.effort;
    for (family, walks) in [(&[][..], walks), (&["--targeted-partitions"], targeted)] {
        let verdict = one(bench, family, walks)?;
        tried += verdict.tried;
        if verdict.outcome != Outcome::Survived {
            return Ok(Verdict { tried, ..verdict });
        }
    }
    Ok(Verdict::survived(tried))
}

/// Walks with a guide or without one, until something is violated.
pub fn with_guidance(bench: &Bench<'_>, on: bool) -> Result<Verdict> {
    let guidance = if on { "on" } else { "off" };
    let mut tried = 0;
    for family in
        [&["--guidance", guidance][..], &["--guidance", guidance, "--targeted-partitions"]]
    {
        let verdict = one(bench, family, bench.effort.walks)?;
        tried += verdict.tried;
        if verdict.outcome != Outcome::Survived {
            return Ok(Verdict { tried, ..verdict });
        }
    }
    Ok(Verdict::survived(tried))
}

fn one(bench: &Bench<'_>, family: &[&str], walks: u64) -> Result<Verdict> {
    let first = bench.effort.first_seed;
    let mut command = Command::new(Layer::Walk.program(bench, "walk"));
    command.args(["--seed", &first.to_string(), "--seeds", &walks.to_string()]);
    command.args(family).arg("--out").arg(bench.target.join("walks"));
    let (end, verdict) = listen(bench, &mut command, String::new(), |said| match said {
        Said::Out(line) => violated(line, first, family),
        Said::Err(_) => None,
    })?;
    match (verdict, end) {
        (Some(verdict), _) => Ok(verdict),
        (None, End::Exited(status)) if status.success() => Ok(Verdict::survived(walks)),
        (None, End::OutOfTime) => Ok(Verdict::out_of_time(0)),
        // 2: it was not understood. Another number, or none: a process that ended in the middle.
        (None, End::Exited(status)) if status.code() != Some(2) => {
            Ok(Verdict::killed("died", status.to_string(), 0))
        }
        (None, end) => bail!("the walks ended without a word: {end:?}"),
    }
}

/// `seed 12: I3 no divergence ...`
fn violated(line: &str, first: u64, family: &[&str]) -> Option<Verdict> {
    let (seed, what) = line.strip_prefix("seed ")?.split_once(": ")?;
    if !is_violation(what) {
        return None;
    }
    let seed: u64 = seed.parse().ok()?;
    let run = [&["seed", &seed.to_string()], family].concat().join(" ");
    Some(Verdict::killed(named(what), format!("{run}: {what}"), seed - first + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_read_with_its_seed() {
        let line = "seed 12: I3 no divergence: bytes are gone";
        let verdict = violated(line, 10, &["--targeted-partitions"]).unwrap();
        assert_eq!((verdict.by.as_str(), verdict.tried), ("I3", 3));
        assert_eq!(verdict.says, "seed 12 --targeted-partitions: I3 no divergence: bytes are gone");
        assert_eq!(violated("12 walks, 4 steps, 0 violations", 10, &[]), None);
        assert_eq!(violated("seed 10: 3 chunkservers, 2 clients", 10, &[]), None);
    }
}
