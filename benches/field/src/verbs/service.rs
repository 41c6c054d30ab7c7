//! `field start`, `stop` and `status`.

use super::{all, client, cluster_status, refuse_strangers, until_whole};
use crate::On;
use crate::inventory::{Host, Inventory, Server};
use crate::remote::{Remote, RemoteError, each};
use crate::report::Report;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// Until a started cluster is whole; safe mode has a limit of its own within it.
const WHOLE: Duration = Duration::from_secs(120);

/// `field start`.
pub fn start(on: &On, init: bool, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    refuse_strangers(&remote, &inventory)?;
    if init {
        begin_all(&remote, &inventory, report)?;
    }
    // A chunkserver is ready once a master answers: masters are started first.
    for role in ["master", "chunkserver"] {
        let start = |host: &Host| start_units(&remote, host, &units(&inventory, host, role));
        all(each(&inventory.hosts, start))?;
        report.say(format!("{role}s started"));
    }
    let took = until_whole(&remote, &inventory, WHOLE)?.as_secs_f64();
    let servers = inventory.chunkservers();
    report.result(
        format!("{servers} chunkservers are heard, after {took:.1} s"),
        &json!({ "chunkservers": servers, "whole_after_s": took }),
    );
    Ok(0)
}

/// Begins every directory that is not begun. Masters found a cluster only if none of them has a past: one
/// whose disk was replaced must not vote as if it remembered.
fn begin_all(remote: &Remote<'_>, inventory: &Inventory, report: &Report) -> Result<()> {
    let masters: Vec<&Host> = inventory.masters().collect();
    let begun = |host: &Host| {
        remote.run(host, "test -e /var/lib/leasehold/master/begun && echo yes || true")
    };
    let begun = all(each(masters.iter().copied(), begun))?;
    let have: Vec<&str> = begun
        .iter()
        .filter(|(_, yes)| !yes.is_empty())
        .map(|(host, _)| host.name.as_str())
        .collect();
    if !have.is_empty() && have.len() < masters.len() {
        let lack: Vec<&str> = masters
            .iter()
            .map(|host| host.name.as_str())
            .filter(|name| !have.contains(name))
            .collect();
        bail!(
            "{} serve a cluster already, and nothing was begun on {}: a new master joins them by \
             `leasehold master --init --no-serve` on its host, and `leasehold master add`",
            have.join(", "),
            lack.join(", ")
        );
    }
    let founds = masters.len() > 1;
    let work = |host: &Host| {
        inventory.servers(host).iter().try_for_each(|server| {
            let said = remote.run(host, &begin_script(server, founds))?;
            report.say(format!("{}: {} {}", host.name, server.data_dir, said.trim()));
            Ok::<(), RemoteError>(())
        })
    };
    all(each(&inventory.hosts, work)).map(drop)
}

fn begin_script(server: &Server, founds: bool) -> String {
    let Server { config, data_dir, role, mount, .. } = server;
    let bootstrap = if founds && *role == "master" { " --bootstrap" } else { "" };
    let mounted = mount.as_ref().map_or_else(String::new, |path| {
        format!(
            "mountpoint -q {path} || {{ echo '{path} is not a mount point: mount its disk there, or \
             write directory = true in the inventory' >&2; exit 1; }}\n"
        )
    });
    format!(
        "{mounted}test -e {data_dir}/begun && {{ echo is begun already; exit 0; }}\n\
         install -d -o leasehold -g leasehold -m 0700 {data_dir}\n\
         runuser -u leasehold -- leasehold {role} --config {config} --init --no-serve{bootstrap} && \
         echo begun"
    )
}

fn units(inventory: &Inventory, host: &Host, role: &str) -> Vec<String> {
    let servers = inventory.servers(host).into_iter().filter(|server| server.role == role);
    servers.map(|server| server.unit).collect()
}

/// Starts units and waits until they are ready; the log's end if one is not.
pub fn start_units(remote: &Remote<'_>, host: &Host, units: &[String]) -> Result<(), RemoteError> {
    act(remote, host, "enable --now", units)
}

/// Restarts units and waits until they are ready.
pub fn restart_units(
    remote: &Remote<'_>,
    host: &Host,
    units: &[String],
) -> Result<(), RemoteError> {
    act(remote, host, "restart", units)
}

fn act(remote: &Remote<'_>, host: &Host, verb: &str, units: &[String]) -> Result<(), RemoteError> {
    if units.is_empty() {
        return Ok(());
    }
    let names = units.join(" ");
    // `enable` may say much, and nothing that a person has to know.
    let script = format!(
        "timeout 50 systemctl {verb} {names} 2>/tmp/leasehold-field.err && \
         systemctl is-active -q {names} || {{ cat /tmp/leasehold-field.err >&2; \
         for unit in {names}; do systemctl is-active -q $unit || \
         journalctl -u $unit -n 3 --no-pager -o cat >&2; done; exit 1; }}"
    );
    remote.run(host, &script).map(drop)
}

/// `field stop`.
pub fn stop(on: &On, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    refuse_strangers(&remote, &inventory)?;
    for role in ["chunkserver", "master"] {
        let stop = |host: &Host| {
            let units = units(&inventory, host, role);
            if units.is_empty() {
                return Ok(());
            }
            let script = format!("systemctl disable --now {} 2>&1", units.join(" "));
            remote.run_for(host, &script, Duration::from_secs(90)).map(drop)
        };
        all(each(&inventory.hosts, stop))?;
        report.say(format!("{role}s stopped"));
    }
    report.result("stopped", &json!({ "stopped": true }));
    Ok(0)
}

/// `field status`: fails if a unit does not run, or the cluster is not whole.
pub fn status(on: &On, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    let show = |host: &Host| {
        let units: Vec<String> =
            inventory.servers(host).into_iter().map(|server| server.unit).collect();
        match units.is_empty() {
            true => Ok(String::new()),
            false => remote.run(host, &show_script(&units)),
        }
    };
    let (mut lines, mut values, mut failed) = (Vec::new(), Vec::new(), false);
    for (host, shown) in each(&inventory.hosts, show) {
        match shown {
            Err(error) => {
                failed = true;
                lines.push(error.to_string());
                values.push(json!({ "host": host.name, "error": error.to_string() }));
            }
            Ok(text) => {
                let units: Vec<Value> = text.split("\n\n").filter_map(unit).collect();
                failed |= units.iter().any(|unit| unit["state"] != "active");
                lines.extend(units.iter().map(|unit| line(host, unit)));
                values.push(json!({ "host": host.name, "units": units }));
            }
        }
    }
    let cluster = cluster_status(&remote, &inventory);
    match &cluster {
        Ok(cluster) => {
            failed |= !super::is_whole(cluster, &inventory);
            let page = remote.run(inventory.client(), &client(&inventory, "leasehold status"));
            lines.push(page.unwrap_or_else(|error| error.to_string()));
        }
        Err(error) => {
            failed = true;
            lines.push(format!("{error:#}"));
        }
    }
    let cluster = cluster.unwrap_or(Value::Null);
    report.result(lines.join("\n"), &json!({ "hosts": values, "cluster": cluster }));
    Ok(u8::from(failed))
}

fn show_script(units: &[String]) -> String {
    let keys = "Id,ActiveState,SubState,NRestarts,ExecMainStatus,MemoryCurrent";
    format!("systemctl show -p {keys} {}", units.join(" "))
}

/// A unit as `systemctl show` prints it.
fn unit(text: &str) -> Option<Value> {
    let get = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let name = get("Id");
    let number = |key| get(key).parse::<u64>().ok();
    (!name.is_empty()).then(|| {
        json!({
            "unit": name,
            "state": get("ActiveState"),
            "sub_state": get("SubState"),
            "restarts": number("NRestarts"),
            "exit_status": number("ExecMainStatus"),
            "memory_bytes": number("MemoryCurrent"),
        })
    })
}

fn line(host: &Host, unit: &Value) -> String {
    let text = |key: &str| unit[key].as_str().unwrap_or("?").to_owned();
    let why = match unit["exit_status"].as_u64() {
        Some(3) => "  (its disk is out of service)",
        Some(4) => "  (another process took its place)",
        _ => "",
    };
    format!(
        "{:<10}  {:<36}  {:<8}  {} restarts{why}",
        host.name,
        text("unit"),
        text("state"),
        unit["restarts"].as_u64().unwrap_or(0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_begun_once_and_on_its_disk_only() {
        let server = Server {
            unit: "u".into(),
            config: "/etc/leasehold/chunkserver-d1.toml".into(),
            data_dir: "/srv/d1/leasehold".into(),
            mount: Some("/srv/d1".into()),
            role: "chunkserver",
            text: String::new(),
            metrics_port: 1,
        };
        let script = begin_script(&server, true);
        assert!(script.starts_with("mountpoint -q /srv/d1 || "), "{script}");
        assert!(
            script.contains("--init --no-serve &&") && !script.contains("--bootstrap"),
            "{script}"
        );
        let master = Server { role: "master", mount: None, ..server };
        assert!(begin_script(&master, true).contains("--init --no-serve --bootstrap"));
        assert!(!begin_script(&master, false).contains("--bootstrap"));
    }

    #[test]
    fn a_unit_that_ended_says_why() {
        let text = "Id=leasehold-chunkserver@d1.service\nActiveState=failed\nSubState=failed\nNRestarts=2\nExecMainStatus=3\nMemoryCurrent=[not set]";
        let unit = unit(text).unwrap();
        assert_eq!((unit["restarts"].as_u64(), unit["memory_bytes"].as_u64()), (Some(2), None));
        let inventory = Inventory::parse(
            "[cluster]\nid = 'x'\n[[host]]\nname = 's1'\nssh = '192.0.2.1'\nroles = ['master']\n",
        )
        .unwrap();
        let line = line(&inventory.hosts[0], &unit);
        assert!(line.contains("failed") && line.contains("its disk is out of service"), "{line}");
    }
}
