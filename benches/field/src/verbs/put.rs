//! `field put`: the package, and every server's configuration.

use super::{all, refuse_strangers};
use crate::On;
use crate::inventory::{Host, Inventory, Server};
use crate::remote::{Remote, RemoteError, each, quoted, readable};
use crate::report::Report;
use crate::schedule::Schedule;
use anyhow::{Result, ensure};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Packages stay here, so that a host can go back to an earlier one.
pub const CACHE: &str = "/var/cache/leasehold";
const INSTALL: Duration = Duration::from_secs(300);

/// `field put`.
pub fn put(on: &On, package: &Path, schedule: Option<&Path>, report: &Report) -> Result<u8> {
    let mut inventory = Inventory::read(&on.inventory)?;
    if let Some(schedule) = schedule {
        inventory.constants.extend(Schedule::read(schedule)?.constants);
    }
    let remote = Remote::new(&inventory)?;
    let (name, bytes) = read_package(package)?;
    refuse_strangers(&remote, &inventory)?;
    let work = |host: &Host| {
        let version = install(&remote, host, &name, &bytes)?;
        configure(&remote, &inventory, host)?;
        report.say(format!("{}: {version}", host.name));
        Ok(version)
    };
    let done = all(each(&inventory.hosts, work))?;
    let hosts: Vec<_> = done
        .iter()
        .map(|(host, version)| json!({ "host": host.name, "version": version }))
        .collect();
    report.result(format!("{} hosts have {name}", done.len()), &json!({ "hosts": hosts }));
    Ok(0)
}

/// A package's file name and bytes.
pub fn read_package(package: &Path) -> Result<(String, Vec<u8>)> {
    let name = package.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
    ensure!(
        name.ends_with(".deb") && name.chars().all(plain),
        "--package {}: not a .deb; `just package` makes one",
        package.display()
    );
    Ok((name.to_owned(), readable(package)?))
}

/// Brings a package to a host and installs it; the version that is then there.
pub fn install(
    remote: &Remote<'_>,
    host: &Host,
    name: &str,
    bytes: &[u8],
) -> Result<String, RemoteError> {
    let path = format!("{CACHE}/{name}");
    remote.write(host, &path, bytes, 0o644)?;
    install_cached(remote, host, &path)
}

/// Installs what is in the cache of a host already.
pub fn install_cached(remote: &Remote<'_>, host: &Host, path: &str) -> Result<String, RemoteError> {
    let path = quoted(path);
    let script = format!(
        "DEBIAN_FRONTEND=noninteractive dpkg -i {path} >&2 && ln -sfn {path} {CACHE}/installed && \
         leasehold --version"
    );
    Ok(remote.run_for(host, &script, INSTALL)?.trim().to_owned())
}

/// Writes what the servers of a host are configured by.
fn configure(remote: &Remote<'_>, inventory: &Inventory, host: &Host) -> Result<(), RemoteError> {
    let id = format!("{}\n", inventory.cluster.id);
    remote.write(host, "/etc/leasehold/cluster-id", id.as_bytes(), 0o644)?;
    for server in inventory.servers(host) {
        remote.write(host, &server.config, server.text.as_bytes(), 0o644)?;
        if let Some(text) = server.drop_in() {
            remote.write(host, &drop_in_path(&server), text.as_bytes(), 0o644)?;
        }
    }
    // Made for reading by the servers' user, whatever this one's umask is.
    remote
        .run(host, "find /etc/leasehold -type d -exec chmod 755 {} + && systemctl daemon-reload")
        .map(drop)
}

/// Where a server's drop-in is.
pub fn drop_in_path(server: &Server) -> String {
    format!("/etc/systemd/system/{}.d/field.conf", server.unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_package_is_refused() {
        for name in ["leasehold.rpm", "a b.deb", "$(x).deb", ""] {
            let error = read_package(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains("`just package` makes one"), "{error}");
        }
    }
}
