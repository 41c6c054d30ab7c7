//! `field replay`: the faults of a simulated run, done to hosts while clients use the cluster; then
//! everything is judged.

use super::{LOOK, client, until_whole};
use crate::On;
use crate::history::{Record, judge};
use crate::inventory::{Host, Inventory};
use crate::remote::{Remote, quoted};
use crate::report::Report;
use crate::schedule::{Part, Planned, Schedule};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// The staged program and its files, on the client's host.
const STAGE: &str = "/var/tmp/leasehold-field";
/// Clients have this long to begin, and to read everything at the end.
const CLIENTS: Duration = Duration::from_secs(300);
/// The cluster has this long to be whole after the last fault.
const CONVERGE: Duration = Duration::from_secs(180);

/// A part of a fault as it was done.
struct Done {
    planned: usize,
    host: String,
    late_ms: u64,
    took_ms: u64,
    error: Option<String>,
}

/// `field replay`: fails if the history is wrong, or the cluster does not become whole.
pub fn replay(
    on: &On,
    schedule: &Path,
    clients: Option<u64>,
    out: Option<&Path>,
    report: &Report,
) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let schedule = Schedule::read(schedule)?;
    let planned = schedule.plan(&inventory)?;
    let out = out.map_or_else(
        || PathBuf::from(format!("reports/out/field/replay-{}", schedule.seed)),
        Path::to_owned,
    );
    std::fs::create_dir_all(&out).with_context(|| format!("{}", out.display()))?;
    let remote = Remote::new(&inventory)?;
    until_whole(&remote, &inventory, Duration::from_secs(60)).context("before the replay")?;
    let host = inventory.client();
    stage(&remote, host)?;
    let lasts = Duration::from_millis(schedule.lasts_ms);
    let script = load_script(&inventory, &schedule, clients.unwrap_or(schedule.clients), lasts);
    let patience = lasts + CLIENTS + CONVERGE;
    let (done, whole, loaded) = scope(|scope| {
        let clients = scope.spawn(|| remote.run_for(host, &script, patience));
        let done = until_begun(&remote, host).map(|()| {
            report.say(format!(
                "clients use the cluster; {} faults in {:.0} s",
                planned.len(),
                lasts.as_secs_f64()
            ));
            carry_out(&remote, &planned, report)
        });
        let healed = remote.run(host, &format!("touch {STAGE}/healed"));
        let whole = until_whole(&remote, &inventory, CONVERGE);
        report.say("all healed; the clients read everything a last time");
        (done, whole, healed.and(clients.join().expect("it does not panic")))
    });
    let done = done?;
    loaded.context("the clients")?;
    let history = remote.output(host, &format!("cat {STAGE}/history.jsonl"), &[], CLIENTS)?;
    std::fs::write(out.join("history.jsonl"), &history)?;
    let records = history.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let records = records.map(serde_json::from_slice::<Record>).collect::<Result<Vec<_>, _>>()?;
    let mut judged = judge(&records);
    if judged.counts.values().all(|(_, acknowledged)| *acknowledged == 0) {
        judged.violations.push("no operation was acknowledged: the run shows nothing".to_owned());
    }
    let fsck = remote.run_for(host, &client(&inventory, "leasehold fsck --wait 120s"), CONVERGE);
    let healthy = fsck.as_ref().is_ok_and(|said| said.contains("HEALTHY"));
    let faults = faults(&planned, &done);
    let applied = faults.values().map(|fault| fault.1).sum::<u64>();
    let right = judged.violations.is_empty() && healthy && whole.is_ok();
    let value = json!({
        "seed": schedule.seed,
        "faults": schedule.faults.len(),
        "applied": applied,
        "kinds": faults.iter().map(|(kind, (all, applied, remark))| json!({
            "kind": kind, "faults": all, "applied": applied, "remark": remark })).collect::<Vec<_>>(),
        "parts": done.iter().map(as_json).collect::<Vec<_>>(),
        "whole_after_s": whole.as_ref().ok().map(Duration::as_secs_f64),
        "fsck": match &fsck { Ok(said) => said.trim().to_owned(), Err(error) => error.to_string() },
        "judged": judged,
        "right": right,
    });
    std::fs::write(out.join("replay.json"), format!("{value:#}\n"))?;
    report.result(page(&value, &faults, &done, &out), &value);
    Ok(u8::from(!right))
}

/// This program, on the client's host.
fn stage(remote: &Remote<'_>, host: &Host) -> Result<()> {
    let own = std::env::current_exe()?;
    let bytes = std::fs::read(&own).with_context(|| format!("{}", own.display()))?;
    remote.run(host, &format!("rm -rf {STAGE} && mkdir -p {STAGE}"))?;
    Ok(remote.write(host, &format!("{STAGE}/field"), &bytes, 0o755)?)
}

fn load_script(
    inventory: &Inventory,
    schedule: &Schedule,
    clients: u64,
    lasts: Duration,
) -> String {
    let masters = inventory.master_addresses().join(",");
    let Schedule { seed, replicas, .. } = schedule;
    let seconds = lasts.as_secs() + 1;
    format!(
        "{STAGE}/field load --master {} --seconds {seconds} --clients {clients} --replicas {replicas} \
         --seed {seed} --begun {STAGE}/begun --healed {STAGE}/healed --out {STAGE}/history.jsonl",
        quoted(&masters)
    )
}

fn until_begun(remote: &Remote<'_>, host: &Host) -> Result<()> {
    let begun = Instant::now();
    while remote.run(host, &format!("test -e {STAGE}/begun")).is_err() {
        ensure!(begun.elapsed() < Duration::from_secs(60), "the clients did not begin within 60 s");
        sleep(LOOK);
    }
    Ok(())
}

/// Begins and heals every part at its time, each host's parts at once with those of the others.
fn carry_out(remote: &Remote<'_>, planned: &[Planned], report: &Report) -> Vec<Done> {
    let zero = Instant::now();
    let done = Mutex::new(Vec::new());
    let (say, said) = mpsc::channel::<String>();
    scope(|scope| {
        for (number, fault) in planned.iter().enumerate() {
            for part in &fault.parts {
                let (done, say) = (&done, say.clone());
                scope.spawn(move || {
                    let ended = one(remote, part, zero, number);
                    let _ = say.send(match &ended.error {
                        None => format!("{} on {}: healed", fault.kind, ended.host),
                        Some(error) => format!("{} on {}: {error}", fault.kind, ended.host),
                    });
                    done.lock().expect("no part panics").push(ended);
                });
            }
        }
        drop(say);
        said.iter().for_each(|line| report.say(line));
    });
    let mut done = done.into_inner().expect("no part panicked");
    done.sort_by_key(|done| done.planned);
    done
}

fn one(remote: &Remote<'_>, part: &Part, zero: Instant, planned: usize) -> Done {
    let wait = |until: Duration| sleep(until.saturating_sub(zero.elapsed()));
    wait(part.begins);
    let late = zero.elapsed().saturating_sub(part.begins);
    let begun = Instant::now();
    let lasts = part.ends.saturating_sub(part.begins);
    let begins = part.fault.begin(remote, &part.host, lasts);
    let took = begun.elapsed();
    wait(part.ends);
    // Also what began only in part.
    let healed = part.fault.heal(remote, &part.host);
    Done {
        planned,
        host: part.host.name.clone(),
        late_ms: late.as_millis() as u64,
        took_ms: took.as_millis() as u64,
        error: begins.and(healed).err().map(|error| error.to_string()),
    }
}

type ByKind = BTreeMap<String, (u64, u64, Option<&'static str>)>;

/// How many faults of each kind there were, and how many were done whole.
fn faults(planned: &[Planned], done: &[Done]) -> ByKind {
    let mut kinds = ByKind::new();
    for (number, fault) in planned.iter().enumerate() {
        let mut parts = done.iter().filter(|done| done.planned == number).peekable();
        let applied = parts.peek().is_some() && parts.all(|part| part.error.is_none());
        let row = kinds.entry(fault.kind.clone()).or_insert((0, 0, fault.remark));
        row.0 += 1;
        row.1 += u64::from(applied);
    }
    kinds
}

fn as_json(done: &Done) -> Value {
    let Done { planned, host, late_ms, took_ms, error } = done;
    json!({ "fault": planned, "host": host, "late_ms": late_ms, "took_ms": took_ms, "error": error })
}

fn page(value: &Value, faults: &ByKind, done: &[Done], out: &Path) -> String {
    let mut lines = vec![format!(
        "{} of {} faults applied; begun at most {} ms late, in {} ms at most",
        value["applied"],
        value["faults"],
        done.iter().map(|done| done.late_ms).max().unwrap_or(0),
        done.iter().map(|done| done.took_ms).max().unwrap_or(0)
    )];
    for (kind, (all, applied, remark)) in faults {
        let remark = remark.map_or_else(String::new, |remark| format!("  ({remark})"));
        lines.push(format!("  {kind:<16} {applied} of {all}{remark}"));
    }
    let counts = value["judged"]["counts"].as_object().into_iter().flatten();
    let counts = counts.map(|(kind, count)| format!("{kind} {} of {}", count[1], count[0]));
    lines.push(format!("acknowledged: {}", counts.collect::<Vec<_>>().join(", ")));
    lines.push(format!(
        "longest acknowledged operation {} ms; whole again {}; fsck: {}",
        value["judged"]["longest_ms"],
        value["whole_after_s"].as_f64().map_or("never".into(), |s| format!("after {s:.1} s")),
        value["fsck"].as_str().unwrap_or_default().lines().last().unwrap_or_default()
    ));
    let violations = value["judged"]["violations"].as_array().into_iter().flatten();
    lines.extend(
        violations.map(|sentence| format!("VIOLATION: {}", sentence.as_str().unwrap_or("?"))),
    );
    lines.push(format!(
        "{}; {}",
        if value["right"] == true { "RIGHT" } else { "WRONG" },
        out.join("replay.json").display()
    ));
    lines.join("\n")
}
