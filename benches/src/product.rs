//! The product under measurement: masters and chunkservers as processes on loopback, under one
//! directory, and its client commands.

use crate::policy::Policy;
use crate::process::{Process, Usage};
use anyhow::{Context, Result, bail, ensure};
use leasehold_proto::NodeId;
use leasehold_store::Written;
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running cluster.
#[derive(Debug)]
pub struct Product {
    binary: PathBuf,
    masters: Vec<SocketAddr>,
    /// The servers, the masters first.
    pub servers: Vec<Process>,
}

impl Product {
    /// Starts a fresh cluster under `dir` and waits until all its chunkservers are heard.
    pub fn start(
        binary: &Path,
        dir: &Path,
        masters: usize,
        chunkservers: usize,
    ) -> Result<Product> {
        let masters = (0..masters).map(|_| free_address()).collect::<Result<Vec<_>>>()?;
        let mut product = Product { binary: binary.to_owned(), masters, servers: Vec::new() };
        product.serve_masters(dir)?;
        for n in 1..=chunkservers {
            let (name, data) = (format!("chunkserver-{n}"), dir.join(format!("chunkserver-{n}")));
            let masters = ["--master".to_owned(), product.addresses()];
            product.serve(&name, "chunkserver", free_address()?, &data, &masters)?;
        }
        product.wait_until_heard(chunkservers)?;
        Ok(product)
    }

    /// A single master has no peers.
    fn serve_masters(&mut self, dir: &Path) -> Result<()> {
        if let [master] = self.masters[..] {
            return self.serve("master", "master", master, &dir.join("master"), &[]);
        }
        for number in 1..=self.masters.len() {
            let mut command = self.peer(dir, number)?;
            command.arg("--bootstrap");
            self.servers.push(Process::spawn(format!("master-{number}"), &mut command)?);
        }
        Ok(())
    }

    /// Starts one of several masters, counted from 1, again on its disk.
    pub fn restart_master(&mut self, dir: &Path, number: usize) -> Result<()> {
        let mut command = self.peer(dir, number)?;
        self.servers[number - 1] = Process::spawn(format!("master-{number}"), &mut command)?;
        Ok(())
    }

    /// One of several masters.
    fn peer(&self, dir: &Path, number: usize) -> Result<Command> {
        let peers: Vec<String> =
            self.masters.iter().zip(1..).map(|(address, n)| format!("{n}@{address}")).collect();
        let data = dir.join(format!("master-{number}"));
        let mut command = self.server("master", self.masters[number - 1], &data)?;
        command.args(["--node", &number.to_string(), "--peer", &peers.join(",")]);
        Ok(command)
    }

    /// The masters, as a client learns of them.
    fn addresses(&self) -> String {
        let masters: Vec<String> = self.masters.iter().map(ToString::to_string).collect();
        masters.join(",")
    }

    fn serve(
        &mut self,
        name: &str,
        role: &str,
        listen: SocketAddr,
        data: &Path,
        more: &[String],
    ) -> Result<()> {
        let mut command = self.server(role, listen, data)?;
        self.servers.push(Process::spawn(name, command.args(more))?);
        Ok(())
    }

    fn server(&self, role: &str, listen: SocketAddr, data: &Path) -> Result<Command> {
        fs::create_dir_all(data)?;
        let mut command = Command::new(&self.binary);
        command
            .args([role, "--listen", &listen.to_string(), "--log", "warn", "--data-dir"])
            .arg(data)
            .stdout(Stdio::null());
        // An executable of before has no such flag, and is compared with.
        let help = Command::new(&self.binary).args([role, "--help"]).output()?;
        let knows = String::from_utf8_lossy(&help.stdout).contains("--init");
        command.args(knows.then_some("--init-if-missing"));
        Ok(command)
    }

    fn wait_until_heard(&self, chunkservers: usize) -> Result<()> {
        let asked = Instant::now();
        let wanted = format!("\"servers_alive\": {chunkservers}");
        while asked.elapsed() < Duration::from_secs(120) {
            for server in &self.servers {
                ensure!(!server.has_ended()?, "{} ended at its start", server.name);
            }
            let mut ask = self.command(if chunkservers == 0 { "stat" } else { "status" });
            // Without chunkservers any answer is enough: this one costs the same in any namespace.
            ask.args((chunkservers == 0).then_some("/"));
            let output = ask.args(["--json", "--timeout", "2s"]).output()?;
            let said = String::from_utf8_lossy(&output.stdout);
            if output.status.success() && (chunkservers == 0 || said.contains(&wanted)) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("the cluster's servers were not heard within 120 s")
    }

    /// A command of a client.
    pub fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args([verb, "--master", &self.addresses()]);
        command
    }

    /// Where the masters listen.
    pub fn masters(&self) -> &[SocketAddr] {
        &self.masters
    }

    /// What the disk of the master that leads was given so far.
    pub fn written(&self) -> Result<Written> {
        let output = self.command("status").arg("--json").output()?;
        ensure!(output.status.success(), "status failed: {}", output.status);
        let status: Value = serde_json::from_slice(&output.stdout)?;
        let leads = |master: &&Value| master["role"] == "leader" || master["role"] == "alone";
        let masters = status["masters"].as_array().context("status names no masters")?;
        let leader = masters.iter().find(leads).context("no master leads")?;
        let number = |key: &str| leader["written"][key].as_u64().context("a count is missing");
        Ok(Written { entries: number("entries")?, syncs: number("syncs")? })
    }

    /// Stores `file` as `path`.
    pub fn put(&self, file: &Path, path: &str, policy: Policy) -> Result<(Duration, Usage)> {
        let mut command = self.command("put");
        command.args(["--replicas", "3", "--sync", policy.name()]).arg(file).arg(path);
        Process::spawn("client", &mut command)?.finish()
    }

    /// Reads `path` and throws it away.
    pub fn get(&self, path: &str) -> Result<(Duration, Usage)> {
        let mut command = self.command("get");
        command.args([path, "-"]).stdout(Stdio::null());
        Process::spawn("client", &mut command)?.finish()
    }

    /// Reads `path` into `file`, which must not exist.
    pub fn get_into(&self, path: &str, file: &Path) -> Result<()> {
        let status = self.command("get").arg(path).arg(file).status()?;
        ensure!(status.success(), "get failed: {status}");
        Ok(())
    }

    /// What each server has used so far.
    pub fn usage(&self) -> Result<Vec<Usage>> {
        self.servers
            .iter()
            .map(|server| server.usage().with_context(|| server.name.clone()))
            .collect()
    }

    /// Stops the servers, chunkservers first.
    pub fn stop(&mut self) -> Result<()> {
        self.servers.iter_mut().rev().try_for_each(Process::stop)
    }
}

/// What every benchmark is told.
#[derive(Debug, clap::Args)]
pub struct Places {
    /// The product's binary [default: `leasehold` beside this program, built if cargo runs us]
    #[arg(long)]
    leasehold: Option<PathBuf>,
    /// Where every file goes; made if need be, emptied of our files afterwards
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Where the CSV files go
    #[arg(long, default_value = "reports/out")]
    pub out: PathBuf,
}

impl Places {
    /// The product's binary: the one given, or `leasehold` beside this program. Under `cargo run`
    /// it is built first: an old one would be measured silently.
    pub fn binary(&self, this: &Path) -> Result<PathBuf> {
        if let Some(product) = &self.leasehold {
            return Ok(product.clone());
        }
        if let Some(cargo) = std::env::var_os("CARGO") {
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "--package", "leasehold-cli"]);
            build.args((!cfg!(debug_assertions)).then_some("--release"));
            ensure!(build.status()?.success(), "the product does not build");
        }
        let product = this.with_file_name("leasehold");
        ensure!(product.exists(), "{}: build it first, or give --leasehold", product.display());
        Ok(product)
    }

    /// The folder of every file, there and by its full name.
    pub fn made(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.dir).with_context(|| self.dir.display().to_string())?;
        Ok(self.dir.canonicalize()?)
    }
}

/// Names a session: the time and this process, which no other session of a benchmark shares.
pub fn session() -> NodeId {
    let now_ms = leasehold_runtime::clock::wall_clock_ms();
    NodeId(now_ms << 16 | u64::from(std::process::id() & 0xffff))
}

/// A loopback address that was free a moment ago; nothing else on a measuring machine should be
/// taking ports in between.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
