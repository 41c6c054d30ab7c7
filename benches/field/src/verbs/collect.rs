//! `field collect`: what is needed to understand a run afterwards, a directory for each host.

use crate::On;
use crate::inventory::{Host, Inventory};
use crate::remote::{Remote, each, run};
use crate::report::Report;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `field collect`. A host that does not answer is named, and the others are collected all the same.
pub fn collect(on: &On, out: Option<&Path>, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    let out = out.map_or_else(|| usual(&inventory), Path::to_owned);
    fs::create_dir_all(&out).with_context(|| format!("{}", out.display()))?;
    fs::copy(&on.inventory, out.join("inventory.toml"))?;
    let work = |host: &Host| -> Result<usize> {
        let script = script(&inventory, host);
        let archive = remote.output(host, &script, &[], Duration::from_secs(300))?;
        let at = out.join(&host.name);
        fs::create_dir_all(&at)?;
        let mut tar = Command::new("tar");
        let unpacked =
            run(tar.args(["xzf", "-", "-C"]).arg(&at), &archive, Duration::from_secs(60))?;
        let said = String::from_utf8_lossy(&unpacked.stderr);
        ensure!(unpacked.code == Some(0), "{}: tar: {}", host.name, said.trim());
        Ok(archive.len())
    };
    let (mut values, mut failed) = (Vec::new(), 0);
    for (host, collected) in each(&inventory.hosts, work) {
        let value = match collected {
            Ok(bytes) => json!({ "host": host.name, "bytes": bytes }),
            Err(error) => {
                failed += 1;
                report.say(format!("{error:#}"));
                json!({ "host": host.name, "error": format!("{error:#}") })
            }
        };
        values.push(value);
    }
    let shown = out.display().to_string();
    let text = format!("{shown}: {} hosts, {failed} failed", values.len());
    report.result(text, &json!({ "out": shown, "hosts": values }));
    Ok(u8::from(failed > 0))
}

fn usual(inventory: &Inventory) -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Path::new("reports/out/field").join(format!("{}-{now}", inventory.cluster.id))
}

/// Writes everything into a directory and prints it as an archive. A part that a host lacks is an empty
/// file, and no reason to have nothing.
fn script(inventory: &Inventory, host: &Host) -> String {
    let metrics = inventory.servers(host).into_iter().map(|server| {
        // What /metrics says, without a program for HTTP.
        format!(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && printf \"GET /metrics HTTP/1.1\\r\\n\\r\\n\" >&3 \
             && timeout 5 cat <&3' >{unit}.metrics 2>/dev/null || true\n",
            port = server.metrics_port,
            unit = server.unit
        )
    });
    format!(
        "cd \"$(mktemp -d)\" || exit 1\n\
         get() {{ file=$1; shift; \"$@\" >\"$file\" 2>&1 || true; }}\n\
         get version leasehold --version\n\
         get journal journalctl -u 'leasehold-*' --no-pager -o short-iso-precise\n\
         get kernel-log dmesg\n\
         get units systemctl show 'leasehold-*'\n\
         get uname uname -a\n\
         get cpu cat /proc/cpuinfo\n\
         get memory cat /proc/meminfo\n\
         get mounts cat /proc/mounts\n\
         get space df -B1\n\
         get addresses ip addr\n\
         get sockets ss -tanp\n\
         get sysctl sysctl -a\n\
         get os cat /etc/os-release\n\
         get dmi sh -c 'grep -s . /sys/class/dmi/id/*'\n\
         cp -r /etc/leasehold config 2>/dev/null || true\n\
         {}tar cz .\n\
         cd / && rm -rf \"$OLDPWD\"",
        metrics.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_one() {
        let inventory = Inventory::parse(
            "[cluster]\nid = 'x'\n[[host]]\nname = 's1'\nssh = '192.0.2.1'\n\
             roles = ['master', 'chunkserver']\ndisk = [{ name = 'd1', path = '/srv/d1' }]\n",
        )
        .unwrap();
        let script = script(&inventory, &inventory.hosts[0]);
        assert!(script.contains("/dev/tcp/127.0.0.1/9410") && script.contains("/9400"), "{script}");
        let parsed = Command::new("sh").args(["-n", "-c", &script]).status();
        assert!(parsed.unwrap().success(), "{script}");
    }
}
