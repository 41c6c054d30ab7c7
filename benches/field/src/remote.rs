//! Commands on hosts, over OpenSSH's own client: one connection a host, shared by all commands of a run.

use crate::inventory::{Host, Inventory};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A command of an operator ends within this time, unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A command that failed on a host.
#[derive(Debug)]
pub struct RemoteError {
    host: String,
    command: String,
    why: String,
    advice: Option<&'static str>,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: `{}`: {}", self.host, self.command, self.why)?;
        self.advice.map_or(Ok(()), |advice| write!(f, "\n    {advice}"))
    }
}

impl std::error::Error for RemoteError {}

/// The way to every host of an inventory.
pub struct Remote<'a> {
    inventory: &'a Inventory,
    /// Holds the connections' sockets; removed at the end.
    sockets: PathBuf,
}

impl<'a> Remote<'a> {
    /// Opens nothing yet: the first command to a host does.
    pub fn new(inventory: &'a Inventory) -> io::Result<Remote<'a>> {
        // A socket's path has about 100 bytes at the most; the directory is private to this user.
        let sockets = std::env::temp_dir().join(format!("lhf-{}", std::process::id()));
        std::fs::create_dir(&sockets)?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&sockets, mode)?;
        Ok(Remote { inventory, sockets })
    }

    /// Runs a shell script as the superuser; its stdout.
    pub fn run(&self, host: &Host, script: &str) -> Result<String, RemoteError> {
        self.run_for(host, script, PATIENCE)
    }

    /// As [`Remote::run`], for so long.
    pub fn run_for(
        &self,
        host: &Host,
        script: &str,
        patience: Duration,
    ) -> Result<String, RemoteError> {
        let output = self.output(host, script, &[], patience)?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Runs a shell script with `input` as its stdin; its stdout.
    pub fn output(
        &self,
        host: &Host,
        script: &str,
        input: &[u8],
        patience: Duration,
    ) -> Result<Vec<u8>, RemoteError> {
        let fail = |why: String, advice| RemoteError {
            host: host.name.clone(),
            command: first_line(script),
            why,
            advice,
        };
        let mut ssh = self.ssh(host);
        ssh.arg("--").arg(self.elevated(script));
        let ended =
            run(&mut ssh, input, patience).map_err(|error| fail(error.to_string(), None))?;
        match ended.code {
            Some(0) => Ok(ended.stdout),
            Some(255) => Err(fail(
                last_lines(&ended.stderr),
                Some("ssh could not log in: try it by hand with the same user and address"),
            )),
            Some(code) => {
                let mut said = last_lines(&ended.stderr);
                if said.is_empty() {
                    said = last_lines(&ended.stdout);
                }
                Err(fail(format!("ended with {code}: {said}"), None))
            }
            None => Err(fail(
                format!("did not end within {} s", patience.as_secs()),
                Some("the host may be cut off or overloaded; it may still run there"),
            )),
        }
    }

    /// Writes a file on a host, whole or not at all.
    pub fn write(
        &self,
        host: &Host,
        path: &str,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), RemoteError> {
        let path = quoted(path);
        let script = format!(
            "umask 077; mkdir -p \"$(dirname {path})\" && cat > {path}.new && \
             chmod {mode:o} {path}.new && mv {path}.new {path}"
        );
        self.output(host, &script, bytes, Duration::from_secs(600)).map(drop)
    }

    fn ssh(&self, host: &Host) -> Command {
        let cluster = &self.inventory.cluster;
        let mut words = cluster.via.iter().map(String::as_str).chain(["ssh"]);
        let mut command = Command::new(words.next().expect("ssh at the least"));
        command.args(words);
        let socket = self.sockets.join("%n");
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=10",
            "ServerAliveInterval=5",
            "ServerAliveCountMax=3",
            "ControlMaster=auto",
            // If this process is killed, nothing stays for long.
            "ControlPersist=120",
            "LogLevel=ERROR",
            &format!("ControlPath={}", socket.display()),
            &format!("HostName={}", host.ssh),
        ] {
            command.args(["-o", option]);
        }
        for option in &cluster.ssh_options {
            command.args(["-o", option]);
        }
        if let Some(user) = &cluster.user {
            command.args(["-l", user]);
        }
        command.arg(&host.name);
        command
    }

    fn elevated(&self, script: &str) -> String {
        match self.inventory.cluster.elevate.as_deref().map(str::trim) {
            None | Some("") => format!("sh -c {}", quoted(script)),
            Some(elevate) => format!("{elevate} sh -c {}", quoted(script)),
        }
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        for host in &self.inventory.hosts {
            if self.sockets.join(&host.name).exists() {
                let mut ssh = self.ssh(host);
                ssh.args(["-O", "exit"]).stdin(Stdio::null()).stdout(Stdio::null());
                let _ = ssh.stderr(Stdio::null()).status();
            }
        }
        let _ = std::fs::remove_dir_all(&self.sockets);
    }
}

/// How a local command ended; no code if it was killed because its time was over.
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained of.
    pub stderr: Vec<u8>,
}

/// Runs a local command within a limit of time.
pub fn run(command: &mut Command, input: &[u8], patience: Duration) -> io::Result<Ended> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("it is a pipe");
    let mut stdout = child.stdout.take().expect("it is a pipe");
    let mut stderr = child.stderr.take().expect("it is a pipe");
    thread::scope(|scope| {
        // A command that ends early closes the pipe; its code says whether that is right.
        scope.spawn(move || drop(stdin.write_all(input)));
        let out = scope.spawn(move || read_all(&mut stdout));
        let err = scope.spawn(move || read_all(&mut stderr));
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = child.try_wait()? {
                break status.code();
            }
            if begun.elapsed() > patience {
                child.kill()?;
                child.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = (out.join().expect("it only reads"), err.join().expect("likewise"));
        Ok(Ended { code, stdout, stderr })
    })
}

fn read_all(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error is all there is.
    let _ = from.read_to_end(&mut bytes);
    bytes
}

/// What each host made of it, all at once and in the order of the inventory.
pub fn each<'h, T: Send>(
    hosts: impl IntoIterator<Item = &'h Host>,
    work: impl Fn(&Host) -> T + Sync,
) -> Vec<(&'h Host, T)> {
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> =
            hosts.into_iter().map(|host| (host, scope.spawn(move || work(host)))).collect();
        let ended = running.into_iter();
        ended.map(|(host, work)| (host, work.join().expect("the work does not panic"))).collect()
    })
}

/// Quotes a string for a POSIX shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What names a script in a message.
fn first_line(script: &str) -> String {
    let line = script.trim().lines().next().unwrap_or_default();
    if line.chars().count() <= 100 {
        return line.to_owned();
    }
    line.chars().take(97).chain("...".chars()).collect()
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}

/// Where a local file is, for messages.
pub fn readable(path: &Path) -> anyhow::Result<Vec<u8>> {
    use anyhow::Context;
    std::fs::read(path).with_context(|| format!("{}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(elevate: &str) -> Inventory {
        let elevate =
            if elevate.is_empty() { String::new() } else { format!("become = {elevate:?}") };
        Inventory::parse(&format!(
            "[cluster]\nid = 'x'\nvia = ['sh', '-c', 'shift; exec sh -c \"${{@: -1}}\"']\n{elevate}\n\
             [[host]]\nname = 's1'\nssh = '192.0.2.1'\nroles = ['master']\n"
        ))
        .unwrap()
    }

    #[test]
    fn words_survive_a_shell() {
        for text in ["plain", "it's", "$(x) `y` \"z\"", "a\nb", "''"] {
            let mut echo = Command::new("sh");
            echo.args(["-c", &format!("printf %s {}", quoted(text))]);
            let ended = run(&mut echo, &[], PATIENCE).unwrap();
            assert_eq!(String::from_utf8(ended.stdout).unwrap(), text);
        }
    }

    #[test]
    fn a_script_is_the_superusers_as_the_inventory_says() {
        for (elevate, expected) in
            [("", "sh -c 'echo '\\''a'\\'''"), ("sudo -n", "sudo -n sh -c 'echo '\\''a'\\'''")]
        {
            let inventory = inventory(elevate);
            let remote = Remote { inventory: &inventory, sockets: "/nowhere".into() };
            assert_eq!(remote.elevated("echo 'a'"), expected);
            std::mem::forget(remote);
        }
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let begun = Instant::now();
        let ended = run(Command::new("sleep").arg("60"), &[], Duration::from_millis(200)).unwrap();
        assert_eq!(ended.code, None);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn an_error_names_host_command_and_what_to_do() {
        let error = RemoteError {
            host: "s2".into(),
            command: first_line("systemctl start x\nand more"),
            why: format!("ended with 1: {}", last_lines(b"\nno such unit\n")),
            advice: Some("look there"),
        };
        let expected = "s2: `systemctl start x`: ended with 1: no such unit\n    look there";
        assert_eq!(error.to_string(), expected);
        assert_eq!(first_line(&"x".repeat(200)).len(), 100);
    }
}
