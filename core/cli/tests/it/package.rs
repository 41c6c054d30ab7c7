//! The Debian package has what an installation needs, and its units are what systemd takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/field/package")
}

fn has(program: &str) -> bool {
    let found =
        Command::new("sh").args(["-c", &format!("command -v {program} >/dev/null")]).status();
    found.is_ok_and(|status| status.success())
}

/// A command's stdout; its failure is the test's.
#[track_caller]
fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_package_has_binary_units_pages_and_examples() {
    if !has("dpkg-deb") {
        eprintln!("SKIPPED: there is no dpkg-deb, so no package can be made");
        return;
    }
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut build = Command::new(sources().join("build.sh"));
    build.args(["--binary", env!("CARGO_BIN_EXE_leasehold"), "--version", "1.2+test", "--out"]);
    let deb = stdout(build.arg(dir.path()));
    let deb = deb.trim();
    let field = |name: &str| stdout(Command::new("dpkg-deb").args(["-f", deb, name]));
    assert_eq!((field("Package").trim(), field("Version").trim()), ("leasehold", "1.2+test"));

    let list = stdout(Command::new("dpkg-deb").args(["-c", deb]));
    let entries: Vec<Vec<&str>> =
        list.lines().map(|line| line.split_whitespace().collect()).collect();
    for entry in &entries {
        assert_eq!(entry[1], "root/root", "{entry:?}");
        let mode = if entry[0].starts_with('d') { "drwxr-xr-x" } else { entry[0] };
        assert_eq!(entry[0], mode, "a directory that others cannot enter: {entry:?}");
    }
    let mode = |path: &str| {
        let entry = entries.iter().find(|entry| entry[5] == format!("./{path}"));
        entry.unwrap_or_else(|| panic!("{path} is not in\n{list}"))[0]
    };
    for path in [
        "usr/lib/systemd/system/leasehold-master.service",
        "usr/lib/systemd/system/leasehold-chunkserver@.service",
        "usr/lib/sysusers.d/leasehold.conf",
        "usr/lib/tmpfiles.d/leasehold.conf",
        "usr/lib/sysctl.d/90-leasehold.conf",
        "usr/share/leasehold/grafana-dashboard.json",
        "usr/share/man/man1/leasehold.1.gz",
        "usr/share/man/man1/leasehold-put.1.gz",
        "usr/share/bash-completion/completions/leasehold",
        "usr/share/doc/leasehold/copyright",
        "usr/share/doc/leasehold/examples/master.toml",
        "usr/share/doc/leasehold/examples/fstab",
    ] {
        assert_eq!(mode(path), "-rw-r--r--", "{path}");
    }
    assert_eq!(mode("usr/bin/leasehold"), "-rwxr-xr-x");
    assert_eq!(mode("usr/sbin/mount.leasehold"), "lrwxrwxrwx");
    assert!(!list.contains(" ./etc/"), "nothing of an operator's is overwritten:\n{list}");

    let root = dir.path().join("root");
    stdout(Command::new("dpkg-deb").args(["-x", deb]).arg(&root));
    let said = stdout(Command::new(root.join("usr/bin/leasehold")).arg("--version"));
    assert!(said.starts_with("leasehold "), "{said}");
    verify(&root);
}

/// Where systemd is: does it understand every line, and does it call the units hardened?
fn verify(root: &Path) {
    let version = Command::new("systemd-analyze").arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let number = version.ok().and_then(|text| text.split_whitespace().nth(1)?.parse::<u32>().ok());
    if number.is_none_or(|number| number < 252) {
        eprintln!("SKIPPED: there is no systemd-analyze 252 or later to judge the units");
        return;
    }
    for unit in ["leasehold-master.service", "leasehold-chunkserver@.service"] {
        let text = fs::read_to_string(root.join("usr/lib/systemd/system").join(unit)).unwrap();
        let place = root.join("usr/lib/systemd/system").join(unit.replace('@', "@d1"));
        fs::write(&place, text).unwrap();
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=yes", "--threshold=20"]).arg(&place);
        let ended = security.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{unit} is exposed more than 2.0: {said}");
    }
}

/// A unit that restarts what no restart helps, or begins a directory by itself, is a mistake that no
/// parser finds.
#[test]
fn units_never_begin_a_directory_and_know_the_exit_codes() {
    for unit in ["leasehold-master.service", "leasehold-chunkserver@.service"] {
        let text = fs::read_to_string(sources().join(unit)).unwrap();
        let line = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("{unit} has no {key}"))
        };
        let start = line("ExecStart");
        assert!(!["init", "adopt", "bootstrap"].iter().any(|flag| start.contains(flag)), "{start}");
        assert_eq!(line("Type"), "notify");
        assert_eq!(line("RestartPreventExitStatus"), "2 3 4");
        assert!(line("RestrictAddressFamilies").contains("AF_UNIX"), "sd_notify needs it");
    }
}

#[test]
fn examples_are_configurations_and_the_dashboard_names_metrics_that_exist() {
    for (role, file) in [("master", "master.toml"), ("chunkserver", "chunkserver-d1.toml")] {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut begin = crate::command::leasehold();
        begin.args([role, "--init", "--no-serve", "--data-dir"]).arg(dir.path().join("data"));
        begin.arg("--config").arg(sources().join("examples").join(file));
        crate::command::run(&mut begin).well();
    }
    let text = fs::read_to_string(sources().join("grafana-dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let monitor = concat!(env!("CARGO_MANIFEST_DIR"), "/src/monitor.rs");
    let probe = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/src/probe.rs");
    let source = fs::read_to_string(monitor).unwrap() + &fs::read_to_string(probe).unwrap();
    let mut seen = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            for word in expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                let Some(name) = word.strip_prefix("leasehold_") else { continue };
                let name = name.trim_end_matches("_total").trim_end_matches("_seconds_bucket");
                assert!(source.contains(&format!("\"{name}\"")), "{name} in {expression}");
                seen += 1;
            }
        }
    }
    assert!(seen > 15, "{seen}");
}
