//! Hosts for a trial on one machine: booted Debian systems under systemd-nspawn, each in a network
//! namespace of its own. A switch joins them and a control namespace; nothing is joined to the machine's
//! own network, so that no packet leaves.

use crate::inventory::{ClusterPart, Disk, Host, Inventory, Role};
use crate::remote::{Remote, run};
use crate::report::Report;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Namespaces and hosts are named so; a second lab on the machine is refused.
const PREFIX: &str = "leasehold-lab";
/// The first three numbers of every address.
const NETWORK: &str = "10.77.0";
const HOSTS_MAX: u8 = 32;
/// Debian's packages in a host, beside the smallest system.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,openssh-server,iproute2,nftables,procps";
/// A host is given this long to boot.
const BOOT: Duration = Duration::from_secs(180);

/// What is needed here, and the package that has it.
const TOOLS: [(&str, &str); 8] = [
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mountpoint", "util-linux"),
];

/// Where a lab keeps everything.
pub struct Lab {
    dir: PathBuf,
}

impl Lab {
    /// In this directory, which need not exist.
    pub fn new(dir: &Path) -> Result<Lab> {
        fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
        Ok(Lab { dir: dir.canonicalize()? })
    }

    /// Boots `hosts` hosts, each with a disk of its own, and writes `inventory.toml`.
    pub fn up(
        &self,
        hosts: u8,
        masters: u8,
        dedicated: bool,
        disk_mib: u32,
        report: &Report,
    ) -> Result<PathBuf> {
        ensure!((1..=HOSTS_MAX).contains(&hosts), "-n {hosts}: between 1 and {HOSTS_MAX} hosts");
        ensure!(masters <= hosts, "--masters {masters}: there are {hosts} hosts only");
        require_tools()?;
        if !namespaces()?.is_empty() {
            bail!(
                "a lab is up already: `field lab down` first, in the directory where it was made"
            );
        }
        report.timed("root file system", || self.root())?;
        let inventory = self.inventory(hosts, masters, dedicated)?;
        let up = self.boot(&inventory, disk_mib, report);
        if let Err(error) = up {
            let _ = self.down(report);
            return Err(error);
        }
        let path = self.dir.join("inventory.toml");
        fs::write(&path, toml::to_string(&inventory)?)?;
        Ok(path)
    }

    /// Stops the hosts and removes what `up` made, the cached root file system aside.
    pub fn down(&self, report: &Report) -> Result<()> {
        let pids = self.pids();
        for pid in &pids {
            signal(*pid, "TERM");
        }
        let begun = Instant::now();
        while pids.iter().any(|pid| is_nspawn(*pid)) && begun.elapsed() < Duration::from_secs(15) {
            sleep(Duration::from_millis(100));
        }
        for pid in pids.iter().filter(|pid| is_nspawn(**pid)) {
            signal(*pid, "KILL");
        }
        for name in namespaces()? {
            let inside = sh(&format!("ip netns pids {name}"))?;
            inside.split_whitespace().filter_map(|pid| pid.parse().ok()).for_each(|pid: u32| {
                signal(pid, "KILL");
            });
            sh(&format!("ip netns del {name}"))?;
        }
        let disks = fs::read_dir(self.dir.join("disks")).into_iter().flatten().flatten();
        for disk in disks.map(|entry| entry.path()).filter(|path| path.is_dir()) {
            let mounted = Command::new("mountpoint").arg("-q").arg(&disk).status()?.success();
            if mounted {
                retry(Duration::from_secs(10), || sh(&format!("umount {}", shown(&disk))))?;
            }
        }
        for part in ["disks", "run"] {
            let path = self.dir.join(part);
            if path.exists() {
                fs::remove_dir_all(&path).with_context(|| format!("{}", path.display()))?;
            }
        }
        let _ = fs::remove_file(self.dir.join("inventory.toml"));
        report.say(format!("lab: {} hosts stopped", pids.len()));
        Ok(())
    }

    /// A Debian root, made once.
    fn root(&self) -> Result<()> {
        let (root, new) = (self.dir.join("root"), self.dir.join("root.new"));
        if root.exists() {
            return Ok(());
        }
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        let mut make = Command::new("debootstrap");
        make.args(["--variant=minbase", &format!("--include={PACKAGES}"), "bookworm"]).arg(&new);
        let made = run(&mut make, &[], Duration::from_secs(1_200))?;
        ensure!(
            made.code == Some(0),
            "debootstrap ended with {:?}: {}\n    it needs Debian's package mirror; its log is {}",
            made.code,
            String::from_utf8_lossy(&made.stdout).lines().last().unwrap_or_default(),
            new.join("debootstrap/debootstrap.log").display()
        );
        // The file would win over the name that each host is given.
        let _ = fs::remove_file(new.join("etc/hostname"));
        fs::create_dir_all(new.join("srv/d1"))?;
        // What a host of a trial does not need, and would wait for.
        for unit in ["getty.target", "apt-daily.timer", "apt-daily-upgrade.timer", "fstrim.timer"] {
            let link = new.join("etc/systemd/system").join(unit);
            std::os::unix::fs::symlink("/dev/null", link)?;
        }
        fs::rename(&new, &root)?;
        Ok(())
    }

    fn inventory(&self, hosts: u8, masters: u8, dedicated: bool) -> Result<Inventory> {
        let run = self.dir.join("run");
        fs::create_dir_all(&run)?;
        let disk =
            || Disk { name: "d1".into(), path: "/srv/d1".into(), directory: false, capacity: None };
        let host = |n: u8| {
            let is_master = n <= masters;
            let serves = !(is_master && dedicated);
            let mut roles = Vec::new();
            roles.extend(is_master.then_some(Role::Master));
            roles.extend(serves.then_some(Role::Chunkserver));
            Host {
                name: format!("lab-{n}"),
                ssh: address(n),
                data: None,
                rack: u32::from(n),
                roles: roles.into_iter().collect(),
                disks: if serves { vec![disk()] } else { Vec::new() },
            }
        };
        let option = |key: &str, path: PathBuf| format!("{key}={}", path.display());
        let cluster = ClusterPart {
            id: format!("lab-{}", std::process::id()),
            user: Some("root".into()),
            elevate: None,
            ssh_options: vec![
                option("IdentityFile", run.join("key")),
                "IdentitiesOnly=yes".into(),
                option("UserKnownHostsFile", run.join("known_hosts")),
                "StrictHostKeyChecking=yes".into(),
            ],
            via: vec!["nsenter".into(), format!("--net=/run/netns/{PREFIX}-ctl")],
        };
        Ok(Inventory {
            cluster,
            hosts: (1..=hosts).map(host).collect(),
            constants: BTreeMap::new(),
        })
    }

    fn boot(&self, inventory: &Inventory, disk_mib: u32, report: &Report) -> Result<()> {
        self.keys(inventory)?;
        let switch = format!("{PREFIX}-sw");
        sh(&format!(
            "ip netns add {switch} && ip -n {switch} link add br0 type bridge && \
             ip -n {switch} link set br0 up && ip -n {switch} link set lo up"
        ))?;
        join("ctl", "ctl", &format!("{NETWORK}.1"))?;
        for (host, n) in inventory.hosts.iter().zip(1..) {
            join(&n.to_string(), &format!("h{n}"), &host.ssh)?;
            self.disk(n, disk_mib)?;
            self.nspawn(&host.name, n)?;
        }
        let remote = Remote::new(inventory)?;
        let begun = Instant::now();
        for host in &inventory.hosts {
            loop {
                match remote.run_for(host, "systemctl is-system-running --wait", BOOT) {
                    Ok(_) => break,
                    // "degraded" is an end too, with a code of its own.
                    Err(error) if error.to_string().contains("degraded") => {
                        report.say(format!("{}: up, but a unit of Debian's failed", host.name));
                        break;
                    }
                    Err(error) if begun.elapsed() > BOOT => {
                        let log = self.dir.join("run").join(format!("{}.log", host.name));
                        bail!(
                            "{} did not boot: {error}\n    its console is {}",
                            host.name,
                            shown(&log)
                        )
                    }
                    Err(_) => sleep(Duration::from_millis(300)),
                }
            }
            report.say(format!("{}: up after {:.1} s", host.name, begun.elapsed().as_secs_f64()));
        }
        Ok(())
    }

    /// A key for the hosts, and what is known of them.
    fn keys(&self, inventory: &Inventory) -> Result<()> {
        let (run, root) = (self.dir.join("run"), self.dir.join("root"));
        sh(&format!(
            "ssh-keygen -q -t ed25519 -N '' -C leasehold-lab -f {}",
            shown(&run.join("key"))
        ))?;
        let home = root.join("root/.ssh");
        fs::create_dir_all(&home)?;
        fs::copy(run.join("key.pub"), home.join("authorized_keys"))?;
        let key = fs::read_to_string(root.join("etc/ssh/ssh_host_ed25519_key.pub"))?;
        let key = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        let known: String =
            inventory.hosts.iter().map(|host| format!("{} {key}\n", host.ssh)).collect();
        fs::write(run.join("known_hosts"), known)?;
        Ok(())
    }

    /// A file system of its own, so that one host's full disk is no other's.
    fn disk(&self, n: u8, mib: u32) -> Result<()> {
        let at = self.dir.join("disks").join(n.to_string());
        fs::create_dir_all(&at)?;
        let image = shown(&self.dir.join("disks").join(format!("{n}.img")));
        let at = shown(&at);
        sh(&format!(
            "truncate -s {mib}M {image} && mkfs.ext4 -q -F -m 0 {image} && mount -o loop {image} {at}"
        ))?;
        Ok(())
    }

    fn nspawn(&self, name: &str, n: u8) -> Result<()> {
        let run = self.dir.join("run");
        let console = fs::File::create(run.join(format!("{name}.log")))?;
        let disk = self.dir.join("disks").join(n.to_string());
        let mut nspawn = Command::new("systemd-nspawn");
        nspawn
            .args(["-q", "--volatile=overlay", "--register=no", "--keep-unit", "-b"])
            .args(["--console=pipe", "--capability=CAP_NET_ADMIN"])
            .arg(format!("--network-namespace-path=/run/netns/{PREFIX}-{n}"))
            .args(["-M", name, &format!("--hostname={name}")])
            .arg(format!("--bind={}:/srv/d1", disk.display()))
            .arg("-D")
            .arg(self.dir.join("root"))
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console)
            // A Ctrl-C in the terminal is not the hosts'.
            .process_group(0);
        let child = nspawn.spawn().context("systemd-nspawn")?;
        fs::write(run.join(format!("{name}.pid")), child.id().to_string())?;
        Ok(())
    }

    /// The hosts that still run: a number that another process took over meanwhile is not one.
    fn pids(&self) -> Vec<u32> {
        let files = fs::read_dir(self.dir.join("run")).into_iter().flatten().flatten();
        let pids = files
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "pid"));
        let pids = pids.filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
        pids.filter(|pid| is_nspawn(*pid)).collect()
    }
}

fn address(n: u8) -> String {
    format!("{NETWORK}.{}", 10 + n)
}

/// A namespace with an address on the switch.
fn join(name: &str, port: &str, address: &str) -> Result<()> {
    let (space, switch) = (format!("{PREFIX}-{name}"), format!("{PREFIX}-sw"));
    sh(&format!(
        "ip netns add {space} && ip -n {space} link set lo up && \
         ip -n {space} link add eth0 type veth peer name {port} netns {switch} && \
         ip -n {space} addr add {address}/24 dev eth0 && ip -n {space} link set eth0 up && \
         ip -n {switch} link set {port} master br0 up"
    ))
    .map(drop)
}

fn namespaces() -> Result<Vec<String>> {
    let names = sh("ip netns list")?;
    let names = names.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| name.starts_with(&format!("{PREFIX}-"))).map(str::to_owned).collect())
}

fn is_nspawn(pid: u32) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words);
    // One that has ended and was not waited for has no words.
    words.starts_with("systemd-nspawn\0") && words.contains(&format!("/run/netns/{PREFIX}-"))
}

fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

fn require_tools() -> Result<()> {
    let user = sh("id -u")?;
    ensure!(user.trim() == "0", "field lab: namespaces, mounts and systemd-nspawn need root");
    let lacks = |tool: &str| !run_ok("sh", &["-c", &format!("command -v {tool}")]);
    let missing: Vec<&str> =
        TOOLS.iter().filter(|(tool, _)| lacks(tool)).map(|(_, package)| *package).collect();
    ensure!(
        missing.is_empty(),
        "field lab: apt-get install --no-install-recommends {}",
        missing.join(" ")
    );
    Ok(())
}

fn run_ok(program: &str, arguments: &[&str]) -> bool {
    let ended = run(Command::new(program).args(arguments), &[], Duration::from_secs(10));
    ended.is_ok_and(|ended| ended.code == Some(0))
}

/// A command of this machine; its stdout.
fn sh(script: &str) -> Result<String> {
    let ended = run(Command::new("sh").args(["-ec", script]), &[], Duration::from_secs(60))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.code == Some(0), "`{script}` ended with {:?}: {}", ended.code, said.trim());
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

fn retry<T>(patience: Duration, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        match work() {
            Err(_) if begun.elapsed() < patience => sleep(Duration::from_millis(200)),
            ended => return ended,
        }
    }
}

fn shown(path: &Path) -> String {
    crate::remote::quoted(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_has_the_inventory_that_a_user_writes() {
        let dir = std::env::temp_dir().join(format!("leasehold-field-test-{}", std::process::id()));
        let lab = Lab::new(&dir).unwrap();
        let inventory = lab.inventory(5, 3, false).unwrap();
        let read = Inventory::parse(&toml::to_string(&inventory).unwrap()).unwrap();
        assert_eq!(read, inventory);
        assert_eq!(read.masters().count(), 3);
        assert_eq!(read.chunkservers(), 5);
        assert_eq!(read.hosts[4].ssh, "10.77.0.15");
        assert_eq!(lab.inventory(5, 3, true).unwrap().chunkservers(), 2);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn only_our_own_processes_are_hosts() {
        assert!(!is_nspawn(std::process::id()));
        assert!(!is_nspawn(0));
    }
}
