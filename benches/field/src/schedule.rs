//! What went wrong in a simulated run (`sim run --schedule`), and what of it can be done to hosts.

use crate::faults::{Fault, Kind};
use crate::inventory::{Host, Inventory, Role, Server};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

const FORMAT: u32 = 1;

/// A schedule file. The simulator's crate, which writes it, is compiled for simulations only: its types are
/// not these.
#[derive(Clone, Debug, Deserialize)]
pub struct Schedule {
    format: u32,
    /// The run's seed.
    pub seed: u64,
    /// Masters that it had.
    pub masters: u64,
    /// Chunkservers that it had at the start.
    pub chunkservers: u64,
    /// Clients that it had.
    pub clients: u64,
    /// Replicas of each chunk.
    pub replicas: u8,
    /// Constants that were not the defaults.
    pub constants: BTreeMap<String, toml::Value>,
    /// When the last fault had ended.
    pub lasts_ms: u64,
    /// The faults.
    pub faults: Vec<Happened>,
}

/// A fault that took place.
#[derive(Clone, Debug, Deserialize)]
pub struct Happened {
    /// Since faults were switched on.
    pub at_ms: u64,
    /// When it ended.
    pub until_ms: Option<u64>,
    /// The simulator's word for it.
    pub kind: String,
    /// To whom.
    pub victims: Vec<String>,
    /// Of a cut, the other side.
    #[serde(default)]
    pub others: Vec<String>,
    /// Of a cut, in one direction only.
    #[serde(default)]
    pub one_way: bool,
    /// Of a cut that comes and goes.
    #[serde(default)]
    pub flap_ms: Option<u64>,
    /// How many of a million.
    #[serde(default)]
    pub ppm: Option<u32>,
    /// Of victims one after the other.
    #[serde(default)]
    pub every_ms: Option<u64>,
}

/// A part of a fault, on one host.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where.
    pub host: Host,
    /// What.
    pub fault: Fault,
    /// After the schedule's zero.
    pub begins: Duration,
    /// When it is healed.
    pub ends: Duration,
}

/// A fault of the schedule, as it will be done to hosts.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The simulator's word for it.
    pub kind: String,
    /// Its parts; none if there is no mechanism for it.
    pub parts: Vec<Part>,
    /// How it differs from the simulated one, or why it is not done.
    pub remark: Option<&'static str>,
}

impl Schedule {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Schedule> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        Schedule::parse(&text).with_context(|| format!("schedule {}", path.display()))
    }

    fn parse(text: &str) -> Result<Schedule> {
        let schedule: Schedule = serde_json::from_str(text)?;
        let format = schedule.format;
        ensure!(
            format == FORMAT,
            "its format is {format}, and this program reads {FORMAT}: write it again"
        );
        Ok(schedule)
    }

    /// What will be done, if the inventory has as many servers as the run had.
    pub fn plan(&self, inventory: &Inventory) -> Result<Vec<Planned>> {
        let cast = Cast::new(inventory);
        ensure!(
            cast.count("master-") >= self.masters
                && cast.count("chunkserver-") >= self.chunkservers,
            "the run had {} masters and {} chunkservers, and the inventory has {} and {}: a fault needs \
             its victim",
            self.masters,
            self.chunkservers,
            cast.count("master-"),
            cast.count("chunkserver-")
        );
        Ok(self.faults.iter().zip(0..).map(|(fault, number)| cast.plan(fault, number)).collect())
    }
}

/// Who plays whom.
struct Cast<'a> {
    inventory: &'a Inventory,
    servers: BTreeMap<String, (&'a Host, Server)>,
}

impl<'a> Cast<'a> {
    fn new(inventory: &'a Inventory) -> Cast<'a> {
        let mut servers = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for host in &inventory.hosts {
            for server in inventory.servers(host) {
                let count = counts.entry(server.role).and_modify(|count| *count += 1).or_insert(1);
                servers.insert(format!("{}-{count}", server.role), (host, server));
            }
        }
        Cast { inventory, servers }
    }

    fn count(&self, role: &str) -> u64 {
        self.servers.keys().filter(|name| name.starts_with(role)).count() as u64
    }

    fn plan(&self, fault: &Happened, number: u32) -> Planned {
        let begins = Duration::from_millis(fault.at_ms);
        let ends = Duration::from_millis(fault.until_ms.unwrap_or(fault.at_ms));
        let id = format!("r{number}");
        let of_processes = |kind, remark| {
            let parts = self.victims(fault).enumerate().map(|(at, (host, server))| {
                let host: &Host = host;
                let later = Duration::from_millis(fault.every_ms.unwrap_or(0) * at as u64);
                let whole = Fault::of(self.inventory, host, &format!("{id}-{at}"), kind, &[]);
                let disk =
                    whole.disks.iter().filter(|disk| server.data_dir.starts_with(disk.as_str()));
                let (units, disks) = (vec![server.unit.clone()], disk.cloned().collect());
                let fault = Fault { units, disks, ..whole };
                Part {
                    host: host.clone(),
                    fault,
                    begins: begins + later,
                    ends: ends.max(begins + later),
                }
            });
            self.planned(fault, parts.collect(), remark)
        };
        match fault.kind.as_str() {
            "crash" | "master_crash" | "rack_power" | "cluster_power" => of_processes(
                Kind::Crash,
                Some("the process is killed; its kernel keeps unsynced data"),
            ),
            "crash_at_io" => {
                of_processes(Kind::Crash, Some("killed at the time, and not within an operation"))
            }
            "restart" | "rolling_restart" => of_processes(Kind::Restart, None),
            "pause" | "long_pause" => of_processes(Kind::Pause, None),
            "disk_full" => of_processes(Kind::DiskFull, None),
            "partition" | "one_way" | "isolate" | "partial" | "master_cut" | "flapping" => {
                self.cut(fault, &id, begins, ends)
            }
            "loss" => {
                let ppm = fault.ppm.unwrap_or(0);
                let part = |(host, at): (&Host, u32)| {
                    let all =
                        Fault::of(self.inventory, host, &format!("{id}-{at}"), Kind::Loss, &[]);
                    Part { host: host.clone(), fault: Fault { loss_ppm: ppm, ..all }, begins, ends }
                };
                let servers = self.inventory.hosts.iter().filter(|host| host.runs_servers());
                let parts = servers.zip(0..).map(part).collect();
                self.planned(fault, parts, Some("of packets; below TCP that is mostly delay"))
            }
            "frozen" => self.planned(
                fault,
                Vec::new(),
                Some("needs a hypervisor that stops the machine: a paused process has a clock that goes on"),
            ),
            _ => self.planned(
                fault,
                Vec::new(),
                Some("no mechanism on hosts without a user-space disk or wire"),
            ),
        }
    }

    fn planned(&self, fault: &Happened, parts: Vec<Part>, remark: Option<&'static str>) -> Planned {
        let remark = match parts.is_empty() && remark.is_none() {
            true => Some("its victims are simulated clients"),
            false => remark,
        };
        Planned { kind: fault.kind.clone(), parts, remark }
    }

    fn victims<'f>(&'f self, fault: &'f Happened) -> impl Iterator<Item = &'f (&'a Host, Server)> {
        fault.victims.iter().filter_map(|name| self.servers.get(name))
    }

    /// Each host drops what comes in from the other side: so a cut in one direction is half of one.
    fn cut(&self, fault: &Happened, id: &str, begins: Duration, ends: Duration) -> Planned {
        let hosts = |names: &[String]| -> BTreeSet<&str> {
            let found = names.iter().filter_map(|name| self.servers.get(name));
            found.map(|(host, _)| host.name.as_str()).collect()
        };
        let (one, other) = (hosts(&fault.victims), hosts(&fault.others));
        let mut parts = Vec::new();
        let mut drop_from = |to: &BTreeSet<&str>, from: &BTreeSet<&str>| {
            for host in self.inventory.hosts.iter().filter(|host| to.contains(host.name.as_str())) {
                let peers: Vec<&Host> = self
                    .inventory
                    .hosts
                    .iter()
                    .filter(|peer| from.contains(peer.name.as_str()) && peer.name != host.name)
                    .collect();
                if peers.is_empty() {
                    continue;
                }
                let id = format!("{id}-{}", parts.len());
                let cut = Fault::of(self.inventory, host, &id, Kind::OneWay, &peers);
                let fault = Fault { flap_ms: fault.flap_ms, ..cut };
                parts.push(Part { host: host.clone(), fault, begins, ends });
            }
        };
        drop_from(&other, &one);
        if !fault.one_way {
            drop_from(&one, &other);
        }
        self.planned(fault, parts, None)
    }
}

impl Host {
    fn runs_servers(&self) -> bool {
        self.roles.contains(&Role::Master) || self.roles.contains(&Role::Chunkserver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let host = |n: u8, role: &str| {
            let disk = match role {
                "chunkserver" => "disk = [{ name = 'd1', path = '/srv/d1' }]\n",
                _ => "",
            };
            format!("[[host]]\nname = 'h{n}'\nssh = '10.0.0.{n}'\nroles = ['{role}']\n{disk}")
        };
        let text = format!(
            "[cluster]\nid = 'x'\n{}{}{}",
            host(1, "master"),
            host(2, "chunkserver"),
            host(3, "chunkserver")
        );
        Inventory::parse(&text).unwrap()
    }

    fn schedule(faults: &str) -> Schedule {
        Schedule::parse(&format!(
            "{{\"format\":1,\"seed\":7,\"scenario\":\"s\",\"masters\":1,\"chunkservers\":2,\"clients\":4,\
             \"replicas\":2,\"constants\":{{\"lease_duration\":\"4000ms\"}},\"lasts_ms\":9000,\
             \"faults\":[{faults}]}}"
        ))
        .unwrap()
    }

    #[test]
    fn victims_are_found_by_their_roles() {
        let schedule = schedule(
            "{\"at_ms\":500,\"until_ms\":2000,\"kind\":\"crash\",\"victims\":[\"chunkserver-2\"]},\
             {\"at_ms\":600,\"until_ms\":2500,\"kind\":\"rot\",\"victims\":[\"chunkserver-1\"]}",
        );
        let planned = schedule.plan(&inventory()).unwrap();
        let [part] = &planned[0].parts[..] else { panic!("one victim") };
        assert_eq!((part.host.name.as_str(), part.fault.kind), ("h3", Kind::Crash));
        assert_eq!(part.fault.units, ["leasehold-chunkserver@d1.service"]);
        assert_eq!((part.begins.as_millis(), part.ends.as_millis()), (500, 2_000));
        assert!(planned[1].parts.is_empty() && planned[1].remark.is_some());
    }

    #[test]
    fn a_one_way_cut_is_half_of_a_cut_and_clients_are_left_out() {
        let cut = |one_way: bool| {
            let faults = format!(
                "{{\"at_ms\":0,\"until_ms\":9,\"kind\":\"partition\",\"victims\":[\"master-1\",\"client-1\"],\
                 \"others\":[\"chunkserver-1\",\"chunkserver-2\"],\"one_way\":{one_way}}}"
            );
            schedule(&faults).plan(&inventory()).unwrap()[0].parts.clone()
        };
        let hosts = |parts: &[Part]| -> Vec<String> {
            parts
                .iter()
                .map(|part| format!("{}<{}", part.host.name, part.fault.peers.join(",")))
                .collect()
        };
        assert_eq!(hosts(&cut(true)), ["h2<10.0.0.1", "h3<10.0.0.1"]);
        assert_eq!(hosts(&cut(false)), ["h2<10.0.0.1", "h3<10.0.0.1", "h1<10.0.0.2,10.0.0.3"]);
    }

    #[test]
    fn an_inventory_that_is_too_small_is_refused() {
        let mut small = inventory();
        small.hosts.pop();
        let error = schedule("").plan(&small).unwrap_err().to_string();
        assert!(
            error.contains("1 masters and 2 chunkservers, and the inventory has 1 and 1"),
            "{error}"
        );
    }
}
