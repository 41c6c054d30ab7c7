//! Faults of one host, each with a dead man's switch: the host itself heals them when their time is over,
//! whatever becomes of the connection to it.

use crate::inventory::{Host, Inventory, Server};
use crate::remote::{Remote, RemoteError, quoted};
use clap::ValueEnum;
use serde::Serialize;
use std::time::Duration;

/// The switch waits this much longer than the fault should last.
const SWITCH_MARGIN: Duration = Duration::from_secs(5);

/// What is done to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Kill its servers with SIGKILL; their units start them again
    Restart,
    /// Kill them, and let them be down
    Crash,
    /// Stop them with SIGSTOP, and continue them
    Pause,
    /// Drop packets from and to the peers
    Isolate,
    /// Drop packets from the peers, and let those to them pass
    OneWay,
    /// Drop a share of the packets from the peers
    Loss,
    /// Fill its disks
    DiskFull,
}

impl Kind {
    /// As it is typed.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_name().to_owned()
    }
}

/// A fault of one host.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Distinguishes its table and its switch from those of others.
    pub id: String,
    /// What is done.
    pub kind: Kind,
    /// Addresses, for faults of the network.
    pub peers: Vec<String>,
    /// How many packets of a million are lost.
    pub loss_ppm: u32,
    /// Units, for faults of processes.
    pub units: Vec<String>,
    /// Where disks are mounted, for those of disks.
    pub disks: Vec<String>,
    /// A cut that comes and goes: how long each of its halves lasts.
    pub flap_ms: Option<u64>,
}

impl Fault {
    /// Of all servers of a host, and of its connections with all others or those named.
    pub fn of(inventory: &Inventory, host: &Host, id: &str, kind: Kind, peers: &[&Host]) -> Fault {
        let others = inventory.hosts.iter().filter(|other| other.name != host.name);
        let peers: Vec<String> = match peers {
            [] => others.map(|other| other.data().to_owned()).collect(),
            named => named.iter().map(|other| other.data().to_owned()).collect(),
        };
        let servers = inventory.servers(host);
        Fault {
            id: format!("leasehold-field-{id}"),
            kind,
            peers,
            loss_ppm: 50_000,
            units: servers.into_iter().map(|Server { unit, .. }| unit).collect(),
            disks: host.disks.iter().map(|disk| disk.path.clone()).collect(),
            flap_ms: None,
        }
    }

    /// Begins it, with a switch that heals it after `lasts` and a little.
    pub fn begin(
        &self,
        remote: &Remote<'_>,
        host: &Host,
        lasts: Duration,
    ) -> Result<(), RemoteError> {
        remote.run(host, &self.begin_script(lasts)).map(drop)
    }

    /// Ends it, and takes the switch away.
    pub fn heal(&self, remote: &Remote<'_>, host: &Host) -> Result<(), RemoteError> {
        let Fault { id, .. } = self;
        let script =
            format!("{}\nsystemctl stop {id}.timer 2>/dev/null || true", self.heal_script());
        remote.run(host, &script).map(drop)
    }

    /// The switch is set first: a fault that is half begun is healed as well.
    pub fn begin_script(&self, lasts: Duration) -> String {
        let seconds = (lasts + SWITCH_MARGIN).as_secs();
        let (id, heal) = (&self.id, quoted(&self.heal_script()));
        let switch = match self.kind {
            Kind::Restart => String::new(),
            _ => format!("systemd-run --quiet --on-active={seconds}s --unit={id} sh -c {heal}\n"),
        };
        format!("set -e\n{switch}{}", self.inject())
    }

    fn inject(&self) -> String {
        let units = self.units.join(" ");
        let table = self.table();
        let peers = self.peers.join(", ");
        let rules = |rules: &str| {
            let make = format!("nft -f - <<'END'\ntable inet {table} {{\n{rules}}}\nEND\n");
            match self.flap_ms {
                None => make,
                Some(flap_ms) => self.flapping(&make, flap_ms),
            }
        };
        let (from, to) = (family("saddr", &self.peers), family("daddr", &self.peers));
        let input = |rule: &str| {
            format!(
                "chain i {{ type filter hook input priority -10; {from} {{ {peers} }} {rule} }}\n"
            )
        };
        let output = format!(
            "chain o {{ type filter hook output priority -10; {to} {{ {peers} }} drop; }}\n"
        );
        match self.kind {
            Kind::Restart => format!("systemctl kill --kill-whom=main -s KILL {units}\n"),
            // The unit would start it again: it is stopped in the moment in which that waits.
            Kind::Crash => {
                format!("systemctl kill --kill-whom=main -s KILL {units}\nsystemctl stop {units}\n")
            }
            Kind::Pause => format!("systemctl kill --kill-whom=main -s STOP {units}\n"),
            Kind::Isolate => rules(&(input("drop;") + &output)),
            Kind::OneWay => rules(&input("drop;")),
            Kind::Loss => {
                rules(&input(&format!("numgen random mod 1000000 < {} drop;", self.loss_ppm)))
            }
            Kind::DiskFull => self.each_disk(
                "free=$(( $(stat -f -c '%a * %S' $disk) - 32768 )); \
                 [ $free -le 4096 ] || fallocate -l $free $disk/leasehold-field-filler",
            ),
        }
    }

    /// A loop on the host cuts and heals: its halves are shorter than a connection could carry orders.
    fn flapping(&self, cut: &str, flap_ms: u64) -> String {
        let (id, table, half) = (&self.id, self.table(), flap_ms.max(20) as f64 / 1_000.0);
        let turn = format!(
            "while :; do\n{cut}sleep {half}\nnft delete table inet {table} 2>/dev/null\nsleep {half}\ndone"
        );
        format!("systemd-run --quiet --unit={id}-flap sh -c {}\n", quoted(&turn))
    }

    fn heal_script(&self) -> String {
        let units = self.units.join(" ");
        match self.kind {
            Kind::Restart => "true".to_owned(),
            Kind::Crash => format!("systemctl start --no-block {units}"),
            Kind::Pause => format!("systemctl kill --kill-whom=main -s CONT {units}"),
            Kind::Isolate | Kind::OneWay | Kind::Loss => {
                let flap = self.flap_ms.map_or_else(String::new, |_| {
                    format!("systemctl stop {}-flap.service 2>/dev/null; ", self.id)
                });
                format!("{flap}nft delete table inet {} 2>/dev/null || true", self.table())
            }
            Kind::DiskFull => self.each_disk("rm -f $disk/leasehold-field-filler"),
        }
    }

    fn each_disk(&self, script: &str) -> String {
        format!("for disk in {}; do {script}; done\n", self.disks.join(" "))
    }

    fn table(&self) -> String {
        self.id.replace('-', "_")
    }
}

fn family(field: &str, peers: &[String]) -> String {
    let six = peers.iter().any(|peer| peer.contains(':'));
    format!("{} {field}", if six { "ip6" } else { "ip" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: Kind) -> Fault {
        Fault {
            id: "leasehold-field-7".into(),
            kind,
            peers: vec!["10.0.0.2".into(), "10.0.0.3".into()],
            loss_ppm: 1_000,
            units: vec!["leasehold-chunkserver@d1.service".into()],
            disks: vec!["/srv/d1".into()],
            flap_ms: None,
        }
    }

    #[test]
    fn every_fault_that_lasts_has_its_switch_before_it_begins() {
        for kind in Kind::value_variants() {
            let script = fault(*kind).begin_script(Duration::from_secs(10));
            let lines: Vec<&str> = script.lines().collect();
            assert_eq!(lines[0], "set -e");
            if *kind != Kind::Restart {
                let switch = "systemd-run --quiet --on-active=15s --unit=leasehold-field-7 sh -c ";
                assert!(lines[1].starts_with(switch), "{script}");
            }
            let parsed = std::process::Command::new("sh").args(["-n", "-c", &script]).status();
            assert!(parsed.unwrap().success(), "{script}");
        }
    }

    #[test]
    fn a_one_way_cut_drops_what_comes_in_only() {
        let one_way = fault(Kind::OneWay).inject();
        assert!(
            one_way.contains("hook input") && one_way.contains("ip saddr { 10.0.0.2, 10.0.0.3 }")
        );
        assert!(!one_way.contains("hook output"));
        let isolated = fault(Kind::Isolate).inject();
        assert!(isolated.contains("hook output") && isolated.contains("ip daddr"));
        assert!(fault(Kind::Loss).inject().contains("mod 1000000 < 1000 drop"));
    }
}
