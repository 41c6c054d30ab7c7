//! A process that may take so long and no longer, and what it used.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
#[allow(clippy::disallowed_types)] // a limit on real processes is of real time
use std::time::{Duration, Instant};

/// How often a silent process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A line that a process said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// On standard output.
    Out(String),
    /// On standard error.
    Err(String),
}

/// How a process came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Exited(ExitStatus),
    /// It was told to, since what it said was enough.
    Stopped,
    /// It used up its time.
    OutOfTime,
}

/// How much a process may use.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// CPU seconds, its own.
    pub cpu_s: u64,
    /// Seconds by the wall: what does nothing ends too.
    pub wall_s: u64,
}

/// Runs a command, gives it `input`, and shows each line that it says to `each`, which may have
/// had enough.
#[allow(clippy::disallowed_types)]
pub fn run(
    command: &mut Command,
    input: String,
    limit: Limit,
    mut each: impl FnMut(Said) -> ControlFlow<()>,
) -> Result<End> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| command.get_program().to_string_lossy().into_owned())?;
    let began = Instant::now();
    let (sender, lines) = mpsc::channel();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut stdin = child.stdin.take().context("its input")?;
    std::thread::scope(|scope| {
        let errors = sender.clone();
        scope.spawn(move || out.into_iter().for_each(|out| pass_on(out, Said::Out, &sender)));
        scope.spawn(move || err.into_iter().for_each(|err| pass_on(err, Said::Err, &errors)));
        // Whoever ends early does not read to the end: that is no failure of ours.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        let end = loop {
            match lines.recv_timeout(LOOK_EVERY).map(&mut each) {
                Ok(ControlFlow::Break(())) => break Ok(End::Stopped),
                Err(RecvTimeoutError::Disconnected) => break child.wait().map(End::Exited),
                Ok(ControlFlow::Continue(())) | Err(RecvTimeoutError::Timeout) => {}
            }
            let used = cpu_s(&format!("/proc/{}/stat", child.id()), 13).unwrap_or(0.0);
            if used >= limit.cpu_s as f64 || began.elapsed().as_secs() >= limit.wall_s {
                break Ok(End::OutOfTime);
            }
        };
        end_group(&mut child);
        Ok(end?)
    })
}

fn pass_on(pipe: impl Read, kind: fn(String) -> Said, to: &mpsc::Sender<Said>) {
    for line in BufReader::new(pipe).lines() {
        let Ok(line) = line else { return };
        if to.send(kind(line)).is_err() {
            return;
        }
    }
}

/// Ends the process and whatever it started, if something of it is left.
fn end_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Nobody left to be killed is how it mostly ends.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// CPU seconds of the children that ended.
pub fn children_cpu_s() -> Result<f64> {
    cpu_s("/proc/self/stat", 15).context("/proc/self/stat")
}

/// User and system time from two fields of a `stat` file, the first at `field`, counted from 0.
fn cpu_s(path: &str, field: usize) -> Option<f64> {
    let stat = std::fs::read_to_string(path).ok()?;
    // The second field is a name in brackets that may hold blanks.
    let rest = &stat[stat.rfind(')')? + 2..];
    let ticks = rest.split(' ').skip(field - 2).take(2).map(str::parse::<u64>);
    let ticks = ticks.collect::<Result<Vec<_>, _>>().ok()?;
    Some(ticks.iter().sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { cpu_s: 5, wall_s: 20 };

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn go_on(_: Said) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    #[test]
    fn both_streams_are_heard_and_the_input_is_given() {
        let mut said = Vec::new();
        let listen = |line| {
            said.push(line);
            ControlFlow::Continue(())
        };
        let script = "read a; echo got $a; echo wrong >&2; exit 3";
        let end = run(&mut shell(script), "word\n".to_owned(), LIMIT, listen).unwrap();
        assert!(matches!(end, End::Exited(status) if status.code() == Some(3)));
        said.sort_by_key(|line| matches!(line, Said::Err(_)));
        assert_eq!(said, [Said::Out("got word".to_owned()), Said::Err("wrong".to_owned())]);
    }

    #[test]
    fn who_said_enough_is_ended_with_what_it_started() {
        let enough = |_| ControlFlow::Break(());
        let script = "echo enough; sleep 1000 & wait";
        let end = run(&mut shell(script), String::new(), LIMIT, enough).unwrap();
        assert_eq!(end, End::Stopped);
    }

    #[test]
    fn what_takes_too_long_is_ended_and_what_it_used_is_known() {
        let limit = Limit { cpu_s: 1, wall_s: 60 };
        let script = "while :; do :; done";
        let before = children_cpu_s().unwrap();
        let end = run(&mut shell(script), String::new(), limit, go_on).unwrap();
        assert_eq!(end, End::OutOfTime);
        let cpu_s = children_cpu_s().unwrap() - before;
        assert!(cpu_s >= 0.9, "{cpu_s}");
        let idle = Limit { cpu_s: 60, wall_s: 1 };
        let end = run(&mut shell("sleep 1000"), String::new(), idle, go_on).unwrap();
        assert_eq!(end, End::OutOfTime);
    }
}
