//! The machines of a cluster, as a person or `field lab up` describes them.

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The first port of chunkservers; each further disk of a host takes the next.
const CHUNKSERVER_PORT: u16 = 7410;
const MASTER_PORT: u16 = 7400;
/// A monitor's port is that of its server and this.
const METRICS_ABOVE: u16 = 2000;

/// An inventory file.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// What all hosts have in common.
    pub cluster: ClusterPart,
    /// The machines.
    #[serde(rename = "host")]
    pub hosts: Vec<Host>,
    /// Keys of every server's configuration, such as `lease_duration = "12s"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, toml::Value>,
}

/// What all hosts have in common.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ClusterPart {
    /// Written to every host by `put`: what another cluster uses is neither overwritten nor wiped.
    pub id: String,
    /// Who logs in; as ssh has it if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What makes a command the superuser's, such as `sudo -n`; nothing if `user` is root.
    #[serde(default, rename = "become", skip_serializing_if = "Option::is_none")]
    pub elevate: Option<String>,
    /// Options of ssh, as of its `-o`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_options: Vec<String>,
    /// A command before each ssh, for hosts in a network that this process is not in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// A machine.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// By which people and reports name it.
    pub name: String,
    /// Where ssh reaches it.
    pub ssh: String,
    /// The address that servers listen at and announce; `ssh` if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Failure domain.
    #[serde(default)]
    pub rack: u32,
    /// What runs there.
    pub roles: BTreeSet<Role>,
    /// Of a chunkserver: one server for each.
    #[serde(default, rename = "disk", skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Disk>,
}

/// What a host does.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A master.
    Master,
    /// A chunkserver for each of its disks.
    Chunkserver,
    /// Commands of clients run there; in measurements, on no server.
    Client,
}

/// A chunkserver's disk.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Names unit and configuration: `leasehold-chunkserver@NAME`.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// It is a directory of the system's disk, and no disk of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub directory: bool,
    /// Bytes to offer, as `--capacity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<String>,
}

/// A server that a host runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its unit.
    pub unit: String,
    /// Its configuration file on the host.
    pub config: String,
    /// Its directory on the host.
    pub data_dir: String,
    /// The directory that has to be a mount point before anything is begun.
    pub mount: Option<String>,
    /// `master` or `chunkserver`.
    pub role: &'static str,
    /// What the configuration file contains.
    pub text: String,
    /// Where the monitor reads, of that host.
    pub metrics_port: u16,
}

impl Inventory {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Inventory> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("inventory {}", path.display()))?;
        Inventory::parse(&text).with_context(|| format!("inventory {}", path.display()))
    }

    /// Checks a text.
    pub fn parse(text: &str) -> Result<Inventory> {
        let inventory: Inventory = toml::from_str(text)?;
        inventory.check()?;
        Ok(inventory)
    }

    fn check(&self) -> Result<()> {
        word("cluster.id", &self.cluster.id)?;
        let mut names = BTreeSet::new();
        for host in &self.hosts {
            word("host.name", &host.name)?;
            let name = &host.name;
            if !names.insert(name) {
                bail!("two hosts are named {name:?}: each needs a name of its own");
            }
            for (key, address) in [("ssh", Some(&host.ssh)), ("data", host.data.as_ref())] {
                if address.is_some_and(|address| address.is_empty() || address.starts_with('-')) {
                    bail!("host {name}: {key} = {address:?} is not an address or a name");
                }
            }
            if host.roles.contains(&Role::Chunkserver) == host.disks.is_empty() {
                bail!(
                    "host {name}: a chunkserver has one [[host.disk]] or more, with name and path; \
                     other hosts have none"
                );
            }
            let mut disks = BTreeSet::new();
            for disk in &host.disks {
                word("disk.name", &disk.name)?;
                let path = &disk.path;
                let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
                let sound = path.starts_with('/') && path.len() > 1 && path.chars().all(plain);
                if !sound || path.split('/').any(|part| part == "..") {
                    bail!("host {name}: disk path {path:?} is not a plain absolute path");
                }
                if !disks.insert(&disk.name) || disk.name == "master" {
                    bail!("host {name}: a second disk {:?}, or \"master\"", disk.name);
                }
            }
        }
        match self.masters().count() {
            1 | 3 | 5 | 7 => Ok(()),
            masters => bail!(
                "{masters} hosts have the role \"master\": write 1, 3 or 5, since an even number \
                 survives no more losses than one less"
            ),
        }
    }

    /// The hosts that run a master, in order; the first one's number is 1.
    pub fn masters(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.roles.contains(&Role::Master))
    }

    /// The masters' addresses, as clients take them.
    pub fn master_addresses(&self) -> Vec<String> {
        self.masters().map(|host| socket(host.data(), MASTER_PORT)).collect()
    }

    /// One host by name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        let known =
            || self.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>().join(", ");
        self.hosts
            .iter()
            .find(|host| host.name == name)
            .with_context(|| format!("no host is named {name:?}; there are {}", known()))
    }

    /// Where commands of clients run: a client's host, or else the first master's.
    pub fn client(&self) -> &Host {
        let client = self.hosts.iter().find(|host| host.roles.contains(&Role::Client));
        client.or_else(|| self.masters().next()).expect("checked: there is a master")
    }

    /// How many chunkservers there are.
    pub fn chunkservers(&self) -> usize {
        self.hosts.iter().map(|host| host.disks.len()).sum()
    }

    /// The servers of a host, the master first.
    pub fn servers(&self, host: &Host) -> Vec<Server> {
        let master = self.masters().zip(1..).find(|(master, _)| master.name == host.name);
        let master = master.map(|(_, node)| self.master(host, node));
        let disks = host.disks.iter().zip(0..);
        let disks = disks.map(|(disk, index)| self.chunkserver(host, disk, index));
        master.into_iter().chain(disks).collect()
    }

    fn master(&self, host: &Host, node: u32) -> Server {
        let mut table = self.table(host, MASTER_PORT);
        let data_dir = "/var/lib/leasehold/master".to_owned();
        table.insert("data_dir".into(), data_dir.clone().into());
        table.insert("node".into(), i64::from(node).into());
        let addresses = self.master_addresses();
        if addresses.len() > 1 {
            let peers = addresses.iter().zip(1..).map(|(address, n)| format!("{n}@{address}"));
            table.insert("peers".into(), peers.collect::<Vec<_>>().into());
        }
        Server {
            unit: "leasehold-master.service".into(),
            config: "/etc/leasehold/master.toml".into(),
            data_dir,
            mount: None,
            role: "master",
            text: toml::to_string(&table).expect("plain values"),
            metrics_port: MASTER_PORT + METRICS_ABOVE,
        }
    }

    fn chunkserver(&self, host: &Host, disk: &Disk, index: u16) -> Server {
        let port = CHUNKSERVER_PORT + index;
        let mut table = self.table(host, port);
        let data_dir = format!("{}/leasehold", disk.path.trim_end_matches('/'));
        table.insert("data_dir".into(), data_dir.clone().into());
        table.insert("masters".into(), self.master_addresses().into());
        table.insert("rack".into(), i64::from(host.rack).into());
        if let Some(capacity) = &disk.capacity {
            table.insert("capacity".into(), capacity.clone().into());
        }
        Server {
            unit: format!("leasehold-chunkserver@{}.service", disk.name),
            config: format!("/etc/leasehold/chunkserver-{}.toml", disk.name),
            data_dir,
            mount: (!disk.directory).then(|| disk.path.clone()),
            role: "chunkserver",
            text: toml::to_string(&table).expect("plain values"),
            metrics_port: port + METRICS_ABOVE,
        }
    }

    fn table(&self, host: &Host, port: u16) -> toml::Table {
        let mut table: toml::Table = self.constants.clone().into_iter().collect();
        table.insert("listen".into(), socket(host.data(), port).into());
        table.insert("metrics".into(), format!("127.0.0.1:{}", port + METRICS_ABOVE).into());
        table
    }
}

impl Host {
    /// Where servers listen.
    pub fn data(&self) -> &str {
        self.data.as_deref().unwrap_or(&self.ssh)
    }
}

impl Server {
    /// The drop-in that lets a unit write where its disk is mounted, and wait for the mount.
    pub fn drop_in(&self) -> Option<String> {
        if self.data_dir.starts_with("/var/lib/leasehold/") {
            return None;
        }
        let mount = self.mount.as_ref().map(|path| format!("[Unit]\nRequiresMountsFor={path}\n"));
        let mount = mount.unwrap_or_default();
        Some(format!("{mount}[Service]\nReadWritePaths={}\n", self.data_dir))
    }
}

fn socket(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Names become parts of paths, units and commands.
fn word(key: &str, text: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 40 || text.starts_with('-') || !text.chars().all(plain) {
        bail!("{key} = {text:?}: write small letters, digits and hyphens, 40 at the most");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = r#"
[cluster]
id = "b7f3"
user = "admin"
become = "sudo -n"
[[host]]
name = "s1"
ssh = "203.0.113.11"
data = "10.0.0.11"
rack = 1
roles = ["master", "chunkserver"]
[[host.disk]]
name = "d1"
path = "/srv/d1"
capacity = "1TiB"
[[host.disk]]
name = "d2"
path = "/srv/d2"
[[host]]
name = "s2"
ssh = "203.0.113.12"
roles = ["master"]
[[host]]
name = "s3"
ssh = "203.0.113.13"
roles = ["master", "client"]
[constants]
lease_duration = "20s"
"#;

    #[test]
    fn servers_have_configurations_of_their_own() {
        let inventory = Inventory::parse(THREE).unwrap();
        let servers = inventory.servers(&inventory.hosts[0]);
        let units: Vec<_> = servers.iter().map(|server| server.unit.as_str()).collect();
        let expected = [
            "leasehold-master.service",
            "leasehold-chunkserver@d1.service",
            "leasehold-chunkserver@d2.service",
        ];
        assert_eq!(units, expected);
        let master: toml::Table = toml::from_str(&servers[0].text).unwrap();
        assert_eq!(master["listen"].as_str(), Some("10.0.0.11:7400"));
        assert_eq!(master["node"].as_integer(), Some(1));
        assert_eq!(master["peers"].as_array().unwrap()[1].as_str(), Some("2@203.0.113.12:7400"));
        let second: toml::Table = toml::from_str(&servers[2].text).unwrap();
        assert_eq!(second["listen"].as_str(), Some("10.0.0.11:7411"));
        assert_eq!(second["metrics"].as_str(), Some("127.0.0.1:9411"));
        assert_eq!(second["data_dir"].as_str(), Some("/srv/d2/leasehold"));
        assert_eq!(second["lease_duration"].as_str(), Some("20s"));
        assert!(!second.contains_key("capacity") && !second.contains_key("peers"));
        assert_eq!(inventory.client().name, "s3");
    }

    #[test]
    fn a_unit_may_write_its_disk_and_waits_for_the_mount() {
        let inventory = Inventory::parse(THREE).unwrap();
        let servers = inventory.servers(&inventory.hosts[0]);
        assert_eq!(servers[0].drop_in(), None);
        assert_eq!(
            servers[1].drop_in().unwrap(),
            "[Unit]\nRequiresMountsFor=/srv/d1\n[Service]\nReadWritePaths=/srv/d1/leasehold\n"
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_what_would_be_right() {
        let refused = |from: &str, to: &str| {
            let text = THREE.replacen(from, to, 1);
            assert_ne!(text, THREE);
            format!("{:#}", Inventory::parse(&text).unwrap_err())
        };
        assert!(refused("b7f3", "B7 F3").contains("small letters, digits and hyphens"));
        assert!(refused("name = \"s2\"", "name = \"s1\"").contains("two hosts are named \"s1\""));
        assert!(refused("[\"master\"]", "[\"client\"]").contains("2 hosts have the role"));
        assert!(refused("/srv/d1", "/srv/../etc").contains("not a plain absolute path"));
        assert!(refused("/srv/d1", "/srv/d1; reboot").contains("not a plain absolute path"));
        assert!(refused("[\"master\"]", "[\"master\", \"chunkserver\"]").contains("[[host.disk]]"));
        assert!(refused("rack = 1", "rak = 1").contains("unknown field `rak`"));
        assert!(refused("203.0.113.12", "-oProxyCommand=x").contains("not an address"));
        let none = Inventory::parse(THREE).unwrap();
        let none = format!("{:#}", none.host("s9").unwrap_err());
        assert_eq!(none, "no host is named \"s9\"; there are s1, s2, s3");
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        let inventory = Inventory::parse(THREE).unwrap();
        let text = toml::to_string(&inventory).unwrap();
        assert_eq!(Inventory::parse(&text).unwrap(), inventory);
    }
}
