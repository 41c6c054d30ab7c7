//! Seeds of scenarios under simulation, by one worker of the sweep.

use super::{Bench, Layer, Panic, Verdict, listen};
use crate::child::{End, Said};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::process::Command;

/// What every mutant is tried in: the usual faults, and an end of all processes at once.
const SCENARIOS: [&str; 2] = ["fast/default", "restart/power"];

/// Runs seed after seed of every scenario in turn until something is violated.
pub fn judge(bench: &Bench<'_>, apt: &[String]) -> Result<Verdict> {
    let usual = SCENARIOS.iter().filter(|usual| !apt.iter().any(|name| name == *usual));
    let names: Vec<&str> = apt.iter().map(String::as_str).chain(usual.copied()).collect();
    let (orders, asked) = orders(bench, &names)?;
    let mut command = Command::new(Layer::Sim.program(bench, "sim"));
    command.arg("work");
    let (mut answered, mut panic) = (0_usize, Panic::default());
    let (end, verdict) = listen(bench, &mut command, orders, |said| {
        panic.hear(said);
        let Said::Out(line) = said else { return None };
        let report: Value = serde_json::from_str(line).ok()?;
        let run = asked.get(answered)?;
        answered += 1;
        violated(&report, run, answered as u64)
    })?;
    let tried = answered as u64;
    Ok(match (verdict, end) {
        (Some(verdict), _) => verdict,
        (None, End::Exited(status)) if status.success() => Verdict::survived(tried),
        (None, End::Exited(status)) => {
            let run = asked.get(answered).map_or("", String::as_str);
            let told = panic.told().unwrap_or_default();
            Verdict::killed("died", format!("{run}: {status} {told}"), tried + 1)
        }
        (None, _) => Verdict::out_of_time(tried),
    })
}

/// A line for each run requested of the worker, and what a person calls that run.
fn orders(bench: &Bench<'_>, names: &[&str]) -> Result<(String, Vec<String>)> {
    let mut scenarios = Vec::new();
    for name in names {
        let path = bench.tree.join("scenarios").join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        scenarios.push((*name, with_every_rule(&text)));
    }
    let (mut orders, mut asked) = (String::new(), Vec::new());
    let first = bench.effort.first_seed;
    for seed in first..first + bench.effort.seeds {
        for (name, scenario) in &scenarios {
            let order = json!({ "name": name, "scenario": scenario, "seed": seed });
            orders.push_str(&format!("{order}\n"));
            asked.push(format!("{name} --seed {seed}"));
        }
    }
    Ok((orders, asked))
}

/// A negative scenario's twin: the same, with the rule that it leaves out, and nothing to be shown.
fn with_every_rule(scenario: &str) -> String {
    let mut of_rules = false;
    let kept = scenario.lines().filter(|line| {
        if line.starts_with('[') {
            of_rules = *line == "[rules]";
        }
        !of_rules && !line.starts_with("expect =") && !line.starts_with("seeds_max =")
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// A run in which too little was seen proves nothing in either direction.
fn violated(report: &Value, run: &str, tried: u64) -> Option<Verdict> {
    if report["outcome"] != "violated" {
        return None;
    }
    let by = report["invariant"].as_str().unwrap_or("violated");
    let detail = report["detail"].as_str().unwrap_or_default();
    Some(Verdict::killed(by, format!("{run}: {detail}"), tried))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twin_of_a_negative_scenario_has_every_rule() {
        let negative = "about = \"x\"\nexpect = \"I1\"\nseeds_max = 200\n\n[rules]\n\
                        wait_out_old_lease = false\n\n[faults]\ncrash = 1\n";
        let twin = "about = \"x\"\n\n[faults]\ncrash = 1\n";
        assert_eq!(with_every_rule(negative), twin);
        assert_eq!(with_every_rule(twin), twin);
    }

    #[test]
    fn only_a_violation_kills() {
        let report = |outcome| json!({ "outcome": outcome, "invariant": "I4", "detail": "gone" });
        assert_eq!(violated(&report("ok"), "fast/default --seed 3", 1), None);
        assert_eq!(violated(&report("low_coverage"), "fast/default --seed 3", 1), None);
        let verdict = violated(&report("violated"), "fast/default --seed 3", 7).unwrap();
        assert_eq!((verdict.by.as_str(), verdict.tried), ("I4", 7));
        assert_eq!(verdict.says, "fast/default --seed 3: gone");
    }
}
