//! What `-o` says.

use fuser::MountOption;
use leasehold_client::{FileSpec, SyncPolicy};
use std::fmt;
use std::time::Duration;

/// How a cluster is mounted.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// What the table of mounts shows as the device.
    pub source: String,
    /// `ro`: nothing is changed.
    pub read_only: bool,
    /// `allow_other`: users but the one who mounts may use it.
    pub allow_other: bool,
    /// `default_permissions`: the kernel checks permissions too; the cluster always does.
    pub default_permissions: bool,
    /// `direct_io`: the kernel keeps no pages, so that readers on other machines see a write at once.
    pub direct_io: bool,
    /// `attr_timeout=SECONDS`: how long the kernel believes attributes. Zero by default.
    pub attributes_for: Duration,
    /// `entry_timeout=SECONDS`: how long the kernel believes that a name leads where it led.
    pub names_for: Duration,
    /// What is fixed about files that are made: `chunk=BYTES`, `replicas=N`, `sync=POLICY`.
    pub spec: FileSpec,
    /// `soft`: a request that the cluster does not answer within `timeo` fails with EIO. By default a
    /// request waits for as long as it takes.
    pub soft: Option<Duration>,
    /// `local_lock=all`: locks are the kernel's, and other mounts do not see them. By default
    /// (`local_lock=none`) they are the cluster's.
    pub local_locks: bool,
    /// Options that the kernel acts on by itself: `nosuid`, `nodev`, `noexec`, `sync` ...
    pub passed: Vec<MountOption>,
}

impl Default for MountOptions {
    fn default() -> Self {
        MountOptions {
            source: "leasehold".to_owned(),
            read_only: false,
            allow_other: false,
            default_permissions: false,
            direct_io: false,
            attributes_for: Duration::ZERO,
            names_for: Duration::ZERO,
            spec: FileSpec::default(),
            soft: None,
            local_locks: false,
            passed: Vec::new(),
        }
    }
}

/// An option that is not one, or has no such value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionError(String);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

/// How long a `soft` request waits without `timeo`.
const SOFT: Duration = Duration::from_secs(60);

impl MountOptions {
    /// Does the kernel keep attributes or names?
    #[must_use]
    pub fn keeps(&self) -> bool {
        self.attributes_for > Duration::ZERO || self.names_for > Duration::ZERO
    }

    /// Takes in one `-o`: options separated by commas, the last of two that contradict each other wins.
    ///
    /// # Errors
    /// An option that is not known, or a value that it cannot have.
    pub fn take(&mut self, options: &str) -> Result<(), OptionError> {
        options.split(',').filter(|option| !option.is_empty()).try_for_each(|o| self.take_one(o))
    }

    fn take_one(&mut self, option: &str) -> Result<(), OptionError> {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        match (name, value) {
            ("ro", None) => self.read_only = true,
            ("rw", None) => self.read_only = false,
            ("allow_other", None) => self.allow_other = true,
            ("default_permissions", None) => self.default_permissions = true,
            ("direct_io", None) => self.direct_io = true,
            ("hard", None) => self.soft = None,
            ("soft", None) => self.soft = Some(self.soft.unwrap_or(SOFT)),
            ("timeo", Some(value)) => self.soft = Some(seconds(name, value)?),
            ("local_lock", Some("all")) => self.local_locks = true,
            ("local_lock", Some("none")) => self.local_locks = false,
            ("attr_timeout", Some(value)) => self.attributes_for = seconds(name, value)?,
            ("entry_timeout", Some(value)) => self.names_for = seconds(name, value)?,
            ("fsname", Some(value)) => value.clone_into(&mut self.source),
            ("replicas", Some(value)) => self.spec.replicas = number(name, value, 1, 16)?,
            ("chunk", Some(value)) => {
                self.spec.chunk_bytes = number(name, value, 1_u64, 1 << 40)?;
            }
            ("sync", Some("durable")) => self.spec.sync = SyncPolicy::Durable,
            ("sync", Some("page-cache")) => self.spec.sync = SyncPolicy::PageCache,
            // What fstab and systemd say to others than us.
            ("defaults" | "auto" | "noauto" | "_netdev" | "nofail" | "user" | "nouser", None) => {}
            (_, None) if name.starts_with("x-") => {}
            (_, Some(_)) if name.starts_with("x-") => {}
            _ => self.passed.push(passed(option)?),
        }
        Ok(())
    }
}

fn passed(option: &str) -> Result<MountOption, OptionError> {
    Ok(match option {
        "dev" => MountOption::Dev,
        "nodev" => MountOption::NoDev,
        "suid" => MountOption::Suid,
        "nosuid" => MountOption::NoSuid,
        "exec" => MountOption::Exec,
        "noexec" => MountOption::NoExec,
        "atime" => MountOption::Atime,
        "noatime" => MountOption::NoAtime,
        "dirsync" => MountOption::DirSync,
        "sync" => MountOption::Sync,
        "async" => MountOption::Async,
        _ => {
            let why = format!(
                "-o {option}: no such option, or no such value; known are ro, rw, allow_other, \
                 default_permissions, direct_io, hard, soft, timeo=SECONDS, attr_timeout=SECONDS, \
                 entry_timeout=SECONDS, fsname=NAME, replicas=N, chunk=BYTES, sync=durable, \
                 sync=page-cache, and what every file system knows (nosuid, nodev, noexec, noatime \
                 ...)"
            );
            return Err(OptionError(why));
        }
    })
}

fn seconds(name: &str, value: &str) -> Result<Duration, OptionError> {
    let parsed = value.parse().ok().and_then(|s: f64| Duration::try_from_secs_f64(s).ok());
    parsed.ok_or_else(|| OptionError(format!("-o {name}={value}: seconds, such as 1 or 0.5")))
}

fn number<N: std::str::FromStr + PartialOrd + fmt::Display>(
    name: &str,
    value: &str,
    least: N,
    most: N,
) -> Result<N, OptionError> {
    match value.parse::<N>() {
        Ok(number) if number >= least && number <= most => Ok(number),
        _ => Err(OptionError(format!("-o {name}={value}: a number from {least} to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_as_people_write_them() {
        let mut options = MountOptions::default();
        options.take("ro,allow_other,attr_timeout=0.5,soft,timeo=7,replicas=2").unwrap();
        assert!(options.read_only && options.allow_other && options.keeps());
        assert_eq!(options.soft, Some(Duration::from_secs(7)));
        assert_eq!(options.spec.replicas, 2);
        options
            .take("rw,hard,sync=page-cache,nosuid,_netdev,x-systemd.automount,defaults")
            .unwrap();
        assert!(!options.read_only && options.soft.is_none());
        assert_eq!(options.spec.sync, SyncPolicy::PageCache);
        assert_eq!(options.passed, [MountOption::NoSuid]);
    }

    #[test]
    fn what_is_no_option_is_refused_by_name() {
        for wrong in ["bogus", "replicas=0", "replicas=17", "replicas", "timeo=-1", "sync=maybe"] {
            let refused = MountOptions::default().take(wrong).unwrap_err();
            assert!(refused.to_string().starts_with(&format!("-o {wrong}: ")), "{refused}");
        }
    }
}
