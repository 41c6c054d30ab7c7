//! Arguments of `mount`, also as `mount -t leasehold` gives them.

use super::ClientArguments;
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Examples and options.
pub const HELP: &str = "\
Examples:
  leasehold mount /mnt/leasehold                      # returns when it is mounted
  leasehold mount -o allow_other,attr_timeout=1 /mnt/leasehold
  leasehold mount --foreground /mnt/leasehold         # Ctrl-C unmounts
  umount /mnt/leasehold
Options of -o, separated by commas:
  ro, allow_other, default_permissions, nosuid, nodev, noexec, noatime ...  as of every file system
  hard (the default): a request waits for the cluster as long as it takes
  local_lock=all: locks of files are this machine's; by default other mounts see them (none)
  soft, timeo=SECONDS: one without an answer for so long (60) fails with EIO
  attr_timeout=SECONDS, entry_timeout=SECONDS: how long the kernel believes attributes and names
      without asking (0: what another machine changed is seen at once)
  direct_io: the kernel keeps no pages; by default it keeps those of a file until it is opened again
  replicas=N, chunk=BYTES, sync=durable|page-cache: of files that are made here
In /etc/fstab, with the program linked as /sbin/mount.leasehold:
  10.0.0.1:7400  /mnt/leasehold  leasehold  _netdev,allow_other  0 0
Times of writes reach the master when a file is closed or synchronised. A lock (fcntl, flock)
is seen by every mount; it is lost, and the file gives EIO until it is closed, when this machine is cut
off from the masters for longer than a lease.";

/// `mount`.
#[derive(Debug, Args)]
pub struct MountArguments {
    /// A directory of this machine
    #[arg(value_name = "DIRECTORY")]
    pub at: PathBuf,
    /// Options, separated by commas; may be given several times
    #[arg(short, long = "options", value_name = "OPTIONS")]
    pub options: Vec<String>,
    /// Stay in the foreground until it is unmounted; Ctrl-C and SIGTERM unmount it
    #[arg(long, short)]
    pub foreground: bool,
    /// Report on stdout when it is mounted, and leave the terminal.
    #[arg(long, hide = true)]
    pub report_ready: bool,
    /// The cluster.
    #[command(flatten)]
    pub client: ClientArguments,
}

/// The arguments of this process. Called as `mount.leasehold MASTERS DIRECTORY [-o OPTIONS]`, as
/// `mount` does, they are those of `leasehold mount`.
pub fn of_process(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let all: Vec<OsString> = arguments.collect();
    let helper =
        |name: &OsString| Path::new(name).file_name() == Some(OsStr::new("mount.leasehold"));
    let [name, masters, at, rest @ ..] = &all[..] else { return all };
    if !helper(name) {
        return all;
    }
    let mut ours: Vec<OsString> = ["leasehold", "mount", "--master"].map(OsString::from).into();
    ours.extend([masters.clone(), at.clone()]);
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        // `mount` also passes -s, -f, -n and -v, which change nothing here.
        if argument == "-o" {
            ours.extend([Some(argument), rest.next()].into_iter().flatten().cloned());
        }
    }
    ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_mount_calls_it() {
        let called = |line: &str| {
            let all = of_process(line.split(' ').map(OsString::from));
            all.join(OsStr::new(" ")).into_string().unwrap()
        };
        assert_eq!(
            called("/sbin/mount.leasehold h1:7400,h2:7400 /mnt -n -o rw,soft -v"),
            "leasehold mount --master h1:7400,h2:7400 /mnt -o rw,soft"
        );
        assert_eq!(called("leasehold ls / -l"), "leasehold ls / -l");
    }
}
