//! `field wipe`: deletes a cluster. It names what it deletes, and wants the cluster's id before it does.

use super::put::drop_in_path;
use super::{all, refuse_strangers};
use crate::On;
use crate::inventory::{Host, Inventory};
use crate::remote::{Remote, each};
use crate::report::Report;
use anyhow::{Result, bail};
use serde_json::json;
use std::time::Duration;

/// `field wipe`.
pub fn wipe(on: &On, id: Option<&str>, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let own = &inventory.cluster.id;
    if let Some(id) = id.filter(|id| id != own) {
        bail!("--id {id}: this inventory's cluster is {own:?}; nothing was deleted");
    }
    let remote = Remote::new(&inventory)?;
    refuse_strangers(&remote, &inventory)?;
    let look = |host: &Host| remote.run(host, &look_script(&inventory, host));
    let found = all(each(&inventory.hosts, look))?;
    let lines = found
        .iter()
        .flat_map(|(host, text)| text.lines().map(|line| format!("{}: {line}", host.name)));
    let lines: Vec<String> = lines.collect();
    let Some(_) = id else {
        let text = format!(
            "would stop the servers and delete:\n  {}\nadd --id {own} to do it",
            lines.join("\n  ")
        );
        report.result(text, &json!({ "would_delete": lines }));
        return Ok(0);
    };
    let delete = |host: &Host| {
        let script = delete_script(&inventory, host);
        remote.run_for(host, &script, Duration::from_secs(300))
    };
    all(each(&inventory.hosts, delete))?;
    report.result(format!("deleted:\n  {}", lines.join("\n  ")), &json!({ "deleted": lines }));
    Ok(0)
}

/// Everything of this cluster on a host.
fn paths(inventory: &Inventory, host: &Host) -> Vec<String> {
    let mut paths = Vec::new();
    for server in inventory.servers(host) {
        paths.extend(server.drop_in().map(|_| drop_in_path(&server)));
        paths.extend([server.data_dir, server.config]);
    }
    paths.push("/etc/leasehold/cluster-id".to_owned());
    paths
}

fn look_script(inventory: &Inventory, host: &Host) -> String {
    let paths = paths(inventory, host).join(" ");
    format!("for path in {paths}; do [ ! -e $path ] || du -sh $path | tr '\\t' ' '; done")
}

/// Only on a host that is the cluster's by its own file. The id goes last: a wipe that is interrupted can
/// be repeated.
fn delete_script(inventory: &Inventory, host: &Host) -> String {
    let units: Vec<String> =
        inventory.servers(host).into_iter().map(|server| server.unit).collect();
    let (id, paths) = (&inventory.cluster.id, paths(inventory, host).join(" "));
    let stop = match units.is_empty() {
        true => String::new(),
        false => format!("systemctl disable --now {} 2>/dev/null || true\n", units.join(" ")),
    };
    format!(
        "[ \"$(cat /etc/leasehold/cluster-id 2>/dev/null)\" = {id} ] || exit 0\n\
         {stop}set -e\nfor path in {paths}; do rm -rf --one-file-system $path; done\n\
         systemctl daemon-reload"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_wiped_by_its_own_id_and_the_id_goes_last() {
        let inventory = Inventory::parse(
            "[cluster]\nid = 'b7f3'\n[[host]]\nname = 's1'\nssh = '192.0.2.1'\n\
             roles = ['master', 'chunkserver']\ndisk = [{ name = 'd1', path = '/srv/d1' }]\n",
        )
        .unwrap();
        let host = &inventory.hosts[0];
        let script = delete_script(&inventory, host);
        assert!(
            script.starts_with(
                "[ \"$(cat /etc/leasehold/cluster-id 2>/dev/null)\" = b7f3 ] || exit 0"
            )
        );
        let paths = paths(&inventory, host);
        assert!(paths.contains(&"/srv/d1/leasehold".to_owned()), "{paths:?}");
        assert!(!paths.contains(&"/srv/d1".to_owned()), "the disk itself stays");
        assert_eq!(paths.last().map(String::as_str), Some("/etc/leasehold/cluster-id"));
    }
}
