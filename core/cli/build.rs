//! The commit that the executable was built from, for `--version`.

use std::process::Command;

fn main() {
    // A change of what is checked out changes one of these.
    for file in ["HEAD", "logs/HEAD"] {
        println!("cargo::rerun-if-changed=../../.git/{file}");
    }
    // For sources that are not a checkout: `LEASEHOLD_COMMIT=0123456789ab cargo build`.
    println!("cargo::rerun-if-env-changed=LEASEHOLD_COMMIT");
    let named = std::env::var("LEASEHOLD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let date = git(&["show", "--no-patch", "--format=%cs", "HEAD"]).filter(|_| named.is_none());
    let commit = named.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    let date = date.map_or_else(String::new, |date| format!(", {date}"));
    let version = env!("CARGO_PKG_VERSION");
    println!("cargo::rustc-env=LEASEHOLD_VERSION={version} (commit {commit}{date})");
}

/// What git says about the sources; none where they are not a checkout.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
