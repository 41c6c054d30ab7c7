//! `field check`: what a host lacks for a cluster, and which faults it can have.

use super::all;
use crate::On;
use crate::inventory::{Host, Inventory};
use crate::remote::{Remote, each};
use crate::report::Report;
use anyhow::Result;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Clocks further apart than this make logs of several hosts hard to compare.
const CLOCK_OFFSET_MAX: Duration = Duration::from_millis(100);

/// `key=value` lines about the host.
const FACTS: &str = "\
echo user=$(id -u)
echo clock=$(date +%s%N)
echo kernel=$(uname -rm)
echo systemd=$(systemctl --version 2>/dev/null | head -1 | cut -d' ' -f2)
echo state=$(systemctl is-system-running 2>/dev/null)
echo dpkg=$(command -v dpkg)
echo glibc=$(ldd --version 2>/dev/null | head -1 | grep -o '[0-9.]*$')
echo nft=$(command -v nft)
echo fallocate=$(command -v fallocate)
echo installed=$(leasehold --version 2>/dev/null)
echo addresses=$(ip -o addr 2>/dev/null | tr -s ' ' | cut -d' ' -f4 | cut -d/ -f1 | tr '\\n' ',')
";

/// `field check`.
pub fn check(on: &On, report: &Report) -> Result<u8> {
    let inventory = Inventory::read(&on.inventory)?;
    let remote = Remote::new(&inventory)?;
    let look = |host: &Host| {
        remote.run(host, "true")?;
        let before = wall();
        let text = remote.run(host, &script(host))?;
        Ok((text, before, wall()))
    };
    let found = all(each(&inventory.hosts, look))?;
    let (mut lines, mut values, mut wrong) = (Vec::new(), Vec::new(), 0);
    for (host, (text, before, after)) in found {
        let facts: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once('=')).collect();
        let problems = problems(host, &facts, (before, after));
        wrong += problems.len();
        let fact = |key| facts.get(key).copied().unwrap_or("?");
        lines.push(format!(
            "{}: kernel {}, systemd {}, glibc {}; {}",
            host.name,
            fact("kernel"),
            fact("systemd"),
            fact("glibc"),
            if problems.is_empty() { "ok" } else { "not ready" }
        ));
        lines.push(format!("    faults: {}", faults(&facts).join(", ")));
        lines.extend(problems.iter().map(|problem| format!("    PROBLEM: {problem}")));
        values.push(json!({ "host": host.name, "facts": facts, "problems": problems }));
    }
    report.result(lines.join("\n"), &json!({ "hosts": values, "problems": wrong }));
    Ok(u8::from(wrong > 0))
}

fn script(host: &Host) -> String {
    let disks = host.disks.iter().map(|disk| {
        let (name, path) = (&disk.name, &disk.path);
        format!(
            "echo disk_{name}=$(test -d {path} && (mountpoint -q {path} && echo mounted || echo directory)) \
             $(df -B1 --output=avail {path} 2>/dev/null | tail -1)\n"
        )
    });
    FACTS.to_owned() + &disks.collect::<String>()
}

/// What is wrong, each with what would be right.
fn problems(
    host: &Host,
    facts: &BTreeMap<&str, &str>,
    (before, after): (Duration, Duration),
) -> Vec<String> {
    let fact = |key: &str| facts.get(key).copied().unwrap_or_default().trim();
    let mut problems = Vec::new();
    if fact("user") != "0" {
        problems.push(
            "commands are not the superuser's: set user = \"root\", or become = \"sudo -n\"".into(),
        );
    }
    if fact("systemd").parse::<u32>().unwrap_or(0) < 247 {
        problems.push("systemd 247 or later is needed for the units".into());
    }
    if fact("dpkg").is_empty() {
        problems.push(
            "no dpkg: install the binary and the units of benches/field/package by hand".into(),
        );
    }
    if !fact("addresses").split(',').any(|address| address == host.data())
        && is_address(host.data())
    {
        problems.push(format!(
            "no interface has {}: data = \"...\" names the address that servers listen at; it has {}",
            host.data(),
            fact("addresses").trim_end_matches(',')
        ));
    }
    for disk in &host.disks {
        let found = fact(&format!("disk_{}", disk.name)).to_owned();
        let path = &disk.path;
        match (found.split(' ').next().unwrap_or_default(), disk.directory) {
            ("mounted", _) | ("directory", true) => {}
            ("directory", false) => problems.push(format!(
                "{path} is not a mount point: mount its disk there, or write directory = true"
            )),
            _ => problems.push(format!("{path} does not exist")),
        }
    }
    let clock = fact("clock").parse().map(Duration::from_nanos).unwrap_or_default();
    let behind = before.saturating_sub(clock);
    let ahead = clock.saturating_sub(after);
    if behind.max(ahead) > CLOCK_OFFSET_MAX {
        problems.push(format!(
            "its clock is {} ms {}: run chrony on every host",
            behind.max(ahead).as_millis(),
            if behind > ahead { "behind" } else { "ahead" }
        ));
    }
    problems
}

/// The kinds that `field fault` can do there.
fn faults(facts: &BTreeMap<&str, &str>) -> Vec<&'static str> {
    let has = |key: &str| facts.get(key).is_some_and(|value| !value.trim().is_empty());
    let mut kinds = vec!["restart", "crash", "pause"];
    if has("nft") {
        kinds.extend(["isolate", "one-way", "loss"]);
    }
    if has("fallocate") {
        kinds.push("disk-full");
    }
    kinds
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Disk, Role};

    fn host() -> Host {
        let disk = |name: &str, directory| Disk {
            name: name.into(),
            path: format!("/srv/{name}"),
            directory,
            capacity: None,
        };
        Host {
            name: "s1".into(),
            ssh: "192.0.2.1".into(),
            data: Some("10.0.0.1".into()),
            rack: 0,
            roles: [Role::Chunkserver].into(),
            disks: vec![disk("d1", false), disk("d2", true)],
        }
    }

    #[test]
    fn a_host_that_has_everything_has_no_problem() {
        let facts = [
            ("user", "0"),
            ("systemd", "252"),
            ("dpkg", "/usr/bin/dpkg"),
            ("clock", "5000000000"),
            ("addresses", "127.0.0.1,10.0.0.1,"),
            ("disk_d1", "mounted 5"),
            ("disk_d2", "directory 5"),
        ]
        .into();
        let span = (Duration::from_millis(4_950), Duration::from_millis(5_010));
        assert_eq!(problems(&host(), &facts, span), Vec::<String>::new());
        let late = (Duration::from_secs(9), Duration::from_secs(10));
        assert_eq!(
            problems(&host(), &facts, late),
            ["its clock is 4000 ms behind: run chrony on every host"]
        );
    }

    #[test]
    fn what_is_missing_is_named_with_what_would_be_right() {
        let facts =
            [("user", "1000"), ("disk_d1", "directory 5"), ("clock", "1"), ("nft", "")].into();
        let found = problems(&host(), &facts, Default::default()).join("\n");
        for part in [
            "become =",
            "systemd 247",
            "no dpkg",
            "no interface has 10.0.0.1",
            "/srv/d1 is not a mount point: mount its disk there",
            "/srv/d2 does not exist",
        ] {
            assert!(found.contains(part), "{part:?} is not in\n{found}");
        }
        assert_eq!(faults(&facts), ["restart", "crash", "pause"]);
    }

    #[test]
    fn the_script_is_one() {
        let parsed = std::process::Command::new("sh").args(["-n", "-c", &script(&host())]).status();
        assert!(parsed.unwrap().success());
    }
}
