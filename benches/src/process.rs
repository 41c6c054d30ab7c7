//! A process that is being measured: its wall time, CPU time and peak memory, from /proc.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU seconds in user space.
    pub user_s: f64,
    /// CPU seconds in the kernel.
    pub system_s: f64,
    /// Peak resident memory in bytes (VmHWM).
    pub peak_rss_bytes: u64,
}

impl Usage {
    /// What two used together, and the higher peak.
    pub fn and(self, other: Usage) -> Usage {
        Usage {
            user_s: self.user_s + other.user_s,
            system_s: self.system_s + other.system_s,
            peak_rss_bytes: self.peak_rss_bytes.max(other.peak_rss_bytes),
        }
    }

    /// What was used since `earlier`; the peak stays what it is.
    pub fn since(self, earlier: Usage) -> Usage {
        Usage {
            user_s: self.user_s - earlier.user_s,
            system_s: self.system_s - earlier.system_s,
            ..self
        }
    }
}

/// A child process; killed if it is dropped before it ended.
#[derive(Debug)]
pub struct Process {
    /// Its role, as the report names it.
    pub name: String,
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    started: Instant,
}

impl Process {
    /// Starts it. Its stderr is ours; its stdout is read by `line`, unless `command` set one.
    pub fn spawn(name: impl Into<String>, command: &mut Command) -> Result<Process> {
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| command.get_program().to_string_lossy().into_owned())?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Process { name: name.into(), child, stdout, started })
    }

    /// The next line of its stdout, without the line's end.
    pub fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stdout.as_mut().context("its stdout is not piped")?.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{} ended before it said anything", self.name);
        Ok(line.trim_end().to_owned())
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let (user_s, system_s) = cpu_seconds(self.child.id())?;
        let peak_rss_bytes = peak_rss_bytes(self.child.id()).context("no VmHWM")?;
        Ok(Usage { user_s, system_s, peak_rss_bytes })
    }

    /// Its resident memory (VmRSS).
    pub fn rss_bytes(&self) -> Result<u64> {
        status_bytes(self.child.id(), "VmRSS:").context("no VmRSS")
    }

    /// Waits until it ends well; tells how long it ran and what it used.
    ///
    /// CPU time is read from the zombie, after the last instruction and before it is reaped. The
    /// kernel frees the memory's account earlier, so the peak is sampled: growth within the last
    /// 10 ms is missed.
    pub fn finish(mut self) -> Result<(Duration, Usage)> {
        let pid = self.child.id();
        let (ended, peak) = (AtomicBool::new(false), AtomicU64::new(0));
        let waited = thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    if let Some(bytes) = peak_rss_bytes(pid) {
                        peak.fetch_max(bytes, Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(10));
                }
            });
            let waited = wait_unreaped(pid);
            let elapsed = self.started.elapsed();
            ended.store(true, Ordering::Relaxed);
            waited.map(|()| elapsed)
        });
        let elapsed = waited?;
        let (user_s, system_s) = cpu_seconds(pid)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{} failed: {status}", self.name);
        let peak_rss_bytes = peak.load(Ordering::Relaxed);
        Ok((elapsed, Usage { user_s, system_s, peak_rss_bytes }))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(pid_of(self.child.id()), signal)?)
    }

    /// Asks it to stop and waits, for 10 s at the most.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > Duration::from_secs(10) {
                bail!("{} did not stop within 10 s of SIGTERM", self.name);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// True if it has ended by itself. It is not reaped: `finish` may still ask what it used.
    pub fn has_ended(&self) -> Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let ended = waitid(WaitId::Pid(pid_of(self.child.id())), look).context("waitid")?;
        Ok(ended.is_some())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // A failed run must not leave servers behind; there is nobody to tell if this fails.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn pid_of(id: u32) -> Pid {
    let id = i32::try_from(id).expect("a pid fits into 31 bits");
    Pid::from_raw(id).expect("no child has pid 0")
}

fn wait_unreaped(id: u32) -> Result<()> {
    loop {
        match waitid(WaitId::Pid(pid_of(id)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("waitid"),
        }
    }
}

/// User and system time; see proc_pid_stat(5). The command's name may hold spaces and brackets,
/// so fields are counted after the last one.
fn cpu_seconds(pid: u32) -> Result<(f64, f64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no ')' in /proc/PID/stat")?;
    let field = |n: usize| -> Result<f64> {
        let ticks: u64 =
            fields.split_whitespace().nth(n).context("short /proc/PID/stat")?.parse()?;
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    };
    Ok((field(11)?, field(12)?))
}

fn peak_rss_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM:")
}

/// A size in /proc/PID/status.
fn status_bytes(pid: u32, key: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
