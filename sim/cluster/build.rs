//! Which sources the program is made of: the commit, and a hash of every file that reaches a
//! simulated run. See `src/provenance.rs`.

#[allow(dead_code, reason = "of a module that the library has too")]
#[path = "src/fingerprint.rs"]
mod fingerprint;

use fingerprint::Fingerprint;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().expect("the workspace is around its crates");
    let mut reached = BTreeSet::from(["sim/cluster".to_owned()]);
    crates(&root, "sim/cluster", &mut reached);
    let names: Vec<&str> = reached.iter().map(String::as_str).collect();
    println!("cargo::rustc-env=LEASEHOLD_SIM_CRATES={}", names.join(" "));
    // Paths below the workspace, so that the hash is the same in every folder.
    let mut paths: Vec<String> =
        ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml"].map(str::to_owned).into();
    for folder in reached {
        paths.extend(["Cargo.toml", "build.rs", "src"].map(|name| format!("{folder}/{name}")));
    }
    paths.retain(|path| root.join(path).exists());
    for path in &paths {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    println!("cargo::rustc-env=LEASEHOLD_SIM_SOURCES={}", hash(&root, &paths));
    println!("cargo::rustc-env=LEASEHOLD_SIM_COMMIT={}", commit(&root, &paths));
}

/// The crates of the workspace that one names, and those that they name, tests left out.
fn crates(root: &Path, folder: &str, reached: &mut BTreeSet<String>) {
    let workspace = read(&root.join("Cargo.toml"));
    let manifest = read(&root.join(folder).join("Cargo.toml"));
    let mut of_dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            of_dependencies = line.ends_with("dependencies]") && !line.contains("dev-dependencies");
        }
        let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if !of_dependencies || !name.starts_with("leasehold-") {
            continue;
        }
        let path = format!("{name} = {{ path = \"");
        let entry = workspace.lines().find_map(|line| line.strip_prefix(&path));
        let path = entry.and_then(|entry| entry.split('"').next());
        let path = path.unwrap_or_else(|| panic!("{name} has a path in the workspace's manifest"));
        if reached.insert(path.to_owned()) {
            crates(root, path, reached);
        }
    }
}

/// Of the names and bytes of all files. Hidden files are no sources.
fn hash(root: &Path, paths: &[String]) -> String {
    let mut files: Vec<PathBuf> = Vec::new();
    paths.iter().for_each(|path| list(&root.join(path), &mut files));
    files.sort();
    let mut sum = Fingerprint::default();
    for file in files {
        let name = file.strip_prefix(root).expect("it was found below the workspace");
        sum.feed(&name.to_str().expect("names of sources are text"));
        sum.feed(&fs::read(&file).expect("a source is a file that can be read"));
    }
    sum.to_string()[..16].to_owned()
}

fn list(path: &Path, files: &mut Vec<PathBuf>) {
    let name = path.file_name().unwrap_or_default();
    if name.to_string_lossy().starts_with('.') {
        return;
    }
    if !path.is_dir() {
        files.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).expect("a folder of sources can be read") {
        list(&entry.expect("a folder of sources can be read").path(), files);
    }
}

/// The commit that is checked out, and `-dirty` if one of these paths differs from it. Where there is no
/// checkout of this workspace, what `LEASEHOLD_COMMIT` says, which nothing has compared with the sources.
fn commit(root: &Path, paths: &[String]) -> String {
    println!("cargo::rerun-if-env-changed=LEASEHOLD_COMMIT");
    let named = std::env::var("LEASEHOLD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let top = git(root, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    let ours = top.and_then(|top| top.canonicalize().ok()).is_some_and(|top| top == root);
    let head = git(root, &["rev-parse", "--short=12", "HEAD"]).filter(|_| ours);
    let Some(head) = head else {
        return named.map_or("unknown".to_owned(), |commit| format!("{commit}-unchecked"));
    };
    // A change of what is checked out changes one of these.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(root, &["rev-parse", "--git-path", file]).map(|path| root.join(path));
        if let Some(path) = path.filter(|path| path.exists()) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let mut arguments = vec!["status", "--porcelain", "--untracked-files=all", "--"];
    arguments.extend(paths.iter().map(String::as_str));
    let changed = git(root, &arguments).is_none_or(|changes| !changes.is_empty());
    if changed { format!("{head}-dirty") } else { head }
}

/// What git says about the sources; none where it cannot say anything.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim_end().to_owned();
    output.status.success().then_some(text)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
