//! Running `leasehold` once, within a limit of time.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// Longer than any command here needs on a slow machine under load.
const LIMIT: Duration = Duration::from_secs(120);

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Ended {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Fails the test unless the command did what it was asked.
    #[track_caller]
    pub fn well(self) -> Ended {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.lossy(), self.stderr);
        self
    }

    /// Fails the test unless the command ended with this code and said this.
    #[track_caller]
    pub fn fails(self, code: i32, says: &str) -> Ended {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.lossy(), self.stderr);
        assert!(self.stderr.contains(says), "{says:?} is not in {:?}", self.stderr);
        self
    }

    fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(4096)]).into_owned()
    }
}

/// The binary under test, without anything of this process's environment that it reads.
pub fn leasehold() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leasehold"));
    for name in ["LEASEHOLD_MASTER", "LEASEHOLD_CONFIG", "RUST_LOG"] {
        command.env_remove(name);
    }
    command
}

/// A command on its way. Killed if the test ends first.
pub struct Started {
    pub child: Child,
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

/// Starts a command; its output is gathered, unless the test takes its stdout from `child`
/// before `end`.
pub fn start(command: &mut Command, take_stdout: bool) -> Started {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = if take_stdout { None } else { child.stdout.take().map(gather) };
    let stderr = child.stderr.take().map(gather);
    Started { child, stdout, stderr }
}

/// Runs a command to its end with nothing on its stdin.
pub fn run(command: &mut Command) -> Ended {
    start(command, false).end()
}

/// Runs a command to its end with `input` on its stdin.
pub fn run_with(command: &mut Command, input: &[u8]) -> Ended {
    let mut started = start(command, false);
    // A command that ends early closes the pipe; its exit code says whether that is right.
    let _ = started.stdin().write_all(input);
    started.end()
}

impl Started {
    pub fn stdin(&mut self) -> &mut ChildStdin {
        self.child.stdin.as_mut().unwrap()
    }

    /// Closes its stdin and waits for its end.
    pub fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let status = wait(&mut self.child, LIMIT).expect("the command must end in time");
        let join = |handle: JoinHandle<Vec<u8>>| handle.join().unwrap();
        let stdout = self.stdout.take().map(join).unwrap_or_default();
        let stderr = self.stderr.take().map(join).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ended { code: status.code(), stdout, stderr }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn gather(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

/// Waits for a child's end; none if it takes longer than `limit`.
pub fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        sleep(Duration::from_millis(10));
    }
    None
}

/// Waits until `done`, for a minute at the most.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "still not: {what}");
        sleep(Duration::from_millis(50));
    }
}
