//! What commands promise while others act at the same time, while chunkservers are away, and when they
//! are killed.

use crate::cluster::{Cluster, noise, signal};
use crate::command::{Ended, run, start, until};
use rustix::process::Signal;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

fn json(ended: Ended) -> Value {
    serde_json::from_str(ended.well().text()).unwrap()
}

/// Names do not depend on chunkservers: none of these commands waits for one.
#[test]
fn metadata_commands_do_not_wait_for_chunkservers() {
    let mut cluster = Cluster::start(3);
    cluster.run(&["mkdir", "-p", "/d/e"]).well();
    for path in ["/d/young", "/d/other", "/d/e/third"] {
        cluster.run_with(&["put", "-", path], b"12345").well();
    }
    cluster.run_with(&["put", "-", "/d/empty"], b"").well();
    for server in &mut cluster.chunkservers {
        server.kill();
    }
    let slowest = std::cell::Cell::new(Duration::ZERO);
    let timed = |words: &[&str]| {
        let begun = Instant::now();
        let ended = cluster.run(words);
        slowest.set(slowest.get().max(begun.elapsed()));
        ended
    };
    let listed = timed(&["ls", "-l", "/d"]).well();
    let lines: Vec<&str> = listed.text().lines().collect();
    assert_eq!(lines.len(), 4, "{}", listed.text());
    let line = |name: &str| *lines.iter().find(|line| line.ends_with(name)).unwrap();
    assert!(line("young").contains(" ? ") && line("other").contains(" ? "), "{lines:?}");
    assert!(line("empty").contains(" 0 ") && line(" e").starts_with('d'), "{lines:?}");
    let entries = json(timed(&["ls", "--json", "/d"]));
    let young = entries.as_array().unwrap().iter().find(|entry| entry["name"] == "young").unwrap();
    assert!(young["length"].is_null(), "{young}");
    assert!(timed(&["stat", "/d/young"]).well().text().contains("length: ?"));
    timed(&["mv", "/d/young", "/d/moved"]).well();
    timed(&["rm", "/d/other"]).well();
    timed(&["mkdir", "/after"]).well();
    timed(&["rm", "-r", "/d/e"]).well();
    timed(&["status"]).well();
    timed(&["sweep", "--dry-run"]).well();
    timed(&["fsck", "--no-read"]).fails(1, "");
    assert!(slowest.get() < Duration::from_secs(15), "{:?}", slowest.get());
    timed(&["fsck"]).fails(1, "");

    // A master that heard of no chunkserver knows no length, of old files either.
    cluster.master.kill();
    cluster.master.start();
    let entries = json(cluster.run(&["ls", "--json", "/d"]));
    let moved = entries.as_array().unwrap().iter().find(|entry| entry["name"] == "moved").unwrap();
    assert!(moved["length"].is_null() && moved["length_reported"].is_null(), "{moved}");
    let failed = cluster.run(&["cat", "--timeout", "3s", "/d/moved"]).fails(1, "/d/moved: ");
    assert!(failed.stderr.contains("timed out"), "{}", failed.stderr);
}

/// Of two that promise to replace nothing, one does and the other says that it did not.
#[test]
fn of_two_that_replace_nothing_one_wins() {
    let cluster = Cluster::start(3);
    let local = cluster.dir.path().join("local");
    for round in 0..8 {
        let path = format!("/put-{round}");
        let mut both = [b"first", b"other"].map(|bytes| {
            let mut put = start(&mut cluster.command(&["put", "-", &path]), false);
            put.stdin().write_all(bytes).unwrap();
            put
        });
        // Both have looked: only now does either end.
        until("both have begun", || {
            let listed = cluster.run(&["ls"]).well();
            listed.text().matches(&format!(".put-{round}.partial-")).count() == 2
        });
        both.iter_mut().for_each(|put| drop(put.child.stdin.take()));
        let ended = both.map(|put| put.end());
        let won: Vec<bool> = ended.iter().map(|ended| ended.code == Some(0)).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "{ended:?}");
        let lost = &ended[usize::from(won[0])];
        assert!(lost.stderr.contains(&format!("{path}: File exists")), "{}", lost.stderr);
        let kept = cluster.run(&["cat", &path]).well().stdout;
        assert_eq!(&kept[..], if won[0] { b"first" } else { b"other" });

        let (a, b) = (format!("/a-{round}"), format!("/b-{round}"));
        cluster.run_with(&["put", "-", &a], b"a").well();
        cluster.run_with(&["put", "-", &b], b"b").well();
        let to = format!("/mv-{round}");
        let both =
            [&a, &b].map(|from| start(&mut cluster.command(&["mv", "-n", from, &to]), false));
        let ended = both.map(|mv| mv.end().code);
        assert!(ended == [Some(0), Some(1)] || ended == [Some(1), Some(0)], "{ended:?}");
        let left = if ended[0] == Some(0) { &b } else { &a };
        cluster.run(&["stat", left]).well();

        let get = || start(&mut cluster.command(&["get", &path, local.to_str().unwrap()]), false);
        let ended = [get(), get()].map(|get| get.end().code);
        assert!(ended == [Some(0), Some(1)] || ended == [Some(1), Some(0)], "{ended:?}");
        fs::remove_file(&local).unwrap();
    }
    let left = cluster.run(&["ls"]).well();
    assert!(!left.text().contains(".partial-"), "{}", left.text());
}

/// Under nohup a hang-up ends neither a test nor what it starts.
fn hup_is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 1
}

/// What a signal ends is taken away; what SIGKILL leaves is named, with owner and age, and swept.
#[test]
fn what_a_killed_put_leaves_is_named_and_swept() {
    let cluster = Cluster::start(3);
    let begin = || {
        let mut put = start(&mut cluster.command(&["put", "-", "/file"]), false);
        put.stdin().write_all(&noise(1, 5 << 20)).unwrap();
        until("the put has begun", || cluster.run(&["ls"]).well().text().contains(".partial-"));
        put
    };
    let mut put = begin();
    let (name, end) =
        if hup_is_ignored() { ("SIGTERM", Signal::TERM) } else { ("SIGHUP", Signal::HUP) };
    signal(put.child.id(), end);
    let _stdin = put.child.stdin.take();
    put.end().fails(1, &format!("stopped by {name}"));
    assert_eq!(cluster.run(&["ls"]).well().text(), "");

    let mut put = begin();
    cluster.run(&["sweep", "--older-than", "0s"]).well();
    let fsck = cluster.run(&["fsck"]).well();
    let owner = format!("process {} of ", put.child.id());
    assert!(fsck.text().contains(&owner) && fsck.text().contains("still runs"), "{}", fsck.text());
    put.child.kill().unwrap();
    put.child.wait().unwrap();
    let fsck = cluster.run(&["fsck"]).well();
    let text = fsck.text();
    assert!(text.contains("/.file.partial-") && text.contains("which has ended"), "{text}");
    let found = json(cluster.run(&["fsck", "--json"]));
    assert_eq!(found["unfinished"][0]["pid"], put.child.id(), "{found}");
    assert_eq!(cluster.run(&["sweep"]).well().text(), "", "it is not a day old");
    let dry = cluster.run(&["sweep", "--older-than", "0s", "--dry-run"]).well();
    assert!(dry.text().contains("would be removed"), "{}", dry.text());
    cluster.run(&["sweep", "--older-than", "0s"]).well();
    assert_eq!(cluster.run(&["ls"]).well().text(), "");
}

#[test]
fn a_killed_get_leaves_nothing() {
    let cluster = Cluster::start(3);
    cluster.run_with(&["put", "-", "/file"], &noise(2, 8 << 20)).well();
    let into = cluster.dir.path().join("into");
    fs::create_dir(&into).unwrap();
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    // As one leaves it where every file has a name.
    let left = into.join(format!(".file.partial-{}-4194305-0123abcd", host.trim()));
    fs::write(&left, b"left").unwrap();
    for wait in [20, 60, 100, 140] {
        let mut get = start(&mut cluster.command(&["get", "/file", into.to_str().unwrap()]), false);
        std::thread::sleep(Duration::from_millis(wait));
        get.child.kill().unwrap();
        get.child.wait().unwrap();
        let names: Vec<_> = fs::read_dir(&into).unwrap().flatten().map(|e| e.file_name()).collect();
        let other = names.iter().filter(|name| *name != "file" && into.join(name) != left);
        assert_eq!(other.count(), 0, "{names:?}");
        let _ = fs::remove_file(into.join("file"));
    }
    cluster.run(&["get", "/file", into.to_str().unwrap()]).well();
    assert!(!left.exists(), "what a process left that has ended is swept");
}

/// A slash at the end of a path means a directory, for every command.
#[test]
fn a_slash_at_the_end_means_a_directory() {
    let cluster = Cluster::start(3);
    let local = cluster.dir.path().join("local");
    fs::write(&local, b"local").unwrap();
    let local = local.to_str().unwrap();
    for path in ["/o", "/p"] {
        cluster.run_with(&["put", "-", path], path.as_bytes()).well();
    }
    for words in [
        &["mv", "/o", "/p/"][..],
        &["mv", "/p/", "/q"],
        &["cat", "/p/"],
        &["get", "/p/", "-"],
        &["append", "/p/", local],
        &["rm", "/p/"],
        &["rm", "-r", "/p/"],
        &["rm", "-f", "/p/"],
        &["ls", "/p/"],
        &["stat", "/p/"],
        &["put", "-f", local, "/p/"],
    ] {
        cluster.run(words).fails(1, "/p: Not a directory");
    }
    cluster.run(&["mv", "/o", "/new/"]).fails(1, "/new: No such file or directory");
    cluster.run(&["append", "--create", "/new/", local]).fails(1, "/new: Is a directory");
    cluster.run(&["get", "/p", &format!("{local}/")]).fails(1, "names a directory");
    for path in ["/o", "/p"] {
        assert_eq!(cluster.run(&["cat", path]).well().stdout, path.as_bytes());
    }
    cluster.run(&["mkdir", "/d/"]).well();
    cluster.run(&["put", "-f", local, "/d"]).well();
    cluster.run_with(&["put", "-f", "-", "/d/"], b"x").fails(1, "say under which name");
    cluster.run(&["mv", "/d/", "/e/"]).well();
    assert_eq!(cluster.run(&["ls", "/e/"]).well().text(), "local\n");
    cluster.run(&["mkdir", "-p", "/f/local"]).well();
    cluster.run(&["put", "-f", local, "/f"]).fails(1, "/f/local: Is a directory");
    cluster.run(&["mv", "/o", "/p"]).well();
    assert_eq!(cluster.run(&["cat", "/p"]).well().stdout, b"/o", "without a slash it replaces");
}

/// A listed name is what it is, whatever it takes to print it.
#[test]
fn commands_take_names_that_are_printed_escaped() {
    let cluster = Cluster::start(1);
    cluster.run(&["mkdir", "-p", "/d/a\\b"]).well();
    cluster.run_with(&["put", "--replicas", "1", "-", "/d/a\\b/c\\d"], b"kept").well();
    assert!(cluster.run(&["ls", "-l", "/d/a\\b"]).well().text().contains(" 4 "));
    cluster.run(&["rm", "-r", "/d"]).well();
    cluster.run(&["stat", "/d"]).fails(1, "No such file");
}

/// No command makes a path that other commands cannot take.
#[test]
fn the_limit_of_paths_holds_for_what_a_rename_makes() {
    let cluster = Cluster::start(1);
    let deep = format!("/{}", "n".repeat(250)).repeat(15);
    cluster.run(&["mkdir", "-p", &deep, "/t/u"]).well();
    let file = format!("/t/u/{}", "f".repeat(250));
    cluster.run_with(&["put", "--replicas", "1", "-", &file], b"kept").well();
    cluster
        .run(&["mv", "/t", &format!("{deep}/{}", "t".repeat(100))])
        .fails(1, "File name too long");
    assert_eq!(cluster.run(&["cat", &file]).well().stdout, b"kept");
    cluster.run(&["fsck"]).well();
    cluster.run(&["rm", "-r", "/t", &deep]).well();
}

/// Two names that are no text are not one name.
#[test]
fn names_that_are_no_text_are_refused_and_not_mixed_up() {
    let cluster = Cluster::start(1);
    for bytes in [b"\xff", b"\xfe"] {
        let local = cluster.dir.path().join(OsStr::from_bytes(bytes));
        fs::write(&local, bytes).unwrap();
        let mut put = cluster.command(&["put", "-f", "--replicas", "1"]);
        run(put.arg(&local).arg("/")).fails(1, "its name is not UTF-8");
    }
    assert_eq!(cluster.run(&["ls"]).well().text(), "");
}

/// What is printed commands no terminal, whoever prints it.
#[test]
fn names_command_no_terminal() {
    let cluster = Cluster::start(1);
    let name = "/a\u{1b}[31m\n\u{202e}b";
    cluster.run(&["mkdir", name]).well();
    let file = format!("{name}/f");
    cluster.run_with(&["put", "--replicas", "1", "-", &file], b"x").well();
    for words in [
        &["ls", "/", name][..],
        &["ls", "-l", name],
        &["stat", name, &file],
        &["mkdir", name],
        &["cat", name],
        &["rm", name],
        &["put", "/proc/self/status", &file],
        &["mv", "/nothing", &format!("{name}/x/y")],
        &["fsck"],
        &["get", &file, "/dev/null"],
        &["rm", &format!("{name}/none")],
    ] {
        let ended = cluster.run(words);
        let printed = String::from_utf8_lossy(&ended.stdout).into_owned() + &ended.stderr;
        let bad = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!printed.contains(bad), "{words:?}: {printed:?}");
    }
}

/// Records of a file that was removed are no promise; of one that was renamed they are.
#[test]
fn an_append_to_a_removed_file_says_so_at_once() {
    let cluster = Cluster::start(3);
    let begin = |path: &str| {
        let words = ["append", "--lines", "--create", path];
        let mut append = start(&mut cluster.command(&words), false);
        append.stdin().write_all(b"first\n").unwrap();
        until("it is stored", || {
            cluster.run(&["cat", path]).stdout.windows(5).any(|bytes| bytes == b"first")
        });
        append
    };
    let mut append = begin("/log");
    cluster.run(&["rm", "/log"]).well();
    let begun = Instant::now();
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(20));
        if append.stdin().write_all(b"lost\n").is_err() {
            break;
        }
    }
    append.end().fails(1, "/log: the file was removed");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());

    let mut append = begin("/log");
    cluster.run(&["rm", "/log"]).well();
    append.stdin().write_all(b"the last one\n").unwrap();
    append.end().fails(1, "/log: the file was removed");

    let mut append = begin("/log");
    cluster.run(&["mv", "/log", "/log.1"]).well();
    append.stdin().write_all(b"second\n").unwrap();
    append.end().well();
    assert_eq!(cluster.run(&["cat", "/log.1"]).well().text(), "first\nsecond\n");
}
