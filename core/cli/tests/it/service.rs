//! What a service manager and a monitor rely on: readiness, exit codes, a directory that is begun apart
//! from serving, metrics, logs for programs.

use crate::cluster::{Cluster, free_port};
use crate::command::{leasehold, run, until, wait};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn the_version_names_the_commit() {
    let said = run(leasehold().arg("--version")).well();
    let text = said.text().trim_end();
    let commit = text.split("(commit ").nth(1).and_then(|rest| rest.split([',', ')']).next());
    let commit = commit.unwrap_or_else(|| panic!("no commit in {text:?}"));
    let is_hash = commit.len() == 12 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(is_hash || commit == "unknown", "{text:?}");
}

#[test]
fn pages_and_completions_are_made_from_the_arguments() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for kind in ["man", "completions"] {
        run(leasehold().args(["docs", kind]).arg(dir.path())).well();
    }
    let page = fs::read_to_string(dir.path().join("leasehold-chunkserver.1")).unwrap();
    assert!(page.contains("\\-\\-capacity"), "{page}");
    assert!(dir.path().join("leasehold.1").exists());
    assert!(!dir.path().join("leasehold-docs.1").exists(), "hidden, as in --help");
    for (name, has) in
        [("leasehold", "_leasehold"), ("_leasehold", "#compdef"), ("leasehold.fish", "complete")]
    {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.contains(has), "{name}");
    }
}

/// A unit's life: the directory is begun once, and what is started afterwards never begins one.
#[test]
fn a_service_reports_readiness_metrics_and_health() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (port, monitor) = (free_port(), free_port());
    let config = dir.path().join("master.toml");
    let data = dir.path().join("data");
    fs::write(
        &config,
        format!(
            "listen = '127.0.0.1:{port}'\nmetrics = '127.0.0.1:{monitor}'\ndata_dir = '{}'\n",
            data.display()
        ),
    )
    .unwrap();
    let master = |flags: &[&str]| {
        let mut command = leasehold();
        command.args(["master", "--log-format", "json", "--config"]).arg(&config).args(flags);
        command
    };
    run(&mut master(&[])).fails(1, "no master was begun in this directory");
    run(&mut master(&["--no-serve"])).fails(2, "nothing to do without --init or --adopt");
    run(&mut master(&["--init", "--no-serve"])).well();
    run(&mut master(&["--init", "--no-serve"])).fails(1, "leave --init out");

    let socket = dir.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let log = dir.path().join("log");
    let mut process = master(&[])
        .env("NOTIFY_SOCKET", &socket)
        .stderr(fs::File::create(&log).unwrap())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut heard = [0; 64];
    let length = manager.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], b"READY=1");
    let status = run(leasehold().args(["status", "--master", &format!("127.0.0.1:{port}")])).well();
    assert!(status.text().contains("servers: 0 of 0 alive"), "ready means that it serves");

    let (status, body) = get(monitor, "/healthz");
    assert!(status.starts_with("HTTP/1.1 200") && body.starts_with("ok: leads"), "{status} {body}");
    let (status, body) = get(monitor, "/metrics");
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    for line in ["leasehold_up 1", "leasehold_leads 1", "leasehold_servers_alive 0"] {
        assert!(body.lines().any(|found| found == line), "{line} is not in\n{body}");
    }
    assert!(get(monitor, "/").0.starts_with("HTTP/1.1 404"));

    crate::cluster::signal(process.id(), rustix::process::Signal::TERM);
    let length = manager.recv(&mut heard).unwrap();
    assert_eq!(&heard[..length], b"STOPPING=1");
    let ended = wait(&mut process, Duration::from_secs(20)).expect("it stops in time");
    assert_eq!(ended.code(), Some(0));
    let log = fs::read_to_string(&log).unwrap();
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    assert!(log.contains("master starts"), "{log}");
}

#[test]
fn a_chunkserver_without_a_master_says_that_it_starts() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let monitor = free_port();
    let mut command = leasehold();
    command.args(["chunkserver", "--master", "127.0.0.1:1", "--init", "--data-dir"]);
    command.arg(dir.path().join("data")).args(["--metrics", &format!("127.0.0.1:{monitor}")]);
    let started = crate::command::start(&mut command, false);
    until("the monitor's port is open", || TcpStream::connect(("127.0.0.1", monitor)).is_ok());
    let (status, body) = get(monitor, "/healthz");
    assert!(status.starts_with("HTTP/1.1 503") && body.contains("starting"), "{status} {body}");
    assert!(get(monitor, "/metrics").1.contains("leasehold_up 0"));
    drop(started);
}

/// A directory and its copy, started beside each other: the older process ends once the master hears it
/// again, with a code that no restart mends.
#[test]
fn a_superseded_server_ends_with_code_4() {
    let mut cluster = Cluster::start(1);
    let copy = cluster.dir.path().join("copy");
    let original = cluster.chunkservers[0].data_dir.clone();
    assert!(Command::new("cp").arg("-a").args([&original, &copy]).status().unwrap().success());
    let mut adopted = cluster.chunkservers[0].command_in(&copy, &["--adopt"]);
    let adopted = crate::command::start(&mut adopted, false);
    until("the master has registered the copy", || cluster.master.log().contains("incarnation=i2"));
    // The master's answers go to the copy as long as it is there.
    drop(adopted);
    assert_eq!(cluster.chunkservers[0].ends(), Some(4), "{}", cluster.chunkservers[0].log());
    assert!(cluster.chunkservers[0].log().contains("this one serves no more"));
}

/// A sync that fails: the process reports its disk to the master and ends with a code of its own, and
/// what was acknowledged is elsewhere.
#[test]
fn a_server_whose_disk_failed_ends_with_code_3() {
    let mut cluster = Cluster::start(4);
    cluster.run_with(&["put", "--replicas", "2", "-", "/before"], b"kept").well();
    let Some(mut fault) = fail_syncs(cluster.chunkservers[0].id()) else {
        eprintln!("SKIPPED: there is no strace that may attach to a process, so no sync can fail");
        return;
    };
    let file = vec![7; 1 << 20];
    for name in 0..16 {
        let name = format!("/after-{name}");
        cluster.run_with(&["put", "--replicas", "3", "-", &name], &file).well();
    }
    assert_eq!(cluster.chunkservers[0].ends(), Some(3), "{}", cluster.chunkservers[0].log());
    let log = cluster.chunkservers[0].log();
    assert!(log.contains("the disk is out of service; what it holds is copied"), "{log}");
    cluster.wait_until_heard(3);
    cluster.run(&["fsck", "--wait", "60s"]).well();
    assert_eq!(cluster.run(&["cat", "/before"]).well().text(), "kept");
    let _ = fault.kill();
    let _ = fault.wait();
}

#[test]
fn a_master_whose_disk_failed_ends_with_code_3() {
    let mut cluster = Cluster::start(1);
    let Some(mut fault) = fail_syncs(cluster.master.id()) else {
        eprintln!("SKIPPED: there is no strace that may attach to a process, so no sync can fail");
        return;
    };
    let mut refused = cluster.command(&["mkdir", "/never", "--timeout", "3s"]);
    assert_eq!(run(&mut refused).code, Some(1));
    assert_eq!(cluster.master.ends(), Some(3), "{}", cluster.master.log());
    let _ = fault.kill();
    let _ = fault.wait();
}

/// From here on every sync of the process fails.
fn fail_syncs(pid: u32) -> Option<std::process::Child> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=fsync,fdatasync"]);
    strace.args(["-e", "inject=fsync,fdatasync:error=EIO", "-p", &pid.to_string()]);
    let mut child = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let traced = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
        let mut status =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
        Some(status.all(|status| !status.contains("TracerPid:\t0\n")))
    };
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(20) {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        if traced() == Some(true) {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Status line and body.
fn get(port: u16, path: &str) -> (String, String) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}
