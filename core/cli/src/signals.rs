//! The signals by which people, supervisors and a closed terminal end a process.

use crate::failure::Failure;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// All of them, listened for from its making on.
#[derive(Debug)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// None if SIGHUP was ignored when the process started (`nohup`): it outlives its terminal.
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    /// Begins to listen: from here on they do not kill the process.
    pub fn listen() -> Result<Signals, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::about("signals", error));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: (!is_ignored(SIGHUP)).then(|| listen(SignalKind::hangup())).transpose()?,
        })
    }

    /// The next one's name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            () = hangup(&mut self.hangup) => "SIGHUP",
        }
    }
}

const SIGHUP: u32 = 1;

async fn hangup(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Was this process started with the signal ignored? Listening for it would end that.
fn is_ignored(signal: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Returns when stdin is at its end.
pub async fn stdin_closed() {
    let mut byte = [0];
    let mut stdin = tokio::io::stdin();
    while matches!(stdin.read(&mut byte).await, Ok(1..)) {}
}
