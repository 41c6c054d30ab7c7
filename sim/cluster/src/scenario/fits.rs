//! Whether the values of a scenario fit together.

use super::{Finding, Restart, Scenario};
use leasehold_proto::Constants;
use leasehold_proto::file::record_bytes_max;

/// What does not fit; nothing of a scenario that makes a run.
pub(super) fn findings(scenario: &Scenario) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(swarm(scenario));
    findings.extend(constants(scenario));
    findings.extend(sizes(scenario));
    findings.extend(times(scenario));
    findings
}

fn swarm(scenario: &Scenario) -> Vec<Finding> {
    let masters = scenario.swarm_masters;
    let mut findings = Vec::new();
    if masters.is_some() && !scenario.swarm {
        let what = "is for a swarm only: add `swarm = true`, or say `[shape] masters`";
        findings.push(Finding::refused(&["swarm_masters"], what));
    }
    if masters.is_some_and(|masters| !matches!(masters, 1 | 3 | 5)) {
        findings.push(Finding::refused(&["swarm_masters"], "must be 1, 3 or 5"));
    }
    if !scenario.swarm {
        return findings;
    }
    let Scenario { shape, workload, faults, clocks, disks, network, constants, restart, .. } =
        scenario;
    let drawn = [
        ("shape", is_default(shape)),
        ("workload", is_default(workload)),
        ("faults", is_default(faults)),
        ("clocks", is_default(clocks)),
        ("disks", is_default(disks)),
        ("network", is_default(network)),
        ("constants", is_default(constants)),
        ("restart", is_default(restart)),
        ("fault", scenario.fault.is_empty()),
        ("plan", scenario.plan.is_none()),
    ];
    for (section, _) in drawn.iter().filter(|(_, is_default)| !is_default) {
        let what = "has no effect beside `swarm = true`, by which the seed draws it: leave one of them out";
        findings.push(Finding::refused(&[section], what));
    }
    findings
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What the protocol says of its constants, with the key that a scenario has for each.
fn constants(scenario: &Scenario) -> Vec<Finding> {
    let first = scenario.constants();
    let of = |constants: &Constants, sections: &[&str]| {
        let error = constants.check().err()?;
        let words = error.why.split(|c: char| !c.is_alphanumeric() && c != '_');
        let names = std::iter::once(error.key).chain(words);
        let keys: Vec<String> = names
            .flat_map(|name| [format!("{name}_ms"), name.to_owned()])
            .flat_map(|name| sections.iter().map(move |section| format!("{section}.{name}")))
            .filter(|path| super::reference().key(path).is_some())
            .collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let what = format!("{} {}{}", error.key, error.why, values(constants, &keys));
        Some(Finding::refused(&keys, what))
    };
    if let Some(wrong) = of(&first, &["constants"]) {
        return vec![wrong];
    }
    let later = scenario.restart.constants(&first);
    let mut findings = Vec::from_iter(of(&later, &["restart.constants", "constants"]));
    if later.block_bytes != first.block_bytes {
        let what = format!("must stay {}, by which the disks are written", first.block_bytes);
        findings.push(Finding::refused(&["restart.constants.block_bytes"], what));
    }
    let Restart { parts, constants, .. } = &scenario.restart;
    if *parts == 1 && !is_default(constants) {
        let what = "is for a second part, and [restart] parts is 1: write parts = 2";
        findings.push(Finding::refused(&["restart.constants"], what));
    }
    findings
}

/// The values of the constants that an error is about: what is not said has its default.
fn values(constants: &Constants, keys: &[&str]) -> String {
    let Ok(serde_json::Value::Object(all)) = serde_json::to_value(constants) else {
        return String::new();
    };
    let mut shown = Vec::new();
    for name in keys.iter().filter_map(|key| key.rsplit('.').next()) {
        let plain = name.strip_suffix("_ms").unwrap_or(name);
        let number =
            all.get(plain).map(|value| match (value["secs"].as_u64(), value["nanos"].as_u64()) {
                (Some(secs), Some(nanos)) => secs * 1_000 + nanos / 1_000_000,
                _ => value.as_u64().unwrap_or_default(),
            });
        let unit = super::Unit::of(name);
        let value = number.map(|number| unit.show(number).trim_matches('"').to_owned());
        let value = value.map(|value| format!("{plain} is {value}"));
        shown.extend(value.filter(|value| !shown.contains(value)));
    }
    if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) }
}

fn sizes(scenario: &Scenario) -> Vec<Finding> {
    let (shape, work) = (&scenario.shape, &scenario.workload);
    let mut findings = Vec::new();
    let (servers, replicas) = (shape.chunkservers.min, work.replicas.max);
    if !scenario.swarm && servers < replicas {
        let what = format!(
            "[shape] chunkservers must be at least [workload] replicas: {servers} cannot hold {replicas} \
             replicas; write chunkservers = {replicas}, or replicas = {servers}"
        );
        findings.push(Finding::refused(&["shape.chunkservers", "workload.replicas"], what));
    }
    let (chunk, cell) = (work.chunk_bytes, work.cell_bytes);
    if chunk % cell != 0 {
        let what = format!(
            "cell_bytes must divide chunk_bytes, and {cell} does not divide {chunk}; powers of two do"
        );
        findings.push(Finding::refused(&["workload.cell_bytes", "workload.chunk_bytes"], what));
    }
    let (record, most) = (work.record_bytes.max, record_bytes_max(chunk));
    if record > most && work.append > 0 {
        let what = format!(
            "record_bytes must be at most a quarter of chunk_bytes, {most} of {chunk}, and is up to \
             {record}"
        );
        findings.push(Finding::refused(&["workload.record_bytes", "workload.chunk_bytes"], what));
    }
    if work.weights().iter().all(|weight| *weight == 0) {
        let what =
            "clients must have something to do: one of write, append, read, ... must be above 0";
        findings.push(Finding::refused(&["workload.write", "workload"], what));
    }
    findings
}

fn times(scenario: &Scenario) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, episode) in scenario.plan.iter().flatten().enumerate() {
        if episode.ends_ms < episode.begins_ms {
            let (ends, begins) =
                (format!("plan.{number}.ends_ms"), format!("plan.{number}.begins_ms"));
            let what = format!("must be at least begins_ms, {}", episode.begins_ms);
            findings.push(Finding::refused(&[&ends, &begins], what));
        }
    }
    if let Some(measure) = &scenario.measure {
        let act_ms = scenario.acts.faults_ms;
        if measure.begins_ms >= measure.ends_ms {
            let what = format!("[measure] must begin before it ends, at {} ms", measure.ends_ms);
            findings.push(Finding::refused(&["measure.begins_ms"], what));
        } else if measure.ends_ms > act_ms {
            let what =
                format!("[measure] must end within the first act, which is {act_ms} ms long");
            findings.push(Finding::refused(&["measure.ends_ms", "acts.faults_ms"], what));
        }
    }
    findings
}
