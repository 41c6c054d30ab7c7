//! A sweep as a long job: what may happen to it in a night, and what is in its table then.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use super::Folder;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SEEDS: u64 = 30;
/// Runs of two seconds, of which nothing is demanded.
const SHORT: &str = "about = \"short\"\n[acts]\nfaults_ms = 2000\n[demands]\nacknowledged = 0\n\
                     crashes = 0\npartitions = 0\nmembership_changes = 0\njudged_reads = 0\n";

fn start(program: &Path, folder: &Folder, table: &str) -> Child {
    started(program, folder, table).spawn().unwrap()
}

/// Whatever the test's own process ignores, the sweep is interrupted.
fn started(program: &Path, folder: &Folder, table: &str) -> Command {
    let seeds = format!("0..{SEEDS}");
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT,TERM,HUP".as_ref(), program])
        .args(["sweep", "--jobs", "2", "--scenario", "short.toml", "--resume"])
        .args(["--progress-s", "1", "--seeds", &seeds, "--table", table])
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The rows of a table without the column of wall time, in the order of their seeds.
fn rows(folder: &Folder, table: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.0.join(table)).unwrap_or_default();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let wall = reader.headers().unwrap().iter().position(|name| name == "wall_s");
    let mut rows: Vec<Vec<String>> = reader
        .records()
        .filter_map(Result::ok)
        .map(|row| {
            let cells = row.iter().enumerate().filter(|(at, _)| Some(*at) != wall);
            cells.map(|(_, cell)| cell.to_owned()).collect()
        })
        .collect();
    rows.sort();
    rows
}

/// Waits until the table has more rows than it had.
fn more_rows(folder: &Folder, sweep: &mut Child, more: usize) {
    let before = rows(folder, "table.csv").len();
    while rows(folder, "table.csv").len() < before + more {
        assert_eq!(sweep.try_wait().unwrap(), None, "it ended before it was interrupted");
        pause();
    }
}

#[allow(clippy::disallowed_methods, reason = "a test waits for a process")]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn signal(name: &str, process: u32) {
    let status = Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(status.success(), "{name} {process}");
}

/// The processes that a process has started and that run.
fn children(of: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let of_threads = fs::read_dir(format!("/proc/{of}/task")).unwrap().flatten();
    let lists = of_threads.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: String = lists.fold(list, |all, list| format!("{all} {list}"));
    all.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// A copy of the program, whose file can be replaced.
fn copied(folder: &Folder) -> PathBuf {
    let copy = folder.0.join("sim");
    fs::copy(env!("CARGO_BIN_EXE_sim"), &copy).unwrap();
    copy
}

#[test]
fn a_sweep_that_is_killed_five_times_ends_with_the_table_of_one_left_alone() {
    let program = Path::new(env!("CARGO_BIN_EXE_sim"));
    let folder = Folder::new("interrupted");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("short.toml"), SHORT).unwrap();
    assert!(start(program, &folder, "alone.csv").wait_with_output().unwrap().status.success());

    for (name, number, code) in [("-INT", "SIGINT", 130), ("-TERM", "SIGTERM", 143)] {
        let mut sweep = start(program, &folder, "table.csv");
        more_rows(&folder, &mut sweep, 3);
        signal(name, sweep.id());
        let output = sweep.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(&format!("interrupted by {number}: ")), "{said}");
        assert!(said.contains("sweep --jobs 2 --scenario short.toml --resume"), "{said}");
    }

    let mut sweep = start(program, &folder, "table.csv");
    more_rows(&folder, &mut sweep, 3);
    sweep.kill().unwrap();
    sweep.wait().unwrap();

    // The program's file is replaced, and then a worker is killed: the next worker is the old program.
    let copy = copied(&folder);
    let mut sweep = start(&copy, &folder, "table.csv");
    more_rows(&folder, &mut sweep, 1);
    fs::remove_file(&copy).unwrap();
    fs::write(&copy, "not a program").unwrap();
    let workers = children(sweep.id());
    assert!(!workers.is_empty());
    workers.iter().for_each(|worker| signal("-KILL", *worker));
    more_rows(&folder, &mut sweep, 3);
    sweep.kill().unwrap();
    sweep.wait().unwrap();

    // The reader of both streams goes away.
    let mut sweep = start(program, &folder, "table.csv");
    more_rows(&folder, &mut sweep, 1);
    drop((sweep.stdout.take(), sweep.stderr.take()));
    let status = sweep.wait().unwrap();
    assert!(status.success(), "{status}");

    let alone = rows(&folder, "alone.csv");
    assert_eq!(alone.len() as u64, SEEDS);
    assert_eq!(rows(&folder, "table.csv"), alone);
}

#[test]
fn without_a_terminal_lines_say_how_far_it_is() {
    let folder = Folder::new("progress");
    fs::create_dir_all(&folder.0).unwrap();
    let long = SHORT.replace("faults_ms = 2000", "faults_ms = 86400000");
    fs::write(folder.0.join("short.toml"), long).unwrap();
    let mut sweep = start(Path::new(env!("CARGO_BIN_EXE_sim")), &folder, "table.csv");
    // The canary, then two runs that do not end.
    let mut line = String::new();
    let stderr = sweep.stderr.take().unwrap();
    let mut stderr = std::io::BufReader::new(stderr);
    while !line.contains("0 of 30 runs after") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap(), 0);
    }
    assert!(line.contains(" s, 0 failed"), "{line}");
    signal("-INT", sweep.id());
    assert_eq!(sweep.wait().unwrap().code(), Some(130));
}

/// `nohup` has a process ignore SIGHUP, and a sweep goes on when its terminal is closed.
#[test]
fn what_is_ignored_does_not_interrupt() {
    let folder = Folder::new("ignored");
    fs::create_dir_all(&folder.0).unwrap();
    fs::write(folder.0.join("short.toml"), SHORT).unwrap();
    let mut sweep = Command::new("env");
    sweep.args(["--ignore-signal=HUP", env!("CARGO_BIN_EXE_sim"), "sweep", "--seeds", "0..6"]);
    sweep.args(["--jobs", "1", "--scenario", "short.toml", "--table", "table.csv"]);
    let mut sweep = sweep.current_dir(&folder.0).stdout(Stdio::null()).spawn().unwrap();
    more_rows(&folder, &mut sweep, 1);
    signal("-HUP", sweep.id());
    assert!(sweep.wait().unwrap().success());
    assert_eq!(rows(&folder, "table.csv").len(), 6);
}
