//! `field upgrade`: one host at a time, while the cluster serves. A host is touched only while every chunk
//! is at its target, and the next one waits until that is so again.

use super::put::{CACHE, install, install_cached, read_package};
use super::service::restart_units;
use super::{all, refuse_strangers, until_whole};
use crate::On;
use crate::inventory::{Host, Inventory, Role};
use crate::remote::{Remote, each};
use crate::report::Report;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// `field upgrade`.
pub fn upgrade(on: &On, package: Option<&Path>, patience: Duration, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    let package = package.map(read_package).transpose()?;
    refuse_strangers(&remote, &inventory)?;
    until_whole(&remote, &inventory, Duration::from_secs(10))
        .context("before anything was changed")?;
    let before = |host: &Host| remote.run(host, &format!("readlink -f {CACHE}/installed"));
    let before = all(each(&inventory.hosts, before))?;
    let mut values = Vec::new();
    for host in order(&inventory) {
        let begun = Instant::now();
        let step = one(&remote, &inventory, host, package.as_ref(), patience);
        if let Err(error) = step {
            let old = before.iter().find(|(other, _)| other.name == host.name);
            let old = old.map(|(_, path)| path.trim()).unwrap_or_default();
            if package.is_none() {
                bail!("{}: {error:#}\n    the hosts after it were left as they are", host.name);
            }
            report.say(format!("{}: {error:#}; back to {old}", host.name));
            install_cached(&remote, host, old)?;
            restart_units(&remote, host, &units(&inventory, host))?;
            until_whole(&remote, &inventory, patience).context("after the host went back")?;
            bail!(
                "{}: {error:#}\n    it is back at {old} and the cluster is whole; hosts before it have \
                 the new version, those after it the old one: `field upgrade --package OLD.deb` takes \
                 them all back",
                host.name
            );
        }
        let took = begun.elapsed().as_secs_f64();
        report.say(format!("{}: done, and the cluster whole again, after {took:.1} s", host.name));
        values.push(json!({ "host": host.name, "took_s": took }));
    }
    report
        .result(format!("{} hosts, one after another", values.len()), &json!({ "hosts": values }));
    Ok(0)
}

/// Masters last: chunkservers of the new version are known to work before the log is entrusted to it.
fn order(inventory: &Inventory) -> Vec<&Host> {
    let mut hosts: Vec<&Host> = inventory.hosts.iter().collect();
    hosts.sort_by_key(|host| host.roles.contains(&Role::Master));
    hosts
}

fn one(
    remote: &Remote<'_>,
    inventory: &Inventory,
    host: &Host,
    package: Option<&(String, Vec<u8>)>,
    patience: Duration,
) -> Result<()> {
    if let Some((name, bytes)) = package {
        install(remote, host, name, bytes)?;
    }
    restart_units(remote, host, &units(inventory, host))?;
    until_whole(remote, inventory, patience).map(drop)
}

fn units(inventory: &Inventory, host: &Host) -> Vec<String> {
    inventory.servers(host).into_iter().map(|server| server.unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masters_come_last() {
        let host = |name: &str, roles: &str| {
            format!("[[host]]\nname = '{name}'\nssh = '192.0.2.1'\nroles = [{roles}]\n")
        };
        let text =
            format!("[cluster]\nid = 'x'\n{}{}", host("m", "'master'"), host("c", "'client'"));
        let inventory = Inventory::parse(&text).unwrap();
        let names: Vec<_> = order(&inventory).iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["c", "m"]);
    }
}
