//! What `field` does to the hosts of an inventory.

pub mod check;
pub mod collect;
pub mod put;
pub mod replay;
pub mod service;
pub mod upgrade;
pub mod wipe;

use crate::On;
use crate::faults::{Fault, Kind};
use crate::inventory::{Host, Inventory};
use crate::remote::{Remote, RemoteError, each, quoted};
use crate::report::Report;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A pause between two looks at something that is waited for.
pub const LOOK: Duration = Duration::from_millis(300);

/// The shell's words for a client's command on a host of the cluster.
pub fn client(inventory: &Inventory, command: &str) -> String {
    format!("LEASEHOLD_MASTER={} {command}", inventory.master_addresses().join(","))
}

/// What the cluster says of itself.
pub fn cluster_status(remote: &Remote<'_>, inventory: &Inventory) -> Result<Value> {
    let script = client(inventory, "leasehold status --json --timeout 5s");
    let text = remote.run(inventory.client(), &script)?;
    Ok(serde_json::from_str(&text)?)
}

/// Is every chunkserver heard, and every chunk at its target?
pub fn is_whole(status: &Value, inventory: &Inventory) -> bool {
    status["servers_alive"] == inventory.chunkservers()
        && status["safe_mode"] == false
        && status["chunks_under_target"] == 0
}

/// Waits until it is; how long that took.
pub fn until_whole(
    remote: &Remote<'_>,
    inventory: &Inventory,
    patience: Duration,
) -> Result<Duration> {
    let begun = Instant::now();
    loop {
        let status = cluster_status(remote, inventory);
        match status {
            Ok(status) if is_whole(&status, inventory) => return Ok(begun.elapsed()),
            _ if begun.elapsed() < patience => sleep(LOOK),
            Ok(status) => bail!(
                "the cluster is not whole after {} s: {} of {} servers alive, {} chunks under target, \
                 safe mode {}\n    `field status` shows the units, `field collect` fetches the logs",
                patience.as_secs(),
                status["servers_alive"],
                inventory.chunkservers(),
                status["chunks_under_target"],
                status["safe_mode"]
            ),
            Err(error) => return Err(error),
        }
    }
}

/// What all hosts gave, or every host's error.
pub fn all<T>(parts: Vec<(&Host, Result<T, RemoteError>)>) -> Result<Vec<(&Host, T)>> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for (host, part) in parts {
        match part {
            Ok(part) => done.push((host, part)),
            Err(error) => failed.push(error.to_string()),
        }
    }
    match failed.len() {
        0 => Ok(done),
        1 => bail!("{}", failed[0]),
        n => bail!("{n} hosts failed:\n  {}", failed.join("\n  ")),
    }
}

/// A host that belongs to another cluster is left alone.
pub fn refuse_strangers(remote: &Remote<'_>, inventory: &Inventory) -> Result<()> {
    let read = |host: &Host| remote.run(host, "cat /etc/leasehold/cluster-id 2>/dev/null || true");
    for (host, id) in all(each(&inventory.hosts, read))? {
        let (id, own) = (id.trim(), &inventory.cluster.id);
        if !id.is_empty() && id != own {
            bail!(
                "{}: belongs to the cluster {id:?}, and this inventory is {own:?}'s: nothing was \
                 changed. Wipe that cluster with its own inventory first",
                host.name
            );
        }
    }
    Ok(())
}

/// `field exec`: the command's stdout is this one's.
pub fn exec(on: &On, host: Option<&str>, timeout: Duration, command: &[String]) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    let host = host.map_or(Ok(inventory.client()), |name| inventory.host(name))?;
    // One word is a script, several are a command and its arguments.
    let script = match command {
        [script] => script.clone(),
        words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    let masters = inventory.master_addresses().join(",");
    let script = format!("export LEASEHOLD_MASTER={masters}\n{script}");
    let output = remote.output(host, &script, &[], timeout)?;
    std::io::stdout().write_all(&output)?;
    Ok(0)
}

/// `field fault`: begins a fault, waits, and heals it.
pub fn fault(
    on: &On,
    kind: Kind,
    host: &str,
    peers: &[String],
    lasts: Duration,
    ppm: u32,
    report: &Report,
) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    let host = inventory.host(host)?;
    let peers = peers.iter().map(|peer| inventory.host(peer)).collect::<Result<Vec<_>>>()?;
    let id = format!("{}-{}", kind.name(), std::process::id());
    let fault = Fault { loss_ppm: ppm, ..Fault::of(&inventory, host, &id, kind, &peers) };
    let begun = Instant::now();
    fault.begin(&remote, host, lasts)?;
    report.say(format!(
        "{}: {} begun after {} ms",
        host.name,
        kind.name(),
        begun.elapsed().as_millis()
    ));
    if kind != Kind::Restart {
        sleep(lasts.saturating_sub(begun.elapsed()));
        fault.heal(&remote, host)?;
        report.say(format!("{}: healed", host.name));
    }
    let took = begun.elapsed().as_secs_f64();
    let value = json!({ "host": host.name, "kind": kind, "took_s": took });
    report.result(format!("{}: {} for {took:.1} s", host.name, kind.name()), &value);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_whole_when_all_are_heard_and_nothing_lacks_a_replica() {
        let inventory = Inventory::parse(
            "[cluster]\nid = 'x'\n[[host]]\nname = 's1'\nssh = '192.0.2.1'\n\
             roles = ['master', 'chunkserver']\ndisk = [{ name = 'd1', path = '/srv/d1' }]\n",
        )
        .unwrap();
        let whole = json!({ "servers_alive": 1, "safe_mode": false, "chunks_under_target": 0 });
        assert!(is_whole(&whole, &inventory));
        for (key, value) in [
            ("servers_alive", json!(0)),
            ("safe_mode", json!(true)),
            ("chunks_under_target", json!(3)),
        ] {
            let mut status = whole.clone();
            status[key] = value;
            assert!(!is_whole(&status, &inventory), "{key}");
        }
    }
}
