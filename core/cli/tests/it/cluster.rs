//! One master and some chunkservers as processes, which a test kills and starts as it likes.

use crate::command::{Ended, leasehold, run, run_with, until, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Waiting times fit for tests: everything else is as in production.
pub const CONFIG: &str = "\
lease_duration = '2s'
lease_margin = '50ms'
lease_renew_interval = '500ms'
heartbeat_interval = '100ms'
server_dead_after = '1s'
retry_interval = '100ms'
member_silent_after = '500ms'
repair_delay = '500ms'
";

/// A cluster under a directory of its own.
pub struct Cluster {
    pub dir: TempDir,
    pub master: Server,
    pub chunkservers: Vec<Server>,
}

/// A server that can be started again as it was.
pub struct Server {
    arguments: Vec<String>,
    pub data_dir: PathBuf,
    pub log: PathBuf,
    process: Option<Child>,
}

impl Cluster {
    pub fn start(chunkservers: usize) -> Cluster {
        Cluster::start_in(chunkservers, |cluster, name| cluster.join(name))
    }

    /// `place` says where each server keeps its data.
    pub fn start_in(chunkservers: usize, place: impl Fn(&Path, &str) -> PathBuf) -> Cluster {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::write(dir.path().join("leasehold.toml"), CONFIG).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let data_dir = place(dir.path(), "master");
        let mut master = Server::new(dir.path(), "master", data_dir, &["--listen", &address]);
        master.start();
        let chunkservers = (1..=chunkservers)
            .map(|n| {
                let name = format!("chunkserver-{n}");
                let more = ["--master", &address, "--rack", &n.to_string()];
                let mut server = Server::new(dir.path(), &name, place(dir.path(), &name), &more);
                server.start();
                server
            })
            .collect();
        let cluster = Cluster { dir, master, chunkservers };
        cluster.wait_until_heard(cluster.chunkservers.len());
        cluster
    }

    pub fn address(&self) -> &str {
        self.master.arguments.last().unwrap()
    }

    /// A client command with this cluster's address and constants.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = leasehold();
        command.args(words).args(["--master", self.address(), "--config"]);
        command.arg(self.dir.path().join("leasehold.toml"));
        command
    }

    pub fn run(&self, words: &[&str]) -> Ended {
        run(&mut self.command(words))
    }

    pub fn run_with(&self, words: &[&str], input: &[u8]) -> Ended {
        run_with(&mut self.command(words), input)
    }

    pub fn wait_until_heard(&self, wanted: usize) {
        until(&format!("{wanted} chunkservers heard"), || {
            let ended = self.run(&["status", "--json"]).well();
            let status: serde_json::Value = serde_json::from_str(ended.text()).unwrap();
            status["servers_alive"] == wanted && status["safe_mode"] == false
        });
    }

    /// Fails the test if a server has ended.
    #[track_caller]
    pub fn all_run(&mut self) {
        for server in self.chunkservers.iter_mut().chain([&mut self.master]) {
            server.runs();
        }
    }
}

impl Server {
    pub fn new(dir: &Path, name: &str, data_dir: PathBuf, more: &[&str]) -> Server {
        let role = name.split('-').next().unwrap();
        let config = dir.join("leasehold.toml");
        let mut arguments: Vec<String> = [role, "--config", config.to_str().unwrap()]
            .iter()
            .chain(&["--init-if-missing", "--data-dir", data_dir.to_str().unwrap()])
            .map(ToString::to_string)
            .collect();
        arguments.extend(more.iter().map(ToString::to_string));
        Server { arguments, data_dir, log: dir.join(format!("{name}.log")), process: None }
    }

    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs");
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let mut command = leasehold();
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().unwrap());
    }

    /// The command that would start it a second time.
    pub fn command(&self) -> Command {
        let mut command = leasehold();
        command.args(&self.arguments);
        command
    }

    /// kill -9.
    /// The command of an operator, on some directory: it begins one only if `flags` say so.
    pub fn command_in(&self, data_dir: &Path, flags: &[&str]) -> Command {
        let (usual, data_dir) = (self.data_dir.to_str().unwrap(), data_dir.to_str().unwrap());
        let words = self.arguments.iter().filter(|word| *word != "--init-if-missing");
        let words = words.map(|word| if word == usual { data_dir } else { word });
        let mut command = leasehold();
        command.args(words).args(flags).stdin(Stdio::null());
        command
    }

    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("it runs");
        signal(process.id(), Signal::TERM);
        wait(&mut process, Duration::from_secs(20)).expect("it stops in time").code()
    }

    /// Waits until it ends by itself; its exit code.
    pub fn ends(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("it runs");
        wait(&mut process, Duration::from_secs(20)).expect("it ends in time").code()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    /// Sends it a signal.
    pub fn signal(&self, what: Signal) {
        signal(self.process.as_ref().expect("it runs").id(), what);
    }

    #[track_caller]
    pub fn runs(&mut self) {
        let ended = self.process.as_mut().expect("it was started").try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// A port below the range from which the system serves outgoing connections, so that nobody takes
/// it while its server is down.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    loop {
        let port = base + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Bytes without a pattern that a mistake could repeat (xorshift64*).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes()
    };
    let mut bytes: Vec<u8> =
        std::iter::repeat_with(&mut next).take(length / 8 + 1).flatten().collect();
    bytes.truncate(length);
    bytes
}

/// Equality whose failure does not print megabytes.
#[track_caller]
pub fn assert_same(found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "lengths differ");
    let at = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(at, None, "the first byte that differs");
}
